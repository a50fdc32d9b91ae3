//! The system tests: both services as real processes on real ports, SQLite and PostgreSQL, nothing mocked between them.
//! `tests/run` starts a PostgreSQL for them; without one, `cargo test` says so and runs the SQLite half.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[macro_use]
mod support;

mod architecture;
mod big_groups;
mod bulk;
mod conformance;
mod crash;
mod drills;
mod entra;
mod extensions;
mod filter_model;
mod filters;
mod hostile;
mod life_model;
mod lists;
mod lives;
mod mail;
mod metrics;
mod patch;
mod races;
mod refused_disables;
mod root;
mod shutdown;
mod sorting;
mod statements;
mod status;
mod tenant_isolation;
mod tls;
mod tracing;
mod up;
mod walks;
mod wire;
