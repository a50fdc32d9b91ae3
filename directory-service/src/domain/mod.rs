//! What a directory is: tenants, users, groups, memberships, and the questions that can be asked about them.
//!
//! Pure: no tonic, no SeaORM, no tokio, no I/O. A value of these types was checked when it was made.

pub mod activation;
pub mod actor;
pub mod attribute;
pub mod change;
mod error;
pub mod extension;
pub mod filter;
mod fold;
pub mod group;
pub mod id;
pub mod language;
pub mod mail;
pub mod membership;
pub mod number;
pub mod page;
pub mod profile;
pub mod refused_disable;
pub mod search;
pub mod tenant;
pub mod text;
pub mod token;
pub mod user;
pub mod user_name;
pub mod version;

pub use error::Invalid;
pub use fold::{FOLD_VERSION, fold};
