//! Runs a test on SQLite and on a PostgreSQL database of its own, which is dropped afterwards.

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection};

use super::unique;

const URL: &str = "ROLLCALL_TEST_POSTGRES_URL";
pub const REQUIRE: &str = "ROLLCALL_TEST_REQUIRE_POSTGRES";
/// No test may run longer: it would hold up everybody instead of failing.
const LIMIT: Duration = Duration::from_secs(300);

/// Makes one test of an `async fn(Database)` on each database. Its name is a sentence that is true when it passes.
macro_rules! on_every_database {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn on_sqlite() {
                $crate::support::databases::run_on_sqlite(super::$name);
            }

            #[test]
            fn on_postgresql() {
                $crate::support::databases::run_on_postgresql(stringify!($name), super::$name);
            }
        })+
    };
}

/// Where a system under test keeps its data.
#[derive(Clone)]
pub enum Database {
    /// A file in the system's own folder.
    Sqlite,
    /// A database of this test alone.
    Postgres(Arc<PostgresDatabase>),
}

impl Database {
    /// The database of a test that runs on PostgreSQL only.
    pub fn postgres(&self) -> &Arc<PostgresDatabase> {
        match self {
            Self::Postgres(database) => database,
            Self::Sqlite => panic!("PostgreSQL only"),
        }
    }

    /// Connects beside the system, for what no API can set or show.
    pub async fn connect(&self, sqlite_file: &std::path::Path) -> DatabaseConnection {
        let url = match self {
            Self::Sqlite => format!("sqlite://{}?mode=rw", sqlite_file.display()),
            Self::Postgres(database) => database.url(),
        };
        connect(&url).await
    }
}

/// A fresh database, dropped when the last owner goes, also while a test panics.
pub struct PostgresDatabase {
    server: String,
    name: String,
}

impl PostgresDatabase {
    /// Makes one on this server.
    pub async fn create(server: String) -> Self {
        let name = format!("rollcall_test_{}", unique());
        let admin = connect(&server).await;
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        admin.close().await.unwrap();
        Self { server, name }
    }

    /// How the services reach it.
    pub fn url(&self) -> String {
        let (address, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let start = address.find("://").map_or(0, |at| at + 3);
        let end = address[start..].find('/').map_or(address.len(), |at| start + at);
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{}/{}{separator}{query}", &address[..end], self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own: a drop may run inside one, where nothing can be awaited.
        let dropped = std::thread::spawn(move || {
            runtime().block_on(async {
                let admin = connect(&server).await;
                let text = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                admin.execute_unprepared(&text).await.unwrap();
                admin.close().await.unwrap();
            });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the test's database could not be dropped");
        }
    }
}

/// Connects to a database by its URL.
pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).sqlx_logging(false);
    sea_orm::Database::connect(options).await.expect("the database answers")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn run<F: Future<Output = ()>>(test: F) {
    runtime().block_on(async {
        tokio::time::timeout(LIMIT, test).await.expect("the test ends in time");
    });
}

/// Runs a test that needs no database of ours, or brings its own.
pub fn run_alone<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    run(test());
}

/// Runs a test on SQLite.
pub fn run_on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F) {
    run(test(Database::Sqlite));
}

/// Runs a test on a fresh PostgreSQL database; without a server it says so and does nothing, unless it must not.
pub fn run_on_postgresql<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Database) -> F) {
    match std::env::var(URL) {
        Ok(server) if !server.is_empty() => run(async {
            let database = PostgresDatabase::create(server).await;
            test(Database::Postgres(Arc::new(database))).await;
        }),
        _ if std::env::var(REQUIRE).is_ok_and(|value| value == "1") => panic!("{REQUIRE} is 1, but {URL} is not set"),
        _ => {
            // Not eprintln!: the harness would swallow it, and a half-run must be seen.
            let line = format!("{name}: PostgreSQL was skipped; tests/run starts one, or set {URL}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}

#[test]
fn the_url_of_a_tests_database_keeps_everything_but_the_name() {
    let database = |server: &str| {
        std::mem::ManuallyDrop::new(PostgresDatabase {
            server: server.to_owned(),
            name: "mine".to_owned(),
        })
    };

    for (server, url) in [
        (
            "postgres://me@127.0.0.1:5432/postgres",
            "postgres://me@127.0.0.1:5432/mine",
        ),
        ("postgres://me@127.0.0.1:5432", "postgres://me@127.0.0.1:5432/mine"),
        (
            "postgres://me@host/postgres?sslmode=disable",
            "postgres://me@host/mine?sslmode=disable",
        ),
    ] {
        assert_eq!(database(server).url(), url);
    }
}
