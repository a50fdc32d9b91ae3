//! Schemas that a tenant registers: their attributes live as every other attribute does, for this tenant alone
//! (RFC 7643 §3.3 and §7).

use directory_proto::v1;
use directory_proto::v1::attribute_definition::{Mutability, Returned, Type, Uniqueness};
use directory_proto::v1::extension_schema::ResourceType;
use directory_proto::v1::{AttributeDefinition, Scope};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{GROUP, Scim, USER, encode, user};
use crate::support::system::System;

on_every_database! {
    registered_attributes_are_discovered_by_their_tenant_alone,
    registered_attributes_are_kept_patched_and_replaced,
    registered_attributes_are_filtered_by_their_types,
    registered_attributes_are_shown_as_their_schema_says,
    what_is_immutable_or_read_only_stays,
    a_value_that_must_be_unique_is_taken_once,
    groups_have_registered_attributes_too,
    what_nobody_registered_is_ignored,
}

const ACME: &str = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User";
const TEAM: &str = "urn:ietf:params:scim:schemas:extension:Acme:2.0:Group";

fn attribute(name: &str, kind: Type) -> AttributeDefinition {
    AttributeDefinition {
        name: name.to_owned(),
        r#type: kind.into(),
        ..AttributeDefinition::default()
    }
}

fn list(of: AttributeDefinition) -> AttributeDefinition {
    AttributeDefinition {
        multi_valued: true,
        ..of
    }
}

fn mutable(mutability: Mutability, of: AttributeDefinition) -> AttributeDefinition {
    AttributeDefinition {
        mutability: mutability.into(),
        ..of
    }
}

fn returned(returned: Returned, of: AttributeDefinition) -> AttributeDefinition {
    AttributeDefinition {
        returned: returned.into(),
        ..of
    }
}

fn attributes_of_users() -> Vec<AttributeDefinition> {
    let desk = AttributeDefinition {
        sub_attributes: vec![attribute("room", Type::String), attribute("floor", Type::Integer)],
        ..attribute("desk", Type::Complex)
    };
    let cars = AttributeDefinition {
        sub_attributes: vec![attribute("plate", Type::String), attribute("seats", Type::Integer)],
        ..attribute("cars", Type::Complex)
    };
    vec![
        attribute("costCode", Type::String),
        AttributeDefinition {
            case_exact: true,
            ..attribute("serial", Type::String)
        },
        AttributeDefinition {
            uniqueness: Uniqueness::Server.into(),
            ..attribute("badge", Type::String)
        },
        attribute("level", Type::Integer),
        attribute("rate", Type::Decimal),
        attribute("remote", Type::Boolean),
        attribute("hired", Type::DateTime),
        attribute("wiki", Type::Reference),
        attribute("key", Type::Binary),
        list(attribute("tags", Type::String)),
        list(attribute("levels", Type::Integer)),
        desk,
        list(cars),
        mutable(Mutability::Immutable, attribute("origin", Type::String)),
        mutable(Mutability::ReadOnly, attribute("grade", Type::String)),
        mutable(Mutability::WriteOnly, attribute("pin", Type::String)),
        returned(Returned::Never, attribute("secret", Type::String)),
        returned(Returned::Request, attribute("notes", Type::String)),
        returned(Returned::Always, attribute("site", Type::String)),
    ]
}

async fn register(system: &System, slug: &str, id: &str, of: ResourceType, attributes: Vec<AttributeDefinition>) {
    let schema = v1::ExtensionSchema {
        id: id.to_owned(),
        resource_type: of.into(),
        name: "Acme".to_owned(),
        attributes,
        ..v1::ExtensionSchema::default()
    };
    let request = v1::RegisterExtensionSchemaRequest {
        slug: slug.to_owned(),
        schema: Some(schema),
    };
    let registered = system.operator().tenants().register_extension_schema(request).await;
    registered.unwrap();
}

/// A tenant with both schemas. They are registered before its token is used for the first time, so nobody remembers it
/// without them.
async fn acme(system: &System) -> Scim {
    let tenant = system.tenant("acme").await;
    register(system, &tenant.slug, ACME, ResourceType::User, attributes_of_users()).await;
    let of_groups = vec![
        attribute("purpose", Type::String),
        mutable(Mutability::Immutable, attribute("origin", Type::String)),
    ];
    register(system, &tenant.slug, TEAM, ResourceType::Group, of_groups).await;
    tenant.scim
}

fn person(name: &str, extension: Value) -> Value {
    let mut body = user(name);
    body["schemas"] = json!([USER, ACME]);
    body[ACME] = extension;
    body
}

fn urn(name: &str) -> String {
    format!("{ACME}:{name}")
}

async fn ids_of(list: &Scim, path: &str) -> Vec<String> {
    let found = list.get(path).await.expect(200);
    let resources = found.body["Resources"].as_array().unwrap().iter();
    resources
        .map(|resource| resource["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn registered_attributes_are_discovered_by_their_tenant_alone(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    let other = system.tenant("other").await.scim;

    let schema = scim.get(&format!("/Schemas/{ACME}")).await.expect(200).body;
    let level = schema["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "level");
    assert_eq!(
        level,
        Some(
            &json!({"name": "level", "type": "integer", "multiValued": false, "description": "", "required": false,
                     "mutability": "readWrite", "returned": "default", "uniqueness": "none"})
        )
    );
    let schemas = |answer: Value| ids_in(&answer["Resources"]);
    let types = |answer: Value| ids_in(&answer["Resources"][0]["schemaExtensions"]);
    assert!(schemas(scim.get("/Schemas").await.expect(200).body).contains(&ACME.to_owned()));
    assert!(types(scim.get("/ResourceTypes").await.expect(200).body).contains(&ACME.to_owned()));

    let without_token = {
        let mut headers = HeaderMap::new();
        headers.insert("accept", "application/scim+json".parse().unwrap());
        headers
    };
    for headers in [without_token, other.headers()] {
        let get = async |path: &str| other.send(Method::GET, path, headers.clone(), None).await;
        assert_eq!(schemas(get("/Schemas").await.expect(200).body).len(), 4);
        assert_eq!(types(get("/ResourceTypes").await.expect(200).body).len(), 2);
        get(&format!("/Schemas/{ACME}")).await.expect_error(404, None);
    }
}

fn ids_in(list: &Value) -> Vec<String> {
    let named = |one: &Value| one.get("id").or(one.get("schema")).cloned();
    let ids = list.as_array().unwrap().iter().filter_map(named);
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

async fn registered_attributes_are_kept_patched_and_replaced(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    let values = json!({
        "costCode": "7", "level": 9_007_199_254_740_991_i64, "rate": 0.1, "remote": true, "site": "HQ",
        "hired": "2026-01-31T12:00:00Z", "wiki": "https://x/Ada", "key": "AA==", "tags": ["a", "b"], "levels": [1, 2],
        "desk": {"room": "R1", "floor": 3}, "cars": [{"plate": "A 1", "seats": 4}],
    });

    let created = scim.post("/Users", &person("ada", values.clone())).await.expect(201);
    assert_eq!(created.body[ACME], values);
    assert!(created.body["schemas"].as_array().unwrap().contains(&json!(ACME)));
    let id = created.id();
    let path = format!("/Users/{id}");
    assert!(created.text.contains("\"level\":9007199254740991,"), "{}", created.text);

    for (operations, changed) in [
        (
            json!([{"op": "Replace", "path": urn("level"), "value": 5}]),
            json!({"level": 5}),
        ),
        (
            json!([{"op": "replace", "value": {urn("remote"): "False"}}]),
            json!({"remote": false}),
        ),
        (
            json!([{"op": "add", "value": {ACME: {"rate": 2.5}}}]),
            json!({"rate": 2.5}),
        ),
        (
            json!([{"op": "Add", "path": urn("tags"), "value": ["b", "c"]}]),
            json!({"tags": ["a", "b", "c"]}),
        ),
        (
            json!([{"op": "remove", "path": urn("tags[value eq \"A\"]")}]),
            json!({"tags": ["b", "c"]}),
        ),
        (
            json!([{"op": "replace", "path": urn("desk.room"), "value": "R2"}]),
            json!({"desk": {"room": "R2", "floor": 3}}),
        ),
        (
            json!([{"op": "replace", "path": urn("cars[plate eq \"a 1\"].seats"), "value": 5}]),
            json!({"cars": [{"plate": "A 1", "seats": 5}]}),
        ),
    ] {
        let patched = scim.patch(&path, operations.clone()).await.expect(200);
        for (name, value) in changed.as_object().unwrap() {
            assert_eq!(&patched.body[ACME][name], value, "{operations}");
        }
        let read = scim.get(&path).await.expect(200).body;
        assert_eq!(read[ACME], patched.body[ACME], "{operations}");
    }
    for (operations, scim_type) in [
        (
            json!([{"op": "add", "path": urn("level"), "value": 1.5}]),
            "invalidValue",
        ),
        (
            json!([{"op": "add", "path": urn("level"), "value": 9_007_199_254_740_992_i64}]),
            "invalidValue",
        ),
        (json!([{"op": "add", "path": urn("key"), "value": "?"}]), "invalidValue"),
        (
            json!([{"op": "add", "path": urn("shoeSize"), "value": 1}]),
            "invalidPath",
        ),
        (
            json!([{"op": "replace", "path": urn("cars[plate eq \"x\"]"), "value": {"seats": 1}}]),
            "noTarget",
        ),
        (
            json!([{"op": "replace", "path": urn("grade"), "value": "A"}]),
            "mutability",
        ),
    ] {
        scim.patch(&path, operations).await.expect_error(400, Some(scim_type));
    }

    let replaced = scim
        .put(&path, &person("ada", json!({"costCode": "8"})))
        .await
        .expect(200);
    assert_eq!(replaced.body[ACME], json!({"costCode": "8"}));
    let gone = scim
        .patch(&path, json!([{"op": "remove", "path": ACME}]))
        .await
        .expect(200);
    assert_eq!(gone.body.get(ACME), None);
    assert!(!gone.body["schemas"].as_array().unwrap().contains(&json!(ACME)));
}

async fn registered_attributes_are_filtered_by_their_types(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    let ada = json!({"costCode": "Ä7", "serial": "Xa", "level": 7, "rate": 0.5, "remote": true, "key": "AA==",
                     "hired": "2026-01-31T12:00:00Z", "wiki": "https://x/Ada", "tags": ["Red", "blue"],
                     "levels": [1, 10], "desk": {"room": "R1", "floor": 3},
                     "cars": [{"plate": "A 1", "seats": 4}, {"plate": "B 2", "seats": 2}]});
    let ada = scim.create_user(&person("ada", ada)).await;
    let bob = json!({"level": 70, "rate": -1.5, "remote": false, "serial": "xa", "hired": "2026-01-31T14:00:00+01:00"});
    let bob = scim.create_user(&person("bob", bob)).await;
    let eve = scim.create_user(&user("eve")).await;

    for (question, expected) in [
        (r#"@costCode eq "ä7""#, &[&ada][..]),
        (r#"@serial eq "xa""#, &[&bob]),
        (
            r#"@costCode sw "ä" and @costCode ew "7" and @costCode co "Ä7""#,
            &[&ada],
        ),
        (r#"@costCode ne "ä7""#, &[&bob, &eve]),
        ("@costCode pr", &[&ada]),
        ("@level gt 7", &[&bob]),
        ("@level ge 7", &[&ada, &bob]),
        ("@level eq 7.0", &[&ada]),
        (r#"@level eq "7""#, &[&ada]),
        (r#"@rate lt "0.25""#, &[&bob]),
        ("@level lt 70 and @level le 7", &[&ada]),
        ("@rate lt 0", &[&bob]),
        ("@rate eq 0.5", &[&ada]),
        ("@remote eq true", &[&ada]),
        (r#"@remote ne "True""#, &[&bob, &eve]),
        (r#"@hired eq "2026-01-31T13:00:00+01:00""#, &[&ada]),
        (r#"@hired gt "2026-01-31T12:00:00Z""#, &[&bob]),
        (r#"@wiki eq "https://x/Ada""#, &[&ada]),
        (r#"@wiki eq "https://x/ada""#, &[]),
        (r#"@wiki sw "https:" and @wiki co "/x/" and @wiki ew "Ada""#, &[&ada]),
        (r#"@key eq "AA==""#, &[&ada]),
        (r#"@tags eq "RED""#, &[&ada]),
        (r#"@tags[value sw "r" and value ew "e"]"#, &[]),
        ("@levels gt 9", &[&ada]),
        ("@tags pr", &[&ada]),
        (r#"@desk.room eq "r1""#, &[&ada]),
        ("@desk[floor gt 2]", &[&ada]),
        ("@desk pr", &[&ada]),
        (r#"@cars[plate eq "a 1" and seats eq 2]"#, &[]),
        (r#"@cars[plate eq "a 1"].seats eq 4"#, &[&ada]),
        ("@cars.seats lt 3", &[&ada]),
        ("not (@level pr)", &[&eve]),
    ] {
        // With and without their URN.
        for question in [question.replace('@', ""), question.replace('@', &urn(""))] {
            let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
            expected.sort();
            let found = scim.filter("/Users", &question).await.expect(200);
            assert_eq!(found.ids(), expected, "{question}");
        }
    }
    let by_schema = scim
        .filter("/Users", &format!("schemas eq \"{ACME}\""))
        .await
        .expect(200);
    assert_eq!(by_schema.ids().len(), 2);
    for question in [
        "pin eq \"1\"",
        "secret pr",
        "remote gt true",
        "level eq \"seven\"",
        "key gt \"A\"",
        "hired co \"2\"",
    ] {
        scim.filter("/Users", question)
            .await
            .expect_error(400, Some("invalidFilter"));
    }
    assert_eq!(
        ids_of(&scim, &format!("/Users?sortBy={}", urn("level"))).await,
        [&*ada, &bob, &eve]
    );
    let descending = format!("/Users?sortBy={}&sortOrder=descending&startIndex=2", urn("level"));
    assert_eq!(ids_of(&scim, &descending).await, [&*bob, &ada]);
    let secret = format!("/Users?sortBy={}", urn("secret"));
    scim.get(&secret).await.expect_error(400, Some("invalidValue"));
}

async fn registered_attributes_are_shown_as_their_schema_says(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    let values = json!({"costCode": "7", "site": "HQ", "notes": "n", "secret": "s", "pin": "0"});

    let created = scim.post("/Users", &person("ada", values)).await.expect(201);
    assert_eq!(created.body[ACME], json!({"costCode": "7", "site": "HQ", "notes": "n"}));
    let path = format!("/Users/{}", created.id());
    for (query, expected) in [
        (String::new(), json!({"costCode": "7", "site": "HQ"})),
        ("?attributes=userName".to_owned(), json!({"site": "HQ"})),
        (
            format!("?attributes={},secret,pin", urn("NOTES")),
            json!({"site": "HQ", "notes": "n"}),
        ),
        (format!("?excludedAttributes={ACME}"), json!({"site": "HQ"})),
        (
            format!("?excludedAttributes={}", urn("costCode")),
            json!({"site": "HQ"}),
        ),
    ] {
        let read = scim.get(&format!("{path}{query}")).await.expect(200).body;
        assert_eq!(read[ACME], expected, "{query}");
        assert_eq!(read["id"], created.body["id"], "{query}");
    }
    let patched = scim
        .patch(&path, json!([{"op": "replace", "path": urn("costCode"), "value": "8"}]))
        .await;
    assert_eq!(patched.expect(200).body[ACME], json!({"costCode": "8", "site": "HQ"}));
    let patched = scim
        .patch(&path, json!([{"op": "replace", "path": urn("notes"), "value": "m"}]))
        .await;
    assert_eq!(patched.expect(200).body[ACME]["notes"], "m");
}

async fn what_is_immutable_or_read_only_stays(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    let id = scim
        .create_user(&person("ada", json!({"costCode": "7", "grade": "ignored"})))
        .await;
    let path = format!("/Users/{id}");
    let stored = system.operator().for_tenant("acme").unwrap();
    let extension = |body: &Value| body[ACME].clone();

    let first = scim
        .put(&path, &person("ada", json!({"origin": "Here", "pin": "0"})))
        .await
        .expect(200);
    assert_eq!(extension(&first.body), json!({"origin": "Here"}));
    for (wanted, expected) in [
        (json!({"costCode": "8"}), json!({"costCode": "8", "origin": "Here"})),
        (json!({"origin": "HERE", "grade": "B"}), json!({"origin": "Here"})),
        (Value::Null, json!({"origin": "Here"})),
    ] {
        let replaced = scim.put(&path, &person("ada", wanted.clone())).await.expect(200);
        assert_eq!(extension(&replaced.body), expected, "{wanted}");
    }
    let other = person("ada", json!({"origin": "There"}));
    scim.put(&path, &other).await.expect_error(400, Some("mutability"));
    for operations in [
        json!([{"op": "replace", "path": urn("origin"), "value": "There"}]),
        json!([{"op": "remove", "path": urn("origin")}]),
    ] {
        scim.patch(&path, operations)
            .await
            .expect_error(400, Some("mutability"));
    }

    let read = v1::GetUserRequest { id, read_mask: None };
    let kept = stored.users().get_user(read).await.unwrap().into_inner();
    assert_eq!(kept.extensions[ACME].fields.len(), 1, "only the origin is left");
}

async fn a_value_that_must_be_unique_is_taken_once(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    scim.create_user(&person("ada", json!({"badge": "B-1"}))).await;
    let bob = scim.create_user(&person("bob", json!({"badge": "B-2"}))).await;

    let again = scim.post("/Users", &person("eve", json!({"badge": "b-1"}))).await;
    let again = again.expect_error(409, Some("uniqueness"));
    assert!(
        again.body["detail"].as_str().unwrap().contains(&urn("badge")),
        "{}",
        again.text
    );
    let operations = json!([{"op": "replace", "path": urn("badge"), "value": "B-1"}]);
    scim.patch(&format!("/Users/{bob}"), operations)
        .await
        .expect_error(409, Some("uniqueness"));
}

async fn groups_have_registered_attributes_too(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    let ada = scim.create_user(&user("ada")).await;
    let body = |extension: Value| json!({"schemas": [GROUP, TEAM], "displayName": "Team", "members": [{"value": ada}], TEAM: extension});

    let created = scim.post("/Groups", &body(json!({"purpose": "p"}))).await.expect(201);
    assert_eq!(created.body[TEAM], json!({"purpose": "p"}));
    let path = format!("/Groups/{}", created.id());
    let operations = json!([
        {"op": "add", "path": format!("{TEAM}:origin"), "value": "Here"},
        {"op": "replace", "path": "displayName", "value": "Crew"},
    ]);
    scim.patch(&path, operations).await.expect(204);
    let read = scim.get(&path).await.expect(200).body;
    assert_eq!(
        (&read[TEAM], &read["displayName"]),
        (&json!({"purpose": "p", "origin": "Here"}), &json!("Crew"))
    );
    assert_eq!(read["members"].as_array().unwrap().len(), 1);

    let found = scim
        .filter("/Groups", &format!("{TEAM}:purpose eq \"P\""))
        .await
        .expect(200);
    assert_eq!(found.ids(), [created.id()]);
    let replaced = scim.put(&path, &body(json!({}))).await.expect(200);
    assert_eq!(replaced.body[TEAM], json!({"origin": "Here"}));
    scim.put(&path, &body(json!({"origin": "There"})))
        .await
        .expect_error(400, Some("mutability"));
    let operations = json!([{"op": "remove", "path": format!("{TEAM}:origin")}]);
    scim.patch(&path, operations)
        .await
        .expect_error(400, Some("mutability"));
}

async fn what_nobody_registered_is_ignored(database: Database) {
    let system = System::start(database).await;
    let scim = acme(&system).await;
    let other = system.tenant("other").await.scim;
    let reader = scim.with_token(&system.issue("acme", &[Scope::Read], "").await);

    let created = other
        .post("/Users", &person("ada", json!({"level": "no number"})))
        .await
        .expect(201);
    assert_eq!(created.body.get(ACME), None);
    let path = format!("/Users/{}", created.id());
    let operations = json!([{"op": "add", "path": urn("level"), "value": 1}]);
    let patched = other.patch(&path, operations).await.expect(200);
    assert_eq!(patched.body["meta"]["version"], created.body["meta"]["version"]);
    other
        .filter("/Users", &format!("{} eq 1", urn("level")))
        .await
        .expect_error(400, Some("invalidFilter"));

    let id = scim.create_user(&person("ada", json!({"level": 1}))).await;
    let seen = reader
        .get(&format!("/Users/{id}?attributes={}", encode(&urn("level"))))
        .await;
    assert_eq!(seen.expect(200).body[ACME], json!({"level": 1}));
}
