//! The schema's history: one file per migration, append-only, each run on SQLite and on PostgreSQL.

use sea_orm_migration::prelude::*;

mod m0001_directory;
mod m0002_extensions;
mod m0003_lifecycle;

/// Runs the migrations.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_directory::Migration),
            Box::new(m0002_extensions::Migration),
            Box::new(m0003_lifecycle::Migration),
        ]
    }
}
