//! What a SCIM client is told when a request is refused (RFC 7644 §3.12).

use serde_json::{Value, json};
use thiserror::Error;

/// The schema of every error body.
pub const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The refinements of a status that this server uses, of those that RFC 7644 (table 9) and RFC 9865 (table 3) name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// The filter is malformed, or attribute and operator do not fit.
    InvalidFilter,
    /// A value is taken.
    Uniqueness,
    /// The attribute may not be changed so.
    Mutability,
    /// The body is not what the request asks for.
    InvalidSyntax,
    /// A PATCH path is malformed or names nothing in the schema.
    InvalidPath,
    /// A PATCH path selects nothing that could be changed.
    NoTarget,
    /// A value is missing, of the wrong type, or not allowed.
    InvalidValue,
    /// The cursor is none of ours, or belongs to another question.
    InvalidCursor,
    /// The cursor is too old.
    ExpiredCursor,
    /// A page of a walk by cursor cannot have so many resources.
    InvalidCount,
}

impl ScimType {
    /// The spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// A refusal: an HTTP status, its refinement, and what to do about it.
///
/// `detail` is what an administrator reads in Entra's provisioning log. It names attribute and rule, and never repeats
/// a value: values are personal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{status}: {detail}")]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// The refinement, where a standard names one.
    pub scim_type: Option<ScimType>,
    /// What was wrong, and what to do.
    pub detail: String,
    /// For a client that should try again: in how many seconds.
    pub retry_after_seconds: Option<u64>,
}

impl ScimError {
    /// An error without a refinement.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type: None,
            detail: detail.into(),
            retry_after_seconds: None,
        }
    }

    /// An error with a refinement.
    pub fn typed(status: u16, scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self {
            scim_type: Some(scim_type),
            ..Self::new(status, detail)
        }
    }

    /// 400 `invalidValue`.
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::typed(400, ScimType::InvalidValue, detail)
    }

    /// 400 `invalidSyntax`.
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::typed(400, ScimType::InvalidSyntax, detail)
    }

    /// 400 `invalidPath`.
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::typed(400, ScimType::InvalidPath, detail)
    }

    /// 400 `invalidFilter`.
    pub fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::typed(400, ScimType::InvalidFilter, detail)
    }

    /// 400 `invalidCursor`. It never says why: a damaged cursor and one that another caller was given look the same.
    pub fn invalid_cursor() -> Self {
        Self::typed(
            400,
            ScimType::InvalidCursor,
            "The cursor does not belong to this request: ask for the first page with an empty cursor, then send each \
             nextCursor or previousCursor back with everything else as it was.",
        )
    }

    /// 400 `expiredCursor`.
    pub fn expired_cursor() -> Self {
        Self::typed(
            400,
            ScimType::ExpiredCursor,
            "The cursor has expired: ask for the first page again, with an empty cursor.",
        )
    }

    /// 400 `invalidCount`.
    pub fn invalid_count(detail: impl Into<String>) -> Self {
        Self::typed(400, ScimType::InvalidCount, detail)
    }

    /// 400 `noTarget`.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::typed(400, ScimType::NoTarget, detail)
    }

    /// 400 `mutability`.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::typed(400, ScimType::Mutability, detail)
    }

    /// 409 `uniqueness`.
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self::typed(409, ScimType::Uniqueness, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, detail)
    }

    /// The body of RFC 7644 §3.12, in which the status is text.
    pub fn to_json(&self) -> Value {
        let mut body = json!({
            "schemas": [ERROR_SCHEMA],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(scim_type), Value::Object(members)) = (self.scim_type, &mut body) {
            members.insert("scimType".to_owned(), Value::from(scim_type.as_str()));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ScimError;

    #[test]
    fn the_body_has_the_status_as_text_and_the_type_where_there_is_one() {
        assert_eq!(
            ScimError::invalid_filter("the filter is empty").to_json(),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400",
                   "scimType": "invalidFilter", "detail": "the filter is empty"})
        );
        assert_eq!(
            ScimError::not_found("no such user").to_json(),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404",
                   "detail": "no such user"})
        );
        assert_eq!(ScimError::uniqueness("taken").status, 409);
    }
}
