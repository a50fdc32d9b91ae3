//! Databases in another state than the newest, for tests.

use sea_orm::{ConnectionTrait as _, DbBackend};
use sea_orm_migration::MigratorTrait as _;

use crate::store::Database;
use crate::store::migrations::Migrator;

/// The names of this program's migrations.
pub(crate) fn known() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}

/// Takes every table away.
pub(crate) async fn empty(db: &Database) {
    let conn = db.writer();
    for table in [
        "refused_disables",
        "mails",
        "extension_values",
        "extension_schemas",
        "memberships",
        "groups",
        "user_values",
        "users",
        "changes",
        "tombstones",
        "tokens",
        "tenants",
    ] {
        conn.execute_unprepared(&format!("DROP TABLE {table}")).await.unwrap();
    }
    if db.backend() == DbBackend::Postgres {
        conn.execute_unprepared("DROP SEQUENCE changes_insertion_order")
            .await
            .unwrap();
    }
    conn.execute_unprepared("DROP TABLE seaql_migrations").await.unwrap();
}

/// Adds the record of a migration that only a later release knows.
pub(crate) async fn pretend_later(db: &Database) {
    let later = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)";
    db.writer().execute_unprepared(later).await.unwrap();
}
