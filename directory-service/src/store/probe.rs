//! Whether the database answers, and closing it.

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{Connection as _, Postgres, Sqlite};
use sea_orm::{DbBackend, DbErr, RuntimeErr};

use super::connect::Database;
use super::error::StoreError;

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
