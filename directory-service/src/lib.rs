//! The directory: tenants, users, groups and memberships in a SQL database, served over gRPC.
//!
//! ```text
//! main -> server -> grpc -> directory -> store -> domain
//!            |-> mail -> directory
//!            '-> auth -> directory
//! ```
//!
//! `domain` says what a directory is and does no I/O; `store` holds every query; `directory` holds the use cases,
//! each one transaction; `grpc` translates; `auth` decides who a caller is; `mail` sends what is queued. Imports point inward.

pub mod activation_code;
pub mod auth;
pub mod clock;
pub mod config;
pub mod directory;
pub mod domain;
pub mod grpc;
mod incoming;
pub mod init;
pub mod keyring;
pub mod mail;
mod metrics;
pub mod migrate;
pub mod outbox;
pub mod page_token;
mod server;
pub mod store;

pub use config::Config;
pub use init::{InitError, ensure_operator_token, init, new_token};
pub use server::{RunError, run};
