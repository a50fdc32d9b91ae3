//! The preconditions of a request: which versions of a resource its caller has seen (RFC 7644 §3.14).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::error::version_mismatch;
use crate::scim::error::ScimError;
use crate::translate::version::version_of;

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
    use super::*;

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
