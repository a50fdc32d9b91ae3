//! Queries on tenants, and the removal of everything that one owns.

use sea_orm::sea_query::{Expr, ExprTrait as _, LockType, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use tracing::instrument;

use super::entities::{change, group, membership, tenant, tombstone, user};
use super::error::StoreError;
use crate::domain::FOLD_VERSION;
use crate::domain::id::TenantId;
use crate::domain::tenant::{DisplayName, ProvisioningSource, Tenant, TenantSlug};

/// Inserts a tenant.
///
/// # Errors
/// [`StoreError::Taken`] if another tenant has the slug.
#[instrument(name = "store.tenants.insert", skip_all)]
pub async fn insert<C: ConnectionTrait>(conn: &C, new: &Tenant) -> Result<(), StoreError> {
    let row = tenant::ActiveModel {
        id: Set(new.id.uuid()),
        slug: Set(new.slug.as_str().to_owned()),
        display_name: Set(new.display_name.as_str().to_owned()),
        provisioning_source: Set(new.provisioning_source.as_str().to_owned()),
        strict_patch: Set(new.strict_patch),
        version: Set(new.version),
        created_us: Set(new.created_us),
        fold_version: Set(FOLD_VERSION),
    };
    tenant::Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

/// The tenant of this slug.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.find", skip_all)]
pub async fn find<C: ConnectionTrait>(conn: &C, slug: &TenantSlug) -> Result<Option<Tenant>, StoreError> {
    let row = tenant::Entity::find()
        .filter(tenant::Column::Slug.eq(slug.as_str()))
        .one(conn)
        .await?;
    Ok(row.map(from_row))
}

/// The tenant, locked against other changes of its settings (PostgreSQL; SQLite has one writer).
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.lock", skip_all)]
pub async fn lock<C: ConnectionTrait>(conn: &C, tenant: TenantId) -> Result<Option<Tenant>, StoreError> {
    let row = tenant::Entity::find_by_id(tenant.uuid())
        .lock(LockType::NoKeyUpdate)
        .one(conn)
        .await?;
    Ok(row.map(from_row))
}

/// The tenant, locked so that no row can be inserted that belongs to it (PostgreSQL; SQLite has one writer).
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.lock", skip_all)]
pub async fn lock_for_deletion<C: ConnectionTrait>(conn: &C, tenant: TenantId) -> Result<Option<Tenant>, StoreError> {
    let row = tenant::Entity::find_by_id(tenant.uuid())
        .lock(LockType::Update)
        .one(conn)
        .await?;
    Ok(row.map(from_row))
}

/// Writes the settings and the version of a locked tenant.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.update", skip_all)]
pub async fn update<C: ConnectionTrait>(conn: &C, changed: &Tenant) -> Result<(), StoreError> {
    let done = tenant::Entity::update_many()
        .col_expr(tenant::Column::DisplayName, Expr::value(changed.display_name.as_str()))
        .col_expr(
            tenant::Column::ProvisioningSource,
            Expr::value(changed.provisioning_source.as_str()),
        )
        .col_expr(tenant::Column::StrictPatch, Expr::value(changed.strict_patch))
        .col_expr(tenant::Column::Version, Expr::value(changed.version))
        .filter(tenant::Column::Id.eq(changed.id.uuid()))
        .exec(conn)
        .await?;
    if done.rows_affected == 1 {
        Ok(())
    } else {
        Err(StoreError::Stale)
    }
}

/// At most `limit` tenants by slug, those after `after`.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.list", skip_all)]
pub async fn list<C: ConnectionTrait>(conn: &C, after: Option<&str>, limit: u64) -> Result<Vec<Tenant>, StoreError> {
    let mut select = tenant::Entity::find().order_by_asc(tenant::Column::Slug).limit(limit);
    if let Some(after) = after {
        select = select.filter(tenant::Column::Slug.gt(after));
    }
    Ok(select.all(conn).await?.into_iter().map(from_row).collect())
}

/// Whether the tenant has users or groups.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.has_resources", skip_all)]
pub async fn has_resources<C: ConnectionTrait>(conn: &C, tenant: TenantId) -> Result<bool, StoreError> {
    let user = user::Entity::find().select_only().column(user::Column::Id);
    let user = user
        .filter(user::Column::TenantId.eq(tenant.uuid()))
        .limit(1)
        .into_tuple::<uuid::Uuid>();
    if user.one(conn).await?.is_some() {
        return Ok(true);
    }
    let group = group::Entity::find().select_only().column(group::Column::Id);
    let group = group
        .filter(group::Column::TenantId.eq(tenant.uuid()))
        .limit(1)
        .into_tuple::<uuid::Uuid>();
    Ok(group.one(conn).await?.is_some())
}

/// What a tenant owns, in the order in which it can be removed.
#[derive(Clone, Copy, Debug)]
pub enum Owned {
    /// Who is in which group.
    Memberships,
    /// Groups.
    Groups,
    /// Users, and with them the values that filters find them by.
    Users,
    /// Change records.
    Changes,
    /// What stayed of deleted users and groups.
    Tombstones,
}

impl Owned {
    /// Everything, in the order in which it can be removed.
    pub const ALL: [Self; 5] = [
        Self::Memberships,
        Self::Groups,
        Self::Users,
        Self::Changes,
        Self::Tombstones,
    ];
}

/// Removes at most `limit` rows of one kind; says how many.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.delete_owned", skip_all)]
pub async fn delete_owned<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    owned: Owned,
    limit: u64,
) -> Result<u64, StoreError> {
    let id = tenant.uuid();
    let done = match owned {
        Owned::Memberships => {
            let some = Query::select()
                .columns([membership::Column::GroupId, membership::Column::UserId])
                .from(membership::Entity)
                .and_where(membership::Column::TenantId.eq(id))
                .limit(limit)
                .take();
            let key = Expr::tuple([
                Expr::col(membership::Column::GroupId),
                Expr::col(membership::Column::UserId),
            ]);
            let delete = membership::Entity::delete_many().filter(membership::Column::TenantId.eq(id));
            delete.filter(key.in_subquery(some)).exec(conn).await?
        }
        Owned::Groups => {
            let mut some = Query::select();
            some.column(group::Column::Id).from(group::Entity);
            some.and_where(group::Column::TenantId.eq(id)).limit(limit);
            let delete = group::Entity::delete_many().filter(group::Column::TenantId.eq(id));
            delete.filter(group::Column::Id.in_subquery(some)).exec(conn).await?
        }
        Owned::Users => {
            let mut some = Query::select();
            some.column(user::Column::Id).from(user::Entity);
            some.and_where(user::Column::TenantId.eq(id)).limit(limit);
            let delete = user::Entity::delete_many().filter(user::Column::TenantId.eq(id));
            delete.filter(user::Column::Id.in_subquery(some)).exec(conn).await?
        }
        Owned::Changes => {
            let mut some = Query::select();
            some.column(change::Column::InsertionOrder).from(change::Entity);
            some.and_where(change::Column::TenantId.eq(id)).limit(limit);
            let delete = change::Entity::delete_many().filter(change::Column::TenantId.eq(id));
            delete
                .filter(change::Column::InsertionOrder.in_subquery(some))
                .exec(conn)
                .await?
        }
        Owned::Tombstones => {
            let mut some = Query::select();
            some.column(tombstone::Column::Id).from(tombstone::Entity);
            some.and_where(tombstone::Column::TenantId.eq(id)).limit(limit);
            let delete = tombstone::Entity::delete_many().filter(tombstone::Column::TenantId.eq(id));
            delete
                .filter(tombstone::Column::Id.in_subquery(some))
                .exec(conn)
                .await?
        }
    };
    Ok(done.rows_affected)
}

/// Removes a tenant without users and groups, and its tokens.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.delete", skip_all)]
pub async fn delete<C: ConnectionTrait>(conn: &C, tenant: TenantId) -> Result<(), StoreError> {
    tenant::Entity::delete_by_id(tenant.uuid()).exec(conn).await?;
    Ok(())
}

pub(super) fn from_row(row: tenant::Model) -> Tenant {
    let tenant::Model {
        id,
        slug,
        display_name,
        provisioning_source,
        strict_patch,
        version,
        created_us,
        fold_version: _,
    } = row;
    Tenant {
        id: TenantId::from_uuid(id),
        slug: TenantSlug::from_row(slug),
        display_name: DisplayName::from_row(display_name),
        provisioning_source: ProvisioningSource::from_row(provisioning_source),
        strict_patch,
        version,
        created_us,
    }
}

#[cfg(test)]
pub(crate) mod testing;
