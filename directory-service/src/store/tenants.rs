//! Queries on tenants, and the removal of everything that one owns.

use sea_orm::sea_query::{Expr, ExprTrait as _, LockType, Query};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use tracing::instrument;

use super::entities::{change, group, membership, tenant, tombstone, user};
use super::error::StoreError;
use crate::domain::FOLD_VERSION;
use crate::domain::id::TenantId;
use crate::domain::language::LanguageTag;
use crate::domain::tenant::{
    ActivationUrlTemplate, DisplayName, GroupDeletionPolicy, ProvisioningSource, Settings, Tenant, TenantSlug,
};

/// Inserts a tenant.
///
/// # Errors
/// [`StoreError::Taken`] if another tenant has the slug.
#[instrument(name = "store.tenants.insert", skip_all)]
pub async fn insert<C: ConnectionTrait>(conn: &C, new: &Tenant) -> Result<(), StoreError> {
    let mut row = settings_columns(&new.settings);
    row.id = Set(new.id.uuid());
    row.slug = Set(new.slug.as_str().to_owned());
    row.version = Set(new.version);
    row.created_us = Set(new.created_us);
    row.fold_version = Set(FOLD_VERSION);
    row.next_mail_us = Set(0);
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
    row.map(from_row).transpose()
}

/// The tenant of this id.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.find_by_id", skip_all)]
pub async fn find_by_id<C: ConnectionTrait>(conn: &C, tenant: TenantId) -> Result<Option<Tenant>, StoreError> {
    let row = tenant::Entity::find_by_id(tenant.uuid()).one(conn).await?;
    row.map(from_row).transpose()
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
    row.map(from_row).transpose()
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
    row.map(from_row).transpose()
}

/// Writes the settings and the version of a locked tenant.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tenants.update", skip_all)]
pub async fn update<C: ConnectionTrait>(conn: &C, changed: &Tenant) -> Result<(), StoreError> {
    let mut columns = settings_columns(&changed.settings);
    columns.version = Set(changed.version);
    let done = tenant::Entity::update_many()
        .set(columns)
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
    select.all(conn).await?.into_iter().map(from_row).collect()
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

/// The columns of what an administrator can choose; the others are not set.
fn settings_columns(settings: &Settings) -> tenant::ActiveModel {
    let Settings {
        display_name,
        provisioning_source,
        strict_patch,
        activation_email_on_creation,
        default_language,
        on_group_deletion,
        administrator_block_yields_to_source,
        activation_validity_days,
        activation_url_template,
        mail_sender_name,
        mails_per_minute,
    } = settings;
    let number = |number: u16| Set(i16::try_from(number).unwrap_or(i16::MAX));
    tenant::ActiveModel {
        id: NotSet,
        slug: NotSet,
        display_name: Set(display_name.as_str().to_owned()),
        provisioning_source: Set(provisioning_source.as_str().to_owned()),
        strict_patch: Set(*strict_patch),
        version: NotSet,
        created_us: NotSet,
        fold_version: NotSet,
        activation_email_on_creation: Set(*activation_email_on_creation),
        default_language: Set(default_language.as_str().to_owned()),
        on_group_deletion: Set(on_group_deletion.number()),
        administrator_block_yields_to_source: Set(*administrator_block_yields_to_source),
        activation_validity_days: number(*activation_validity_days),
        activation_url_template: Set(activation_url_template.as_ref().map(|url| url.as_str().to_owned())),
        mail_sender_name: Set(mail_sender_name.as_ref().map(|name| name.as_str().to_owned())),
        mails_per_minute: number(*mails_per_minute),
        next_mail_us: NotSet,
    }
}

pub(super) fn from_row(row: tenant::Model) -> Result<Tenant, StoreError> {
    let tenant::Model {
        id,
        slug,
        display_name,
        provisioning_source,
        strict_patch,
        version,
        created_us,
        fold_version: _,
        activation_email_on_creation,
        default_language,
        on_group_deletion,
        administrator_block_yields_to_source,
        activation_validity_days,
        activation_url_template,
        mail_sender_name,
        mails_per_minute,
        next_mail_us: _,
    } = row;
    Ok(Tenant {
        id: TenantId::from_uuid(id),
        slug: TenantSlug::from_row(slug),
        settings: Settings {
            display_name: DisplayName::from_row(display_name),
            provisioning_source: ProvisioningSource::from_row(provisioning_source),
            strict_patch,
            activation_email_on_creation,
            default_language: LanguageTag::from_row(default_language),
            on_group_deletion: policy(on_group_deletion)?,
            administrator_block_yields_to_source,
            activation_validity_days: number(activation_validity_days)?,
            activation_url_template: activation_url_template.map(ActivationUrlTemplate::from_row),
            mail_sender_name: mail_sender_name.map(DisplayName::from_row),
            mails_per_minute: number(mails_per_minute)?,
        },
        version,
        created_us,
    })
}

pub(super) fn number(number: i16) -> Result<u16, StoreError> {
    u16::try_from(number).map_err(|_| StoreError::Unreadable("a tenant's number"))
}

pub(super) fn policy(number: i16) -> Result<GroupDeletionPolicy, StoreError> {
    GroupDeletionPolicy::from_number(number).ok_or(StoreError::Unreadable("a group deletion policy"))
}

#[cfg(test)]
pub(crate) mod testing;
