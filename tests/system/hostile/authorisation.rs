//! Callers without a right to what they ask for.

use serde_json::json;

use super::Target;
use super::input::{Input, Request, request};
use crate::support::scim::{GROUP, USER, patch};

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let mut inputs = unknown(target);
    inputs.extend(not_allowed(target));
    inputs
}

/// Nobody that is known: 401.
fn unknown(target: &Target) -> Vec<Input> {
    let token = &target.token;
    let get = || request(target, "GET", "/Users");
    let last = if token.ends_with('a') { 'b' } else { 'a' };
    let damaged = format!("{}{last}", &token[..token.len() - 1]);
    let parts: Vec<&str> = token.split('_').collect();
    let mut inputs = vec![
        get().without("authorization").is("no token", 401, None),
        get()
            .without("authorization")
            .target(&format!("/scim/v2/Users?access_token={token}"))
            .is("a token in the URL", 401, None),
        get()
            .without("authorization")
            .and("cookie", format!("token={token}"))
            .is("a token in a cookie", 401, None),
        get()
            .and("authorization", format!("Bearer {damaged}"))
            .is("a good token and a bad one", 401, None),
        get()
            .and("authorization", format!("Bearer {token}"))
            .is("the token twice", 401, None),
    ];
    for (name, value) in [
        ("an empty header", String::new()),
        ("a scheme alone", "Bearer".to_owned()),
        ("a scheme and a blank", "Bearer ".to_owned()),
        ("a token without a scheme", token.clone()),
        ("another scheme", format!("Basic {token}")),
        ("another token scheme", format!("Token {token}")),
        ("a password", "Basic T3R0b2xpbmU6cGFzc3dvcmQ=".to_owned()),
        ("a digest", "Digest username=\"Ottoline\"".to_owned()),
        ("a word", "Bearer unknown".to_owned()),
        ("a token with a wrong sum", format!("Bearer {damaged}")),
        ("a token cut short", format!("Bearer {}", &token[..token.len() / 2])),
        ("a token and more", format!("Bearer {token}AAAA")),
        ("two tokens in one", format!("Bearer {token} {token}")),
        ("two tokens with a comma", format!("Bearer {token},{token}")),
        ("a token in quotes", format!("Bearer \"{token}\"")),
        ("a token without its prefix", format!("Bearer {}", parts[1..].join("_"))),
        ("a token in capitals", format!("Bearer {}", token.to_uppercase())),
        (
            "a JWT that nobody signed",
            "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJPdHRvbGluZSJ9.".to_owned(),
        ),
        ("SQL", "Bearer ' OR '1'='1".to_owned()),
        ("a long token", format!("Bearer rc_{}", "A".repeat(20_000))),
    ] {
        inputs.push(get().with("authorization", value).is(name, 401, None));
    }
    inputs.push(
        get()
            .with("authorization", b"Bearer \xff\xfe")
            .is("a token that is no text", 401, None),
    );
    for (method, path) in [
        ("POST", "/Users".to_owned()),
        ("PUT", format!("/Users/{}", target.user)),
        ("PATCH", format!("/Groups/{}", target.group)),
        ("DELETE", format!("/Groups/{}", target.group)),
        ("POST", "/.search".to_owned()),
        ("POST", "/Bulk".to_owned()),
    ] {
        let nobody = request(target, method, &path)
            .with("authorization", "Bearer nobody")
            .body("{}");
        inputs.push(nobody.is(format!("{method} {} by nobody", &path[..5]), 401, None));
    }
    let discovery = request(target, "GET", "/Schemas").with("authorization", "Bearer nobody");
    inputs.push(discovery.is("schemas by a wrong token", 401, None));
    inputs
}

/// Somebody who may not do this: 403, or 404 for what is another tenant's.
fn not_allowed(target: &Target) -> Vec<Input> {
    let others = &target.others;
    let user = format!("/Users/{}", target.user);
    let group = format!("/Groups/{}", target.group);
    let title = patch(json!([{"op": "replace", "path": "title", "value": "changed"}]));
    let name = patch(json!([{"op": "replace", "path": "displayName", "value": "changed"}]));
    let new_user = json!({"schemas": [USER], "userName": "Ottoline"});
    let new_group = json!({"schemas": [GROUP], "displayName": "Ottoline"});
    let writes = |who: &str, token: &str| -> Vec<Input> {
        let by = |request: Request| request.with("authorization", format!("Bearer {token}"));
        vec![
            by(request(target, "POST", "/Users").json(&new_user)).is(format!("{who} creates a user"), 403, None),
            by(request(target, "PUT", &user).json(&new_user)).is(format!("{who} replaces a user"), 403, None),
            by(request(target, "PATCH", &user).json(&title)).is(format!("{who} changes a user"), 403, None),
            by(request(target, "DELETE", &user)).is(format!("{who} deletes a user"), 403, None),
            by(request(target, "POST", "/Groups").json(&new_group)).is(format!("{who} creates a group"), 403, None),
            by(request(target, "PATCH", &group).json(&name)).is(format!("{who} renames a group"), 403, None),
            by(request(target, "DELETE", &group)).is(format!("{who} deletes a group"), 403, None),
        ]
    };
    let mut inputs = writes("a reader", &others.reads);
    inputs.extend(writes("an administrator", &others.administers));
    inputs.extend(writes("another source", &others.other_source));
    inputs.extend(writes("an operator", &others.operates));
    inputs.extend(writes("an activator", &others.activates));
    let by = |token: &str, path: &str| request(target, "GET", path).with("authorization", format!("Bearer {token}"));
    inputs.push(by(&others.operates, "/Users").is("an operator reads", 403, None));
    let named = by(&others.operates, "/Users").and("rollcall-tenant", "authorisation");
    inputs.push(named.is("an operator names a tenant", 403, None));
    inputs.push(by(&others.activates, "/Users").is("an activator lists", 403, None));
    inputs.push(by(&others.activates, &user).is("an activator reads", 403, None));
    let foreign = format!("/Users/{}", target.foreign);
    inputs.push(
        request(target, "PUT", &foreign)
            .json(&new_user)
            .is("a PUT of another tenant's user", 404, None),
    );
    inputs.push(
        request(target, "PATCH", &foreign)
            .json(&title)
            .is("a PATCH of another tenant's user", 404, None),
    );
    inputs.push(request(target, "DELETE", &foreign).is("a DELETE of another tenant's user", 404, None));
    inputs
}
