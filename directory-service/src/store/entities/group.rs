//! The table `groups`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "groups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub created_us: i64,
    pub updated_us: i64,
    pub display_name: String,
    pub display_name_key: String,
    pub external_id: Option<String>,
    pub external_id_key: String,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub extensions: Option<Json>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub extension_keys: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}
