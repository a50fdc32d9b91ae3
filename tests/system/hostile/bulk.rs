//! Bulk requests that are none, are too much, or whose operations cannot be done.

use serde_json::{Value, json};

use super::Target;
use super::input::{Input, request};
use crate::support::scim::{USER, patch};

const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let post = |body: &Value| request(target, "POST", "/Bulk").json(body);
    let mut inputs = Vec::new();
    for (name, body) in unreadable() {
        inputs.push(post(&body).is(name, 400, Some("invalidSyntax")));
    }
    for number in [json!(0), json!(-1), json!(1.5), json!("1"), json!([1]), json!(true)] {
        let body = json!({"schemas": [BULK], "failOnErrors": number, "Operations": [create("one")]});
        inputs.push(post(&body).is(format!("failOnErrors {number}"), 400, Some("invalidValue")));
    }
    let twice = json!({"schemas": [BULK], "Operations": [create("one"), create("one")]});
    inputs.push(post(&twice).is("one bulkId for two users", 400, Some("invalidValue")));
    let many = json!({"schemas": [BULK], "Operations": vec![json!({"method": "DELETE", "path": "/Users/x"}); 1_001]});
    inputs.push(post(&many).is("1,001 operations", 413, None));
    let mut large = create("one");
    large["data"]["x"] = json!("x".repeat(4 * 1024 * 1024));
    let large = json!({"schemas": [BULK], "Operations": [large]});
    inputs.push(post(&large).is("more than 4 MiB", 413, None));
    inputs.push(
        post(&large)
            .with("transfer-encoding", "chunked")
            .body(chunked(&large))
            .is("4 MiB unannounced", 413, None),
    );
    inputs.push(request(target, "POST", "/Bulk").body("{\"schemas\":[").is(
        "half an object",
        400,
        Some("invalidSyntax"),
    ));
    for (name, operation, status, scim_type) in operations(target) {
        let body = json!({"schemas": [BULK], "Operations": [operation]});
        inputs.push(post(&body).fails_in_bulk(name, status, scim_type));
    }
    inputs
}

fn create(bulk_id: &str) -> Value {
    let data = json!({"schemas": [USER], "userName": "Ottoline"});
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": data})
}

fn chunked(body: &Value) -> Vec<u8> {
    let text = body.to_string();
    format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len()).into_bytes()
}

fn unreadable() -> Vec<(&'static str, Value)> {
    let with = |operations: Value| json!({"schemas": [BULK], "Operations": operations});
    vec![
        ("a list", json!([create("one")])),
        ("null", Value::Null),
        ("an empty object", json!({})),
        ("no schemas", json!({"Operations": [create("one")]})),
        (
            "another schema",
            json!({"schemas": [USER], "Operations": [create("one")]}),
        ),
        (
            "a text as schemas",
            json!({"schemas": BULK, "Operations": [create("one")]}),
        ),
        ("schemas alone", json!({"schemas": [BULK]})),
        ("no operations", with(json!([]))),
        ("null for operations", with(Value::Null)),
        ("one operation alone", with(create("one"))),
        ("a text for an operation", with(json!(["POST /Users"]))),
        ("null for an operation", with(json!([null]))),
        ("a list for an operation", with(json!([[create("one")]]))),
        ("a good operation and a number", with(json!([create("one"), 7]))),
        (
            "operations twice",
            json!({"schemas": [BULK], "Operations": [create("one")], "operations": []}),
        ),
        (
            "a method twice",
            with(json!([{"method": "POST", "Method": "DELETE", "path": "/Users", "bulkId": "1"}])),
        ),
    ]
}

fn operations(target: &Target) -> Vec<(&'static str, Value, u16, Option<&'static str>)> {
    let user = format!("/Users/{}", target.user);
    let group = format!("/Groups/{}", target.group);
    let syntax = Some("invalidSyntax");
    let value = Some("invalidValue");
    let post = |data: Value| json!({"method": "POST", "path": "/Users", "bulkId": "one", "data": data});
    let patching =
        |path: &str, operation: Value| json!({"method": "PATCH", "path": path, "data": patch(json!([operation]))});
    let add = |id: &str| json!({"op": "add", "path": "members", "value": [{"value": id}]});
    vec![
        ("no method", json!({"path": "/Users", "bulkId": "one"}), 400, syntax),
        ("GET", json!({"method": "GET", "path": user}), 400, syntax),
        ("a number for a method", json!({"method": 7, "path": user}), 400, syntax),
        ("no path", json!({"method": "DELETE"}), 400, syntax),
        (
            "a number for a path",
            json!({"method": "DELETE", "path": 7}),
            400,
            syntax,
        ),
        (
            "a number for a bulkId",
            json!({"method": "POST", "path": "/Users", "bulkId": 7, "data": {}}),
            400,
            syntax,
        ),
        (
            "no bulkId",
            json!({"method": "POST", "path": "/Users", "data": {"userName": "Ottoline"}}),
            400,
            syntax,
        ),
        (
            "no data",
            json!({"method": "POST", "path": "/Users", "bulkId": "one"}),
            400,
            syntax,
        ),
        (
            "PATCH without data",
            json!({"method": "PATCH", "path": user}),
            400,
            syntax,
        ),
        (
            "another endpoint",
            json!({"method": "POST", "path": "/Robots", "bulkId": "1", "data": {}}),
            404,
            None,
        ),
        (
            "bulk in bulk",
            json!({"method": "POST", "path": "/Bulk", "bulkId": "1", "data": {}}),
            404,
            None,
        ),
        (
            "a search in bulk",
            json!({"method": "POST", "path": "/.search", "bulkId": "1", "data": {}}),
            404,
            None,
        ),
        (
            "another host",
            json!({"method": "DELETE", "path": format!("http://example.com/scim/v2{user}")}),
            404,
            None,
        ),
        (
            "POST to a user",
            json!({"method": "POST", "path": user, "bulkId": "1", "data": {}}),
            405,
            None,
        ),
        (
            "DELETE of all",
            json!({"method": "DELETE", "path": "/Users"}),
            405,
            None,
        ),
        (
            "DELETE of nobody",
            json!({"method": "DELETE", "path": "/Users/0190b0b0-0000-7000-8000-00000000dead"}),
            404,
            None,
        ),
        (
            "DELETE of another tenant's",
            json!({"method": "DELETE", "path": format!("/Users/{}", target.foreign)}),
            404,
            None,
        ),
        (
            "a number for a version",
            json!({"method": "DELETE", "path": user, "version": 1}),
            400,
            syntax,
        ),
        (
            "DELETE of another version",
            json!({"method": "DELETE", "path": user, "version": "W/\"999\""}),
            412,
            None,
        ),
        ("a list as data", post(json!([])), 400, syntax),
        ("a user without a name", post(json!({"schemas": [USER]})), 400, value),
        (
            "a user with a number as its name",
            post(json!({"userName": 7})),
            400,
            value,
        ),
        (
            "a name that is taken",
            post(json!({"userName": "ADA@example.com"})),
            409,
            Some("uniqueness"),
        ),
        (
            "a bulkId that nobody has",
            patching(&group, add("bulkId:nobody")),
            400,
            value,
        ),
        (
            "a path whose bulkId nobody has",
            json!({"method": "DELETE", "path": "/Users/bulkId:nobody"}),
            400,
            value,
        ),
        (
            "a group within itself",
            json!({"method": "POST", "path": "/Groups", "bulkId": "one",
                   "data": {"displayName": "Ottoline", "members": [{"value": target.user}, {"value": "bulkId:one"}]}}),
            400,
            value,
        ),
        (
            "an unknown path in a PATCH",
            patching(&user, json!({"op": "add", "path": "shoeSize", "value": 1})),
            400,
            Some("invalidPath"),
        ),
        (
            "an unknown member",
            patching(&group, add("0190b0b0-0000-7000-8000-00000000dead")),
            400,
            value,
        ),
    ]
}
