//! Lists of one type: paging by index (RFC 7644 §3.4.2.4) and by cursor (RFC 9865), and searches (§3.4.3).

use directory_proto::v1::Scope;
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{Answer, Scim, encode, user};
use crate::support::system::System;

on_every_database! {
    pages_by_index_are_cut_as_the_standard_says,
    a_walk_by_cursor_leads_through_users_and_groups_and_back,
    a_cursor_is_good_for_its_own_question_alone,
    paging_parameters_that_are_nonsense_are_refused,
    a_search_answers_what_the_query_answers,
    a_search_that_is_none_is_refused,
    discovery_says_how_lists_are_paged,
}

pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// The ids of a list's resources, in its order.
pub fn in_order(list: &Answer) -> Vec<String> {
    let resources = list.body["Resources"].as_array().expect("Resources");
    let id = |resource: &Value| resource["id"].as_str().expect("an id").to_owned();
    resources.iter().map(id).collect()
}

/// Walks a list from its first page to its last. `query` has no cursor.
pub async fn walk(scim: &Scim, endpoint: &str, query: &str) -> Vec<Answer> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = scim
            .get(&format!("{endpoint}?cursor={cursor}&{query}"))
            .await
            .expect(200);
        let next = page
            .body
            .get("nextCursor")
            .map(|next| next.as_str().unwrap().to_owned());
        pages.push(page);
        assert!(pages.len() < 200, "a walk without an end");
        match next {
            Some(next) => cursor = next,
            None => return pages,
        }
    }
}

/// Walks back from the last page of a walk, and gives the pages in the order of the list.
pub async fn walk_back(scim: &Scim, endpoint: &str, query: &str, last: &Answer) -> Vec<Answer> {
    let mut pages = vec![last.clone()];
    while let Some(previous) = pages[0].body.get("previousCursor") {
        let previous = previous.as_str().unwrap();
        let page = scim
            .get(&format!("{endpoint}?cursor={previous}&{query}"))
            .await
            .expect(200);
        pages.insert(0, page);
        assert!(pages.len() < 200, "a walk without an end");
    }
    pages
}

/// Asserts that each page is one by cursor, that all say the same total, and that the way back shows the same; gives
/// the ids in their order.
pub async fn walked(scim: &Scim, endpoint: &str, query: &str, total: usize) -> Vec<String> {
    let pages = walk(scim, endpoint, query).await;
    for (index, page) in pages.iter().enumerate() {
        assert_eq!(page.body["schemas"], json!([LIST_RESPONSE]), "{}", page.text);
        assert_eq!(page.body["totalResults"], json!(total), "{}", page.text);
        assert_eq!(page.body["itemsPerPage"], json!(in_order(page).len()), "{}", page.text);
        assert_eq!(page.body.get("startIndex"), None, "{}", page.text);
        assert_eq!(page.body.get("previousCursor").is_none(), index == 0, "{}", page.text);
    }
    let there: Vec<String> = pages.iter().flat_map(in_order).collect();
    let back = walk_back(scim, endpoint, query, pages.last().unwrap()).await;
    let back: Vec<String> = back.iter().flat_map(in_order).collect();
    assert_eq!(there, back, "{endpoint}?{query}");
    there
}

async fn create_users(scim: &Scim, names: &[String]) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(scim.create_user(&user(name)).await);
    }
    ids
}

fn numbered(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{what}{index:03}")).collect()
}

async fn pages_by_index_are_cut_as_the_standard_says(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("index").await.scim;
    let ids = create_users(&scim, &numbered("user", 5)).await;

    for (query, start_index, expected) in [
        ("", 1, &ids[..]),
        ("startIndex=1&count=2", 1, &ids[..2]),
        ("startIndex=3&count=2", 3, &ids[2..4]),
        ("startIndex=5&count=2", 5, &ids[4..]),
        ("startIndex=6", 6, &[]),
        ("startIndex=1000000", 1_000_000, &[]),
        ("startIndex=9223372036854775807&count=1", i64::MAX, &[]),
        ("startIndex=0&count=1", 1, &ids[..1]),
        ("startIndex=-7&count=1", 1, &ids[..1]),
        ("startIndex=2", 2, &ids[1..]),
        ("count=0", 1, &[]),
        ("count=-1", 1, &[]),
        ("startIndex=2&count=0", 2, &[]),
        ("count=1001", 1, &ids[..]),
        ("count=99999999999999999999", 1, &ids[..]),
    ] {
        let list = scim.get(&format!("/Users?{query}")).await.expect(200);
        assert_eq!(in_order(&list), expected, "{query}");
        assert_eq!(list.body["totalResults"], json!(5), "{query}");
        assert_eq!(list.body["itemsPerPage"], json!(expected.len()), "{query}");
        assert_eq!(list.body["startIndex"], json!(start_index), "{query}");
        for cursor in ["nextCursor", "previousCursor"] {
            assert_eq!(list.body.get(cursor), None, "{query}: a page by index has no {cursor}");
        }
    }
}

async fn a_walk_by_cursor_leads_through_users_and_groups_and_back(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("walk").await.scim;
    let users = create_users(&scim, &numbered("user", 7)).await;
    let mut groups = Vec::new();
    for name in numbered("group", 5) {
        groups.push(scim.create_group(&name, &[&users[0], &users[1]]).await);
    }

    for count in [1, 2, 3, 7, 8] {
        assert_eq!(walked(&scim, "/Users", &format!("count={count}"), 7).await, users);
        assert_eq!(walked(&scim, "/Groups", &format!("count={count}"), 5).await, groups);
    }
    let descending = walked(&scim, "/Users", "count=2&sortBy=userName&sortOrder=descending", 7).await;
    assert_eq!(descending, users.iter().rev().cloned().collect::<Vec<_>>());
    let some = format!("count=2&filter={}", encode("userName gt \"user003\""));
    assert_eq!(walked(&scim, "/Users", &some, 4).await, users[3..]);
    assert_eq!(walked(&scim, "/Users", "", 7).await, users, "one page");

    let nobody = format!("/Users?cursor&filter={}", encode("userName eq \"nobody\""));
    let nobody = scim.get(&nobody).await.expect(200);
    assert_eq!(
        nobody.body,
        json!({"schemas": [LIST_RESPONSE], "totalResults": 0, "itemsPerPage": 0, "Resources": []})
    );
    let total = scim.get("/Users?cursor=&count=0").await.expect(200);
    assert_eq!(
        total.body,
        json!({"schemas": [LIST_RESPONSE], "totalResults": 7, "itemsPerPage": 0, "Resources": []})
    );

    // What is shown may differ from page to page, and a count that is left out is that of the page before.
    let first = scim
        .get("/Groups?cursor&count=2&excludedAttributes=members")
        .await
        .expect(200);
    let next = first.body["nextCursor"].as_str().unwrap();
    let second = scim.get(&format!("/Groups?cursor={next}")).await.expect(200);
    assert_eq!(in_order(&second), groups[2..4]);
    assert_eq!(second.body["Resources"][1]["members"].as_array().map(Vec::len), Some(2));
    assert!(second.body["previousCursor"].is_string());
}

async fn a_cursor_is_good_for_its_own_question_alone(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("mine").await;
    let scim = tenant.scim;
    create_users(&scim, &numbered("user", 5)).await;
    for name in numbered("group", 3) {
        scim.create_group(&name, &[]).await;
    }
    let other = system.tenant("theirs").await.scim;
    create_users(&other, &numbered("user", 5)).await;
    let reader = scim.with_token(&system.issue(&tenant.slug, &[Scope::Read], "").await);
    let nobody = scim.with_token(&system.issue(&tenant.slug, &[Scope::Activate], "").await);
    let filter = encode("title pr");
    let first = scim
        .get(&format!("/Users?filter={filter}&count=2&cursor"))
        .await
        .expect(200);
    let cursor = first.body["nextCursor"].as_str().unwrap().to_owned();
    let question = format!("filter={filter}&count=2");

    let same = scim
        .get(&format!("/Users?{question}&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(in_order(&same).len(), 2);
    let mut details = Vec::new();
    let ask = async |scim: &Scim, endpoint: &str, query: &str| {
        let answer = scim.get(&format!("{endpoint}?{query}")).await;
        let answer = answer.expect_error(400, Some("invalidCursor"));
        answer.body["detail"].as_str().unwrap().to_owned()
    };
    details.push(ask(&other, "/Users", &format!("{question}&cursor={cursor}")).await);
    details.push(ask(&reader, "/Users", &format!("{question}&cursor={cursor}")).await);
    for (endpoint, query) in [
        ("/Users", format!("count=2&cursor={cursor}")),
        ("/Users", format!("filter={}&cursor={cursor}", encode("title eq null"))),
        ("/Users", format!("{question}&sortBy=userName&cursor={cursor}")),
        ("/Users", format!("{question}&cursor={}", cursor.to_ascii_uppercase())),
        ("/Users", format!("{question}&cursor={cursor}A")),
        ("/Users", format!("{question}&cursor={}", &cursor[..cursor.len() - 1])),
        ("/Users", format!("{question}&cursor=2.{}", "A".repeat(60))),
        ("/Users", format!("{question}&cursor=nonsense")),
        ("/Users", format!("{question}&cursor=%00")),
        ("/Users", format!("{question}&cursor={}", encode("2.ü"))),
        ("/Groups", format!("count=2&cursor={cursor}")),
    ] {
        details.push(ask(&scim, endpoint, &query).await);
    }
    details.dedup();
    assert_eq!(
        details.len(),
        1,
        "whatever is wrong with it looks the same: {details:?}"
    );

    nobody
        .get(&format!("/Users?{question}&cursor={cursor}"))
        .await
        .expect_error(403, None);
    let none = scim.with_token("rc_unknown");
    none.get(&format!("/Users?{question}&cursor={cursor}"))
        .await
        .expect_error(401, None);
}

async fn paging_parameters_that_are_nonsense_are_refused(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("nonsense").await.scim;
    create_users(&scim, &numbered("user", 3)).await;
    let first = scim.get("/Users?cursor&count=2").await.expect(200);
    let cursor = first.body["nextCursor"].as_str().unwrap();

    for (query, scim_type) in [
        ("count=many".to_owned(), "invalidValue"),
        ("count=".to_owned(), "invalidValue"),
        ("count=1.5".to_owned(), "invalidValue"),
        ("startIndex=first".to_owned(), "invalidValue"),
        ("startIndex=1&startIndex=2".to_owned(), "invalidValue"),
        ("cursor&startIndex=1".to_owned(), "invalidValue"),
        ("cursor&cursor".to_owned(), "invalidValue"),
        ("cursor&count=many".to_owned(), "invalidCount"),
        ("cursor&count=1001".to_owned(), "invalidCount"),
        (format!("cursor={cursor}&count=3"), "invalidCount"),
        (format!("cursor={cursor}&count=0"), "invalidCount"),
        ("sortBy=shoeSize".to_owned(), "invalidValue"),
        ("sortBy=userName&sortOrder=sideways".to_owned(), "invalidValue"),
    ] {
        let answer = scim.get(&format!("/Users?{query}")).await;
        answer.expect_error(400, Some(scim_type));
    }
    scim.get("/Users?sortOrder=sideways").await.expect(200);
}

async fn a_search_answers_what_the_query_answers(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("search").await.scim;
    let users = create_users(&scim, &numbered("user", 5)).await;
    for name in numbered("group", 3) {
        scim.create_group(&name, &[&users[0]]).await;
    }

    for (endpoint, query, search) in [
        ("/Users", "", json!({})),
        ("/Groups", "", json!({})),
        (
            "/Users",
            "filter=userName+gt+%22user001%22&startIndex=2&count=2",
            json!({"filter": "userName gt \"user001\"", "startIndex": 2, "count": 2}),
        ),
        (
            "/Users",
            "attributes=userName,name.givenName&sortBy=userName&sortOrder=descending",
            json!({"attributes": ["userName", "name.givenName"], "sortBy": "userName", "sortOrder": "descending"}),
        ),
        (
            "/Groups",
            "excludedAttributes=members",
            json!({"ExcludedAttributes": ["members"]}),
        ),
        ("/Users", "count=0", json!({"count": 0})),
        ("/Users", "count=-3", json!({"count": "-3"})),
    ] {
        let mut body = search;
        body["schemas"] = json!([SEARCH_REQUEST]);
        let got = scim.get(&format!("{endpoint}?{query}")).await.expect(200);
        let found = scim.post(&format!("{endpoint}/.search"), &body).await.expect(200);
        assert_eq!(found.body, got.body, "{endpoint} {query}");
        assert_eq!(found.header("content-type"), got.header("content-type"));
    }

    let mut found = Vec::new();
    let mut search = json!({"schemas": [SEARCH_REQUEST], "count": 2, "cursor": "", "attributes": ["userName"]});
    loop {
        let page = scim.post("/Users/.search", &search).await.expect(200);
        found.extend(in_order(&page));
        match page.body.get("nextCursor") {
            Some(next) => search["cursor"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(found, users);
    let first = scim.get("/Users?count=2&cursor").await.expect(200);
    search["cursor"] = first.body["nextCursor"].clone();
    let second = scim.post("/Users/.search", &search).await.expect(200);
    assert_eq!(
        in_order(&second),
        users[2..4],
        "a cursor of a query is good for the search"
    );
}

async fn a_search_that_is_none_is_refused(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("no-search").await.scim;
    let with = |mut body: Value| {
        body["schemas"] = json!([SEARCH_REQUEST]);
        body
    };

    for endpoint in ["/Users/.search", "/Groups/.search", "/.search"] {
        for (body, scim_type) in [
            (json!([]), "invalidSyntax"),
            (json!({"filter": "id pr"}), "invalidSyntax"),
            (json!({"schemas": [LIST_RESPONSE]}), "invalidSyntax"),
            (with(json!({"filter": "shoeSize pr"})), "invalidFilter"),
            (with(json!({"filter": 7})), "invalidValue"),
            (with(json!({"count": {}})), "invalidValue"),
            (
                with(json!({"attributes": "id", "excludedAttributes": ["meta"]})),
                "invalidValue",
            ),
            (with(json!({"cursor": "", "count": 5000})), "invalidCount"),
            (with(json!({"cursor": "x"})), "invalidCursor"),
        ] {
            let answer = scim.post(endpoint, &body).await;
            answer.expect_error(400, Some(scim_type));
        }
        scim.get(endpoint).await.expect_error(405, None);
        let stranger = scim.with_token("rc_unknown");
        stranger.post(endpoint, &with(json!({}))).await.expect_error(401, None);
    }
}

async fn discovery_says_how_lists_are_paged(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("discovery").await.scim;

    let config = scim.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(config["filter"], json!({"supported": true, "maxResults": 1000}));
    assert_eq!(config["sort"], json!({"supported": true}));
    assert_eq!(
        config["pagination"],
        json!({"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 200,
               "maxPageSize": 1000, "cursorTimeout": 3600})
    );
    for endpoint in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
        let ignored = scim
            .get(&format!("{endpoint}?sortBy=id&count=1&cursor=x&startIndex=2"))
            .await;
        assert_eq!(ignored.expect(200).body, scim.get(endpoint).await.expect(200).body);
        let filtered = scim.get(&format!("{endpoint}?filter=id+pr")).await;
        filtered.expect_error(403, None);
        scim.post(endpoint, &json!({})).await.expect_error(405, None);
    }
    for (single, id) in [
        ("/ResourceTypes/User", "User"),
        (
            "/Schemas/URN:ietf:params:scim:schemas:core:2.0:user",
            "urn:ietf:params:scim:schemas:core:2.0:User",
        ),
    ] {
        assert_eq!(scim.get(single).await.expect(200).id(), id);
        scim.get(&format!("{single}?filter=id+pr"))
            .await
            .expect_error(403, None);
        scim.post(single, &json!({})).await.expect_error(405, None);
    }
}
