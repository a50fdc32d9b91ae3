//! The table `mails`: the activation mail of a user, by ids only.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mails")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    pub code_number: i64,
    pub state: i16,
    pub queued_us: i64,
    /// From when on it may be claimed: the next attempt, or the end of the lease of the one that goes on.
    pub due_us: i64,
    pub fence: i64,
    pub attempts: i32,
    pub first_attempt_us: Option<i64>,
    pub failure: Option<String>,
    pub ended_us: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
