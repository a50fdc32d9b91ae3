//! PATCH paths that are malformed, name nothing, or name what cannot be written; and URLs of nothing.

use serde_json::json;

use super::input::{Input, request};
use super::{PERSONAL, Target};
use crate::support::scim::{ENTERPRISE, patch};

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let user = format!("/Users/{}", target.user);
    let group = format!("/Groups/{}", target.group);
    let replace = |path: &str| patch(json!([{"op": "replace", "path": path, "value": PERSONAL}]));
    let mut inputs = Vec::new();
    for (path, scim_type) in of_a_user() {
        let input = request(target, "PATCH", &user).json(&replace(&path));
        inputs.push(input.is(
            format!("replace {}", path.chars().take(60).collect::<String>()),
            400,
            Some(scim_type),
        ));
    }
    for (path, scim_type) in of_a_group() {
        let input = request(target, "PATCH", &group).json(&replace(path));
        inputs.push(input.is(format!("replace a group's {path}"), 400, Some(scim_type)));
    }
    for (path, scim_type) in [
        ("userName", "mutability"),
        ("id", "mutability"),
        ("meta.version", "mutability"),
        ("groups[value pr]", "mutability"),
        ("shoeSize", "invalidPath"),
        ("emails[type zz \"x\"]", "invalidFilter"),
    ] {
        let body = patch(json!([{"op": "remove", "path": path}]));
        inputs.push(
            request(target, "PATCH", &user)
                .json(&body)
                .is(format!("remove {path}"), 400, Some(scim_type)),
        );
    }
    inputs.extend(urls(target));
    inputs
}

fn of_a_user() -> Vec<(String, &'static str)> {
    let mut paths: Vec<(String, &'static str)> = [
        ("shoeSize", "invalidPath"),
        ("name.shoeSize", "invalidPath"),
        ("emails.shoeSize", "invalidPath"),
        ("userName.value", "invalidPath"),
        ("name.givenName.first", "invalidPath"),
        (".userName", "invalidPath"),
        ("userName.", "invalidPath"),
        ("name..givenName", "invalidPath"),
        ("user name", "invalidPath"),
        ("userName,title", "invalidPath"),
        ("/userName", "invalidPath"),
        ("$.userName", "invalidPath"),
        ("userName eq \"Ottoline\"", "invalidPath"),
        ("emails[0]", "invalidFilter"),
        ("emails/0/value", "invalidPath"),
        ("emails[type eq \"work\"]value", "invalidPath"),
        ("emails[type eq \"work\"].value.x", "invalidPath"),
        ("emails[type eq \"work\"].shoeSize", "invalidPath"),
        ("emails[type eq \"work\"][primary eq true]", "invalidPath"),
        ("emails.value[type eq \"work\"]", "invalidPath"),
        ("userName[value eq \"Ottoline\"]", "invalidPath"),
        ("members", "invalidPath"),
        ("__proto__.polluted", "invalidPath"),
        ("constructor", "invalidPath"),
        ("us\u{e9}rName", "invalidPath"),
        ("emails[type eq", "invalidFilter"),
        ("emails[type eq \"work\"", "invalidFilter"),
        ("emails[]", "invalidFilter"),
        ("emails[type gt true]", "invalidFilter"),
        ("emails[primary gt true].value", "invalidFilter"),
        ("emails[shoeSize eq \"x\"].value", "invalidFilter"),
        ("emails[not type pr].value", "invalidFilter"),
        ("emails[value eq \"Ottoline\\u0000\"].value", "invalidFilter"),
        ("emails[type sw \"nothing\"].value", "noTarget"),
        ("emails[type eq \"none\"]", "invalidValue"),
        ("phoneNumbers[not (type pr)].value", "noTarget"),
        ("id", "mutability"),
        ("meta", "mutability"),
        ("meta.created", "mutability"),
        ("groups", "mutability"),
        ("groups[value eq \"x\"].display", "mutability"),
        (
            "urn:rollcall:params:scim:schemas:extension:status:2.0:User:blocked",
            "mutability",
        ),
    ]
    .map(|(path, scim_type)| (path.to_owned(), scim_type))
    .to_vec();
    paths.push((format!("{ENTERPRISE}:shoeSize"), "invalidPath"));
    paths.push((format!("{ENTERPRISE}:manager.shoeSize"), "invalidPath"));
    paths.push((format!("{ENTERPRISE}:manager.displayName"), "mutability"));
    paths.push(("a".repeat(100_000), "invalidPath"));
    paths.push((
        format!("emails[{}type pr{}].value", "(".repeat(40), ")".repeat(40)),
        "invalidFilter",
    ));
    paths.push((
        format!("emails[type eq \"{}\"].value", "x".repeat(100_000)),
        "invalidPath",
    ));
    paths
}

fn of_a_group() -> [(&'static str, &'static str); 7] {
    [
        ("shoeSize", "invalidPath"),
        ("userName", "invalidPath"),
        ("members.shoeSize", "invalidPath"),
        ("members[value eq \"x\"].value", "mutability"),
        ("members[value sw", "invalidFilter"),
        ("id", "mutability"),
        ("meta", "mutability"),
    ]
}

/// What stands in a URL where an id or an endpoint should.
fn urls(target: &Target) -> Vec<Input> {
    let upper = target.user.to_uppercase();
    let plain = target.user.replace('-', "");
    [
        "/Users/7".to_owned(),
        "/Users/%00".to_owned(),
        "/Users/%ff".to_owned(),
        "/Schemas/%ff".to_owned(),
        "/ResourceTypes/%ff".to_owned(),
        "/Users/..%2fGroups".to_owned(),
        "/Users/../Users".to_owned(),
        "/Users/'%20or%20'1'='1".to_owned(),
        format!("/Users/{upper}"),
        format!("/Users/{plain}"),
        format!("/Users/%7b{}%7d", target.user),
        format!("/Users/{}%20", target.user),
        format!("/Users/{}/emails", target.user),
        format!("/Users/{}", target.group),
        format!("/Users/{}", target.foreign),
        format!("/Groups/{}", target.user),
        "/Groups/bulkId:1".to_owned(),
        "/users".to_owned(),
        "/User".to_owned(),
        "/Nothing".to_owned(),
        "/Schemas/urn:example:nothing".to_owned(),
        "/ResourceTypes/Robot".to_owned(),
        format!("/{}", "a/".repeat(500)),
    ]
    .map(|path| {
        request(target, "GET", &path).is(format!("GET {}", path.chars().take(40).collect::<String>()), 404, None)
    })
    .into()
}
