//! `/Users` (RFC 7644 §3.3 to §3.6).

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use directory_proto::v1;
use http::StatusCode;
use rand::Rng as _;
use tracing::instrument;

use super::list::{self, Found, Selection, Window};
use super::{mode, projection, view};
use crate::error::try_again;
use crate::extract::{IfMatch, IfNoneMatch, ResourceId, ScimJson, ScimQuery};
use crate::response;
use crate::scim::error::ScimError;
use crate::scim::list::ListRequest;
use crate::scim::patch::PatchRequest;
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;
use crate::scim::schema::{ResourceKind, ResourceType};
use crate::translate;
use crate::translate::ActiveView;
use crate::translate::link::BaseUrl;
use crate::upstream::TenantDirectory;

const KIND: ResourceKind = ResourceKind::User;
/// How often a PATCH is applied again because somebody else was faster.
const PATCH_ATTEMPTS: u32 = 24;

/// How one caller sees users in one answer.
pub(super) struct Shown<'a> {
    resource_type: &'a Arc<ResourceType>,
    view: ActiveView,
    projection: &'a Projection,
    base: &'a BaseUrl,
}

impl<'a> Shown<'a> {
    pub(super) fn to(directory: &'a TenantDirectory, projection: &'a Projection, base: &'a BaseUrl) -> Self {
        Self {
            resource_type: directory.resource_type(KIND),
            view: view(directory.caller()),
            projection,
            base,
        }
    }

    pub(super) fn body(&self, user: v1::User) -> serde_json::Value {
        self.projection
            .apply(translate::user::to_scim(user, self.resource_type, self.view, self.base))
    }

    fn answer(&self, status: StatusCode, user: v1::User) -> Response {
        let version = user.version;
        response::tagged(response::scim(status, &self.body(user)), version)
    }
}

/// `POST /Users`.
#[instrument(name = "scim.users.create", skip_all)]
pub async fn create(
    directory: TenantDirectory,
    base: BaseUrl,
    query: ScimQuery,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    let projection = projection(directory.resource_type(KIND), &query)?;
    let wanted = Resource::parse(directory.resource_type(KIND), body)?;
    let created = directory.create_user(translate::user::from_scim(&wanted)).await?;
    let url = base.user(&created.id);
    let shown = Shown::to(&directory, &projection, &base);
    Ok(response::located(shown.answer(StatusCode::CREATED, created), url))
}

/// `GET /Users/{id}`.
#[instrument(name = "scim.users.get", skip_all, fields(user.id = %id))]
pub async fn show(
    directory: TenantDirectory,
    base: BaseUrl,
    ResourceId(id): ResourceId,
    query: ScimQuery,
    if_match: IfMatch,
    if_none_match: IfNoneMatch,
) -> Result<Response, ScimError> {
    let projection = projection(directory.resource_type(KIND), &query)?;
    let groups = projection.wants("groups");
    let user = directory.get_user(&id, groups).await?;
    if_match.check(user.version)?;
    // The names of groups and manager change without a new version of the user.
    if !groups && !projection.wants("manager") && if_none_match.has(user.version) {
        return Ok(response::not_modified(user.version));
    }
    let shown = Shown::to(&directory, &projection, &base);
    Ok(shown.answer(StatusCode::OK, user))
}

/// `GET /Users`. Entra looks a user up with `filter=userName eq "..."` and compares with what it finds here.
#[instrument(name = "scim.users.list", skip_all)]
pub async fn list(directory: TenantDirectory, base: BaseUrl, query: ScimQuery) -> Result<Response, ScimError> {
    page(&directory, &base, query.list()?).await
}

/// `POST /Users/.search` (RFC 7644 §3.4.3).
#[instrument(name = "scim.users.search", skip_all)]
pub async fn search(
    directory: TenantDirectory,
    base: BaseUrl,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    page(&directory, &base, ListRequest::parse_search(body)?).await
}

async fn page(directory: &TenantDirectory, base: &BaseUrl, wanted: ListRequest) -> Result<Response, ScimError> {
    let projection = list::projection(directory.resource_type(KIND), &wanted)?;
    let Selection { filter, order } = Selection::parse(directory.resource_type(KIND), directory.caller(), &wanted)?;
    let Window { size, token, skip } = Window::of(&wanted.page);
    let request = v1::ListUsersRequest {
        filter,
        order,
        page_size: size,
        page_token: token,
        skip,
        read_mask: translate::user::read_mask(projection.wants("groups")),
        include_total_size: true,
    };
    let v1::ListUsersResponse {
        users,
        next_page_token,
        total_size,
        previous_page_token,
    } = directory.list_users(request).await?;
    let head = Found {
        items: users.len(),
        total: total_size,
        next: next_page_token,
        previous: previous_page_token,
    }
    .head(&wanted.page);
    let shown = Shown::to(directory, &projection, base);
    let users = users.into_iter().map(|user| shown.body(user)).collect();
    Ok(response::scim(StatusCode::OK, &head.with(users)))
}

/// `PUT /Users/{id}`: everything but an absent `active` is as the body says.
#[instrument(name = "scim.users.replace", skip_all, fields(user.id = %id))]
pub async fn replace(
    directory: TenantDirectory,
    base: BaseUrl,
    ResourceId(id): ResourceId,
    query: ScimQuery,
    if_match: IfMatch,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    let projection = projection(directory.resource_type(KIND), &query)?;
    let wanted = Resource::parse(directory.resource_type(KIND), body)?;
    let expected_version = if_match.expected(version(&directory, &id)).await?;
    let user = v1::User {
        id: id.clone(),
        ..translate::user::from_scim(&wanted)
    };
    let replaced = directory
        .update_user(translate::user::replacing(user, expected_version))
        .await?;
    let shown = Shown::to(&directory, &projection, &base);
    Ok(shown.answer(StatusCode::OK, replaced))
}

/// `PATCH /Users/{id}`. A caller without `If-Match` (Entra never sends one) does not pay for our race: what others
/// wrote meanwhile is read, and the PATCH applied again.
#[instrument(name = "scim.users.patch", skip_all, fields(user.id = %id))]
pub async fn patch(
    directory: TenantDirectory,
    base: BaseUrl,
    ResourceId(id): ResourceId,
    query: ScimQuery,
    if_match: IfMatch,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    let projection = projection(directory.resource_type(KIND), &query)?;
    let patch = PatchRequest::parse(body)?;
    let shown = Shown::to(&directory, &projection, &base);
    for attempt in 0..PATCH_ATTEMPTS {
        let stored = directory.get_user(&id, false).await?;
        if_match.check(stored.version)?;
        let seen = stored.version;
        let patched = patch.apply(
            translate::user::to_scim(stored, shown.resource_type, shown.view, &base),
            mode(directory.caller()),
        )?;
        let request = v1::UpdateUserRequest {
            user: Some(v1::User {
                id: id.clone(),
                ..translate::user::from_scim(&patched.resource)
            }),
            update_mask: Some(translate::user::update_mask(&patched.named)),
            expected_version: Some(seen),
        };
        match directory.update_user(request).await {
            Ok(updated) => return Ok(shown.answer(StatusCode::OK, updated)),
            Err(error) if is_lost_race(&error) && !if_match.is_given() => pause(attempt).await,
            Err(error) => return Err(error),
        }
    }
    tracing::warn!(attempts = PATCH_ATTEMPTS, "a PATCH lost every race");
    Err(try_again(
        1,
        "Too many others changed this user at the same time: send the request again.",
    ))
}

/// `DELETE /Users/{id}`.
#[instrument(name = "scim.users.delete", skip_all, fields(user.id = %id))]
pub async fn delete(
    directory: TenantDirectory,
    ResourceId(id): ResourceId,
    if_match: IfMatch,
) -> Result<Response, ScimError> {
    let expected_version = if_match.expected(version(&directory, &id)).await?;
    directory.delete_user(&id, expected_version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn version(directory: &TenantDirectory, id: &str) -> Result<i64, ScimError> {
    Ok(directory.get_user(id, false).await?.version)
}

/// 412 is only ever a version that moved on.
fn is_lost_race(error: &ScimError) -> bool {
    error.status == StatusCode::PRECONDITION_FAILED.as_u16()
}

async fn pause(attempt: u32) {
    let longest_ms = (10_u64 << attempt.min(5)).min(250);
    let pause_ms = rand::rng().random_range(1..=longest_ms);
    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
}
