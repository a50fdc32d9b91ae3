//! Rows of a tenant, for tests of its removal.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use uuid::Uuid;

use crate::domain::id::TenantId;
use crate::store::Database;

/// How many rows a table has.
pub(crate) async fn count(db: &Database, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let row = db
        .reader()
        .query_one_raw(Statement::from_string(db.backend(), sql))
        .await
        .unwrap()
        .unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Users, and a group of which they are members.
pub(crate) async fn fill(db: &Database, tenant: TenantId, users: u32) {
    let backend = db.backend();
    let id = |uuid: Uuid| match backend {
        DbBackend::Postgres => format!("'{uuid}'"),
        _ => format!("x'{}'", uuid.simple()),
    };
    let (tenant, group) = (id(tenant.uuid()), id(Uuid::now_v7()));
    let insert = |sql: String| async move { db.writer().execute_unprepared(&sql).await.unwrap() };
    insert(format!(
        "INSERT INTO groups (tenant_id, id, version, created_us, updated_us, display_name, display_name_key) \
         VALUES ({tenant}, {group}, 1, 0, 0, 'g', 'g')"
    ))
    .await;
    for number in 0..users {
        let user = id(Uuid::now_v7());
        insert(format!(
            "INSERT INTO users (tenant_id, id, version, created_us, updated_us, user_name, user_name_key, document, \
             search_keys) VALUES ({tenant}, {user}, 1, 0, 0, 'u{number}', 'u{number}', '{{}}', '{{}}')"
        ))
        .await;
        insert(format!(
            "INSERT INTO memberships (tenant_id, group_id, user_id, created_us) VALUES ({tenant}, {group}, {user}, 0)"
        ))
        .await;
    }
}
