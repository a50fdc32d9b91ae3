//! The database goes away and comes back: nothing acknowledged is lost, nobody hangs, and nothing stays broken.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement, TransactionTrait as _};
use tempfile::TempDir;

use super::fleet::{Fleet, Role};
use super::load::{Failure, Load};
use super::silence::Way;
use crate::support::cluster::{Cluster, run_with_cluster};
use crate::support::databases::{PostgresDatabase, connect, run_on_postgresql};
use crate::support::eventually;
use crate::support::scim::{Scim, user};
use crate::support::system::metric;

const CLIENTS: usize = 8;
/// Fewer than clients, so that they wait for one another and a connection that is lost for good is missed.
const POOL: usize = 4;
/// How long the database is silent. Readiness falls 10 s after its last answer.
const PAUSE_SECONDS: u32 = 20;
/// The deadline of a call to the directory, and some time for the rest.
const CALL: Duration = Duration::from_secs(12);
/// How long it takes at most until connections that fell silent are replaced: the deadline of a call, and as much again.
const REPLACED: Duration = Duration::from_secs(25);

#[test]
fn a_database_that_restarts_or_hangs_costs_time_and_nothing_else() {
    run_with_cluster("a_database_that_restarts_or_hangs", restarts_and_hangs);
}

#[test]
fn a_password_is_changed_while_requests_are_served() {
    run_with_cluster("a_password_is_changed", password_changes);
}

async fn password_changes(cluster: Cluster) {
    cluster.demand_password_of("directory");
    let database = Arc::new(PostgresDatabase::create(cluster.url()).await);
    let administrator = database.url();
    let (_, place) = administrator.split_once('@').unwrap();
    let url = |password: &str| format!("postgres://directory:{password}@{place}");
    let sql = connect(&database.url()).await;
    sql.execute_unprepared("CREATE ROLE directory LOGIN SUPERUSER PASSWORD 'first'")
        .await
        .unwrap();
    let folder = TempDir::with_prefix("rollcall-password-").unwrap();
    let file = folder.path().join("uri");
    fs::write(&file, url("first")).unwrap();
    let environment = [
        ("DIRECTORY_DATABASE_URL", ""),
        ("DIRECTORY_DATABASE_URL_FILE", file.to_str().unwrap()),
        ("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", "0"),
        ("GATEWAY_SHUTDOWN_DRAIN_SECONDS", "0"),
    ];
    let mut fleet = Fleet::new(&database, 1, 1, &environment);
    fleet.start().await;
    let base = format!("http://{}/scim/v2", fleet.of(Role::Gateway).next().unwrap().listen);
    let [warm, token, another] = [
        fleet.tenant("warm").await,
        fleet.tenant("few").await,
        fleet.tenant("many").await,
    ];
    // Until the new password has arrived, no connection can be opened: a pool that was busier has enough of them.
    let busier = Load::start(&base, &warm, 3).await;
    busier.goes_on(200).await;
    let busier = busier.finish().await;
    assert_eq!(busier.failures.len(), 0, "{:?}", busier.failures);
    let load = Load::start(&base, &token, 1).await;
    load.goes_on(50).await;

    sql.execute_unprepared("ALTER ROLE directory PASSWORD 'second'")
        .await
        .unwrap();
    fs::write(&file, url("second")).unwrap();
    let refused = Database::connect(url("first")).await;
    assert!(refused.is_err(), "the old password still opens a connection");
    let directory = fleet.places[0].process();
    eventually("the new password is read", async || {
        directory.log().contains("are in use").then_some(())
    })
    .await;
    let before = connections(&sql).await;
    let more = Load::start(&base, &another, CLIENTS).await; // the pool has to grow
    more.goes_on(200).await;
    load.goes_on(20).await;

    let after = connections(&sql).await;
    assert!(
        after > before,
        "{before} connections before, {after} after: none was opened with the new password"
    );
    for load in [load, more] {
        let outcome = load.finish().await;
        assert_eq!(outcome.failures.len(), 0, "{:?}", outcome.failures);
    }
    println!("the password was changed; {before} connections became {after}");
    sql.close().await.unwrap();
}

/// How many connections the directory has.
async fn connections(sql: &DatabaseConnection) -> i64 {
    let count = "SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'directory'";
    let row = sql
        .query_one_raw(Statement::from_string(sql.get_database_backend(), count))
        .await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// One of each program, and clients who are served.
async fn start(database: PostgresDatabase) -> (Fleet, Scim, Load) {
    let pool = POOL.to_string();
    let environment = [
        ("DIRECTORY_DATABASE_MAX_CONNECTIONS", pool.as_str()),
        ("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", "0"),
        ("GATEWAY_SHUTDOWN_DRAIN_SECONDS", "0"),
    ];
    let mut fleet = Fleet::new(&Arc::new(database), 1, 1, &environment);
    fleet.start().await;
    let token = fleet.tenant("database").await;
    let base = format!("http://{}/scim/v2", fleet.of(Role::Gateway).next().unwrap().listen);
    let load = Load::start(&base, &token, CLIENTS).await;
    load.goes_on(200).await;
    assert_eq!(load.failures().len(), 0, "{:?}", load.failures());
    (fleet, Scim::new(&base, &token), load)
}

async fn restarts_and_hangs(mut cluster: Cluster) {
    let database = PostgresDatabase::create(cluster.url()).await;
    let (mut fleet, scim, load) = start(database).await;

    for mode in ["fast", "immediate"] {
        let before = load.failures().len();
        cluster.restart(mode);
        load.goes_on(200).await;
        let failures = &load.failures()[before..];
        only_said_to_try_again(failures);
        println!("{mode} restart: {} failures", failures.len());
    }

    let before = load.failures().len();
    let began = Instant::now();
    cluster.pause(PAUSE_SECONDS);
    let pause = async {
        eventually("the server goes on", async || (!cluster.is_paused()).then_some(())).await;
        began.elapsed()
    };
    let (paused, (fell, returned)) = tokio::join!(pause, readiness_falls_and_returns(&fleet));
    load.goes_on(200).await;
    // A failover is shorter than that.
    assert!(fell > Duration::from_secs(6), "readiness fell after {fell:?}");
    let gateway = fleet.of(Role::Gateway).next().unwrap();
    assert_eq!(gateway.probe("/readyz").await, Some(200), "the gateway stays ready");
    let failures = &load.failures()[before..];
    assert!(!failures.is_empty(), "the pause was noticed");
    only_said_to_try_again(failures);
    // A change of a group may take 45 s, so it waits for the end of the pause.
    let changes = slowest(failures.iter().filter(|failure| failure.request == "members"));
    let others = slowest(failures.iter().filter(|failure| failure.request != "members"));
    assert!(others < CALL, "a call hung for {others:?}");
    assert!(changes < paused + CALL, "a change of a group hung for {changes:?}");
    println!(
        "pause of {paused:?}: {} failures, the slowest took {others:?}, of a group's change {changes:?}; \
         readiness fell after {fell:?} and returned after {returned:?}",
        failures.len()
    );

    all_connections_work(&scim).await;
    assert!(fleet.all_run(), "no process ended");
    let outcome = load.finish().await;
    println!(
        "{} requests answered, {} failed; {} users created, and {} whose create was not answered",
        outcome.answered,
        outcome.failures.len(),
        outcome.created,
        outcome.created_unanswered
    );
}

/// No connection of the pool was lost for good: many more calls at once than it has.
async fn all_connections_work(scim: &Scim) {
    let creates =
        (0..POOL * 8).map(|number| async move { scim.create_user(&user(&format!("all-at-once-{number}"))).await });
    let created = join_all(creates).await;
    let deletes = created.iter().map(|id| async move {
        scim.delete(&format!("/Users/{id}")).await.expect(204);
    });
    join_all(deletes).await;
}

fn only_said_to_try_again(failures: &[Failure]) {
    for failure in failures {
        assert_eq!(failure.status, Some(503), "{failure:?}");
        assert!(
            failure.retry_after.parse::<u32>().is_ok_and(|seconds| seconds > 0),
            "{failure:?}"
        );
    }
}

fn slowest<'a>(failures: impl Iterator<Item = &'a Failure>) -> Duration {
    failures.map(|failure| failure.took).max().unwrap_or_default()
}

/// Waits until the directory-service is not ready, and until it is again, and says when.
async fn readiness_falls_and_returns(fleet: &Fleet) -> (Duration, Duration) {
    let directory = fleet.of(Role::Directory).next().unwrap();
    let began = Instant::now();
    let is = async |status| {
        eventually(&format!("the probe says {status}"), async || {
            (directory.probe("/readyz").await == Some(status)).then_some(())
        })
        .await;
        began.elapsed()
    };
    (is(503).await, is(200).await)
}

#[test]
fn connections_that_fall_silent_are_replaced() {
    run_on_postgresql("connections_that_fall_silent", async |database| {
        let server = database.postgres().url();
        let (before, rest) = server.split_once('@').unwrap();
        let (address, name) = rest.split_once('/').unwrap();
        let way = Way::to(address.to_owned()).await;
        let through = PostgresDatabase::create(format!("{before}@{}/{name}", way.address)).await;
        let around = through.url().replace(&way.address.to_string(), address);
        let (mut fleet, scim, load) = start(through).await;

        // Every connection of the pool has a statement under way, which waits for a lock, when nothing comes back any more: one
        // of the outbox, and the callers'.
        let beside = connect(&around).await;
        let held = beside.begin().await.unwrap();
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for (table, connections) in [("mails", 1), ("users", POOL)] {
            held.execute_unprepared(&format!("LOCK TABLE {table}")).await.unwrap();
            eventually(&format!("{connections} connections wait"), async || {
                (count(&beside, waiting).await == connections).then_some(())
            })
            .await;
        }
        way.falls_silent().await;
        let silent = Instant::now();
        held.rollback().await.unwrap();
        beside.close().await.unwrap();
        load.goes_on(200).await;
        let took = silent.elapsed();
        all_connections_work(&scim).await;
        let outcome = load.finish().await;

        only_said_to_try_again(&outcome.failures);
        println!(
            "{} requests failed, 200 were answered after {took:?}",
            outcome.failures.len()
        );
        assert!(took < REPLACED, "it took {took:?}");

        // The outbox is looked at again, too.
        let token = fleet.mailing_tenant("mailed").await;
        scim.with_token(&token).create_user(&user("mailed")).await;
        let admin = fleet.of(Role::Directory).next().unwrap().admin;
        eventually("the outbox is looked at", async || {
            (metric(admin, "directory_outbox_pending").await == Some(1.0)).then_some(())
        })
        .await;
        assert!(fleet.all_run(), "no process ended");
    });
}

/// How many rows a statement gives.
pub async fn count(sql: &DatabaseConnection, text: &str) -> usize {
    let statement = Statement::from_string(sql.get_database_backend(), text);
    sql.query_all_raw(statement).await.unwrap().len()
}
