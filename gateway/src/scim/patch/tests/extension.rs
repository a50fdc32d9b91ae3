//! The rules of RFC 7644 §3.5.2 on attributes that a tenant registered.

use std::sync::Arc;

use serde_json::{Value, json};

use super::request;
use crate::scim::error::{ScimError, ScimType};
use crate::scim::patch::Mode;
use crate::scim::resource::Resource;
use crate::scim::schema::testing::{ACME, ACME_GROUP, groups, users};
use crate::scim::schema::{Attribute, Kind, ResourceKind, ResourceTypes, Schema};

fn patched(extension: Value, operations: Value, mode: Mode) -> Result<Value, ScimError> {
    let Value::Object(mut attributes) = json!({"id": "1", "userName": "ada", ACME: extension}) else {
        unreachable!()
    };
    attributes.retain(|_, value| !value.is_null());
    let ada = Resource {
        resource_type: users(),
        attributes,
    };
    let patched = request(operations).apply(ada, mode)?;
    Ok(patched.resource.attributes.get(ACME).cloned().unwrap_or_default())
}

fn stored() -> Value {
    json!({"costCode": "77", "badge": "B1", "grade": "A", "tags": ["a", "b"],
           "desk": {"room": "1", "asset": "X", "floor": "2"},
           "cars": [{"value": "c1", "type": "work", "checked": "yes"}]})
}

fn stored_with(changes: Value) -> Value {
    let mut stored = stored();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => stored.as_object_mut().unwrap().remove(name),
            value => stored.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    stored
}

#[test]
fn values_of_every_type_are_set_in_both_dialects() {
    let urn = |name: &str| format!("{ACME}:{name}");
    for (operations, changes) in [
        (
            json!([{"op": "Add", "path": urn("level"), "value": 7.0}, {"op": "add", "path": urn("RATE"), "value": 2}]),
            json!({"level": 7, "rate": 2.0}),
        ),
        (
            json!([{"op": "Add", "path": urn("level"), "value": "-7"}, {"op": "add", "path": urn("rate"), "value": "1.5e1"},
                   {"op": "replace", "path": urn("levels"), "value": ["1", 2]}]),
            json!({"level": -7, "rate": 15.0, "levels": [1, 2]}),
        ),
        (
            json!([{"op": "replace", "value": {urn("remote"): "True", urn("hired"): "2026-01-31T12:00:00Z"}}]),
            json!({"remote": true, "hired": "2026-01-31T12:00:00Z"}),
        ),
        (
            json!([{"op": "replace", "value": {ACME: {"wiki": "https://x/A", "key": "AA==", "pin": "1", "secret": "s"}}}]),
            json!({"wiki": "https://x/A", "key": "AA==", "pin": "1", "secret": "s"}),
        ),
        (
            json!([{"op": "add", "path": urn("tags"), "value": "c"}]),
            json!({"tags": ["a", "b", "c"]}),
        ),
        (json!([{"op": "add", "path": "tags", "value": ["b"]}]), json!({})),
        (
            json!([{"op": "remove", "path": urn("tags[value eq \"A\"]")}]),
            json!({"tags": ["b"]}),
        ),
        (
            json!([{"op": "remove", "path": urn("tags"), "value": ["b"]}]),
            json!({"tags": ["a"]}),
        ),
        (
            json!([{"op": "replace", "path": urn("tags[value eq \"a\"].value"), "value": "z"}]),
            json!({"tags": ["z", "b"]}),
        ),
        (
            json!([{"op": "replace", "path": urn("levels"), "value": [1, 2]}]),
            json!({"levels": [1, 2]}),
        ),
        (
            json!([{"op": "replace", "path": urn("desk.room"), "value": "9"}]),
            json!({"desk": {"room": "9", "asset": "X", "floor": "2"}}),
        ),
        (
            json!([{"op": "replace", "path": urn("desk"), "value": {"room": "9", "floor": "5"}}]),
            json!({"desk": {"room": "9", "asset": "X", "floor": "2"}}),
        ),
        (
            json!([{"op": "replace", "path": urn("cars"), "value": [{"value": "c1", "type": "work"}, {"value": "c2"}]}]),
            json!({"cars": [{"value": "c1", "type": "work", "checked": "yes"}, {"value": "c2"}]}),
        ),
        (
            json!([{"op": "add", "path": urn("cars"), "value": [{"value": "c1", "type": "work"}, {"value": "c1"}]}]),
            json!({"cars": [{"value": "c1", "type": "work", "checked": "yes"}, {"value": "c1"}]}),
        ),
        (
            json!([{"op": "replace", "path": urn("cars[type eq \"work\"]"), "value": {"value": "c9"}}]),
            json!({"cars": [{"value": "c9", "checked": "yes"}]}),
        ),
        (
            json!([{"op": "add", "path": urn("badge"), "value": "b1"}]),
            json!({"badge": "b1"}),
        ),
    ] {
        for mode in [Mode::Tolerant, Mode::Strict] {
            assert_eq!(
                patched(stored(), operations.clone(), mode),
                Ok(stored_with(changes.clone())),
                "{operations}"
            );
        }
    }
}

#[test]
fn what_is_immutable_is_set_once() {
    let urn = |name: &str| format!("{ACME}:{name}");
    let badge = json!([{"op": "add", "path": urn("badge"), "value": "B2"}]);

    let first = patched(json!({"costCode": "77"}), badge.clone(), Mode::Strict);

    assert_eq!(first, Ok(json!({"costCode": "77", "badge": "B2"})));
    for operations in [
        badge,
        json!([{"op": "remove", "path": urn("badge")}]),
        json!([{"op": "replace", "path": urn("badge"), "value": ""}]),
        json!([{"op": "replace", "path": urn("desk.asset"), "value": "Y"}]),
        json!([{"op": "remove", "path": urn("desk")}]),
        json!([{"op": "remove", "path": ACME}]),
        json!([{"op": "replace", "path": urn("grade"), "value": "B"}]),
        json!([{"op": "remove", "path": urn("grade")}]),
        json!([{"op": "replace", "path": urn("desk.floor"), "value": "3"}]),
        json!([{"op": "replace", "path": urn("cars[value eq \"c1\"].checked"), "value": "no"}]),
        json!([{"op": "remove", "path": urn("costCode")}]),
    ] {
        for mode in [Mode::Tolerant, Mode::Strict] {
            let error = patched(stored(), operations.clone(), mode).expect_err(&operations.to_string());
            assert_eq!(
                (error.status, error.scim_type),
                (400, Some(ScimType::Mutability)),
                "{operations}"
            );
        }
    }
}

#[test]
fn a_value_that_does_not_fit_is_refused_and_so_is_a_name_that_is_none() {
    use ScimType::{InvalidFilter, InvalidPath, InvalidValue, NoTarget};
    let urn = |name: &str| format!("{ACME}:{name}");
    for (operations, scim_type) in [
        (json!([{"op": "add", "path": urn("level"), "value": 1.5}]), InvalidValue),
        (
            json!([{"op": "add", "path": urn("level"), "value": "seven"}]),
            InvalidValue,
        ),
        (
            json!([{"op": "add", "path": urn("level"), "value": "7.5"}]),
            InvalidValue,
        ),
        (
            json!([{"op": "add", "path": urn("rate"), "value": "NaN"}]),
            InvalidValue,
        ),
        (
            json!([{"op": "add", "path": urn("level"), "value": 9_007_199_254_740_992_i64}]),
            InvalidValue,
        ),
        (
            json!([{"op": "add", "path": urn("rate"), "value": 9_007_199_254_740_993_i64}]),
            InvalidValue,
        ),
        (
            json!([{"op": "add", "path": urn("remote"), "value": "yes"}]),
            InvalidValue,
        ),
        (
            json!([{"op": "add", "path": urn("hired"), "value": "yesterday"}]),
            InvalidValue,
        ),
        (json!([{"op": "add", "path": urn("desk"), "value": "1"}]), InvalidValue),
        (
            json!([{"op": "add", "path": urn("tags"), "value": [["x"]]}]),
            InvalidValue,
        ),
        (json!([{"op": "add", "path": urn("shoeSize"), "value": 1}]), InvalidPath),
        (
            json!([{"op": "add", "path": urn("desk.shoeSize"), "value": 1}]),
            InvalidPath,
        ),
        (
            json!([{"op": "remove", "path": urn("tags[value gt 7]")}]),
            InvalidFilter,
        ),
        (
            json!([{"op": "replace", "path": urn("cars[type eq \"x\"]"), "value": {"value": "c"}}]),
            NoTarget,
        ),
    ] {
        let error = patched(stored(), operations.clone(), Mode::Tolerant).expect_err(&operations.to_string());
        assert_eq!((error.status, error.scim_type), (400, Some(scim_type)), "{operations}");
    }
    let without_cost_code = json!([{"op": "add", "path": urn("level"), "value": 1}]);
    let error = patched(Value::Null, without_cost_code, Mode::Tolerant).unwrap_err();
    assert_eq!(error.scim_type, Some(InvalidValue));
}

/// `costCode` became required when values were there already.
#[test]
fn what_was_missing_before_need_not_be_brought() {
    let remote = json!([{"op": "add", "path": format!("{ACME}:remote"), "value": true}]);

    let lacking = patched(json!({"badge": "B1"}), remote.clone(), Mode::Strict);
    let brought = patched(Value::Null, remote, Mode::Strict).unwrap_err();

    assert_eq!(lacking, Ok(json!({"badge": "B1", "remote": true})));
    assert_eq!(brought.scim_type, Some(ScimType::InvalidValue));
}

#[test]
fn a_simple_element_that_the_filter_describes_is_created_unless_patch_is_strict() {
    let operations = json!([{"op": "add", "path": format!("{ACME}:tags[value eq \"z\"].value"), "value": "z"}]);

    let tolerant = patched(stored(), operations.clone(), Mode::Tolerant);
    let strict = patched(stored(), operations, Mode::Strict).unwrap_err();

    assert_eq!(tolerant, Ok(stored_with(json!({"tags": ["a", "b", "z"]}))));
    assert_eq!(strict.scim_type, Some(ScimType::NoTarget));
}

#[test]
fn a_filter_on_what_the_server_writes_creates_no_element() {
    let operations = json!([{"op": "add", "path": format!("{ACME}:cars[checked eq \"no\"].value"), "value": "c2"}]);

    let error = patched(stored(), operations, Mode::Tolerant).unwrap_err();

    assert_eq!(error.scim_type, Some(ScimType::NoTarget));
}

#[test]
fn a_filter_on_a_single_value_is_a_condition() {
    let room = |number: &str| format!("{ACME}:desk[room eq \"{number}\"]");
    let part = |number: &str| format!("{}.room", room(number));
    let moved = stored_with(json!({"desk": {"room": "9", "asset": "X", "floor": "2"}}));
    for mode in [Mode::Tolerant, Mode::Strict] {
        for op in ["add", "replace"] {
            for (path, value) in [(room("1"), json!({"room": "9"})), (part("1"), json!("9"))] {
                let operations = json!([{"op": op, "path": path, "value": value}]);
                assert_eq!(patched(stored(), operations, mode), Ok(moved.clone()));
            }
            for (path, value) in [(room("2"), json!({"room": "9"})), (part("2"), json!("9"))] {
                let operations = json!([{"op": op, "path": path, "value": value}]);
                let error = patched(stored(), operations, mode).unwrap_err();
                assert_eq!(error.scim_type, Some(ScimType::NoTarget));
            }
        }
        let unassignment = json!([{"op": "replace", "path": part("2"), "value": ""}]);
        assert_eq!(patched(stored(), unassignment, mode), Ok(stored()));
    }
}

#[test]
fn an_extension_goes_as_a_whole_and_what_nobody_registered_is_ignored() {
    let removal = json!([{"op": "remove", "path": ACME}]);
    let unregistered = json!([{"op": "add", "path": "urn:other:User:x", "value": 1},
                              {"op": "replace", "value": {"urn:other:User": {"x": 1}}}]);

    assert_eq!(
        patched(json!({"costCode": "7", "tags": ["a"]}), removal, Mode::Strict),
        Ok(Value::Null)
    );
    assert_eq!(patched(stored(), unregistered, Mode::Strict), Ok(stored()));
}

#[test]
fn operations_on_extensions_of_a_group_wait_for_what_is_stored() {
    let operations = json!([
        {"op": "replace", "path": "displayName", "value": "G"},
        {"op": "add", "path": format!("{ACME_GROUP}:purpose"), "value": "p"},
    ]);
    let group = |attributes: Value| Resource {
        resource_type: groups(),
        attributes: attributes.as_object().cloned().unwrap(),
    };

    let compiled = request(operations).compile_group(&groups(), Mode::Strict).unwrap();
    let extensions = compiled.extensions.unwrap();
    let applied = extensions.apply(group(json!({ACME_GROUP: {"badge": "1"}}))).unwrap();

    assert_eq!(compiled.display_name.as_deref(), Some("G"));
    assert_eq!(
        Value::Object(applied.attributes),
        json!({ACME_GROUP: {"badge": "1", "purpose": "p"}})
    );
}

#[test]
fn a_part_that_is_required_cannot_be_removed() {
    let value = Attribute {
        required: true,
        ..Attribute::new(Kind::String, "value", "")
    };
    let skills = Attribute {
        multi_valued: true,
        sub_attributes: vec![Arc::new(value), Arc::new(Attribute::new(Kind::String, "level", ""))],
        ..Attribute::new(Kind::Complex, "skills", "")
    };
    let schema = Schema::new(ACME, "Acme", "", vec![skills]);
    let types = ResourceTypes::new(vec![Arc::new(schema)], Vec::new());
    let remove = |path: &str| {
        let attributes = json!({"id": "1", "userName": "ada", ACME: {"skills": [{"value": "rust", "level": "1"}]}});
        let ada = Resource {
            resource_type: types.get(ResourceKind::User).clone(),
            attributes: attributes.as_object().unwrap().clone(),
        };
        let operations = json!([{"op": "remove", "path": format!("{ACME}:{path}")}]);
        request(operations).apply(ada, Mode::Tolerant)
    };

    for path in ["skills.value", "skills[level eq \"1\"].value"] {
        let refused = remove(path).map(|_| ()).unwrap_err();
        assert_eq!(refused.scim_type, Some(ScimType::Mutability), "{path}");
    }
    assert!(remove("skills.level").is_ok() && remove("skills").is_ok());
}
