//! The table `refused_disables`: refused requests that held the source's word that a user is not active.

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use tracing::instrument;
use uuid::Uuid;

use super::entities::refused_disable;
use super::error::StoreError;
use crate::domain::actor::Actor;
use crate::domain::id::{TenantId, UserId};
use crate::domain::refused_disable::{KEPT, Refusal, RefusedDisable};

/// Keeps a refusal, and the 20 newest of the user's.
///
/// # Errors
/// [`StoreError`] of the database; `Stale` if the user is gone.
#[instrument(name = "store.refused_disables.insert", skip_all, fields(user.id = %user))]
pub async fn insert(
    tx: &DatabaseTransaction,
    actor: &Actor,
    user: UserId,
    refusal: &Refusal,
    at_us: i64,
) -> Result<(), StoreError> {
    use refused_disable::Column as C;
    let row = refused_disable::ActiveModel {
        tenant_id: Set(actor.tenant.uuid()),
        user_id: Set(user.uuid()),
        id: Set(Uuid::now_v7()),
        at_us: Set(at_us),
        actor_token: Set(actor.agent.to_string()),
        request_id: Set(actor.request_id.clone()),
        reason: Set(refusal.reason.clone()),
        attribute: Set(refusal.attribute.clone()),
    };
    refused_disable::Entity::insert(row).exec_without_returning(tx).await?;
    let kept = Query::select()
        .column(C::Id)
        .from(refused_disable::Entity)
        .and_where(Expr::col(C::TenantId).eq(actor.tenant.uuid()))
        .and_where(Expr::col(C::UserId).eq(user.uuid()))
        .order_by(C::Id, sea_orm::Order::Desc)
        .limit(KEPT)
        .take();
    refused_disable::Entity::delete_many()
        .filter(C::TenantId.eq(actor.tenant.uuid()))
        .filter(C::UserId.eq(user.uuid()))
        .filter(C::Id.not_in_subquery(kept))
        .exec(tx)
        .await?;
    Ok(())
}

/// The refusals that are kept of a user, the newest first.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.refused_disables.list", skip_all, fields(user.id = %user))]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    user: UserId,
) -> Result<Vec<RefusedDisable>, StoreError> {
    use refused_disable::Column as C;
    let rows = refused_disable::Entity::find()
        .filter(C::TenantId.eq(tenant.uuid()))
        .filter(C::UserId.eq(user.uuid()))
        .order_by_desc(C::Id)
        .limit(KEPT)
        .all(conn)
        .await?;
    let read = |row: refused_disable::Model| RefusedDisable {
        at_us: row.at_us,
        actor: row.actor_token,
        request_id: row.request_id,
        refusal: Refusal {
            reason: row.reason,
            attribute: row.attribute,
        },
    };
    Ok(rows.into_iter().map(read).collect())
}
