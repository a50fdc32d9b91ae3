//! The attributes of every resource, as data: the one table behind validation, projection, filters, PATCH paths, and
//! the discovery answers (RFC 7643 §7). What a tenant registers joins it, for that tenant's callers alone.
//!
//! Characteristics follow RFC 7643 §8.7, but that ids of other resources are case exact, as `id` is (§3.1); descriptions are our
//! own words.

mod attribute;
mod enterprise_user;
mod group;
mod json;
mod resource_type;
mod shared_attributes;
mod status;
#[cfg(test)]
pub mod testing;
mod user;

use std::collections::HashMap;
use std::sync::Arc;

pub use attribute::{Attribute, Kind, Mutability, Returned, Uniqueness};
pub use enterprise_user::ENTERPRISE_USER;
pub use group::GROUP;
pub use json::{find_schema, resource_type_to_json, resource_types_to_json, schemas_to_json, to_json};
pub use resource_type::{ResourceKind, ResourceType, ResourceTypes};
pub use shared_attributes::COMMON;
pub use status::STATUS;
pub use user::USER;

/// A schema: a URN and its attributes.
#[derive(Debug)]
pub struct Schema {
    /// The URN.
    pub id: String,
    /// A short name.
    pub name: String,
    /// What it describes, for people.
    pub description: String,
    /// Its attributes, without those that all resources have ([`COMMON`]).
    pub attributes: Vec<Arc<Attribute>>,
    /// The same by their names in lower case.
    by_name: HashMap<String, Arc<Attribute>>,
}

impl Schema {
    /// A schema of these attributes.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        description: impl Into<String>,
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> Self {
        let attributes: Vec<_> = attributes.into_iter().map(Arc::new).collect();
        let by_name = attributes
            .iter()
            .map(|attribute| (attribute.name.to_ascii_lowercase(), attribute.clone()));
        Self {
            id: id.into(),
            name: name.into(),
            description: description.into(),
            by_name: by_name.collect(),
            attributes,
        }
    }

    /// The attribute of this name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&Arc<Attribute>> {
        self.by_name.get(&name.to_ascii_lowercase())
    }

    /// Whether every tenant has it.
    pub fn is_built_in(&self) -> bool {
        self.is_core() || *self == **ENTERPRISE_USER || *self == **STATUS
    }

    /// Whether this is the schema of a kind of resource, and no extension.
    pub fn is_core(&self) -> bool {
        ResourceKind::ALL.into_iter().any(|kind| **kind.schema() == *self)
    }
}

/// A URN names one schema.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Schema {}
