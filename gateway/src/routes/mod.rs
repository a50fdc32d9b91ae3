//! The use cases of RFC 7644, one file per kind of resource. A handler reads like its own summary: who asks, what for,
//! do it, answer.

mod discovery;
mod groups;
mod members;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use directory_proto::v1;

use crate::auth::Caller;
use crate::extract::ScimQuery;
use crate::scim;
use crate::scim::error::ScimError;
use crate::scim::list::IndexPage;
use crate::scim::patch::Mode;
use crate::scim::projection::Projection;
use crate::scim::schema::ResourceType;
use crate::translate::ActiveView;
use crate::translate::filter::Translator;
use crate::upstream::Gateway;

/// The page size that asks for no resources, but the total.
const TOTAL_ONLY: i32 = -1;

/// Everything below the SCIM root.
pub fn router() -> Router<Gateway> {
    Router::new()
        .route("/Users", get(users::list).post(users::create))
        .route(
            "/Users/{id}",
            get(users::show)
                .put(users::replace)
                .patch(users::patch)
                .delete(users::delete),
        )
        .route("/Groups", get(groups::list).post(groups::create))
        .route(
            "/Groups/{id}",
            get(groups::show)
                .put(groups::replace)
                .patch(groups::patch)
                .delete(groups::delete),
        )
        .route("/Me", axum::routing::any(discovery::me))
        .route("/ServiceProviderConfig", get(discovery::service_provider_config))
        .route("/ResourceTypes", get(discovery::resource_types))
        .route("/ResourceTypes/{id}", get(discovery::resource_type))
        .route("/Schemas", get(discovery::schemas))
        .route("/Schemas/{id}", get(discovery::schema))
}

/// What `active` means to the caller.
fn view(caller: &Caller) -> ActiveView {
    if caller.provisions {
        ActiveView::SourceWord
    } else {
        ActiveView::InEffect
    }
}

/// How much of Entra's habits the caller's tenant allows.
fn mode(caller: &Caller) -> Mode {
    if caller.strict_patch {
        Mode::Strict
    } else {
        Mode::Tolerant
    }
}

fn projection(resource_type: &Arc<ResourceType>, query: &ScimQuery) -> Result<Projection, ScimError> {
    Projection::parse(
        resource_type,
        query.attributes.as_deref(),
        query.excluded_attributes.as_deref(),
    )
}

/// What a list request asks the directory for.
struct ListQuery {
    page: IndexPage,
    filter: Option<v1::Filter>,
    order: Option<v1::Order>,
    /// How many at most; none, but the total, if the request wants none.
    page_size: i32,
    skip: i64,
}

impl ListQuery {
    fn parse(resource_type: &Arc<ResourceType>, caller: &Caller, query: &ScimQuery) -> Result<Self, ScimError> {
        let page = IndexPage::parse(query.start_index.as_deref(), query.count.as_deref())?;
        let translator = Translator {
            resource_type: resource_type.clone(),
            view: view(caller),
        };
        let filter = query
            .filter
            .as_deref()
            .map(|text| scim::filter::parse(resource_type, text))
            .transpose()?;
        let (page_size, skip) = window(page);
        Ok(Self {
            page,
            filter: filter.map(|filter| translator.filter(&filter)).transpose()?,
            order: translator.order(query.sort_by.as_deref(), query.sort_order.as_deref())?,
            page_size,
            skip,
        })
    }
}

/// How many resources to ask for, and how many to leave out before them. A page that holds none has the total all the
/// same (RFC 7644 §3.4.2.4).
fn window(page: IndexPage) -> (i32, i64) {
    match (i32::try_from(page.count), i64::try_from(page.skip())) {
        (Ok(count), Ok(skip)) if count > 0 => (count, skip),
        _ => (TOTAL_ONLY, 0),
    }
}

/// How many there are in all; the directory always says so when asked.
fn total(told: Option<i64>, seen: usize) -> u64 {
    told.and_then(|total| u64::try_from(total).ok()).unwrap_or(seen as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_holds_nothing_has_the_total() {
        let asked = |start_index: &str, count: &str| window(IndexPage::parse(Some(start_index), Some(count)).unwrap());

        assert_eq!(asked("1", "5"), (5, 0));
        assert_eq!(asked("6", "0"), (TOTAL_ONLY, 0));
        assert_eq!(asked("10000001", "5"), (5, 10_000_000));
        assert_eq!(asked("99999999999999999999", "5"), (5, i64::MAX - 1));
    }
}
