//! Refused requests that held the source's word that a user is not active: each may leave a leaver in.

use super::Invalid;

/// How many are kept of one user.
pub const KEPT: u64 = 20;
const REASON_BYTES: usize = 64;
const ATTRIBUTE_BYTES: usize = 256;

/// Why a request was refused. It holds no value of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A name of the contract's reasons, or a scimType.
    pub reason: String,
    /// The attribute that was refused; empty if it was none.
    pub attribute: String,
}

impl Refusal {
    /// Checks what a caller says about a refusal of its own.
    ///
    /// # Errors
    /// [`Invalid`]: no such word, or no name of an attribute.
    pub fn parse(reason: String, attribute: String) -> Result<Self, Invalid> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=REASON_BYTES).contains(&reason.len()) || !reason.bytes().all(is_word) {
            let rule = "must be 1 to 64 ASCII letters, digits, dashes and underscores";
            return Err(Invalid::new("reason", rule));
        }
        if attribute.len() > ATTRIBUTE_BYTES || !attribute.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid::new("attribute", "must be at most 256 bytes of visible ASCII"));
        }
        Ok(Self { reason, attribute })
    }
}

/// A refusal that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDisable {
    /// When: microseconds since 1970, UTC.
    pub at_us: i64,
    /// The token that sent the request.
    pub actor: String,
    /// The request's id.
    pub request_id: Option<String>,
    /// Why.
    pub refusal: Refusal,
}
