//! The settings of a tenant that decide what a write does, read in the transaction that writes.

use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, QueryResult};
use tracing::instrument;

use super::entities::tenant;
use super::error::StoreError;
use super::tenants::{number, policy};
use crate::domain::id::TenantId;
use crate::domain::language::LanguageTag;
use crate::domain::tenant::{ProvisioningSource, WriteRules};

/// The columns, and the names that they have beside those of a resource.
const COLUMNS: [(tenant::Column, &str); 6] = [
    (tenant::Column::ProvisioningSource, "tenant_source"),
    (tenant::Column::ActivationEmailOnCreation, "tenant_mails"),
    (tenant::Column::AdministratorBlockYieldsToSource, "tenant_yields"),
    (tenant::Column::OnGroupDeletion, "tenant_policy"),
    (tenant::Column::DefaultLanguage, "tenant_language"),
    (tenant::Column::ActivationValidityDays, "tenant_validity"),
];

/// The rules of a tenant, as this transaction sees them.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.tenants.rules", skip_all, fields(tenant.id = %tenant))]
pub async fn find(tx: &DatabaseTransaction, tenant: TenantId) -> Result<Option<WriteRules>, StoreError> {
    let mut select = Query::select();
    select
        .from(tenant::Entity)
        .and_where(Expr::col((tenant::Entity, tenant::Column::Id)).eq(tenant.uuid()));
    add_to(&mut select);
    tx.query_one(&select).await?.map(|row| read(&row)).transpose()
}

/// Adds the rules to a statement that joins the tenant.
pub(super) fn add_to(select: &mut SelectStatement) {
    for (column, name) in COLUMNS {
        select.expr_as(Expr::col((tenant::Entity, column)), name);
    }
}

/// Reads what [`add_to`] added.
pub(super) fn read(row: &QueryResult) -> Result<WriteRules, StoreError> {
    let [source, mails, yields, on_group_deletion, language, validity] = COLUMNS.map(|(_, name)| name);
    Ok(WriteRules {
        source: ProvisioningSource::from_row(row.try_get("", source)?),
        mails_new_users: row.try_get("", mails)?,
        administrator_block_yields: row.try_get("", yields)?,
        on_group_deletion: policy(row.try_get("", on_group_deletion)?)?,
        default_language: LanguageTag::from_row(row.try_get("", language)?),
        activation_validity_days: number(row.try_get("", validity)?)?,
    })
}
