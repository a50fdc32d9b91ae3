//! PATCH beyond what Entra's scenarios show: preconditions, atomicity, value filters, members and who may write.

use directory_proto::v1::Scope;
use serde_json::json;

use crate::support::databases::Database;
use crate::support::scim::{ENTERPRISE, encode, user};
use crate::support::system::System;

on_every_database! {
    a_write_with_an_old_etag_changes_nothing,
    a_patch_with_one_bad_operation_changes_nothing,
    a_value_filter_names_the_elements_that_change,
    all_members_go_only_when_no_value_is_named,
    a_member_must_be_a_user_of_the_tenant,
    only_the_tenants_provisioning_source_writes_users_and_groups,
}

async fn a_write_with_an_old_etag_changes_nothing(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("etags").await.scim;
    let id = scim.create_user(&user("ada")).await;
    let path = format!("/Users/{id}");
    let read = scim.get(&path).await.expect(200);
    let first = read.header("etag").to_owned();
    assert_eq!(
        read.body["meta"]["version"],
        json!(first),
        "the ETag and meta.version are one"
    );
    assert!(first.starts_with("W/\""), "{first}");

    let rename = |name: &str| json!([{"op": "replace", "path": "displayName", "value": name}]);
    scim.patch_with(&path, rename("First"), ("if-match", &first))
        .await
        .expect(200);
    let again = scim.patch_with(&path, rename("Second"), ("if-match", &first)).await;

    again.expect_error(412, None);
    let after = scim.get(&path).await.expect(200);
    assert_eq!(after.body["displayName"], json!("First"));
    assert_ne!(after.header("etag"), first);

    let current = after.header("etag").to_owned();
    scim.patch_with(&path, rename("Third"), ("if-match", &current))
        .await
        .expect(200);
    scim.patch_with(&path, rename("Fourth"), ("if-match", "*"))
        .await
        .expect(200);
    assert_eq!(scim.get(&path).await.body["displayName"], json!("Fourth"));
}

async fn a_patch_with_one_bad_operation_changes_nothing(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("atomic").await.scim;
    let id = scim.create_user(&user("ada")).await;
    let other = scim.create_user(&user("grace")).await;
    let path = format!("/Users/{id}");
    let before = scim.get(&path).await.expect(200).body;

    let good = json!({"op": "replace", "path": "title", "value": "Chief"});
    for (bad, status, scim_type) in [
        (
            json!({"op": "replace", "path": "shoeSize", "value": "44"}),
            400,
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "name.shoeSize", "value": "44"}),
            400,
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": format!("{ENTERPRISE}:shoeSize"), "value": "44"}),
            400,
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq", "value": "x"}),
            400,
            "invalidFilter",
        ),
        (
            json!({"op": "replace", "path": "active", "value": "perhaps"}),
            400,
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "active", "value": null}),
            400,
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "active", "value": ""}),
            400,
            "invalidValue",
        ),
        (json!({"op": "remove", "path": "userName"}), 400, "invalidValue"),
        (
            json!({"op": "replace", "path": "displayName", "value": {"no": "text"}}),
            400,
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "displayName", "value": "a\u{0}b"}),
            400,
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "id", "value": other}),
            400,
            "mutability",
        ),
        (
            json!({"op": "replace", "path": "userName", "value": "GRACE@example.com"}),
            409,
            "uniqueness",
        ),
    ] {
        let answer = scim.patch(&path, json!([good, bad])).await;
        assert_eq!(answer.status, status, "{bad} was answered {}", answer.text);
        if bad["path"] != "userName" || status == 409 {
            assert_eq!(
                answer.body["scimType"],
                json!(scim_type),
                "{bad} was answered {}",
                answer.text
            );
        }
        answer.clone().expect_error(status, answer.body["scimType"].as_str());

        assert_eq!(
            scim.get(&path).await.expect(200).body,
            before,
            "{bad} must change nothing, not even the version"
        );
    }
    scim.patch(&path, json!([{"op": "remove"}]))
        .await
        .expect_error(400, Some("noTarget"));
    scim.patch(&path, json!([{"op": "swap", "path": "title"}]))
        .await
        .expect(400);
    assert_eq!(scim.get(&path).await.expect(200).body, before);
}

async fn a_value_filter_names_the_elements_that_change(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("value-filters").await.scim;
    let mut body = user("ada");
    body["emails"] = json!([
        {"type": "work", "value": "work@example.com", "primary": true},
        {"type": "home", "value": "home@example.com"},
    ]);
    let path = format!("/Users/{}", scim.create_user(&body).await);
    let emails = async || scim.get(&path).await.expect(200).body["emails"].clone();

    let homes = json!([{"op": "replace", "path": "emails[type eq \"HOME\"].value", "value": "new@example.com"}]);
    scim.patch(&path, homes).await.expect(200);
    assert_eq!(
        emails().await[1]["value"],
        json!("new@example.com"),
        "a canonical value compares without case"
    );
    assert_eq!(emails().await[0]["value"], json!("work@example.com"));

    let both = json!([{"op": "replace",
        "path": "emails[type eq \"work\" and value eq \"work@example.com\"].display", "value": "At work"}]);
    scim.patch(&path, both).await.expect(200);
    assert_eq!(emails().await[0]["display"], json!("At work"));

    let nothing = json!([{"op": "replace", "path": "emails[type eq \"work\" or type eq \"x\"].type", "value": "a"},
        {"op": "replace", "path": "emails[not (value pr)].value", "value": "b@example.com"}]);
    scim.patch(&path, nothing).await.expect_error(400, Some("noTarget"));
    assert_eq!(
        emails().await[0]["type"],
        json!("work"),
        "the first operation was not applied alone"
    );

    scim.patch(&path, json!([{"op": "remove", "path": "emails[type eq \"other\"]"}]))
        .await
        .expect(200);
    assert_eq!(
        emails().await.as_array().unwrap().len(),
        2,
        "removing what is absent succeeds and changes nothing"
    );
    scim.patch(&path, json!([{"op": "remove", "path": "emails[value co \"work@\"]"}]))
        .await
        .expect(200);
    assert_eq!(emails().await, json!([{"type": "home", "value": "new@example.com"}]));
}

async fn all_members_go_only_when_no_value_is_named(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("members").await.scim;
    let (mut ids, mut names) = (Vec::new(), vec!["ada", "grace", "edsger"]);
    for name in names.drain(..) {
        ids.push(scim.create_user(&user(name)).await);
    }
    ids.sort();
    let everybody: Vec<&str> = ids.iter().map(String::as_str).collect();
    let group = scim.create_group("Everybody", &everybody).await;
    let path = format!("/Groups/{group}");

    for value in [json!([]), json!(null)] {
        scim.patch(&path, json!([{"op": "Remove", "path": "members", "value": value}]))
            .await
            .expect(204);
        assert_eq!(scim.members(&group).await, ids, "value {value} names nobody");
    }
    scim.patch(
        &path,
        json!([{"op": "Remove", "path": "members", "value": [{"value": ids[0]}]}]),
    )
    .await
    .expect(204);
    assert_eq!(scim.members(&group).await, ids[1..]);
    let filter = format!("members[value eq \"{}\"]", ids[1]);
    scim.patch(&path, json!([{"op": "remove", "path": filter}]))
        .await
        .expect(204);
    assert_eq!(scim.members(&group).await, ids[2..]);

    let all =
        json!([{"op": "add", "path": "members", "value": [{"value": ids[0]}]}, {"op": "remove", "path": "members"}]);
    scim.patch(&path, all).await.expect(204);
    assert_eq!(scim.members(&group).await, Vec::<String>::new());

    let replaced = json!([{"op": "replace", "path": "members", "value": [{"value": ids[2]}, {"value": ids[0]}]}]);
    scim.patch(&path, replaced).await.expect(204);
    assert_eq!(scim.members(&group).await, [ids[0].clone(), ids[2].clone()]);

    let shown = scim
        .patch(
            &format!("{path}?attributes=displayName"),
            json!([{"op": "replace", "path": "displayName",
        "value": "Nearly everybody"}]),
        )
        .await
        .expect(200);
    assert_eq!(
        shown.body["displayName"],
        json!("Nearly everybody"),
        "a body comes when attributes asks for one"
    );
}

async fn a_member_must_be_a_user_of_the_tenant(database: Database) {
    let system = System::start(database).await;
    let scim = system.tenant("strangers").await.scim;
    let ada = scim.create_user(&user("ada")).await;
    let inner = scim.create_group("Inner", &[]).await;
    let outer = scim.create_group("Outer", &[]).await;
    let unknown = "0191f0a0-0000-7000-8000-00000000dead";

    for stranger in [unknown, "no-uuid-at-all"] {
        let answer = scim
            .add_members(&outer, &[&ada, stranger])
            .await
            .expect_error(400, Some("invalidValue"));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(
            detail.contains(stranger),
            "the error names the unknown member: {detail}"
        );
        assert_eq!(scim.members(&outer).await, Vec::<String>::new(), "and nobody was added");
    }
    let answer = scim.add_members(&outer, &[&inner]).await;
    assert_eq!(answer.status, 400, "a group as a member is refused: {}", answer.text);
    assert!(
        answer.body["detail"].as_str().unwrap().contains(&inner),
        "{}",
        answer.text
    );
    let posted = json!({"displayName": "Third", "members": [{"value": unknown}]});
    scim.post("/Groups", &posted)
        .await
        .expect_error(400, Some("invalidValue"));
    let found = scim.filter("/Groups", "displayName eq \"Third\"").await.expect(200);
    assert_eq!(
        found.body["totalResults"],
        json!(0),
        "the group was not made without its member"
    );

    let removed = json!([{"op": "remove", "path": "members", "value": [{"value": unknown}, {"value": "nobody"}]}]);
    scim.patch(&format!("/Groups/{outer}"), removed).await.expect(204);
    scim.add_members(&outer, &[&ada]).await.expect(204);
    scim.add_members(&outer, &[&ada]).await.expect(204);
    assert_eq!(scim.members(&outer).await, [ada]);
}

async fn only_the_tenants_provisioning_source_writes_users_and_groups(database: Database) {
    let system = System::start(database).await;
    let tenant = system.tenant("sources").await;
    let scim = &tenant.scim;
    let ada = scim.create_user(&user("ada")).await;
    let group = scim.create_group("Group", &[&ada]).await;
    let (user_path, group_path) = (format!("/Users/{ada}"), format!("/Groups/{group}"));
    let before = (scim.get(&user_path).await.body, scim.get(&group_path).await.body);
    let title = json!([{"op": "replace", "path": "title", "value": "Chief"}]);

    let other_source = scim.with_token(&system.issue(&tenant.slug, &[Scope::Provision], "other-source").await);
    let reader = scim.with_token(&system.issue(&tenant.slug, &[Scope::Read], "").await);
    for (writer, reads) in [(&other_source, true), (&reader, true)] {
        for answer in [
            writer.post("/Users", &user("grace")).await,
            writer.patch(&user_path, title.clone()).await,
            writer.put(&user_path, &user("ada")).await,
            writer.delete(&user_path).await,
            writer.post("/Groups", &json!({"displayName": "Mine"})).await,
            writer
                .patch(&group_path, json!([{"op": "remove", "path": "members"}]))
                .await,
            writer.delete(&group_path).await,
        ] {
            answer.expect_error(403, None);
        }
        assert_eq!(writer.get(&user_path).await.status == 200, reads);
    }
    let after = (scim.get(&user_path).await.body, scim.get(&group_path).await.body);
    assert_eq!(after, before, "nothing has changed");
    let grace = scim
        .get(&format!(
            "/Users?filter={}",
            encode("userName eq \"grace@example.com\"")
        ))
        .await;
    assert_eq!(grace.body["totalResults"], json!(0));

    assert_eq!(reader.get(&user_path).await.body["active"], json!(true));
}
