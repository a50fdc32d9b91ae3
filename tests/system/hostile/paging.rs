//! Paging, sorting and cursors: numbers that are none, cursors that were made up, changed, or taken elsewhere.

use super::input::{Input, request};
use super::{PERSONAL, Target};

const VALUE: Option<&str> = Some("invalidValue");
const CURSOR: Option<&str> = Some("invalidCursor");
const COUNT: Option<&str> = Some("invalidCount");

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let mut inputs = Vec::new();
    for (query, scim_type) in queries(target) {
        let name = query.chars().take(50).collect::<String>();
        inputs.push(request(target, "GET", &format!("/Users?{query}")).is(name, 400, scim_type));
    }
    let elsewhere = request(target, "GET", &format!("/Groups?cursor={}", target.cursor));
    inputs.push(elsewhere.is("a cursor of users on groups", 400, CURSOR));
    let groups = request(target, "GET", "/Groups?count=many");
    inputs.push(groups.is("a word for a count of groups", 400, VALUE));
    for (name, members, scim_type) in [
        ("a word for count", r#""count":"many""#.to_owned(), VALUE),
        ("a list for count", r#""count":[1]"#.to_owned(), VALUE),
        ("a fraction for startIndex", r#""startIndex":1.5"#.to_owned(), VALUE),
        ("an object for attributes", r#""attributes":{}"#.to_owned(), VALUE),
        ("numbers for attributes", r#""attributes":[1]"#.to_owned(), VALUE),
        ("a number for sortBy", r#""sortBy":7"#.to_owned(), VALUE),
        ("a number for cursor", r#""cursor":7"#.to_owned(), VALUE),
        ("a made-up cursor", format!(r#""cursor":"1.{PERSONAL}""#), CURSOR),
        (
            "another list's cursor",
            format!(r#""cursor":"{}","filter":"active eq true""#, target.cursor),
            CURSOR,
        ),
        (
            "a cursor and a startIndex",
            r#""cursor":"","startIndex":1"#.to_owned(),
            VALUE,
        ),
        (
            "count twice",
            r#""count":1,"Count":2"#.to_owned(),
            Some("invalidSyntax"),
        ),
    ] {
        let body = format!(r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],{members}}}"#);
        inputs.push(request(target, "POST", "/Users/.search").body(body).is(
            format!("{name} in a search"),
            400,
            scim_type,
        ));
    }
    inputs
}

fn queries(target: &Target) -> Vec<(String, Option<&'static str>)> {
    let cursor = &target.cursor;
    let (count, token) = cursor.split_once('.').unwrap();
    let mut changed = token.as_bytes().to_vec();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let cut = &token[..token.len() - 4];
    let mut queries: Vec<(String, Option<&str>)> = [
        "count=many",
        "count=1.5",
        "count=",
        "count=1e3",
        "count=0x10",
        "count=%00",
        "count=1%202",
        "count=-",
        "count=\u{0661}",
        "startIndex=first",
        "startIndex=1.0",
        "startIndex=",
        "startIndex=%2B%2B1",
        "count=1&count=2",
        "startIndex=1&startIndex=2",
        "sortBy=shoeSize",
        "sortBy=password",
        "sortBy=name",
        "sortBy=userName.value",
        "sortBy=userName,title",
        "sortBy=emails%5Btype%20eq%20%22work%22%5D.value",
        "sortBy=userName&sortOrder=sideways",
        "sortBy=userName&sortOrder=asc",
        "sortBy=userName;DROP%20TABLE%20users",
        "sortBy=userName&sortBy=title",
        "attributes=id&excludedAttributes=userName",
        "attributes=id&attributes=userName",
        "cursor&startIndex=1",
        "cursor=&cursor=",
    ]
    .map(|query| {
        // Not ASCII, so not fit for a URL as it stands.
        (query.replace('\u{0661}', "%D9%A1"), VALUE)
    })
    .to_vec();
    queries.extend([
        (format!("cursor={cursor}&startIndex=1"), VALUE),
        (format!("cursor={cursor}&cursor={cursor}"), VALUE),
        ("cursor&count=many".to_owned(), COUNT),
        ("cursor&count=1001".to_owned(), COUNT),
        ("cursor&count=99999999999999999999".to_owned(), COUNT),
        (format!("cursor={cursor}&count=2"), COUNT),
        (format!("cursor={cursor}&count=-"), COUNT),
        (format!("cursor={PERSONAL}"), CURSOR),
        ("cursor=0".to_owned(), CURSOR),
        ("cursor=.".to_owned(), CURSOR),
        ("cursor=1.".to_owned(), CURSOR),
        ("cursor=1.A".to_owned(), CURSOR),
        (format!("cursor=.{token}"), CURSOR),
        (format!("cursor={token}"), CURSOR),
        (format!("cursor=0.{token}"), CURSOR),
        (format!("cursor=01.{token}"), CURSOR),
        (format!("cursor=-1.{token}"), CURSOR),
        (format!("cursor=1001.{token}"), CURSOR),
        (format!("cursor={count}.{changed}"), CURSOR),
        (format!("cursor={count}.{cut}"), CURSOR),
        (format!("cursor={count}.{token}AAAA"), CURSOR),
        (format!("cursor={count}.{token}%00"), CURSOR),
        (format!("cursor={count}.{}", "A".repeat(30_000)), CURSOR),
        (format!("cursor={}", target.foreign_cursor), CURSOR),
        (format!("cursor={cursor}&filter=active%20eq%20true"), CURSOR),
        (format!("cursor={cursor}&sortBy=title"), CURSOR),
    ]);
    queries
}
