//! Filters that are malformed, do not fit the schema, or are too much.

use super::input::{Input, request};
use super::{PERSONAL, Target};
use crate::support::scim::encode;

const FILTER: Option<&str> = Some("invalidFilter");

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let ask = |path: &str, filter: &str| request(target, "GET", &format!("{path}?filter={}", encode(filter)));
    let mut inputs: Vec<Input> = about_users()
        .into_iter()
        .map(|filter| ask("/Users", &filter).is(short(&filter), 400, FILTER))
        .collect();
    for filter in [
        "members eq 7",
        "members[type]",
        "userName eq \"Ottoline\"",
        "displayName gt true",
        "active eq true",
        "members[value eq \"x\"].value",
        "urn:ietf:params:scim:schemas:core:2.0:User:displayName pr",
    ] {
        inputs.push(ask("/Groups", filter).is(format!("groups: {filter}"), 400, FILTER));
    }
    let search = |path: &str, filter: &str| {
        let body =
            format!(r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":{filter}}}"#);
        request(target, "POST", path).body(body)
    };
    inputs.push(search("/Users/.search", "\"userName eq\"").is("an unfinished filter in a search", 400, FILTER));
    inputs.push(search("/Groups/.search", "\"(displayName pr\"").is("an open bracket in a search", 400, FILTER));
    inputs.push(search("/.search", "\"active gt true\"").is("an ordered boolean in a search of all", 400, FILTER));
    inputs.push(search("/.search", "7").is("a number for a filter", 400, Some("invalidValue")));
    inputs.push(search("/Users/.search", "[\"id pr\"]").is("a list for a filter", 400, Some("invalidValue")));
    let twice = request(target, "GET", "/Users?filter=id+pr&filter=id+pr");
    inputs.push(twice.is("two filters", 400, Some("invalidValue")));
    let on_discovery = request(target, "GET", "/Schemas?filter=id+pr");
    inputs.push(on_discovery.is("a filter on schemas", 403, None));
    inputs
}

fn short(filter: &str) -> String {
    filter.chars().take(60).collect()
}

fn about_users() -> Vec<String> {
    let quoted = |rest: &str| format!("userName eq \"{PERSONAL}\"{rest}");
    let mut filters: Vec<String> = [
        "",
        "   ",
        "userName",
        "userName eq",
        "eq \"Ottoline\"",
        "userName \"Ottoline\"",
        "userName eq Ottoline",
        "userName eq 'Ottoline'",
        "userName eq \"Ottoline",
        "userName = \"Ottoline\"",
        "userName == \"Ottoline\"",
        "userName like \"Ottoline%\"",
        "userName regex \".*\"",
        "userName in (\"Ottoline\")",
        "userName eq \"Ottoline\\q\"",
        "userName eq \"Ottoline\\ud800\"",
        "userName eq \"Ottoline\\u0000\"",
        "userName eq \"Ottoline\0\"",
        "userName eq 7",
        "userName eq true",
        "userName eq {\"value\":\"Ottoline\"}",
        "userName eq [\"Ottoline\"]",
        "userName gt null",
        "userName pr \"Ottoline\"",
        "not userName pr",
        "not",
        "not (userName pr",
        "(userName pr",
        "userName pr)",
        "()",
        "userName pr and",
        "and userName pr",
        "userName pr and or id pr",
        "userName pr xor id pr",
        "userName pr, id pr",
        "userName pr; DROP TABLE users",
        "userName eq \"Ottoline\" OR 1=1 --",
        "shoeSize eq \"44\"",
        "name.shoeSize pr",
        "userName.value eq \"Ottoline\"",
        "name eq \"Ottoline\"",
        "addresses eq \"Ottoline\"",
        "password eq \"Ottoline\"",
        "password pr",
        "members pr",
        "active gt true",
        "active co \"tr\"",
        "active eq \"perhaps\"",
        "active eq 1",
        "emails.primary ge false",
        "x509Certificates.value gt \"Ottoline\"",
        "meta.created co \"2026\"",
        "meta.created gt \"yesterday\"",
        "meta.created gt 2026",
        "meta.lastModified eq \"2026-13-45T99:99:99Z\"",
        "emails[",
        "emails[]",
        "emails[type eq \"work\"",
        "emails type eq \"work\"]",
        "emails[[type eq \"work\"]]",
        "emails[emails[type eq \"work\"]]",
        "emails[emails.type eq \"work\"]",
        "emails[type eq \"work\"].",
        "emails[type eq \"work\"].value",
        "emails[type eq \"work\"] .value eq \"Ottoline\"",
        "emails[type eq \"work\"].shoeSize pr",
        "emails.value[type eq \"work\"]",
        "userName[value eq \"Ottoline\"]",
        "urn:example:unknown:User:thing eq \"Ottoline\"",
        "urn:ietf:params:scim:schemas:core:2.0:User eq \"Ottoline\"",
        "urn:ietf:params:scim:schemas:core:2.0:Group:displayName pr",
        "\u{fc}serName eq \"Ottoline\"",
        "user\u{200b}Name eq \"Ottoline\"",
        "$where pr",
        "__proto__ pr",
        "../../etc/passwd pr",
        "${jndi:ldap://127.0.0.1/x} pr",
    ]
    .map(str::to_owned)
    .to_vec();
    filters.push(quoted(&" or id pr".repeat(200)));
    filters.push(format!("{}id pr{}", "(".repeat(33), ")".repeat(33)));
    filters.push(format!("{}id pr{}", "not (".repeat(40), ")".repeat(40)));
    filters.push("(".repeat(8_000));
    filters.push(format!("userName eq \"{}\"", "x".repeat(8_200)));
    filters.push(quoted(" and ".repeat(500).as_str()));
    filters
}
