//! Schemas and values for tests.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    AttributeParts, AttributeType, ExtensionSchema, Mutability, ResourceType, Returned, SchemaDefinition, SchemaSet,
    SchemaUrn, Submitted, Uniqueness,
};

/// An attribute with the characteristics that RFC 7643 §7 has for those that are not named.
pub(crate) fn attribute(name: &str, kind: AttributeType) -> AttributeParts {
    AttributeParts {
        name: name.to_owned(),
        kind,
        sub_attributes: Vec::new(),
        multi_valued: false,
        description: String::new(),
        required: false,
        canonical_values: Vec::new(),
        case_exact: false,
        mutability: Mutability::ReadWrite,
        returned: Returned::Default,
        uniqueness: Uniqueness::None,
        reference_types: Vec::new(),
    }
}

/// The same attribute with a list.
pub(crate) fn many(mut parts: AttributeParts) -> AttributeParts {
    parts.multi_valued = true;
    parts
}

/// The same attribute, unique.
pub(crate) fn unique(mut parts: AttributeParts) -> AttributeParts {
    parts.uniqueness = Uniqueness::Server;
    parts
}

/// The same attribute, required.
pub(crate) fn required(mut parts: AttributeParts) -> AttributeParts {
    parts.required = true;
    parts
}

/// The same attribute, compared with case.
pub(crate) fn exact(mut parts: AttributeParts) -> AttributeParts {
    parts.case_exact = true;
    parts
}

/// A complex attribute.
pub(crate) fn complex(name: &str, subs: Vec<AttributeParts>) -> AttributeParts {
    AttributeParts {
        sub_attributes: subs,
        ..attribute(name, AttributeType::Complex)
    }
}

/// A schema of users.
pub(crate) fn schema(urn: &str, parts: Vec<AttributeParts>) -> SchemaDefinition {
    schema_of(ResourceType::User, urn, parts)
}

/// A schema.
pub(crate) fn schema_of(resource: ResourceType, urn: &str, parts: Vec<AttributeParts>) -> SchemaDefinition {
    let urn = SchemaUrn::parse("schema.id", urn).unwrap();
    SchemaDefinition::new(urn, resource, "A schema", String::new(), parts).unwrap()
}

/// Schemas as a tenant has them.
pub(crate) fn set(definitions: Vec<SchemaDefinition>) -> SchemaSet {
    let registered = definitions.into_iter().map(|definition| ExtensionSchema {
        definition,
        created_us: 0,
        updated_us: 0,
    });
    SchemaSet::new(registered.collect())
}

/// What a request says: an object of objects.
pub(crate) fn submitted(values: Value) -> Submitted {
    let values: BTreeMap<_, _> = serde_json::from_value(values).unwrap();
    Submitted::new(values)
}

/// The nanoseconds since 1970 of a time.
pub(crate) fn instant(text: &str) -> i128 {
    super::value::instant(text).unwrap()
}
