//! Change records and tombstones: what stays of every write.

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde_json::json;
use tracing::instrument;

use super::entities::{change, tombstone, user};
use super::error::StoreError;
use super::filter::user_column;
use crate::domain::actor::Actor;
use crate::domain::change::{Change, ChangeKind, RecordedChange, Resource, ResourceKind};
use crate::domain::id::{GroupId, TenantId};
use crate::domain::version::Version;

/// Bounds a statement: a record holds up to 1,000 ids.
const ROWS: usize = 500;

/// Appends change records; the last writes of a transaction.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.changes.append", skip_all, fields(records = changes.len()))]
pub async fn append(tx: &DatabaseTransaction, actor: &Actor, at_us: i64, changes: &[Change]) -> Result<(), StoreError> {
    for changes in changes.chunks(ROWS) {
        let rows = changes.iter().map(|change| row(actor, at_us, change));
        change::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// Appends a change record for each user whom the deletion of this group blocked, in one statement.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.changes.append_blocked", skip_all, fields(group.id = %group))]
pub async fn append_blocked(
    tx: &DatabaseTransaction,
    actor: &Actor,
    at_us: i64,
    group: GroupId,
) -> Result<(), StoreError> {
    use change::Column as C;
    let source = actor.source.as_ref().map(ToString::to_string);
    let rows = Query::select()
        .expr(user_column(user::Column::TenantId))
        .expr(Expr::val(at_us))
        .expr(Expr::val(ChangeKind::Updated.number()))
        .expr(Expr::val(ResourceKind::User.number()))
        .expr(user_column(user::Column::Id))
        .expr(user_column(user::Column::Version))
        .expr(Expr::val(actor.agent.to_string()))
        .expr(Expr::val(source))
        .expr(Expr::val(actor.request_id.clone()))
        .expr(Expr::val(actor.trace_id.clone()))
        .expr(Expr::val(json!(["blocks"])))
        .from(user::Entity)
        .and_where(user_column(user::Column::TenantId).eq(actor.tenant.uuid()))
        .and_where(user_column(user::Column::GroupDeletedGroupId).eq(group.uuid()))
        .order_by((user::Entity, user::Column::Id), sea_orm::Order::Asc)
        .take();
    let mut insert = Query::insert();
    insert
        .into_table(change::Entity)
        .columns([
            C::TenantId,
            C::AtUs,
            C::Kind,
            C::ResourceKind,
            C::ResourceId,
            C::ResourceVersion,
            C::ActorToken,
            C::ActorSource,
            C::RequestId,
            C::TraceId,
            C::Attributes,
        ])
        .select_from(rows)
        .map_err(|_| StoreError::Unreadable("as many values as columns"))?;
    tx.execute(&insert).await?;
    Ok(())
}

/// The newest change records of a resource, the newest first.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.changes.of_resource", skip_all)]
pub async fn of_resource<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    resource: Resource,
    limit: u64,
) -> Result<Vec<RecordedChange>, StoreError> {
    let rows = change::Entity::find()
        .filter(change::Column::TenantId.eq(tenant.uuid()))
        .filter(change::Column::ResourceId.eq(resource.uuid()))
        .order_by_desc(change::Column::InsertionOrder)
        .limit(limit)
        .all(conn)
        .await?;
    let read = |row: change::Model| {
        let kind = ChangeKind::from_number(row.kind).ok_or(StoreError::Unreadable("the kind of a change"))?;
        let attributes = serde_json::from_value(row.attributes);
        Ok(RecordedChange {
            at_us: row.at_us,
            kind,
            version: Version::new(row.resource_version),
            attributes: attributes.map_err(|_| StoreError::Unreadable("the attributes of a change"))?,
            actor: row.actor_token,
            source: row.actor_source,
            request_id: row.request_id,
        })
    };
    rows.into_iter().map(read).collect()
}

fn row(actor: &Actor, at_us: i64, change: &Change) -> change::ActiveModel {
    let members = (!change.members.is_empty()).then(|| json!(change.members));
    change::ActiveModel {
        insertion_order: NotSet,
        tenant_id: Set(actor.tenant.uuid()),
        sequence: Set(None),
        at_us: Set(at_us),
        kind: Set(change.kind.number()),
        resource_kind: Set(change.resource.kind().number()),
        resource_id: Set(change.resource.uuid()),
        resource_version: Set(change.version.get()),
        actor_token: Set(actor.agent.to_string()),
        actor_source: Set(actor.source.as_ref().map(ToString::to_string)),
        request_id: Set(actor.request_id.clone()),
        trace_id: Set(actor.trace_id.clone()),
        attributes: Set(json!(change.attributes)),
        member_ids: Set(members),
    }
}

/// Leaves a tombstone of a deleted resource.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.tombstones.insert", skip_all)]
pub async fn bury(tx: &DatabaseTransaction, actor: &Actor, at_us: i64, resource: Resource) -> Result<(), StoreError> {
    let row = tombstone::ActiveModel {
        tenant_id: Set(actor.tenant.uuid()),
        id: Set(resource.uuid()),
        kind: Set(resource.kind().number()),
        deleted_us: Set(at_us),
        actor_token: Set(actor.agent.to_string()),
    };
    tombstone::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}
