//! `/Users` (RFC 7644 §3.3 to §3.6).

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use directory_proto::v1;
use http::StatusCode;
use serde_json::Value;
use tracing::instrument;

use super::list::{self, Found, SEARCH_BYTES, Selection, Window};
use super::refused::{self, Refusal};
use super::stored::Races;
use super::{mode, projection, translator, view};
use crate::extract::{IfMatch, IfNoneMatch, ResourceId, ScimJson, ScimQuery};
use crate::response;
use crate::scim::disable;
use crate::scim::error::ScimError;
use crate::scim::list::ListRequest;
use crate::scim::mutability::{self, put_depends_on_stored};
use crate::scim::patch::PatchRequest;
use crate::scim::projection::Projection;
use crate::scim::resource::Resource;
use crate::scim::schema::{ResourceKind, ResourceType};
use crate::translate;
use crate::translate::ActiveView;
use crate::translate::link::BaseUrl;
use crate::upstream::TenantDirectory;

const KIND: ResourceKind = ResourceKind::User;

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

    pub(super) fn body(&self, user: v1::User) -> Value {
        self.projection
            .apply(translate::user::to_scim(user, self.resource_type, self.view, self.base))
    }

    fn answer(&self, status: StatusCode, user: v1::User) -> Response {
        let (version, url) = (user.version, self.base.user(&user.id));
        response::showing(response::scim(status, &self.body(user)), &url, version)
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
    let projection = projection.after_write(wanted.named());
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
    // The names of groups and manager, and the tenant's default language, change without a new version of the user.
    let shows_others = groups || projection.wants("manager") || projection.wants("language");
    if !shows_others && if_none_match.has(user.version) {
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
    ScimJson(body): ScimJson<SEARCH_BYTES>,
) -> Result<Response, ScimError> {
    page(&directory, &base, ListRequest::parse_search(body)?).await
}

async fn page(directory: &TenantDirectory, base: &BaseUrl, wanted: ListRequest) -> Result<Response, ScimError> {
    let projection = list::projection(directory.resource_type(KIND), &wanted)?;
    let Selection { filter, order } = Selection::parse(&translator(directory, KIND, base), &wanted)?;
    let Window { size, token, skip } = Window::of(&wanted.page);
    let request = v1::ListUsersRequest {
        filter,
        order,
        page_size: size,
        page_token: token,
        skip,
        read_mask: translate::user::read_mask(directory.resource_type(KIND), projection.wants("groups")),
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
    query: Result<ScimQuery, ScimError>,
    if_match: IfMatch,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    let disables = disable::in_resource(&body);
    let replaced = replace_user(&directory, &base, &id, query, if_match, body).await;
    refused::answer(&directory, &id, disables, replaced).await
}

async fn replace_user(
    directory: &TenantDirectory,
    base: &BaseUrl,
    id: &str,
    query: Result<ScimQuery, ScimError>,
    if_match: IfMatch,
    body: Value,
) -> Result<Response, Refusal> {
    let projection = projection(directory.resource_type(KIND), &query?)?;
    let wanted = Resource::parse(directory.resource_type(KIND), body)?;
    let replaced = if put_depends_on_stored(directory.resource_type(KIND)) {
        replace_stored(directory, base, id, &if_match, &wanted).await?
    } else {
        let expected_version = if_match.expected(version(directory, id)).await?;
        let request = translate::user::replacing(id.to_owned(), &wanted, expected_version);
        directory.update_user(request).await.map_err(Refusal::Directory)?
    };
    let projection = projection.after_write(wanted.named());
    let shown = Shown::to(directory, &projection, base);
    Ok(shown.answer(StatusCode::OK, replaced))
}

/// A PUT where something that is stored may have to stay.
async fn replace_stored(
    directory: &TenantDirectory,
    base: &BaseUrl,
    id: &str,
    if_match: &IfMatch,
    wanted: &Resource,
) -> Result<v1::User, Refusal> {
    let mut races = Races::of(if_match);
    loop {
        let stored = directory.get_user(id, false).await?;
        if_match.check(stored.version)?;
        let before = translate::user::to_scim(stored.clone(), &wanted.resource_type, view(directory.caller()), base);
        let wanted = mutability::replace(&before, wanted.clone())?;
        let request = translate::user::replacing_stored(stored, &wanted);
        let written = races.settle(directory.update_user(request).await).await;
        if let Some(replaced) = written.map_err(Refusal::Directory)? {
            return Ok(replaced);
        }
    }
}

/// `PATCH /Users/{id}`.
#[instrument(name = "scim.users.patch", skip_all, fields(user.id = %id))]
pub async fn patch(
    directory: TenantDirectory,
    base: BaseUrl,
    ResourceId(id): ResourceId,
    query: Result<ScimQuery, ScimError>,
    if_match: IfMatch,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    let disables = disable::in_patch(&body);
    let patched = patch_user(&directory, &base, &id, query, if_match, body).await;
    refused::answer(&directory, &id, disables, patched).await
}

async fn patch_user(
    directory: &TenantDirectory,
    base: &BaseUrl,
    id: &str,
    query: Result<ScimQuery, ScimError>,
    if_match: IfMatch,
    body: Value,
) -> Result<Response, Refusal> {
    let projection = projection(directory.resource_type(KIND), &query?)?;
    let patch = PatchRequest::parse(body)?;
    let mut races = Races::of(&if_match);
    loop {
        let stored = directory.get_user(id, false).await?;
        if_match.check(stored.version)?;
        let resource_type = directory.resource_type(KIND);
        let before = translate::user::to_scim(stored.clone(), resource_type, view(directory.caller()), base);
        let patched = patch.apply(before, mode(directory.caller()))?;
        let request = translate::user::patching(stored, &patched);
        let written = races.settle(directory.update_user(request).await).await;
        if let Some(updated) = written.map_err(Refusal::Directory)? {
            let projection = projection.after_write(patched.named);
            let shown = Shown::to(directory, &projection, base);
            return Ok(shown.answer(StatusCode::OK, updated));
        }
    }
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
