//! JSON whose values are not what the schema says, or are beyond its bounds.

use serde_json::{Value, json};

use super::input::{Input, request};
use super::{PERSONAL, Target};
use crate::support::scim::{ENTERPRISE, GROUP, USER};

const VALUE: Option<&str> = Some("invalidValue");

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let user_path = format!("/Users/{}", target.user);
    let group_path = format!("/Groups/{}", target.group);
    let mut inputs = Vec::new();
    for (name, attribute, value) in user_values() {
        let mut body = json!({"schemas": [USER], "userName": PERSONAL});
        body[attribute] = value;
        inputs.push(
            request(target, "POST", "/Users")
                .json(&body)
                .is(format!("a user with {name}"), 400, VALUE),
        );
        // Every third one also where it would replace something.
        if inputs.len() % 3 == 0 {
            inputs.push(
                request(target, "PUT", &user_path)
                    .json(&body)
                    .is(format!("a PUT with {name}"), 400, VALUE),
            );
        }
    }
    for (name, attribute, value) in group_values(target) {
        let mut body = json!({"schemas": [GROUP], "displayName": PERSONAL});
        body[attribute] = value;
        inputs.push(
            request(target, "POST", "/Groups")
                .json(&body)
                .is(format!("a group with {name}"), 400, VALUE),
        );
        if inputs.len() % 3 == 0 {
            inputs.push(
                request(target, "PUT", &group_path)
                    .json(&body)
                    .is(format!("a PUT with {name}"), 400, VALUE),
            );
        }
    }
    for (name, body) in [
        ("an empty object", json!({})),
        ("schemas alone", json!({"schemas": [USER]})),
    ] {
        inputs.push(
            request(target, "POST", "/Users")
                .json(&body)
                .is(format!("a user of {name}"), 400, VALUE),
        );
        inputs.push(
            request(target, "PUT", &user_path)
                .json(&body)
                .is(format!("a PUT of {name}"), 400, VALUE),
        );
        inputs.push(
            request(target, "POST", "/Groups")
                .json(&body)
                .is(format!("a group of {name}"), 400, VALUE),
        );
        inputs.push(
            request(target, "PUT", &group_path)
                .json(&body)
                .is(format!("a group's PUT of {name}"), 400, VALUE),
        );
    }
    inputs
}

fn user_values() -> Vec<(&'static str, &'static str, Value)> {
    let long = |length: usize| json!(format!("{PERSONAL}{}", "x".repeat(length)));
    vec![
        ("a number as its name", "userName", json!(7)),
        ("true as its name", "userName", json!(true)),
        ("an object as its name", "userName", json!({"value": PERSONAL})),
        ("a list as its name", "userName", json!([PERSONAL])),
        ("null as its name", "userName", Value::Null),
        ("an empty name", "userName", json!("")),
        ("a blank name", "userName", json!(" \t ")),
        ("a name of no-break spaces", "userName", json!("\u{a0}\u{a0}")),
        ("a name of 257 characters", "userName", json!("\u{e9}".repeat(257))),
        ("a name of a megabyte", "userName", long(1 << 20)),
        (
            "a name that begins with a blank",
            "userName",
            json!(format!(" {PERSONAL}")),
        ),
        (
            "a name that ends with a blank",
            "userName",
            json!(format!("{PERSONAL} ")),
        ),
        (
            "a name with a line break",
            "userName",
            json!(format!("{PERSONAL}\r\nSet-Cookie: x")),
        ),
        (
            "a name with a control character",
            "userName",
            json!(format!("{PERSONAL}\u{1b}[2J")),
        ),
        ("a name with U+0000", "userName", json!(format!("{PERSONAL}\u{0}"))),
        ("another text with U+0000", "title", json!("a\u{0}b")),
        ("U+0000 in a list", "emails", json!([{"value": "a\u{0}b"}])),
        ("a word for active", "active", json!("perhaps")),
        ("a number for active", "active", json!(1)),
        ("a list for active", "active", json!([true])),
        ("an object for active", "active", json!({"value": true})),
        ("a number for a text", "displayName", json!(1.5)),
        ("a list for a text", "title", json!(["Dr"])),
        ("a text for its name's parts", "name", json!(PERSONAL)),
        ("a list for its name's parts", "name", json!([{"givenName": PERSONAL}])),
        ("a number in its name's parts", "name", json!({"givenName": 7})),
        (
            "an object in its name's parts",
            "name",
            json!({"familyName": {"value": PERSONAL}}),
        ),
        ("one mail address alone", "emails", json!({"value": PERSONAL})),
        ("a text for mail addresses", "emails", json!(PERSONAL)),
        ("numbers for mail addresses", "emails", json!([1, 2])),
        ("a list of lists", "emails", json!([[{"value": PERSONAL}]])),
        ("a number in a mail address", "emails", json!([{"value": 7}])),
        (
            "a word for primary",
            "emails",
            json!([{"value": PERSONAL, "primary": "maybe"}]),
        ),
        (
            "an object for type",
            "phoneNumbers",
            json!([{"value": "1", "type": {}}]),
        ),
        ("a number in an address", "addresses", json!([{"postalCode": 1234}])),
        ("a number for a photo", "photos", json!([{"value": 1}])),
        (
            "a list for a certificate",
            "x509Certificates",
            json!([{"value": ["MII"]}]),
        ),
        ("a number for its external id", "externalId", json!(4711)),
        ("an external id of 2,000 bytes", "externalId", long(2_000)),
        ("a text of more than 64 KiB", "title", long(64 * 1024)),
        (
            "a mail address of 2,000 bytes",
            "emails",
            json!([{"value": long(2_000)}]),
        ),
        ("a text for an extension", ENTERPRISE, json!(PERSONAL)),
        ("a list for an extension", ENTERPRISE, json!([{"department": PERSONAL}])),
        ("a number in an extension", ENTERPRISE, json!({"department": 7})),
        ("a number for its manager", ENTERPRISE, json!({"manager": 7})),
        ("two managers", ENTERPRISE, json!({"manager": ["a", "b"]})),
        (
            "a manager's id as a number",
            ENTERPRISE,
            json!({"manager": {"value": 7}}),
        ),
    ]
}

fn group_values(target: &Target) -> Vec<(&'static str, &'static str, Value)> {
    let member = |value: &str| json!([{"value": value}]);
    vec![
        ("a number as its name", "displayName", json!(7)),
        ("null as its name", "displayName", Value::Null),
        ("an empty name", "displayName", json!("")),
        ("a name of 257 characters", "displayName", json!("g".repeat(257))),
        ("a name with U+0000", "displayName", json!(format!("{PERSONAL}\u{0}"))),
        ("an object as its name", "displayName", json!({})),
        ("a text for members", "members", json!(PERSONAL)),
        ("one member alone", "members", json!({"value": target.user})),
        ("bare ids for members", "members", json!([target.user])),
        ("a number as a member's id", "members", json!([{"value": 7}])),
        ("an empty member's id", "members", member("")),
        ("a member without an id", "members", json!([{"display": PERSONAL}])),
        ("an empty member", "members", json!([{}])),
        (
            "a member that says it is a group",
            "members",
            json!([{"value": target.user, "type": "Group"}]),
        ),
        ("a group as a member", "members", member(&target.group)),
        (
            "nobody as a member",
            "members",
            member("0190b0b0-0000-7000-8000-00000000dead"),
        ),
        ("another tenant's user as a member", "members", member(&target.foreign)),
        ("a member's id that is no id", "members", member("../Users")),
        (
            "a known and an unknown member",
            "members",
            json!([{"value": target.user}, {"value": "0190b0b0-0000-7000-8000-00000000dead"}]),
        ),
        ("a number for its external id", "externalId", json!(4711)),
        ("an external id of 2,000 bytes", "externalId", json!("x".repeat(2_000))),
    ]
}
