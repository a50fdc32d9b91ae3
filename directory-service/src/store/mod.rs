//! The only code that writes queries. Free functions over a connection or a transaction, so that the use case owns the
//! transaction; the tenant is always named and always in the condition.

pub mod changes;
pub mod connect;
pub(crate) mod entities;
pub mod error;
#[cfg(test)]
mod explain_tests;
pub mod extensions;
pub mod filter;
pub mod groups;
mod ids;
pub mod jobs;
pub mod mails;
pub mod memberships;
pub mod migrations;
mod paging;
mod probe;
pub mod refused_disables;
mod release;
pub mod rules;
pub mod schema;
pub mod search;
pub mod tenants;
#[cfg(test)]
pub(crate) mod testing;
pub mod tokens;
pub mod users;
pub mod values;

pub use connect::{Database, Retryable, WriteTransaction};
pub use error::StoreError;
pub use probe::{Pool, in_time};
