//! The table `tenants`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub slug: String,
    pub display_name: String,
    pub provisioning_source: String,
    pub strict_patch: bool,
    pub version: i64,
    pub created_us: i64,
    pub fold_version: i32,
}

impl ActiveModelBehavior for ActiveModel {}
