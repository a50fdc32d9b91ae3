//! How attribute values are kept (RFC 7643 §2.3, §2.4, §4 and §7): as they were sent, but for passwords.

use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{ENTERPRISE, PATCH_OP, USER, user};
use crate::support::system::System;

on_every_database! {
    values_come_back_as_they_were_sent,
    a_password_is_neither_shown_nor_kept,
    case_matters_where_the_schema_says_so,
    one_value_of_a_list_is_primary,
    an_attribute_that_has_a_default_is_found_by_it,
}

async fn values_come_back_as_they_were_sent(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("kept").await.scim;
    let sent = json!({
        "schemas": [USER, ENTERPRISE], "externalId": "MiXed-Case", "userName": "Ada.King@Example.COM",
        "displayName": "  Ada  ", "nickName": "Ada.King@Example.COM", "title": "Grafin \u{2014} \u{1f980}",
        "profileUrl": "HTTPS://Example.COM/%7eada/../ada", "locale": "en_US", "preferredLanguage": "klingon, *;q=x",
        "timezone": "Europe/Nowhere", "userType": "Alien",
        "name": {"formatted": "Not the sum of its parts", "givenName": "Ada", "familyName": "King"},
        "emails": [{"value": "Ada.King@EXAMPLE.com", "type": "Weird"}, {"value": "no address at all"},
                   {"value": "twice@example.com", "type": "work"}],
        "phoneNumbers": [{"value": " +31 (0)6-555 0100 ", "type": "carrier pigeon"}],
        "ims": [{"value": "Ada On Skype", "type": "Skype"}],
        "photos": [{"value": "https://example.com/page.html", "type": "photo"}],
        "addresses": [{"country": "USA", "type": "Summer", "formatted": "1 Road\nTown"}],
        "x509Certificates": [{"value": "bm90IERFUg"}],
        "roles": [{"value": "admin"}], "entitlements": [{"value": "all"}],
        ENTERPRISE: {"department": "R&D", "costCenter": " 7 "},
    });

    let id = scim.create_user(&sent).await;
    let shown = scim.get(&format!("/Users/{id}")).await.expect(200).body;
    for (name, value) in sent.as_object().unwrap().iter().filter(|(name, _)| *name != "schemas") {
        assert_eq!(shown[name], *value, "{name}");
    }
}

async fn a_password_is_neither_shown_nor_kept(database: Database) {
    const PASSWORD: &str = "correct horse battery staple";
    let system = System::start(database.clone()).await;
    let scim = system.tenant("secrets").await.scim;
    let mut body = user("ada");
    body["password"] = json!(PASSWORD);

    let created = scim
        .post("/Users?attributes=password,userName", &body)
        .await
        .expect(201);
    let path = format!("/Users/{}", created.id());
    let operations = json!([{"op": "replace", "path": "password", "value": PASSWORD},
                            {"op": "add", "value": {"password": PASSWORD}}]);
    for answer in [
        created,
        scim.put(&path, &body).await.expect(200),
        scim.patch(&path, operations).await.expect(200),
        scim.get(&format!("{path}?attributes=password")).await.expect(200),
        scim.get("/Users").await.expect(200),
    ] {
        assert!(!answer.text.to_lowercase().contains("password"), "{}", answer.text);
        assert!(!answer.text.contains(PASSWORD), "{}", answer.text);
    }
    scim.filter("/Users", &format!("password eq \"{PASSWORD}\""))
        .await
        .expect_error(400, Some("invalidFilter"));

    let found = occurrences(&system, &database, "Display ada").await;
    assert!(found > 0, "what is kept is found");
    assert_eq!(
        occurrences(&system, &database, PASSWORD).await,
        0,
        "the password is kept"
    );
}

/// How many columns of how many rows of the whole database hold a text.
async fn occurrences(system: &System, database: &Database, text: &str) -> i64 {
    let columns = match database {
        Database::Sqlite => {
            "SELECT m.name AS tab, c.name AS col FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
        Database::Postgres(_) => {
            "SELECT table_name::text AS tab, column_name::text AS col FROM information_schema.columns \
             WHERE table_schema = 'public'"
        }
    };
    let sql = system.sql().await;
    let ask = async |query: String| {
        let statement = Statement::from_string(sql.get_database_backend(), query);
        sql.query_all_raw(statement).await.unwrap()
    };
    let mut found = 0;
    for column in ask(columns.to_owned()).await {
        let (table, column): (String, String) =
            (column.try_get("", "tab").unwrap(), column.try_get("", "col").unwrap());
        let count = format!("SELECT COUNT(*) AS n FROM \"{table}\" WHERE CAST(\"{column}\" AS TEXT) LIKE '%{text}%'");
        found += ask(count).await[0].try_get::<i64>("", "n").unwrap();
    }
    found
}

/// A user with a value of each attribute that has text and that a client may write and read.
fn with_every_text(manager: &str) -> Value {
    let entry = |value: &str| json!([{"value": value, "display": "Shown As", "type": "Work"}]);
    json!({
        "schemas": [USER, ENTERPRISE], "externalId": "MiXed-Case", "userName": "Ada.King@Example.COM", "active": false,
        "displayName": "Ada", "nickName": "Countess", "title": "Analyst", "profileUrl": "https://Example.com/Ada",
        "userType": "Employee", "preferredLanguage": "en-GB", "locale": "en-GB", "timezone": "Europe/London",
        "name": {"formatted": "Lady Ada King II", "givenName": "Ada", "middleName": "Augusta", "familyName": "King",
                 "honorificPrefix": "Lady", "honorificSuffix": "II"},
        "emails": entry("Ada@Example.com"), "phoneNumbers": entry("tel:Ada"), "ims": entry("Ada.King"),
        "photos": entry("https://Example.com/Ada.png"), "entitlements": entry("All"), "roles": entry("Admin"),
        "x509Certificates": entry("QUJD"),
        "addresses": [{"formatted": "1 Road", "streetAddress": "Road", "locality": "London", "region": "Middlesex",
                       "postalCode": "W1", "country": "GB", "type": "Work"}],
        ENTERPRISE: {"employeeNumber": "E-7", "costCenter": "R&D", "organization": "Acme", "division": "North",
                     "department": "Engines", "manager": {"value": manager}},
    })
}

/// The attributes that no schema lists, and those of these schemas: the path, what the resource has there, whether it
/// compares with case.
fn texts_of(resource: &Value, schemas: &[Value]) -> Vec<(String, String, bool)> {
    let text = |value: &Value| match value {
        Value::Array(values) => values.first().unwrap_or(&Value::Null).as_str().map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    let shown = |path: &str, value: &Value| text(value).unwrap_or_else(|| panic!("{path} has no value: {value}"));
    let meta = ["resourceType", "location", "version"].map(|part| (format!("meta.{part}"), &resource["meta"][part]));
    let unlisted = meta.into_iter().chain([("schemas".to_owned(), &resource["schemas"])]);
    let mut texts: Vec<_> = unlisted
        .map(|(path, value)| (path.clone(), shown(&path, value), true))
        .collect();
    let has_case = |attribute: &Value| attribute.get("caseExact").and_then(Value::as_bool);
    for schema in schemas {
        let id = schema["id"].as_str().unwrap();
        let is_core = resource["schemas"][0] == id;
        let (values, prefix) = if is_core {
            (resource, String::new())
        } else {
            (&resource[id], format!("{id}:"))
        };
        for attribute in schema["attributes"].as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            let path = format!("{prefix}{name}");
            if let Some(exact) = has_case(attribute).filter(|_| name != "password") {
                texts.push((path.clone(), shown(&path, &values[name]), exact));
            }
            let value = if values[name].is_array() {
                &values[name][0]
            } else {
                &values[name]
            };
            for part in attribute["subAttributes"].as_array().into_iter().flatten() {
                let path = format!("{path}.{}", part["name"].as_str().unwrap());
                if let Some(exact) = has_case(part) {
                    texts.push((
                        path.clone(),
                        shown(&path, &value[part["name"].as_str().unwrap()]),
                        exact,
                    ));
                }
            }
        }
    }
    texts
}

/// Every text is found as it is shown, and in the other case only where the schema says that case does not matter.
async fn case_matters_where_the_schema_says_so(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("case-exact").await.scim;
    let boss = scim.create_user(&user("boss")).await;
    let ada = scim.create_user(&with_every_text(&boss)).await;
    let staff = scim.create_group("Staff", &[&ada]).await;
    let schemas = scim.get("/Schemas").await.expect(200).body;
    let schemas = schemas["Resources"].as_array().unwrap();

    let mut checked = 0;
    for (endpoint, id) in [("/Users", &ada), ("/Groups", &staff)] {
        let resource = scim.get(&format!("{endpoint}/{id}")).await.expect(200).body;
        let has = |schema: &&Value| resource["schemas"].as_array().unwrap().contains(&schema["id"]);
        let own: Vec<Value> = schemas.iter().filter(has).cloned().collect();
        for (path, text, is_exact) in texts_of(&resource, &own) {
            let other: String = text
                .chars()
                .map(|letter| {
                    if letter.is_lowercase() {
                        letter.to_ascii_uppercase()
                    } else {
                        letter.to_ascii_lowercase()
                    }
                })
                .collect();
            assert_ne!(text, other, "{path} has no letters");
            for (wanted, found) in [(&text, true), (&other, !is_exact)] {
                let answer = scim
                    .filter(endpoint, &format!("{path} eq {}", json!(wanted)))
                    .await
                    .expect(200);
                assert_eq!(
                    answer.ids().contains(id),
                    found,
                    "{path} eq {wanted}, caseExact {is_exact}"
                );
            }
            checked += 1;
        }
    }
    assert_eq!(checked, 74, "an attribute that is new has a value here");
    scim.get(&format!("/Users/{}", ada.to_uppercase()))
        .await
        .expect_error(404, None);
}

async fn one_value_of_a_list_is_primary(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("primary").await.scim;
    let primaries = |body: &Value| -> Vec<String> {
        let emails = body["emails"].as_array().unwrap().iter();
        let primary = emails.filter(|email| email["primary"] == json!(true));
        primary
            .map(|email| email["value"].as_str().unwrap().to_owned())
            .collect()
    };
    let email = |value: &str| json!({"value": value, "primary": true});
    let mut body = user("ada");
    body["emails"] = json!([email("one@x"), email("two@x"), {"value": "three@x"}]);

    let created = scim.post("/Users", &body).await.expect(201);
    assert_eq!(primaries(&created.body), ["one@x"], "the first that says so");
    assert_eq!(
        created.body["emails"][2].get("primary"),
        None,
        "not given, and not made up"
    );
    let path = format!("/Users/{}", created.id());
    let patched = scim
        .patch(
            &path,
            json!([{"op": "add", "path": "emails", "value": [email("four@x")]}]),
        )
        .await
        .expect(200);
    assert_eq!(
        primaries(&patched.body),
        ["four@x"],
        "the newest takes it from the others"
    );
    let replaced = scim.put(&path, &body).await.expect(200);
    assert_eq!(primaries(&replaced.body), ["one@x"]);
}

async fn an_attribute_that_has_a_default_is_found_by_it(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("defaults").await.scim;
    let id = scim.create_user(&json!({"schemas": [USER], "userName": "ada"})).await;
    assert_eq!(
        scim.get(&format!("/Users/{id}")).await.expect(200).body["active"],
        json!(true)
    );

    for (filter, count) in [
        ("active eq true", 1),
        ("active pr", 1),
        ("active eq false", 0),
        ("active ne true", 0),
    ] {
        let found = scim.filter("/Users", filter).await.expect(200);
        assert_eq!(found.body["totalResults"], json!(count), "{filter}");
    }
    let schemas = json!({"schemas": [PATCH_OP], "Operations": [{"op": "remove", "path": "active"}]});
    let headers = scim.headers();
    scim.send(
        http::Method::PATCH,
        &format!("/Users/{id}"),
        headers,
        Some(schemas.to_string()),
    )
    .await
    .expect_error(400, Some("invalidValue"));
}
