//! Keyset paging: a page goes on after a position, in the order (is null, key, id), whatever was written meanwhile.

use sea_orm::sea_query::{Condition, Expr, ExprTrait as _, SelectStatement};
use sea_orm::{ConnectionTrait, Order as Direction, QueryResult, TryGetable};
use uuid::Uuid;

use super::error::StoreError;
use super::filter::Operand;
use crate::domain::page::{Page, PageKey, PagePosition, PageRequest};

/// The column under which a row's position is read.
const SORT_KEY: &str = "sort_key";

/// What a list is ordered by, before the id.
pub(super) struct SortKey {
    expr: Expr,
    nullable: bool,
    read: fn(&QueryResult) -> Result<Option<PageKey>, sea_orm::DbErr>,
}

impl SortKey {
    pub fn new(operand: Operand, nullable: bool) -> Option<Self> {
        Some(match operand {
            Operand::Text(expr) => Self {
                expr,
                nullable,
                read: |row| key(row, PageKey::Text),
            },
            Operand::Id(expr) => Self {
                expr,
                nullable,
                read: |row| key(row, PageKey::Id),
            },
            Operand::Number(expr) => Self {
                expr,
                nullable,
                read: |row| key(row, PageKey::Integer),
            },
            Operand::Boolean(expr) | Operand::Truth(expr) => Self {
                expr,
                nullable,
                read: |row| key(row, PageKey::Boolean),
            },
            Operand::Constant(_) => return None,
        })
    }
}

fn key<T: TryGetable>(row: &QueryResult, key: fn(T) -> PageKey) -> Result<Option<PageKey>, sea_orm::DbErr> {
    Ok(row.try_get::<Option<T>>("", SORT_KEY)?.map(key))
}

/// A list in an order.
pub(super) struct Listing {
    /// Selects the rows, all of them, in no order.
    pub select: SelectStatement,
    /// Counts them.
    pub count: SelectStatement,
    /// Their id.
    pub id: Expr,
    /// What they are ordered by.
    pub key: Option<SortKey>,
    /// The largest first.
    pub descending: bool,
}

impl Listing {
    /// Reads a page; `row` makes a resource and its id of a row.
    pub async fn page<C: ConnectionTrait, T>(
        mut self,
        conn: &C,
        request: &PageRequest,
        row: impl Fn(&QueryResult) -> Result<(T, Uuid), StoreError>,
    ) -> Result<Page<T>, StoreError> {
        if request.size == 0 {
            let total = if request.total {
                Some(count(conn, &self.count).await?)
            } else {
                None
            };
            return Ok(Page {
                items: Vec::new(),
                next: None,
                total,
            });
        }
        self.arrange(request);
        let size = request.size as usize;
        let rows = conn.query_all(&self.select).await?;
        let more = rows.len() > size;
        let mut items = Vec::with_capacity(rows.len().min(size));
        let mut last = None;
        for found in rows.iter().take(size) {
            let (item, id) = row(found)?;
            items.push(item);
            last = Some((found, id));
        }
        let next = match last.filter(|_| more) {
            Some((found, id)) => Some(self.position(found, id)?),
            None => None,
        };
        let total = if request.total {
            Some(self.total(conn, request, items.len(), more).await?)
        } else {
            None
        };
        Ok(Page { items, next, total })
    }

    fn position(&self, row: &QueryResult, id: Uuid) -> Result<PagePosition, StoreError> {
        let key = match &self.key {
            Some(key) => (key.read)(row)?,
            None => None,
        };
        Ok(PagePosition { key, id })
    }

    /// Counts only what the page does not show already.
    async fn total<C: ConnectionTrait>(
        &self,
        conn: &C,
        request: &PageRequest,
        shown: usize,
        more: bool,
    ) -> Result<u64, StoreError> {
        let beginning = request.after.is_none() && (request.skip == 0 || shown > 0);
        if beginning && !more {
            Ok(request.skip + shown as u64)
        } else {
            count(conn, &self.count).await
        }
    }

    /// The statement that reads a page, for tests that ask how it is planned.
    #[cfg(test)]
    pub fn statement(mut self, request: &PageRequest) -> SelectStatement {
        self.arrange(request);
        self.select
    }

    fn arrange(&mut self, request: &PageRequest) {
        let direction = if self.descending {
            Direction::Desc
        } else {
            Direction::Asc
        };
        if let Some(after) = &request.after {
            self.select.cond_where(self.beyond(after));
        }
        if let Some(SortKey { expr, nullable, .. }) = &self.key {
            self.select.expr_as(expr.clone(), SORT_KEY);
            if *nullable {
                self.select.order_by_expr(expr.clone().is_null(), direction.clone());
            }
            self.select.order_by_expr(expr.clone(), direction.clone());
        }
        self.select
            .order_by_expr(self.id.clone(), direction)
            .limit(u64::from(request.size) + 1);
        if request.skip > 0 {
            self.select.offset(request.skip);
        }
    }

    /// What comes after a position.
    fn beyond(&self, after: &PagePosition) -> Condition {
        let past = |expr: Expr, value: Expr| {
            if self.descending {
                expr.lt(value)
            } else {
                expr.gt(value)
            }
        };
        let id = past(self.id.clone(), Expr::val(after.id));
        let Some(SortKey { expr, nullable, .. }) = &self.key else {
            return Condition::all().add(id);
        };
        let null = || expr.clone().is_null();
        let Some(key) = &after.key else {
            let rest = Condition::all().add(null()).add(id);
            return if self.descending {
                Condition::any().add(expr.clone().is_not_null()).add(rest)
            } else {
                rest
            };
        };
        let value = || Expr::val(bound(key));
        let (expr, ties) = (expr.clone(), Condition::any().add(past(expr.clone(), value())).add(id));
        // The first half is implied by the second, and is what an index can use.
        let from = if self.descending {
            expr.lte(value())
        } else {
            expr.gte(value())
        };
        let rest = Condition::all().add(from).add(ties);
        if *nullable && !self.descending {
            Condition::any().add(rest).add(null())
        } else {
            rest
        }
    }
}

fn bound(key: &PageKey) -> sea_orm::Value {
    match key {
        PageKey::Text(text) => text.clone().into(),
        PageKey::Integer(number) => (*number).into(),
        PageKey::Boolean(truth) => (*truth).into(),
        PageKey::Id(id) => (*id).into(),
    }
}

async fn count<C: ConnectionTrait>(conn: &C, count: &SelectStatement) -> Result<u64, StoreError> {
    let row = conn
        .query_one(count)
        .await?
        .ok_or(StoreError::Unreadable("a count without a row"))?;
    let number: i64 = row.try_get_by_index(0)?;
    u64::try_from(number).map_err(|_| StoreError::Unreadable("a negative count"))
}
