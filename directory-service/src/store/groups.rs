//! The table `groups`.

use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, LockType, Query, SelectStatement, UpdateStatement};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _,
    FromQueryResult as _, Iterable as _, QueryResult, QueryTrait as _,
};
use tracing::instrument;
use uuid::Uuid;

use super::entities::{group, membership, tenant};
use super::error::StoreError;
use super::extensions::{extension_bytes, extension_columns, read_values};
use super::filter::{self, Operand, group_column};
use super::ids::{CHUNK, is_one_of};
use super::paging::{Listing, Resources, SortKey};
use super::rules;
use super::users::{Intent, Locked};
use crate::domain::attribute::GroupAttribute;
use crate::domain::extension::Checked;
use crate::domain::filter::{GroupFilter, GroupOrderKey, Order};
use crate::domain::group::{Group, GroupName};
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::text::ExternalId;
use crate::domain::version::Version;

/// About how many bytes a group has beside its extension values; a name and an external id are short.
const ROW_BYTES: i32 = 256;

/// Inserts a group. Its extension values are those that were `checked`.
///
/// # Errors
/// [`StoreError::Taken`]: the name with the external id.
#[instrument(name = "store.groups.insert", skip_all, fields(group.id = %group.id))]
pub async fn insert(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    group: &Group,
    extensions: Option<&Checked>,
) -> Result<(), StoreError> {
    let mut row = columns(group, extensions)?;
    row.tenant_id = Set(tenant.uuid());
    row.id = Set(group.id.uuid());
    row.created_us = Set(group.created_us);
    group::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Writes a group that is locked and was at `seen`; its extension values only if they were `checked`.
///
/// # Errors
/// [`StoreError::Taken`]: the name with the external id. [`StoreError::Stale`]: the row moved on, which a lock
/// prevents.
#[instrument(name = "store.groups.update", skip_all, fields(group.id = %group.id))]
pub async fn update(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    group: &Group,
    extensions: Option<&Checked>,
    seen: Version,
) -> Result<(), StoreError> {
    let columns = columns(group, extensions)?;
    let mut update: UpdateStatement = group::Entity::update_many().set(columns).into_query();
    update
        .cond_where(in_tenant(tenant))
        .and_where(group_column(group::Column::Id).eq(group.id.uuid()));
    update.and_where(group_column(group::Column::Version).eq(seen.get()));
    let done = tx.execute(&update).await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

/// Deletes a group that has no members any more.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.delete", skip_all, fields(group.id = %id))]
pub async fn delete(tx: &DatabaseTransaction, tenant: TenantId, id: GroupId) -> Result<(), StoreError> {
    group::Entity::delete_by_id((tenant.uuid(), id.uuid())).exec(tx).await?;
    Ok(())
}

/// Reads a group; its extension values only if they are wanted.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.find", skip_all, fields(group.id = %id))]
pub async fn find<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    id: GroupId,
    extensions: bool,
) -> Result<Option<Group>, StoreError> {
    let select = select(tenant, extensions)
        .and_where(group_column(group::Column::Id).eq(id.uuid()))
        .take();
    conn.query_one(&select).await?.map(|row| read(&row)).transpose()
}

/// Which of these ids are groups.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.known", skip_all, fields(ids = ids.len()))]
pub async fn known<C: ConnectionTrait>(conn: &C, tenant: TenantId, ids: &[Uuid]) -> Result<Vec<GroupId>, StoreError> {
    let mut known = Vec::new();
    for ids in ids.chunks(CHUNK) {
        let select = Query::select()
            .expr_as(group_column(group::Column::Id), "id")
            .from(group::Entity)
            .cond_where(in_tenant(tenant))
            .and_where(is_one_of(conn, group_column(group::Column::Id), ids.iter().copied()))
            .take();
        for row in conn.query_all(&select).await? {
            known.push(GroupId::from_uuid(row.try_get("", "id")?));
        }
    }
    Ok(known)
}

/// Reads those of the groups that exist, in no order.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.find_many", skip_all, fields(ids = ids.len()))]
pub async fn find_many<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    ids: &[GroupId],
) -> Result<Vec<Group>, StoreError> {
    let these = is_one_of(conn, group_column(group::Column::Id), ids.iter().map(|id| id.uuid()));
    let select = select(tenant, true).and_where(these).take();
    conn.query_all(&select).await?.iter().map(read).collect()
}

/// Reads a page of groups; their extension values only if they are wanted.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.list", skip_all, fields(tenant.id = %tenant))]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    filter: Option<&GroupFilter>,
    order: Order<GroupOrderKey>,
    request: &PageRequest,
    extensions: bool,
) -> Result<Page<Group>, StoreError> {
    let backend = conn.get_database_backend();
    listing(backend, tenant, filter, order)
        .page(conn, request, resources(backend, tenant, extensions), read)
        .await
}

pub(super) fn listing(
    backend: DbBackend,
    tenant: TenantId,
    filter: Option<&GroupFilter>,
    order: Order<GroupOrderKey>,
) -> Listing {
    let mut from = Query::select();
    from.from(group::Entity).cond_where(in_tenant(tenant));
    if let Some(filter) = filter {
        from.cond_where(filter::groups(filter, tenant, backend));
    }
    let by_id = GroupOrderKey::Attribute(GroupAttribute::Id);
    let key = order.key.filter(|key| *key != by_id);
    let key = key.and_then(|key| sort_key(key, tenant, backend));
    Listing {
        from,
        id: group_column(group::Column::Id),
        key,
        descending: order.descending,
    }
}

pub(super) fn resources(backend: DbBackend, tenant: TenantId, extensions: bool) -> Resources {
    Resources {
        select: select(tenant, extensions),
        bytes: bytes(backend, tenant, extensions),
    }
}

/// About how many bytes a group has, with its extension values if they are wanted.
pub(super) fn bytes(backend: DbBackend, tenant: TenantId, extensions: bool) -> SelectStatement {
    let mut bytes = Expr::val(ROW_BYTES);
    if extensions {
        bytes = bytes.add(extension_bytes(group_column(group::Column::Extensions), backend));
    }
    Query::select()
        .expr(bytes)
        .from(group::Entity)
        .cond_where(in_tenant(tenant))
        .take()
}

/// What a key of the order is in a statement.
pub(super) fn sort_key(key: GroupOrderKey, tenant: TenantId, backend: DbBackend) -> Option<SortKey> {
    match key {
        GroupOrderKey::Attribute(attribute) => SortKey::new(
            filter::group_operand(attribute),
            attribute == GroupAttribute::ExternalId,
        ),
        GroupOrderKey::Members => SortKey::new(Operand::Id(filter::first_member(tenant)), true),
        GroupOrderKey::Extension(order) => {
            let keys = group_column(group::Column::ExtensionKeys);
            SortKey::new(filter::order_operand(keys, &order, backend), true)
        }
    }
}

/// Reads a page of the groups of a user, by id.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.list_of_user", skip_all, fields(user.id = %user))]
pub async fn list_of_user<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    user: UserId,
    request: &PageRequest,
) -> Result<Page<Group>, StoreError> {
    let backend = conn.get_database_backend();
    let mut listing = listing(backend, tenant, None, Order::default());
    listing
        .from
        .and_where(group_column(group::Column::Id).in_subquery(groups_of(tenant, user)));
    listing
        .page(conn, request, resources(backend, tenant, true), read)
        .await
}

fn groups_of(tenant: TenantId, user: UserId) -> SelectStatement {
    Query::select()
        .column((membership::Entity, membership::Column::GroupId))
        .from(membership::Entity)
        .and_where(Expr::col((membership::Entity, membership::Column::TenantId)).eq(tenant.uuid()))
        .and_where(Expr::col((membership::Entity, membership::Column::UserId)).eq(user.uuid()))
        .take()
}

/// Locks a group, and reads with it who may write it: one statement.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.lock", skip_all, fields(group.id = %id))]
pub async fn lock(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    id: GroupId,
    intent: Intent,
) -> Result<Option<Locked<Group>>, StoreError> {
    let of_group = Expr::col((tenant::Entity, tenant::Column::Id)).eq(group_column(group::Column::TenantId));
    let mut select = select(tenant, true);
    rules::add_to(&mut select);
    select
        .inner_join(tenant::Entity, of_group)
        .and_where(group_column(group::Column::Id).eq(id.uuid()))
        .lock_with_tables(intent.lock(), [group::Entity]);
    let Some(row) = tx.query_one(&select).await? else {
        return Ok(None);
    };
    Ok(Some(Locked {
        resource: read(&row)?,
        rules: rules::read(&row)?,
    }))
}

/// Locks the groups of a user in the order of their ids: how many there are.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups_of_user.lock", skip_all, fields(user.id = %user))]
pub async fn lock_of_user(tx: &DatabaseTransaction, tenant: TenantId, user: UserId) -> Result<u64, StoreError> {
    let locked = Query::select()
        .column((group::Entity, group::Column::Id))
        .from(group::Entity)
        .cond_where(in_tenant(tenant))
        .and_where(group_column(group::Column::Id).in_subquery(groups_of(tenant, user)))
        .order_by((group::Entity, group::Column::Id), sea_orm::Order::Asc)
        .lock_with_tables(LockType::NoKeyUpdate, [group::Entity])
        .take();
    super::memberships::count_locked(tx, locked).await
}

/// Gives every group of a user its next version, because the user stops to be a member: the groups and versions.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.groups.touch_of_user", skip_all, fields(user.id = %user))]
pub async fn touch_of_user(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    user: UserId,
    at_us: i64,
) -> Result<Vec<(GroupId, Version)>, StoreError> {
    let update = Query::update()
        .table(group::Entity)
        .value(group::Column::Version, Expr::col(group::Column::Version).add(1))
        .value(group::Column::UpdatedUs, at_us)
        .cond_where(in_tenant(tenant))
        .and_where(group_column(group::Column::Id).in_subquery(groups_of(tenant, user)))
        .returning(Query::returning().columns([group::Column::Id, group::Column::Version]))
        .to_owned();
    let rows = tx.query_all(&update).await?;
    let touched = rows.iter().map(|row| {
        let version = Version::new(row.try_get("", "version")?);
        Ok((GroupId::from_uuid(row.try_get("", "id")?), version))
    });
    touched.collect()
}

fn in_tenant(tenant: TenantId) -> Condition {
    Condition::all().add(group_column(group::Column::TenantId).eq(tenant.uuid()))
}

/// Groups of a tenant, with their extension values if those are wanted; without the keys, which only conditions need.
pub(super) fn select(tenant: TenantId, extensions: bool) -> SelectStatement {
    use group::Column as C;
    let mut select = Query::select();
    for column in C::iter() {
        let is_read = !matches!(column, C::ExtensionKeys) && (extensions || !matches!(column, C::Extensions));
        let value = if is_read {
            group_column(column)
        } else {
            Expr::cust("NULL")
        };
        select.expr_as(value, column);
    }
    select.from(group::Entity).cond_where(in_tenant(tenant)).take()
}

fn read(row: &QueryResult) -> Result<Group, StoreError> {
    let model = group::Model::from_query_result(row, "")?;
    Ok(Group {
        id: GroupId::from_uuid(model.id),
        version: Version::new(model.version),
        created_us: model.created_us,
        updated_us: model.updated_us,
        display_name: GroupName::from_row(model.display_name, model.display_name_key),
        external_id: model.external_id.map(ExternalId::from_row),
        extensions: read_values(model.extensions)?,
    })
}

/// Everything of a group that may change.
fn columns(group: &Group, extensions: Option<&Checked>) -> Result<group::ActiveModel, StoreError> {
    let (extensions, extension_keys) = extension_columns(extensions)?;
    let external_id = group.external_id.as_ref().map(|id| id.as_str().to_owned());
    Ok(group::ActiveModel {
        tenant_id: NotSet,
        id: NotSet,
        version: Set(group.version.get()),
        created_us: NotSet,
        updated_us: Set(group.updated_us),
        display_name: Set(group.display_name.as_str().to_owned()),
        display_name_key: Set(group.display_name.key().to_owned()),
        external_id_key: Set(external_id.clone().unwrap_or_default()),
        external_id: Set(external_id),
        extensions,
        extension_keys,
    })
}
