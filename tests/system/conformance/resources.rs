//! What every resource has in common (RFC 7643 §2 and §3): ids, `meta`, references, `schemas`, and what counts as unassigned.

use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{Answer, ENTERPRISE, GROUP, Scim, USER, encode, group, user};
use crate::support::system::System;

on_every_database! {
    the_service_assigns_id_and_meta_and_nobody_else,
    the_time_of_change_moves_with_changes_only,
    every_reference_leads_to_its_resource,
    unassigned_null_and_empty_are_one_state,
    schemas_names_exactly_what_is_there,
    a_deleted_resource_is_gone_everywhere,
    attributes_may_stand_in_any_order,
}

/// The path of a URL below the tenant URL.
fn below<'a>(scim: &Scim, url: &'a Value) -> &'a str {
    let url = url.as_str().unwrap();
    url.strip_prefix(scim.base())
        .unwrap_or_else(|| panic!("{url} is not below {}", scim.base()))
}

/// An `xsd:dateTime` with a date, a time, and an offset.
fn is_date_time(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    let pattern = regex::Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$").unwrap();
    pattern.is_match(text)
}

async fn the_service_assigns_id_and_meta_and_nobody_else(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("common").await.scim;
    let claimed = json!({
        "id": "0190b0b0-0000-7000-8000-000000000000",
        "meta": {"resourceType": "Robot", "created": "1999-01-01T00:00:00Z", "lastModified": "yesterday",
                 "location": "https://elsewhere.example.com/Users/1", "version": "W/\"999\""},
        "schemas": ["urn:example:nothing", "urn:example:nothing"],
        "groups": [{"value": "not a group"}],
    });
    let with = |mut body: Value| {
        for (name, value) in claimed.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.as_object_mut().unwrap().remove("externalId");
        body
    };

    for (endpoint, kind, body) in [
        ("/Users", "User", with(user("ada"))),
        ("/Groups", "Group", with(group("Sales", &[]))),
    ] {
        let created = scim.post(endpoint, &body).await.expect(201);
        let (id, meta) = (created.id(), &created.body["meta"]);
        assert_ne!(json!(id), claimed["id"]);
        assert!(uuid::Uuid::try_parse(&id).is_ok() && !id.contains("bulkId"), "{id}");
        assert_eq!(meta["resourceType"], json!(kind));
        assert!(is_date_time(&meta["created"]), "{meta}");
        assert_eq!(
            meta["created"], meta["lastModified"],
            "never changed since it was created"
        );
        assert_eq!(meta["location"], json!(created.header("location")));
        assert_eq!(meta["version"], json!(created.header("etag")));
        assert!(
            created.header("etag").starts_with("W/\""),
            "not a strong validator: {meta}"
        );
        assert_eq!(created.body.get("externalId"), None, "only the client has one to give");
        assert_eq!(created.body.get("groups"), None);

        let path = format!("{endpoint}/{id}");
        assert_eq!(below(&scim, &meta["location"]), path);
        let read = scim.get(&path).await.expect(200);
        assert_eq!(read.body["id"], json!(id));
        assert_eq!(read.body["meta"], *meta);
        let replaced = scim.put(&path, &body).await.expect(200);
        assert_eq!(replaced.body["id"], json!(id), "an id never changes");
        assert_eq!(replaced.body["meta"]["created"], meta["created"]);
    }
}

async fn the_time_of_change_moves_with_changes_only(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("times").await.scim;
    let path = format!("/Users/{}", scim.create_user(&user("ada")).await);
    let meta = async || scim.get(&path).await.expect(200).body["meta"].clone();
    let first = meta().await;

    let same = json!([{"op": "add", "path": "displayName", "value": "Display ada"},
                      {"op": "add", "path": "emails",
                       "value": [{"primary": true, "type": "work", "value": "mail.ada@example.com"}]}]);
    scim.patch(&path, same).await.expect(200);
    scim.put(&path, &user("ada")).await.expect(200);
    assert_eq!(meta().await, first, "what was there already changes nothing");

    scim.patch(
        &path,
        json!([{"op": "add", "path": "displayName", "value": "Countess"}]),
    )
    .await
    .expect(200);
    let second = meta().await;
    assert_eq!(second["created"], first["created"]);
    assert!(
        second["lastModified"].as_str() > first["lastModified"].as_str(),
        "{second}"
    );
    assert_ne!(second["version"], first["version"]);
}

async fn every_reference_leads_to_its_resource(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("references").await.scim;
    let boss = scim.create_user(&user("boss")).await;
    let mut body = user("ada");
    body[ENTERPRISE]["manager"] = json!({"value": boss});
    let ada = scim.create_user(&body).await;
    let sales = scim.create_group("Sales", &[&ada]).await;

    let shown = scim.get(&format!("/Users/{ada}")).await.expect(200).body;
    let group = scim.get(&format!("/Groups/{sales}")).await.expect(200).body;
    let manager = &shown[ENTERPRISE]["manager"];
    assert_eq!(manager["value"], json!(boss));
    assert_eq!(manager["displayName"], json!("Display boss"));
    assert_eq!(shown["groups"][0]["value"], json!(sales));
    assert_eq!(shown["groups"][0]["type"], json!("direct"));
    assert_eq!(group["members"][0]["value"], json!(ada));
    for (reference, id) in [
        (&manager["$ref"], &boss),
        (&shown["groups"][0]["$ref"], &sales),
        (&group["members"][0]["$ref"], &ada),
        (&shown["meta"]["location"], &ada),
        (&group["meta"]["location"], &sales),
    ] {
        assert_eq!(scim.get(below(&scim, reference)).await.expect(200).id(), *id);
    }
    for endpoint in ["/ResourceTypes", "/Schemas"] {
        let found = scim.get(endpoint).await.expect(200).body["Resources"].clone();
        for listed in found.as_array().unwrap() {
            let alone = scim.get(below(&scim, &listed["meta"]["location"])).await.expect(200);
            assert_eq!(alone.body, *listed);
        }
    }
    let config = scim.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!(below(&scim, &config["meta"]["location"]), "/ServiceProviderConfig");
}

async fn unassigned_null_and_empty_are_one_state(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("unassigned").await.scim;
    let named = |name: &str| json!({"schemas": [USER], "userName": name});
    let mut nulls = named("nulls");
    let mut empty = named("empty");
    for name in ["displayName", "title", "name", ENTERPRISE] {
        nulls[name] = Value::Null;
    }
    for name in ["emails", "phoneNumbers", "roles"] {
        nulls[name] = Value::Null;
        empty[name] = json!([]);
    }
    empty["name"] = json!({});
    empty["addresses"] = json!([{"locality": null}]);
    let shape = |answer: Answer| -> Vec<String> { answer.body.as_object().unwrap().keys().cloned().collect() };

    let absent = shape(scim.post("/Users", &named("absent")).await.expect(201));
    assert_eq!(shape(scim.post("/Users", &nulls).await.expect(201)), absent);
    assert_eq!(shape(scim.post("/Users", &empty).await.expect(201)), absent);

    let id = scim.create_user(&user("full")).await;
    for (operations, gone) in [
        (json!([{"op": "replace", "path": "emails", "value": []}]), "emails"),
        (json!([{"op": "replace", "path": "title", "value": null}]), "title"),
        (
            json!([{"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "name.familyName"},
                {"op": "remove", "path": "name.formatted"}]),
            "name",
        ),
    ] {
        let shown = scim.patch(&format!("/Users/{id}"), operations).await.expect(200);
        assert_eq!(shown.body.get(gone), None, "{gone}");
        let found = scim
            .filter("/Users", &format!("id eq \"{id}\" and not ({gone} pr)"))
            .await
            .expect(200);
        assert_eq!(found.ids(), [id.as_str()], "{gone} is not present");
    }
}

async fn schemas_names_exactly_what_is_there(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("schemas").await.scim;
    let schemas = |answer: &Answer| -> Vec<String> { serde_json::from_value(answer.body["schemas"].clone()).unwrap() };
    let check = |answer: &Answer, core: &str| {
        let names = schemas(answer);
        assert_eq!(names[0], core);
        let extensions = answer
            .body
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| name.starts_with("urn:"));
        let mut there: Vec<String> = extensions.cloned().collect();
        let mut named = names[1..].to_vec();
        there.sort();
        named.sort();
        assert_eq!(
            named, there,
            "each extension that is there is named, once: {}",
            answer.text
        );
    };

    let body = json!({"schemas": [USER, ENTERPRISE, ENTERPRISE], "userName": "plain"});
    let plain = scim.post("/Users", &body).await.expect(201);
    check(&plain, USER);
    assert!(
        !schemas(&plain).contains(&ENTERPRISE.to_owned()),
        "nothing of it is there"
    );
    let full = scim.post("/Users", &user("full")).await.expect(201);
    check(&full, USER);
    assert!(schemas(&full).contains(&ENTERPRISE.to_owned()));
    let path = format!("/Users/{}", full.id());
    let only = scim.get(&format!("{path}?attributes=userName")).await.expect(200);
    assert_eq!(schemas(&only), [USER]);
    let without = scim
        .get(&format!("{path}?excludedAttributes={}", encode(ENTERPRISE)))
        .await
        .expect(200);
    check(&without, USER);
    assert_eq!(without.body.get(ENTERPRISE), None);
    let emptied = scim
        .patch(&path, json!([{"op": "remove", "path": ENTERPRISE}]))
        .await
        .expect(200);
    check(&emptied, USER);
    assert_eq!(emptied.body.get(ENTERPRISE), None);
    let group = scim.post("/Groups", &group("Sales", &[])).await.expect(201);
    assert_eq!(schemas(&group), [GROUP]);
}

async fn a_deleted_resource_is_gone_everywhere(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("deleted").await.scim;
    let boss = scim.create_user(&user("boss")).await;
    let mut body = user("ada");
    body[ENTERPRISE]["manager"] = json!({"value": boss});
    let ada = scim.create_user(&body).await;
    let sales = scim.create_group("Sales", &[&ada, &boss]).await;

    let answer = scim.delete(&format!("/Users/{boss}")).await.expect(204);
    assert_eq!(answer.text, "");
    assert_eq!(scim.members(&sales).await, [ada.as_str()]);
    let shown = scim.get(&format!("/Users/{ada}")).await.expect(200).body;
    assert_eq!(shown[ENTERPRISE].get("manager"), None);
    scim.delete(&format!("/Groups/{sales}")).await.expect(204);
    let rename = || json!([{"op": "replace", "path": "displayName", "value": "Ghost"}]);
    for (path, body) in [
        (format!("/Users/{boss}"), user("boss")),
        (format!("/Groups/{sales}"), group("Sales", &[])),
    ] {
        scim.get(&path).await.expect_error(404, None);
        scim.put(&path, &body).await.expect_error(404, None);
        scim.patch(&path, rename()).await.expect_error(404, None);
        scim.delete(&path).await.expect_error(404, None);
    }
    assert_eq!(
        scim.get("/Users").await.expect(200).ids(),
        [ada.as_str()],
        "a PUT creates nothing"
    );
    assert_eq!(scim.get("/Groups").await.expect(200).ids(), Vec::<String>::new());

    let again = scim.create_user(&user("boss")).await;
    assert_ne!(again, boss, "an id is never given again");
    assert_ne!(scim.create_group("Sales", &[]).await, sales);
}

async fn attributes_may_stand_in_any_order(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("order").await.scim;
    let text = format!(
        r#"{{"emails":[{{"value":"a@example.com","type":"work"}}],"{ENTERPRISE}":{{"department":"R"}},"name":{{"givenName":"A"}},"active":true,"userName":"ada","schemas":["{ENTERPRISE}","{USER}"]}}"#
    );
    let mut headers = scim.headers();
    headers.insert("accept", "application/scim+json".parse().unwrap());
    let created = scim
        .send(http::Method::POST, "/Users", headers.clone(), Some(text))
        .await
        .expect(201);
    assert_eq!(created.body["userName"], json!("ada"));
    assert_eq!(created.body[ENTERPRISE]["department"], json!("R"));

    let patch = r#"{"Operations":[{"value":"Dr","path":"title","op":"replace"}],"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}"#;
    let path = format!("/Users/{}", created.id());
    let patched = scim
        .send(http::Method::PATCH, &path, headers, Some(patch.to_owned()))
        .await
        .expect(200);
    assert_eq!(patched.body["title"], json!("Dr"));
}
