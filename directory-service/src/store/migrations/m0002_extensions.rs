//! Extension schemas: their definitions, the values of users and groups, and who has a value of which attribute.
//!
//! Values and their search keys have columns of their own, which may be null: a release that does not know them leaves
//! them alone, and a write that does not name them does not write them again.
//!
//! To add such columns is quick on PostgreSQL, however large the table: no row is touched. But it takes a lock that nobody
//! shares, until the transaction ends. Whoever uses the table is waited for, and everybody who comes later waits behind the
//! migration: not for long, so it gives up after 3 seconds, and `store::schema` tries again. All of it is one transaction, so
//! that to try again is to begin again. Groups come before users, as in every transaction that writes both: who has begun with
//! the groups finds the users free.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

/// The migration.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        if backend == DbBackend::Postgres {
            let connection = manager.get_connection();
            connection.execute_unprepared("SET LOCAL lock_timeout = '3s'").await?;
        }
        for table in ["groups", "users"] {
            for column in ["extensions", "extension_keys"] {
                let mut alter = Table::alter();
                alter.table(table).add_column(col(column).json_binary());
                manager.alter_table(alter).await?;
            }
        }
        manager.create_table(extension_schemas(backend)).await?;
        manager.create_table(extension_values(backend)).await?;
        for (name, column) in [
            ("extension_values_of_user", "user_id"),
            ("extension_values_of_group", "group_id"),
        ] {
            let mut index = Index::create();
            index.name(name).table("extension_values").col("tenant_id").col(column);
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
}

/// Text that is compared as bytes.
fn key(name: &'static str, backend: DbBackend) -> ColumnDef {
    let mut column = col(name).text().not_null().take();
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

fn extension_schemas(backend: DbBackend) -> TableCreateStatement {
    let mut tenant = ForeignKey::create();
    tenant.from("extension_schemas", "tenant_id").to("tenants", "id");
    Table::create()
        .table("extension_schemas")
        .col(col("tenant_id").uuid().not_null())
        .col(key("urn_key", backend))
        .col(col("definition").json_binary().not_null())
        .col(col("created_us").big_integer().not_null())
        .col(col("updated_us").big_integer().not_null())
        .primary_key(Index::create().col("tenant_id").col("urn_key"))
        .foreign_key(tenant.on_delete(ForeignKeyAction::Cascade))
        .take()
}

/// The attribute's key begins with its URN, which belongs to one type of resource. Either a user or a group has the value,
/// and takes it along when it is deleted.
fn extension_values(backend: DbBackend) -> TableCreateStatement {
    let owner = |column: &'static str, table: &'static str| {
        let mut owner = ForeignKey::create();
        owner
            .from("extension_values", ("tenant_id", column))
            .to(table, ("tenant_id", "id"))
            .on_delete(ForeignKeyAction::Cascade)
            .take()
    };
    Table::create()
        .table("extension_values")
        .col(col("tenant_id").uuid().not_null())
        .col(key("attribute_key", backend))
        .col(key("value_key", backend))
        .col(col("user_id").uuid())
        .col(col("group_id").uuid())
        .primary_key(Index::create().col("tenant_id").col("attribute_key").col("value_key"))
        .foreign_key(&mut owner("user_id", "users"))
        .foreign_key(&mut owner("group_id", "groups"))
        .check(Expr::cust("(user_id IS NULL) <> (group_id IS NULL)"))
        .take()
}
