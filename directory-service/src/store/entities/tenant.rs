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
    pub activation_email_on_creation: bool,
    pub default_language: String,
    pub on_group_deletion: i16,
    pub administrator_block_yields_to_source: bool,
    pub activation_validity_days: i16,
    pub activation_url_template: Option<String>,
    pub mail_sender_name: Option<String>,
    pub mails_per_minute: i16,
    /// From when on the next mail of the tenant may be sent.
    pub next_mail_us: i64,
}

impl ActiveModelBehavior for ActiveModel {}
