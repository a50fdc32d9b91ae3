//! One file per service: message -> domain -> use case -> message. No query, no rule.

mod activations;
mod convert;
mod extensions;
mod filter;
mod groups;
mod search;
mod status;
mod tenants;
mod tokens;
mod user_messages;
mod users;

pub use activations::Activations;
pub use groups::Groups;
pub use search::Searches;
pub use tenants::Tenants;
pub use tokens::Tokens;
pub use users::Users;
