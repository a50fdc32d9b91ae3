//! Preconditions that name no version, another, or nonsense: none may let a write through.

use serde_json::json;

use super::Target;
use super::input::{Input, request};
use crate::support::scim::{group, patch, user};

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let user_path = format!("/Users/{}", target.user);
    let group_path = format!("/Groups/{}", target.group);
    let change = patch(json!([{"op": "replace", "path": "displayName", "value": "changed"}]));
    let mut inputs = Vec::new();
    for (name, tag) in tags() {
        let with = |method: &str, path: &str| request(target, method, path).with("if-match", &tag);
        let write = |method: &str, path: &str| match (method, path.starts_with("/Users")) {
            ("PATCH", _) => with(method, path).json(&change),
            ("PUT", true) => with(method, path).json(&user("changed")),
            ("PUT", false) => with(method, path).json(&group("changed", &[])),
            _ => with(method, path),
        };
        // Every tag meets every kind of write on one of the two.
        let path = if inputs.len() % 2 == 0 { &user_path } else { &group_path };
        for method in ["PUT", "PATCH", "DELETE"] {
            inputs.push(write(method, path).is(format!("{method} with {name}"), 412, None));
        }
    }
    let two = request(target, "DELETE", &user_path)
        .with("if-match", "W/\"998\"")
        .and("if-match", "W/\"999\"");
    inputs.push(two.is("two lines of other versions", 412, None));
    inputs
}

fn tags() -> Vec<(&'static str, Vec<u8>)> {
    [
        ("another version", "W/\"999999\""),
        ("another strong version", "\"999999\""),
        ("several others", "W/\"998\", W/\"999\""),
        ("a version that is none", "W/\"first\""),
        ("an empty tag", "W/\"\""),
        ("nothing", ""),
        ("a bare number", "1"),
        ("no closing quote", "W/\"1"),
        ("no opening quote", "W/1\""),
        ("a small w", "w/\"1\""),
        ("a number with a sign", "W/\"+1\""),
        ("a negative number", "W/\"-1\""),
        ("zero", "W/\"0\""),
        ("a number beyond 64 bits", "W/\"99999999999999999999999\""),
        ("an exponent", "W/\"1e0\""),
        ("a blank in the tag", "W/\" 1\""),
        ("single quotes", "W/'1'"),
        ("two asterisks", "**"),
        ("a quoted asterisk", "\"*\""),
        ("a comma alone", ","),
    ]
    .map(|(name, tag)| (name, tag.as_bytes().to_vec()))
    .into_iter()
    .chain([
        ("a byte that is no text", b"W/\"\xff\"".to_vec()),
        ("10,000 tags", b"W/\"9999\",".repeat(5_000)),
    ])
    .collect()
}
