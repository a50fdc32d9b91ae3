//! Writes that depend on what is stored: read, decide, and write in the version that was read; again, if somebody else was
//! faster.

use std::time::Duration;

use http::StatusCode;
use rand::Rng as _;

use crate::error::try_again;
use crate::extract::IfMatch;
use crate::scim::error::ScimError;

/// How often a write is tried because somebody else was faster.
const ATTEMPTS: u32 = 24;

/// The races of one request. A caller without `If-Match` (Entra never sends one) does not pay for ours: what others
/// wrote meanwhile is read, and the write tried again. With one, the caller is told.
pub struct Races<'a> {
    if_match: &'a IfMatch,
    lost: u32,
}

impl<'a> Races<'a> {
    /// No race is lost yet.
    pub const fn of(if_match: &'a IfMatch) -> Self {
        Self { if_match, lost: 0 }
    }

    /// What a write came to; `None` if it must be tried again.
    ///
    /// # Errors
    /// The write's own, or 503 if too many races were lost.
    pub async fn settle<T>(&mut self, written: Result<T, ScimError>) -> Result<Option<T>, ScimError> {
        match written {
            Err(error) if is_lost_race(&error) && !self.if_match.is_given() => {
                self.lost += 1;
                if self.lost == ATTEMPTS {
                    tracing::warn!(attempts = ATTEMPTS, "a write lost every race");
                    return Err(try_again(
                        1,
                        "Too many others changed this resource at the same time: send the request again.",
                    ));
                }
                pause(self.lost).await;
                Ok(None)
            }
            written => written.map(Some),
        }
    }
}

/// 412 is only ever a version that moved on.
fn is_lost_race(error: &ScimError) -> bool {
    error.status == StatusCode::PRECONDITION_FAILED.as_u16()
}

async fn pause(lost: u32) {
    let longest_ms = (5_u64 << lost.min(6)).min(250);
    let pause_ms = rand::rng().random_range(1..=longest_ms);
    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
}
