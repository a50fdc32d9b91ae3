//! `tonic::Status` as a SCIM error: the only place where one becomes the other. The details are what an administrator
//! reads in Entra's provisioning log; they name attributes, rules and ids, and repeat no value.

use std::time::Duration;

use directory_proto::status::{metadata_of, reason_of, retry_after_of, violations_of};
use directory_proto::v1::ErrorReason;
use tonic::{Code, Status};

use super::attribute;
use crate::error::{try_again, unauthorized, version_mismatch};
use crate::scim::error::ScimError;

/// How long a caller shall wait for a directory that is away.
const AWAY_SECONDS: u64 = 5;

/// What a SCIM client is told about a refused or failed call.
pub fn to_scim(status: &Status) -> ScimError {
    use ErrorReason as Reason;
    let Some(reason) = reason_of(status) else {
        return without_reason(status);
    };
    match reason {
        Reason::InvalidField => ScimError::invalid_value(fields(status)),
        Reason::InvalidFilter => ScimError::invalid_filter(status.message()),
        Reason::InvalidPageToken => ScimError::invalid_cursor(),
        Reason::PageTokenExpired => ScimError::expired_cursor(),
        Reason::MemberNotFound => ScimError::invalid_value(format!(
            "Members that are no users of this tenant: {}. Nothing was changed.",
            named(status, "member_ids")
        )),
        Reason::MemberIsGroup => ScimError::invalid_value(format!(
            "Members that are groups: {}. Only users can be members; nothing was changed.",
            named(status, "member_ids")
        )),
        Reason::TokenInvalid => unauthorized(),
        Reason::ScopeMissing => ScimError::new(
            403,
            format!(
                "The token lacks scope {}: issue one that has it, and send that.",
                named(status, "scope")
            ),
        ),
        Reason::TenantNotAllowed | Reason::TenantRequired => ScimError::new(
            403,
            "The token does not belong to one tenant: issue one for the tenant, and send that.",
        ),
        Reason::TenantNotFound => ScimError::not_found("The tenant of this token does not exist any more."),
        Reason::UserNotFound => ScimError::not_found("There is no user with this id in this tenant."),
        Reason::GroupNotFound => ScimError::not_found("There is no group with this id in this tenant."),
        Reason::UserNameTaken => ScimError::uniqueness(
            "Another user of this tenant has this userName already (compared without regard to case).",
        ),
        Reason::GroupTaken => ScimError::uniqueness(
            "Another group of this tenant has this displayName (compared without regard to case) and this externalId \
             already.",
        ),
        Reason::ExtensionValueTaken => ScimError::uniqueness(format!(
            "Another resource of this tenant has this value of {} already.",
            named(status, "attribute")
        )),
        Reason::VersionMismatch => version_mismatch(),
        Reason::ProvisioningSourceConflict => ScimError::new(
            403,
            format!(
                "The tenant is provisioned by source {:?}, but the token speaks for {:?}. Only one source may write; \
                 nothing was changed. Send a token that was issued for the tenant's source, or, if the tenant is to be \
                 provisioned from elsewhere from now on, change its setting provisioning_source.",
                named(status, "tenant_source"),
                named(status, "token_source")
            ),
        ),
        Reason::TryAgain => try_again(
            seconds(retry_after_of(status)),
            "The directory is busy: send the request again.",
        ),
        Reason::Unspecified
        | Reason::TokenNotFound
        | Reason::TenantSlugTaken
        | Reason::TenantNotEmpty
        | Reason::ExtensionSchemaNotFound
        | Reason::ExtensionSchemaInUse
        | Reason::AlreadyActivated
        | Reason::ActivationRateLimited
        | Reason::ActivationCodeInvalid
        | Reason::MailNotParked => unexpected(status),
    }
}

/// Errors that are not the directory's own: of the connection, of tonic, or of another service at its address.
fn without_reason(status: &Status) -> ScimError {
    match status.code() {
        Code::Unauthenticated => unauthorized(),
        // Unknown is what tonic makes of a connection that breaks under a call; the directory says it never.
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::ResourceExhausted
        | Code::Unknown => {
            tracing::warn!(
                rpc.grpc.status_code = status.code() as i32,
                "the directory did not answer"
            );
            try_again(
                AWAY_SECONDS,
                "The directory does not answer now: send the request again.",
            )
        }
        // tonic's own bound on a message, of the request or of its answer.
        Code::OutOfRange => ScimError::new(
            413,
            "This is too large for one request or one answer: send less at once, or ask for smaller pages.",
        ),
        _ => unexpected(status),
    }
}

fn unexpected(status: &Status) -> ScimError {
    tracing::error!(rpc.grpc.status_code = status.code() as i32, "the directory failed");
    ScimError::new(
        500,
        "Internal error; the x-request-id header of this answer finds it in the logs.",
    )
}

fn fields(status: &Status) -> String {
    let violations = violations_of(status);
    if violations.is_empty() {
        return status.message().to_owned();
    }
    let named = violations
        .iter()
        .map(|violation| format!("{} {}", attribute(&violation.field), violation.description));
    format!("{}.", named.collect::<Vec<_>>().join("; "))
}

fn named(status: &Status, key: &str) -> String {
    metadata_of(status, key).unwrap_or_else(|| "(not named)".to_owned())
}

fn seconds(wait: Option<Duration>) -> u64 {
    wait.map_or(1, |wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        .max(1)
}

#[cfg(test)]
mod tests {
    use directory_proto::status::refuse;

    use super::*;
    use crate::scim::error::ScimType;

    #[test]
    fn every_reason_has_its_status_and_scim_type() {
        use ErrorReason as Reason;
        for (code, reason, expected, scim_type) in [
            (
                Code::InvalidArgument,
                Reason::InvalidField,
                400,
                Some(ScimType::InvalidValue),
            ),
            (
                Code::InvalidArgument,
                Reason::InvalidFilter,
                400,
                Some(ScimType::InvalidFilter),
            ),
            (
                Code::InvalidArgument,
                Reason::InvalidPageToken,
                400,
                Some(ScimType::InvalidCursor),
            ),
            (
                Code::InvalidArgument,
                Reason::PageTokenExpired,
                400,
                Some(ScimType::ExpiredCursor),
            ),
            (
                Code::InvalidArgument,
                Reason::MemberNotFound,
                400,
                Some(ScimType::InvalidValue),
            ),
            (
                Code::InvalidArgument,
                Reason::MemberIsGroup,
                400,
                Some(ScimType::InvalidValue),
            ),
            (Code::Unauthenticated, Reason::TokenInvalid, 401, None),
            (Code::PermissionDenied, Reason::ScopeMissing, 403, None),
            (Code::PermissionDenied, Reason::TenantNotAllowed, 403, None),
            (Code::InvalidArgument, Reason::TenantRequired, 403, None),
            (Code::NotFound, Reason::TenantNotFound, 404, None),
            (Code::NotFound, Reason::UserNotFound, 404, None),
            (Code::NotFound, Reason::GroupNotFound, 404, None),
            (
                Code::AlreadyExists,
                Reason::UserNameTaken,
                409,
                Some(ScimType::Uniqueness),
            ),
            (Code::AlreadyExists, Reason::GroupTaken, 409, Some(ScimType::Uniqueness)),
            (Code::Aborted, Reason::VersionMismatch, 412, None),
            (Code::FailedPrecondition, Reason::ProvisioningSourceConflict, 403, None),
            (Code::Unavailable, Reason::TryAgain, 503, None),
            (Code::NotFound, Reason::TokenNotFound, 500, None),
        ] {
            let error = to_scim(&refuse(code, reason, "said the directory").into());
            assert_eq!((error.status, error.scim_type), (expected, scim_type), "{reason:?}");
        }
    }

    #[test]
    fn details_name_attributes_members_and_sources() {
        let refused = refuse(Code::InvalidArgument, ErrorReason::InvalidField, "no")
            .violation("user.user_name", "must not be blank")
            .violation("user.enterprise.department", "must not hold U+0000");
        let error = to_scim(&refused.into());
        assert_eq!(
            error.detail,
            "userName must not be blank; department must not hold U+0000."
        );

        let refused = refuse(Code::InvalidArgument, ErrorReason::MemberNotFound, "no").metadata("member_ids", "a, b");
        assert!(to_scim(&refused.into()).detail.contains("a, b"));

        let refused = refuse(Code::FailedPrecondition, ErrorReason::ProvisioningSourceConflict, "no")
            .metadata("tenant_source", "entra")
            .metadata("token_source", "okta");
        let detail = to_scim(&refused.into()).detail;
        assert!(detail.contains("\"entra\"") && detail.contains("\"okta\""), "{detail}");
        assert!(detail.contains("provisioning_source"), "{detail}");
    }

    #[test]
    fn a_message_that_is_too_large_is_413() {
        let too_large = Status::out_of_range("decoded message length too large");

        assert_eq!(to_scim(&too_large).status, 413);
    }

    #[test]
    fn what_may_pass_is_503_with_a_time_and_the_rest_is_500() {
        let busy = refuse(Code::Unavailable, ErrorReason::TryAgain, "no").retry_after(Duration::from_millis(1200));
        assert_eq!(to_scim(&busy.into()).retry_after_seconds, Some(2));
        assert_eq!(
            to_scim(&Status::unavailable("tcp connect error")).retry_after_seconds,
            Some(AWAY_SECONDS)
        );
        assert_eq!(to_scim(&Status::deadline_exceeded("")).status, 503);
        assert_eq!(to_scim(&Status::unauthenticated("")).status, 401);

        let broken = to_scim(&Status::internal("SELECT secret"));
        assert_eq!(broken.status, 500);
        assert!(!broken.detail.contains("SELECT"));
    }
}
