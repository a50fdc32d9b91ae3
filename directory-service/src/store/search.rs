//! Users and groups in one order: which ones a page holds.

use sea_orm::{ConnectionTrait, DbBackend};
use tracing::instrument;

use super::error::StoreError;
use super::paging::{KeyType, Listing, Listings, SortKey};
use super::{groups, users};
use crate::domain::filter::Order;
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::search::Search;

/// A user or a group that a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundId {
    /// A user.
    User(UserId),
    /// A group.
    Group(GroupId),
}

const USER: i32 = 0;
const GROUP: i32 = 1;

/// Reads who stands on a page, as many as fit into one, in one statement; each total is another.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.search.list", skip_all, fields(tenant.id = %tenant))]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    search: &Search,
    request: &PageRequest,
) -> Result<Page<FoundId>, StoreError> {
    let listings = listings(conn.get_database_backend(), tenant, search);
    let page = listings.page(conn, request).await?;
    Ok(page.map(|(part, id)| {
        if part == USER {
            FoundId::User(UserId::from_uuid(id))
        } else {
            FoundId::Group(GroupId::from_uuid(id))
        }
    }))
}

fn listings(backend: DbBackend, tenant: TenantId, search: &Search) -> Listings {
    let Search {
        users,
        groups,
        descending,
    } = search;
    let users = users.as_ref().map(|selection| {
        let key = selection.key.clone();
        let key = key.and_then(|key| users::sort_key(key, tenant, backend));
        (
            users::listing(backend, tenant, selection.filter.as_ref(), by_id(*descending)),
            key,
        )
    });
    let groups = groups.as_ref().map(|selection| {
        let key = selection.key.clone();
        let key = key.and_then(|key| groups::sort_key(key, tenant, backend));
        (
            groups::listing(backend, tenant, selection.filter.as_ref(), by_id(*descending)),
            key,
        )
    });
    let parts: Vec<_> = [(USER, users), (GROUP, groups)]
        .into_iter()
        .filter_map(|(part, listing)| listing.map(|(listing, key)| (part, listing, key)))
        .collect();
    let of = parts.iter().find_map(|(_, _, key)| key.as_ref().map(SortKey::key_type));
    Listings {
        parts: parts
            .into_iter()
            .map(|(part, listing, key)| (part, keyed(listing, key, of, backend)))
            .collect(),
        descending: *descending,
    }
}

fn by_id<K>(descending: bool) -> Order<K> {
    Order { key: None, descending }
}

/// Orders a part by its own key; if only the other one has a key, by nothing of that type.
fn keyed(listing: Listing, key: Option<SortKey>, of: Option<KeyType>, backend: DbBackend) -> Listing {
    let key = key.or_else(|| of.map(|of| SortKey::missing(of, backend)));
    Listing { key, ..listing }
}
