//! What the service says about itself (RFC 7643 §5 to §8, RFC 7644 §4).

use http::Method;
use regex::Regex;
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{ENTERPRISE, GROUP, Scim, USER, encode};
use crate::support::system::System;

on_every_database! {
    the_service_says_what_it_can,
    schemas_are_described_with_all_their_characteristics,
    resource_types_name_schemas_that_are_described,
    discovery_is_read_only_and_knows_no_filter,
    another_version_of_the_protocol_is_not_found,
}

async fn list(scim: &Scim, path: &str) -> Vec<Value> {
    let answer = scim.get(path).await.expect(200);
    let body = &answer.body;
    assert_eq!(
        body["schemas"],
        json!(["urn:ietf:params:scim:api:messages:2.0:ListResponse"])
    );
    let resources = body["Resources"].as_array().unwrap().clone();
    assert_eq!(body["totalResults"], json!(resources.len()));
    resources
}

async fn the_service_says_what_it_can(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("config").await.scim;
    let mut headers = scim.headers();
    headers.remove("authorization");
    let config = scim
        .send(Method::GET, "/ServiceProviderConfig", headers, None)
        .await
        .expect(200);
    let config = config.body;

    assert_eq!(
        config["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"])
    );
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        assert!(config[feature]["supported"].is_boolean(), "{feature}");
    }
    for number in ["/bulk/maxOperations", "/bulk/maxPayloadSize", "/filter/maxResults"] {
        assert!(config.pointer(number).is_some_and(Value::is_u64), "{number}");
    }
    assert_eq!(config["meta"]["resourceType"], json!("ServiceProviderConfig"));
    let schemes = config["authenticationSchemes"].as_array().unwrap();
    assert!(!schemes.is_empty());
    for scheme in schemes {
        for name in ["type", "name", "description"] {
            assert!(scheme[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
    }
    assert_eq!(schemes[0]["type"], json!("oauthbearertoken"));
    assert_eq!(
        scim.get("/ServiceProviderConfig").await.expect(200).body,
        config,
        "the same with a token"
    );
}

/// Checks one attribute, and all below it.
fn check_attribute(schema: &str, attribute: &Value, is_part: bool) {
    let name = attribute["name"].as_str().unwrap();
    let shown = format!("{schema} {name}");
    // `$ref` is the RFC's own exception from its rule.
    assert!(
        name == "$ref" || Regex::new(r"^[A-Za-z][A-Za-z0-9$_-]*$").unwrap().is_match(name),
        "{shown}"
    );
    let one_of = |member: &str, words: &[&str]| {
        let word = attribute[member]
            .as_str()
            .unwrap_or_else(|| panic!("{shown} has no {member}"));
        assert!(words.contains(&word), "{shown}: {member} is {word}");
        word.to_owned()
    };
    let kind = one_of(
        "type",
        &[
            "string",
            "boolean",
            "decimal",
            "integer",
            "dateTime",
            "reference",
            "binary",
            "complex",
        ],
    );
    one_of("mutability", &["readOnly", "readWrite", "immutable", "writeOnly"]);
    one_of("returned", &["always", "never", "default", "request"]);
    one_of("uniqueness", &["none", "server", "global"]);
    for member in ["multiValued", "required"] {
        assert!(attribute[member].is_boolean(), "{shown}: {member}");
    }
    assert!(
        attribute["description"].as_str().is_some_and(|text| !text.is_empty()),
        "{shown}: description"
    );
    if ["string", "reference", "binary"].contains(&kind.as_str()) {
        assert!(attribute["caseExact"].is_boolean(), "{shown}: caseExact");
    }
    if ["reference", "binary"].contains(&kind.as_str()) {
        assert_eq!(attribute["caseExact"], json!(true), "{shown}: a {kind} is case exact");
    }
    if kind == "reference" {
        assert!(
            attribute["referenceTypes"]
                .as_array()
                .is_some_and(|types| !types.is_empty()),
            "{shown}: referenceTypes"
        );
    }
    let parts = attribute["subAttributes"].as_array();
    assert_eq!(parts.is_some(), kind == "complex", "{shown}: subAttributes");
    assert!(
        !(is_part && kind == "complex"),
        "{shown}: a part has no parts of its own"
    );
    for part in parts.into_iter().flatten() {
        check_attribute(&shown, part, true);
    }
}

async fn schemas_are_described_with_all_their_characteristics(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("schemas").await.scim;
    let schemas = list(&scim, "/Schemas").await;

    let mut ids: Vec<&str> = schemas.iter().map(|schema| schema["id"].as_str().unwrap()).collect();
    for id in [USER, GROUP, ENTERPRISE] {
        assert!(ids.contains(&id), "{id}");
    }
    assert!(
        !ids.iter().any(|id| id.starts_with("urn:ietf:params:scim:api:")),
        "messages are no schemas: {ids:?}"
    );
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), schemas.len());
    for schema in &schemas {
        let id = schema["id"].as_str().unwrap();
        assert_eq!(
            schema["schemas"],
            json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"])
        );
        assert_eq!(schema["meta"]["resourceType"], json!("Schema"));
        for member in ["name", "description"] {
            assert!(
                schema[member].as_str().is_some_and(|text| !text.is_empty()),
                "{id}: {member}"
            );
        }
        for attribute in schema["attributes"].as_array().unwrap() {
            check_attribute(id, attribute, false);
        }
    }
    let attribute = |schema: &str, name: &str| -> Value {
        let schema = schemas.iter().find(|found| found["id"] == json!(schema)).unwrap();
        let attributes = schema["attributes"].as_array().unwrap();
        attributes
            .iter()
            .find(|found| found["name"] == json!(name))
            .unwrap()
            .clone()
    };
    let characteristics = |schema: &str, name: &str| {
        let found = attribute(schema, name);
        let text = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
        (
            found["required"].clone(),
            text("mutability"),
            text("returned"),
            text("uniqueness"),
        )
    };
    let is = |required: bool, mutability: &str, returned: &str, uniqueness: &str| {
        (
            json!(required),
            mutability.to_owned(),
            returned.to_owned(),
            uniqueness.to_owned(),
        )
    };
    assert_eq!(
        characteristics(USER, "userName"),
        is(true, "readWrite", "default", "server")
    );
    assert_eq!(
        characteristics(USER, "password"),
        is(false, "writeOnly", "never", "none")
    );
    assert_eq!(
        characteristics(USER, "groups"),
        is(false, "readOnly", "default", "none")
    );
    assert_eq!(characteristics(GROUP, "displayName").0, json!(true), "erratum 5368");
    let references = |name: &str| {
        let parts = attribute(USER, name)["subAttributes"].as_array().unwrap().clone();
        parts.iter().find(|part| part["name"] == json!("$ref")).unwrap()["referenceTypes"].clone()
    };
    assert_eq!(references("groups"), json!(["Group"]), "erratum 8471");
}

async fn resource_types_name_schemas_that_are_described(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("types").await.scim;
    let types = list(&scim, "/ResourceTypes").await;

    let names: Vec<&str> = types.iter().map(|found| found["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["User", "Group"]);
    for found in &types {
        assert_eq!(
            found["schemas"],
            json!(["urn:ietf:params:scim:schemas:core:2.0:ResourceType"])
        );
        assert_eq!(found["id"], found["name"]);
        assert_eq!(found["meta"]["resourceType"], json!("ResourceType"));
        assert!(found["description"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(
            found["endpoint"],
            json!(format!("/{}s", found["name"].as_str().unwrap()))
        );
        scim.get(found["endpoint"].as_str().unwrap()).await.expect(200);
        let extensions = found["schemaExtensions"].as_array().into_iter().flatten();
        let mut schemas = vec![found["schema"].clone()];
        for extension in extensions {
            assert_eq!(
                extension["required"],
                json!(false),
                "no resource must have an extension"
            );
            schemas.push(extension["schema"].clone());
        }
        for schema in schemas {
            let path = format!("/Schemas/{}", encode(schema.as_str().unwrap()));
            assert_eq!(scim.get(&path).await.expect(200).body["id"], schema);
        }
    }
}

async fn discovery_is_read_only_and_knows_no_filter(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("read-only").await.scim;
    for endpoint in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
        let whole = scim.get(endpoint).await.expect(200).body;
        let asked = scim
            .get(&format!(
                "{endpoint}?startIndex=2&count=1&sortBy=id&sortOrder=descending"
            ))
            .await;
        assert_eq!(
            asked.expect(200).body,
            whole,
            "paging and sorting are ignored on {endpoint}"
        );
        let filtered = scim.get(&format!("{endpoint}?filter={}", encode("id pr"))).await;
        filtered.expect_error(403, None);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = scim.send(method, endpoint, scim.headers(), Some("{}".to_owned())).await;
            let answer = answer.expect_error(405, None);
            assert!(answer.header("allow").contains("GET"), "{}", answer.header("allow"));
        }
    }
    for path in ["/Schemas/urn:example:nobody", "/ResourceTypes/Robot"] {
        scim.get(path).await.expect_error(404, None);
    }
}

async fn another_version_of_the_protocol_is_not_found(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("versions").await.scim;
    let root = scim.base().strip_suffix("/v2").unwrap().to_owned();
    for version in ["v1", "v1.1", "v3", "v20", "V2"] {
        let other = scim.at(&format!("{root}/{version}"));
        other.get("/Users").await.expect_error(404, None);
    }
}
