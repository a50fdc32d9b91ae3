//! The table `users`: hot singular attributes as columns, every other spelling in `document`, its keys in `search_keys`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub created_us: i64,
    pub updated_us: i64,
    pub user_name: String,
    pub user_name_key: String,
    pub external_id: Option<String>,
    pub display_name_key: Option<String>,
    pub employee_number_key: Option<String>,
    pub manager_id: Option<Uuid>,
    pub provisioning_since_us: Option<i64>,
    pub provisioning_actor: Option<String>,
    pub group_deleted_since_us: Option<i64>,
    pub group_deleted_actor: Option<String>,
    pub group_deleted_group_id: Option<Uuid>,
    pub group_deleted_group_name: Option<String>,
    pub administrator_since_us: Option<i64>,
    pub administrator_actor: Option<String>,
    pub activation_status: i16,
    pub activation_mail: i16,
    pub activation_code_number: i64,
    pub activation_expires_us: Option<i64>,
    pub activated_us: Option<i64>,
    pub activation_wrong_codes: i32,
    pub activation_paused_until_us: Option<i64>,
    pub activation_asked_us: Option<i64>,
    /// The key of the language that the source prefers for the user.
    pub language_key: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub document: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub search_keys: Json,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub extensions: Option<Json>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub extension_keys: Option<Json>,
}

impl ActiveModelBehavior for ActiveModel {}
