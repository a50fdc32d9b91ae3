//! The table `extension_values`: who has a value of which extension attribute or sub-attribute. `value_key` is what makes the
//! row unique: the value, with a `=` in front, if no other resource may have it, else the owner's id.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "extension_values")]
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
