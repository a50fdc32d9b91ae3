//! Keyset paging: a page goes on after a place or before it, in the order (is null, key, id), whatever was written
//! meanwhile. A page whose resources are large ends early, and what does not fit is never read. What a page skips is not
//! even measured: the places come first, and the sizes of those that are left.

use sea_orm::sea_query::{
    CaseStatement, Condition, Expr, ExprTrait as _, FrameType, Func, NullOrdering, OrderedStatement, Query,
    SelectStatement, UnionType, WindowStatement,
};
use sea_orm::sea_query::{Frame, JoinType};
use sea_orm::{ConnectionTrait, DbBackend, Order as Direction, QueryResult, TryGetable};
use uuid::Uuid;

use super::error::StoreError;
use super::filter::Operand;
use crate::domain::page::{PAGE_BYTES, Page, PageKey, PagePosition, PageRequest, Place, Walk};

/// The columns of a place: its id and key, and about how many bytes its resource has.
const ID: &str = "place_id";
const KEY: &str = "place_key";
const BYTES: &str = "place_bytes";
/// How many bytes the walk has passed with this place.
const WALKED: &str = "walked_bytes";
/// How many places the walk came to, whether or not they fit.
const FOUND: &str = "found_places";
/// Which of several lists a place is of.
const PART: &str = "place_part";
const PLACES: &str = "places";
const PAGE: &str = "page";

/// The type of what a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    /// A key of text, in the order of bytes.
    Text,
    /// A UUID.
    Id,
    /// A whole number, or microseconds.
    Number,
    /// A boolean.
    Boolean,
}

/// What a list is ordered by, before the id.
#[derive(Clone)]
pub(super) struct SortKey {
    expr: Expr,
    of: KeyType,
    nullable: bool,
}

impl SortKey {
    pub fn new(operand: Operand, nullable: bool) -> Option<Self> {
        let (of, expr) = match operand {
            Operand::Text(expr) => (KeyType::Text, expr),
            Operand::Id(expr) => (KeyType::Id, expr),
            Operand::Number(expr) => (KeyType::Number, expr),
            Operand::Boolean(expr) | Operand::Truth(expr) => (KeyType::Boolean, expr),
            Operand::Constant(_) => return None,
        };
        Some(Self { expr, of, nullable })
    }

    /// The key of resources that have none of this type. PostgreSQL must be told the type of a NULL.
    pub fn missing(of: KeyType, backend: DbBackend) -> Self {
        let typed = match of {
            _ if backend != DbBackend::Postgres => "NULL",
            KeyType::Text => "CAST(NULL AS text) COLLATE \"C\"",
            KeyType::Id => "CAST(NULL AS uuid)",
            KeyType::Number => "CAST(NULL AS bigint)",
            KeyType::Boolean => "CAST(NULL AS boolean)",
        };
        let expr = Expr::cust(typed);
        let nullable = true;
        Self { expr, of, nullable }
    }

    pub const fn key_type(&self) -> KeyType {
        self.of
    }

    fn read(of: KeyType, row: &QueryResult) -> Result<Option<PageKey>, StoreError> {
        fn key<T: TryGetable>(row: &QueryResult, key: fn(T) -> PageKey) -> Result<Option<PageKey>, StoreError> {
            Ok(row.try_get::<Option<T>>("", KEY)?.map(key))
        }
        match of {
            KeyType::Text => key(row, PageKey::Text),
            KeyType::Id => key(row, PageKey::Id),
            KeyType::Number => key(row, PageKey::Integer),
            KeyType::Boolean => key(row, PageKey::Boolean),
        }
    }
}

/// A list in an order.
#[derive(Clone)]
pub(super) struct Listing {
    /// Where the resources stand and which of them are meant: a statement without columns and without an order.
    pub from: SelectStatement,
    /// Their id.
    pub id: Expr,
    /// What they are ordered by.
    pub key: Option<SortKey>,
    /// The largest first.
    pub descending: bool,
}

/// The resources of a tenant.
pub(super) struct Resources {
    /// Selects what is read of them.
    pub select: SelectStatement,
    /// Selects about how many bytes that is, never 0.
    pub bytes: SelectStatement,
}

impl Listing {
    /// Reads a page in one statement; `read` reads one of the resources.
    pub async fn page<C: ConnectionTrait, T>(
        &self,
        conn: &C,
        request: &PageRequest,
        resources: Resources,
        read: impl Fn(&QueryResult) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        if request.size == 0 {
            return self.only_total(conn, request).await;
        }
        let rows = conn.query_all(&self.statement(request, resources)).await?;
        let more = has_more(&rows, request)?;
        let found = rows.into_iter().take(request.size as usize);
        let found = found.map(|row| Ok((read(&row)?, place(&row, self.key_type())?)));
        let mut page = Page::found(request, found.collect::<Result<_, StoreError>>()?, more);
        page.total = self.total(conn, request, &page, more).await?;
        Ok(page)
    }

    /// Reads a page of ids alone.
    pub async fn ids<C: ConnectionTrait>(&self, conn: &C, request: &PageRequest) -> Result<Page<Uuid>, StoreError> {
        let rows = conn.query_all(&self.places(request)).await?;
        let more = rows.len() > request.size as usize;
        let found = rows.iter().take(request.size as usize);
        let found = found.map(|row| place(row, self.key_type()).map(|place| (place.id, place)));
        Ok(Page::found(request, found.collect::<Result<_, _>>()?, more))
    }

    async fn only_total<C: ConnectionTrait, T>(&self, conn: &C, request: &PageRequest) -> Result<Page<T>, StoreError> {
        let total = if request.total {
            Some(self.count(conn).await?)
        } else {
            None
        };
        Ok(Page::only_total(total))
    }

    /// Counts only what the page does not show already.
    async fn total<C: ConnectionTrait, T>(
        &self,
        conn: &C,
        request: &PageRequest,
        page: &Page<T>,
        more: bool,
    ) -> Result<Option<u64>, StoreError> {
        match shown_total(request, page, more) {
            _ if !request.total => Ok(None),
            Some(total) => Ok(Some(total)),
            None => self.count(conn).await.map(Some),
        }
    }

    /// Counts the resources.
    pub async fn count<C: ConnectionTrait>(&self, conn: &C) -> Result<u64, StoreError> {
        let count = self.from.clone().expr(Expr::cust("COUNT(*)")).take();
        let row = conn
            .query_one(&count)
            .await?
            .ok_or(StoreError::Unreadable("a count without a row"))?;
        let number: i64 = row.try_get_by_index(0)?;
        u64::try_from(number).map_err(|_| StoreError::Unreadable("a negative count"))
    }

    /// The statement that reads a page: the places first, and the resources of those that fit.
    pub fn statement(&self, request: &PageRequest, resources: Resources) -> SelectStatement {
        let order = Order::of(self, request);
        let Resources { mut select, bytes } = resources;
        let page = fitting(self.places(request), &order, self.at_place(bytes), &[], request);
        let of_place = self.id.clone().eq(Expr::col((PAGE, ID)));
        if order.key.is_some() {
            select.column((PAGE, KEY));
        }
        select
            .column((PAGE, ID))
            .column((PAGE, FOUND))
            .join_subquery(JoinType::InnerJoin, page, PAGE, of_place)
            .and_where(fits(PAGE))
            .order_by((PAGE, WALKED), Direction::Asc)
            .take()
    }

    /// What a statement selects of the resource at a place.
    fn at_place(&self, mut select: SelectStatement) -> Expr {
        let of_place = self.id.clone().eq(Expr::col((PLACES, ID)));
        select.and_where(of_place).take().into()
    }

    /// The places of a page and the one after it, in the order of the walk.
    fn places(&self, request: &PageRequest) -> SelectStatement {
        let order = Order::of(self, request);
        if let [range] = self.ranges(request).as_mut_slice() {
            arrange(range, &order);
            limit(range, request);
            return range.take();
        }
        let parts = self.ranges(request).into_iter();
        let parts = parts.map(|range| first_places(range, &order, request));
        merged(parts.collect(), &order.of_places(), &[], request)
    }

    /// The places that the walk goes through, in no order: those with a key and those without one apart if both are
    /// meant, so that an index can answer for each.
    fn ranges(&self, request: &PageRequest) -> Vec<SelectStatement> {
        let mut all = self.from.clone();
        all.expr_as(self.id.clone(), ID);
        if let Some(key) = &self.key {
            all.expr_as(key.expr.clone(), KEY);
        }
        let Some(position) = &request.after else {
            return vec![all];
        };
        let down = Order::of(self, request).down;
        let ranges = self.beyond(position, down).into_iter();
        ranges.map(|range| all.clone().cond_where(range).take()).collect()
    }

    fn key_type(&self) -> Option<KeyType> {
        self.key.as_ref().map(|key| key.of)
    }

    /// What the walk finds from a position on, if it goes down or up: one condition, or two that no resource meets both.
    fn beyond(&self, position: &PagePosition, down: bool) -> Vec<Condition> {
        let Place { key, id } = &position.place;
        let past = |expr: Expr, value: Expr, inclusive: bool| match (down, inclusive) {
            (false, false) => expr.gt(value),
            (false, true) => expr.gte(value),
            (true, false) => expr.lt(value),
            (true, true) => expr.lte(value),
        };
        let id = past(self.id.clone(), Expr::val(*id), position.inclusive);
        let Some(SortKey { expr, nullable, .. }) = &self.key else {
            return vec![Condition::all().add(id)];
        };
        let Some(key) = key else {
            let without = Condition::all().add(expr.clone().is_null()).add(id);
            let with = down.then(|| Condition::all().add(expr.clone().is_not_null()));
            return std::iter::once(without).chain(with).collect();
        };
        let value = || Expr::val(bound(key));
        let ties = Condition::all().add(expr.clone().eq(value())).add(id);
        let ties = Condition::any().add(past(expr.clone(), value(), false)).add(ties);
        // The first half is implied by the second, and is what an index can use.
        let with = Condition::all().add(past(expr.clone(), value(), true)).add(ties);
        let without = (*nullable && !down).then(|| Condition::all().add(expr.clone().is_null()));
        std::iter::once(with).chain(without).collect()
    }
}

/// Several lists in one order. All have the key, or none.
pub(super) struct Listings {
    /// The lists.
    pub parts: Vec<Part>,
    /// The largest first.
    pub descending: bool,
}

/// One of several lists.
pub(super) struct Part {
    /// Its own number.
    pub number: i32,
    /// The list.
    pub listing: Listing,
    /// As in [`Resources`].
    pub bytes: SelectStatement,
}

impl Listings {
    /// Reads a page of ids in one statement, each with the number of its list: as many as their resources fit into a
    /// page.
    pub async fn page<C: ConnectionTrait>(
        &self,
        conn: &C,
        request: &PageRequest,
    ) -> Result<Page<(i32, Uuid)>, StoreError> {
        let mut page = Page::only_total(None);
        let mut more = true;
        if request.size > 0 && !self.parts.is_empty() {
            let rows = conn.query_all(&self.statement(request)).await?;
            more = has_more(&rows, request)?;
            let key = self.key().map(SortKey::key_type);
            let found = rows.iter().take(request.size as usize).map(|row| {
                let place = place(row, key)?;
                Ok(((row.try_get("", PART)?, place.id), place))
            });
            page = Page::found(request, found.collect::<Result<_, StoreError>>()?, more);
        }
        if request.total {
            page.total = match shown_total(request, &page, more) {
                Some(total) => Some(total),
                None => Some(self.count(conn).await?),
            };
        }
        Ok(page)
    }

    async fn count<C: ConnectionTrait>(&self, conn: &C) -> Result<u64, StoreError> {
        let mut total = 0;
        for part in &self.parts {
            total += part.listing.count(conn).await?;
        }
        Ok(total)
    }

    fn key(&self) -> Option<&SortKey> {
        self.parts.iter().find_map(|part| part.listing.key.as_ref())
    }

    pub fn statement(&self, request: &PageRequest) -> SelectStatement {
        let order = Order {
            key: self.key().map(|_| (Expr::col(KEY), true)),
            id: Expr::col(ID),
            down: self.descending != (request.walk() == Walk::Backward),
        };
        let parts = self.parts.iter().flat_map(|Part { number, listing, .. }| {
            let order = Order::of(listing, request);
            let ranges = listing.ranges(request).into_iter();
            ranges.map(move |mut range| {
                range.expr_as(Expr::cust(number.to_string()), PART);
                first_places(range, &order, request)
            })
        });
        let places = merged(parts.collect(), &order, &[PART], request);
        let bytes = self.parts.iter().fold(CaseStatement::new(), |case, part| {
            let of_part = Expr::col((PLACES, PART)).eq(part.number);
            case.case(of_part, part.listing.at_place(part.bytes.clone()))
        });
        Query::select()
            .expr(Expr::cust("*"))
            .from_subquery(fitting(places, &order, bytes.into(), &[PART], request), PAGE)
            .and_where(fits(PAGE))
            .order_by((PAGE, WALKED), Direction::Asc)
            .take()
    }
}

/// The order of a walk.
struct Order {
    /// The key's expression, and whether it may be NULL.
    key: Option<(Expr, bool)>,
    id: Expr,
    /// From the largest to the smallest. Then NULL comes first, else last.
    down: bool,
}

impl Order {
    fn of(listing: &Listing, request: &PageRequest) -> Self {
        let key = listing.key.as_ref().map(|key| (key.expr.clone(), key.nullable));
        let backward = request.walk() == Walk::Backward;
        Self {
            key,
            id: listing.id.clone(),
            down: listing.descending != backward,
        }
    }

    /// The same by the columns of places.
    fn of_places(&self) -> Self {
        Self {
            key: self.key.as_ref().map(|(_, nullable)| (Expr::col(KEY), *nullable)),
            id: Expr::col(ID),
            down: self.down,
        }
    }
}

fn arrange(statement: &mut impl OrderedStatement, order: &Order) {
    let (direction, nulls) = if order.down {
        (Direction::Desc, NullOrdering::First)
    } else {
        (Direction::Asc, NullOrdering::Last)
    };
    match &order.key {
        Some((key, true)) => statement.order_by_expr_with_nulls(key.clone(), direction.clone(), nulls),
        Some((key, false)) => statement.order_by_expr(key.clone(), direction.clone()),
        None => statement,
    };
    statement.order_by_expr(order.id.clone(), direction);
}

/// So many places of one range of several that none which the page can show is left out.
fn first_places(mut range: SelectStatement, order: &Order, request: &PageRequest) -> SelectStatement {
    arrange(&mut range, order);
    let most = request.skip.saturating_add(u64::from(request.size) + 1);
    range.limit(Ord::min(most, i64::MAX as u64)).take()
}

/// The places of several ranges in one order, which names the columns of places.
fn merged(
    ranges: Vec<SelectStatement>,
    order: &Order,
    others: &[&'static str],
    request: &PageRequest,
) -> SelectStatement {
    let mut columns = vec![ID];
    columns.extend(others);
    columns.extend(order.key.as_ref().map(|_| KEY));
    // SQLite takes no order and no limit in a part of a union unless the part is a table.
    let mut ranges = ranges.into_iter().map(|range| {
        let columns = columns.iter().copied();
        Query::select()
            .columns(columns)
            .from_subquery(range, "place_range")
            .take()
    });
    let mut all = ranges.next().unwrap_or_default();
    for range in ranges {
        all.union(UnionType::All, range);
    }
    let mut places = Query::select();
    places
        .columns(columns.iter().copied())
        .from_subquery(all, "place_ranges");
    arrange(&mut places, order);
    limit(&mut places, request);
    places
}

fn limit(select: &mut SelectStatement, request: &PageRequest) {
    select.limit(u64::from(request.size) + 1);
    if request.skip > 0 {
        select.offset(request.skip);
    }
}

/// Adds to places how many bytes each has, how many the walk has passed at it, and how many places there are.
fn fitting(
    places: SelectStatement,
    order: &Order,
    bytes: Expr,
    others: &[&'static str],
    request: &PageRequest,
) -> SelectStatement {
    let mut columns = vec![ID];
    columns.extend(others);
    columns.extend(order.key.as_ref().map(|_| KEY));
    let mut measured = Query::select();
    measured
        .columns(columns.iter().copied())
        .expr_as(bytes, BYTES)
        .from_subquery(places, PLACES)
        // There are no more; but without a limit, PostgreSQL would measure again wherever the size is named.
        .limit(u64::from(request.size) + 1);
    let mut window = WindowStatement::new();
    window.frame_start(FrameType::Rows, Frame::UnboundedPreceding);
    arrange(&mut window, &order.of_places());
    Query::select()
        .columns(columns)
        .column(BYTES)
        .expr_window_as(Func::sum(Expr::col(BYTES)), window, WALKED)
        .expr_as(Expr::cust("COUNT(*) OVER ()"), FOUND)
        .from_subquery(measured, "measured")
        .take()
}

/// Before this place, the page was not full.
fn fits(page: &'static str) -> Expr {
    Expr::col((page, WALKED))
        .sub(Expr::col((page, BYTES)))
        .lt(i64::try_from(PAGE_BYTES).unwrap_or(i64::MAX))
}

fn place(row: &QueryResult, key: Option<KeyType>) -> Result<Place, StoreError> {
    let key = match key {
        Some(of) => SortKey::read(of, row)?,
        None => None,
    };
    let id = row.try_get("", ID)?;
    Ok(Place { key, id })
}

/// Whether the walk came to more places than the page shows.
fn has_more(rows: &[QueryResult], request: &PageRequest) -> Result<bool, StoreError> {
    let found: i64 = match rows.first() {
        Some(row) => row.try_get("", FOUND)?,
        None => 0,
    };
    Ok(rows.len() > request.size as usize || i64::try_from(rows.len()).is_ok_and(|fitting| fitting < found))
}

/// The total, if the page shows it.
fn shown_total<T>(request: &PageRequest, page: &Page<T>, more: bool) -> Option<u64> {
    let shown = page.items.len() as u64;
    let beginning = request.after.is_none() && (request.skip == 0 || shown > 0);
    (beginning && !more).then(|| request.skip + shown)
}

fn bound(key: &PageKey) -> sea_orm::Value {
    match key {
        PageKey::Text(text) => text.clone().into(),
        PageKey::Integer(number) => (*number).into(),
        PageKey::Boolean(truth) => (*truth).into(),
        PageKey::Id(id) => (*id).into(),
    }
}

/// How many bytes a JSON document has as text, and so about how many in memory and in a message. SeaQuery has no
/// `octet_length`; SQLite tells it without reading the document.
pub(super) fn document_bytes(document: Expr, backend: DbBackend) -> Expr {
    if backend == DbBackend::Postgres {
        Expr::cust_with_exprs("octet_length(CAST($1 AS text))", [document])
    } else {
        Expr::cust_with_exprs("octet_length(?)", [document])
    }
}

#[cfg(test)]
mod tests;
