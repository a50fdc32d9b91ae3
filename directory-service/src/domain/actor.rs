//! On whose behalf a use case runs.

use super::id::TenantId;
use super::tenant::ProvisioningSource;
use super::token::TokenId;

/// Who writes, and in which tenant: what a change record keeps of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The tenant that is written.
    pub tenant: TenantId,
    /// The public id of the caller's token.
    pub token_id: TokenId,
    /// The provisioning source that the token speaks for.
    pub source: Option<ProvisioningSource>,
    /// The request's id, as the caller or the edge named it.
    pub request_id: Option<String>,
    /// The W3C trace id, 32 hexadecimal digits.
    pub trace_id: Option<String>,
}
