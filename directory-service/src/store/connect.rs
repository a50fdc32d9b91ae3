//! Opens SQLite or PostgreSQL, and runs writing transactions.
//!
//! SQLite has one writer connection beside a pool of readers, in WAL mode with `synchronous=FULL`: what was
//! acknowledged survives a power cut. PostgreSQL has one pool.

use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    AccessMode, ConnectOptions, Database as SeaDatabase, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::error::StoreError;
use super::release::{Doubt, close_what_is_silent};

const ATTEMPTS: u32 = 8;
const FIRST_PAUSE_MS: u64 = 4;
/// So long after its begin a transaction is begun again because the database was away.
const FAILOVER: Duration = Duration::from_secs(5);
const AWAY_PAUSE_FACTOR: u32 = 8;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(8);
/// The wait for a connection, and for the answer to BEGIN; longer than both of the others together.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(15);
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database: where to read and where to write. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    doubt: Doubt,
}

impl Database {
    /// Opens the database at `url`: `sqlite:/path/to/file` (made if it is missing) or `postgres://…`.
    ///
    /// # Errors
    /// [`StoreError::Url`] if the URL is wrong, which shows nothing of it; [`StoreError::Unavailable`] if nobody
    /// answers.
    pub async fn connect(url: &SecretString, max_connections: u32) -> Result<Self, StoreError> {
        let max_connections = max_connections.max(1);
        if url.expose_secret().starts_with("sqlite:") {
            let writer = SeaDatabase::connect(sqlite(url, 1)).await?;
            let reader = SeaDatabase::connect(sqlite(url, max_connections)).await?;
            return Ok(Self {
                reader,
                writer,
                doubt: Doubt::default(),
            });
        }
        let doubt = Doubt::default();
        let mut options = postgres(url, max_connections)?;
        close_what_is_silent(&mut options, &doubt);
        let both = SeaDatabase::connect(options).await?;
        Ok(Self {
            reader: both.clone(),
            writer: both,
            doubt,
        })
    }

    /// Uses this URL for connections that are opened from now on: the same database with another user or password.
    ///
    /// # Errors
    /// [`StoreError::Url`] if it is wrong, or names another database: half of the connections would be to each.
    pub fn renew(&self, url: &SecretString) -> Result<(), StoreError> {
        if self.backend() != DbBackend::Postgres {
            return Err(StoreError::Url("another file is opened by a new start only"));
        }
        let new = server(url)?;
        let pool = self.writer.get_postgres_connection_pool();
        let old = pool.connect_options();
        let place = |options: &PgConnectOptions| {
            (
                options.get_host().to_owned(),
                options.get_port(),
                options.get_socket().cloned(),
                options.get_database().unwrap_or(options.get_username()).to_owned(),
            )
        };
        if place(&new) != place(&old) {
            return Err(StoreError::Url(
                "it names another server or database: that takes a new start",
            ));
        }
        pool.set_connect_options(new);
        Ok(())
    }

    /// Whether there may be a database at `url`: nobody knows of PostgreSQL before asking it.
    pub fn may_exist(url: &SecretString) -> bool {
        let url = url.expose_secret();
        let file = url.starts_with("sqlite:").then(|| url.parse::<SqliteConnectOptions>());
        !matches!(file, Some(Ok(sqlite)) if !sqlite.get_filename().exists())
    }

    /// The connections that read.
    pub const fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// The connections that write; for migrations. Use cases write through [`Database::write`].
    pub const fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Which database this is.
    pub fn backend(&self) -> DbBackend {
        self.writer.get_database_backend()
    }

    /// Begins a writing transaction: IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Conflict`].
    pub async fn begin_write(&self) -> Result<DatabaseTransaction, StoreError> {
        let sqlite = self.backend() == DbBackend::Sqlite;
        let options = TransactionOptions {
            sqlite_transaction_mode: sqlite.then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.begin(&self.writer, options).await
    }

    /// Begins a reading transaction, whose statements all see the same moment. Whoever holds it must not ask for
    /// another connection.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin_read(&self) -> Result<DatabaseTransaction, StoreError> {
        let postgres = self.backend() == DbBackend::Postgres; // a transaction of SQLite is always a snapshot
        let options = TransactionOptions {
            isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: postgres.then_some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        self.begin(&self.reader, options).await
    }

    /// Begins a transaction in a task of its own, which ends also if the caller goes away. sqlx forgets a BEGIN that nobody waits
    /// for any more: the connection would go back to the pool, and the transaction in it would stay open.
    async fn begin(
        &self,
        connection: &DatabaseConnection,
        options: TransactionOptions,
    ) -> Result<DatabaseTransaction, StoreError> {
        let (connection, doubt) = (connection.clone(), self.doubt.clone());
        let begun = async move {
            let mut begin = pin!(connection.begin_with_options(options));
            let Ok(begun) = timeout(BEGIN_TIMEOUT, &mut begin).await else {
                doubt.raise(); // before the connection is given back
                return Err(DbErr::Custom("BEGIN was not answered".to_owned()));
            };
            begun
        };
        match tokio::spawn(begun.in_current_span()).await {
            Ok(Err(error @ DbErr::Custom(_))) => Err(StoreError::Unavailable(error)),
            Ok(begun) => Ok(begun?),
            Err(ended) => Err(StoreError::Unavailable(DbErr::Custom(ended.to_string()))),
        }
    }

    /// Runs `work` in a writing transaction and commits it; an error rolls it back. What the database gave up for
    /// another transaction is tried again, a bounded number of times with jitter; so is, for a few seconds, what a failover broke
    /// off before the commit.
    ///
    /// ```text
    /// db.write(|tx| async move { Ok(store::users::insert(&tx, tenant, &new).await?) }).await
    /// ```
    ///
    /// # Errors
    /// Those of `work`, and those of beginning and committing.
    pub async fn write<T, E, F, Fut>(&self, work: F) -> Result<T, E>
    where
        E: From<StoreError> + Retryable,
        F: Fn(WriteTransaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            match self.write_once(&work).await {
                Ok(value) => return Ok(value),
                Err(Failed::InDoubt(error)) => return Err(error),
                Err(Failed::NothingDone(error))
                    if attempt < ATTEMPTS
                        && (error.is_retryable() || error.is_away() && begun.elapsed() < FAILOVER) =>
                {
                    tracing::debug!(attempt, "a transaction begins again");
                    let longer = if error.is_away() { AWAY_PAUSE_FACTOR } else { 1 };
                    tokio::time::sleep(pause(attempt) * longer).await;
                    attempt += 1;
                }
                Err(Failed::NothingDone(error)) => return Err(error),
            }
        }
    }

    async fn write_once<T, E, F, Fut>(&self, work: &F) -> Result<T, Failed<E>>
    where
        E: From<StoreError>,
        F: Fn(WriteTransaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let begun = self.begin_write().await;
        let tx = Arc::new(begun.map_err(|error| Failed::NothingDone(error.into()))?);
        let done = work(WriteTransaction(Arc::clone(&tx))).await;
        let Some(tx) = Arc::into_inner(tx) else {
            // Cannot happen: `WriteTransaction` is not Clone, and the finished future has dropped the only one.
            return Err(Failed::NothingDone(
                StoreError::Unreadable("a transaction outlived its work").into(),
            ));
        };
        match done {
            Ok(value) => {
                let committed = tx.commit().await.map_err(StoreError::from);
                committed.map(|()| value).map_err(|error| match error {
                    // It may be committed although the answer is lost.
                    StoreError::Unavailable(_) => Failed::InDoubt(error.into()),
                    error => Failed::NothingDone(error.into()),
                })
            }
            Err(error) => {
                if let Err(rollback) = tx.rollback().await {
                    tracing::debug!(error = &rollback as &dyn std::error::Error, "rollback failed");
                }
                Err(Failed::NothingDone(error))
            }
        }
    }
}

/// Why a transaction was not acknowledged.
enum Failed<E> {
    /// And certainly did nothing.
    NothingDone(E),
    /// It may have been committed all the same.
    InDoubt(E),
}

/// A writing transaction in the hands of the work that [`Database::write`] runs. It is a `&DatabaseTransaction` to
/// whatever wants a connection.
#[derive(Debug)]
pub struct WriteTransaction(Arc<DatabaseTransaction>);

impl Deref for WriteTransaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.0
    }
}

/// An error of work in a transaction that may go away when the transaction begins again.
pub trait Retryable {
    /// Whether to begin again.
    fn is_retryable(&self) -> bool;

    /// Whether the database was away: a failover, after which another one answers, or a password that is about to arrive here.
    fn is_away(&self) -> bool;
}

impl Retryable for StoreError {
    fn is_retryable(&self) -> bool {
        Self::is_retryable(self)
    }

    fn is_away(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Login(_))
    }
}

fn options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false);
    options
}

/// SeaORM shows its URL in errors and spans, so it gets one that says nothing.
fn postgres(url: &SecretString, max_connections: u32) -> Result<ConnectOptions, StoreError> {
    let server = server(url)?;
    let mut options = options("postgres://", max_connections);
    options.map_sqlx_postgres_opts(move |_| server.clone());
    Ok(options)
}

fn server(url: &SecretString) -> Result<PgConnectOptions, StoreError> {
    let url = url.expose_secret();
    if !["postgres:", "postgresql:"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(StoreError::Url("it must begin with sqlite: or postgres:"));
    }
    let Ok(server) = url.parse::<PgConnectOptions>() else {
        return Err(StoreError::Url(
            "it must look like postgres://user:password@host:5432/database, with special characters percent-encoded",
        ));
    };
    Ok(server.statement_cache_capacity(256).disable_statement_logging())
}

/// The URL of a file holds no secret.
fn sqlite(url: &SecretString, max_connections: u32) -> ConnectOptions {
    let mut options = options(url.expose_secret(), max_connections);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .pragma("secure_delete", "ON") // what was deleted is overwritten, not only forgotten
    });
    options
}

/// Exponential, with full jitter: the writers that met do not meet again.
fn pause(attempt: u32) -> Duration {
    let most = FIRST_PAUSE_MS << attempt.min(7);
    Duration::from_millis(rand::random_range(1..=most))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Poll;

    use sea_orm::{ConnectionTrait as _, Statement};

    use super::*;
    use crate::store::testing::{TestDb, on_every_database, on_postgres};

    const SOON: Duration = Duration::from_secs(10);

    on_every_database! { a_begin_that_nobody_waits_for_leaves_no_transaction_open }

    async fn a_begin_that_nobody_waits_for_leaves_no_transaction_open(test: TestDb) {
        let one = Database::connect(&test.url, 1).await.unwrap();
        let mut abandoned = 0;
        // Where it is after so many steps depends on how fast the database was, so each is tried many times.
        for (reads, steps) in (0..200).map(|round| (round % 2 == 0, 1 + round / 2 % 4)) {
            let begin = async {
                let begun = if reads {
                    one.begin_read().await
                } else {
                    one.begin_write().await
                };
                begun.unwrap().rollback().await.unwrap();
            };
            if is_done_in(steps, begin).await {
                continue;
            }
            abandoned += 1;
            if one.backend() == DbBackend::Postgres {
                let closed = tokio::time::timeout(SOON, all_are_closed(&one, &test.db)).await;
                assert!(closed.is_ok(), "left open after {steps} steps");
            }
            let another = test.db.begin_write().await.unwrap(); // SQLite: nobody has the lock
            another.rollback().await.unwrap();
        }
        assert!(abandoned > 10, "abandoned {abandoned} times");
    }

    /// Waits until no connection of the database is left in a transaction.
    async fn all_are_closed(used: &Database, beside: &Database) {
        let open = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
        let open = || Statement::from_string(DbBackend::Postgres, open);
        loop {
            used.reader().ping().await.unwrap(); // whoever had the connection has given it back
            if beside.reader().query_all_raw(open()).await.unwrap().is_empty() {
                return;
            }
        }
    }

    /// Lets a future go so many steps, and says whether it came to its end.
    async fn is_done_in(steps: usize, future: impl Future) -> bool {
        let (mut future, mut left) = (pin!(future), steps);
        poll_fn(|context| {
            left -= 1;
            match future.as_mut().poll(context) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending if left == 0 => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    #[tokio::test]
    async fn no_error_shows_the_url_or_its_password() {
        for url in [
            "mysql://ada:hunter2@db/directory",
            "postgres://ada:hunter2@db:port/directory",
            "postgres://ada:hun/ter2@db/directory",
            "postgres://ada:hunter2@db/directory?sslmode=hunter2",
            "hunter2",
            "",
        ] {
            let refused = Database::connect(&url.to_owned().into(), 1).await.unwrap_err();

            assert!(matches!(refused, StoreError::Url(_)), "{refused:?}");
            let shown = format!("{refused:?} {refused}");
            assert!(!shown.contains("hun") && !shown.contains("ada"), "{shown}");
        }
    }

    #[test]
    fn a_changed_user_is_used_for_new_connections_and_another_database_is_not() {
        on_postgres(|db| async move {
            let url = db.url.expose_secret();
            let (_, place) = url.split_once('@').expect("the URL names a user");
            let role = format!("renewed_{}", uuid::Uuid::now_v7().simple());
            let administrator = Database::connect(&db.url, 1).await.unwrap();
            let roles = async |text: String| administrator.writer().execute_unprepared(&text).await.unwrap();
            roles(format!("CREATE ROLE {role} LOGIN")).await;
            let user = async |tx: &DatabaseTransaction| {
                let asked = Statement::from_string(DbBackend::Postgres, "SELECT current_user::text");
                let row = tx.query_one_raw(asked).await.unwrap().unwrap();
                row.try_get_by_index::<String>(0).unwrap()
            };
            let standing = db.db.begin_read().await.unwrap();

            for other in [
                format!("postgres://{role}@{place}_other"),
                "postgres://nobody@127.0.0.1:1/none".to_owned(),
                "sqlite:directory.db".to_owned(),
            ] {
                let refused = db.db.renew(&other.into());
                assert!(matches!(refused, Err(StoreError::Url(_))), "{refused:?}");
            }
            db.db.renew(&format!("postgres://{role}@{place}").into()).unwrap();

            // Those that stand go on; sooner or later one has to be opened.
            let mut taken = vec![db.db.begin_read().await.unwrap()];
            while user(taken.last().unwrap()).await != role {
                taken.push(db.db.begin_read().await.unwrap());
            }
            assert_ne!(user(&standing).await, role);
            drop((taken, standing));
            roles(format!("DROP ROLE {role}")).await;
            administrator.close().await.unwrap();
        });
    }

    /// Ends the server's side of a transaction as an operator, or a failover, would.
    async fn end_the_connection_of(tx: &DatabaseTransaction, db: &TestDb) {
        let asked = Statement::from_string(DbBackend::Postgres, "SELECT pg_backend_pid()");
        let row = tx.query_one_raw(asked).await.unwrap().unwrap();
        let pid: i32 = row.try_get_by_index(0).unwrap();
        // Waits until it is gone, for ten seconds at most.
        db.sql(&format!("SELECT pg_terminate_backend({pid}, 10000)")).await;
    }

    #[test]
    fn what_a_failover_breaks_off_before_the_commit_begins_again_and_what_may_be_committed_does_not() {
        on_postgres(|db| async move {
            let attempts = AtomicU32::new(0);
            let written = db.db.write(|tx| {
                let (attempts, db) = (&attempts, &db);
                async move {
                    if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                        end_the_connection_of(&tx, db).await;
                    }
                    tx.execute_unprepared("SELECT 1").await?;
                    Ok::<_, StoreError>(())
                }
            });
            written.await.unwrap();
            assert_eq!(attempts.load(Ordering::Relaxed), 2);

            attempts.store(0, Ordering::Relaxed);
            let in_doubt = db.db.write(|tx| {
                let (attempts, db) = (&attempts, &db);
                async move {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    end_the_connection_of(&tx, db).await;
                    Ok::<_, StoreError>(())
                }
            });
            let refused = in_doubt.await.unwrap_err();
            assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
            assert_eq!(attempts.load(Ordering::Relaxed), 1);
        });
    }

    #[tokio::test]
    async fn the_pool_tells_what_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("directory.db").display()).into();
        let db = Database::connect(&url, 3).await.unwrap();
        let mut taken = [db.acquire().await.unwrap(), db.acquire().await.unwrap()];
        taken[1].ping().await.unwrap();

        assert!(
            (2..=3).contains(&db.pool().used),
            "the writer may still be on its way back"
        );
        drop(taken);
        while db.pool().used > 0 {
            tokio::task::yield_now().await;
        }
        assert!(db.pool().idle >= 2);
    }

    #[test]
    fn what_sea_orm_is_told_does_not_show_the_password() {
        let options = postgres(&"postgres://ada:hunter2@db/directory".to_owned().into(), 1).unwrap();

        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
