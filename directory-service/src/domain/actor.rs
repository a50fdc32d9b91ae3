//! On whose behalf a use case runs.

use std::fmt;

use super::id::TenantId;
use super::tenant::ProvisioningSource;
use super::token::TokenId;

/// Who writes, and in which tenant: what a change record keeps of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The tenant that is written.
    pub tenant: TenantId,
    /// Who writes.
    pub agent: Agent,
    /// The provisioning source that the token speaks for.
    pub source: Option<ProvisioningSource>,
    /// The request's id, as the caller or the edge named it.
    pub request_id: Option<String>,
    /// The W3C trace id, 32 hexadecimal digits.
    pub trace_id: Option<String>,
}

impl Actor {
    /// The directory itself, which does in a tenant what time or a mail server brings.
    pub const fn system(tenant: TenantId) -> Self {
        Self {
            tenant,
            agent: Agent::System,
            source: None,
            request_id: None,
            trace_id: None,
        }
    }
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// The holder of the token of this public id.
    Token(TokenId),
    /// The directory itself.
    System,
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => id.fmt(f),
            Self::System => f.write_str("system"),
        }
    }
}
