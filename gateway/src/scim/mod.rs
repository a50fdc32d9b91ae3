//! SCIM 2.0 (RFC 7643, RFC 7644) as a library: schemas, resources, filters, PATCH, bulk, projection, and error bodies.
//!
//! Pure: no HTTP framework, no gRPC, no directory. What comes from outside is parsed once into types that need no
//! second look ([`filter::Filter`], [`patch::PatchRequest`], [`resource::Resource`]); one schema table
//! ([`schema`]) drives validation, projection, filters, PATCH paths, and discovery. What only Entra ID does stands in
//! `patch/entra.rs`.

pub mod attribute_path;
pub mod bulk;
pub mod disable;
pub mod error;
pub mod filter;
mod fold;
pub mod list;
pub mod mutability;
pub mod patch;
pub mod projection;
pub mod resource;
pub mod schema;
pub mod search;
#[cfg(test)]
mod testing;
mod value;
