//! The life of a user: settings of a tenant, activation, the outbox of mails, and refused disables.
//!
//! Every new column may be null or has a default, so a release that does not know them goes on writing. Users who are there
//! already are mailed nothing: `activation_mail` 1 is NOT_WANTED.

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
            // Changing a table waits for everybody who uses it, and everybody else waits behind: not for long.
            let connection = manager.get_connection();
            connection.execute_unprepared("SET LOCAL lock_timeout = '3s'").await?;
        }
        for column in tenant_columns() {
            add_column(manager, "tenants", column).await?;
        }
        for column in user_columns(backend) {
            add_column(manager, "users", column).await?;
        }
        manager.create_table(mails()).await?;
        manager.create_table(refused_disables(backend)).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

async fn add_column(manager: &SchemaManager<'_>, table: &'static str, column: ColumnDef) -> Result<(), DbErr> {
    let mut alter = Table::alter();
    alter.table(table).add_column(column);
    manager.alter_table(alter).await
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
}

fn tenant_columns() -> [ColumnDef; 9] {
    [
        col("activation_email_on_creation")
            .boolean()
            .not_null()
            .default(true)
            .take(),
        col("default_language").text().not_null().default("en").take(),
        col("on_group_deletion").small_integer().not_null().default(1).take(),
        col("administrator_block_yields_to_source")
            .boolean()
            .not_null()
            .default(false)
            .take(),
        col("activation_validity_days")
            .small_integer()
            .not_null()
            .default(21)
            .take(),
        col("activation_url_template").text().take(),
        col("mail_sender_name").text().take(),
        col("mails_per_minute").small_integer().not_null().default(600).take(),
        col("next_mail_us").big_integer().not_null().default(0).take(),
    ]
}

fn user_columns(backend: DbBackend) -> [ColumnDef; 9] {
    [
        col("activation_status").small_integer().not_null().default(1).take(),
        col("activation_mail").small_integer().not_null().default(1).take(),
        col("activation_code_number").big_integer().not_null().default(0).take(),
        col("activation_expires_us").big_integer().take(),
        col("activated_us").big_integer().take(),
        col("activation_wrong_codes").integer().not_null().default(0).take(),
        col("activation_paused_until_us").big_integer().take(),
        col("activation_asked_us").big_integer().take(),
        key("language_key", backend),
    ]
}

/// Text that is compared as bytes.
fn key(name: &'static str, backend: DbBackend) -> ColumnDef {
    let mut column = col(name).text().take();
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

fn of_user(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table, ("tenant_id", "user_id"))
        .to("users", ("tenant_id", "id"))
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

/// One row a user: a second mail takes the place of the first, so nobody is mailed twice.
fn mails() -> TableCreateStatement {
    let number = |name: &'static str| col(name).big_integer().not_null().take();
    Table::create()
        .table("mails")
        .col(col("tenant_id").uuid().not_null())
        .col(col("user_id").uuid().not_null())
        .col(number("code_number"))
        .col(col("state").small_integer().not_null())
        .col(number("queued_us"))
        .col(number("due_us"))
        .col(number("fence"))
        .col(col("attempts").integer().not_null())
        .col(col("first_attempt_us").big_integer())
        .col(col("failure").text())
        .col(col("ended_us").big_integer())
        .primary_key(Index::create().col("tenant_id").col("user_id"))
        .foreign_key(&mut of_user("mails"))
        .take()
}

fn refused_disables(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("refused_disables")
        .col(col("tenant_id").uuid().not_null())
        .col(col("user_id").uuid().not_null())
        .col(col("id").uuid().not_null())
        .col(col("at_us").big_integer().not_null())
        .col(key("actor_token", backend).not_null())
        .col(col("request_id").text())
        .col(col("reason").text().not_null())
        .col(col("attribute").text().not_null())
        .primary_key(Index::create().col("tenant_id").col("user_id").col("id"))
        .foreign_key(&mut of_user("refused_disables"))
        .take()
}

fn indexes() -> [IndexCreateStatement; 5] {
    [
        // The queue of the workers: what waits, and whose.
        Index::create()
            .name("mails_waiting")
            .table("mails")
            .col("tenant_id")
            .col("due_us")
            .and_where(Expr::col("state").eq(1))
            .take(),
        // What cannot be delivered: few, among everything that was sent.
        Index::create()
            .name("mails_parked")
            .table("mails")
            .col("tenant_id")
            .col("user_id")
            .and_where(Expr::col("state").eq(2))
            .take(),
        // The codes that expire, of all tenants.
        Index::create()
            .name("users_activation_expires")
            .table("users")
            .col("activation_expires_us")
            .and_where(Expr::col("activation_status").eq(2))
            .take(),
        // Whom the deletion of one group blocked.
        Index::create()
            .name("users_group_deleted")
            .table("users")
            .col("tenant_id")
            .col("group_deleted_group_id")
            .and_where(Expr::col("group_deleted_group_id").is_not_null())
            .take(),
        // What happened to one resource.
        Index::create()
            .name("changes_of_resource")
            .table("changes")
            .col("tenant_id")
            .col("resource_id")
            .col("insertion_order")
            .take(),
    ]
}
