//! The table `memberships`. Members are changed by sets, never by reading them all.

use std::collections::HashMap;

use sea_orm::sea_query::{
    Condition, DeleteStatement, Expr, ExprTrait as _, Func, LockType, OnConflict, Query, SelectStatement,
    WindowStatement,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult};
use tracing::instrument;

use super::entities::{group, membership, user};
use super::error::StoreError;
use super::filter::{blocked, group_column, user_column};
use super::ids::{CHUNK, is_none_of, is_one_of};
use super::paging::Listing;
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::membership::MembershipCheck;
use crate::domain::page::{Page, PageRequest};
use crate::domain::text::Text;
use crate::domain::user::UserGroup;

/// A user shows at most so many groups.
const SHOWN_GROUPS: u64 = 1_000;

/// Makes locked users members of a locked group; those that were not members before.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.insert", skip_all, fields(group.id = %group, ids = users.len()))]
pub async fn insert(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    group: GroupId,
    users: &[UserId],
    at_us: i64,
) -> Result<Vec<UserId>, StoreError> {
    use membership::Column as C;
    let mut added = Vec::with_capacity(users.len());
    for users in users.chunks(CHUNK) {
        let members = Query::select()
            .expr(user_column(user::Column::TenantId))
            .expr(Expr::val(group.uuid()))
            .expr(user_column(user::Column::Id))
            .expr(Expr::val(at_us))
            .from(user::Entity)
            .and_where(user_column(user::Column::TenantId).eq(tenant.uuid()))
            .and_where(is_one_of(
                tx,
                user_column(user::Column::Id),
                users.iter().map(|id| id.uuid()),
            ))
            .take();
        let mut insert = Query::insert();
        insert
            .into_table(membership::Entity)
            .columns([C::TenantId, C::GroupId, C::UserId, C::CreatedUs])
            .select_from(members)
            .map_err(|_| StoreError::Unreadable("as many values as columns"))?
            .on_conflict(
                OnConflict::columns([C::TenantId, C::GroupId, C::UserId])
                    .do_nothing()
                    .to_owned(),
            )
            .returning_col(C::UserId);
        added.extend(user_ids(&tx.query_all(&insert).await?)?);
    }
    Ok(added)
}

/// Takes users from a locked group; those that were members.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.delete", skip_all, fields(group.id = %group, ids = users.len()))]
pub async fn delete(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    group: GroupId,
    users: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    let mut removed = Vec::new();
    for users in users.chunks(CHUNK) {
        let these = is_one_of(tx, column(membership::Column::UserId), users.iter().map(|id| id.uuid()));
        let delete = delete_from(tenant, group).and_where(these).to_owned();
        removed.extend(user_ids(&tx.query_all(&delete).await?)?);
    }
    Ok(removed)
}

/// Takes every member but these from a locked group; those that were members. `kept` must be sorted.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.delete_others", skip_all, fields(group.id = %group, ids = kept.len()))]
pub async fn delete_others(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    group: GroupId,
    kept: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    let mut removed = Vec::new();
    // Each chunk answers for the ids up to its last one, the last chunk for all the rest: so they share no id.
    let mut chunks = kept.chunks(CHUNK).peekable();
    let mut after = None;
    loop {
        let chunk = chunks.next().unwrap_or_default();
        let until = chunk.last().copied().filter(|_| chunks.peek().is_some());
        let delete = delete_between(tx, tenant, group, after, until, chunk);
        removed.extend(user_ids(&tx.query_all(&delete).await?)?);
        after = until;
        if until.is_none() {
            return Ok(removed);
        }
    }
}

/// Takes every member but these whose id is greater than `after` and not greater than `until`.
pub(super) fn delete_between<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    group: GroupId,
    after: Option<UserId>,
    until: Option<UserId>,
    kept: &[UserId],
) -> DeleteStatement {
    let id = || column(membership::Column::UserId);
    let mut delete = delete_from(tenant, group);
    if let Some(after) = after {
        delete.and_where(id().gt(after.uuid()));
    }
    if let Some(until) = until {
        delete.and_where(id().lte(until.uuid()));
    }
    if !kept.is_empty() {
        delete.and_where(is_none_of(conn, id(), kept.iter().map(|id| id.uuid())));
    }
    delete
}

fn delete_from(tenant: TenantId, group: GroupId) -> DeleteStatement {
    Query::delete()
        .from_table(membership::Entity)
        .cond_where(of_group(tenant, group))
        .returning_col(membership::Column::UserId)
        .to_owned()
}

/// Takes every member from a group that is being deleted.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.delete_of_group", skip_all, fields(group.id = %group))]
pub async fn delete_of_group(tx: &DatabaseTransaction, tenant: TenantId, group: GroupId) -> Result<(), StoreError> {
    let delete = Query::delete()
        .from_table(membership::Entity)
        .cond_where(of_group(tenant, group))
        .to_owned();
    tx.execute(&delete).await?;
    Ok(())
}

/// Takes a user that is being deleted from every group.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.delete_of_user", skip_all, fields(user.id = %user))]
pub async fn delete_of_user(tx: &DatabaseTransaction, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
    let delete = Query::delete()
        .from_table(membership::Entity)
        .cond_where(of_user(tenant, user))
        .to_owned();
    tx.execute(&delete).await?;
    Ok(())
}

/// Locks the members of a locked group in the order of their ids.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.members_of_group.lock", skip_all, fields(group.id = %group))]
pub async fn lock_of_group(tx: &DatabaseTransaction, tenant: TenantId, group: GroupId) -> Result<u64, StoreError> {
    let members = members_of(tenant, group);
    let locked = Query::select()
        .column((user::Entity, user::Column::Id))
        .from(user::Entity)
        .and_where(user_column(user::Column::TenantId).eq(tenant.uuid()))
        .and_where(user_column(user::Column::Id).in_subquery(members))
        .order_by((user::Entity, user::Column::Id), sea_orm::Order::Asc)
        .lock_with_tables(LockType::NoKeyUpdate, [user::Entity])
        .take();
    count_locked(tx, locked).await
}

/// The ids of the members of a group.
pub(super) fn members_of(tenant: TenantId, group: GroupId) -> SelectStatement {
    Query::select()
        .column((membership::Entity, membership::Column::UserId))
        .from(membership::Entity)
        .cond_where(of_group(tenant, group))
        .take()
}

/// A row if the user of the outer statement is in another group than this one.
pub(super) fn other_group_of_user(group: GroupId) -> SelectStatement {
    Query::select()
        .expr(Expr::cust("1"))
        .from(membership::Entity)
        .and_where(column(membership::Column::TenantId).eq(user_column(user::Column::TenantId)))
        .and_where(column(membership::Column::UserId).eq(user_column(user::Column::Id)))
        .and_where(column(membership::Column::GroupId).ne(group.uuid()))
        .take()
}

/// Runs a locking SELECT and brings only the number of its rows. SQLite has no row locks and needs none.
pub(super) async fn count_locked(tx: &DatabaseTransaction, locked: SelectStatement) -> Result<u64, StoreError> {
    let count = Query::select()
        .expr(Expr::cust("COUNT(*)"))
        .from_subquery(locked, "locked")
        .take();
    count_of(tx.query_one(&count).await?)
}

/// How many groups a user is in.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.count_of_user", skip_all, fields(user.id = %user))]
pub async fn count_of_user(tx: &DatabaseTransaction, tenant: TenantId, user: UserId) -> Result<u64, StoreError> {
    let count = Query::select()
        .expr(Expr::cust("COUNT(*)"))
        .from(membership::Entity)
        .cond_where(of_user(tenant, user))
        .take();
    count_of(tx.query_one(&count).await?)
}

fn count_of(row: Option<QueryResult>) -> Result<u64, StoreError> {
    let row = row.ok_or(StoreError::Unreadable("a count without a row"))?;
    u64::try_from(row.try_get_by_index::<i64>(0)?).map_err(|_| StoreError::Unreadable("a negative count"))
}

/// Reads a page of the members of a group, by id.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.list", skip_all, fields(group.id = %group))]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    group: GroupId,
    request: &PageRequest,
) -> Result<Page<UserId>, StoreError> {
    let listing = Listing {
        from: Query::select()
            .from(membership::Entity)
            .cond_where(of_group(tenant, group))
            .take(),
        id: column(membership::Column::UserId),
        key: None,
        descending: false,
    };
    Ok(listing.ids(conn, request).await?.map(UserId::from_uuid))
}

/// The most groups that one statement brings; those of [`SURELY_SHOWN`] users are never more.
const MOST_SHOWN_GROUPS: u64 = 20_000;
/// So many users' groups can always be read at once.
pub const SURELY_SHOWN: usize = (MOST_SHOWN_GROUPS / SHOWN_GROUPS) as usize;

/// The first 1,000 groups of each of these users, by id. None: they are too many; ask for fewer users at once.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.groups_of_users", skip_all, fields(ids = users.len()))]
pub async fn groups_of_users<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    users: &[UserId],
) -> Result<Option<HashMap<UserId, Vec<UserGroup>>>, StoreError> {
    let mut groups: HashMap<UserId, Vec<UserGroup>> = HashMap::new();
    if users.is_empty() {
        return Ok(Some(groups));
    }
    let mut select = shown_groups(conn, tenant, users);
    if users.len() > SURELY_SHOWN {
        select.limit(MOST_SHOWN_GROUPS + 1);
    }
    let rows = conn.query_all(&select).await?;
    if rows.len() as u64 > MOST_SHOWN_GROUPS {
        return Ok(None);
    }
    for row in rows {
        let user = UserId::from_uuid(row.try_get("", "user_id")?);
        let id = GroupId::from_uuid(row.try_get("", "group_id")?);
        let display_name = Text::from_row(row.try_get("", "display_name")?);
        groups.entry(user).or_default().push(UserGroup { id, display_name });
    }
    Ok(Some(groups))
}

fn shown_groups<C: ConnectionTrait>(conn: &C, tenant: TenantId, users: &[UserId]) -> SelectStatement {
    let joined = Condition::all()
        .add(group_column(group::Column::TenantId).eq(column(membership::Column::TenantId)))
        .add(group_column(group::Column::Id).eq(column(membership::Column::GroupId)));
    let mut select = Query::select();
    select
        .expr_as(column(membership::Column::UserId), "user_id")
        .expr_as(column(membership::Column::GroupId), "group_id")
        .expr_as(group_column(group::Column::DisplayName), "display_name")
        .from(membership::Entity)
        .inner_join(group::Entity, joined)
        .and_where(column(membership::Column::TenantId).eq(tenant.uuid()));
    if let [user] = users {
        return select
            .and_where(column(membership::Column::UserId).eq(user.uuid()))
            .order_by((membership::Entity, membership::Column::GroupId), sea_orm::Order::Asc)
            .limit(SHOWN_GROUPS)
            .take();
    }
    let window = WindowStatement::partition_by((membership::Entity, membership::Column::UserId))
        .order_by_expr(column(membership::Column::GroupId), sea_orm::Order::Asc)
        .take();
    select
        .expr_window_as(Func::cust("ROW_NUMBER"), window, "nth")
        .and_where(is_one_of(
            conn,
            column(membership::Column::UserId),
            users.iter().map(|id| id.uuid()),
        ));
    Query::select()
        .columns(["user_id", "group_id", "display_name"])
        .from_subquery(select, "shown")
        .and_where(Expr::col("nth").lte(i64::try_from(SHOWN_GROUPS).unwrap_or(i64::MAX)))
        .order_by("user_id", sea_orm::Order::Asc)
        .order_by("group_id", sea_orm::Order::Asc)
        .take()
}

/// What is known of a user and a group. None: there is no such group; the inner None: no such user.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.memberships.check", skip_all, fields(group.id = %group, user.id = %user))]
pub async fn check<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    group: GroupId,
    user: UserId,
) -> Result<Option<Option<MembershipCheck>>, StoreError> {
    let the_group = Query::select()
        .expr(Expr::cust("1"))
        .from(group::Entity)
        .and_where(group_column(group::Column::TenantId).eq(tenant.uuid()))
        .and_where(group_column(group::Column::Id).eq(group.uuid()))
        .take();
    let the_user = Query::select()
        .expr(Expr::cust("1"))
        .from(user::Entity)
        .and_where(user_column(user::Column::TenantId).eq(tenant.uuid()))
        .and_where(user_column(user::Column::Id).eq(user.uuid()))
        .take();
    let membership = Query::select()
        .expr(Expr::cust("1"))
        .from(membership::Entity)
        .cond_where(of_group(tenant, group))
        .and_where(column(membership::Column::UserId).eq(user.uuid()))
        .take();
    let blocked_user = the_user.clone().and_where(blocked()).take();
    let select = Query::select()
        .expr_as(Expr::exists(the_group), "has_group")
        .expr_as(Expr::exists(the_user), "has_user")
        .expr_as(Expr::exists(membership), "is_member")
        .expr_as(Expr::exists(blocked_user), "is_blocked")
        .take();
    let row = conn
        .query_one(&select)
        .await?
        .ok_or(StoreError::Unreadable("an answer without a row"))?;
    if !row.try_get::<bool>("", "has_group")? {
        return Ok(None);
    }
    if !row.try_get::<bool>("", "has_user")? {
        return Ok(Some(None));
    }
    let (member, blocked) = (row.try_get("", "is_member")?, row.try_get("", "is_blocked")?);
    Ok(Some(Some(MembershipCheck { member, blocked })))
}

fn column(column: membership::Column) -> Expr {
    Expr::col((membership::Entity, column))
}

fn of_group(tenant: TenantId, group: GroupId) -> Condition {
    Condition::all()
        .add(column(membership::Column::TenantId).eq(tenant.uuid()))
        .add(column(membership::Column::GroupId).eq(group.uuid()))
}

fn of_user(tenant: TenantId, user: UserId) -> Condition {
    Condition::all()
        .add(column(membership::Column::TenantId).eq(tenant.uuid()))
        .add(column(membership::Column::UserId).eq(user.uuid()))
}

fn user_ids(rows: &[QueryResult]) -> Result<Vec<UserId>, StoreError> {
    let ids = rows
        .iter()
        .map(|row| Ok(UserId::from_uuid(row.try_get("", "user_id")?)));
    ids.collect()
}
