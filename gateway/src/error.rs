//! How an error leaves the gateway: a body of RFC 7644 §3.12 and the headers that its status asks for.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::scim::error::ScimError;

/// The media type of everything that we answer (RFC 7644 §8.1).
pub const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, SCIM_JSON);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// 401: no token, or one that is not valid. Entra reads it as "credentials invalid".
pub fn unauthorized() -> ScimError {
    ScimError::new(
        401,
        "A valid bearer token is needed: send the token that was issued for this tenant in the Authorization header.",
    )
}

/// 404 for a path that holds no resource type.
pub fn no_such_path() -> ScimError {
    ScimError::not_found(
        "There is no such endpoint. The tenant URL ends in /scim/v2; below it are Users, Groups, Bulk, .search, \
         ServiceProviderConfig, ResourceTypes, and Schemas, written like that.",
    )
}

/// 412: the resource moved on since the caller read it.
pub fn version_mismatch() -> ScimError {
    ScimError::new(
        412,
        "The resource is not at a version that If-Match or If-None-Match allows: read it again, then decide.",
    )
}

/// 503: the same request may succeed after `seconds`.
pub fn try_again(seconds: u64, detail: &str) -> ScimError {
    ScimError {
        retry_after_seconds: Some(seconds),
        ..ScimError::new(503, detail)
    }
}
