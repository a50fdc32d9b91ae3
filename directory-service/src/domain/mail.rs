//! The activation mail of a user: which one waits, which one is parked, and when it is tried again.

use super::id::{TenantId, UserId};

const MINUTE_US: i64 = 60 * 1_000_000;
/// A mail is tried for so long after its first attempt.
const KEEP_TRYING_US: i64 = 3 * 24 * 60 * MINUTE_US;
const LONGEST_PAUSE_US: i64 = 4 * 60 * MINUTE_US;

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// It waits for an attempt.
    Waiting,
    /// It cannot be delivered.
    Parked,
    /// A mail server accepted it.
    Sent,
}

impl MailState {
    /// The number that stands in rows; never reused.
    pub const fn number(self) -> i16 {
        match self {
            Self::Waiting => 1,
            Self::Parked => 2,
            Self::Sent => 3,
        }
    }

    /// The state of a row.
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::Waiting),
            2 => Some(Self::Parked),
            3 => Some(Self::Sent),
            _ => None,
        }
    }
}

/// A mail as an administrator sees it. Times are microseconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Whom it is for.
    pub user: UserId,
    /// What became of it.
    pub state: MailState,
    /// When it was queued.
    pub queued_us: i64,
    /// When the next attempt is due.
    pub due_us: i64,
    /// How many attempts were made.
    pub attempts: i32,
    /// Why the last one failed.
    pub failure: Option<String>,
    /// When it was accepted or parked.
    pub ended_us: Option<i64>,
}

/// A mail that one worker holds, for as long as its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedMail {
    /// Whose.
    pub tenant: TenantId,
    /// Whom it is for.
    pub user: UserId,
    /// The number of the code that it tells.
    pub code_number: i64,
    /// Grows with every claim and every change of the mail: who comes with an older one comes too late.
    pub fence: i64,
    /// How many attempts were begun, this one counted.
    pub attempts: i32,
    /// When the first attempt was begun.
    pub first_attempt_us: i64,
}

impl ClaimedMail {
    /// When to try again after a failure at `now_us` that may go away: pauses double from the first to four hours. None: it
    /// was tried for three days.
    pub fn next_attempt_us(&self, now_us: i64, first_pause_us: i64) -> Option<i64> {
        let doublings = u32::try_from(self.attempts.saturating_sub(1)).unwrap_or(0).min(16);
        let pause = first_pause_us.saturating_mul(1 << doublings).min(LONGEST_PAUSE_US);
        let next = now_us.saturating_add(pause);
        (next <= self.first_attempt_us.saturating_add(KEEP_TRYING_US)).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_minute_to_four_hours_and_end_after_three_days() {
        let mut mail = ClaimedMail {
            tenant: TenantId::generate(),
            user: UserId::generate(),
            code_number: 1,
            fence: 1,
            attempts: 0,
            first_attempt_us: 0,
        };
        let (mut now, mut pauses) = (0, Vec::new());

        loop {
            mail.attempts += 1;
            let Some(next) = mail.next_attempt_us(now, MINUTE_US) else {
                break;
            };
            pauses.push((next - now) / MINUTE_US);
            now = next;
        }

        assert_eq!(pauses[..9], [1, 2, 4, 8, 16, 32, 64, 128, 240]);
        assert!(pauses[9..].iter().all(|minutes| *minutes == 240));
        let hours = now / MINUTE_US / 60;
        assert!((68..=72).contains(&hours), "{hours} hours");
    }
}
