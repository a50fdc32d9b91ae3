//! The table `extension_schemas`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "extension_schemas")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub urn_key: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: Json,
    pub created_us: i64,
    pub updated_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
