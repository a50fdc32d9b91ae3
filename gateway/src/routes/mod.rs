//! The use cases of RFC 7644, one file per kind of resource. A handler reads like its own summary: who asks, what for,
//! do it, answer.

mod bulk;
mod discovery;
mod groups;
mod list;
mod members;
mod refused;
mod search;
mod stored;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::auth::Caller;
use crate::extract::ScimQuery;
use crate::scim::error::ScimError;
use crate::scim::patch::Mode;
use crate::scim::projection::Projection;
use crate::scim::schema::{ResourceKind, ResourceType};
use crate::translate::ActiveView;
use crate::translate::filter::Translator;
use crate::translate::link::BaseUrl;
use crate::upstream::{Gateway, TenantDirectory};

/// Everything below the SCIM root.
pub fn router() -> Router<Gateway> {
    resources()
        .route("/", get(search::list))
        .route("/.search", post(search::search))
        .route("/Users/.search", post(users::search))
        .route("/Groups/.search", post(groups::search))
        .route("/Bulk", post(bulk::bulk))
        .route("/Me", axum::routing::any(discovery::me))
        .route("/ServiceProviderConfig", get(discovery::service_provider_config))
        .route("/ResourceTypes", get(discovery::resource_types))
        .route("/ResourceTypes/{id}", get(discovery::resource_type))
        .route("/Schemas", get(discovery::schemas))
        .route("/Schemas/{id}", get(discovery::schema))
}

/// The endpoints of resources, also for the operations of a bulk request.
fn resources() -> Router<Gateway> {
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
}

/// What `active` means to the caller.
fn view(caller: &Caller) -> ActiveView {
    if caller.provisions {
        ActiveView::SourceWord
    } else {
        ActiveView::InEffect
    }
}

/// How the caller's questions about one kind of resource reach the directory.
fn translator(directory: &TenantDirectory, kind: ResourceKind, base: &BaseUrl) -> Translator {
    Translator {
        resource_type: directory.resource_type(kind).clone(),
        view: view(directory.caller()),
        base: base.clone(),
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
