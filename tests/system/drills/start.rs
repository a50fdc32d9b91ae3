//! Several processes begin at the same moment.

use directory_proto::client::DirectoryClient;
use directory_proto::v1::ListUsersRequest;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use super::database::count;
use super::fleet::{Fleet, Role};
use crate::support::databases::{connect, run_on_postgresql};
use crate::support::eventually;

/// What a process says when it meets another one that migrates.
const WAITS: &str = "waiting for another process that migrates the database";

#[test]
fn of_many_that_start_on_an_empty_database_one_migrates() {
    run_on_postgresql("of_many_that_start_on_an_empty_database", async |database| {
        let sql = connect(&database.postgres().url()).await;
        let environment = [
            ("RUST_LOG", "info,sea_orm=info"),
            ("DIRECTORY_SHUTDOWN_DRAIN_SECONDS", "0"),
        ];
        let mut fleet = Fleet::new(database.postgres(), 3, 0, &environment);

        // As if another process migrated: so all three are there before one of them can begin.
        let held = sql.begin().await.unwrap();
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended('rollcall migrations', 0))";
        held.execute_unprepared(lock).await.unwrap();
        for number in 0..fleet.places.len() {
            fleet.spawn(number);
        }
        eventually("all three wait", async || {
            let logs = fleet.places[..3].iter_mut().map(|place| place.process().log());
            logs.into_iter().all(|log| log.contains(WAITS)).then_some(())
        })
        .await;
        assert_eq!(
            count(&sql, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'").await,
            0,
            "it is empty"
        );
        held.commit().await.unwrap();
        fleet.ready().await;

        let applied = |log: &str| log.matches("Applying migration").count();
        let applied: Vec<usize> = fleet.places[..3]
            .iter_mut()
            .map(|place| applied(&place.process().log()))
            .collect();
        let migrations = count(&sql, "SELECT 1 FROM seaql_migrations").await;
        println!("{migrations} migrations, applied by each: {applied:?}");
        assert!(migrations > 0);
        assert_eq!(
            applied.iter().filter(|applied| **applied > 0).count(),
            1,
            "one migrates: {applied:?}"
        );
        assert_eq!(
            applied.iter().sum::<usize>(),
            migrations,
            "each migration once: {applied:?}"
        );
        sql.close().await.unwrap();

        // All serve: each by itself.
        let token = fleet.tenant("migrated").await;
        for directory in fleet.of(Role::Directory) {
            let client = DirectoryClient::new(&format!("http://{}", directory.listen)).unwrap();
            let client = client.with_token(&token.clone().into()).unwrap();
            client.users().list_users(ListUsersRequest::default()).await.unwrap();
        }
    });
}
