//! What the gateway can do (RFC 7644 §4), for anybody who asks. To a caller with a tenant's token, the schemas that the tenant
//! registered are part of it.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use directory_proto::client::PAGE_TOKEN_LIFETIME;
use http::StatusCode;
use serde_json::{Value, json};

use crate::extract::ScimQuery;
use crate::response;
use crate::scim::bulk::{MAX_OPERATIONS, MAX_PAYLOAD_BYTES};
use crate::scim::error::ScimError;
use crate::scim::list::{DEFAULT_COUNT, ListHead, MAX_COUNT};
use crate::scim::schema::{self, ResourceKind};
use crate::translate::link::BaseUrl;
use crate::upstream::Visitor;

/// `GET /ServiceProviderConfig` (RFC 7643 §5 and RFC 9865 §4).
pub async fn service_provider_config(_: Visitor, base: BaseUrl, query: ScimQuery) -> Result<Response, ScimError> {
    check_no_filter(&query)?;
    let config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": true, "maxOperations": MAX_OPERATIONS, "maxPayloadSize": MAX_PAYLOAD_BYTES},
        "filter": {"supported": true, "maxResults": MAX_COUNT},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": DEFAULT_COUNT,
            "maxPageSize": MAX_COUNT,
            "cursorTimeout": PAGE_TOKEN_LIFETIME.as_secs(),
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A token that was issued for one tenant, sent as a bearer token (RFC 6750).",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", base.as_str()),
        },
    });
    Ok(response::scim(StatusCode::OK, &config))
}

/// `GET /ResourceTypes`.
pub async fn resource_types(visitor: Visitor, base: BaseUrl, query: ScimQuery) -> Result<Response, ScimError> {
    check_no_filter(&query)?;
    Ok(whole_list(schema::resource_types_to_json(
        &visitor.resource_types,
        base.as_str(),
    )))
}

/// `GET /ResourceTypes/{id}`.
pub async fn resource_type(
    visitor: Visitor,
    base: BaseUrl,
    id: Result<Path<String>, PathRejection>,
    query: ScimQuery,
) -> Result<Response, ScimError> {
    check_no_filter(&query)?;
    let kind = id
        .ok()
        .and_then(|Path(id)| ResourceKind::ALL.into_iter().find(|kind| kind.name() == id));
    let kind = kind.ok_or_else(|| ScimError::not_found("There is no resource type of this name."))?;
    let resource_type = visitor.resource_types.get(kind);
    Ok(response::scim(
        StatusCode::OK,
        &schema::resource_type_to_json(resource_type, base.as_str()),
    ))
}

/// `GET /Schemas`.
pub async fn schemas(visitor: Visitor, base: BaseUrl, query: ScimQuery) -> Result<Response, ScimError> {
    check_no_filter(&query)?;
    Ok(whole_list(schema::schemas_to_json(
        &visitor.resource_types,
        base.as_str(),
    )))
}

/// `GET /Schemas/{id}`.
pub async fn schema(
    visitor: Visitor,
    base: BaseUrl,
    id: Result<Path<String>, PathRejection>,
    query: ScimQuery,
) -> Result<Response, ScimError> {
    check_no_filter(&query)?;
    let schema = id
        .ok()
        .and_then(|Path(id)| schema::find_schema(&visitor.resource_types, &id));
    let schema = schema.ok_or_else(|| ScimError::not_found("There is no schema of this URN."))?;
    Ok(response::scim(StatusCode::OK, &schema::to_json(schema, base.as_str())))
}

/// `/Me` (RFC 7644 §3.11): callers are services, not people.
pub async fn me() -> ScimError {
    ScimError::new(
        501,
        "/Me is not implemented: a token belongs to a service, not to a user.",
    )
}

/// A filter would be ignored, and a caller could take that for an answer (RFC 7644 §4).
fn check_no_filter(query: &ScimQuery) -> Result<(), ScimError> {
    match query.filter {
        None => Ok(()),
        Some(_) => Err(ScimError::new(
            403,
            "This endpoint cannot be filtered: leave the filter out.",
        )),
    }
}

/// All there is, on one page: paging parameters are ignored here (RFC 7644 §4).
fn whole_list(resources: Vec<Value>) -> Response {
    let head = ListHead::of_all(resources.len());
    response::scim(StatusCode::OK, &head.with(resources))
}
