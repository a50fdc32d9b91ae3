//! The SCIM root (RFC 7644 §3.4.2.1 and §3.4.3): users and groups together.

use axum::response::Response;
use directory_proto::v1;
use directory_proto::v1::search_result::Resource;
use tracing::instrument;

use super::list::{self, Found, Window};
use super::members::{self, Listed};
use super::{translator, users};
use crate::extract::{ScimJson, ScimQuery};
use crate::scim::error::ScimError;
use crate::scim::list::ListRequest;
use crate::scim::schema::ResourceKind;
use crate::translate;
use crate::translate::link::BaseUrl;
use crate::translate::search::Search;
use crate::upstream::TenantDirectory;

/// `GET /`.
#[instrument(name = "scim.root.list", skip_all)]
pub async fn list(directory: TenantDirectory, base: BaseUrl, query: ScimQuery) -> Result<Response, ScimError> {
    page(directory, base, query.list()?).await
}

/// `POST /.search`.
#[instrument(name = "scim.root.search", skip_all)]
pub async fn search(
    directory: TenantDirectory,
    base: BaseUrl,
    ScimJson(body): ScimJson<{ list::SEARCH_BYTES }>,
) -> Result<Response, ScimError> {
    page(directory, base, ListRequest::parse_search(body)?).await
}

async fn page(directory: TenantDirectory, base: BaseUrl, wanted: ListRequest) -> Result<Response, ScimError> {
    let of_users = list::projection(directory.resource_type(ResourceKind::User), &wanted)?;
    let of_groups = list::projection(directory.resource_type(ResourceKind::Group), &wanted)?;
    let Search {
        users,
        groups,
        descending,
    } = question(&directory, &base, &wanted)?;
    let Window { size, token, skip } = Window::of(&wanted.page);
    let request = v1::SearchRequest {
        users,
        groups,
        descending,
        page_size: size,
        page_token: token,
        skip,
        include_total_size: true,
        user_read_mask: translate::user::read_mask(
            directory.resource_type(ResourceKind::User),
            of_users.wants("groups"),
        ),
    };
    let v1::SearchResponse {
        results,
        next_page_token,
        previous_page_token,
        total_size,
    } = directory.search(request).await?;
    let head = Found {
        items: results.len(),
        total: total_size,
        next: next_page_token,
        previous: previous_page_token,
    }
    .head(&wanted.page);
    let users = users::Shown::to(&directory, &of_users, &base);
    let found = results.into_iter().filter_map(|result| result.resource);
    let items = found.map(|resource| match resource {
        Resource::User(user) => Listed::Whole(users.body(user)),
        Resource::Group(group) => Listed::Group(group),
    });
    let items = items.collect();
    let shown = members::Shown {
        directory,
        projection: of_groups,
        base,
    };
    Ok(shown.list(&head, items))
}

fn question(directory: &TenantDirectory, base: &BaseUrl, wanted: &ListRequest) -> Result<Search, ScimError> {
    let of = |kind| translator(directory, kind, base);
    Search::parse(
        &of(ResourceKind::User),
        &of(ResourceKind::Group),
        wanted.filter.as_deref(),
        wanted.sort_by.as_deref(),
        wanted.sort_order.as_deref(),
    )
}
