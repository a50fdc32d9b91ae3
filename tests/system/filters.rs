//! Filters beyond what Entra's scenarios show: every character in a name, case in every script, and the answers to
//! nonsense.

use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{encode, user};
use crate::support::system::System;

on_every_database! {
    a_name_with_special_characters_finds_its_user_alone,
    names_compare_without_case_in_every_script,
    each_operator_finds_what_it_says,
    a_filter_that_is_not_understood_is_refused,
    blanks_in_a_filter_may_come_as_plus_or_percent_20,
}

/// A JSON string as RFC 7644 wants it in a filter.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn named(user_name: &str) -> Value {
    let mut body = user("somebody");
    body["userName"] = json!(user_name);
    body["displayName"] = json!(user_name);
    body
}

async fn a_name_with_special_characters_finds_its_user_alone(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("special").await.scim;
    let names = [
        "plain@example.com",
        "100%@example.com",
        "100x@example.com",
        "under_score@example.com",
        "underXscore@example.com",
        "back\\slash@example.com",
        "quote\"d@example.com",
        "o'neil@example.com",
        "plus+tag@example.com",
        "plus tag@example.com",
        "this&that=x@example.com",
        "semi;colon#hash?@example.com",
        "alias_domain.com#EXT#@tenant.example.com",
        "ünïcödé-日本語-🦀@example.com",
    ];
    let mut ids = Vec::new();
    for name in names {
        ids.push(scim.create_user(&named(name)).await);
    }

    for (name, id) in names.iter().zip(&ids) {
        for attribute in ["userName", "displayName"] {
            let found = scim
                .filter("/Users", &format!("{attribute} eq {}", quoted(name)))
                .await
                .expect(200);
            assert_eq!(found.ids(), [id.as_str()], "{attribute} eq {name}");
            assert_eq!(
                found.body["Resources"][0]["userName"],
                json!(name),
                "the spelling is kept"
            );
        }
    }
    for (part, count) in [
        ("%", 1),
        ("_", 2),
        ("\\", 1),
        ("\"", 1),
        ("'", 1),
        ("+", 1),
        ("&", 1),
        ("100", 2),
    ] {
        let found = scim
            .filter("/Users", &format!("userName co {}", quoted(part)))
            .await
            .expect(200);
        assert_eq!(
            found.body["totalResults"],
            json!(count),
            "userName co {part}: {}",
            found.text
        );
    }
    let found = scim.filter("/Users", "userName sw \"under_\"").await.expect(200);
    assert_eq!(found.body["totalResults"], json!(1), "an underscore stands for itself");
    let found = scim
        .filter("/Users", "userName eq \"quote\\u0022d@example.com\"")
        .await
        .expect(200);
    assert_eq!(found.ids().len(), 1, "a JSON escape in a filter's text");
}

async fn names_compare_without_case_in_every_script(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("case").await.scim;

    for (stored, asked) in [
        ("Ada@Example.com", "aDA@eXAMPLE.COM"),
        ("ÄRGER@example.com", "ärger@example.com"),
        ("straße@example.com", "STRASSE@example.com"),
        ("Ο Δίας σοφός@example.com", "Ο ΔΊΑΣ ΣΟΦΌΣ@example.com"),
        ("Иван@example.com", "ИВАН@example.com"),
        ("caf\u{e9}@example.com", "CAFE\u{301}@example.com"),
    ] {
        let id = scim.create_user(&named(stored)).await;
        let found = scim
            .filter("/Users", &format!("userName eq {}", quoted(asked)))
            .await
            .expect(200);
        assert_eq!(found.ids(), [id], "{stored} is {asked}");
        scim.post("/Users", &named(asked))
            .await
            .expect_error(409, Some("uniqueness"));
    }

    let mut exact = named("exact@example.com");
    exact["externalId"] = json!("Case-Exact");
    let id = scim.create_user(&exact).await;
    let found = scim.filter("/Users", "externalId eq \"Case-Exact\"").await.expect(200);
    assert_eq!(found.ids(), [id]);
    let found = scim.filter("/Users", "externalId eq \"case-exact\"").await.expect(200);
    assert_eq!(
        found.ids(),
        Vec::<String>::new(),
        "externalId is case-exact (RFC 7643 §3.1)"
    );
}

async fn each_operator_finds_what_it_says(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("operators").await.scim;
    let mut names = std::collections::BTreeMap::new();
    for name in ["ada", "bob", "cleo"] {
        let mut body = user(name);
        if name == "bob" {
            body["active"] = json!(false);
            body["emails"] = json!([{"type": "home", "value": "bob@home.example.com"}]);
            body.as_object_mut().unwrap().remove("title");
        }
        names.insert(scim.create_user(&body).await, name);
    }
    let group = scim.create_group("Group", &[names.keys().next().unwrap()]).await;

    for (filter, expected) in [
        ("userName eq \"ADA@example.com\"", "ada"),
        ("userName ne \"ada@example.com\"", "bob cleo"),
        ("title ne \"Engineer\"", "bob"),
        ("title pr", "ada cleo"),
        ("not (title pr)", "bob"),
        ("active eq true", "ada cleo"),
        ("active eq false", "bob"),
        ("userName sw \"c\"", "cleo"),
        ("userName ew \"EXAMPLE.COM\"", "ada bob cleo"),
        ("userName co \"O\" and not (userName sw \"b\")", "ada cleo"),
        ("userName gt \"b\"", "bob cleo"),
        ("userName lt \"b\"", "ada"),
        ("emails.value co \"home\"", "bob"),
        ("emails eq \"mail.ada@example.com\"", "ada"),
        ("emails[type eq \"work\" and value sw \"mail.c\"]", "cleo"),
        ("emails[type eq \"home\" and value sw \"mail.c\"]", ""),
        ("emails[type eq \"work\"].value eq \"MAIL.ADA@example.com\"", "ada"),
        ("name.givenName eq \"given\"", "ada bob cleo"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"ada\"", "ada"),
        ("meta.version eq \"W/\\\"1\\\"\"", "ada bob cleo"),
        ("meta.version sw \"W/\\\"1\"", "ada bob cleo"),
        ("meta.version co \"2\" or meta.version ew \"2\\\"\"", ""),
        (
            "meta.version lt \"W/\\\"10\\\"\" and meta.version ge \"W\"",
            "ada bob cleo",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"RESEARCH\"",
            "ada bob cleo",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq \"4711\"",
            "ada bob cleo",
        ),
        ("meta.lastModified gt \"2020-01-01T00:00:00Z\"", "ada bob cleo"),
        ("meta.lastModified lt \"2020-01-01T00:00:00Z\"", ""),
        (
            "userName eq \"ada@example.com\" or userName eq \"bob@example.com\" and title pr",
            "ada",
        ),
        ("(userName sw \"ada\" or userName sw \"bob\") and title pr", "ada"),
        ("meta.resourceType eq \"User\"", "ada bob cleo"),
    ] {
        let found = scim.filter("/Users", filter).await.expect(200);
        let mut given: Vec<&str> = found.ids().iter().map(|id| names[id]).collect();
        given.sort_unstable();
        assert_eq!(given.join(" "), expected, "{filter}");
        assert_eq!(found.body["totalResults"], json!(given.len()), "{filter}");
    }
    let member = names.keys().next().unwrap();
    let found = scim
        .filter("/Groups", &format!("id eq \"{group}\" and members eq \"{member}\""))
        .await
        .expect(200);
    assert_eq!(found.ids(), [group]);
}

async fn a_filter_that_is_not_understood_is_refused(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("nonsense").await.scim;
    scim.create_user(&user("ada")).await;

    let deep = format!("{}userName pr{}", "(".repeat(2_000), ")".repeat(2_000));
    for filter in [
        "",
        "userName",
        "userName eq",
        "userName eq ada",
        "userName eq \"ada",
        "userName zz \"ada\"",
        "eq \"ada\"",
        "userName eq \"a\" and",
        "(userName eq \"a\"",
        "userName eq \"a\")",
        "emails[type eq \"work\"",
        "shoeSize eq \"44\"",
        "name.shoeSize eq \"44\"",
        "active gt true",
        "active eq \"perhaps\"",
        "meta.lastModified gt \"yesterday\"",
        "userName eq 7",
        "userName eq \"a\u{0}b\"",
        &deep,
    ] {
        let answer = scim.get(&format!("/Users?filter={}", encode(filter))).await;
        let shown: String = filter.chars().take(60).collect();
        assert_eq!(answer.status, 400, "{shown} was answered {}", answer.text);
        answer.expect_error(400, Some("invalidFilter"));
    }
}

async fn blanks_in_a_filter_may_come_as_plus_or_percent_20(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("blanks").await.scim;
    let id = scim.create_user(&named("two words+plus@example.com")).await;

    for query in [
        "userName+eq+%22two+words%2Bplus@example.com%22",
        "userName%20eq%20%22two%20words%2Bplus%40example.com%22",
        "userName+eq%20%22two+words%2bplus%40example.com%22&aadOptscim062020",
    ] {
        let found = scim.get(&format!("/Users?filter={query}")).await.expect(200);
        assert_eq!(found.ids(), [id.as_str()], "{query}");
    }
}
