//! Extension schemas (RFC 7643 §3.3): attributes that a tenant defines for its users or groups, the values that they have,
//! and the questions that filters ask about them.
//!
//! Everything that a database compares is a text key made here, for numbers and times too: it orders and equals as the
//! values do, so that no statement casts text, which PostgreSQL might do to rows that the statement does not select.

mod check;
mod definition;
mod question;
mod schema;
mod size;
mod urn;
mod value;

pub use check::{Checked, Submitted, UniqueValue};
pub use definition::{AttributeDefinition, AttributeParts, AttributeType, Mutability, Returned, Uniqueness};
pub use question::{ElementTest, Elements, ExtensionOrder, ExtensionQuestion, Test};
pub use schema::{ExtensionSchema, Lost, ResourceType, SchemaDefinition, SchemaSet};
pub use urn::SchemaUrn;
pub use value::{AttributeValue, Element, Extensions, Scalar};

use definition::AttributeName;

/// The most schemas of a tenant.
pub const MAX_SCHEMAS: usize = 16;

/// The key of an attribute's path, or of a sub-attribute's. Single-valued ones stand under it among a resource's search keys.
fn single_key(urn: &SchemaUrn, attribute: &AttributeName, sub: Option<&AttributeName>) -> String {
    let sub = sub.map(|sub| format!(".{}", sub.key())).unwrap_or_default();
    format!("{}:{}{sub}", urn.key(), attribute.key())
}

/// The key of a multi-valued attribute: under such a key there is never anything but a list.
fn list_key(urn: &SchemaUrn, attribute: &AttributeName) -> String {
    format!("{}:{}[]", urn.key(), attribute.key())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
