//! Change records and tombstones: what stays of every write.

use sea_orm::{ActiveValue::NotSet, ActiveValue::Set, DatabaseTransaction, EntityTrait as _};
use serde_json::json;
use tracing::instrument;

use super::entities::{change, tombstone};
use super::error::StoreError;
use crate::domain::actor::Actor;
use crate::domain::change::{Change, Resource};

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
        actor_token: Set(actor.token_id.to_string()),
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
        actor_token: Set(actor.token_id.to_string()),
    };
    tombstone::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}
