//! The table `refused_disables`: refused requests that held the source's word that a user is not active.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refused_disables")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at_us: i64,
    pub actor_token: String,
    pub request_id: Option<String>,
    pub reason: String,
    pub attribute: String,
}

impl ActiveModelBehavior for ActiveModel {}
