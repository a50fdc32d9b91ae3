//! `/Groups` (RFC 7644 §3.3 to §3.6). Members are never held together: they come in pages and leave in pieces.

use axum::response::{IntoResponse as _, Response};
use directory_proto::v1;
use http::StatusCode;
use tracing::instrument;

use super::list::{self, Found, SEARCH_BYTES, Selection, Window};
use super::members::{Listed, Shown};
use super::stored::Races;
use super::{mode, projection, translator};
use crate::extract::{IfMatch, IfNoneMatch, ResourceId, ScimJson, ScimQuery};
use crate::response;
use crate::scim::error::ScimError;
use crate::scim::list::ListRequest;
use crate::scim::mutability::{self, put_depends_on_stored};
use crate::scim::patch::{ExtensionsPatch, GroupPatch, PatchRequest};
use crate::scim::resource::Resource;
use crate::scim::schema::ResourceKind;
use crate::translate;
use crate::translate::link::BaseUrl;
use crate::upstream::TenantDirectory;

const KIND: ResourceKind = ResourceKind::Group;

/// `POST /Groups`. Entra creates a group empty and fills it with PATCH.
#[instrument(name = "scim.groups.create", skip_all)]
pub async fn create(
    directory: TenantDirectory,
    base: BaseUrl,
    query: ScimQuery,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    let projection = projection(directory.resource_type(KIND), &query)?;
    let wanted = Resource::parse(directory.resource_type(KIND), body)?;
    let projection = projection.after_write(wanted.named());
    let (group, members) = translate::group::from_scim(&wanted);
    let is_empty = members.is_empty();
    let created = directory.create_group(group, members).await?;
    let url = base.group(&created.id);
    let shown = Shown {
        directory,
        projection,
        base,
    };
    let answer = if is_empty {
        shown.without_members(StatusCode::CREATED, created)
    } else {
        shown.one(StatusCode::CREATED, created).await?
    };
    Ok(response::located(answer, url))
}

/// `GET /Groups/{id}`.
#[instrument(name = "scim.groups.get", skip_all, fields(group.id = %id))]
pub async fn show(
    directory: TenantDirectory,
    base: BaseUrl,
    ResourceId(id): ResourceId,
    query: ScimQuery,
    if_match: IfMatch,
    if_none_match: IfNoneMatch,
) -> Result<Response, ScimError> {
    let projection = projection(directory.resource_type(KIND), &query)?;
    let group = directory.get_group(&id).await?;
    if_match.check(group.version)?;
    if if_none_match.has(group.version) {
        return Ok(response::not_modified(group.version));
    }
    Shown {
        directory,
        projection,
        base,
    }
    .one(StatusCode::OK, group)
    .await
}

/// `GET /Groups`. Entra asks for groups by name, and without their members.
#[instrument(name = "scim.groups.list", skip_all)]
pub async fn list(directory: TenantDirectory, base: BaseUrl, query: ScimQuery) -> Result<Response, ScimError> {
    page(directory, base, query.list()?).await
}

/// `POST /Groups/.search` (RFC 7644 §3.4.3).
#[instrument(name = "scim.groups.search", skip_all)]
pub async fn search(
    directory: TenantDirectory,
    base: BaseUrl,
    ScimJson(body): ScimJson<SEARCH_BYTES>,
) -> Result<Response, ScimError> {
    page(directory, base, ListRequest::parse_search(body)?).await
}

async fn page(directory: TenantDirectory, base: BaseUrl, wanted: ListRequest) -> Result<Response, ScimError> {
    let projection = list::projection(directory.resource_type(KIND), &wanted)?;
    let Selection { filter, order } = Selection::parse(&translator(&directory, KIND, &base), &wanted)?;
    let Window { size, token, skip } = Window::of(&wanted.page);
    let request = v1::ListGroupsRequest {
        filter,
        order,
        page_size: size,
        page_token: token,
        skip,
        include_total_size: true,
        read_mask: None,
    };
    let v1::ListGroupsResponse {
        groups,
        next_page_token,
        total_size,
        previous_page_token,
    } = directory.list_groups(request).await?;
    let head = Found {
        items: groups.len(),
        total: total_size,
        next: next_page_token,
        previous: previous_page_token,
    }
    .head(&wanted.page);
    let shown = Shown {
        directory,
        projection,
        base,
    };
    Ok(shown.list(&head, groups.into_iter().map(Listed::Group).collect()))
}

/// `PUT /Groups/{id}`: names and members are as the body says.
#[instrument(name = "scim.groups.replace", skip_all, fields(group.id = %id))]
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
    let projection = projection.after_write(wanted.named());
    let replaced = if put_depends_on_stored(directory.resource_type(KIND)) {
        replace_stored(&directory, &base, &id, &if_match, &wanted).await?
    } else {
        let expected_version = if_match.expected(version(&directory, &id)).await?;
        let request = translate::group::replacing(id, &wanted, expected_version);
        directory.update_group(request).await?
    };
    Shown {
        directory,
        projection,
        base,
    }
    .one(StatusCode::OK, replaced)
    .await
}

/// A PUT where something that is stored may have to stay.
async fn replace_stored(
    directory: &TenantDirectory,
    base: &BaseUrl,
    id: &str,
    if_match: &IfMatch,
    wanted: &Resource,
) -> Result<v1::Group, ScimError> {
    let mut races = Races::of(if_match);
    loop {
        let stored = directory.get_group(id).await?;
        if_match.check(stored.version)?;
        let before = translate::group::to_scim(stored.clone(), &wanted.resource_type, base);
        let wanted = mutability::replace(&before, wanted.clone())?;
        let request = translate::group::replacing_stored(stored, &wanted);
        if let Some(replaced) = races.settle(directory.update_group(request).await).await? {
            return Ok(replaced);
        }
    }
}

/// `PATCH /Groups/{id}`: one call with the differences, whatever the number of members; only attributes of the tenant's
/// own schemas are read first. 204, unless `attributes` asks for a body.
#[instrument(name = "scim.groups.patch", skip_all, fields(group.id = %id))]
pub async fn patch(
    directory: TenantDirectory,
    base: BaseUrl,
    ResourceId(id): ResourceId,
    query: ScimQuery,
    if_match: IfMatch,
    ScimJson(body): ScimJson,
) -> Result<Response, ScimError> {
    let projection = projection(directory.resource_type(KIND), &query)?;
    let patch = PatchRequest::parse(body)?.compile_group(directory.resource_type(KIND), mode(directory.caller()))?;
    let patched = if let Some(extensions) = &patch.extensions {
        patch_stored(&directory, &id, &if_match, &patch, extensions).await?
    } else {
        let expected_version = if_match.expected(version(&directory, &id)).await?;
        let request = translate::group::patching(id, patch, expected_version);
        directory.update_group(request).await?
    };
    if projection.names_attributes() {
        return Shown {
            directory,
            projection,
            base,
        }
        .one(StatusCode::OK, patched)
        .await;
    }
    Ok(response::tagged(
        StatusCode::NO_CONTENT.into_response(),
        patched.version,
    ))
}

/// A PATCH on attributes of the tenant's own schemas, which the directory takes as a whole.
async fn patch_stored(
    directory: &TenantDirectory,
    id: &str,
    if_match: &IfMatch,
    patch: &GroupPatch,
    extensions: &ExtensionsPatch,
) -> Result<v1::Group, ScimError> {
    let mut races = Races::of(if_match);
    loop {
        let stored = directory.get_group(id).await?;
        if_match.check(stored.version)?;
        let resource_type = directory.resource_type(KIND);
        let request = translate::group::patching_stored(stored, patch.clone(), extensions, resource_type)?;
        if let Some(patched) = races.settle(directory.update_group(request).await).await? {
            return Ok(patched);
        }
    }
}

/// `DELETE /Groups/{id}`.
#[instrument(name = "scim.groups.delete", skip_all, fields(group.id = %id))]
pub async fn delete(
    directory: TenantDirectory,
    ResourceId(id): ResourceId,
    if_match: IfMatch,
) -> Result<Response, ScimError> {
    let expected_version = if_match.expected(version(&directory, &id)).await?;
    directory.delete_group(&id, expected_version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn version(directory: &TenantDirectory, id: &str) -> Result<i64, ScimError> {
    Ok(directory.get_group(id).await?.version)
}
