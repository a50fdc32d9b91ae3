//! Which migrations a database has, and applying those that are missing, one process at a time.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _, QueryOrder as _, Statement};
use sea_orm_migration::{MigratorTrait as _, SchemaManager, seaql_migrations};
use tokio::time::Instant;

use super::connect::Database;
use super::error::StoreError;
use super::migrations::Migrator;

const TABLE: &str = "seaql_migrations";
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The connections that migrating needs: one holds the lock, one migrates.
pub const CONNECTIONS: u32 = 2;

/// A database's migrations, seen from this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Applied and known here, in their order.
    pub applied: Vec<String>,
    /// Known here and not applied, in their order.
    pub pending: Vec<String>,
    /// Applied by a later release. Schemas are only ever extended before they are used, so it fits this one too.
    pub newer: Vec<String>,
}

impl Schema {
    /// What a database has in which nothing was made yet.
    pub fn of_an_empty_database() -> Self {
        Self {
            applied: Vec::new(),
            pending: names(),
            newer: Vec::new(),
        }
    }

    /// Whether this program can work with it.
    pub fn fits(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many migrations are applied.
    pub fn version(&self) -> u64 {
        (self.applied.len() + self.newer.len()) as u64
    }
}

/// Why a schema was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process held the lock all the time.
    #[error(
        "another process has been migrating this database for {} seconds; look for a `directory-service migrate up` \
         that hangs (in PostgreSQL: SELECT * FROM pg_locks WHERE locktype = 'advisory')",
        .0.as_secs()
    )]
    Locked(Duration),
    /// Other transactions used a table all the time that a migration changes.
    #[error(
        "a table could not be changed for {} seconds, because other transactions use it; wait for the long ones or end \
         them (in PostgreSQL: SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start), then migrate again",
        .0.as_secs()
    )]
    InUse(Duration),
}

/// The migrations that this program knows, in their order.
fn names() -> Vec<String> {
    let known = Migrator::migrations();
    known.iter().map(|migration| migration.name().to_owned()).collect()
}

/// Reads which migrations are applied, and changes nothing.
///
/// # Errors
/// Those of the database.
pub async fn read<C: ConnectionTrait + Sync>(conn: &C) -> Result<Schema, StoreError>
where
    for<'c> &'c C: sea_orm_migration::IntoSchemaManagerConnection<'c>,
{
    let known = names();
    let mut in_database = Vec::new();
    if SchemaManager::new(conn).has_table(TABLE).await? {
        let rows = seaql_migrations::Entity::find()
            .order_by_asc(seaql_migrations::Column::Version)
            .all(conn)
            .await?;
        in_database = rows.into_iter().map(|row| row.version).collect();
    }
    let newer = in_database
        .iter()
        .filter(|name| !known.contains(name))
        .cloned()
        .collect();
    let (applied, pending) = known.into_iter().partition(|name| in_database.contains(name));
    Ok(Schema {
        applied,
        pending,
        newer,
    })
}

/// Applies what is pending. Of several processes one migrates and the others wait, at most `patience`.
///
/// # Errors
/// [`SchemaError::Locked`] or [`SchemaError::InUse`] after that, and those of the database.
pub async fn migrate(db: &Database, patience: Duration) -> Result<Schema, SchemaError> {
    let tx = db.begin_write().await?;
    match db.backend() {
        DbBackend::Postgres => {
            // The lock lives as long as this transaction, also behind a pooler; another connection migrates.
            lock(&tx, patience).await?;
            if !read(&tx).await?.fits() {
                apply(db, patience).await?;
            }
        }
        _ => {
            // SQLite: the transaction is IMMEDIATE, which is the lock.
            if !read(&tx).await?.fits() {
                Migrator::up(&tx, None).await.map_err(StoreError::from)?;
            }
        }
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(read(db.reader()).await?)
}

/// Migrations do not wait long for a lock, so that others need not wait long behind them; they try again instead.
async fn apply(db: &Database, patience: Duration) -> Result<(), SchemaError> {
    let begin = Instant::now();
    loop {
        match Migrator::up(db.writer(), None).await.map_err(StoreError::from) {
            Err(StoreError::Conflict(_)) if begin.elapsed() >= patience => return Err(SchemaError::InUse(patience)),
            Err(StoreError::Conflict(_)) => tokio::time::sleep(TRY_AGAIN).await,
            outcome => return Ok(outcome?),
        }
    }
}

async fn lock(tx: &DatabaseTransaction, patience: Duration) -> Result<(), SchemaError> {
    // SeaORM knows no advisory locks.
    let attempt = "SELECT pg_try_advisory_xact_lock(hashtextextended('rollcall migrations', 0))";
    let begin = Instant::now();
    let mut told = false;
    loop {
        let row = tx
            .query_one_raw(Statement::from_string(DbBackend::Postgres, attempt))
            .await;
        let row = row
            .map_err(StoreError::from)?
            .ok_or(StoreError::Unreadable("a lock gave no answer"))?;
        if row.try_get_by_index::<bool>(0).map_err(StoreError::from)? {
            return Ok(());
        }
        if begin.elapsed() >= patience {
            return Err(SchemaError::Locked(patience));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!("waiting for another process that migrates the database");
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
