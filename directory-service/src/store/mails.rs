//! The table `mails`: the outbox. A row holds ids only; who is addressed, and how, is looked up when it is sent.

use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult as _, QueryResult};
use tracing::instrument;

use super::entities::{mail, user};
use super::error::StoreError;
use super::filter::{has_mail_address, unblocked, user_column};
use super::ids::{CHUNK, is_one_of};
use crate::domain::activation::{ActivationMail, ActivationStatus};
use crate::domain::id::{TenantId, UserId};
use crate::domain::mail::{ClaimedMail, Mail, MailState};

/// Queues the mails of these users, whose rows say that they are queued; one that is there is begun anew.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.mails.queue", skip_all, fields(ids = users.len()))]
pub async fn queue(tx: &DatabaseTransaction, tenant: TenantId, users: &[UserId], at_us: i64) -> Result<(), StoreError> {
    use mail::Column as C;
    for users in users.chunks(CHUNK) {
        let rows = Query::select()
            .expr(user_column(user::Column::TenantId))
            .expr(user_column(user::Column::Id))
            .expr(user_column(user::Column::ActivationCodeNumber))
            .expr(Expr::val(MailState::Waiting.number()))
            .expr(Expr::val(at_us))
            .expr(Expr::val(at_us))
            // The fence begins at the time, not at 0: a row that was taken out and is there again is not held by old claims.
            .expr(Expr::val(at_us))
            .expr(Expr::val(0_i32))
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
            .into_table(mail::Entity)
            .columns([
                C::TenantId,
                C::UserId,
                C::CodeNumber,
                C::State,
                C::QueuedUs,
                C::DueUs,
                C::Fence,
                C::Attempts,
            ])
            .select_from(rows)
            .map_err(|_| StoreError::Unreadable("as many values as columns"))?
            .on_conflict(
                OnConflict::columns([C::TenantId, C::UserId])
                    .update_columns([C::CodeNumber, C::State, C::QueuedUs, C::DueUs, C::Attempts])
                    .value(C::Fence, Expr::col((mail::Entity, C::Fence)).add(1))
                    .value(C::FirstAttemptUs, Option::<i64>::None)
                    .value(C::Failure, Option::<String>::None)
                    .value(C::EndedUs, Option::<i64>::None)
                    .to_owned(),
            );
        tx.execute(&insert).await?;
    }
    Ok(())
}

/// Marks the mails of those of these users as queued whose mail is due and who can have it now; who they are.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.users.queue_due_mails", skip_all, fields(ids = users.len()))]
pub async fn mark_due(tx: &DatabaseTransaction, tenant: TenantId, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let mut marked = Vec::new();
    for users in users.chunks(CHUNK) {
        let update = Query::update()
            .table(user::Entity)
            .value(user::Column::ActivationMail, ActivationMail::Queued.number())
            .value(user::Column::ActivationStatus, ActivationStatus::Pending.number())
            .and_where(user_column(user::Column::TenantId).eq(tenant.uuid()))
            .and_where(user_column(user::Column::ActivationMail).eq(ActivationMail::Due.number()))
            .and_where(unblocked())
            .and_where(has_mail_address())
            .and_where(is_one_of(
                tx,
                user_column(user::Column::Id),
                users.iter().map(|id| id.uuid()),
            ))
            .returning(Query::returning().column(user::Column::Id))
            .to_owned();
        for row in tx.query_all(&update).await? {
            marked.push(UserId::from_uuid(row.try_get("", "id")?));
        }
    }
    Ok(marked)
}

/// Takes the mail of a user out of the outbox.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.mails.delete", skip_all, fields(user.id = %user))]
pub async fn delete(tx: &DatabaseTransaction, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
    let delete = Query::delete()
        .from_table(mail::Entity)
        .cond_where(of_user(tenant, user))
        .to_owned();
    tx.execute(&delete).await?;
    Ok(())
}

/// The mail of a user.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.mails.find", skip_all, fields(user.id = %user))]
pub async fn find<C: ConnectionTrait>(conn: &C, tenant: TenantId, user: UserId) -> Result<Option<Mail>, StoreError> {
    let select = Query::select()
        .expr(Expr::cust("*"))
        .from(mail::Entity)
        .cond_where(of_user(tenant, user))
        .take();
    conn.query_one(&select).await?.map(|row| read(&row)).transpose()
}

/// At most `limit` mails by user, those after `after`, and only those in `state` if one is named.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.mails.list", skip_all, fields(tenant.id = %tenant))]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    state: Option<MailState>,
    after: Option<UserId>,
    limit: u64,
) -> Result<Vec<Mail>, StoreError> {
    let mut select = Query::select();
    select
        .expr(Expr::cust("*"))
        .from(mail::Entity)
        .and_where(column(mail::Column::TenantId).eq(tenant.uuid()))
        .order_by((mail::Entity, mail::Column::UserId), sea_orm::Order::Asc)
        .limit(limit);
    if let Some(state) = state {
        select.and_where(is_in_state(state));
    }
    if let Some(after) = after {
        select.and_where(column(mail::Column::UserId).gt(after.uuid()));
    }
    conn.query_all(&select).await?.iter().map(read).collect()
}

/// Sends a parked mail again. Says whether it was parked.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.mails.retry", skip_all, fields(user.id = %user))]
pub async fn retry(tx: &DatabaseTransaction, tenant: TenantId, user: UserId, at_us: i64) -> Result<bool, StoreError> {
    let update = Query::update()
        .table(mail::Entity)
        .value(mail::Column::State, MailState::Waiting.number())
        .value(mail::Column::DueUs, at_us)
        .value(mail::Column::Fence, column(mail::Column::Fence).add(1))
        .value(mail::Column::Attempts, 0)
        .value(mail::Column::FirstAttemptUs, Option::<i64>::None)
        .value(mail::Column::EndedUs, Option::<i64>::None)
        .cond_where(of_user(tenant, user))
        .and_where(column(mail::Column::State).eq(MailState::Parked.number()))
        .to_owned();
    Ok(tx.execute(&update).await?.rows_affected() == 1)
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A mail server accepted it.
    Sent,
    /// It is tried again at this time: microseconds since 1970, UTC.
    Again(i64),
    /// It is not tried again.
    Parked,
}

/// Writes what an attempt came to, unless the mail was claimed or changed meanwhile. Says whether it was written.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.mails.end_attempt", skip_all, fields(user.id = %claimed.user))]
pub async fn end_attempt(
    tx: &DatabaseTransaction,
    claimed: &ClaimedMail,
    ending: Ending,
    failure: Option<&str>,
    at_us: i64,
) -> Result<bool, StoreError> {
    let mut update = Query::update();
    update
        .table(mail::Entity)
        .value(mail::Column::Failure, failure.map(str::to_owned))
        .value(mail::Column::Fence, column(mail::Column::Fence).add(1))
        .cond_where(held(claimed));
    match ending {
        Ending::Again(due_us) => update.value(mail::Column::DueUs, due_us),
        Ending::Sent | Ending::Parked => {
            let state = if ending == Ending::Sent {
                MailState::Sent
            } else {
                MailState::Parked
            };
            update
                .value(mail::Column::State, state.number())
                .value(mail::Column::EndedUs, at_us)
        }
    };
    Ok(tx.execute(&update).await?.rows_affected() == 1)
}

/// Takes a mail that is not to be sent out of the outbox, unless it was claimed or changed meanwhile. Says whether it went.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.mails.drop", skip_all, fields(user.id = %claimed.user))]
pub async fn delete_claimed(tx: &DatabaseTransaction, claimed: &ClaimedMail) -> Result<bool, StoreError> {
    let delete = Query::delete()
        .from_table(mail::Entity)
        .cond_where(held(claimed))
        .to_owned();
    Ok(tx.execute(&delete).await?.rows_affected() == 1)
}

/// The row as it was claimed.
fn held(claimed: &ClaimedMail) -> Condition {
    of_user(claimed.tenant, claimed.user).add(column(mail::Column::Fence).eq(claimed.fence))
}

fn of_user(tenant: TenantId, user: UserId) -> Condition {
    Condition::all()
        .add(column(mail::Column::TenantId).eq(tenant.uuid()))
        .add(column(mail::Column::UserId).eq(user.uuid()))
}

/// The number is written out, not bound: only then does it match the condition of an index.
pub(super) fn is_in_state(state: MailState) -> Expr {
    column(mail::Column::State).eq(Expr::cust(state.number().to_string()))
}

pub(super) fn column(column: mail::Column) -> Expr {
    Expr::col((mail::Entity, column))
}

fn read(row: &QueryResult) -> Result<Mail, StoreError> {
    let mail::Model {
        tenant_id: _,
        user_id,
        code_number: _,
        state,
        queued_us,
        due_us,
        fence: _,
        attempts,
        first_attempt_us: _,
        failure,
        ended_us,
    } = mail::Model::from_query_result(row, "")?;
    Ok(Mail {
        user: UserId::from_uuid(user_id),
        state: MailState::from_number(state).ok_or(StoreError::Unreadable("the state of a mail"))?,
        queued_us,
        due_us,
        attempts,
        failure,
        ended_us,
    })
}
