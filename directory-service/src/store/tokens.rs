//! Queries on tokens. The look-up by id is the one query that does not name a tenant: it is what finds the tenant.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, JoinType, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, RelationDef, Statement,
};
use tracing::instrument;
use uuid::Uuid;

use super::entities::{tenant, token};
use super::error::StoreError;
use super::tenants;
use crate::domain::id::TenantId;
use crate::domain::tenant::{DisplayName, ProvisioningSource};
use crate::domain::token::{Scopes, Token, TokenHash, TokenId, VerifiedToken};

/// A token as it is kept.
pub struct Stored {
    /// The token and whose it is; not verified yet.
    pub token: VerifiedToken,
    /// SHA-256 of its text.
    pub secret_hash: Vec<u8>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Inserts a token.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tokens.insert", skip_all)]
pub async fn insert<C: ConnectionTrait>(conn: &C, new: &Token, hash: &TokenHash) -> Result<(), StoreError> {
    let row = token::ActiveModel {
        id: Set(new.id.to_string()),
        tenant_id: Set(new.tenant.map(TenantId::uuid)),
        name: Set(new.name.as_str().to_owned()),
        secret_hash: Set(hash.as_bytes().to_vec()),
        scopes: Set(new.scopes.bits()),
        source: Set(new.source.as_ref().map(|source| source.as_str().to_owned())),
        created_us: Set(new.created_us),
        expires_us: Set(new.expires_us),
        last_used_us: Set(new.last_used_us),
        revoked_us: Set(None),
    };
    token::Entity::insert(row).exec_without_returning(conn).await?;
    Ok(())
}

/// The token of this id with its tenant, in one statement.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tokens.find", skip_all)]
pub async fn find<C: ConnectionTrait>(conn: &C, id: TokenId) -> Result<Option<Stored>, StoreError> {
    let tenant_of: RelationDef = token::Entity::belongs_to(tenant::Entity)
        .from(token::Column::TenantId)
        .to(tenant::Column::Id)
        .into();
    let found = token::Entity::find_by_id(id.to_string())
        .join(JoinType::LeftJoin, tenant_of)
        .select_also(tenant::Entity)
        .one(conn)
        .await?;
    let Some((row, tenant)) = found else { return Ok(None) };
    let (secret_hash, revoked) = (row.secret_hash.clone(), row.revoked_us.is_some());
    let token = VerifiedToken {
        token: from_row(row)?,
        tenant: tenant.map(tenants::from_row).transpose()?,
    };
    Ok(Some(Stored {
        token,
        secret_hash,
        revoked,
    }))
}

/// At most `limit` live tokens of a tenant (of the operators: `None`) by id, those after `after`.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tokens.list", skip_all)]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: Option<TenantId>,
    now_us: i64,
    after: Option<TokenId>,
    limit: u64,
) -> Result<Vec<Token>, StoreError> {
    let mut select = token::Entity::find()
        .filter(of(tenant))
        .filter(live(now_us))
        .order_by_asc(token::Column::Id)
        .limit(limit);
    if let Some(after) = after {
        select = select.filter(token::Column::Id.gt(after.to_string()));
    }
    select.all(conn).await?.into_iter().map(from_row).collect()
}

/// What a tenant calls its tokens of these ids, revoked ones too; what operators call theirs is not told: `None`. At most a
/// few hundred ids.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tokens.names", skip_all)]
pub async fn names<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    ids: impl IntoIterator<Item = &str>,
) -> Result<BTreeMap<String, Option<String>>, StoreError> {
    let found = token::Entity::find()
        .filter(Condition::any().add(of(Some(tenant))).add(of(None)))
        .filter(token::Column::Id.is_in(ids))
        .select_only()
        .columns([token::Column::Id, token::Column::TenantId, token::Column::Name])
        .into_tuple::<(String, Option<Uuid>, String)>()
        .all(conn)
        .await?;
    let named = found.into_iter().map(|(id, owner, name)| (id, owner.map(|_| name)));
    Ok(named.collect())
}

/// Revokes a token of a tenant (of the operators: `None`). False if there is none that is not revoked yet.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tokens.revoke", skip_all)]
pub async fn revoke<C: ConnectionTrait>(
    conn: &C,
    tenant: Option<TenantId>,
    id: TokenId,
    now_us: i64,
) -> Result<bool, StoreError> {
    let done = token::Entity::update_many()
        .col_expr(token::Column::RevokedUs, Expr::value(now_us))
        .filter(of(tenant))
        .filter(token::Column::Id.eq(id.to_string()))
        .filter(token::Column::RevokedUs.is_null())
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Revokes every token of a tenant (of the operators: `None`).
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tokens.revoke_all", skip_all)]
pub async fn revoke_all<C: ConnectionTrait>(
    conn: &C,
    tenant: Option<TenantId>,
    now_us: i64,
) -> Result<u64, StoreError> {
    let done = token::Entity::update_many()
        .col_expr(token::Column::RevokedUs, Expr::value(now_us))
        .filter(of(tenant))
        .filter(token::Column::RevokedUs.is_null())
        .exec(conn)
        .await?;
    Ok(done.rows_affected)
}

/// Notes that a token was used, unless that was noted at or after `stale_us`.
///
/// # Errors
/// Those of the database.
#[instrument(name = "store.tokens.touch", skip_all)]
pub async fn touch<C: ConnectionTrait>(conn: &C, id: TokenId, now_us: i64, stale_us: i64) -> Result<(), StoreError> {
    let stale = Condition::any()
        .add(token::Column::LastUsedUs.is_null())
        .add(token::Column::LastUsedUs.lt(stale_us));
    token::Entity::update_many()
        .col_expr(token::Column::LastUsedUs, Expr::value(now_us))
        .filter(token::Column::Id.eq(id.to_string()))
        .filter(stale)
        .exec(conn)
        .await?;
    Ok(())
}

/// Whether an operator token lives.
///
/// # Errors
/// Those of the database.
pub async fn operator_lives<C: ConnectionTrait>(conn: &C, now_us: i64) -> Result<bool, StoreError> {
    Ok(!list(conn, None, now_us, None, 1).await?.is_empty())
}

/// Lets one process at a time decide whether an operator token lives, until the transaction ends.
///
/// # Errors
/// Those of the database.
pub async fn lock_operators<C: ConnectionTrait>(conn: &C) -> Result<(), StoreError> {
    // SeaORM knows no advisory locks, and there is no row to lock: the question is whether one is missing. SQLite has
    // one writer anyway.
    if conn.get_database_backend() == DbBackend::Postgres {
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended('rollcall operator tokens', 0))";
        conn.execute_raw(Statement::from_string(DbBackend::Postgres, lock))
            .await?;
    }
    Ok(())
}

fn of(tenant: Option<TenantId>) -> Condition {
    let owner = match tenant {
        Some(tenant) => token::Column::TenantId.eq(tenant.uuid()),
        None => token::Column::TenantId.is_null(),
    };
    Condition::all().add(owner)
}

pub(super) fn live(now_us: i64) -> Condition {
    let unexpired = Condition::any()
        .add(token::Column::ExpiresUs.is_null())
        .add(token::Column::ExpiresUs.gt(now_us));
    Condition::all().add(token::Column::RevokedUs.is_null()).add(unexpired)
}

fn from_row(row: token::Model) -> Result<Token, StoreError> {
    let token::Model {
        id,
        tenant_id,
        name,
        secret_hash: _,
        scopes,
        source,
        created_us,
        expires_us,
        last_used_us,
        revoked_us: _,
    } = row;
    Ok(Token {
        id: id
            .parse()
            .map_err(|_| StoreError::Unreadable("tokens.id is no token id"))?,
        tenant: tenant_id.map(TenantId::from_uuid),
        name: DisplayName::from_row(name),
        scopes: Scopes::from_bits(scopes),
        source: source.map(ProvisioningSource::from_row),
        created_us,
        expires_us,
        last_used_us,
    })
}
