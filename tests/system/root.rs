//! Lists of the SCIM root (RFC 7644 §3.4.2.1): users and groups together.

use std::collections::BTreeMap;

use directory_proto::v1::Scope;
use serde_json::{Value, json};

use crate::lists::{SEARCH_REQUEST, in_order, walked};
use crate::support::databases::Database;
use crate::support::scim::{Scim, encode, user};
use crate::support::system::System;

on_every_database! {
    a_filter_of_the_root_selects_users_and_groups,
    users_and_groups_stand_in_one_order,
    a_search_of_the_root_answers_what_its_query_answers,
    each_kind_is_shown_as_in_its_own_list,
}

/// Users and groups in turn; gives what each is called in the expectations.
async fn people_and_groups(scim: &Scim) -> BTreeMap<String, &'static str> {
    let mut names = BTreeMap::new();
    let mut ada = user("ada");
    ada["displayName"] = json!("Sales lead");
    let ada = scim.create_user(&ada).await;
    let sales = scim.create_group("sales", &[&ada]).await;
    let mut bob = user("bob");
    bob["displayName"] = json!("Bob");
    bob["active"] = json!(false);
    bob.as_object_mut().unwrap().remove("title");
    let bob = scim.create_user(&bob).await;
    let all = scim.create_group("all", &[&ada, &bob]).await;
    names.insert(ada, "ada");
    names.insert(sales, "sales");
    names.insert(bob, "bob");
    names.insert(all, "all");
    names
}

fn called(names: &BTreeMap<String, &'static str>, ids: &[String]) -> String {
    ids.iter().map(|id| names[id]).collect::<Vec<_>>().join(" ")
}

async fn a_filter_of_the_root_selects_users_and_groups(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("root").await.scim;
    let names = people_and_groups(&scim).await;
    let ada = names.iter().find(|(_, name)| **name == "ada").unwrap().0;

    for (filter, expected) in [
        ("id pr", "ada sales bob all"),
        ("displayName sw \"SALES\"", "ada sales"),
        ("userName eq \"ADA@example.com\"", "ada"),
        ("userName ne \"ada@example.com\"", "sales bob all"),
        ("userName pr", "ada bob"),
        ("not (userName pr)", "sales all"),
        ("title eq null", "sales bob all"),
        ("active eq true", "ada"),
        ("active ne true", "sales bob all"),
        ("emails[type eq \"work\"]", "ada bob"),
        (&format!("members eq \"{ada}\""), "sales all"),
        (&format!("members eq \"{ada}\" or title pr"), "ada sales all"),
        ("meta.resourceType eq \"User\"", "ada bob"),
        ("meta.resourceType eq \"Group\" and displayName sw \"a\"", "all"),
        (
            "(meta.resourceType eq \"User\") or (meta.resourceType eq \"Group\")",
            "ada sales bob all",
        ),
        ("meta.resourceType eq \"Device\"", ""),
        ("meta.resourceType ne \"User\" and userName pr", ""),
        (
            "urn:ietf:params:scim:schemas:core:2.0:Group:displayName pr",
            "sales all",
        ),
        ("employeeNumber eq \"4711\"", "ada bob"),
        (
            "schemas eq \"urn:ietf:params:scim:schemas:core:2.0:Group\"",
            "sales all",
        ),
        ("externalId eq \"external-all\"", "all"),
        ("meta.created gt \"2020-01-01T00:00:00Z\"", "ada sales bob all"),
    ] {
        let list = scim.get(&format!("?filter={}", encode(filter))).await.expect(200);
        assert_eq!(called(&names, &in_order(&list)), expected, "{filter}");
        assert_eq!(list.body["totalResults"], json!(in_order(&list).len()), "{filter}");
    }
    for filter in [
        "shoeSize pr",
        "active gt true",
        "password pr",
        "userName eq 7",
        "id",
        "",
    ] {
        let answer = scim.get(&format!("?filter={}", encode(filter))).await;
        answer.expect_error(400, Some("invalidFilter"));
    }
    let stranger = system.tenant("elsewhere").await.scim;
    let nothing = stranger.get("").await.expect(200);
    assert_eq!(
        (in_order(&nothing).len(), &nothing.body["totalResults"]),
        (0, &json!(0))
    );
    let slash = scim.get("/?count=1").await.expect(200);
    assert_eq!(slash.body["totalResults"], json!(4));
}

async fn users_and_groups_stand_in_one_order(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("ordered").await;
    let scim = tenant.scim;
    let names = people_and_groups(&scim).await;

    for (sort, expected) in [
        ("", "ada sales bob all"),
        ("sortBy=id&", "ada sales bob all"),
        ("sortBy=meta.created&sortOrder=descending&", "all bob sales ada"),
        ("sortBy=displayName&", "all bob sales ada"),
        ("sortBy=displayName&sortOrder=descending&", "ada sales bob all"),
        ("sortBy=userName&", "ada bob sales all"),
        ("sortBy=userName&sortOrder=descending&", "all sales bob ada"),
        ("sortBy=title&", "ada sales bob all"),
        ("sortBy=active&", "bob ada sales all"),
        ("sortBy=externalId&", "ada all bob sales"),
        ("sortBy=meta.resourceType&", "sales all ada bob"),
        ("sortBy=meta.resourceType&sortOrder=descending&", "bob ada all sales"),
    ] {
        for count in [1, 2, 3, 10] {
            let walk = walked(&scim, "", &format!("{sort}count={count}"), 4).await;
            assert_eq!(called(&names, &walk), expected, "{sort}");
        }
        let from_third = scim.get(&format!("?{sort}startIndex=3&count=1")).await.expect(200);
        let third = expected.split(' ').nth(2).unwrap();
        assert_eq!(called(&names, &in_order(&from_third)), third, "{sort}");
        assert_eq!(from_third.body["startIndex"], json!(3));
        assert_eq!(from_third.body["totalResults"], json!(4));
        assert_eq!(from_third.body.get("nextCursor"), None);
    }
    let total = scim.get("?count=0").await.expect(200);
    assert_eq!((&total.body["totalResults"], in_order(&total).len()), (&json!(4), 0));
    for sort_by in ["shoeSize", "name", "members.type"] {
        let answer = scim.get(&format!("?sortBy={sort_by}")).await;
        answer.expect_error(400, Some("invalidValue"));
    }

    let first = scim.get("?cursor&count=2").await.expect(200);
    let cursor = first.body["nextCursor"].as_str().unwrap();
    let reader = scim.with_token(&system.issue(&tenant.slug, &[Scope::Read], "").await);
    for (scim, path) in [
        (&scim, format!("?sortBy=displayName&cursor={cursor}")),
        (&scim, format!("?filter={}&cursor={cursor}", encode("userName pr"))),
        (&scim, format!("/Users?cursor={cursor}")),
        (&reader, format!("?cursor={cursor}")),
    ] {
        let answer = scim.get(&path).await;
        answer.expect_error(400, Some("invalidCursor"));
    }
    let active = reader.get("?sortBy=active").await;
    active.expect_error(400, Some("invalidValue"));
    let users = reader
        .get(&format!(
            "?sortBy=active&filter={}",
            encode("meta.resourceType eq \"User\"")
        ))
        .await;
    assert_eq!(called(&names, &in_order(&users.expect(200))), "bob ada");
}

async fn a_search_of_the_root_answers_what_its_query_answers(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("root-search").await.scim;
    people_and_groups(&scim).await;

    for (query, search) in [
        ("", json!({})),
        (
            "filter=displayName+sw+%22s%22&attributes=displayName",
            json!({"filter": "displayName sw \"s\"", "attributes": ["displayName"]}),
        ),
        (
            "sortBy=displayName&sortOrder=descending&startIndex=2&count=2",
            json!({"sortBy": "displayName", "sortOrder": "descending", "startIndex": 2, "count": 2}),
        ),
    ] {
        let mut body: Value = search;
        body["schemas"] = json!([SEARCH_REQUEST]);
        let got = scim.get(&format!("?{query}")).await.expect(200);
        let found = scim.post("/.search", &body).await.expect(200);
        assert_eq!(found.body, got.body, "{query}");
    }
}

async fn each_kind_is_shown_as_in_its_own_list(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("shown").await.scim;
    people_and_groups(&scim).await;

    for projection in [
        "",
        "attributes=userName,members.value",
        "attributes=displayName",
        "attributes=groups",
        "excludedAttributes=members,groups,emails.type",
        "excludedAttributes=meta",
    ] {
        let root = scim.get(&format!("?{projection}")).await.expect(200);
        let users = scim.get(&format!("/Users?{projection}")).await.expect(200);
        let groups = scim.get(&format!("/Groups?{projection}")).await.expect(200);
        let kinds = [&users, &groups].map(|list| list.body["Resources"].as_array().unwrap());
        let expected = json!([kinds[0][0], kinds[1][0], kinds[0][1], kinds[1][1]]);
        assert_eq!(root.body["Resources"], expected, "{projection}");
    }
}
