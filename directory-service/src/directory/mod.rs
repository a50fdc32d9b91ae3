//! The use cases: one public method, one transaction. No query is written here.

mod activations;
mod blocks;
mod error;
mod explain;
mod extensions;
mod groups;
mod mails;
mod memberships;
mod search;
mod shown_groups;
mod tenants;
mod tokens;
mod users;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::outbox::Outbox;
use crate::store::Database;

pub use activations::{EXPIRED_AT_ONCE, Redeemed, Whom};
pub use blocks::Blocked;
pub use error::{DirectoryError, StoreFailure};
pub use explain::Explanation;
pub use mails::{Attempt, MailToSend, OutboxState};
pub use tokens::TokenOwner;

pub use crate::store::in_time;

/// The directory: what can be asked of it and done to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    db: Database,
    clock: Clock,
    outbox: Outbox,
    /// The hosts that links in mails may have.
    link_hosts: Arc<[String]>,
    first_mail_pause_us: i64,
}

impl Directory {
    /// The directory in this database.
    pub fn new(db: Database, clock: Clock) -> Self {
        Self {
            db,
            clock,
            outbox: Outbox::default(),
            link_hosts: Arc::default(),
            first_mail_pause_us: 60 * 1_000_000,
        }
    }

    /// The same directory, which puts a mail off for so long after the first failure that may go away.
    #[must_use]
    pub fn with_first_mail_pause(mut self, pause: Duration) -> Self {
        self.first_mail_pause_us = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self
    }

    /// The same directory, whose mails may hold links to these hosts, in lower case.
    #[must_use]
    pub fn with_link_hosts(mut self, hosts: &[String]) -> Self {
        self.link_hosts = hosts.into();
        self
    }

    /// The same directory, which tells this outbox of its mails.
    #[must_use]
    pub fn with_outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = outbox;
        self
    }

    /// The clock that the use cases read.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }
}
