//! The table `unique_values`: the values of extension attributes that may stand only once.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "unique_values")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attribute_key: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub value_key: String,
    pub user_id: Option<Uuid>,
    pub group_id: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
