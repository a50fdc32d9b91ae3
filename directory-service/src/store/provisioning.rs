//! Who may write a tenant's users and groups.

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction};
use tracing::instrument;

use super::entities::tenant;
use super::error::StoreError;
use crate::domain::id::TenantId;
use crate::domain::tenant::ProvisioningSource;

/// The source that provisions a tenant, as this transaction sees it.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.tenants.provisioning_source", skip_all, fields(tenant.id = %tenant))]
pub async fn source(tx: &DatabaseTransaction, tenant: TenantId) -> Result<Option<ProvisioningSource>, StoreError> {
    let select = Query::select()
        .column(tenant::Column::ProvisioningSource)
        .from(tenant::Entity)
        .and_where(Expr::col(tenant::Column::Id).eq(tenant.uuid()))
        .take();
    let Some(row) = tx.query_one(&select).await? else {
        return Ok(None);
    };
    Ok(Some(ProvisioningSource::from_row(row.try_get_by_index(0)?)))
}
