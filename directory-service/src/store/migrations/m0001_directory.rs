//! The first schema: tenants, tokens, users, groups, memberships, change records and tombstones.
//!
//! Keys of text are `COLLATE "C"` on PostgreSQL: they are compared as bytes, as SQLite does. Every key leads with the
//! tenant, so that tables can be distributed by it; `changes` on SQLite is the exception (a rowid is what
//! AUTOINCREMENT needs), and a single file is distributed nowhere.

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
        for table in [tenants(backend), tokens(backend), users(backend), user_values(backend)] {
            manager.create_table(table).await?;
        }
        for table in [groups(backend), memberships(), tombstones(backend)] {
            manager.create_table(table).await?;
        }
        create_changes(manager).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
}

fn uuid(name: &'static str) -> ColumnDef {
    col(name).uuid().not_null().take()
}

fn number(name: &'static str) -> ColumnDef {
    col(name).big_integer().not_null().take()
}

/// Text that is compared as bytes.
fn key(name: &'static str, backend: DbBackend) -> ColumnDef {
    let mut column = col(name).text().take();
    if backend == DbBackend::Postgres {
        column.extra("COLLATE \"C\"");
    }
    column
}

fn tenants(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("tenants")
        .col(col("id").uuid().not_null().primary_key())
        .col(key("slug", backend).not_null().unique_key())
        .col(col("display_name").text().not_null())
        .col(col("provisioning_source").text().not_null())
        .col(col("strict_patch").boolean().not_null())
        .col(number("version"))
        .col(number("created_us"))
        .col(col("fold_version").integer().not_null())
        .take()
}

fn tokens(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("tokens")
        .col(key("id", backend).not_null().primary_key())
        .col(col("tenant_id").uuid())
        .col(col("name").text().not_null())
        .col(col("secret_hash").binary().not_null())
        .col(col("scopes").integer().not_null())
        .col(col("source").text())
        .col(number("created_us"))
        .col(col("expires_us").big_integer())
        .col(col("last_used_us").big_integer())
        .col(col("revoked_us").big_integer())
        .foreign_key(tenant_of("tokens").on_delete(ForeignKeyAction::Cascade))
        .take()
}

fn tenant_of(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(table, "tenant_id").to("tenants", "id").take()
}

fn users(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(uuid("tenant_id"))
        .col(uuid("id"))
        .col(number("version"))
        .col(number("created_us"))
        .col(number("updated_us"))
        .col(col("user_name").text().not_null())
        .col(key("user_name_key", backend).not_null())
        .col(key("external_id", backend))
        .col(key("display_name_key", backend))
        .col(key("employee_number_key", backend))
        .col(col("manager_id").uuid())
        .col(col("provisioning_since_us").big_integer())
        .col(key("provisioning_actor", backend))
        .col(col("group_deleted_since_us").big_integer())
        .col(key("group_deleted_actor", backend))
        .col(col("group_deleted_group_id").uuid())
        .col(col("group_deleted_group_name").text())
        .col(col("administrator_since_us").big_integer())
        .col(key("administrator_actor", backend))
        .col(col("document").json_binary().not_null())
        .col(col("search_keys").json_binary().not_null())
        .primary_key(Index::create().col("tenant_id").col("id"))
        .foreign_key(&mut tenant_of("users"))
        .take()
}

fn user_values(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("user_values")
        .col(uuid("tenant_id"))
        .col(uuid("user_id"))
        .col(col("attribute").small_integer().not_null())
        .col(col("position").integer().not_null())
        .col(key("value_key", backend))
        .col(key("email_key", backend))
        .col(key("display_key", backend))
        .col(key("type_key", backend))
        .col(col("is_primary").boolean())
        .col(key("formatted_key", backend))
        .col(key("street_address_key", backend))
        .col(key("locality_key", backend))
        .col(key("region_key", backend))
        .col(key("postal_code_key", backend))
        .col(key("country_key", backend))
        .primary_key(
            Index::create()
                .col("tenant_id")
                .col("user_id")
                .col("attribute")
                .col("position"),
        )
        .foreign_key(user_of("user_values").on_delete(ForeignKeyAction::Cascade))
        .take()
}

fn user_of(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table, ("tenant_id", "user_id"))
        .to("users", ("tenant_id", "id"))
        .take()
}

fn groups(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("groups")
        .col(uuid("tenant_id"))
        .col(uuid("id"))
        .col(number("version"))
        .col(number("created_us"))
        .col(number("updated_us"))
        .col(col("display_name").text().not_null())
        .col(key("display_name_key", backend).not_null())
        .col(key("external_id", backend))
        .col(key("external_id_key", backend).not_null().default(""))
        .primary_key(Index::create().col("tenant_id").col("id"))
        .foreign_key(&mut tenant_of("groups"))
        .take()
}

fn memberships() -> TableCreateStatement {
    let mut group = ForeignKey::create();
    group
        .from("memberships", ("tenant_id", "group_id"))
        .to("groups", ("tenant_id", "id"));
    Table::create()
        .table("memberships")
        .col(uuid("tenant_id"))
        .col(uuid("group_id"))
        .col(uuid("user_id"))
        .col(number("created_us"))
        .primary_key(Index::create().col("tenant_id").col("group_id").col("user_id"))
        .foreign_key(group.on_delete(ForeignKeyAction::Restrict))
        .foreign_key(user_of("memberships").on_delete(ForeignKeyAction::Restrict))
        .take()
}

fn tombstones(backend: DbBackend) -> TableCreateStatement {
    Table::create()
        .table("tombstones")
        .col(uuid("tenant_id"))
        .col(uuid("id"))
        .col(col("kind").small_integer().not_null())
        .col(number("deleted_us"))
        .col(key("actor_token", backend).not_null())
        .primary_key(Index::create().col("tenant_id").col("id"))
        .foreign_key(tenant_of("tombstones").on_delete(ForeignKeyAction::Cascade))
        .take()
}

/// `insertion_order` comes from the database: ids that are ordered by time invert between replicas.
async fn create_changes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    let mut table = Table::create();
    table.table("changes");
    if backend == DbBackend::Postgres {
        // SeaQuery has no sequences. CACHE 1: a cached range would be handed out of order by several connections.
        let sequence = "CREATE SEQUENCE changes_insertion_order CACHE 1";
        manager.get_connection().execute_unprepared(sequence).await?;
        table
            .col(number("insertion_order").default(Expr::cust("nextval('changes_insertion_order')")))
            .primary_key(Index::create().col("tenant_id").col("insertion_order"));
    } else {
        table.col(
            col("insertion_order")
                .integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        );
    }
    table
        .col(uuid("tenant_id"))
        .col(col("sequence").big_integer())
        .col(number("at_us"))
        .col(col("kind").small_integer().not_null())
        .col(col("resource_kind").small_integer().not_null())
        .col(uuid("resource_id"))
        .col(number("resource_version"))
        .col(key("actor_token", backend).not_null())
        .col(col("actor_source").text())
        .col(col("request_id").text())
        .col(col("trace_id").text())
        .col(col("attributes").json_binary().not_null())
        .col(col("member_ids").json_binary())
        .foreign_key(tenant_of("changes").on_delete(ForeignKeyAction::Cascade));
    manager.create_table(table).await
}

fn index(table: &'static str, name: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(*column);
    }
    index
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("tokens", "tokens_of_tenant", &["tenant_id", "id"]),
        index("users", "users_user_name", &["tenant_id", "user_name_key"])
            .unique()
            .take(),
        index("users", "users_external_id", &["tenant_id", "external_id"]),
        index("users", "users_display_name", &["tenant_id", "display_name_key"]),
        index("users", "users_employee_number", &["tenant_id", "employee_number_key"]),
        index("users", "users_updated", &["tenant_id", "updated_us", "id"]),
        index("users", "users_created", &["tenant_id", "created_us", "id"]),
        index("user_values", "user_values_email", &["tenant_id", "email_key"]),
        index(
            "groups",
            "groups_name",
            &["tenant_id", "display_name_key", "external_id_key"],
        )
        .unique()
        .take(),
        index("groups", "groups_external_id", &["tenant_id", "external_id"]),
        index("groups", "groups_updated", &["tenant_id", "updated_us", "id"]),
        index(
            "memberships",
            "memberships_of_user",
            &["tenant_id", "user_id", "group_id"],
        ),
    ]
}
