//! Conditions on many ids.

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ConnectionTrait, DbBackend};
use uuid::Uuid;

/// The most ids of one statement; SQLite binds 32,766 values.
pub(super) const CHUNK: usize = 10_000;

/// The column is one of these ids. On PostgreSQL they are one bound array, so that every number of ids is the same
/// prepared statement; SeaQuery has no `= ANY` on every database.
pub(super) fn is_one_of<C: ConnectionTrait>(conn: &C, column: Expr, ids: impl Iterator<Item = Uuid>) -> Expr {
    let ids: Vec<Uuid> = ids.collect();
    match conn.get_database_backend() {
        DbBackend::Postgres => Expr::cust_with_exprs("$1 = ANY($2)", [column, Expr::val(ids)]),
        _ => column.is_in(ids),
    }
}

/// The column is none of these ids. On PostgreSQL they become rows, of which it makes a hash table: `<> ALL` compares each row
/// with each id, ten thousand times ten thousand, in the plan that it keeps for a statement after five executions.
pub(super) fn is_none_of<C: ConnectionTrait>(conn: &C, column: Expr, ids: impl Iterator<Item = Uuid>) -> Expr {
    let ids: Vec<Uuid> = ids.collect();
    match conn.get_database_backend() {
        DbBackend::Postgres => Expr::cust_with_exprs("$1 NOT IN (SELECT unnest($2::uuid[]))", [column, Expr::val(ids)]),
        _ => column.is_not_in(ids),
    }
}
