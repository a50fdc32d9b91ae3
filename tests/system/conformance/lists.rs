//! Queries (RFC 7644 §3.4.2): the list response, index paging, sorting, and projection of what is found.

use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{ENTERPRISE, Scim, encode, user};
use crate::support::system::System;

on_every_database! {
    a_list_says_how_many_there_are_and_which_these_are,
    index_paging_keeps_its_numbers_within_bounds,
    lists_are_sorted_by_the_rules_of_the_attribute,
    only_what_was_asked_for_is_in_each_resource,
}

async fn people(scim: &Scim, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(scim.create_user(&user(&format!("user{number:02}"))).await);
    }
    ids.sort();
    ids
}

async fn a_list_says_how_many_there_are_and_which_these_are(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("lists").await.scim;
    people(&scim, 3).await;

    let all = scim.get("/Users").await.expect(200).body;
    assert_eq!(
        all["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"])
    );
    assert_eq!(all["totalResults"], json!(3));
    assert_eq!(all["Resources"].as_array().map(Vec::len), Some(3));
    let page = scim.get("/Users?startIndex=2&count=1").await.expect(200).body;
    assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(3), &json!(2)));
    assert_eq!(
        (&page["itemsPerPage"], page["Resources"].as_array().map(Vec::len)),
        (&json!(1), Some(1))
    );
    let none = scim.filter("/Users", "userName eq \"nobody\"").await.expect(200).body;
    assert_eq!(none["totalResults"], json!(0));
    assert_eq!(none["Resources"], json!([]));
    let other = scim.get("/Users?aadOptscim062020&unknown=1&foo").await.expect(200).body;
    assert_eq!(other["totalResults"], json!(3), "unknown parameters are ignored");
}

async fn index_paging_keeps_its_numbers_within_bounds(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("paging").await.scim;
    let ids = people(&scim, 5).await;

    for (query, start_index, on_page) in [
        ("startIndex=0&count=2", 1, 2),
        ("startIndex=-9&count=2", 1, 2),
        ("startIndex=5&count=2", 5, 1),
        ("startIndex=6&count=2", 6, 0),
        ("startIndex=99999999999999999999&count=2", i64::MAX, 0),
        ("count=0", 1, 0),
        ("count=-5", 1, 0),
        ("count=1000000", 1, 5),
    ] {
        let page = scim.get(&format!("/Users?{query}")).await.expect(200).body;
        assert_eq!(page["totalResults"], json!(5), "{query}");
        assert_eq!(page["startIndex"], json!(start_index), "{query}");
        assert_eq!(page["itemsPerPage"], json!(on_page), "{query}");
        assert_eq!(page["Resources"].as_array().map(Vec::len), Some(on_page), "{query}");
    }
    let mut seen = Vec::new();
    for start in [1, 3, 5] {
        seen.extend(
            scim.get(&format!("/Users?startIndex={start}&count=2"))
                .await
                .expect(200)
                .ids(),
        );
    }
    seen.sort();
    assert_eq!(seen, ids, "each exactly once");
    for query in ["count=many", "startIndex=1.5", "count=", "startIndex=0x1"] {
        let answer = scim.get(&format!("/Users?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

async fn lists_are_sorted_by_the_rules_of_the_attribute(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("sorting").await.scim;
    for (name, display_name, external_id) in [
        ("one", Some("beta"), "b"),
        ("two", Some("ALPHA"), "B"),
        ("three", Some("BETB"), "a"),
        ("four", None, "A"),
    ] {
        let mut body = user(name);
        body["userName"] = json!(name);
        body["displayName"] = json!(display_name);
        body["externalId"] = json!(external_id);
        body["emails"] = json!([{"value": format!("z{name}"), "type": "home"},
                                {"value": name, "primary": true, "type": "work"}]);
        scim.create_user(&body).await;
    }
    let order = async |query: &str| -> Vec<String> {
        let found = scim.get(&format!("/Users?{query}")).await.expect(200);
        let resources = found.body["Resources"].as_array().unwrap().clone();
        resources
            .iter()
            .map(|found| found["userName"].as_str().unwrap().to_owned())
            .collect()
    };

    assert_eq!(
        order("sortBy=displayName").await,
        ["two", "one", "three", "four"],
        "ascending, no value last"
    );
    assert_eq!(
        order("sortBy=displayName&sortOrder=ascending").await,
        ["two", "one", "three", "four"]
    );
    assert_eq!(
        order("sortBy=displayName&sortOrder=descending").await,
        ["four", "three", "one", "two"]
    );
    assert_eq!(
        order("sortBy=externalId").await,
        ["four", "two", "three", "one"],
        "case exact"
    );
    assert_eq!(
        order("sortBy=emails").await,
        ["four", "one", "three", "two"],
        "the primary value"
    );
    assert_eq!(order("sortBy=emails.value").await, ["four", "one", "three", "two"]);
    assert_eq!(order("sortBy=meta.created").await, ["one", "two", "three", "four"]);
    assert_eq!(
        order(&format!(
            "sortBy={}&sortOrder=descending",
            encode(&format!("{ENTERPRISE}:department"))
        ))
        .await
        .len(),
        4
    );
}

async fn only_what_was_asked_for_is_in_each_resource(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("projection").await.scim;
    let ids = people(&scim, 2).await;
    scim.create_group("Sales", &[&ids[0]]).await;
    let names = |resource: &Value| -> Vec<String> { resource.as_object().unwrap().keys().cloned().collect() };
    let first = async |path: &str| scim.get(path).await.expect(200).body["Resources"][0].clone();

    assert_eq!(
        names(&first("/Users?attributes=userName").await),
        ["id", "schemas", "userName"]
    );
    let parts = first(&format!(
        "/Users?attributes={},NAME.givenname",
        encode("urn:ietf:params:scim:schemas:core:2.0:User:emails.value")
    ))
    .await;
    assert_eq!(names(&parts), ["emails", "id", "name", "schemas"]);
    assert_eq!(names(&parts["emails"][0]), ["value"]);
    assert_eq!(names(&parts["name"]), ["givenName"]);
    let without = first("/Users?excludedAttributes=id,schemas,emails,meta,name").await;
    for gone in ["emails", "meta", "name"] {
        assert_eq!(without.get(gone), None, "{gone}");
    }
    for always in ["id", "schemas"] {
        assert!(without.get(always).is_some(), "{always} is always returned");
    }
    assert_eq!(first("/Groups?excludedAttributes=members").await.get("members"), None);
    assert_eq!(
        names(&first("/Groups?attributes=members.value").await["members"][0]),
        ["value"]
    );
    scim.get("/Users?attributes=id&excludedAttributes=name")
        .await
        .expect_error(400, Some("invalidValue"));
}
