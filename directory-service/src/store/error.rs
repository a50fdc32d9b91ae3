//! What can go wrong in the database, by what a use case can do about it.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// A failure of the database. Its text names no values: those would be personal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique constraint refused the row: the name is taken.
    #[error("a unique constraint refused the row")]
    Taken,
    /// The row moved on or is gone, or rows appeared that were not locked: begin again.
    #[error("the rows changed while they were read")]
    Stale,
    /// The database gave up this transaction for another one: begin again.
    #[error("the database could not serialize the transaction")]
    Conflict(#[source] DbErr),
    /// The database's URL is no such thing. The text is the rule, never the URL: it may hold a password.
    #[error("the database URL cannot be used: {0}")]
    Url(&'static str),
    /// The database cannot be reached, or has no connection left.
    #[error("the database does not answer")]
    Unavailable(#[source] DbErr),
    /// The database refuses the user or the password. At the start somebody has to mend that; later it may be that a password was
    /// changed there, and not here yet.
    #[error("the database refuses the user or the password of its URL")]
    Login(#[source] DbErr),
    /// A row holds what this program never writes.
    #[error("a row cannot be read: {0}")]
    Unreadable(&'static str),
    /// Everything else.
    #[error("the database refused a statement")]
    Database(#[source] DbErr),
}

/// PostgreSQL: serialization failure, deadlock, lock timeout. SQLite: BUSY and its extended codes.
const CONFLICT: &[&str] = &["40001", "40P01", "55P03", "5", "6", "261", "262", "517", "773"];
/// PostgreSQL: too many connections, shutting down, crashed, starting up, read-only after a failover.
const UNAVAILABLE: &[&str] = &["53300", "57P01", "57P02", "57P03", "25006"];
/// PostgreSQL: a wrong password, and a role that may not log in.
const LOGIN: &[&str] = &["28P01", "28000"];

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => return Self::Taken,
            // What the row refers to went away after it was looked up: a fresh look tells so.
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => return Self::Stale,
            Some(_) | None => {}
        }
        let (DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause))
        | DbErr::Conn(RuntimeErr::SqlxError(cause))) = &error
        else {
            return match error {
                DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error),
                error => Self::Database(error),
            };
        };
        let code = cause.as_database_error().and_then(|database| database.code());
        match code.as_deref() {
            Some(code) if CONFLICT.contains(&code) => Self::Conflict(error),
            Some(code) if UNAVAILABLE.contains(&code) || code.starts_with("08") => Self::Unavailable(error),
            Some(code) if LOGIN.contains(&code) => Self::Login(error),
            Some(_) => Self::Database(error),
            None if is_transport(cause) => Self::Unavailable(error),
            None => Self::Database(error),
        }
    }
}

fn is_transport(cause: &sea_orm::sqlx::Error) -> bool {
    use sea_orm::sqlx::Error as E;
    matches!(
        cause,
        E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::Protocol(_)
    )
}

impl StoreError {
    /// Whether the same transaction may succeed when it begins again.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Stale)
    }
}
