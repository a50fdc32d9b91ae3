//! The status extension: what is in effect, beside the source's own word.

use directory_proto::v1::{BlockUserRequest, Scope};
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::mailbox::nobody;
use crate::support::scim::{STATUS, user};
use crate::support::system::{Settings, System};

on_every_database! {
    activation_and_language_are_shown_filtered_and_sorted,
    a_block_is_shown_to_the_source_beside_its_own_word_and_to_others_as_not_active,
}

async fn activation_and_language_are_shown_filtered_and_sorted(database: Database) {
    let settings = Settings {
        environment: nobody(),
        ..Settings::default()
    };
    let system = System::start_with(database, settings).await;
    let scim = system.mailing_tenant("status").await.scim;
    let mut french = user("ada");
    french["preferredLanguage"] = json!("fr-CH, de;q=0.5");
    let ada = scim.create_user(&french).await;
    let mut blocked = user("grace");
    blocked["active"] = json!(false);
    let grace = scim.create_user(&blocked).await;

    let shown = scim.get(&format!("/Users/{ada}")).await.expect(200).body[STATUS].clone();
    let expected = json!({"blocked": false, "language": "fr-CH", "activationStatus": "PENDING_ACTIVATION"});
    assert_eq!(shown, expected, "no mail was accepted, so no code runs out");
    let shown = scim.get(&format!("/Users/{grace}")).await.expect(200).body[STATUS].clone();
    let reasons = json!(["PROVISIONING"]);
    let expected =
        json!({"blocked": true, "blockReasons": reasons, "language": "en", "activationStatus": "NOT_ACTIVATED"});
    assert_eq!(shown, expected);

    for (filter, expected) in [
        ("activationStatus eq \"PENDING_ACTIVATION\"", vec![&ada]),
        ("activationStatus eq \"not_activated\"", vec![&grace]),
        ("language sw \"fr\"", vec![&ada]),
        (
            "urn:rollcall:params:scim:schemas:extension:status:2.0:User:language eq \"EN\"",
            vec![&grace],
        ),
        ("activatedAt pr or activationCodeExpires pr", vec![]),
        (
            "not (activationCodeExpires gt \"2020-01-01T00:00:00Z\")",
            vec![&ada, &grace],
        ),
    ] {
        assert_eq!(
            scim.filter("/Users", filter)
                .await
                .expect(200)
                .ids()
                .iter()
                .collect::<Vec<_>>(),
            expected,
            "{filter}"
        );
    }
    for (query, expected) in [
        ("sortBy=activationStatus", [&grace, &ada]),
        ("sortBy=language&sortOrder=descending", [&ada, &grace]),
    ] {
        let sorted = scim.get(&format!("/Users?{query}")).await.expect(200).body["Resources"].clone();
        assert_eq!(
            [&sorted[0]["id"], &sorted[1]["id"]],
            expected.map(|id| json!(id)).each_ref(),
            "{query}"
        );
    }
    let only = scim
        .get(&format!("/Users/{ada}?attributes=activationStatus"))
        .await
        .expect(200)
        .body;
    assert_eq!(only[STATUS], json!({"activationStatus": "PENDING_ACTIVATION"}));
    let schema = scim.get(&format!("/Schemas/{STATUS}")).await.expect(200).body;
    for attribute in schema["attributes"].as_array().unwrap() {
        assert_eq!(attribute["mutability"], json!("readOnly"), "{attribute}");
        assert_ne!(attribute["caseExact"], json!(true), "{attribute}");
    }
}

async fn a_block_is_shown_to_the_source_beside_its_own_word_and_to_others_as_not_active(database: Database) {
    let system = System::start(database).await;
    let tenant = system.mailing_tenant("status").await;
    let id = tenant.scim.create_user(&user("ada")).await;
    let reader = tenant
        .scim
        .with_token(&system.issue(&tenant.slug, &[Scope::Read], "").await);
    let operator = system.operator().for_tenant(&tenant.slug).unwrap();
    let request = BlockUserRequest {
        id: id.clone(),
        expected_version: None,
    };
    operator.users().block_user(request).await.unwrap();

    let path = format!("/Users/{id}");
    for (scim, active) in [(&tenant.scim, true), (&reader, false)] {
        let shown: Value = scim.get(&path).await.expect(200).body;
        assert_eq!(shown["active"], json!(active));
        assert_eq!(shown[STATUS]["blocked"], json!(true));
        assert_eq!(shown[STATUS]["blockReasons"], json!(["ADMINISTRATOR"]));
        let found = scim.filter("/Users", &format!("active eq {active}")).await.expect(200);
        assert_eq!(found.ids(), [id.as_str()]);
    }
}
