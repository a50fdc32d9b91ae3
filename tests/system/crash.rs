//! An acknowledged write survives the end of the process at any moment, and what was not acknowledged is there whole or
//! not at all.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::support::databases::Database;
use crate::support::eventually;
use crate::support::scim::{Scim, user};
use crate::support::system::System;
use crate::support::unique;

on_every_database! { acknowledged_creates_survive_a_kill }

const CREATES: usize = 500;
/// The kill comes when so many were acknowledged: in the middle of the rest.
const ENOUGH: usize = 100;
/// A run in which everything was done before the kill says nothing.
const TRIES: usize = 5;
/// The change records of created users: `ResourceKind::User` and `ChangeKind::Created` in numbers.
const CREATED_USERS: &str = "SELECT c.resource_id FROM changes c WHERE c.resource_kind = 1 AND c.kind = 1";

async fn acknowledged_creates_survive_a_kill(database: Database) {
    let mut system = System::start(database).await;
    for attempt in 0..TRIES {
        let scim = system.mailing_tenant(&format!("crash-{attempt}")).await.scim;
        let acknowledged = create_until_killed(&mut system, &scim).await;
        system.restart().await;
        if (1..CREATES).contains(&acknowledged.len()) {
            return everything_is_whole(&system, &scim, &acknowledged).await;
        }
        println!(
            "{} creates were acknowledged before the kill: that proves nothing, once more",
            acknowledged.len()
        );
    }
    panic!("the kill never came in the middle of the creates");
}

/// Creates users eight at a time, kills the system meanwhile, and gives the acknowledged ids with what was sent.
async fn create_until_killed(system: &mut System, scim: &Scim) -> Vec<(String, Value)> {
    let (acknowledged, done) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let run = unique();
    let creates = stream::iter(0..CREATES).for_each_concurrent(8, |number| {
        let (acknowledged, done, body) = (&acknowledged, &done, user(&format!("{run}-{number}")));
        async move {
            if let Ok(answer) = scim.try_post("/Users", &body).await
                && answer.status == 201
            {
                acknowledged.lock().unwrap().push((answer.id(), body));
                done.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let kill = async {
        eventually("enough creates are done", async || {
            (done.load(Ordering::SeqCst) >= ENOUGH).then_some(())
        })
        .await;
        system.kill();
    };
    tokio::join!(creates, kill);
    acknowledged.into_inner().unwrap()
}

async fn everything_is_whole(system: &System, scim: &Scim, acknowledged: &[(String, Value)]) {
    println!(
        "{} of {CREATES} creates were acknowledged before the kill",
        acknowledged.len()
    );
    for (id, sent) in acknowledged {
        let found = scim.get(&format!("/Users/{id}")).await.expect(200).body;
        for attribute in [
            "userName",
            "externalId",
            "displayName",
            "emails",
            "name",
            "title",
            "active",
        ] {
            assert_eq!(found[attribute], sent[attribute], "{attribute} of {id}");
        }
        let by_mail = format!("emails.value eq {}", sent["emails"][0]["value"]);
        assert_eq!(scim.filter("/Users", &by_mail).await.expect(200).ids(), [id.as_str()]);
    }

    // Whatever else is there was never acknowledged, and is whole all the same.
    let all = scim.get("/Users?count=1000").await.expect(200);
    let all = all.body["Resources"].as_array().unwrap();
    assert!(
        (acknowledged.len()..=CREATES).contains(&all.len()),
        "{} users",
        all.len()
    );
    for found in all {
        assert_eq!(found["emails"].as_array().map(Vec::len), Some(1), "{found}");
    }
    let sql = system.sql().await;
    let rows = async |text: &str| {
        let statement = Statement::from_string(sql.get_database_backend(), text);
        sql.query_all_raw(statement).await.unwrap().len()
    };
    for (what, missing) in [
        (
            "users without their change record",
            "SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM changes c \
          WHERE c.tenant_id = u.tenant_id AND c.resource_id = u.id)",
        ),
        (
            "users without their filter values",
            "SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM user_values v \
          WHERE v.tenant_id = u.tenant_id AND v.user_id = u.id)",
        ),
        (
            "filter values without their user",
            "SELECT v.user_id FROM user_values v WHERE NOT EXISTS (SELECT 1 FROM users u \
          WHERE u.tenant_id = v.tenant_id AND u.id = v.user_id)",
        ),
        (
            "users without their one mail",
            "SELECT u.id FROM users u WHERE 1 <> (SELECT COUNT(*) FROM mails m \
          WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id)",
        ),
        (
            "change records of a user's creation without the user",
            &format!(
                "{CREATED_USERS} AND NOT EXISTS (SELECT 1 FROM users u \
          WHERE u.tenant_id = c.tenant_id AND u.id = c.resource_id)"
            ),
        ),
    ] {
        assert_eq!(rows(missing).await, 0, "{what}");
    }
    // One record for each user: the query above did look at something.
    assert_eq!(rows(CREATED_USERS).await, rows("SELECT id FROM users").await);
    sql.close().await.unwrap();

    // And it goes on: a name that was never acknowledged can be created or is taken by a whole user.
    let late = scim.post("/Users", &user("after-the-crash")).await.expect(201);
    assert_eq!(late.body["userName"], json!("after-the-crash@example.com"));
}
