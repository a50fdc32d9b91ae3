//! The table `users`.

use sea_orm::sea_query::{
    Condition, Expr, ExprTrait as _, LockType, Query, ReturningClause, SelectStatement, UpdateStatement,
};
use sea_orm::{
    ActiveValue::NotSet, ActiveValue::Set, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait as _,
    FromQueryResult as _, Iterable as _, QueryResult, QueryTrait as _,
};
use serde_json::{Map, Value};
use tracing::instrument;
use uuid::Uuid;

use super::entities::{tenant, user};
use super::error::StoreError;
use super::extensions::{extension_bytes, extension_columns, read_values};
use super::filter::{self, Operand, user_column};
use super::ids::is_one_of;
use super::paging::{Listing, Resources, SortKey, document_bytes};
use super::{memberships, rules};
use crate::domain::activation::{Activation, ActivationMail, ActivationStatus};
use crate::domain::attribute::{TextAttribute, UserAttribute};
use crate::domain::extension::Checked;
use crate::domain::filter::{Order, UserFilter, UserOrderKey};
use crate::domain::fold;
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::language::{self, LanguageTag};
use crate::domain::page::{Page, PageRequest};
use crate::domain::profile::Profile;
use crate::domain::tenant::WriteRules;
use crate::domain::text::{ExternalId, Text};
use crate::domain::user::{Blocks, Cause, GroupDeleted, Manager, User, UserParts, language_of};
use crate::domain::user_name::UserName;
use crate::domain::version::Version;

/// The manager's row, joined to a user's.
const MANAGER: &str = "manager";
const MANAGER_FOUND: &str = "manager_found";
const MANAGER_NAME: &str = "manager_name";
const DEFAULT_LANGUAGE: &str = "language_default";
/// About how many bytes a user has beside its document.
const ROW_BYTES: i32 = 256;
/// The manager's name is in its document; the operator is the same text on both databases.
const MANAGER_NAME_SQL: &str = "\"manager\".\"document\" ->> 'display_name'";

/// Why a row is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To change it: others may still refer to it.
    Change,
    /// To delete it.
    Delete,
}

impl Intent {
    pub(super) const fn lock(self) -> LockType {
        match self {
            Self::Change => LockType::NoKeyUpdate,
            Self::Delete => LockType::Update,
        }
    }
}

/// A row that is locked, and the tenant's rules as this transaction sees them.
#[derive(Clone, Debug)]
pub struct Locked<T> {
    /// The resource.
    pub resource: T,
    /// Who may write it, and what a write means.
    pub rules: WriteRules,
}

/// A user that is locked in order to become a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedMember {
    /// The id.
    pub id: UserId,
    /// Whether GROUP_DELETED blocks the user.
    pub group_deleted: bool,
}

/// Inserts a user, and finds out who its manager is. Its extension values are those that were `checked`.
///
/// # Errors
/// [`StoreError::Taken`]: the user name.
#[instrument(name = "store.users.insert", skip_all, fields(user.id = %user.id))]
pub async fn insert(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    user: &mut User,
    extensions: Option<&Checked>,
) -> Result<(), StoreError> {
    let mut row = columns(user, extensions)?;
    row.tenant_id = Set(tenant.uuid());
    row.id = Set(user.id.uuid());
    row.created_us = Set(user.created_us);
    let mut insert = user::Entity::insert(row).into_query();
    let Some(manager) = &user.manager else {
        tx.execute(&insert).await?;
        return Ok(());
    };
    insert.returning(returning_manager(tenant, manager.id));
    let row = tx.query_one(&insert).await?;
    read_manager(user, row.as_ref())
}

/// Writes a user that is locked and was at `seen`; its extension values only if they were `checked`.
///
/// # Errors
/// [`StoreError::Taken`]: the user name. [`StoreError::Stale`]: the row moved on, which a lock prevents.
#[instrument(name = "store.users.update", skip_all, fields(user.id = %user.id))]
pub async fn update(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    user: &mut User,
    extensions: Option<&Checked>,
    seen: Version,
) -> Result<(), StoreError> {
    let columns = columns(user, extensions)?;
    let mut update: UpdateStatement = user::Entity::update_many().set(columns).into_query();
    update
        .cond_where(in_tenant(tenant))
        .and_where(user_column(user::Column::Id).eq(user.id.uuid()));
    update.and_where(user_column(user::Column::Version).eq(seen.get()));
    let Some(manager) = &user.manager else {
        let done = tx.execute(&update).await?;
        return if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Stale)
        };
    };
    update.returning(returning_manager(tenant, manager.id));
    let row = tx.query_one(&update).await?.ok_or(StoreError::Stale)?;
    read_manager(user, Some(&row))
}

/// Writes down that a wrong activation code was tried, which makes no new version.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.count_wrong_code", skip_all, fields(user.id = %id))]
pub async fn count_wrong_code(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    id: UserId,
    activation: &Activation,
) -> Result<(), StoreError> {
    let update = Query::update()
        .table(user::Entity)
        .value(user::Column::ActivationWrongCodes, activation.wrong_codes)
        .value(user::Column::ActivationPausedUntilUs, activation.paused_until_us)
        .cond_where(in_tenant(tenant))
        .and_where(user_column(user::Column::Id).eq(id.uuid()))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// Who the manager is, told by the writing statement itself.
fn returning_manager(tenant: TenantId, manager: UserId) -> ReturningClause {
    let of_manager = |expr: Expr| -> Expr {
        Query::select()
            .expr(expr)
            .from_as(user::Entity, MANAGER)
            .and_where(Expr::col((MANAGER, user::Column::TenantId)).eq(tenant.uuid()))
            .and_where(Expr::col((MANAGER, user::Column::Id)).eq(manager.uuid()))
            .take()
            .into()
    };
    let found = of_manager(Expr::col((MANAGER, user::Column::Id)));
    Query::returning().exprs([found, of_manager(Expr::cust(MANAGER_NAME_SQL))])
}

fn read_manager(user: &mut User, row: Option<&QueryResult>) -> Result<(), StoreError> {
    let own = (user.id, user.profile.text(TextAttribute::DisplayName).cloned());
    let (Some(manager), Some(row)) = (&mut user.manager, row) else {
        return Ok(());
    };
    manager.exists = row.try_get_by_index::<Option<Uuid>>(0)?.is_some();
    manager.display_name = row.try_get_by_index::<Option<String>>(1)?.map(Text::from_row);
    if manager.id == own.0 {
        // The statement may not see its own row as it writes it.
        (manager.exists, manager.display_name) = (true, own.1);
    }
    Ok(())
}

/// Deletes a user that nothing refers to any more.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.delete", skip_all, fields(user.id = %id))]
pub async fn delete(tx: &DatabaseTransaction, tenant: TenantId, id: UserId) -> Result<(), StoreError> {
    user::Entity::delete_by_id((tenant.uuid(), id.uuid())).exec(tx).await?;
    Ok(())
}

/// Reads the wanted parts of a user.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.find", skip_all, fields(user.id = %id))]
pub async fn find<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    id: UserId,
    parts: UserParts,
) -> Result<Option<User>, StoreError> {
    let select = select(tenant, parts)
        .and_where(user_column(user::Column::Id).eq(id.uuid()))
        .take();
    conn.query_one(&select).await?.map(|row| read(&row)).transpose()
}

/// The id of the user of this name.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.find_id", skip_all)]
pub async fn find_id<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    name: &UserName,
) -> Result<Option<UserId>, StoreError> {
    let select = Query::select()
        .column((user::Entity, user::Column::Id))
        .from(user::Entity)
        .cond_where(in_tenant(tenant))
        .and_where(user_column(user::Column::UserNameKey).eq(name.key()))
        .take();
    let Some(row) = conn.query_one(&select).await? else {
        return Ok(None);
    };
    Ok(Some(UserId::from_uuid(row.try_get("", "id")?)))
}

/// Reads the wanted parts of those of the users that exist, in no order. Who they are must have been chosen by what fits into a page.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.find_many", skip_all, fields(ids = ids.len()))]
pub async fn find_many<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    ids: &[UserId],
    parts: UserParts,
) -> Result<Vec<User>, StoreError> {
    let these = is_one_of(conn, user_column(user::Column::Id), ids.iter().map(|id| id.uuid()));
    let select = select(tenant, parts).and_where(these).take();
    conn.query_all(&select).await?.iter().map(read).collect()
}

/// Reads the wanted parts of those of the users that exist, in the order of their ids, as many as fit into a page. How many
/// are given must fit into a [`PageRequest`].
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.find_batch", skip_all, fields(ids = ids.len()))]
pub async fn find_batch<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    ids: &[UserId],
    parts: UserParts,
) -> Result<Page<User>, StoreError> {
    let backend = conn.get_database_backend();
    let mut these = listing(backend, tenant, None, Order::default());
    let id = user_column(user::Column::Id);
    these
        .from
        .and_where(is_one_of(conn, id, ids.iter().map(|id| id.uuid())));
    let all = PageRequest::first(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    these.page(conn, &all, resources(backend, tenant, parts), read).await
}

/// Reads the wanted parts of a page of users.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.list", skip_all, fields(tenant.id = %tenant))]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    filter: Option<&UserFilter>,
    order: Order<UserOrderKey>,
    request: &PageRequest,
    parts: UserParts,
) -> Result<Page<User>, StoreError> {
    let backend = conn.get_database_backend();
    let listing = listing(backend, tenant, filter, order);
    let users = resources(backend, tenant, parts);
    listing.page(conn, request, users, read).await
}

pub(super) fn listing(
    backend: DbBackend,
    tenant: TenantId,
    filter: Option<&UserFilter>,
    order: Order<UserOrderKey>,
) -> Listing {
    let mut from = Query::select();
    from.from(user::Entity).cond_where(in_tenant(tenant));
    if let Some(filter) = filter {
        from.cond_where(filter::users(filter, tenant, backend));
    }
    let by_id = UserOrderKey::Attribute(UserAttribute::Id);
    let key = order.key.filter(|key| *key != by_id);
    let key = key.and_then(|key| sort_key(key, tenant, backend));
    Listing {
        from,
        id: user_column(user::Column::Id),
        key,
        descending: order.descending,
    }
}

pub(super) fn resources(backend: DbBackend, tenant: TenantId, parts: UserParts) -> Resources {
    Resources {
        select: select(tenant, parts),
        bytes: bytes(backend, tenant, parts),
    }
}

/// About how many bytes the wanted parts of a user have.
pub(super) fn bytes(backend: DbBackend, tenant: TenantId, parts: UserParts) -> SelectStatement {
    let mut bytes = Expr::val(ROW_BYTES);
    if parts.profile {
        bytes = bytes.add(document_bytes(user_column(user::Column::Document), backend));
    }
    if parts.extensions {
        bytes = bytes.add(extension_bytes(user_column(user::Column::Extensions), backend));
    }
    Query::select()
        .expr(bytes)
        .from(user::Entity)
        .cond_where(in_tenant(tenant))
        .take()
}

/// What a key of the order is in a statement.
pub(super) fn sort_key(key: UserOrderKey, tenant: TenantId, backend: DbBackend) -> Option<SortKey> {
    match key {
        UserOrderKey::Attribute(attribute) => {
            let nullable = match attribute {
                UserAttribute::Id
                | UserAttribute::Version
                | UserAttribute::CreateTime
                | UserAttribute::UpdateTime
                | UserAttribute::UserName
                | UserAttribute::SourceActive
                | UserAttribute::Blocked
                | UserAttribute::Language
                | UserAttribute::ActivationStatus => false,
                UserAttribute::ExternalId
                | UserAttribute::ActivationCodeExpireTime
                | UserAttribute::ActivateTime
                | UserAttribute::Manager
                | UserAttribute::ManagerDisplayName
                | UserAttribute::Text(_) => true,
            };
            SortKey::new(filter::user_operand(attribute, tenant, backend), nullable)
        }
        UserOrderKey::List(list, sub) => SortKey::new(Operand::Text(filter::main_value(list, sub, tenant)), true),
        UserOrderKey::Groups => SortKey::new(Operand::Id(filter::first_group(tenant)), true),
        UserOrderKey::Extension(order) => {
            let keys = user_column(user::Column::ExtensionKeys);
            SortKey::new(filter::order_operand(keys, &order, backend), true)
        }
    }
}

/// Locks a user, and reads with it who may write it: one statement.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.lock", skip_all, fields(user.id = %id))]
pub async fn lock(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    id: UserId,
    intent: Intent,
) -> Result<Option<Locked<User>>, StoreError> {
    let of_user = Expr::col((tenant::Entity, tenant::Column::Id)).eq(user_column(user::Column::TenantId));
    let mut select = select(tenant, UserParts::ALL);
    rules::add_to(&mut select);
    select
        .inner_join(tenant::Entity, of_user)
        .and_where(user_column(user::Column::Id).eq(id.uuid()))
        .lock_with_tables(intent.lock(), [user::Entity]);
    let Some(row) = tx.query_one(&select).await? else {
        return Ok(None);
    };
    Ok(Some(Locked {
        resource: read(&row)?,
        rules: rules::read(&row)?,
    }))
}

/// Locks users in the order of their ids; those that do not exist are left out. `ids` must be sorted.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.members.lock", skip_all, fields(ids = ids.len()))]
pub async fn lock_members(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    ids: &[UserId],
) -> Result<Vec<LockedMember>, StoreError> {
    let mut locked = Vec::with_capacity(ids.len());
    for ids in ids.chunks(super::ids::CHUNK) {
        let select = Query::select()
            .expr_as(user_column(user::Column::Id), "id")
            .expr_as(
                user_column(user::Column::GroupDeletedSinceUs).is_not_null(),
                "group_deleted",
            )
            .from(user::Entity)
            .cond_where(in_tenant(tenant))
            .and_where(is_one_of(
                tx,
                user_column(user::Column::Id),
                ids.iter().map(|id| id.uuid()),
            ))
            .order_by((user::Entity, user::Column::Id), sea_orm::Order::Asc)
            .lock(LockType::NoKeyUpdate)
            .take();
        for row in tx.query_all(&select).await? {
            let id = UserId::from_uuid(row.try_get("", "id")?);
            locked.push(LockedMember {
                id,
                group_deleted: row.try_get("", "group_deleted")?,
            });
        }
    }
    Ok(locked)
}

/// Takes GROUP_DELETED from locked users: in how many steps ids fit into a statement. The users and their versions.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.lift_group_deleted", skip_all, fields(ids = ids.len()))]
pub async fn lift_group_deleted(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    ids: &[UserId],
    at_us: i64,
) -> Result<Vec<(UserId, Version)>, StoreError> {
    let mut lifted = Vec::with_capacity(ids.len());
    for ids in ids.chunks(super::ids::CHUNK) {
        let update = Query::update()
            .table(user::Entity)
            .value(user::Column::GroupDeletedSinceUs, Option::<i64>::None)
            .value(user::Column::GroupDeletedActor, Option::<String>::None)
            .value(user::Column::GroupDeletedGroupId, Option::<Uuid>::None)
            .value(user::Column::GroupDeletedGroupName, Option::<String>::None)
            .value(user::Column::Version, Expr::col(user::Column::Version).add(1))
            .value(user::Column::UpdatedUs, at_us)
            .cond_where(in_tenant(tenant))
            .and_where(user_column(user::Column::GroupDeletedSinceUs).is_not_null())
            .and_where(is_one_of(
                tx,
                user_column(user::Column::Id),
                ids.iter().map(|id| id.uuid()),
            ))
            .returning(Query::returning().columns([user::Column::Id, user::Column::Version]))
            .to_owned();
        for row in tx.query_all(&update).await? {
            let version = Version::new(row.try_get("", "version")?);
            lifted.push((UserId::from_uuid(row.try_get("", "id")?), version));
        }
    }
    Ok(lifted)
}

/// Adds GROUP_DELETED to the locked members of a locked group that is being deleted: to all, or to those who are in no other
/// group. Who has the reason already keeps it as it is. Says how many got it.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.block_members", skip_all, fields(group.id = %deleted.group_id))]
pub async fn block_members(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    deleted: &GroupDeleted,
    only_left_without_group: bool,
) -> Result<u64, StoreError> {
    let GroupDeleted {
        cause,
        group_id,
        group_name,
    } = deleted;
    let mut update = Query::update();
    update
        .table(user::Entity)
        .value(user::Column::GroupDeletedSinceUs, cause.since_us)
        .value(user::Column::GroupDeletedActor, cause.actor.as_str())
        .value(user::Column::GroupDeletedGroupId, group_id.uuid())
        .value(user::Column::GroupDeletedGroupName, group_name.as_str())
        .value(user::Column::Version, Expr::col(user::Column::Version).add(1))
        .value(user::Column::UpdatedUs, cause.since_us)
        .cond_where(in_tenant(tenant))
        .and_where(user_column(user::Column::GroupDeletedSinceUs).is_null())
        .and_where(user_column(user::Column::Id).in_subquery(memberships::members_of(tenant, *group_id)));
    if only_left_without_group {
        update.and_where(Expr::not_exists(memberships::other_group_of_user(*group_id)));
    }
    Ok(tx.execute(&update).await?.rows_affected())
}

fn in_tenant(tenant: TenantId) -> Condition {
    Condition::all().add(user_column(user::Column::TenantId).eq(tenant.uuid()))
}

/// Users of a tenant, with their managers if those are wanted, in one statement. What is not wanted is empty, and so are the
/// keys, which only conditions need.
pub(super) fn select(tenant: TenantId, parts: UserParts) -> SelectStatement {
    use user::Column as C;
    let mut select = Query::select();
    for column in C::iter() {
        let is_read = !matches!(column, C::SearchKeys | C::ExtensionKeys)
            && (parts.profile || !matches!(column, C::Document))
            && (parts.extensions || !matches!(column, C::Extensions))
            && (parts.manager || !matches!(column, C::ManagerId));
        let value = match column {
            read if is_read => user_column(read),
            C::Document | C::SearchKeys => Expr::val(Value::Object(Map::new())),
            _nullable => Expr::cust("NULL"),
        };
        select.expr_as(value, column);
    }
    select
        .expr_as(filter::default_language(tenant), DEFAULT_LANGUAGE)
        .from(user::Entity)
        .cond_where(in_tenant(tenant));
    if parts.manager {
        let manager = Condition::all()
            .add(Expr::col((MANAGER, user::Column::TenantId)).eq(user_column(user::Column::TenantId)))
            .add(Expr::col((MANAGER, user::Column::Id)).eq(user_column(user::Column::ManagerId)));
        select
            .expr_as(Expr::col((MANAGER, user::Column::Id)), MANAGER_FOUND)
            .expr_as(Expr::cust(MANAGER_NAME_SQL), MANAGER_NAME)
            .join_as(sea_orm::JoinType::LeftJoin, user::Entity, MANAGER, manager);
    }
    select
}

fn read(row: &QueryResult) -> Result<User, StoreError> {
    let model = user::Model::from_query_result(row, "")?;
    let manager = match model.manager_id {
        Some(id) => Some(Manager {
            id: UserId::from_uuid(id),
            exists: row.try_get::<Option<Uuid>>("", MANAGER_FOUND)?.is_some(),
            display_name: row.try_get::<Option<String>>("", MANAGER_NAME)?.map(Text::from_row),
        }),
        None => None,
    };
    let (blocks, activation) = (blocks(&model), activation(&model)?);
    let default = LanguageTag::from_row(row.try_get("", DEFAULT_LANGUAGE)?);
    let profile: Profile =
        serde_json::from_value(model.document).map_err(|_| StoreError::Unreadable("a user's document"))?;
    Ok(User {
        id: UserId::from_uuid(model.id),
        version: Version::new(model.version),
        created_us: model.created_us,
        updated_us: model.updated_us,
        user_name: UserName::from_row(model.user_name, model.user_name_key),
        external_id: model.external_id.map(ExternalId::from_row),
        language: language_of(&profile, &default),
        profile,
        manager,
        blocks,
        activation,
        extensions: read_values(model.extensions)?,
        groups: Vec::new(),
    })
}

fn blocks(model: &user::Model) -> Blocks {
    let cause = |since_us: Option<i64>, actor: &Option<String>| {
        since_us.map(|since_us| Cause {
            since_us,
            actor: actor.clone().unwrap_or_default(),
        })
    };
    let group_deleted = cause(model.group_deleted_since_us, &model.group_deleted_actor);
    Blocks {
        provisioning: cause(model.provisioning_since_us, &model.provisioning_actor),
        group_deleted: group_deleted.map(|cause| GroupDeleted {
            cause,
            group_id: GroupId::from_uuid(model.group_deleted_group_id.unwrap_or_default()),
            group_name: Text::from_row(model.group_deleted_group_name.clone().unwrap_or_default()),
        }),
        administrator: cause(model.administrator_since_us, &model.administrator_actor),
    }
}

fn activation(model: &user::Model) -> Result<Activation, StoreError> {
    let unreadable = StoreError::Unreadable("the state of an activation");
    let status = ActivationStatus::from_number(model.activation_status);
    let mail = ActivationMail::from_number(model.activation_mail);
    let (Some(status), Some(mail)) = (status, mail) else {
        return Err(unreadable);
    };
    Ok(Activation {
        status,
        mail,
        code_number: model.activation_code_number,
        expires_us: model.activation_expires_us,
        activated_us: model.activated_us,
        wrong_codes: model.activation_wrong_codes,
        paused_until_us: model.activation_paused_until_us,
        asked_us: model.activation_asked_us,
    })
}

/// Everything of a user that may change.
fn columns(user: &User, extensions: Option<&Checked>) -> Result<user::ActiveModel, StoreError> {
    let (extensions, extension_keys) = extension_columns(extensions)?;
    let since = |cause: Option<&Cause>| Set(cause.map(|cause| cause.since_us));
    let actor = |cause: Option<&Cause>| Set(cause.map(|cause| cause.actor.clone()));
    let Blocks {
        provisioning,
        group_deleted,
        administrator,
    } = &user.blocks;
    let deleted = group_deleted.as_ref();
    let activation = &user.activation;
    let language = user.profile.text(TextAttribute::PreferredLanguage);
    let language = language.and_then(|list| language::preferred(list.as_str()).into_iter().next());
    let document = serde_json::to_value(&user.profile).map_err(|_| StoreError::Unreadable("a user's document"))?;
    Ok(user::ActiveModel {
        tenant_id: NotSet,
        id: NotSet,
        version: Set(user.version.get()),
        created_us: NotSet,
        updated_us: Set(user.updated_us),
        user_name: Set(user.user_name.as_str().to_owned()),
        user_name_key: Set(user.user_name.key().to_owned()),
        external_id: Set(user.external_id.as_ref().map(|id| id.as_str().to_owned())),
        display_name_key: Set(user.profile.key(TextAttribute::DisplayName)),
        employee_number_key: Set(user.profile.key(TextAttribute::EmployeeNumber)),
        manager_id: Set(user.manager.as_ref().map(|manager| manager.id.uuid())),
        provisioning_since_us: since(provisioning.as_ref()),
        provisioning_actor: actor(provisioning.as_ref()),
        group_deleted_since_us: since(deleted.map(|deleted| &deleted.cause)),
        group_deleted_actor: actor(deleted.map(|deleted| &deleted.cause)),
        group_deleted_group_id: Set(deleted.map(|deleted| deleted.group_id.uuid())),
        group_deleted_group_name: Set(deleted.map(|deleted| deleted.group_name.as_str().to_owned())),
        administrator_since_us: since(administrator.as_ref()),
        administrator_actor: actor(administrator.as_ref()),
        activation_status: Set(activation.status.number()),
        activation_mail: Set(activation.mail.number()),
        activation_code_number: Set(activation.code_number),
        activation_expires_us: Set(activation.expires_us),
        activated_us: Set(activation.activated_us),
        activation_wrong_codes: Set(activation.wrong_codes),
        activation_paused_until_us: Set(activation.paused_until_us),
        activation_asked_us: Set(activation.asked_us),
        language_key: Set(language.map(|tag| fold(tag.as_str()))),
        document: Set(document),
        search_keys: Set(search_keys(&user.profile)),
        extensions,
        extension_keys,
    })
}

/// The keys of the texts that have no column of their own.
fn search_keys(profile: &Profile) -> Value {
    let texts = TextAttribute::ALL.iter().filter(|text| !text.is_indexed());
    let keys = texts.filter_map(|text| Some((text.path().to_owned(), profile.key(*text)?.into())));
    Value::Object(keys.collect::<Map<_, _>>())
}
