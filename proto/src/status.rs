//! `ErrorReason` in and out of a gRPC status, the same way on both sides: `google.rpc.ErrorInfo` with our domain,
//! `BadRequest` for fields and `RetryInfo` for waiting. Programs read these, never the message.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::v1::ErrorReason;

/// The domain of every [`ErrorReason`].
pub const DOMAIN: &str = "directory.rollcall";

/// A status in the making. Ends as `Status::from(refusal)`.
#[derive(Debug)]
pub struct Refusal {
    code: Code,
    reason: ErrorReason,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
}

/// One field that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request.
    pub field: String,
    /// The rule that it breaks; never the value.
    pub description: String,
}

/// Begins a refusal. `message` says what to do about it and holds no personal data.
pub fn refuse(code: Code, reason: ErrorReason, message: impl Into<String>) -> Refusal {
    Refusal {
        code,
        reason,
        message: message.into(),
        metadata: HashMap::new(),
        violations: Vec::new(),
        retry_after: None,
    }
}

impl Refusal {
    /// Adds one entry to the error's metadata.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// Names a field and the rule that it breaks.
    #[must_use]
    pub fn violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push(Violation {
            field: field.into(),
            description: description.into(),
        });
        self
    }

    /// Says when the same call may succeed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::with_error_info(refusal.reason.as_str_name(), DOMAIN, refusal.metadata);
        for violation in refusal.violations {
            details.add_bad_request_violation(violation.field, violation.description);
        }
        if let Some(wait) = refusal.retry_after {
            details.set_retry_info(Some(wait));
        }
        Status::with_error_details(refusal.code, refusal.message, details)
    }
}

/// The reason of a status, if the directory gave one that this build knows.
pub fn reason_of(status: &Status) -> Option<ErrorReason> {
    let info = status.get_details_error_info()?;
    if info.domain != DOMAIN {
        return None;
    }
    ErrorReason::from_str_name(&info.reason)
}

/// One entry of the error's metadata.
pub fn metadata_of(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// The fields that were refused; empty if the error is about something else.
pub fn violations_of(status: &Status) -> Vec<Violation> {
    let bad_request = status.get_details_bad_request();
    bad_request
        .map(|bad| bad.field_violations)
        .unwrap_or_default()
        .into_iter()
        .map(|violation| Violation {
            field: violation.field,
            description: violation.description,
        })
        .collect()
}

/// How long to wait before the same call may succeed.
pub fn retry_after_of(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_arrives_with_reason_metadata_violations_and_retry() {
        let status = Status::from(
            refuse(
                Code::InvalidArgument,
                ErrorReason::InvalidField,
                "user_name must not be blank",
            )
            .metadata("scope", "provision")
            .violation("user_name", "must not be blank")
            .retry_after(Duration::from_secs(2)),
        );

        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason_of(&status), Some(ErrorReason::InvalidField));
        assert_eq!(metadata_of(&status, "scope").as_deref(), Some("provision"));
        assert_eq!(
            violations_of(&status),
            [Violation {
                field: "user_name".into(),
                description: "must not be blank".into()
            }]
        );
        assert_eq!(retry_after_of(&status), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_reason_of_another_domain_is_not_ours() {
        let details = ErrorDetails::with_error_info("INVALID_FIELD", "example.com", HashMap::<String, String>::new());

        let status = Status::with_error_details(Code::Internal, "no", details);

        assert_eq!(reason_of(&status), None);
    }
}
