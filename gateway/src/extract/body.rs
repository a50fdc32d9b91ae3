//! The body of a request, if it is JSON.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::scim::error::ScimError;

/// A JSON body. Neither its size (the body limit of the server) nor its depth (128 levels, `serde_json`'s own limit)
/// can hurt us.
pub struct ScimJson(pub Value);

impl<S: Send + Sync> FromRequest<S> for ScimJson {
    type Rejection = ScimError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ScimError> {
        if !is_json(request.headers()) {
            let detail = "Send the body as application/scim+json or application/json.";
            return Err(ScimError::new(415, detail));
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return ScimError::new(413, "The body is larger than the 16 MiB that one request may have.");
            }
            ScimError::invalid_syntax("The body ended before it was complete.")
        })?;
        let value = serde_json::from_slice(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            // serde_json tells this error from others by its text alone.
            let rule = if error.to_string().starts_with("recursion limit") {
                "is nested deeper than the 128 levels that are read"
            } else {
                "is not JSON: it breaks off or errs"
            };
            ScimError::invalid_syntax(format!("The body {rule} at line {line}, column {column}."))
        })?;
        Ok(Self(value))
    }
}

/// A missing content type is taken for JSON: there is nothing else that it could be.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("application/scim+json") || essence.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::json;

    use super::*;

    async fn body_of(content_type: Option<&str>, body: &'static str) -> Result<Value, ScimError> {
        let mut request = Request::builder();
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(Body::from(body)).unwrap();
        ScimJson::from_request(request, &()).await.map(|ScimJson(value)| value)
    }

    #[tokio::test]
    async fn json_is_taken_under_every_name_that_scim_clients_use() {
        for content_type in [
            Some("application/scim+json; charset=utf-8"),
            Some("Application/JSON"),
            Some("application/scim+json"),
            None,
        ] {
            assert_eq!(
                body_of(content_type, "{\"a\":1}").await.unwrap(),
                json!({"a": 1}),
                "{content_type:?}"
            );
        }
    }

    #[tokio::test]
    async fn other_content_types_are_415_and_broken_json_is_invalid_syntax() {
        assert_eq!(body_of(Some("text/plain"), "{}").await.unwrap_err().status, 415);

        let deep: &'static str = "[".repeat(100_000).leak();
        for broken in ["{\"a\":", "", "{} {}", "{\"a\":\"\\ud800\"}", deep] {
            let error = body_of(None, broken).await.unwrap_err();
            assert_eq!(error.status, 400);
            assert_eq!(error.to_json()["scimType"], "invalidSyntax");
        }
    }
}
