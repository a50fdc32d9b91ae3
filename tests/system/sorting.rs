//! Sorted lists (RFC 7644 §3.4.2.3): by every type of attribute, with those who have no value last, or first.

use serde_json::{Value, json};

use crate::lists::{in_order, walked};
use crate::support::databases::Database;
use crate::support::scim::{ENTERPRISE, USER};
use crate::support::system::System;

on_every_database! {
    users_are_sorted_by_any_attribute_and_those_without_it_come_last,
    a_sorted_list_is_paged_in_its_order,
}

/// Four users, and what they are called in the expectations.
fn people() -> [(&'static str, Value); 4] {
    let person = |name: &str, rest: Value| {
        let mut body = json!({"schemas": [USER, ENTERPRISE], "userName": name});
        let rest = rest.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(rest);
        body
    };
    [
        (
            "a",
            person(
                "delta",
                json!({
                    "name": {"familyName": "baker"}, "externalId": "b", "active": false, "title": "Écrivain",
                    "emails": [{"value": "zoe@example.com"}, {"value": "ann@example.com", "primary": true}],
                    ENTERPRISE: {"department": "Zoo", "employeeNumber": "10"},
                }),
            ),
        ),
        (
            "b",
            person(
                "Charlie",
                json!({
                    "name": {"familyName": "Adams"}, "externalId": "A", "title": "zoologist",
                    "emails": [{"value": "Mia@example.com"}, {"value": "bea@example.com"}],
                    "phoneNumbers": [{"value": "2", "primary": true, "type": "mobile"}, {"value": "9", "type": "a"}],
                    ENTERPRISE: {"department": "apes", "employeeNumber": "9"},
                }),
            ),
        ),
        (
            "c",
            person(
                "bravo",
                json!({"externalId": "a", "phoneNumbers": [{"value": "1", "type": "Home"}], "addresses": [{"country": "NL"}]}),
            ),
        ),
        (
            "d",
            person(
                "Alpha",
                json!({
                    "name": {"familyName": "clark"}, "title": "Engineer", "emails": [{"value": "kim@example.com"}],
                    "phoneNumbers": [{"value": "3", "type": "work"}], "addresses": [{"country": "de"}], ENTERPRISE: {"department": "Birds", "employeeNumber": "11"},
                }),
            ),
        ),
    ]
}

async fn users_are_sorted_by_any_attribute_and_those_without_it_come_last(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("sorted").await.scim;
    let mut names = std::collections::BTreeMap::new();
    for (name, body) in people() {
        names.insert(scim.create_user(&body).await, name);
    }
    let sorted = async |query: &str| {
        let list = scim.get(&format!("/Users?{query}")).await.expect(200);
        in_order(&list).iter().map(|id| names[id]).collect::<String>()
    };

    for (sort_by, ascending) in [
        ("userName", "dcba"),
        ("USERNAME", "dcba"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName", "dcba"),
        ("id", "abcd"),
        ("meta.created", "abcd"),
        ("meta.lastModified", "abcd"),
        ("name.familyName", "badc"),
        // A folded letter with an accent follows the letter itself, and no locale says otherwise.
        ("title", "dabc"),
        ("emails", "adbc"),
        ("emails.value", "adbc"),
        ("phoneNumbers.type", "cbda"),
        ("addresses.country", "dcab"),
        ("phoneNumbers.value", "cbda"),
        ("externalId", "bcad"),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "bdac",
        ),
        ("employeeNumber", "adbc"),
    ] {
        let descending: String = ascending.chars().rev().collect();
        assert_eq!(sorted(&format!("sortBy={sort_by}")).await, ascending, "{sort_by}");
        for order in ["ascending", "Ascending", ""] {
            let query = format!("sortBy={sort_by}&sortOrder={order}");
            assert_eq!(sorted(&query).await, ascending, "{query}");
        }
        for order in ["descending", "DESCENDING"] {
            let query = format!("sortBy={sort_by}&sortOrder={order}");
            assert_eq!(sorted(&query).await, descending, "{query}");
        }
    }
    assert_eq!(sorted("sortBy=active").await, "abcd", "false is less than true");
    assert_eq!(sorted("sortBy=active&sortOrder=descending").await, "dcba");
    assert_eq!(
        sorted("sortOrder=descending").await,
        "abcd",
        "there is nothing to sort by"
    );
    for unsortable in ["name", "emails.primary", "shoeSize", "schemas", "password", "meta"] {
        let answer = scim.get(&format!("/Users?sortBy={unsortable}")).await;
        answer.expect_error(400, Some("invalidValue"));
    }
}

async fn a_sorted_list_is_paged_in_its_order(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("sorted-pages").await.scim;
    for (_, body) in people() {
        scim.create_user(&body).await;
    }

    for sort_by in [
        "userName",
        "emails",
        "title",
        "externalId",
        "active",
        "phoneNumbers",
        "meta.created",
    ] {
        for order in ["ascending", "descending"] {
            let sort = format!("sortBy={sort_by}&sortOrder={order}");
            let whole = in_order(&scim.get(&format!("/Users?{sort}")).await.expect(200));
            for count in [1, 2, 3] {
                let query = format!("{sort}&count={count}");
                assert_eq!(walked(&scim, "/Users", &query, 4).await, whole, "by cursor: {query}");
                let mut by_index = Vec::new();
                while by_index.len() < 4 {
                    let start = by_index.len() + 1;
                    let page = scim
                        .get(&format!("/Users?{query}&startIndex={start}"))
                        .await
                        .expect(200);
                    by_index.extend(in_order(&page));
                }
                assert_eq!(by_index, whole, "by index: {query}");
            }
        }
    }
}
