//! The table `changes`: one row per change record, in the order of insertion.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "changes")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub insertion_order: i64,
    pub tenant_id: Uuid,
    pub sequence: Option<i64>,
    pub at_us: i64,
    pub kind: i16,
    pub resource_kind: i16,
    pub resource_id: Uuid,
    pub resource_version: i64,
    pub actor_token: String,
    pub actor_source: Option<String>,
    pub request_id: Option<String>,
    pub trace_id: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub attributes: Json,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub member_ids: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}
