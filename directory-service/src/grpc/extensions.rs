//! Extension schemas and extension values: from the wire to the domain, and back.

use std::collections::{BTreeMap, HashMap};

use directory_proto::v1 as proto;
use prost_types::value::Kind;
use prost_types::{Struct, Value as WireValue};
use proto::attribute_definition as wire;
use serde_json::{Map, Number as JsonNumber, Value};

use super::convert::timestamp;
use crate::domain::Invalid;
use crate::domain::extension::{
    AttributeDefinition, AttributeParts, AttributeType, AttributeValue, Element, ExtensionSchema, Extensions,
    Mutability, ResourceType, Returned, Scalar, SchemaDefinition, SchemaUrn, Submitted, Uniqueness,
};

/// What a message says about extension values.
pub(super) fn submitted(wire: HashMap<String, Struct>) -> Result<Submitted, Invalid> {
    let values = wire.into_iter().map(|(urn, values)| Ok((urn, object(values)?)));
    Ok(Submitted::new(values.collect::<Result<_, Invalid>>()?))
}

fn object(wire: Struct) -> Result<Map<String, Value>, Invalid> {
    let fields = wire.fields.into_iter();
    fields.map(|(name, value)| Ok((name, json(value)?))).collect()
}

/// As deep as the decoder lets messages be.
fn json(wire: WireValue) -> Result<Value, Invalid> {
    Ok(match wire.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => Value::Bool(truth),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => {
            let rule = "must not hold a number that is not finite";
            let number = JsonNumber::from_f64(number).ok_or_else(|| Invalid::new("extensions", rule))?;
            Value::Number(number)
        }
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(json).collect::<Result<_, Invalid>>()?),
        Some(Kind::StructValue(values)) => Value::Object(object(values)?),
    })
}

/// The message of extension values.
pub(super) fn values_to_wire(values: &Extensions) -> HashMap<String, Struct> {
    let of_schema = |values: &BTreeMap<String, AttributeValue>| Struct {
        fields: values
            .iter()
            .map(|(name, value)| (name.clone(), value_to_wire(value)))
            .collect(),
    };
    values
        .iter()
        .map(|(urn, values)| (urn.to_owned(), of_schema(values)))
        .collect()
}

fn value_to_wire(value: &AttributeValue) -> WireValue {
    match value {
        AttributeValue::One(element) => element_to_wire(element),
        AttributeValue::Many(elements) => {
            let values = elements.iter().map(element_to_wire).collect();
            of_kind(Kind::ListValue(prost_types::ListValue { values }))
        }
    }
}

fn element_to_wire(element: &Element) -> WireValue {
    match element {
        Element::Simple(scalar) => scalar_to_wire(scalar),
        Element::Complex(values) => {
            let fields = values.iter().map(|(name, value)| (name.clone(), scalar_to_wire(value)));
            of_kind(Kind::StructValue(Struct {
                fields: fields.collect(),
            }))
        }
    }
}

fn scalar_to_wire(scalar: &Scalar) -> WireValue {
    of_kind(match scalar {
        Scalar::Boolean(truth) => Kind::BoolValue(*truth),
        Scalar::Number(number) => Kind::NumberValue(number.get()),
        Scalar::Text(text) => Kind::StringValue(text.as_str().to_owned()),
    })
}

const fn of_kind(kind: Kind) -> WireValue {
    WireValue { kind: Some(kind) }
}

/// What a message says about a schema; output-only fields are ignored.
pub(super) fn definition(wire: proto::ExtensionSchema) -> Result<SchemaDefinition, Invalid> {
    let resource_type = match wire.resource_type() {
        proto::extension_schema::ResourceType::Unspecified => {
            return Err(Invalid::new("schema.resource_type", "must be USER or GROUP"));
        }
        proto::extension_schema::ResourceType::User => ResourceType::User,
        proto::extension_schema::ResourceType::Group => ResourceType::Group,
    };
    let proto::ExtensionSchema {
        id,
        resource_type: _,
        name,
        description,
        attributes,
        // Output only:
        create_time: _,
        update_time: _,
    } = wire;
    let urn = SchemaUrn::parse("schema.id", &id)?;
    let parts = parts("schema.attributes", attributes)?;
    SchemaDefinition::new(urn, resource_type, &name, description, parts)
}

fn parts(field: &str, wire: Vec<proto::AttributeDefinition>) -> Result<Vec<AttributeParts>, Invalid> {
    let each = wire.into_iter().enumerate();
    each.map(|(index, wire)| attribute_parts(&format!("{field}[{index}]"), wire))
        .collect()
}

fn attribute_parts(field: &str, wire: proto::AttributeDefinition) -> Result<AttributeParts, Invalid> {
    let unknown = |name: &str| Invalid::new(format!("{field}.{name}"), "must be one of the values that are defined");
    let kind = wire::Type::try_from(wire.r#type).map_err(|_| unknown("type"))?;
    let mutability = wire::Mutability::try_from(wire.mutability).map_err(|_| unknown("mutability"))?;
    let returned = wire::Returned::try_from(wire.returned).map_err(|_| unknown("returned"))?;
    let uniqueness = wire::Uniqueness::try_from(wire.uniqueness).map_err(|_| unknown("uniqueness"))?;
    let proto::AttributeDefinition {
        name,
        r#type: _,
        sub_attributes,
        multi_valued,
        description,
        required,
        canonical_values,
        case_exact,
        mutability: _,
        returned: _,
        uniqueness: _,
        reference_types,
    } = wire;
    Ok(AttributeParts {
        name,
        kind: match kind {
            wire::Type::Unspecified | wire::Type::String => AttributeType::String,
            wire::Type::Boolean => AttributeType::Boolean,
            wire::Type::Decimal => AttributeType::Decimal,
            wire::Type::Integer => AttributeType::Integer,
            wire::Type::DateTime => AttributeType::DateTime,
            wire::Type::Reference => AttributeType::Reference,
            wire::Type::Binary => AttributeType::Binary,
            wire::Type::Complex => AttributeType::Complex,
        },
        sub_attributes: parts(&format!("{field}.sub_attributes"), sub_attributes)?,
        multi_valued,
        description,
        required,
        canonical_values,
        case_exact,
        mutability: match mutability {
            wire::Mutability::Unspecified | wire::Mutability::ReadWrite => Mutability::ReadWrite,
            wire::Mutability::ReadOnly => Mutability::ReadOnly,
            wire::Mutability::Immutable => Mutability::Immutable,
            wire::Mutability::WriteOnly => Mutability::WriteOnly,
        },
        returned: match returned {
            wire::Returned::Unspecified | wire::Returned::Default => Returned::Default,
            wire::Returned::Always => Returned::Always,
            wire::Returned::Never => Returned::Never,
            wire::Returned::Request => Returned::Request,
        },
        uniqueness: match uniqueness {
            wire::Uniqueness::Unspecified | wire::Uniqueness::None => Uniqueness::None,
            wire::Uniqueness::Server => Uniqueness::Server,
            wire::Uniqueness::Global => {
                let rule = "must not be GLOBAL: a tenant cannot promise what others do";
                return Err(Invalid::new(format!("{field}.uniqueness"), rule));
            }
        },
        reference_types,
    })
}

impl From<ExtensionSchema> for proto::ExtensionSchema {
    fn from(schema: ExtensionSchema) -> Self {
        let ExtensionSchema {
            definition,
            created_us,
            updated_us,
        } = schema;
        let resource_type = match definition.resource_type() {
            ResourceType::User => proto::extension_schema::ResourceType::User,
            ResourceType::Group => proto::extension_schema::ResourceType::Group,
        };
        Self {
            id: definition.urn().as_str().to_owned(),
            resource_type: resource_type.into(),
            name: definition.name().to_owned(),
            description: definition.description().to_owned(),
            attributes: definition.attributes().iter().map(attribute_to_wire).collect(),
            create_time: Some(timestamp(created_us)),
            update_time: Some(timestamp(updated_us)),
        }
    }
}

fn attribute_to_wire(definition: &AttributeDefinition) -> proto::AttributeDefinition {
    let kind = match definition.kind() {
        AttributeType::String => wire::Type::String,
        AttributeType::Boolean => wire::Type::Boolean,
        AttributeType::Decimal => wire::Type::Decimal,
        AttributeType::Integer => wire::Type::Integer,
        AttributeType::DateTime => wire::Type::DateTime,
        AttributeType::Reference => wire::Type::Reference,
        AttributeType::Binary => wire::Type::Binary,
        AttributeType::Complex => wire::Type::Complex,
    };
    let mutability = match definition.mutability() {
        Mutability::ReadOnly => wire::Mutability::ReadOnly,
        Mutability::ReadWrite => wire::Mutability::ReadWrite,
        Mutability::Immutable => wire::Mutability::Immutable,
        Mutability::WriteOnly => wire::Mutability::WriteOnly,
    };
    let returned = match definition.returned() {
        Returned::Always => wire::Returned::Always,
        Returned::Never => wire::Returned::Never,
        Returned::Default => wire::Returned::Default,
        Returned::Request => wire::Returned::Request,
    };
    let uniqueness = match definition.uniqueness() {
        Uniqueness::None => wire::Uniqueness::None,
        Uniqueness::Server => wire::Uniqueness::Server,
    };
    proto::AttributeDefinition {
        name: definition.name_str().to_owned(),
        r#type: kind.into(),
        sub_attributes: definition.sub_attributes().iter().map(attribute_to_wire).collect(),
        multi_valued: definition.multi_valued(),
        description: definition.description().to_owned(),
        required: definition.required(),
        canonical_values: definition.canonical_values().to_vec(),
        case_exact: definition.case_exact(),
        mutability: mutability.into(),
        returned: returned.into(),
        uniqueness: uniqueness.into(),
        reference_types: definition.reference_types().to_vec(),
    }
}
