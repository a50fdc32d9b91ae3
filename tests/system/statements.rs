//! Cost must not grow with what is not asked for: each SCIM request may run so many SQL statements and no more, with 10
//! users as with 10,000. They are counted in the trace that the services export.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use serde_json::json;

use crate::support::collector::{Collector, Span, new_trace_id};
use crate::support::databases::Database;
use crate::support::mailbox::nobody;
use crate::support::scim::{Scim, user};
use crate::support::system::{Settings, System};

on_every_database! { statements_per_request_stay_few_and_flat }

async fn statements_per_request_stay_few_and_flat(database: Database) {
    let collector = Collector::start().await;
    let mut environment = collector.environment();
    environment.extend(nobody());
    let settings = Settings {
        environment,
        ..Settings::default()
    };
    let mut system = System::start_with(database, settings).await;
    let scim = system.tenant("counted").await.scim;
    let mailing = system.mailing_tenant("mailing").await.scim;
    let sql = system.sql().await;
    let model = scim.create_user(&user("model")).await;
    let group = scim.create_group("Everybody", &[&model]).await;

    let mut measured = Vec::new();
    for size in [10, 10_000] {
        seed(&sql, &model, &group, size).await;
        let total = scim.get("/Users?count=1").await.expect(200).body["totalResults"].clone();
        assert!(total.as_u64().unwrap() >= size, "{total} users");
        measured.extend(measure([&scim, &mailing], &sql, &group, size).await);
    }
    sql.close().await.unwrap();
    system.stop_exported().await;

    let report: Vec<Result<String, String>> = measured.iter().map(|measured| count(measured, &collector)).collect();
    let broken: Vec<&String> = report.iter().filter_map(|line| line.as_ref().err()).collect();
    assert!(
        broken.is_empty(),
        "{} measurements are off:\n{}",
        broken.len(),
        broken.iter().map(|line| format!("{line}\n")).collect::<String>()
    );
    for line in report.iter().flatten() {
        println!("{line}");
    }
}

/// What was asked of how many users, under which trace, and how many statements it may run.
struct Measured {
    what: &'static str,
    size: u64,
    limit: usize,
    trace: String,
}

/// Makes each request once in a trace of its own.
async fn measure([scim, mailing]: [&Scim; 2], sql: &DatabaseConnection, group: &str, size: u64) -> Vec<Measured> {
    let mut measured = Vec::new();
    let mut trace_of = |scim: &Scim, what, limit| {
        let trace = new_trace_id();
        let traced = scim.traced(&trace);
        measured.push(Measured {
            what,
            size,
            limit,
            trace,
        });
        traced
    };
    let mut trace = |what, limit| trace_of(scim, what, limit);
    let name = format!("counted{size}");
    let new = user(&name);
    let replace = |path: &str, value: &str| json!([{"op": "Replace", "path": path, "value": value}]);

    let created = trace("create a user", 4).post("/Users", &new).await.expect(201).id();
    let path = format!("/Users/{created}");
    let by_name = format!("userName eq \"{}\"", new["userName"].as_str().unwrap());
    let found = trace("match by userName", 2)
        .filter("/Users", &by_name)
        .await
        .expect(200);
    assert_eq!(found.ids(), [created.as_str()]);
    let by_id = format!("externalId eq \"external-{name}\"");
    let found = trace("match by externalId", 2)
        .filter("/Users", &by_id)
        .await
        .expect(200);
    assert_eq!(found.ids(), [created.as_str()]);
    let by_mail = format!("emails[type eq \"work\"].value eq \"mail.{name}@example.com\"");
    let found = trace("match by work mail", 2)
        .filter("/Users", &by_mail)
        .await
        .expect(200);
    assert_eq!(found.ids(), [created.as_str()]);
    let nobody = trace("match nobody", 2)
        .filter("/Users", "userName eq \"nobody@example.com\"")
        .await
        .expect(200);
    assert_eq!(nobody.ids(), Vec::<String>::new());
    trace("get a user", 2).get(&path).await.expect(200);
    trace("patch a user", 4)
        .patch(&path, replace("displayName", "Another"))
        .await
        .expect(200);
    trace("block a user", 4)
        .patch(&path, replace("active", "False"))
        .await
        .expect(200);
    let mail = replace("emails[type eq \"work\"].value", "another@example.com");
    trace("patch a user's mail", 6)
        .patch(&path, mail.clone())
        .await
        .expect(200);
    let by_name = "displayName eq \"Everybody\"&excludedAttributes=members";
    let query = format!("/Groups?filter={}", by_name.replace(' ', "+").replace('"', "%22"));
    trace("match a group", 2).get(&query).await.expect(200);
    trace("get a group without members", 2)
        .get(&format!("/Groups/{group}?excludedAttributes=members"))
        .await
        .expect(200);
    trace("add a member", 5)
        .add_members(group, &[&created])
        .await
        .expect(204);
    let remove = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": created}]}]);
    trace("remove a member", 5)
        .patch(&format!("/Groups/{group}"), remove)
        .await
        .expect(204);
    blocked_by_a_deleted_group(sql, &created).await;
    trace("add a member and lift its block", 7)
        .add_members(group, &[&created])
        .await
        .expect(204);
    assert!(
        !scim.get(&path).await.expect(200).text.contains("GROUP_DELETED"),
        "the block was lifted"
    );
    let mailed = trace_of(mailing, "create a user who is mailed", 5);
    let created = mailed.post("/Users", &new).await.expect(201).id();
    trace_of(mailing, "patch the mail of a user who is mailed", 7)
        .patch(&format!("/Users/{created}"), mail)
        .await
        .expect(200);

    measured
}

/// Counts the statements of one request: how many there were, as an error if they are too many or none.
fn count(measured: &Measured, collector: &Collector) -> Result<String, String> {
    let Measured {
        what,
        size,
        limit,
        trace,
    } = measured;
    let spans = collector.trace(trace);
    let statements: Vec<&Span> = spans.iter().filter(|span| counts(span, &spans)).collect();
    let line = format!("{size} users, {what}: {} statements of {limit}", statements.len());
    if (1..=*limit).contains(&statements.len()) {
        return Ok(line);
    }
    let texts = statements.iter().map(|span| {
        let above: Vec<&str> = ancestors(span, &spans).map(|span| span.name.as_str()).collect();
        format!("\n    {} under {}", shown(span), above.join(" < "))
    });
    Err(line + &texts.collect::<String>())
}

fn shown(span: &Span) -> String {
    let text = span.attributes.get("db.statement").cloned().unwrap_or_default();
    format!("{} {}", span.name, text.chars().take(160).collect::<String>())
}

/// Whether a span is a statement that the budget is about: not a pure lock.
fn counts(span: &Span, spans: &[Span]) -> bool {
    let lock = |span: &Span| span.name.starts_with("store.") && span.name.ends_with(".lock");
    is_statement(span, spans) && !ancestors(span, spans).any(lock)
}

/// Whether a span is a statement: not the transaction's frame, and not the check of the token, whose answer is kept for
/// some seconds.
pub fn is_statement(span: &Span, spans: &[Span]) -> bool {
    let frame = ["sea_orm.begin", "sea_orm.commit", "sea_orm.rollback"].contains(&span.name.as_str());
    if !span.name.starts_with("sea_orm.") || frame {
        return false;
    }
    let statement = span
        .attributes
        .get("db.statement")
        .map(String::as_str)
        .unwrap_or_default();
    let of_a_token = statement.contains("\"tokens\"");
    !of_a_token && !ancestors(span, spans).any(|span| span.name.ends_with("TokenService/WhoAmI"))
}

fn ancestors<'a>(span: &'a Span, spans: &'a [Span]) -> impl Iterator<Item = &'a Span> {
    let parent = |span: &Span| spans.iter().find(|other| other.id == span.parent);
    std::iter::successors(parent(span), move |span| parent(span))
}

/// As if a group of this user had been deleted under a policy that blocks its members.
async fn blocked_by_a_deleted_group(sql: &DatabaseConnection, user: &str) {
    let id = literal(sql, user);
    let text = format!(
        "UPDATE users SET group_deleted_since_us = 1, group_deleted_actor = 'test', group_deleted_group_id = {id}, \
         group_deleted_group_name = 'gone' WHERE id = {id}"
    );
    let done = sql
        .execute_raw(Statement::from_string(sql.get_database_backend(), text))
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
}

/// An id as a literal of the database.
pub fn literal(sql: &DatabaseConnection, id: &str) -> String {
    match sql.get_database_backend() {
        DbBackend::Sqlite => format!("x'{}'", id.replace('-', "")),
        _ => format!("'{id}'"),
    }
}

/// Copies the model user, its values and its membership until there are so many. SQL, because what is measured
/// afterwards is not how the rows came about.
pub async fn seed(sql: &DatabaseConnection, model: &str, group: &str, size: u64) {
    let sqlite = sql.get_database_backend() == DbBackend::Sqlite;
    let (model, group) = (literal(sql, model), literal(sql, group));
    let columns = async |table: &str| -> Vec<String> {
        let text = if sqlite {
            format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid")
        } else {
            format!(
                "SELECT column_name AS name FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = '{table}' ORDER BY ordinal_position"
            )
        };
        let rows = sql
            .query_all_raw(Statement::from_string(sql.get_database_backend(), text))
            .await
            .unwrap();
        rows.iter()
            .map(|row| row.try_get::<String>("", "name").unwrap())
            .collect()
    };
    let copy = |table: &str, all: &[String], changed: &[(&str, String)], from: &str| {
        let value = |column: &String| {
            let new = changed.iter().find(|(name, _)| name == column);
            new.map_or(format!("m.\"{column}\""), |(_, value)| value.clone())
        };
        let names: Vec<String> = all.iter().map(|column| format!("\"{column}\"")).collect();
        let values: Vec<String> = all.iter().map(value).collect();
        format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {from}",
            names.join(", "),
            values.join(", ")
        )
    };
    let numbers = if sqlite {
        format!("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {size}) SELECT i FROM n)")
    } else {
        format!("(SELECT i FROM generate_series(1, {size}) AS g(i))")
    };
    // A version 7 id with the size and the number in it, the same for the row and for what hangs on it.
    let id = if sqlite {
        format!("unhex(printf('0191f0a0%04x70008000%012x', {}, n.i))", size % 65_536)
    } else {
        format!(
            "('0191f0a0-{:04x}-7000-8000-' || lpad(to_hex(n.i), 12, '0'))::uuid",
            size % 65_536
        )
    };
    let named = |what: &str| format!("'seed' || n.i || '-{size}@{what}.example.com'");
    let users = [
        ("id", id.clone()),
        ("user_name", named("name")),
        ("user_name_key", named("name")),
        ("external_id", named("external")),
        ("display_name_key", named("display")),
        ("created_us", "m.created_us + n.i".to_owned()),
        ("updated_us", "m.updated_us + n.i".to_owned()),
    ];
    let values = [
        ("user_id", id.clone()),
        ("value_key", named("mail")),
        ("email_key", named("mail")),
    ];
    let from = |table: &str, key: &str| format!("{table} m CROSS JOIN {numbers} n WHERE m.{key} = {model}");
    let inserts = [
        copy("users", &columns("users").await, &users, &from("users", "id")),
        copy(
            "user_values",
            &columns("user_values").await,
            &values,
            &from("user_values", "user_id"),
        ),
        copy(
            "memberships",
            &columns("memberships").await,
            &[("user_id", id.clone())],
            &format!("{} AND m.group_id = {group}", from("memberships", "user_id")),
        ),
    ];
    for text in inserts {
        let done = sql.execute_unprepared(&text).await;
        let rows = done.unwrap_or_else(|error| panic!("{error}: {text}")).rows_affected();
        assert_eq!(rows, size, "one row for each new user: {text}");
    }
    sql.execute_unprepared("ANALYZE").await.unwrap();
}

#[test]
fn statements_are_counted_but_not_frames_locks_and_token_checks() {
    let span = |id: &str, parent: &str, name: &str, statement: &str| Span {
        trace_id: "t".to_owned(),
        id: id.to_owned(),
        parent: parent.to_owned(),
        name: name.to_owned(),
        kind: 1,
        service: String::new(),
        attributes: [("db.statement".to_owned(), statement.to_owned())].into(),
        text: String::new(),
    };
    let spans = [
        span("1", "0", "scim.users.patch", ""),
        span("2", "1", "directory.v1.UserService/UpdateUser", ""),
        span("3", "2", "sea_orm.begin", "BEGIN"),
        span("4", "2", "store.users.lock", ""),
        span("5", "4", "sea_orm.query_one", "SELECT 1 FROM \"users\""),
        span("6", "2", "store.users.update", ""),
        span("7", "6", "sea_orm.execute", "UPDATE \"users\""),
        span("8", "2", "sea_orm.commit", "COMMIT"),
        span("9", "1", "directory.v1.TokenService/WhoAmI", ""),
        span("a", "9", "sea_orm.query_one", "SELECT 1 FROM \"tenants\""),
        span("b", "2", "sea_orm.query_one", "SELECT 1 FROM \"tokens\""),
    ];

    let counted: Vec<&str> = spans
        .iter()
        .filter(|span| counts(span, &spans))
        .map(|span| span.id.as_str())
        .collect();
    assert_eq!(counted, ["7"]);
    let first: Vec<&str> = ancestors(&spans[6], &spans).map(|span| span.id.as_str()).collect();
    assert_eq!(first, ["6", "2", "1"]);
}
