//! The directory's contract, `directory.v1`: the generated types, the reasons of its errors, and the client that
//! internal services use. It knows neither SCIM nor SQL.
//!
//! The feature `service` adds what both of our services owe operations (telemetry, probes, the stop on a signal);
//! clients leave it off.

pub mod client;
pub mod reload;
#[cfg(feature = "service")]
pub mod service;
pub mod status;
pub mod tls;
pub mod trace;

/// The generated messages, clients and servers of `directory.v1`. Their manual is the `.proto` files.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("directory.v1");

    /// Describes the whole contract, for server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("directory_v1");
}
