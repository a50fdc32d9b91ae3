//! What only Entra ID sends, on a user.

use serde_json::{Value, json};

use super::{ENT, ada, ada_with, patched_from, refused, turns_ada_into};
use crate::scim::error::ScimType;
use crate::scim::patch::Mode;

#[test]
fn what_is_unassigned_leaves_no_hollow_element() {
    let home = json!({"value": "a@home", "type": "home"});
    for value in [json!(null), json!("")] {
        turns_ada_into(
            json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": value}]),
            json!({"emails": [home]}),
        );
        turns_ada_into(
            json!([{"op": "replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": value}]),
            json!({}),
        );
        turns_ada_into(
            json!([{"op": "replace", "path": "displayName", "value": value}]),
            json!({}),
        );
        turns_ada_into(
            json!([{"op": "replace", "path": "name", "value": {"givenName": value}}]),
            json!({"name": {"familyName": "L"}}),
        );
        turns_ada_into(
            json!([{"op": "add", "path": "phoneNumbers", "value": [{"type": "mobile", "value": value}]}]),
            json!({}),
        );
    }
    turns_ada_into(
        json!([{"op": "Remove", "path": "emails[type eq \"work\"].value", "value": "a@work"}]),
        json!({"emails": [home]}),
    );
    turns_ada_into(
        json!([{"op": "Remove", "path": "emails[type eq \"work\"].value", "value": "other"}]),
        json!({}),
    );
    turns_ada_into(
        json!([{"op": "Remove", "path": "name.givenName", "value": "Bob"}]),
        json!({}),
    );
    turns_ada_into(
        json!([{"op": "Remove", "path": "name.givenName", "value": "Ada"}]),
        json!({"name": {"familyName": "L"}}),
    );
}

#[test]
fn a_filter_that_describes_an_element_creates_it_unless_the_tenant_is_strict() {
    let emails = ada()["emails"].clone();
    let with = |element: Value| {
        let mut emails = emails.clone();
        emails.as_array_mut().unwrap().push(element);
        ada_with(json!({"emails": emails}))
    };
    for op in ["Add", "replace"] {
        for (path, value, expected) in [
            (
                "emails[type eq \"other\"].value",
                json!("x"),
                with(json!({"type": "other", "value": "x"})),
            ),
            (
                "emails[type eq \"other\" and display eq \"O\"].value",
                json!("x"),
                with(json!({"type": "other", "display": "O", "value": "x"})),
            ),
            (
                "phoneNumbers[type eq \"mobile\"].value",
                json!("+1"),
                ada_with(json!({"phoneNumbers": [{"type": "mobile", "value": "+1"}]})),
            ),
            (
                "roles[primary eq \"True\"].value",
                json!("User"),
                ada_with(json!({"roles": [{"primary": true, "value": "User"}]})),
            ),
            (
                "addresses.locality",
                json!("Utrecht"),
                ada_with(json!({"addresses": [{"locality": "Utrecht"}]})),
            ),
        ] {
            let operations = json!([{"op": op, "path": path, "value": value}]);
            assert_eq!(patched_from(ada(), operations.clone(), Mode::Tolerant), Ok(expected));
            let strict = patched_from(ada(), operations, Mode::Strict).unwrap_err();
            assert_eq!((strict.status, strict.scim_type), (400, Some(ScimType::NoTarget)));
        }
        for path in [
            "emails[type eq \"x\" or type eq \"y\"].value",
            "emails[type sw \"x\"].value",
            "emails[not (type pr)].value",
            "emails[type eq \"x\" and type eq \"y\"].value",
        ] {
            refused(json!([{"op": op, "path": path, "value": "x"}]), ScimType::NoTarget);
        }
        refused(
            json!([{"op": op, "path": "emails[type eq \"x\"]", "value": {"value": "x"}}]),
            ScimType::NoTarget,
        );
    }
}

#[test]
fn an_element_is_built_up_one_sub_attribute_at_a_time() {
    let operations = json!([
        {"op": "Add", "path": "addresses[type eq \"work\"].primary", "value": "True"},
        {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Utrecht"},
        {"op": "Add", "path": "addresses[type eq \"work\"].formatted", "value": "18/2111"},
    ]);
    assert_eq!(
        patched_from(ada(), operations, Mode::Tolerant),
        Ok(ada_with(json!({"addresses": [
            {"type": "work", "primary": true, "locality": "Utrecht", "formatted": "18/2111"}
        ]})))
    );
}

#[test]
fn a_manager_arrives_in_many_forms() {
    let managed = json!({ENT: {"manager": {"value": "7"}}});
    for path in [
        "manager",
        &format!("{ENT}:manager"),
        &format!("{ENT}.manager"),
        &format!("{ENT}:manager.value"),
    ] {
        turns_ada_into(json!([{"op": "Add", "path": path, "value": "7"}]), managed.clone());
    }
    for value in [
        json!("7"),
        json!({"value": "7"}),
        json!({"$ref": "https://x/Users/7", "Value": "7", "displayName": "Boss"}),
        json!([{"$ref": "https://x/Users/7", "value": "7"}]),
    ] {
        turns_ada_into(
            json!([{"op": "replace", "path": "manager", "value": value}]),
            managed.clone(),
        );
        turns_ada_into(json!([{"op": "replace", "value": {"manager": value}}]), managed.clone());
        turns_ada_into(
            json!([{"op": "replace", "value": {ENT: {"manager": value}}}]),
            managed.clone(),
        );
    }
    refused(
        json!([{"op": "add", "path": "manager", "value": ["7", "8"]}]),
        ScimType::InvalidValue,
    );
    refused(
        json!([{"op": "add", "path": "manager", "value": 7}]),
        ScimType::InvalidValue,
    );
    refused(
        json!([{"op": "add", "path": "manager.displayName", "value": "x"}]),
        ScimType::Mutability,
    );
}

#[test]
fn a_manager_stays_where_nothing_is_said_about_it() {
    let managed = ada_with(json!({ENT: {"manager": {"value": "7"}}}));
    for value in [
        json!({}),
        json!([{}]),
        json!({"displayName": "Boss"}),
        json!([{"displayName": "Boss"}]),
    ] {
        for op in ["add", "replace"] {
            let operations = json!([{"op": op, "path": "manager", "value": value}]);
            assert_eq!(
                patched_from(managed.clone(), operations, Mode::Strict),
                Ok(managed.clone()),
                "{value}"
            );
        }
    }
}

#[test]
fn a_manager_is_cleared_in_many_forms() {
    let before = ada_with(json!({ENT: {"manager": {"value": "7", "displayName": "Boss", "$ref": "https://x"}}}));
    for operations in [
        json!([{"op": "replace", "path": format!("{ENT}:manager"), "value": ""}]),
        json!([{"op": "replace", "path": "manager", "value": null}]),
        json!([{"op": "replace", "path": "manager", "value": []}]),
        json!([{"op": "replace", "path": "manager", "value": {"value": ""}}]),
        json!([{"op": "replace", "path": "manager.value", "value": ""}]),
        json!([{"op": "remove", "path": "manager"}]),
        json!([{"op": "Remove", "path": "manager", "value": "7"}]),
        json!([{"op": "Remove", "path": "manager", "value": [{"value": "7"}]}]),
        json!([{"op": "remove", "path": "manager[value eq \"7\"]"}]),
        json!([{"op": "remove", "path": ENT}]),
        json!([{"op": "replace", "value": {ENT: null}}]),
    ] {
        assert_eq!(
            patched_from(before.clone(), operations.clone(), Mode::Strict),
            Ok(ada()),
            "{operations}"
        );
    }
    for operations in [
        json!([{"op": "Remove", "path": "manager", "value": "8"}]),
        json!([{"op": "remove", "path": "manager[value eq \"8\"]"}]),
    ] {
        assert_eq!(
            patched_from(before.clone(), operations, Mode::Strict),
            Ok(before.clone())
        );
    }
    assert_eq!(
        patched_from(
            before,
            json!([{"op": "replace", "path": "manager", "value": "8"}]),
            Mode::Strict
        ),
        Ok(ada_with(json!({ENT: {"manager": {"value": "8"}}}))),
        "what was derived from the old manager is stale"
    );
}

#[test]
fn a_filter_on_the_manager_is_a_condition_only_where_patch_is_strict() {
    let managed = |by: &str| ada_with(json!({ENT: {"manager": {"value": by}}}));
    let replaced = |old: &str, mode: Mode| {
        let path = format!("manager[value eq \"{old}\"]");
        let operations = json!([{"op": "replace", "path": path, "value": {"value": "9"}}]);
        patched_from(managed("7"), operations, mode)
    };

    assert_eq!(replaced("7", Mode::Strict), Ok(managed("9")));
    assert_eq!(replaced("8", Mode::Tolerant), Ok(managed("9")));
    let error = replaced("8", Mode::Strict).unwrap_err();
    assert_eq!((error.status, error.scim_type), (400, Some(ScimType::NoTarget)));
}

#[test]
fn roles_arrive_as_json_text() {
    let role = "{\"id\":\"1\",\"value\":\"25\",\"displayName\":\"Editor\"}";
    let roles = json!({"roles": [{"value": "25", "display": "Editor"}]});
    for value in [
        json!(role),
        json!([role]),
        json!({"value": role}),
        json!([{"value": role}]),
    ] {
        turns_ada_into(json!([{"op": "Add", "path": "roles", "value": value}]), roles.clone());
    }
    turns_ada_into(
        json!([{"op": "Add", "path": "roles", "value": "User"}]),
        json!({"roles": [{"value": "User"}]}),
    );
    let long = format!("{{\"value\":\"25\",\"x\":[{}0]}}", "0,".repeat(40_000));
    turns_ada_into(
        json!([{"op": "Add", "path": "roles", "value": [{"value": long}]}]),
        json!({"roles": [{"value": long}]}),
    );
}
