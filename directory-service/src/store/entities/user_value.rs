//! The table `user_values`: the filter index of the multi-valued attributes in `users.document`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_values")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attribute: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    pub value_key: Option<String>,
    pub email_key: Option<String>,
    pub display_key: Option<String>,
    pub type_key: Option<String>,
    pub is_primary: Option<bool>,
    pub formatted_key: Option<String>,
    pub street_address_key: Option<String>,
    pub locality_key: Option<String>,
    pub region_key: Option<String>,
    pub postal_code_key: Option<String>,
    pub country_key: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
