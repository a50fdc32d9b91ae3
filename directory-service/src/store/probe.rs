//! Whether the database answers, and closing it.

use std::time::Duration;

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{Connection as _, Postgres, Sqlite};
use sea_orm::{DbBackend, DbErr, RuntimeErr};
use tokio::time::timeout;

use super::connect::Database;
use super::error::StoreError;

/// Waits so long for work that no caller's deadline ends.
const PATIENCE: Duration = Duration::from_secs(15);

/// Gives work up that the database does not answer in time. A connection can fall silent for ever; whoever works beside the
/// calls would wait as long.
///
/// # Errors
/// [`StoreError::Unavailable`], and those of the work.
pub async fn in_time<T, E: From<StoreError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let done = timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(StoreError::Unavailable(DbErr::Custom("no answer in time".to_owned())).into()))
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Those that wait to be used.
    pub idle: u64,
    /// Those in use.
    pub used: u64,
}

/// A connection that was taken from the pool, and goes back when it is dropped.
#[derive(Debug)]
pub enum Acquired {
    /// Of SQLite's readers.
    Sqlite(PoolConnection<Sqlite>),
    /// Of PostgreSQL.
    Postgres(PoolConnection<Postgres>),
}

impl Acquired {
    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&mut self) -> Result<(), StoreError> {
        let answered = match self {
            Self::Sqlite(connection) => connection.ping().await,
            Self::Postgres(connection) => connection.ping().await,
        };
        answered.map_err(failed)
    }
}

fn failed(error: sea_orm::sqlx::Error) -> StoreError {
    DbErr::Conn(RuntimeErr::SqlxError(error.into())).into()
}

impl Database {
    /// Takes a connection of those that read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn acquire(&self) -> Result<Acquired, StoreError> {
        match self.backend() {
            DbBackend::Postgres => {
                let connection = self.reader().get_postgres_connection_pool().acquire().await;
                connection.map(Acquired::Postgres).map_err(failed)
            }
            _ => {
                let connection = self.reader().get_sqlite_connection_pool().acquire().await;
                connection.map(Acquired::Sqlite).map_err(failed)
            }
        }
    }

    /// How many connections there are, of SQLite's writer, too.
    pub fn pool(&self) -> Pool {
        let of = |size: u32, idle: usize| Pool {
            idle: idle as u64,
            used: u64::from(size).saturating_sub(idle as u64),
        };
        if self.backend() == DbBackend::Postgres {
            let pool = self.reader().get_postgres_connection_pool();
            return of(pool.size(), pool.num_idle());
        }
        let [reader, writer] = [self.reader(), self.writer()].map(|pool| {
            let pool = pool.get_sqlite_connection_pool();
            of(pool.size(), pool.num_idle())
        });
        Pool {
            idle: reader.idle + writer.idle,
            used: reader.used + writer.used,
        }
    }

    /// Closes every connection, after what is under way.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.writer().close_by_ref().await?;
        Ok(self.reader().close_by_ref().await?)
    }
}
