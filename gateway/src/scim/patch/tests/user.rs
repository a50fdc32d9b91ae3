//! The rules of RFC 7644 §3.5.2 on a user.

use serde_json::{Value, json};

use super::{ENT, STATUS, ada, groups, refused, request, turns_ada_into, user, users};
use crate::scim::error::ScimType;
use crate::scim::patch::{Mode, PatchRequest};
use crate::scim::resource::Resource;

#[test]
fn single_valued_attributes_are_set_by_add_and_by_replace() {
    for op in ["add", "Add", "replace", "Replace", "REPLACE"] {
        turns_ada_into(
            json!([{"op": op, "path": "title", "value": "Dr"}]),
            json!({"title": "Dr"}),
        );
        turns_ada_into(
            json!([{"op": op, "path": "UserName", "value": "bob"}]),
            json!({"userName": "bob"}),
        );
        turns_ada_into(
            json!([{"op": op, "path": "Name.GivenName", "value": "Joan"}]),
            json!({"name": {"givenName": "Joan", "familyName": "L"}}),
        );
        turns_ada_into(
            json!([{"op": op, "path": "name", "value": {"GivenName": "Joan", "middleName": "B", "unknown": 1}}]),
            json!({"name": {"givenName": "Joan", "middleName": "B", "familyName": "L"}}),
        );
        turns_ada_into(json!([{"op": op, "path": "name", "value": {}}]), json!({}));
    }
    turns_ada_into(json!([{"op": "remove", "path": "name"}]), json!({"name": null}));
    turns_ada_into(
        json!([{"op": "remove", "path": "name.givenName"}]),
        json!({"name": {"familyName": "L"}}),
    );
    turns_ada_into(json!([{"op": "remove", "path": "title"}]), json!({}));
}

#[test]
fn booleans_arrive_as_words_too() {
    for value in [json!(false), json!("False"), json!("false")] {
        turns_ada_into(
            json!([{"op": "Replace", "path": "active", "value": value}]),
            json!({"active": false}),
        );
        turns_ada_into(
            json!([{"op": "Add", "value": {"active": value}}]),
            json!({"active": false}),
        );
    }
    for value in [json!("no"), json!(0), json!([]), json!({})] {
        refused(
            json!([{"op": "Replace", "path": "active", "value": value}]),
            ScimType::InvalidValue,
        );
    }
}

#[test]
fn active_cannot_be_taken_away() {
    for operations in [
        json!([{"op": "remove", "path": "active"}]),
        json!([{"op": "remove", "path": "active", "value": true}]),
        json!([{"op": "replace", "path": "active", "value": null}]),
        json!([{"op": "replace", "path": "active", "value": ""}]),
        json!([{"op": "add", "value": {"active": null}}]),
    ] {
        assert_eq!(
            refused(operations, ScimType::InvalidValue),
            "active cannot be removed; send true or false."
        );
    }
}

#[test]
fn the_user_name_cannot_be_taken_away() {
    refused(json!([{"op": "remove", "path": "userName"}]), ScimType::Mutability);
    refused(
        json!([{"op": "replace", "path": "userName", "value": ""}]),
        ScimType::InvalidValue,
    );
    refused(
        json!([{"op": "replace", "value": {"userName": null}}]),
        ScimType::InvalidValue,
    );
}

#[test]
fn an_operation_without_a_path_has_paths_as_keys() {
    turns_ada_into(
        json!([{"op": "replace", "value": {
            "displayName": "Dora", "name.givenName": "Dora", "id": "9", "schemas": ["x"], "META": {"version": "2"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber": "E-9",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"schemas": [ENT], "Department": "Ops"},
            "urn:ietf:params:scim:schemas:core:2.0:User:nickName": "D",
            "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:costCode": "78",
            "urn:ietf:params:scim:schemas:extension:Acme:2.0:User": {"x": 1},
            "department": "Ops", "emails": [{"value": "d@work"}],
        }}]),
        json!({
            "displayName": "Dora", "name": {"givenName": "Dora", "familyName": "L"}, "nickName": "D",
            "emails": [{"value": "d@work"}], ENT: {"employeeNumber": "E-9", "department": "Ops"},
        }),
    );
    for value in [json!("x"), json!(null), json!([])] {
        refused(json!([{"op": "add", "value": value}]), ScimType::InvalidValue);
    }
    refused(json!([{"op": "add", "value": {"shoeSize": 43}}]), ScimType::InvalidPath);
    refused(json!([{"op": "Remove"}]), ScimType::NoTarget);
    refused(json!([{"op": "Remove", "value": {"title": "x"}}]), ScimType::NoTarget);
}

#[test]
fn lists_grow_by_add_and_are_exchanged_by_replace() {
    let work = json!({"value": "a@work", "type": "work", "primary": true});
    let home = json!({"value": "a@home", "type": "home"});
    let new = json!({"value": "b@home", "type": "home"});
    turns_ada_into(
        json!([{"op": "add", "path": "emails", "value": [new, home, new]}]),
        json!({"emails": [work, home, new]}),
    );
    turns_ada_into(
        json!([{"op": "add", "path": "emails", "value": new}]),
        json!({"emails": [work, home, new]}),
    );
    turns_ada_into(
        json!([{"op": "replace", "path": "emails", "value": [new]}]),
        json!({"emails": [new]}),
    );
    turns_ada_into(
        json!([{"op": "replace", "path": "emails", "value": new}]),
        json!({"emails": [new]}),
    );
    for value in [json!(null), json!([]), json!("")] {
        turns_ada_into(json!([{"op": "add", "path": "emails", "value": value}]), json!({}));
        turns_ada_into(
            json!([{"op": "replace", "path": "emails", "value": value}]),
            json!({"emails": null}),
        );
        turns_ada_into(json!([{"op": "remove", "path": "emails", "value": value}]), json!({}));
    }
    turns_ada_into(json!([{"op": "remove", "path": "emails"}]), json!({"emails": null}));
    turns_ada_into(
        json!([{"op": "remove", "path": "emails", "value": [{"value": "A@WORK", "$ref": null, "display": "x"}]}]),
        json!({"emails": [home]}),
    );
    turns_ada_into(
        json!([{"op": "remove", "path": "emails", "value": "a@home"}]),
        json!({"emails": [work]}),
    );
    turns_ada_into(
        json!([{"op": "remove", "path": "emails", "value": [{"value": "a@work", "type": "home"}]}]),
        json!({}),
    );
    refused(
        json!([{"op": "add", "path": "emails", "value": "a@b"}]),
        ScimType::InvalidValue,
    );
    refused(
        json!([{"op": "add", "path": "emails", "value": [{"value": 1}]}]),
        ScimType::InvalidValue,
    );
}

#[test]
fn a_new_primary_element_takes_that_from_the_others() {
    turns_ada_into(
        json!([{"op": "add", "path": "emails", "value": [{"value": "n@x", "primary": true}]}]),
        json!({"emails": [{"value": "a@work", "type": "work", "primary": false}, {"value": "a@home", "type": "home"},
                          {"value": "n@x", "primary": true}]}),
    );
    turns_ada_into(
        json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": "True"}]),
        json!({"emails": [{"value": "a@work", "type": "work", "primary": false},
                          {"value": "a@home", "type": "home", "primary": true}]}),
    );
    turns_ada_into(
        json!([{"op": "replace", "path": "emails",
                "value": [{"value": "a", "primary": true}, {"value": "b", "primary": "True"}]}]),
        json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": false}]}),
    );
    turns_ada_into(
        json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true},
               {"op": "replace", "path": "emails.primary", "value": true}]),
        json!({"emails": [{"value": "a@work", "type": "work", "primary": true},
                          {"value": "a@home", "type": "home", "primary": false}]}),
    );
}

#[test]
fn a_value_filter_selects_elements() {
    let home = json!({"value": "a@home", "type": "home"});
    turns_ada_into(
        json!([{"op": "replace", "path": "emails[type eq \"WORK\"].value", "value": "new@work"}]),
        json!({"emails": [{"value": "new@work", "type": "work", "primary": true}, home]}),
    );
    turns_ada_into(
        json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "x", "type": "other"}}]),
        json!({"emails": [{"value": "x", "type": "other"}, home]}),
    );
    turns_ada_into(
        json!([{"op": "add", "path": "emails[type eq \"work\"]", "value": {"display": "W"}}]),
        json!({"emails": [{"value": "a@work", "type": "work", "primary": true, "display": "W"}, home]}),
    );
    turns_ada_into(
        json!([{"op": "replace", "path": "emails[type pr]", "value": {"value": "x"}}]),
        json!({"emails": [{"value": "x"}]}),
    );
    turns_ada_into(
        json!([{"op": "remove", "path": "emails[primary eq \"True\"]"}]),
        json!({"emails": [home]}),
    );
    turns_ada_into(
        json!([{"op": "remove", "path": "emails[type eq \"work\" and value ew \"work\"]"}]),
        json!({"emails": [home]}),
    );
    turns_ada_into(
        json!([{"op": "remove", "path": "emails[type pr]"}]),
        json!({"emails": null}),
    );
    turns_ada_into(json!([{"op": "remove", "path": "emails[type eq \"fax\"]"}]), json!({}));
    turns_ada_into(
        json!([{"op": "remove", "path": "emails[type eq \"fax\"].value"}]),
        json!({}),
    );
}

#[test]
fn what_the_server_writes_cannot_be_written() {
    for operations in [
        json!([{"op": "replace", "path": "id", "value": "2"}]),
        json!([{"op": "replace", "path": "meta.version", "value": "2"}]),
        json!([{"op": "remove", "path": "schemas"}]),
        json!([{"op": "add", "path": "groups", "value": [{"value": "2"}]}]),
        json!([{"op": "remove", "path": "groups[value eq \"2\"]"}]),
        json!([{"op": "add", "path": "blocked", "value": true}]),
        json!([{"op": "add", "path": STATUS, "value": {"blocked": true}}]),
        json!([{"op": "remove", "path": "manager.displayName"}]),
        json!([{"op": "remove", "path": STATUS}]),
    ] {
        refused(operations, ScimType::Mutability);
    }
    turns_ada_into(json!([{"op": "add", "path": "schemas", "value": [ENT]}]), json!({}));
    turns_ada_into(json!([{"op": "add", "path": "password", "value": "secret"}]), json!({}));
}

#[test]
fn what_the_server_writes_is_ignored_among_the_keys_of_an_operation_without_a_path() {
    for key in [
        json!({"groups": []}),
        json!({"groups": [{"value": "2"}], "id": "9", "meta.version": "2"}),
        json!({"groups[value eq \"2\"].display": "x"}),
        json!({"blocked": true, (format!("{STATUS}:blockReasons")): ["x"]}),
        json!({STATUS: {"blocked": true}}),
        json!({STATUS: null}),
        json!({STATUS: ""}),
        json!({STATUS: []}),
        json!({"manager.displayName": "Boss", ENT: {"manager.displayName": "Boss"}}),
    ] {
        let mut value = json!({"active": false});
        value.as_object_mut().unwrap().extend(key.as_object().unwrap().clone());
        for op in ["add", "replace"] {
            turns_ada_into(json!([{"op": op, "value": value}]), json!({"active": false}));
        }
    }
}

#[test]
fn paths_that_name_nothing_are_refused_unless_their_schema_is_unknown() {
    for path in [
        "shoeSize",
        "name.shoeSize",
        "emails[type eq \"x\"].shoeSize",
        "emails[type eq \"x\"]value",
        "a b",
        "userName[value eq \"x\"]",
        "emails.value[type eq \"x\"]",
        &format!("{ENT}:shoeSize"),
    ] {
        refused(
            json!([{"op": "add", "path": path, "value": "x"}]),
            ScimType::InvalidPath,
        );
    }
    for path in [
        "emails[type eq]",
        "emails[shoe eq \"x\"].value",
        "emails[type eq \"x\"",
        "emails[]",
    ] {
        refused(
            json!([{"op": "add", "path": path, "value": "x"}]),
            ScimType::InvalidFilter,
        );
    }
    for path in [
        "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:costCode",
        "urn:x:y[z",
        "http://x/y",
    ] {
        turns_ada_into(json!([{"op": "add", "path": path, "value": "x"}]), json!({}));
    }
}

#[test]
fn wrong_types_and_missing_values_are_named() {
    assert_eq!(
        refused(
            json!([{"op": "add", "path": "title", "value": 7}]),
            ScimType::InvalidValue
        ),
        "title must be a JSON string."
    );
    assert_eq!(
        refused(
            json!([{"op": "add", "path": "title", "value": "a\0b"}]),
            ScimType::InvalidValue
        ),
        "title holds the character U+0000, which is not allowed; take it out."
    );
    assert_eq!(
        refused(json!([{"op": "add", "path": "title"}]), ScimType::InvalidValue),
        "The operation on title has no value; send one."
    );
}

#[test]
fn one_bad_operation_spoils_all() {
    refused(
        json!([{"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "id", "value": "x"}]),
        ScimType::Mutability,
    );
}

#[test]
fn what_the_operations_were_about_is_named_once() {
    let named = |operations: Value| -> Vec<String> {
        let patched = request(operations).apply(user(ada()), Mode::Tolerant).unwrap();
        patched.named.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        named(json!([
            {"op": "replace", "path": "active", "value": true},
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "x"},
            {"op": "add", "path": "emails", "value": [{"value": "y"}]},
            {"op": "replace", "value": {"name": {"givenName": "A"}, "name.familyName": "B", "externalId": "e"}},
            {"op": "add", "path": "manager", "value": "7"},
            {"op": "remove", "path": "title"},
            {"op": "remove", "path": "nickName", "value": "not this"},
            {"op": "add", "path": "password", "value": "x"},
        ])),
        [
            "active",
            "emails",
            "externalId",
            "name.givenName",
            "name.familyName",
            &format!("{ENT}:manager"),
            "title"
        ]
    );
    assert_eq!(named(json!([{"op": "remove", "path": "name"}])), ["name"]);
}

#[test]
fn bodies_that_are_no_patch_are_refused() {
    for body in [
        json!([]),
        json!({}),
        json!({"Operations": []}),
        json!({"Operations": {}}),
        json!({"Operations": ["x"]}),
        json!({"Operations": [{"path": "title", "value": "x"}]}),
        json!({"Operations": [{"op": "frobnicate", "path": "title", "value": "x"}]}),
        json!({"Operations": [{"op": "add", "Op": "remove", "path": "title", "value": "x"}]}),
        json!({"Operations": [{"op": "add", "path": "title", "value": "x"}], "operations": []}),
        json!({"Operations": [{"op": "add", "path": "title", "value": "x"}], "schemas": ["other"]}),
    ] {
        let error = PatchRequest::parse(body.clone()).expect_err(&body.to_string());
        assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax), "{body}");
    }
    let path_is_no_text = json!({"Operations": [{"op": "add", "path": 7, "value": "x"}]});
    assert_eq!(
        PatchRequest::parse(path_is_no_text).unwrap_err().scim_type,
        Some(ScimType::InvalidPath)
    );

    let operation = json!({"op": "add", "path": "title", "value": "x"});
    let many = |count: usize| PatchRequest::parse(json!({"operations": vec![operation.clone(); count]}));
    assert!(many(1_000).is_ok());
    assert_eq!(many(1_001).unwrap_err().status, 413);
}

#[test]
fn each_key_of_an_operation_without_a_path_counts_as_an_operation() {
    let keys = |count: usize| -> Value {
        let key = |at: usize| (format!("emails[type eq \"{at}\"].value"), json!("x"));
        Value::Object((0..count).map(key).collect())
    };
    let status = |operations: Value| {
        let patched = request(operations).apply(user(json!({"userName": "ada"})), Mode::Tolerant);
        patched.map_or_else(|error| error.status, |_| 200)
    };

    assert_eq!(status(json!([{"op": "add", "value": keys(1_000)}])), 200);
    assert_eq!(status(json!([{"op": "add", "value": keys(1_001)}])), 413);
    assert_eq!(
        status(json!([{"op": "add", "value": keys(1_000)}, {"op": "add", "path": "title", "value": "x"}])),
        413
    );
    let two_keys = json!({"op": "add", "value": {"displayName": "x", "externalId": "x"}});
    let compiled = |count: usize| request(json!(vec![two_keys.clone(); count])).compile_group(groups(), Mode::Tolerant);
    assert!(compiled(500).is_ok());
    assert_eq!(compiled(501).unwrap_err().status, 413);
}

/// Without the bound, each of these would keep a thread busy for minutes or fill the memory.
#[test]
fn a_patch_that_compares_or_copies_too_much_is_refused() {
    let emails = |count: usize| -> Vec<Value> { (0..count).map(|at| json!({"value": format!("{at}@x")})).collect() };
    let others = |count: usize| -> Vec<Value> { (0..count).map(|at| json!({"value": format!("{at}@y")})).collect() };
    let add = |values: Vec<Value>| json!({"op": "add", "path": "emails", "value": values});
    let patched = |operations: Value| request(operations).apply(user(json!({"userName": "ada"})), Mode::Tolerant);
    let long = "x".repeat(1024 * 1024);

    let fits = patched(
        json!([add(emails(500)), {"op": "remove", "path": "emails", "value": others(500)},
                              {"op": "remove", "path": "emails", "value": emails(499)}]),
    );
    assert_eq!(fits.unwrap().resource.attributes["emails"], json!([{"value": "499@x"}]));
    for operations in [
        json!([add(emails(4_000)), {"op": "remove", "path": "emails", "value": others(4_000)}]),
        json!([add(emails(2_000)), {"op": "replace", "path": "emails.display", "value": long}]),
    ] {
        let error = patched(operations).unwrap_err();
        assert_eq!((error.status, error.scim_type), (413, None));
        assert_eq!(error.detail, "The PATCH compares too many values; send less at once.");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::with_cases(512)
    })]

    #[test]
    fn no_operations_make_the_engine_panic_and_what_they_leave_is_well_formed(
        operations in proptest::collection::vec(
            (
                proptest::sample::select(vec!["add", "Replace", "remove"]),
                proptest::sample::select(vec![
                    None, Some("emails"), Some("emails.value"), Some("emails[type eq \"work\"]"), Some("emails[type pr].value"),
                    Some("emails[primary eq true].primary"), Some("emails[value eq \"x\"].type"), Some("name"),
                    Some("name.givenName"), Some("manager"), Some("manager.value"), Some("manager[value eq \"x\"]"),
                    Some("roles"), Some("title"), Some(ENT), Some("urn:x:y"), Some("members"), Some("id"),
                ]),
                proptest::sample::select(vec![
                    None, Some(json!(null)), Some(json!("")), Some(json!("x")), Some(json!(true)), Some(json!([])),
                    Some(json!({})), Some(json!({"value": "x", "primary": true})), Some(json!([{"value": "x"}, null, {}])),
                    Some(json!([{"value": "", "type": "work"}])), Some(json!({"givenName": null, "manager": ["x"]})),
                    Some(json!([["x"]])), Some(json!("{\"value\":1}")),
                ]),
            ),
            1..5,
        ),
    ) {
        let operations: Vec<Value> = operations
            .into_iter()
            .map(|(op, path, value)| {
                let mut operation = json!({"op": op});
                if let Some(path) = path {
                    operation["path"] = json!(path);
                }
                if let Some(value) = value {
                    operation["value"] = value;
                }
                operation
            })
            .collect();
        let patch = request(json!(operations));
        let _ = patch.compile_group(groups(), Mode::Tolerant);
        if let Ok(patched) = patch.apply(user(ada()), Mode::Tolerant) {
            let text = Value::Object(patched.resource.attributes.clone()).to_string();
            proptest::prop_assert!(!text.contains("null") && !text.contains("[]") && !text.contains("{}"), "{text}");
            let again = Resource::parse(users(), Value::Object(patched.resource.attributes.clone()));
            let mut expected = patched.resource;
            expected.attributes.remove("id");
            expected.attributes.remove("meta");
            proptest::prop_assert_eq!(again, Ok(expected));
        }
    }
}
