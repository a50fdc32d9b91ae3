//! The use cases: one public method, one transaction. No query is written here.

mod error;
mod extensions;
mod groups;
mod memberships;
mod search;
mod shown_groups;
mod tenants;
mod tokens;
mod users;

use crate::clock::Clock;
use crate::store::Database;

pub use error::{DirectoryError, StoreFailure};
pub use tokens::TokenOwner;

/// The directory: what can be asked of it and done to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    db: Database,
    clock: Clock,
}

impl Directory {
    /// The directory in this database.
    pub const fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// The clock that the use cases read.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }
}
