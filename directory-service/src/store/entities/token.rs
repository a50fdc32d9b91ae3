//! The table `tokens`. The look-up by `id` is the one query that does not lead with a tenant.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub tenant_id: Option<Uuid>,
    pub name: String,
    pub secret_hash: Vec<u8>,
    pub scopes: i32,
    pub source: Option<String>,
    pub created_us: i64,
    pub expires_us: Option<i64>,
    pub last_used_us: Option<i64>,
    pub revoked_us: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
