//! The gateway: SCIM 2.0 as Microsoft Entra ID speaks it, translated to the directory's gRPC API.
//!
//! A request flows one way: `routes` (the use cases of RFC 7644) take what [`scim`] parsed, ask the directory through
//! `upstream`, and `translate` is the border between SCIM resources and `directory.v1` messages. The gateway holds no
//! data, no key and no standing right: it forwards the caller's bearer token.

mod auth;
mod config;
mod error;
mod extract;
mod manners;
mod metrics;
mod response;
mod routes;
pub mod scim;
mod server;
#[cfg(test)]
mod tests;
mod translate;
mod upstream;

pub use config::{Config, ServeArgs};
pub use server::{RunError, run, serve};
