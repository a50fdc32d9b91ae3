//! PATCH bodies that are none, and operations that cannot be done.

use serde_json::{Value, json};

use super::input::{Input, request};
use super::{PERSONAL, Target};
use crate::support::scim::{ENTERPRISE, PATCH_OP, patch};

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let user = format!("/Users/{}", target.user);
    let group = format!("/Groups/{}", target.group);
    let mut inputs = Vec::new();
    for (name, body) in bodies() {
        inputs.push(
            request(target, "PATCH", &user)
                .json(&body)
                .is(name, 400, Some("invalidSyntax")),
        );
    }
    inputs.push(request(target, "PATCH", &group).json(&json!({})).is(
        "a group's empty body",
        400,
        Some("invalidSyntax"),
    ));
    for (name, operation, scim_type) in of_a_user() {
        // Behind a good one, which must not be done either.
        let good = json!({"op": "replace", "path": "nickName", "value": "changed"});
        let body = patch(json!([good, operation]));
        inputs.push(
            request(target, "PATCH", &user)
                .json(&body)
                .is(name, 400, Some(scim_type)),
        );
    }
    for (name, operation, scim_type) in of_a_group(target) {
        let good = json!({"op": "replace", "path": "displayName", "value": "changed"});
        let body = patch(json!([good, operation]));
        inputs.push(
            request(target, "PATCH", &group)
                .json(&body)
                .is(name, 400, Some(scim_type)),
        );
    }
    let many = vec![json!({"op": "replace", "path": "title", "value": PERSONAL}); 1_001];
    inputs.push(
        request(target, "PATCH", &user)
            .json(&patch(many.into()))
            .is("1,001 operations", 413, None),
    );
    let taken = patch(json!([{"op": "replace", "path": "userName", "value": "BOSS@example.com"}]));
    inputs.push(
        request(target, "PATCH", &user)
            .json(&taken)
            .is("a name that is taken", 409, Some("uniqueness")),
    );
    let unknown = request(target, "PATCH", "/Users/0190b0b0-0000-7000-8000-00000000dead");
    let title = patch(json!([{"op": "replace", "path": "title", "value": "Dr"}]));
    inputs.push(unknown.json(&title).is("nobody", 404, None));
    let unknown = request(target, "PATCH", "/Groups/0190b0b0-0000-7000-8000-00000000dead");
    let name = patch(json!([{"op": "replace", "path": "displayName", "value": "Dr"}]));
    inputs.push(unknown.json(&name).is("no group", 404, None));
    inputs
}

fn bodies() -> Vec<(&'static str, Value)> {
    let operations = |operations: Value| json!({"schemas": [PATCH_OP], "Operations": operations});
    let good = json!({"op": "add", "path": "title", "value": PERSONAL});
    vec![
        ("an empty object", json!({})),
        ("a list of operations", json!([good])),
        ("schemas alone", json!({"schemas": [PATCH_OP]})),
        (
            "another schema",
            json!({"schemas": ["urn:example:other"], "Operations": [good]}),
        ),
        ("no schema in schemas", json!({"schemas": [], "Operations": [good]})),
        ("a text as schemas", json!({"schemas": PATCH_OP, "Operations": [good]})),
        ("null for operations", operations(Value::Null)),
        ("no operations", operations(json!([]))),
        ("one operation alone", operations(good.clone())),
        ("a text for operations", operations(json!("add"))),
        ("a text for an operation", operations(json!(["add"]))),
        ("null for an operation", operations(json!([null]))),
        ("a list for an operation", operations(json!([[good]]))),
        (
            "an operation without op",
            operations(json!([{"path": "title", "value": PERSONAL}])),
        ),
        (
            "null for op",
            operations(json!([{"op": null, "path": "title", "value": PERSONAL}])),
        ),
        (
            "a number for op",
            operations(json!([{"op": 1, "path": "title", "value": PERSONAL}])),
        ),
        (
            "an op that is none",
            operations(json!([{"op": "upsert", "path": "title", "value": PERSONAL}])),
        ),
        (
            "an op of JSON Patch",
            operations(json!([{"op": "test", "path": "title", "value": PERSONAL}])),
        ),
        (
            "an op with a blank",
            operations(json!([{"op": "add ", "path": "title", "value": PERSONAL}])),
        ),
        (
            "two ops",
            operations(json!([{"op": "add", "OP": "remove", "path": "title", "value": PERSONAL}])),
        ),
        (
            "two paths",
            operations(json!([{"op": "add", "path": "title", "Path": "nickName", "value": PERSONAL}])),
        ),
        (
            "two values",
            operations(json!([{"op": "add", "path": "title", "value": "a", "Value": "b"}])),
        ),
        (
            "operations twice",
            json!({"schemas": [PATCH_OP], "Operations": [good], "operations": [good]}),
        ),
        ("a good operation and a bad one", operations(json!([good, {"op": "x"}]))),
    ]
}

fn of_a_user() -> Vec<(&'static str, Value, &'static str)> {
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    vec![
        (
            "a number for a path",
            json!({"op": "add", "path": 7, "value": "x"}),
            "invalidPath",
        ),
        (
            "a list for a path",
            json!({"op": "add", "path": ["title"], "value": "x"}),
            "invalidPath",
        ),
        (
            "an object for a path",
            json!({"op": "add", "path": {}, "value": "x"}),
            "invalidPath",
        ),
        ("remove of nothing named", json!({"op": "remove"}), "noTarget"),
        (
            "remove of an empty path",
            json!({"op": "remove", "path": "", "value": "x"}),
            "noTarget",
        ),
        (
            "add without a value",
            json!({"op": "add", "path": "title"}),
            "invalidValue",
        ),
        (
            "replace without a value",
            json!({"op": "replace", "path": "title"}),
            "invalidValue",
        ),
        ("add of nothing anywhere", json!({"op": "add"}), "invalidValue"),
        (
            "a text without a path",
            json!({"op": "add", "value": PERSONAL}),
            "invalidValue",
        ),
        (
            "a list without a path",
            json!({"op": "replace", "value": [PERSONAL]}),
            "invalidValue",
        ),
        (
            "an unknown name without a path",
            json!({"op": "add", "value": {"shoeSize": 44}}),
            "invalidPath",
        ),
        (
            "an unknown part without a path",
            json!({"op": "add", "value": {"name.shoeSize": 44}}),
            "invalidPath",
        ),
        ("a number for a text", add("title", json!(7)), "invalidValue"),
        (
            "an object for a text",
            add("title", json!({"value": PERSONAL})),
            "invalidValue",
        ),
        ("a list for a text", add("title", json!([PERSONAL])), "invalidValue"),
        ("U+0000", add("title", json!("a\u{0}b")), "invalidValue"),
        (
            "more than 64 KiB",
            add("title", json!("x".repeat(65_537))),
            "invalidValue",
        ),
        ("a word for active", add("active", json!("perhaps")), "invalidValue"),
        ("a number for active", add("active", json!(0)), "invalidValue"),
        ("null for active", add("active", Value::Null), "invalidValue"),
        ("an empty text for active", add("active", json!("")), "invalidValue"),
        ("no active", json!({"op": "remove", "path": "active"}), "invalidValue"),
        (
            "an empty name",
            json!({"op": "replace", "path": "userName", "value": ""}),
            "invalidValue",
        ),
        (
            "null for a name",
            json!({"op": "replace", "value": {"userName": null}}),
            "invalidValue",
        ),
        (
            "a name with a control character",
            add("userName", json!("a\u{7}b")),
            "invalidValue",
        ),
        (
            "a name of 257 characters",
            add("userName", json!("n".repeat(257))),
            "invalidValue",
        ),
        ("no name", json!({"op": "remove", "path": "userName"}), "mutability"),
        ("a bare mail address", add("emails", json!(PERSONAL)), "invalidValue"),
        (
            "a number for a mail address",
            add("emails", json!([{"value": 7}])),
            "invalidValue",
        ),
        (
            "lists in a list",
            add("emails", json!([[{"value": PERSONAL}]])),
            "invalidValue",
        ),
        (
            "a word for primary",
            add("emails[type eq \"work\"].primary", json!("maybe")),
            "invalidValue",
        ),
        (
            "a text for a name's parts",
            add("name", json!(PERSONAL)),
            "invalidValue",
        ),
        ("two managers", add("manager", json!(["a", "b"])), "invalidValue"),
        ("a number for a manager", add("manager", json!(7)), "invalidValue"),
        ("an id", add("id", json!("x")), "mutability"),
        ("groups", add("groups", json!([{"value": "x"}])), "mutability"),
        ("meta", add("meta", json!({"version": "W/\"1\""})), "mutability"),
        (
            "a text for an extension",
            json!({"op": "add", "path": ENTERPRISE, "value": PERSONAL}),
            "invalidValue",
        ),
    ]
}

fn of_a_group(target: &Target) -> Vec<(&'static str, Value, &'static str)> {
    let add = |value: Value| json!({"op": "add", "path": "members", "value": value});
    let nobody = "0190b0b0-0000-7000-8000-00000000dead";
    let remove = |path: &str| json!({"op": "remove", "path": path});
    vec![
        ("nobody as a member", add(json!([{"value": nobody}])), "invalidValue"),
        (
            "one of two members unknown",
            add(json!([{"value": target.user}, {"value": nobody}])),
            "invalidValue",
        ),
        (
            "another tenant's user as a member",
            add(json!([{"value": target.foreign}])),
            "invalidValue",
        ),
        (
            "a group as a member",
            add(json!([{"value": target.group}])),
            "invalidValue",
        ),
        (
            "a member that says it is a group",
            add(json!([{"value": target.user, "type": "Group"}])),
            "invalidValue",
        ),
        ("bare ids as members", add(json!([target.user])), "invalidValue"),
        (
            "a member without an id",
            add(json!([{"$ref": "https://example.com"}])),
            "invalidValue",
        ),
        ("a number as a member's id", add(json!([{"value": 7}])), "invalidValue"),
        (
            "members replaced by nobody",
            json!({"op": "replace", "path": "members", "value": [{"value": nobody}]}),
            "invalidValue",
        ),
        (
            "a text for members",
            json!({"op": "replace", "path": "members", "value": PERSONAL}),
            "invalidValue",
        ),
        (
            "members by their names",
            remove("members[display eq \"Ottoline\"]"),
            "invalidFilter",
        ),
        (
            "members by a prefix",
            remove("members[value sw \"0\"]"),
            "invalidFilter",
        ),
        (
            "all members but one",
            remove("members[not (value eq \"x\")]"),
            "invalidFilter",
        ),
        ("a part of all members", remove("members.value"), "invalidPath"),
        ("no name", remove("displayName"), "mutability"),
        (
            "an empty name",
            json!({"op": "replace", "path": "displayName", "value": ""}),
            "invalidValue",
        ),
        (
            "a number for a name",
            json!({"op": "replace", "path": "displayName", "value": 7}),
            "invalidValue",
        ),
        (
            "a user's attribute",
            json!({"op": "add", "path": "active", "value": true}),
            "invalidPath",
        ),
    ]
}
