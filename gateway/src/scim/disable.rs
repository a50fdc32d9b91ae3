//! Whether a body says that a user is not active, in any spelling that Entra has for it. This asks what a request that is
//! refused would have done, so it reads around everything that is wrong with the rest of the request, and changes nothing.

use serde_json::{Map, Value};

use super::schema::USER;
use super::value::boolean_from_text;

/// Whether the body of a PATCH disables a user: the last of its operations that speaks of `active` counts.
pub fn in_patch(body: &Value) -> bool {
    let operations = body.as_object().and_then(|members| member(members, "Operations"));
    let operations = operations.and_then(Value::as_array).into_iter().flatten();
    operations.filter_map(word_of_operation).next_back() == Some(false)
}

/// Whether a resource, as a PUT holds it, is a user who is not active.
pub fn in_resource(body: &Value) -> bool {
    body.as_object().and_then(word) == Some(false)
}

fn word_of_operation(operation: &Value) -> Option<bool> {
    let operation = operation.as_object()?;
    let op = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
    if op.eq_ignore_ascii_case("remove") {
        return None;
    }
    let value = member(operation, "value")?;
    match member(operation, "path").and_then(Value::as_str).map(str::trim) {
        None | Some("") => word(value.as_object()?),
        Some(path) if is_active(path) => flag(value),
        Some(path) if is_core(path) => word(value.as_object()?),
        Some(_) => None,
    }
}

/// What an object of attributes says: under the name alone, with the URN, or below the URN.
fn word(attributes: &Map<String, Value>) -> Option<bool> {
    let said = |(name, value): (&String, &Value)| {
        if is_active(name) {
            flag(value)
        } else if is_core(name) {
            member(value.as_object()?, "active").and_then(flag)
        } else {
            None
        }
    };
    attributes.iter().filter_map(said).min() // a word that forbids goes before one that allows
}

fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| boolean_from_text(value.as_str()?.trim()))
}

/// An attribute of another schema may have this name too.
fn is_active(path: &str) -> bool {
    match path.rsplit_once(':') {
        None => path.eq_ignore_ascii_case("active"),
        Some((schema, name)) => is_core(schema) && name.eq_ignore_ascii_case("active"),
    }
}

fn is_core(name: &str) -> bool {
    name.eq_ignore_ascii_case(&USER.id)
}

/// The member of this name, in any case.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut found = members.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

    fn patch(operations: Value) -> bool {
        in_patch(&json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}))
    }

    #[test]
    fn a_patch_that_disables_is_known_in_every_spelling() {
        for operation in [
            json!({"op": "Replace", "path": "active", "value": "False"}),
            json!({"op": "replace", "path": "active", "value": false}),
            json!({"op": "Add", "path": "Active", "value": "false"}),
            json!({"op": "replace", "value": {"active": false, "title": 7}}),
            json!({"op": "replace", "path": "", "value": {"ACTIVE": "False"}}),
            json!({"op": "replace", "path": format!("{CORE}:active"), "value": "False"}),
            json!({"op": "replace", "path": CORE, "value": {"active": false}}),
            json!({"op": "replace", "value": {CORE: {"active": "False"}}}),
            json!({"op": "replace", "value": {(format!("{CORE}:active")): false}}),
            json!({"OP": "replace", "PATH": "active", "VALUE": "False"}),
            json!({"path": "active", "value": "False"}),
        ] {
            let beside = json!([{"op": "replace", "path": "[", "value": 1}, operation, 7, {"op": "add"}]);
            assert!(patch(beside), "{operation}");
        }
        assert!(in_patch(
            &json!({"operations": [{"op": "replace", "path": "active", "value": "False"}]})
        ));
    }

    #[test]
    fn what_does_not_disable_is_not_taken_for_it() {
        for operations in [
            json!([]),
            json!([{"op": "replace", "path": "active", "value": "True"}]),
            json!([{"op": "replace", "path": "active", "value": "no"}]),
            json!([{"op": "replace", "path": "active"}]),
            json!([{"op": "remove", "path": "active", "value": "False"}]),
            json!([{"op": "replace", "path": "title", "value": "False"}]),
            json!([{"op": "replace", "path": "urn:acme:2.0:User:active", "value": "False"}]),
            json!([{"op": "replace", "value": {"urn:acme:2.0:User": {"active": false}}}]),
            json!([{"op": "replace", "path": "active", "value": "False"},
                   {"op": "replace", "path": "active", "value": "True"}]),
        ] {
            assert!(!patch(operations.clone()), "{operations}");
        }
        for body in [
            json!(null),
            json!([]),
            json!({"Operations": {}}),
            json!({"active": false}),
        ] {
            assert!(!in_patch(&body), "{body}");
        }
    }

    #[test]
    fn a_resource_that_is_not_active_is_known() {
        for body in [
            json!({"userName": 7, "active": false}),
            json!({"Active": "False"}),
            json!({(format!("{CORE}:active")): false}),
        ] {
            assert!(in_resource(&body), "{body}");
        }
        for body in [json!({"active": true}), json!({"userName": "ada"}), json!("False")] {
            assert!(!in_resource(&body), "{body}");
        }
    }
}
