//! How a good answer leaves the gateway.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use crate::error::SCIM_JSON;
use crate::translate::version::etag;

/// A SCIM message: a resource, a list, or something that discovery shows.
pub fn scim(status: StatusCode, body: &Value) -> Response {
    with_body(status, axum::body::Body::from(body.to_string()))
}

/// A SCIM message whose text exists already, or comes in pieces.
pub fn with_body(status: StatusCode, body: axum::body::Body) -> Response {
    (status, [(CONTENT_TYPE, SCIM_JSON)], body).into_response()
}

/// Says which resource an answer shows and at which version: `meta.location` and `meta.version` again (RFC 7643 §3.1,
/// RFC 7644 §3.14).
pub fn showing(response: Response, url: &str, version: i64) -> Response {
    let mut response = tagged(response, version);
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(CONTENT_LOCATION, url);
    }
    response
}

/// Adds the entity tag of a resource.
pub fn tagged(mut response: Response, version: i64) -> Response {
    if let Ok(tag) = HeaderValue::try_from(etag(version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Adds the URL of a new resource.
pub fn located(mut response: Response, url: String) -> Response {
    if let Ok(url) = HeaderValue::try_from(url) {
        response.headers_mut().insert(LOCATION, url);
    }
    response
}

/// 304: the caller has this version.
pub fn not_modified(version: i64) -> Response {
    tagged(StatusCode::NOT_MODIFIED.into_response(), version)
}
