//! From [`DirectoryError`] to [`Status`]: the only such place.

use std::time::Duration;

use directory_proto::status::{Refusal, refuse};
use directory_proto::v1::ErrorReason as Reason;
use tonic::{Code, Status};

use crate::directory::{DirectoryError, StoreFailure};

const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<DirectoryError> for Status {
    fn from(error: DirectoryError) -> Self {
        use DirectoryError as E;
        let refusal = |code, reason| refuse(code, reason, error.to_string());
        match &error {
            E::Invalid(invalid) => refusal(Code::InvalidArgument, Reason::InvalidField)
                .violation(invalid.field(), invalid.rule())
                .into(),
            E::InvalidFilter(_) => refusal(Code::InvalidArgument, Reason::InvalidFilter).into(),
            E::InvalidPageToken => refusal(Code::InvalidArgument, Reason::InvalidPageToken).into(),
            E::PageTokenExpired => refusal(Code::InvalidArgument, Reason::PageTokenExpired).into(),
            E::MembersNotFound { ids, .. } => members(refusal(Code::InvalidArgument, Reason::MemberNotFound), ids),
            E::MembersAreGroups { ids, .. } => members(refusal(Code::InvalidArgument, Reason::MemberIsGroup), ids),
            E::ScopeMissing(scope) => refusal(Code::PermissionDenied, Reason::ScopeMissing)
                .metadata("scope", scope.name())
                .into(),
            E::TenantRequired => refusal(Code::InvalidArgument, Reason::TenantRequired).into(),
            E::TenantNotFound => refusal(Code::NotFound, Reason::TenantNotFound).into(),
            E::TenantSlugTaken => refusal(Code::AlreadyExists, Reason::TenantSlugTaken).into(),
            E::TenantNotEmpty => refusal(Code::FailedPrecondition, Reason::TenantNotEmpty).into(),
            E::TokenNotFound => refusal(Code::NotFound, Reason::TokenNotFound).into(),
            E::UserNotFound => refusal(Code::NotFound, Reason::UserNotFound).into(),
            E::GroupNotFound => refusal(Code::NotFound, Reason::GroupNotFound).into(),
            E::UserNameTaken => refusal(Code::AlreadyExists, Reason::UserNameTaken).into(),
            E::GroupTaken => refusal(Code::AlreadyExists, Reason::GroupTaken).into(),
            E::ExtensionSchemaNotFound => refusal(Code::NotFound, Reason::ExtensionSchemaNotFound).into(),
            E::ExtensionSchemaInUse { attribute } => {
                let refusal = refusal(Code::FailedPrecondition, Reason::ExtensionSchemaInUse);
                match attribute {
                    Some(attribute) => refusal.metadata("attribute", attribute).into(),
                    None => refusal.into(),
                }
            }
            E::ExtensionValueTaken { attribute } => refusal(Code::AlreadyExists, Reason::ExtensionValueTaken)
                .metadata("attribute", attribute)
                .into(),
            E::VersionMismatch => refusal(Code::Aborted, Reason::VersionMismatch).into(),
            E::SourceConflict {
                tenant_source,
                token_source,
            } => refusal(Code::FailedPrecondition, Reason::ProvisioningSourceConflict)
                .metadata("tenant_source", tenant_source.as_str())
                .metadata(
                    "token_source",
                    token_source.as_ref().map_or("", |source| source.as_str()),
                )
                .into(),
            E::AlreadyActivated => refusal(Code::FailedPrecondition, Reason::AlreadyActivated).into(),
            E::ActivationRateLimited { wait_us } => {
                let wait = Duration::from_micros(u64::try_from(*wait_us).unwrap_or_default());
                refusal(Code::ResourceExhausted, Reason::ActivationRateLimited)
                    .retry_after(wait)
                    .into()
            }
            E::ActivationCodeInvalid => refusal(Code::FailedPrecondition, Reason::ActivationCodeInvalid).into(),
            E::MailNotParked => refusal(Code::FailedPrecondition, Reason::MailNotParked).into(),
            E::Store(source) => store_failed(source.into(), source),
        }
    }
}

fn members(refusal: Refusal, ids: &[String]) -> Status {
    refusal.metadata("member_ids", ids.join(",")).into()
}

/// The caller learns whether to try again, and nothing about our database.
fn store_failed(failure: StoreFailure, error: &(dyn std::error::Error + 'static)) -> Status {
    match failure {
        StoreFailure::Busy => {
            tracing::warn!(error, "too many writers met");
            try_again("too many writers met; try again")
        }
        StoreFailure::Unavailable => {
            // Its causes are of the connection, and hold nothing personal.
            tracing::error!(
                error = directory_proto::trace::chain(error),
                "the database does not answer"
            );
            try_again("the database does not answer; try again")
        }
        StoreFailure::Internal => {
            tracing::error!(error, "store failed");
            Status::internal("internal error")
        }
    }
}

fn try_again(message: &str) -> Status {
    refuse(Code::Unavailable, Reason::TryAgain, message)
        .retry_after(RETRY_AFTER)
        .into()
}
