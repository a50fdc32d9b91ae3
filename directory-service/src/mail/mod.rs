//! Sending activation mails: what they say, how they travel, and the worker that sends those that are due.
//!
//! A mail is sent at least once. It is sent twice only if the process, or its way to the database, ends between the moment
//! that the mail server took it and the moment that this was written down; both have the same code and Message-ID.

mod message;
mod templates;
mod transport;
mod worker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::Address;

pub use templates::Templates;
pub use transport::{BadCertificate, Encryption, MailServer};
pub use worker::Worker;

/// A claim holds so long; who dies with one is replaced then.
const LEASE: Duration = Duration::from_secs(60);
/// No attempt takes longer: what it came to is written while the claim still holds.
pub const LONGEST_ATTEMPT: Duration = Duration::from_secs(LEASE.as_secs() / 2);
/// The first pause after a failure that may go away.
pub const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// Where mails go.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Nowhere: they stay queued.
    Nowhere,
    /// To files in this folder, for trying things out.
    Files(PathBuf),
    /// To a mail server.
    Smtp(Box<MailServer>),
}

/// Everything that an operator decides about mail.
#[derive(Clone, Debug)]
pub struct Mailing {
    /// Where mails go.
    pub delivery: Delivery,
    /// Where files may be left from a time when mails went there: they are erased with their users.
    pub left_files: Option<PathBuf>,
    /// The address of the sender; the tenant gives the name.
    pub from: Address,
    /// What they say.
    pub templates: Templates,
    /// The hosts that links in mails may have, in lower case.
    pub link_hosts: Vec<String>,
    /// The first pause after a failure that may go away; it doubles with each further one.
    pub first_pause: Duration,
    /// How long one attempt may take.
    pub longest_attempt: Duration,
}

impl Mailing {
    /// The folder of the files, if mails go to files.
    pub fn folder(&self) -> Option<&Path> {
        match &self.delivery {
            Delivery::Files(folder) => Some(folder),
            Delivery::Nowhere | Delivery::Smtp(_) => None,
        }
    }
}

impl Default for Mailing {
    fn default() -> Self {
        Self {
            delivery: Delivery::Nowhere,
            left_files: None,
            from: Address::new("rollcall", "localhost").expect("it is an address"),
            templates: Templates::embedded(),
            link_hosts: Vec::new(),
            first_pause: FIRST_PAUSE,
            longest_attempt: LONGEST_ATTEMPT,
        }
    }
}
