//! The schemas that a tenant registered, as schemas of its callers' resource types.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use directory_proto::v1;
use directory_proto::v1::attribute_definition as wire;
use directory_proto::v1::extension_schema;

use crate::scim::schema::{Attribute, Kind, Mutability, ResourceTypes, Returned, Schema, Uniqueness};

/// How many unusable attributes are told apart, so that each is logged once.
const TOLD_APART: usize = 1_000;

/// What the callers of a tenant with these extensions see users and groups made of.
///
/// What this gateway cannot use (it may be older than the directory) is left out and logged once: the rest of the tenant
/// works.
pub fn resource_types(schemas: Vec<v1::ExtensionSchema>) -> Arc<ResourceTypes> {
    if schemas.is_empty() {
        return ResourceTypes::standard().clone();
    }
    let mut of_users = Vec::new();
    let mut of_groups = Vec::new();
    for schema in schemas {
        match schema.resource_type() {
            extension_schema::ResourceType::User => of_users.push(Arc::new(to_scim(schema))),
            extension_schema::ResourceType::Group => of_groups.push(Arc::new(to_scim(schema))),
            extension_schema::ResourceType::Unspecified => warn_once(&schema.id, ""),
        }
    }
    Arc::new(ResourceTypes::new(of_users, of_groups))
}

fn to_scim(schema: v1::ExtensionSchema) -> Schema {
    let v1::ExtensionSchema {
        id,
        resource_type: _,
        name,
        description,
        attributes,
        create_time: _,
        update_time: _,
    } = schema;
    let attributes = attributes_to_scim(&id, attributes);
    Schema::new(id, name, description, attributes)
}

fn attributes_to_scim(schema: &str, definitions: Vec<v1::AttributeDefinition>) -> Vec<Attribute> {
    let usable = definitions.into_iter().filter_map(|definition| {
        let name = definition.name.clone();
        let attribute = attribute_to_scim(schema, definition);
        if attribute.is_none() {
            warn_once(schema, &name);
        }
        attribute
    });
    usable.collect()
}

fn attribute_to_scim(schema: &str, definition: v1::AttributeDefinition) -> Option<Attribute> {
    let kind = match wire::Type::try_from(definition.r#type).ok()? {
        wire::Type::Unspecified | wire::Type::String => Kind::String,
        wire::Type::Boolean => Kind::Boolean,
        wire::Type::Decimal => Kind::Decimal,
        wire::Type::Integer => Kind::Integer,
        wire::Type::DateTime => Kind::DateTime,
        wire::Type::Reference => Kind::Reference,
        wire::Type::Binary => Kind::Binary,
        wire::Type::Complex => Kind::Complex,
    };
    let mutability = match wire::Mutability::try_from(definition.mutability).ok()? {
        wire::Mutability::ReadOnly => Mutability::ReadOnly,
        wire::Mutability::Unspecified | wire::Mutability::ReadWrite => Mutability::ReadWrite,
        wire::Mutability::Immutable => Mutability::Immutable,
        wire::Mutability::WriteOnly => Mutability::WriteOnly,
    };
    let returned = match wire::Returned::try_from(definition.returned).ok()? {
        wire::Returned::Always => Returned::Always,
        wire::Returned::Never => Returned::Never,
        wire::Returned::Unspecified | wire::Returned::Default => Returned::Default,
        wire::Returned::Request => Returned::Request,
    };
    let uniqueness = match wire::Uniqueness::try_from(definition.uniqueness).ok()? {
        wire::Uniqueness::Unspecified | wire::Uniqueness::None => Uniqueness::None,
        wire::Uniqueness::Server => Uniqueness::Server,
        wire::Uniqueness::Global => Uniqueness::Global,
    };
    let sub_attributes: Vec<_> = attributes_to_scim(schema, definition.sub_attributes)
        .into_iter()
        .map(Arc::new)
        .collect();
    let is_whole = (kind == Kind::Complex) != sub_attributes.is_empty();
    is_whole.then(|| Attribute {
        multi_valued: definition.multi_valued,
        required: definition.required,
        case_exact: definition.case_exact || matches!(kind, Kind::Reference | Kind::Binary),
        mutability,
        returned,
        uniqueness,
        canonical_values: definition.canonical_values,
        reference_types: definition.reference_types,
        sub_attributes,
        ..Attribute::new(kind, definition.name, definition.description)
    })
}

/// Callers are identified every few seconds; that is no reason to say the same thing as often.
fn warn_once(schema: &str, attribute: &str) {
    static TOLD: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < TOLD_APART && told.insert(format!("{schema}:{attribute}")) {
        tracing::warn!(
            scim.schema = schema,
            scim.attribute = attribute,
            "left out of the schemas of a tenant what this gateway does not understand: is it older than the directory?"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::ResourceKind;

    fn definition(name: &str) -> v1::AttributeDefinition {
        v1::AttributeDefinition {
            name: name.to_owned(),
            ..v1::AttributeDefinition::default()
        }
    }

    #[test]
    fn every_characteristic_is_that_of_the_definition_or_the_default_of_the_rfc() {
        let full = v1::AttributeDefinition {
            r#type: wire::Type::Reference.into(),
            multi_valued: true,
            description: "d".to_owned(),
            required: true,
            canonical_values: vec!["c".to_owned()],
            mutability: wire::Mutability::Immutable.into(),
            returned: wire::Returned::Request.into(),
            uniqueness: wire::Uniqueness::Server.into(),
            reference_types: vec!["User".to_owned()],
            ..definition("full")
        };

        let plain = attribute_to_scim("urn:a", definition("plain")).unwrap();
        let full = attribute_to_scim("urn:a", full).unwrap();

        assert_eq!(plain, Attribute::new(Kind::String, "plain", ""));
        assert_eq!(
            full,
            Attribute {
                multi_valued: true,
                required: true,
                case_exact: true,
                mutability: Mutability::Immutable,
                returned: Returned::Request,
                uniqueness: Uniqueness::Server,
                canonical_values: vec!["c".to_owned()],
                reference_types: vec!["User".to_owned()],
                ..Attribute::new(Kind::Reference, "full", "d")
            }
        );
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_the_rest_works() {
        let complex = |sub_attributes| v1::AttributeDefinition {
            r#type: wire::Type::Complex.into(),
            sub_attributes,
            ..definition("complex")
        };
        let unknown = || v1::AttributeDefinition {
            r#type: 99,
            ..definition("unknown")
        };
        let schema = |resource_type: extension_schema::ResourceType, attributes| v1::ExtensionSchema {
            id: "urn:a".to_owned(),
            resource_type: resource_type.into(),
            attributes,
            ..v1::ExtensionSchema::default()
        };

        let types = resource_types(vec![
            schema(
                extension_schema::ResourceType::Group,
                vec![unknown(), complex(vec![unknown()]), definition("good")],
            ),
            schema(extension_schema::ResourceType::Unspecified, vec![definition("good")]),
        ]);

        let group = types.get(ResourceKind::Group);
        let names: Vec<&str> = group.extensions[0]
            .attributes
            .iter()
            .map(|attribute| attribute.name.as_str())
            .collect();
        assert_eq!((group.extensions.len(), names), (1, vec!["good"]));
        assert_eq!(
            types.get(ResourceKind::User),
            ResourceTypes::standard().get(ResourceKind::User)
        );
    }
}
