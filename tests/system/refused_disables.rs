//! Entra sends a disable together with whatever else changed: what refuses the rest of such a request must not hide that
//! a leaver is still in.

use directory_proto::v1::{ExplainUserRequest, RefusedDisable, Scope, explain_user_request};
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::scim::{PATCH_OP, user};
use crate::support::system::{SOURCE, System, Tenant};

on_every_database! {
    a_disable_beside_what_the_gateway_refuses_is_noted_once,
    a_disable_that_the_directory_refuses_is_noted_once,
    a_disable_that_is_refused_in_a_bulk_request_is_noted,
    what_is_no_disable_or_may_be_sent_again_is_not_noted,
}

const METRIC: &str = "directory_refused_disables_total";
const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

/// What an administrator is shown of a user's refused disables, the newest first.
async fn refused(system: &System, tenant: &Tenant, id: &str) -> Vec<RefusedDisable> {
    let user = Some(explain_user_request::User::Id(id.to_owned()));
    let operator = system.operator().for_tenant(&tenant.slug).unwrap();
    let explained = operator.users().explain_user(ExplainUserRequest { user }).await;
    explained.unwrap().into_inner().refused_disables
}

fn disable() -> Value {
    json!({"op": "Replace", "path": "active", "value": "False"})
}

async fn a_disable_beside_what_the_gateway_refuses_is_noted_once(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("leavers").await;
    let scim = &tenant.scim;
    let id = scim.create_user(&user("ada")).await;
    let path = format!("/Users/{id}");
    let before = scim.get(&path).await.expect(200).body;
    let counted = system.metric(METRIC).await;

    let bad_path = json!([disable(), {"op": "Add", "path": "no such attribute", "value": "x"}]);
    let bad_type = json!([{"op": "Replace", "value": {"active": "False", "name.givenName": {"a": 1}}}]);
    let mut put = user("ada");
    put["active"] = json!(false);
    put["emails"] = json!("ada@example.com");
    let answered = [
        scim.patch(&path, bad_path).await.expect_error(400, Some("invalidPath")),
        scim.patch(&path, bad_type)
            .await
            .expect_error(400, Some("invalidValue")),
        scim.put(&path, &put).await.expect_error(400, Some("invalidValue")),
    ];

    assert_eq!(scim.get(&path).await.expect(200).body, before, "nothing changed");
    let noted = refused(&system, &tenant, &id).await;
    let reasons: Vec<&str> = noted.iter().map(|refused| refused.reason.as_str()).collect();
    assert_eq!(reasons, ["invalidValue", "invalidValue", "invalidPath"]);
    let requests: Vec<&str> = noted.iter().rev().map(|refused| refused.request_id.as_str()).collect();
    assert_eq!(
        requests,
        answered.each_ref().map(|answer| answer.header("x-request-id"))
    );
    assert!(
        noted
            .iter()
            .all(|refused| !refused.actor.is_empty() && refused.time.is_some())
    );
    assert_eq!(system.metric(METRIC).await, counted + 3.0);
}

async fn a_disable_that_the_directory_refuses_is_noted_once(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("leavers").await;
    let scim = &tenant.scim;
    scim.create_user(&user("grace")).await;
    let id = scim.create_user(&user("ada")).await;
    let path = format!("/Users/{id}");
    let counted = system.metric(METRIC).await;

    let taken = json!([disable(), {"op": "Replace", "path": "userName", "value": "Grace@example.com"}]);
    scim.patch(&path, taken).await.expect_error(409, Some("uniqueness"));

    let noted = refused(&system, &tenant, &id).await;
    let reasons: Vec<&str> = noted.iter().map(|refused| refused.reason.as_str()).collect();
    assert_eq!(reasons, ["USER_NAME_TAKEN"]);
    assert_eq!(system.metric(METRIC).await, counted + 1.0);
    assert_eq!(scim.get(&path).await.expect(200).body["active"], json!(true));
}

async fn a_disable_that_is_refused_in_a_bulk_request_is_noted(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("leavers").await;
    let scim = &tenant.scim;
    let (ada, grace) = (
        scim.create_user(&user("ada")).await,
        scim.create_user(&user("grace")).await,
    );
    let counted = system.metric(METRIC).await;
    let patch = |id: &str, other: Value| {
        let data = json!({"schemas": [PATCH_OP], "Operations": [disable(), other]});
        json!({"method": "PATCH", "path": format!("/Users/{id}"), "data": data})
    };

    let bad = patch(&ada, json!({"op": "Add", "path": "nobody", "value": "x"}));
    let unresolved = patch(
        &grace,
        json!({"op": "Add", "path": "manager", "value": "bulkId:nobody"}),
    );
    let bulk = json!({"schemas": [BULK], "Operations": [bad, unresolved]});
    let results = scim.post("/Bulk", &bulk).await.expect(200).body["Operations"].clone();

    assert_eq!(results[0]["status"], json!("400"), "{results}");
    let of_ada = refused(&system, &tenant, &ada).await;
    assert_eq!(of_ada.len(), 1, "{of_ada:?}");
    assert_eq!(of_ada[0].reason, "invalidPath");
    let second = results[1]["status"].as_str().unwrap();
    assert!(second.starts_with('4'), "{results}");
    assert_eq!(refused(&system, &tenant, &grace).await.len(), 1);
    assert_eq!(system.metric(METRIC).await, counted + 2.0);
}

async fn what_is_no_disable_or_may_be_sent_again_is_not_noted(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("leavers").await;
    let scim = &tenant.scim;
    let id = scim.create_user(&user("ada")).await;
    let path = format!("/Users/{id}");
    let reader = scim.with_token(&system.issue(&tenant.slug, &[Scope::Read], "").await);
    let stranger = scim.with_token(&system.issue(&tenant.slug, &[Scope::Provision], "okta").await);
    let counted = system.metric(METRIC).await;
    let bad = || json!({"op": "Add", "path": "nobody", "value": "x"});

    let enable = json!({"op": "Replace", "path": "active", "value": "True"});
    scim.patch(&path, json!([enable, bad()]))
        .await
        .expect_error(400, Some("invalidPath"));
    scim.patch_with(&path, json!([disable()]), ("if-match", "W/\"99\""))
        .await
        .expect_error(412, None);
    reader
        .patch(&path, json!([disable(), bad()]))
        .await
        .expect_error(400, Some("invalidPath"));
    scim.patch("/Users/0193a1b2-0000-7000-8000-000000000001", json!([disable()]))
        .await
        .expect_error(404, None);
    assert_eq!(system.metric(METRIC).await, counted);

    let refusal = stranger.patch(&path, json!([disable()])).await.expect_error(403, None);

    let detail = refusal.body["detail"].as_str().unwrap();
    assert!(detail.contains(SOURCE) && detail.contains("okta"), "{detail}");
    let kept = refused(&system, &tenant, &id).await;
    let reasons: Vec<&str> = kept.iter().map(|refused| refused.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["PROVISIONING_SOURCE_CONFLICT"],
        "a wrong setting leaves every leaver in"
    );
    assert_eq!(system.metric(METRIC).await, counted + 1.0);
}
