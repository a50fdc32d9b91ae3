//! Values of the schemas that a tenant registered: SCIM's JSON and `google.protobuf.Struct`, whose numbers are all
//! floats. What is not in the caller's schemas is left alone.

use std::collections::HashMap;
use std::sync::Arc;

use prost_types::value::Kind as Wire;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value};

use super::Attributes;
use crate::scim::resource::Resource;
use crate::scim::schema::{Attribute, Kind, ResourceType, Schema};

/// The field that holds all extension values of a user or a group.
pub(super) const FIELD: &str = "extensions";

/// Whether the tenant registered schemas for this kind of resource.
pub(super) fn has_registered(resource_type: &ResourceType) -> bool {
    registered(resource_type).next().is_some()
}

fn registered(resource_type: &ResourceType) -> impl Iterator<Item = &Arc<Schema>> {
    resource_type.extensions.iter().filter(|schema| !schema.is_built_in())
}

/// Adds the values of the tenant's schemas to a resource in the making.
pub(super) fn to_scim(resource: &mut Attributes, stored: &HashMap<String, Struct>, resource_type: &ResourceType) {
    for schema in registered(resource_type) {
        if let Some(values) = stored.get(&schema.id) {
            resource.object(&schema.id, Attributes(parts_to_scim(&schema.attributes, values)));
        }
    }
}

fn parts_to_scim(attributes: &[Arc<Attribute>], values: &Struct) -> Map<String, Value> {
    let part = |attribute: &Arc<Attribute>| {
        let value = values.fields.get(&attribute.name)?;
        Some((attribute.name.clone(), value_to_scim(attribute, value)?))
    };
    attributes.iter().filter_map(part).collect()
}

fn value_to_scim(attribute: &Attribute, value: &prost_types::Value) -> Option<Value> {
    match value.kind.as_ref()? {
        Wire::NullValue(_) => None,
        Wire::NumberValue(number) => Some(number_to_scim(attribute, *number)),
        Wire::StringValue(text) => Some(text.as_str().into()),
        Wire::BoolValue(flag) => Some((*flag).into()),
        Wire::StructValue(parts) => {
            let parts = parts_to_scim(&attribute.sub_attributes, parts);
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        Wire::ListValue(list) => {
            let elements = list.values.iter();
            let elements: Vec<_> = elements
                .filter_map(|element| value_to_scim(attribute, element))
                .collect();
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
    }
}

/// An integer is shown as one.
fn number_to_scim(attribute: &Attribute, number: f64) -> Value {
    if attribute.kind == Kind::Integer && number.fract() == 0.0 && number.abs() < i64::MAX as f64 {
        return (number as i64).into();
    }
    number.into()
}

/// The values of the tenant's schemas in a resource.
pub(super) fn from_scim(resource: &Resource) -> HashMap<String, Struct> {
    registered(&resource.resource_type)
        .filter_map(|schema| {
            let values = resource.attributes.get(&schema.id)?.as_object()?;
            Some((schema.id.clone(), object_from_scim(values)))
        })
        .collect()
}

fn object_from_scim(object: &Map<String, Value>) -> Struct {
    let fields = object.iter();
    Struct {
        fields: fields
            .map(|(name, value)| (name.clone(), value_from_scim(value)))
            .collect(),
    }
}

fn value_from_scim(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Wire::NullValue(0),
        Value::Bool(flag) => Wire::BoolValue(*flag),
        Value::Number(number) => Wire::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Wire::StringValue(text.clone()),
        Value::Array(elements) => Wire::ListValue(ListValue {
            values: elements.iter().map(value_from_scim).collect(),
        }),
        Value::Object(parts) => Wire::StructValue(object_from_scim(parts)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Puts back what is stored and the caller's schemas do not know, or a write of all extensions would take it away: a schema
/// may be younger than what we remember of the caller.
pub(super) fn keep_unknown(
    wanted: &mut HashMap<String, Struct>,
    stored: HashMap<String, Struct>,
    resource_type: &ResourceType,
) {
    for (urn, values) in stored {
        let schema = registered(resource_type).find(|schema| schema.id == urn);
        let is_unknown = |name: &String| schema.is_none_or(|schema| schema.attribute(name).is_none());
        let unknown = values.fields.into_iter().filter(|(name, _)| is_unknown(name));
        let mut unknown = unknown.peekable();
        if unknown.peek().is_some() {
            wanted.entry(urn).or_default().fields.extend(unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::schema::testing::{self, ACME, ACME_GROUP};

    fn user(extension: Value) -> Resource {
        let Value::Object(attributes) = json!({"userName": "ada", ACME: extension}) else {
            unreachable!()
        };
        Resource {
            resource_type: testing::users(),
            attributes,
        }
    }

    #[test]
    fn values_survive_the_way_to_the_directory_and_back() {
        let sent = json!({
            "costCode": "7", "level": -9_007_199_254_740_991_i64, "levels": [0, 1], "rate": 0.1, "remote": false,
            "tags": ["a", ""], "desk": {"room": "1", "asset": "X"}, "cars": [{"value": "c"}],
        });

        let stored = from_scim(&user(sent.clone()));
        let mut seen = Attributes::default();
        to_scim(&mut seen, &stored, &testing::users());

        assert_eq!(Value::Object(seen.0), json!({ACME: sent}));
    }

    #[test]
    fn what_nobody_registered_is_neither_sent_nor_shown_nor_lost() {
        let stored = || {
            HashMap::from([
                (
                    ACME.to_owned(),
                    object_from_scim(json!({"costCode": "1", "new": "n"}).as_object().unwrap()),
                ),
                (
                    "urn:new".to_owned(),
                    object_from_scim(json!({"x": 1}).as_object().unwrap()),
                ),
            ])
        };
        let mut seen = Attributes::default();
        to_scim(&mut seen, &stored(), &testing::users());
        assert_eq!(Value::Object(seen.0), json!({ACME: {"costCode": "1"}}));

        let mut wanted = from_scim(&user(json!({"tags": ["a"]})));
        keep_unknown(&mut wanted, stored(), &testing::users());

        let acme = object_from_scim(json!({"tags": ["a"], "new": "n"}).as_object().unwrap());
        assert_eq!(wanted[ACME], acme);
        assert_eq!(wanted["urn:new"], stored()["urn:new"]);
        assert_eq!(from_scim(&user(Value::Null)), HashMap::new());
    }

    #[test]
    fn only_the_schemas_of_the_kind_count() {
        let mut seen = Attributes::default();
        let purpose = object_from_scim(json!({"purpose": "p"}).as_object().unwrap());
        to_scim(
            &mut seen,
            &HashMap::from([(ACME_GROUP.to_owned(), purpose)]),
            &testing::users(),
        );
        assert!(seen.0.is_empty());
    }
}
