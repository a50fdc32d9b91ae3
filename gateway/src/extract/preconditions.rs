//! The preconditions of a request: which versions of a resource its caller has seen (RFC 7644 §3.14).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

use super::header::split;
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
        let lines = headers.get_all(name).iter();
        let mut tags = lines
            .flat_map(|line| split(line.to_str().unwrap_or_default(), ','))
            .peekable();
        match tags.peek() {
            None => Self::Absent,
            Some(&"*") => {
                tags.next();
                // An asterisk stands alone; in a list it is the tag of nothing.
                if tags.peek().is_none() {
                    Self::Any
                } else {
                    Self::Versions(tags.filter_map(version_of).collect())
                }
            }
            Some(_) => Self::Versions(tags.filter_map(version_of).collect()),
        }
    }

    /// Whether a resource at this version is among those that are named.
    fn name(&self, version: i64) -> bool {
        match self {
            Self::Absent => false,
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// What a caller wants to be true of a resource before anything is done: with `If-Match`, that it is as the caller has seen
/// it; with `If-None-Match` on a write, that it is not (RFC 9110 §13.1).
///
/// A resource that is not there is 404, whatever the preconditions: they count only where the request would succeed
/// without them (RFC 9110 §13.2.1).
#[derive(Debug, Default)]
pub struct IfMatch {
    is: Tags,
    is_not: Tags,
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        Ok(Self {
            is: Tags::read(&parts.headers, IF_MATCH),
            is_not: if reads {
                Tags::Absent // 304, not 412: IfNoneMatch
            } else {
                Tags::read(&parts.headers, IF_NONE_MATCH)
            },
        })
    }
}

impl IfMatch {
    /// Whether the caller named the versions that it has seen, so that losing a race is its business and not ours.
    pub fn is_given(&self) -> bool {
        matches!(self.is, Tags::Versions(_))
    }

    /// 412 if the resource is at another version than the caller wants.
    pub fn check(&self, version: i64) -> Result<(), ScimError> {
        if (self.is == Tags::Absent || self.is.name(version)) && !self.is_not.name(version) {
            Ok(())
        } else {
            Err(version_mismatch())
        }
    }

    /// The version that the directory shall insist on. `current` reads the resource's version; it is only asked if
    /// the caller did not name exactly one.
    pub async fn expected(
        &self,
        current: impl Future<Output = Result<i64, ScimError>>,
    ) -> Result<Option<i64>, ScimError> {
        match (&self.is, &self.is_not) {
            (Tags::Absent | Tags::Any, Tags::Absent) => Ok(None),
            (Tags::Versions(versions), Tags::Absent) if versions.len() == 1 => Ok(versions.first().copied()),
            _ => {
                let version = current.await?;
                self.check(version)?;
                Ok(self.is_given().then_some(version))
            }
        }
    }
}

/// `If-None-Match` on a read: the caller has these versions already.
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
        self.0.name(version)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    async fn preconditions(method: Method, lines: &[(HeaderName, &str)]) -> (IfMatch, IfNoneMatch) {
        let mut request = Request::new(());
        *request.method_mut() = method;
        for (name, value) in lines {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let parts = &mut request.into_parts().0;
        let Ok(if_match) = IfMatch::from_request_parts(parts, &()).await;
        let Ok(if_none_match) = IfNoneMatch::from_request_parts(parts, &()).await;
        (if_match, if_none_match)
    }

    /// The version that a write insists on, of a resource at version 3.
    async fn write(name: HeaderName, lines: &[&str]) -> Result<Option<i64>, u16> {
        let lines: Vec<_> = lines.iter().map(|line| (name.clone(), *line)).collect();
        let (if_match, _) = preconditions(Method::PUT, &lines).await;
        if_match.expected(async { Ok(3) }).await.map_err(|error| error.status)
    }

    #[tokio::test]
    async fn if_match_takes_weak_and_strong_tags_lists_and_the_asterisk() {
        for (lines, expected) in [
            (&[][..], Ok(None)),
            (&["*"], Ok(None)),
            (&["W/\"7\""], Ok(Some(7))), // the directory decides
            (&["\"7\""], Ok(Some(7))),
            (&["W/\"2\", W/\"3\""], Ok(Some(3))),
            (&["\"a,b\"", "W/\"3\",W/\"4\""], Ok(Some(3))),
            (&["W/\"1\"", "W/\"2\""], Err(412)),
        ] {
            assert_eq!(write(IF_MATCH, lines).await, expected, "{lines:?}");
        }
    }

    #[tokio::test]
    async fn a_tag_that_is_none_of_ours_matches_nothing() {
        for line in [
            "",
            "3",
            "W/3",
            "w/\"3\"",
            "\"foreign\"",
            "W/\"03\"",
            "W/\"+3\"",
            "W/\" 3\"",
            "\"\"",
            "*, *",
            "**",
            "\"3",
            "\u{e9}",
        ] {
            assert_eq!(write(IF_MATCH, &[line]).await, Err(412), "{line}");
            assert_eq!(write(IF_NONE_MATCH, &[line]).await, Ok(None), "{line}");
        }
    }

    #[tokio::test]
    async fn if_none_match_keeps_a_write_from_a_version_that_it_names() {
        for (lines, expected) in [
            (&["*"][..], Err(412)),
            (&["W/\"3\""], Err(412)),
            (&["\"1\", \"3\""], Err(412)),
            (&["W/\"2\""], Ok(None)),
        ] {
            assert_eq!(write(IF_NONE_MATCH, lines).await, expected, "{lines:?}");
        }
    }

    #[tokio::test]
    async fn a_resource_that_is_not_there_is_404_whatever_the_preconditions() {
        for (name, line) in [(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "*")] {
            let (if_match, _) = preconditions(Method::PATCH, &[(name, line)]).await;
            let gone = async { Err(ScimError::not_found("gone")) };
            assert_eq!(if_match.expected(gone).await.unwrap_err().status, 404);
        }
    }

    #[tokio::test]
    async fn on_a_read_if_none_match_spares_the_answer_and_if_match_refuses_it() {
        let lines = [(IF_NONE_MATCH, "W/\"3\"")];
        let (if_match, if_none_match) = preconditions(Method::GET, &lines).await;
        assert!(if_none_match.has(3) && !if_none_match.has(4));
        assert_eq!(if_match.check(3), Ok(()));

        let (if_match, if_none_match) = preconditions(Method::HEAD, &[(IF_MATCH, "W/\"3\"")]).await;
        assert!(!if_none_match.has(3));
        assert_eq!(if_match.check(3), Ok(()));
        assert_eq!(if_match.check(4).unwrap_err().status, 412);
    }
}
