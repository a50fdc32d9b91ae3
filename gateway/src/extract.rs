//! What a handler takes from a request: the JSON body, the query, the id in the path, and the preconditions. Each is
//! checked here, so that handlers only see good ones.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::error::version_mismatch;
use crate::scim::error::ScimError;
use crate::translate::version::version_of;

/// The id that this request has in logs, traces and change records.
#[derive(Clone)]
pub struct RequestId(pub String);

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

/// The query parameters of RFC 7644 §3.4.2 and §3.9, decoded once, with `+` as a space. Others, such as Entra's
/// `aadOptscim062020`, are ignored.
#[derive(Debug, Default)]
pub struct ScimQuery {
    /// `filter`.
    pub filter: Option<String>,
    /// `attributes`.
    pub attributes: Option<String>,
    /// `excludedAttributes`.
    pub excluded_attributes: Option<String>,
    /// `sortBy`.
    pub sort_by: Option<String>,
    /// `sortOrder`.
    pub sort_order: Option<String>,
    /// `startIndex`.
    pub start_index: Option<String>,
    /// `count`.
    pub count: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ScimQuery {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ScimError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ScimError::invalid_value("The query string cannot be decoded."))?;
        Self::from_pairs(pairs)
    }
}

impl ScimQuery {
    fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, ScimError> {
        let mut query = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "filter" => set(&mut query.filter, &name, value)?,
                "attributes" => set(&mut query.attributes, &name, value)?,
                "excludedAttributes" => set(&mut query.excluded_attributes, &name, value)?,
                "sortBy" => set(&mut query.sort_by, &name, value)?,
                "sortOrder" => set(&mut query.sort_order, &name, value)?,
                "startIndex" => set(&mut query.start_index, &name, value)?,
                "count" => set(&mut query.count, &name, value)?,
                _ => {} // not ours
            }
        }
        Ok(query)
    }
}

fn set(slot: &mut Option<String>, name: &str, value: String) -> Result<(), ScimError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ScimError::invalid_value(format!(
            "The query parameter {name} is given twice."
        ))),
    }
}

/// The `{id}` of a path. Ours are UUIDs in lower case with dashes; every other text is the id of nothing.
pub struct ResourceId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ResourceId {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ScimError> {
        let unknown = || ScimError::not_found("There is no resource with this id.");
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| unknown())?;
        let parsed = Uuid::try_parse(&id).map_err(|_| unknown())?;
        if parsed.hyphenated().to_string() == id {
            Ok(Self(id))
        } else {
            Err(unknown())
        }
    }
}

/// What `If-Match` or `If-None-Match` names.
#[derive(Debug, Default, PartialEq, Eq)]
enum Tags {
    /// The header is absent.
    #[default]
    Absent,
    /// `*`.
    Any,
    /// The versions among the tags; a tag that is none of ours is the tag of nothing.
    Versions(Vec<i64>),
}

impl Tags {
    fn read(headers: &HeaderMap, name: HeaderName) -> Self {
        let mut seen = false;
        let mut versions = Vec::new();
        for line in headers.get_all(name) {
            seen = true;
            for tag in line.to_str().unwrap_or_default().split(',').map(str::trim) {
                if tag == "*" {
                    return Self::Any;
                }
                versions.extend(version_of(tag));
            }
        }
        if seen { Self::Versions(versions) } else { Self::Absent }
    }
}

/// `If-Match`: the caller only wants to change what it has seen.
#[derive(Debug, Default)]
pub struct IfMatch(Tags);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Tags::read(&parts.headers, IF_MATCH)))
    }
}

impl IfMatch {
    /// Whether the caller named versions, so that losing a race is its business and not ours.
    pub fn is_given(&self) -> bool {
        matches!(self.0, Tags::Versions(_))
    }

    /// 412 if the resource is at another version than the caller has seen.
    pub fn check(&self, version: i64) -> Result<(), ScimError> {
        match &self.0 {
            Tags::Absent | Tags::Any => Ok(()),
            Tags::Versions(versions) if versions.contains(&version) => Ok(()),
            Tags::Versions(_) => Err(version_mismatch()),
        }
    }

    /// The version that the directory shall insist on. `current` reads the resource's version; it is only asked if
    /// the caller named several.
    pub async fn expected(
        &self,
        current: impl Future<Output = Result<i64, ScimError>>,
    ) -> Result<Option<i64>, ScimError> {
        match &self.0 {
            Tags::Absent | Tags::Any => Ok(None),
            Tags::Versions(versions) => match versions.as_slice() {
                [version] => Ok(Some(*version)),
                _ => {
                    let version = current.await?;
                    self.check(version)?;
                    Ok(Some(version))
                }
            },
        }
    }
}

/// `If-None-Match`: the caller has these versions already.
#[derive(Debug, Default)]
pub struct IfNoneMatch(Tags);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Tags::read(&parts.headers, IF_NONE_MATCH)))
    }
}

impl IfNoneMatch {
    /// Whether the caller has this version.
    pub fn has(&self, version: i64) -> bool {
        match &self.0 {
            Tags::Absent => false,
            Tags::Any => true,
            Tags::Versions(versions) => versions.contains(&version),
        }
    }
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

    async fn query(text: &str) -> Result<ScimQuery, ScimError> {
        let request = Request::builder().uri(format!("/Users?{text}")).body(()).unwrap();
        ScimQuery::from_request_parts(&mut request.into_parts().0, &()).await
    }

    #[tokio::test]
    async fn a_query_is_decoded_once_and_plus_is_a_space() {
        let query = query("filter=userName+eq+%22a%2Bb%2540c%22&aadOptscim062020&count=5&startIndex=-3")
            .await
            .unwrap();

        assert_eq!(query.filter.as_deref(), Some("userName eq \"a+b%40c\""));
        assert_eq!(
            (query.count.as_deref(), query.start_index.as_deref()),
            (Some("5"), Some("-3"))
        );
    }

    #[tokio::test]
    async fn a_doubled_parameter_is_refused() {
        assert_eq!(
            query("filter=a&filter=b").await.unwrap_err().to_json()["scimType"],
            "invalidValue"
        );
    }

    fn if_match(lines: &[&str]) -> IfMatch {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, line.parse().unwrap());
        }
        IfMatch(Tags::read(&headers, IF_MATCH))
    }

    #[tokio::test]
    async fn if_match_takes_weak_and_strong_tags_lists_and_the_asterisk() {
        let unread = || async { Ok(3) };

        assert_eq!(if_match(&[]).expected(unread()).await.unwrap(), None);
        assert_eq!(if_match(&["*"]).expected(unread()).await.unwrap(), None);
        assert_eq!(if_match(&["W/\"7\""]).expected(unread()).await.unwrap(), Some(7));
        assert_eq!(if_match(&["\"7\""]).expected(unread()).await.unwrap(), Some(7));
        assert_eq!(
            if_match(&["W/\"2\", W/\"3\""]).expected(unread()).await.unwrap(),
            Some(3)
        );
        assert_eq!(
            if_match(&["W/\"1\"", "W/\"2\""])
                .expected(unread())
                .await
                .unwrap_err()
                .status,
            412
        );
        assert_eq!(
            if_match(&["\"foreign\""]).expected(unread()).await.unwrap_err().status,
            412
        );
        assert_eq!(if_match(&["W/\"7\""]).check(8).unwrap_err().status, 412);
    }
}
