//! What a caller can be told.

use crate::domain::Invalid;
use crate::domain::tenant::ProvisioningSource;
use crate::domain::token::Scope;
use crate::store::{Retryable, StoreError};

/// Why a use case refused, by what the caller can do about it. The texts name rules and never values.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A field holds something that the directory refuses.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The filter names an unknown attribute, or an operator or literal that does not fit it.
    #[error("the filter is refused: {0}")]
    InvalidFilter(String),
    /// The page token is damaged, or was made for another request.
    #[error("the page token does not belong to this request; start again with the first page")]
    InvalidPageToken,
    /// The page token is too old.
    #[error("the page token is older than an hour; start again with the first page")]
    PageTokenExpired,
    /// Members to add that are no users of the tenant. The ids are the first 20 at most.
    #[error("{count} of the members to add are not users of this tenant")]
    MembersNotFound {
        /// How many there are.
        count: usize,
        /// The first of them, as the caller spelled them.
        ids: Vec<String>,
    },
    /// Members to add that are groups. The ids are the first 20 at most.
    #[error("{count} of the members to add are groups; only users can be members")]
    MembersAreGroups {
        /// How many there are.
        count: usize,
        /// The first of them.
        ids: Vec<String>,
    },
    /// The token lacks a scope.
    #[error("the token lacks the scope {}", .0.name())]
    ScopeMissing(Scope),
    /// No such tenant.
    #[error("there is no such tenant")]
    TenantNotFound,
    /// An operator token must name a tenant.
    #[error("an operator token must name a tenant in metadata rollcall-tenant for this call")]
    TenantRequired,
    /// Another tenant has the slug.
    #[error("another tenant has this slug")]
    TenantSlugTaken,
    /// The tenant still has users or groups.
    #[error("the tenant still has users or groups; force deletes them too")]
    TenantNotEmpty,
    /// No such token in this tenant.
    #[error("there is no such token")]
    TokenNotFound,
    /// No such user in this tenant.
    #[error("there is no such user")]
    UserNotFound,
    /// No such group in this tenant.
    #[error("there is no such group")]
    GroupNotFound,
    /// Another user of the tenant has the name.
    #[error("another user of this tenant has this user name")]
    UserNameTaken,
    /// Another group of the tenant has the name and the external id.
    #[error("another group of this tenant has this name and external id")]
    GroupTaken,
    /// The tenant registered no such extension schema.
    #[error("there is no such extension schema")]
    ExtensionSchemaNotFound,
    /// A resource has a value that the change would make unreadable.
    #[error("a user or group has a value that this change would make unreadable; take the values away first")]
    ExtensionSchemaInUse {
        /// The first such attribute; none if the whole schema is meant.
        attribute: Option<String>,
    },
    /// Another resource has the value of an attribute whose uniqueness is SERVER.
    #[error("another resource of this tenant has this value of {attribute}")]
    ExtensionValueTaken {
        /// The attribute.
        attribute: String,
    },
    /// The resource is not at the version that the caller expects.
    #[error("the resource is not at the expected version; read it again")]
    VersionMismatch,
    /// Another source provisions the tenant.
    #[error("another source provisions this tenant")]
    SourceConflict {
        /// The source that may write.
        tenant_source: ProvisioningSource,
        /// The source that the caller's token speaks for.
        token_source: Option<ProvisioningSource>,
    },
    /// The user is activated already.
    #[error("the user is activated already")]
    AlreadyActivated,
    /// A mail was asked for this user a moment ago.
    #[error("a mail was asked for this user a moment ago; wait a minute between two")]
    ActivationRateLimited {
        /// How long to wait, in microseconds.
        wait_us: i64,
    },
    /// The code does not activate this user. Why is not told.
    #[error("the code is not valid")]
    ActivationCodeInvalid,
    /// The user has no parked mail.
    #[error("the user has no mail that is parked")]
    MailNotParked,
    /// The database failed.
    #[error(transparent)]
    Store(StoreError),
}

impl DirectoryError {
    /// Why a batch is refused whose answer would not fit into a message.
    pub fn batch_too_large() -> Self {
        Invalid::new(
            "ids",
            "must be fewer: these users are together too large for one answer",
        )
        .into()
    }
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a failure of the database means to whoever called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFailure {
    /// Too many writers met: worth another try.
    Busy,
    /// The database does not answer: worth another try.
    Unavailable,
    /// Ours to look at.
    Internal,
}

impl From<&StoreError> for StoreFailure {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Stale | StoreError::Conflict(_) => Self::Busy,
            StoreError::Unavailable(_) | StoreError::Login(_) => Self::Unavailable,
            StoreError::Taken | StoreError::Url(_) | StoreError::Unreadable(_) | StoreError::Database(_) => {
                Self::Internal
            }
        }
    }
}

impl Retryable for DirectoryError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }

    fn is_away(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_away())
    }
}
