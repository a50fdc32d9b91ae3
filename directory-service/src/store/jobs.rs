//! What the workers do for all tenants: claiming mails that are due, finding codes that expired, and what operators watch. The
//! only queries that do not begin with one tenant; those on users and mails use partial indexes of their own.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LockBehavior, LockType, Query, SelectStatement};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};
use tracing::instrument;
use uuid::Uuid;

use super::entities::{mail, tenant, token, user};
use super::error::StoreError;
use super::filter::user_column;
use super::ids::is_one_of;
use super::mails::{column, is_in_state};
use super::tokens;
use crate::domain::activation::ActivationStatus;
use crate::domain::id::{TenantId, UserId};
use crate::domain::mail::{ClaimedMail, MailState};
use crate::domain::token::{Scope, Scopes};

const MINUTE_US: i64 = 60 * 1_000_000;

/// Claims at most `limit` mails that are due, until `lease_until_us`: tenants take turns, and none sends more than its
/// setting allows. To be committed before anything is sent.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.jobs.claim_mails", skip_all)]
pub async fn claim_mails(
    tx: &DatabaseTransaction,
    now_us: i64,
    lease_until_us: i64,
    limit: u32,
) -> Result<Vec<ClaimedMail>, StoreError> {
    let turns = tenants_in_turn(tx, now_us, limit).await?;
    if turns.is_empty() {
        return Ok(Vec::new());
    }
    let each = i64::from(limit) / i64::try_from(turns.len()).unwrap_or(i64::MAX);
    let mut claimed = Vec::new();
    for (tenant, mails_per_minute) in turns {
        // What may be sent in a second is sent at once, rather than by many small claims.
        let mails = i64::clamp(mails_per_minute / 60, 1, each);
        let of_tenant = claim_of(tx, tenant, now_us, lease_until_us, mails).await?;
        let sent = i64::try_from(of_tenant.len()).unwrap_or(i64::MAX);
        let next_us = now_us.saturating_add(sent.saturating_mul(MINUTE_US / mails_per_minute.clamp(1, MINUTE_US)));
        let update = Query::update()
            .table(tenant::Entity)
            .value(tenant::Column::NextMailUs, next_us)
            .and_where(Expr::col(tenant::Column::Id).eq(tenant.uuid()))
            .to_owned();
        tx.execute(&update).await?;
        claimed.extend(of_tenant);
    }
    Ok(claimed)
}

/// The tenants that have mails and may send one, those first that waited longest; locked, so that two workers do not give
/// one tenant two turns at once.
async fn tenants_in_turn(
    tx: &DatabaseTransaction,
    now_us: i64,
    limit: u32,
) -> Result<Vec<(TenantId, i64)>, StoreError> {
    let id = Expr::col((tenant::Entity, tenant::Column::Id));
    let has_mail = due(now_us)
        .expr(Expr::cust("1"))
        .and_where(column(mail::Column::TenantId).eq(id))
        .take();
    let select = Query::select()
        .column((tenant::Entity, tenant::Column::Id))
        .column((tenant::Entity, tenant::Column::MailsPerMinute))
        .from(tenant::Entity)
        .and_where(Expr::col((tenant::Entity, tenant::Column::NextMailUs)).lte(now_us))
        .and_where(Expr::exists(has_mail))
        .order_by((tenant::Entity, tenant::Column::NextMailUs), sea_orm::Order::Asc)
        .limit(u64::from(limit))
        .lock_with_tables_behavior(LockType::NoKeyUpdate, [tenant::Entity], LockBehavior::SkipLocked)
        .take();
    let rows = tx.query_all(&select).await?;
    let turns = rows.iter().map(|row| {
        let mails_per_minute: i16 = row.try_get("", "mails_per_minute")?;
        Ok((TenantId::from_uuid(row.try_get("", "id")?), i64::from(mails_per_minute)))
    });
    turns.collect()
}

async fn claim_of(
    tx: &DatabaseTransaction,
    tenant: TenantId,
    now_us: i64,
    lease_until_us: i64,
    mails: i64,
) -> Result<Vec<ClaimedMail>, StoreError> {
    use mail::Column as C;
    let these = due(now_us)
        .column((mail::Entity, C::UserId))
        .and_where(column(C::TenantId).eq(tenant.uuid()))
        .order_by((mail::Entity, C::DueUs), sea_orm::Order::Asc)
        .limit(u64::try_from(mails).unwrap_or(1))
        .lock_with_tables_behavior(LockType::NoKeyUpdate, [mail::Entity], LockBehavior::SkipLocked)
        .take();
    // Chosen by a statement of its own: PostgreSQL may run a subquery of the update more than once, and each time it would find
    // the next ones.
    let rows = tx.query_all(&these).await?;
    let these: Result<Vec<Uuid>, StoreError> = rows.iter().map(|row| Ok(row.try_get("", "user_id")?)).collect();
    let first = Func::coalesce([column(C::FirstAttemptUs), Expr::val(now_us)]);
    let update = Query::update()
        .table(mail::Entity)
        .value(C::DueUs, lease_until_us)
        .value(C::Fence, column(C::Fence).add(1))
        .value(C::Attempts, column(C::Attempts).add(1))
        .value(C::FirstAttemptUs, first)
        .and_where(column(C::TenantId).eq(tenant.uuid()))
        .and_where(is_one_of(tx, column(C::UserId), these?.into_iter()))
        .returning(Query::returning().columns([C::UserId, C::CodeNumber, C::Fence, C::Attempts, C::FirstAttemptUs]))
        .to_owned();
    let rows = tx.query_all(&update).await?;
    let claimed = rows.iter().map(|row| {
        Ok(ClaimedMail {
            tenant,
            user: UserId::from_uuid(row.try_get("", "user_id")?),
            code_number: row.try_get("", "code_number")?,
            fence: row.try_get("", "fence")?,
            attempts: row.try_get("", "attempts")?,
            first_attempt_us: row.try_get("", "first_attempt_us")?,
        })
    });
    claimed.collect()
}

/// Mails that wait and are due.
fn due(now_us: i64) -> SelectStatement {
    in_state(MailState::Waiting)
        .and_where(column(mail::Column::DueUs).lte(now_us))
        .take()
}

fn in_state(state: MailState) -> SelectStatement {
    Query::select().from(mail::Entity).and_where(is_in_state(state)).take()
}

/// How many mails wait, how many are parked, and since when the oldest one waits. Reads no mail that was sent: each part has
/// an index of its own.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.jobs.outbox", skip_all)]
pub async fn outbox<C: ConnectionTrait>(conn: &C) -> Result<Outbox, StoreError> {
    let without = || StoreError::Unreadable("a count without a row");
    let waiting = conn
        .query_one(&counted(MailState::Waiting))
        .await?
        .ok_or_else(without)?;
    let parked = conn.query_one(&counted(MailState::Parked)).await?.ok_or_else(without)?;
    Ok(Outbox {
        waiting: waiting.try_get("", "mails")?,
        parked: parked.try_get("", "mails")?,
        oldest_queued_us: waiting.try_get("", "oldest")?,
    })
}

/// How many mails are in this state, and when the oldest of them was queued.
pub(super) fn counted(state: MailState) -> SelectStatement {
    in_state(state)
        .expr_as(Func::count(column(mail::Column::UserId)), "mails")
        .expr_as(Func::min(column(mail::Column::QueuedUs)), "oldest")
        .take()
}

/// The state of the outbox of all tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// How many mails wait.
    pub waiting: i64,
    /// How many are parked.
    pub parked: i64,
    /// When the oldest one that waits was queued: microseconds since 1970, UTC.
    pub oldest_queued_us: Option<i64>,
}

/// When the first live token with scope provision ends, of all tenants; none does if there is none.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.jobs.first_token_expiry", skip_all)]
pub async fn first_token_expiry<C: ConnectionTrait>(conn: &C, now_us: i64) -> Result<Option<i64>, StoreError> {
    let provision = Scopes::from_iter([Scope::Provision]).bits();
    let provisions = Expr::col(token::Column::Scopes).bit_and(provision).eq(provision);
    let first = token::Entity::find()
        .select_only()
        .column_as(token::Column::ExpiresUs.min(), "first")
        .filter(tokens::live(now_us))
        .filter(provisions)
        .into_tuple::<Option<i64>>()
        .one(conn)
        .await?;
    Ok(first.flatten())
}

/// Which of these users exist, in whatever tenant.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.jobs.known_users", skip_all, fields(ids = users.len()))]
pub async fn known_users<C: ConnectionTrait>(conn: &C, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let these = is_one_of(conn, user_column(user::Column::Id), users.iter().map(|id| id.uuid()));
    let select = Query::select()
        .column((user::Entity, user::Column::Id))
        .from(user::Entity)
        .and_where(these)
        .take();
    let rows = conn.query_all(&select).await?;
    rows.iter()
        .map(|row| Ok(UserId::from_uuid(row.try_get("", "id")?)))
        .collect()
}

/// At most `limit` users whose code expired, the earliest first.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.jobs.expired_codes", skip_all)]
pub async fn expired_codes<C: ConnectionTrait>(
    conn: &C,
    now_us: i64,
    limit: u64,
) -> Result<Vec<(TenantId, UserId)>, StoreError> {
    let pending = Expr::cust(ActivationStatus::Pending.number().to_string());
    let select = Query::select()
        .column((user::Entity, user::Column::TenantId))
        .column((user::Entity, user::Column::Id))
        .from(user::Entity)
        .and_where(user_column(user::Column::ActivationStatus).eq(pending))
        .and_where(user_column(user::Column::ActivationExpiresUs).lte(now_us))
        .order_by((user::Entity, user::Column::ActivationExpiresUs), sea_orm::Order::Asc)
        .limit(limit)
        .take();
    let rows = conn.query_all(&select).await?;
    let expired = rows.iter().map(|row| {
        let tenant = TenantId::from_uuid(row.try_get("", "tenant_id")?);
        Ok((tenant, UserId::from_uuid(row.try_get("", "id")?)))
    });
    expired.collect()
}
