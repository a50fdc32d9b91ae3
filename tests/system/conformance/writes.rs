//! Writes (RFC 7644 §3.3 to §3.6, §3.14): what a write answers, what PUT keeps, and preconditions.

use http::Method;
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{Answer, ENTERPRISE, STATUS, Scim, USER, encode, group, patch, user};
use crate::support::system::System;

on_every_database! {
    each_write_answers_as_the_rfc_says,
    a_put_replaces_what_can_be_written_and_creates_nothing,
    a_patch_answers_with_what_attributes_names,
    preconditions_hold_on_every_kind_of_resource,
    what_every_patch_operation_does_to_a_user,
    an_error_is_a_scim_message_in_utf_8,
}

async fn each_write_answers_as_the_rfc_says(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("answers").await.scim;
    let created = scim.post("/Users", &user("ada")).await.expect(201);
    assert_eq!(created.header("content-type"), "application/scim+json");
    assert_eq!(
        created.header("location"),
        format!("{}/Users/{}", scim.base(), created.id())
    );
    scim.post("/Users", &user("ADA"))
        .await
        .expect_error(409, Some("uniqueness"));

    let path = format!("/Users/{}", created.id());
    assert_eq!(scim.put(&path, &user("ada")).await.expect(200).id(), created.id());
    let patched = scim
        .patch(&path, json!([{"op": "add", "path": "title", "value": "Dr"}]))
        .await;
    assert_eq!(patched.expect(200).body["title"], json!("Dr"));
    let sales = scim.create_group("Sales", &[]).await;
    let answer = scim.add_members(&sales, &[&created.id()]).await.expect(204);
    assert_eq!(answer.text, "");
    assert!(answer.header("etag").starts_with("W/\""));
    let gone = scim.delete(&path).await.expect(204);
    assert_eq!(gone.text, "");
}

async fn a_put_replaces_what_can_be_written_and_creates_nothing(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("put").await.scim;
    let id = scim.create_user(&user("ada")).await;
    let sales = scim.create_group("Sales", &[&id]).await;
    let path = format!("/Users/{id}");

    let small = json!({"schemas": [USER], "id": "other", "userName": "lovelace", "nickName": "Ada",
                       "groups": [], "meta": {"version": "W/\"1\""}});
    let replaced = scim.put(&path, &small).await.expect(200);
    assert_eq!(replaced.id(), id);
    assert_eq!(replaced.body["userName"], json!("lovelace"));
    assert_eq!(replaced.body["nickName"], json!("Ada"));
    for gone in ["displayName", "emails", "name", "title", "externalId", ENTERPRISE] {
        assert_eq!(replaced.body.get(gone), None, "{gone}");
    }
    assert_eq!(
        replaced.body["groups"][0]["value"],
        json!(sales),
        "what is read-only stays"
    );
    assert_eq!(replaced.body["active"], json!(true));
    scim.put(&path, &json!({"schemas": [USER], "nickName": "Ada"}))
        .await
        .expect_error(400, Some("invalidValue"));
    scim.put("/Users/0190b0b0-0000-7000-8000-000000000000", &user("new"))
        .await
        .expect_error(404, None);
    assert_eq!(scim.get("/Users").await.expect(200).ids(), [id.as_str()]);

    let group_path = format!("/Groups/{sales}");
    let replaced = scim.put(&group_path, &group("Marketing", &[])).await.expect(200);
    assert_eq!(replaced.body["displayName"], json!("Marketing"));
    assert_eq!(scim.members(&sales).await, Vec::<String>::new());
    scim.put(&group_path, &json!({"members": []}))
        .await
        .expect_error(400, Some("invalidValue"));
}

/// PATCH with these operations and a query.
async fn patch_asking(scim: &Scim, path: &str, operations: Value) -> Answer {
    scim.send(Method::PATCH, path, scim.headers(), Some(patch(operations).to_string()))
        .await
}

async fn a_patch_answers_with_what_attributes_names(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("patch-answers").await.scim;
    let id = scim.create_user(&user("ada")).await;
    let sales = scim.create_group("Sales", &[&id]).await;
    let names = |answer: &Answer| -> Vec<String> { answer.body.as_object().unwrap().keys().cloned().collect() };
    let rename = |name: &str| json!([{"op": "replace", "path": "displayName", "value": name}]);

    let user_path = format!("/Users/{id}?attributes=displayName");
    let user = patch_asking(&scim, &user_path, rename("Ada")).await.expect(200);
    assert_eq!(names(&user), ["displayName", "id", "schemas"]);
    let group_path = format!("/Groups/{sales}?attributes=displayName");
    let group = patch_asking(&scim, &group_path, rename("Marketing")).await.expect(200);
    assert_eq!(names(&group), ["displayName", "id", "schemas"]);
    assert_eq!(group.body["displayName"], json!("Marketing"));
    let whole = patch_asking(&scim, &format!("/Users/{id}"), rename("Countess"))
        .await
        .expect(200);
    assert_eq!(
        whole.body,
        scim.get(&format!("/Users/{id}")).await.expect(200).body,
        "the entire resource"
    );
}

async fn preconditions_hold_on_every_kind_of_resource(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("preconditions").await.scim;
    let user_path = format!("/Users/{}", scim.create_user(&user("ada")).await);
    let group_path = format!("/Groups/{}", scim.create_group("Sales", &[]).await);
    for (path, body) in [(&user_path, user("ada")), (&group_path, group("Sales", &[]))] {
        let with = async |method: Method, name: &'static str, tag: &str, body: Option<&Value>| {
            let mut headers = scim.headers();
            headers.insert(name, tag.parse().unwrap());
            scim.send(method, path, headers, body.map(Value::to_string)).await
        };
        let read = scim.get(&format!("{path}?excludedAttributes=groups")).await.expect(200);
        let etag = read.header("etag").to_owned();
        assert_eq!(read.body["meta"]["version"], json!(etag));
        let stale = "W/\"999999\"";
        let operations = patch(json!([{"op": "replace", "path": "displayName", "value": "New"}]));
        with(Method::PUT, "if-match", stale, Some(&body))
            .await
            .expect_error(412, None);
        with(Method::PATCH, "if-match", stale, Some(&operations))
            .await
            .expect_error(412, None);
        with(Method::DELETE, "if-match", stale, None)
            .await
            .expect_error(412, None);
        assert_eq!(scim.get(path).await.expect(200).header("etag"), etag, "nothing changed");
        with(Method::PUT, "if-match", &etag, Some(&body)).await.expect(200);
        let seen = with(Method::PATCH, "if-match", &etag, Some(&operations)).await;
        assert!(seen.status == 200 || seen.status == 204, "{}", seen.text);
        with(Method::PATCH, "if-match", &etag, Some(&operations))
            .await
            .expect_error(412, None);
        with(Method::DELETE, "if-match", "*", None).await.expect(204);
    }
    let user = format!("/Users/{}", scim.create_user(&user("grace")).await);
    let group = format!("/Groups/{}", scim.create_group("Other", &[]).await);
    let names_of_others = encode(&format!("groups,{ENTERPRISE}:manager"));
    let all_of_others = encode(&format!("groups,{ENTERPRISE}:manager,{STATUS}:language"));
    // Names of groups and of a manager, and the tenant's default language, change without a new version of the user who shows
    // them.
    for (path, status) in [
        (user.clone(), 200),
        (format!("{user}?excludedAttributes=groups"), 200),
        (format!("{user}?excludedAttributes={names_of_others}"), 200),
        (format!("{user}?attributes={}", encode(STATUS)), 200),
        (format!("{user}?excludedAttributes={all_of_others}"), 304),
        (format!("{user}?attributes=userName"), 304),
        (group.clone(), 304),
        (format!("{group}?excludedAttributes=members"), 304),
    ] {
        let etag = scim.get(&path).await.expect(200).header("etag").to_owned();
        let mut headers = scim.headers();
        headers.insert("if-none-match", etag.parse().unwrap());
        let answer = scim.send(Method::GET, &path, headers, None).await.expect(status);
        assert_eq!(answer.header("etag"), etag, "{path}");
        assert_eq!(answer.text.is_empty(), status == 304, "{path}");
    }
}

/// RFC 7644 §3.5.2.1 to §3.5.2.3, each on a fresh user.
async fn what_every_patch_operation_does_to_a_user(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("operations").await.scim;
    let work = json!({"type": "work", "value": "w@example.com", "primary": true});
    let home = json!({"type": "home", "value": "h@example.com"});
    let other = json!({"type": "other", "value": "o@example.com"});
    let moved = json!({"type": "work", "value": "new@example.com", "primary": true});
    for (number, (operation, attribute, expected)) in [
        (
            json!({"op": "add", "path": "nickName", "value": "A"}),
            "nickName",
            json!("A"),
        ),
        (
            json!({"op": "add", "path": "title", "value": "Dr"}),
            "title",
            json!("Dr"),
        ),
        (json!({"op": "add", "value": {"nickName": "A"}}), "nickName", json!("A")),
        (
            json!({"op": "add", "path": "emails", "value": [other]}),
            "emails",
            json!([work, home, other]),
        ),
        (
            json!({"op": "add", "path": "emails", "value": [home]}),
            "emails",
            json!([work, home]),
        ),
        (
            json!({"op": "add", "path": "name", "value": {"middleName": "B"}}),
            "name",
            json!({"givenName": "Given", "familyName": "Family", "middleName": "B"}),
        ),
        (json!({"op": "remove", "path": "title"}), "title", Value::Null),
        (json!({"op": "remove", "path": "emails"}), "emails", Value::Null),
        (
            json!({"op": "remove", "path": "emails[type eq \"home\"]"}),
            "emails",
            json!([work]),
        ),
        (
            json!({"op": "remove", "path": "emails[value pr]"}),
            "emails",
            Value::Null,
        ),
        (
            json!({"op": "remove", "path": "emails[type eq \"work\"].primary"}),
            "emails",
            json!([{"type": "work", "value": "w@example.com"}, home]),
        ),
        (
            json!({"op": "replace", "path": "nickName", "value": "A"}),
            "nickName",
            json!("A"),
        ),
        (
            json!({"op": "replace", "path": "emails", "value": [other]}),
            "emails",
            json!([other]),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"}),
            "emails",
            json!([moved, home]),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": moved}),
            "emails",
            json!([moved, home]),
        ),
        (
            json!({"op": "replace", "path": "name", "value": {"givenName": "Ada"}}),
            "name",
            json!({"givenName": "Ada", "familyName": "Family"}),
        ),
        (json!({"op": "replace", "value": {"title": "Dr"}}), "title", json!("Dr")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = user(&format!("user{number}"));
        body["emails"] = json!([work, home]);
        body["name"] = json!({"givenName": "Given", "familyName": "Family"});
        let path = format!("/Users/{}", scim.create_user(&body).await);
        let patched = scim.patch(&path, json!([operation])).await.expect(200);
        assert_eq!(patched.body[attribute], expected, "{operation}");
    }
    let path = format!("/Users/{}", scim.create_user(&user("last")).await);
    for (operation, scim_type) in [
        (json!({"op": "remove"}), "noTarget"),
        (
            json!({"op": "replace", "path": "emails[type sw \"nothing\"].value", "value": "x"}),
            "noTarget",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"none\"]", "value": {"value": "x"}}),
            "noTarget",
        ),
        (json!({"op": "add", "path": "id", "value": "x"}), "mutability"),
        (json!({"op": "remove", "path": "groups"}), "mutability"),
        (json!({"op": "add", "path": "title"}), "invalidValue"),
        (json!({"op": "add", "path": "shoeSize", "value": 1}), "invalidPath"),
        (
            json!({"op": "add", "path": "emails[type zz \"x\"]", "value": {}}),
            "invalidFilter",
        ),
    ] {
        scim.patch(&path, json!([operation]))
            .await
            .expect_error(400, Some(scim_type));
    }
    scim.patch(&path, json!([{"op": "remove", "path": "userName"}]))
        .await
        .expect_error(400, Some("mutability"));
}

async fn an_error_is_a_scim_message_in_utf_8(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("errors").await.scim;
    scim.get("/Users/nobody").await.expect_error(404, None);
    scim.get("/Nothing").await.expect_error(404, None);
    scim.get("/Me").await.expect_error(501, None);
    scim.filter("/Users", "nonsense")
        .await
        .expect_error(400, Some("invalidFilter"));
    let mut body = user("\u{fc}\u{1f980}");
    body["displayName"] = json!("\u{65e5}\u{672c}\u{8a9e}");
    let created = scim.post("/Users", &body).await.expect(201);
    assert!(
        created.text.contains("\u{65e5}\u{672c}\u{8a9e}"),
        "UTF-8 in, UTF-8 out: {}",
        created.text
    );
}
