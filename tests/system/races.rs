//! Many writers at once: no write is lost, none is done twice, and no deadlock reaches a caller. On PostgreSQL through
//! two directory-services and two gateways.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::json;

use crate::support::databases::Database;
use crate::support::scim::{Answer, Scim, user};
use crate::support::system::{Settings, System};

on_every_database! {
    one_of_many_creates_of_one_name_wins,
    members_added_at_once_are_all_there,
    changes_of_different_attributes_at_once_all_stay,
    deletions_beside_additions_neither_fail_nor_leave_anything_dangling,
}

/// A system of two pairs where the database allows it, and one client for each gateway.
async fn start(database: Database, slug: &str) -> (System, [Scim; 2]) {
    let system = System::start_with(
        database,
        Settings {
            more_pairs: 1,
            ..Settings::default()
        },
    )
    .await;
    let scim = system.tenant(slug).await.scim;
    let clients = [scim.at(&system.base(0)), scim.at(&system.base(1))];
    (system, clients)
}

async fn one_of_many_creates_of_one_name_wins(database: Database) {
    let (_system, clients) = start(database, "creates").await;
    let spelling = |number: usize| {
        let spelled = "race.condition@example.com".chars().enumerate();
        spelled
            .map(|(at, c)| {
                if number >> (at % 6) & 1 == 1 {
                    c.to_ascii_uppercase()
                } else {
                    c
                }
            })
            .collect::<String>()
    };

    let creates = (0..50).map(|number| {
        let mut body = user("racer");
        body["userName"] = json!(spelling(number));
        let scim = &clients[number % 2];
        async move { scim.post("/Users", &body).await }
    });
    let answers = join_all(creates).await;

    let (created, refused): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(created.len(), 1, "one create wins");
    assert_eq!(refused.len(), 49);
    for answer in refused {
        answer.expect_error(409, Some("uniqueness"));
    }
    let found = clients[0]
        .filter("/Users", "userName eq \"RACE.condition@example.com\"")
        .await
        .expect(200);
    assert_eq!(found.ids(), [created[0].id()]);
}

async fn members_added_at_once_are_all_there(database: Database) {
    let (_system, clients) = start(database, "members").await;
    let mut ids: Vec<String> = stream::iter(0..200_usize)
        .map(|number| {
            let scim = &clients[number % 2];
            async move { scim.create_user(&user(&format!("member{number}"))).await }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    let group = clients[0].create_group("Everybody", &[]).await;

    let adds = ids.iter().enumerate().map(|(number, id)| {
        let (scim, group) = (&clients[number % 2], &group);
        async move { scim.add_members(group, &[id]).await }
    });
    for answer in join_all(adds).await {
        answer.expect(204);
    }

    ids.sort();
    assert_eq!(clients[1].members(&group).await, ids);
}

async fn changes_of_different_attributes_at_once_all_stay(database: Database) {
    let (_system, clients) = start(database, "attributes").await;
    let path = format!("/Users/{}", clients[0].create_user(&user("busy")).await);
    let attributes = [
        "title",
        "nickName",
        "userType",
        "locale",
        "timezone",
        "displayName",
        "name.middleName",
        "name.honorificPrefix",
    ];

    for round in 0..5 {
        let changes = attributes.iter().enumerate().map(|(number, attribute)| {
            let (scim, path) = (&clients[number % 2], &path);
            let operations = json!([{"op": "replace", "path": attribute, "value": format!("value {round}")}]);
            async move {
                // The gateway gives up after some tries and says when to come back; Entra would.
                for _ in 0..20 {
                    let answer = scim.patch(path, operations.clone()).await;
                    if answer.status != 503 {
                        return answer;
                    }
                    assert!(!answer.header("retry-after").is_empty(), "a 503 says when to try again");
                }
                panic!("{attribute} was never accepted");
            }
        });
        for answer in join_all(changes).await {
            answer.expect(200);
        }
        let after = clients[0].get(&path).await.expect(200).body;
        for attribute in attributes {
            let pointer = format!("/{}", attribute.replace('.', "/"));
            assert_eq!(
                after.pointer(&pointer),
                Some(&json!(format!("value {round}"))),
                "{attribute} in {after}"
            );
        }
    }
}

/// How many rounds are played, and for how long at most: 1,000 of each kind on PostgreSQL; on SQLite, which has one
/// writer, 1,000 of all three together.
const ROUNDS: usize = 3_000;
const ROUNDS_ON_SQLITE: usize = 1_000;
const LONGEST: Duration = Duration::from_secs(300);

async fn deletions_beside_additions_neither_fail_nor_leave_anything_dangling(database: Database) {
    let rounds = if matches!(database, Database::Sqlite) {
        ROUNDS_ON_SQLITE
    } else {
        ROUNDS
    };
    let (system, clients) = start(database, "deletions").await;
    let standing = clients[0].create_group("Standing", &[]).await;
    let staying = [
        clients[0].create_user(&user("staying1")).await,
        clients[0].create_user(&user("staying2")).await,
    ];

    let start = Instant::now();
    let played = stream::iter(0..rounds)
        .take_while(|_| async move { start.elapsed() < LONGEST })
        .map(|round| {
            let (clients, standing, staying) = (&clients, standing.as_str(), &staying);
            async move {
                match round % 3 {
                    0 => user_goes_while_it_is_added(clients, standing, round).await,
                    1 => group_goes_while_a_member_is_added(clients, staying, round).await,
                    _ => two_groups_with_the_same_members_go(clients, staying, round).await,
                }
            }
        })
        .buffer_unordered(12)
        .count()
        .await;
    println!("{played} rounds in {:?}", start.elapsed());
    assert_eq!(played, rounds, "not every round was played within {LONGEST:?}");

    let sql = system.sql().await;
    for (what, text) in [
        (
            "a user or group",
            "SELECT m.user_id FROM memberships m WHERE NOT EXISTS (SELECT 1 FROM users u \
          WHERE u.tenant_id = m.tenant_id AND u.id = m.user_id) OR NOT EXISTS (SELECT 1 FROM groups g \
          WHERE g.tenant_id = m.tenant_id AND g.id = m.group_id)",
        ),
        (
            "a user",
            "SELECT v.user_id FROM user_values v WHERE NOT EXISTS (SELECT 1 FROM users u \
          WHERE u.tenant_id = v.tenant_id AND u.id = v.user_id)",
        ),
    ] {
        let rows = sql
            .query_all_raw(Statement::from_string(sql.get_database_backend(), text))
            .await
            .unwrap();
        assert_eq!(rows.len(), 0, "rows that point at {what} that is gone");
    }
    sql.close().await.unwrap();
    assert_eq!(clients[0].members(&standing).await, Vec::<String>::new());
    for id in &staying {
        let shown = clients[0].get(&format!("/Users/{id}")).await.expect(200);
        assert!(shown.body.get("groups").is_none(), "no group is left: {}", shown.text);
    }
}

async fn user_goes_while_it_is_added(clients: &[Scim; 2], standing: &str, round: usize) {
    let id = clients[0].create_user(&user(&format!("goes{round}"))).await;
    let path = format!("/Users/{id}");
    let member = [id.as_str()];

    let (gone, added) = tokio::join!(
        clients[round % 2].delete(&path),
        clients[1 - round % 2].add_members(standing, &member)
    );

    gone.expect(204);
    assert!(
        [204, 400].contains(&added.status),
        "the add was answered {}: {}",
        added.status,
        added.text
    );
    clients[0].get(&path).await.expect(404);
}

async fn group_goes_while_a_member_is_added(clients: &[Scim; 2], staying: &[String; 2], round: usize) {
    let group = clients[0].create_group(&format!("Goes {round}"), &[&staying[0]]).await;
    let path = format!("/Groups/{group}");
    let member = [staying[1].as_str()];

    let (gone, added) = tokio::join!(
        clients[round % 2].delete(&path),
        clients[1 - round % 2].add_members(&group, &member)
    );

    gone.expect(204);
    assert!(
        [204, 404].contains(&added.status),
        "the add was answered {}: {}",
        added.status,
        added.text
    );
    clients[0].get(&path).await.expect(404);
}

async fn two_groups_with_the_same_members_go(clients: &[Scim; 2], staying: &[String; 2], round: usize) {
    let (there, back) = ([&*staying[0], &*staying[1]], [&*staying[1], &*staying[0]]);
    let first = clients[0].create_group(&format!("First {round}"), &there).await;
    let second = clients[0].create_group(&format!("Second {round}"), &back).await;
    let (first, second) = (format!("/Groups/{first}"), format!("/Groups/{second}"));

    let (one, other) = tokio::join!(clients[0].delete(&first), clients[1].delete(&second));

    one.expect(204);
    other.expect(204);
}
