//! Users and groups in one order: which ones a page holds.

use sea_orm::{ConnectionTrait, DbBackend};
use tracing::instrument;

use super::error::StoreError;
use super::paging::{KeyType, Listings, Part, SortKey};
use super::{groups, users};
use crate::domain::filter::Order;
use crate::domain::id::{GroupId, TenantId, UserId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::search::Search;
use crate::domain::user::UserParts;

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

/// Reads who stands on a page, as many as fit into one with the wanted parts, in one statement; each total is another.
///
/// # Errors
/// [`StoreError`] of the database.
#[instrument(name = "store.search.list", skip_all, fields(tenant.id = %tenant))]
pub async fn list<C: ConnectionTrait>(
    conn: &C,
    tenant: TenantId,
    search: &Search,
    request: &PageRequest,
    parts: UserParts,
) -> Result<Page<FoundId>, StoreError> {
    let listings = listings(conn.get_database_backend(), tenant, search, parts);
    let page = listings.page(conn, request).await?;
    Ok(page.map(|(part, id)| {
        if part == USER {
            FoundId::User(UserId::from_uuid(id))
        } else {
            FoundId::Group(GroupId::from_uuid(id))
        }
    }))
}

pub(super) fn listings(backend: DbBackend, tenant: TenantId, search: &Search, parts: UserParts) -> Listings {
    let Search {
        users,
        groups,
        descending,
    } = search;
    let users = users.as_ref().map(|selection| {
        let key = selection.key.clone();
        let key = key.and_then(|key| users::sort_key(key, tenant, backend));
        let part = Part {
            number: USER,
            listing: users::listing(backend, tenant, selection.filter.as_ref(), by_id(*descending)),
            bytes: users::bytes(backend, tenant, parts),
        };
        (part, key)
    });
    let groups = groups.as_ref().map(|selection| {
        let key = selection.key.clone();
        let key = key.and_then(|key| groups::sort_key(key, tenant, backend));
        let part = Part {
            number: GROUP,
            listing: groups::listing(backend, tenant, selection.filter.as_ref(), by_id(*descending)),
            bytes: groups::bytes(backend, tenant, true),
        };
        (part, key)
    });
    let parts: Vec<_> = [users, groups].into_iter().flatten().collect();
    let of = parts.iter().find_map(|(_, key)| key.as_ref().map(SortKey::key_type));
    Listings {
        parts: parts
            .into_iter()
            .map(|(part, key)| keyed(part, key, of, backend))
            .collect(),
        descending: *descending,
    }
}

fn by_id<K>(descending: bool) -> Order<K> {
    Order { key: None, descending }
}

/// Orders a part by its own key; if only the other one has a key, by nothing of that type.
fn keyed(mut part: Part, key: Option<SortKey>, of: Option<KeyType>, backend: DbBackend) -> Part {
    part.listing.key = key.or_else(|| of.map(|of| SortKey::missing(of, backend)));
    part
}
