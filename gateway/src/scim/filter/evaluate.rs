//! Asking a filter's question of a resource in memory.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::ast::{CompareOp, Filter, Literal};
use crate::scim::attribute_path::AttributePath;
use crate::scim::fold::fold;
use crate::scim::resource::Resource;
use crate::scim::schema::Attribute;
use crate::scim::value::parse_time;

/// Whether the resource satisfies the filter.
pub fn evaluate(filter: &Filter, resource: &Resource) -> bool {
    match filter {
        Filter::And(filters) => filters.iter().all(|filter| evaluate(filter, resource)),
        Filter::Or(filters) => filters.iter().any(|filter| evaluate(filter, resource)),
        Filter::Not(filter) => !evaluate(filter, resource),
        Filter::Present(path) => path.is_core("schemas") || resource.get(path).is_some_and(is_present),
        Filter::Compare { path, op, value } => compare(path.target(), *op, resource.get(path), value),
        Filter::Element { attribute, filter } => {
            if attribute.is_core("schemas") {
                return resource
                    .schemas()
                    .into_iter()
                    .any(|id| evaluate_element(filter, &Value::from(id)));
            }
            let elements = resource
                .get(attribute)
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            elements.iter().any(|element| evaluate_element(filter, element))
        }
    }
}

/// Whether one element of a multi-valued attribute satisfies the inner filter of a [`Filter::Element`].
pub fn evaluate_element(filter: &Filter, element: &Value) -> bool {
    match filter {
        Filter::And(filters) => filters.iter().all(|filter| evaluate_element(filter, element)),
        Filter::Or(filters) => filters.iter().any(|filter| evaluate_element(filter, element)),
        Filter::Not(filter) => !evaluate_element(filter, element),
        Filter::Present(path) => part(path, element).is_some_and(is_present),
        Filter::Compare { path, op, value } => compare(path.target(), *op, part(path, element), value),
        // An element has no multi-valued parts, so the parser makes none of these.
        Filter::Element { .. } => false,
    }
}

/// The sub-attribute of a complex element; a simple element is its own `value`.
fn part<'a>(path: &AttributePath, element: &'a Value) -> Option<&'a Value> {
    match (element, path.part_name()) {
        (Value::Object(parts), Some(name)) => parts.get(name),
        (Value::Object(_), None) => None,
        (simple, _) => Some(simple),
    }
}

/// RFC 7644 table 3: a value that is not empty; for a complex value, a part that is not.
fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_present),
        Value::Object(parts) => Map::values(parts).any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare(attribute: &Attribute, op: CompareOp, value: Option<&Value>, literal: &Literal) -> bool {
    let Some(value) = value else {
        return op == CompareOp::NotEqual;
    };
    match (literal, value) {
        (Literal::Text(wanted), Value::String(text)) if attribute.compares_exactly() => compare_text(op, text, wanted),
        (Literal::Text(wanted), Value::String(text)) => compare_text(op, &fold(text), &fold(wanted)),
        (Literal::Boolean(wanted), Value::Bool(flag)) => is_ordered(op, Some(flag.cmp(wanted))),
        (Literal::Integer(wanted), Value::Number(number)) => {
            is_ordered(op, number.as_i64().map(|number| number.cmp(wanted)))
        }
        (Literal::Decimal(wanted), Value::Number(number)) => {
            is_ordered(op, number.as_f64().and_then(|number| number.partial_cmp(wanted)))
        }
        (Literal::Time(wanted), Value::String(text)) => is_ordered(op, parse_time(text).map(|time| time.cmp(wanted))),
        (Literal::Text(_) | Literal::Boolean(_) | Literal::Integer(_) | Literal::Decimal(_) | Literal::Time(_), _) => {
            op == CompareOp::NotEqual
        }
    }
}

/// Whether a value that is there satisfies a comparison with its attribute.
pub fn satisfies(attribute: &Attribute, op: CompareOp, value: &Value, literal: &Literal) -> bool {
    compare(attribute, op, Some(value), literal)
}

fn compare_text(op: CompareOp, text: &str, wanted: &str) -> bool {
    match op {
        CompareOp::Contains => text.contains(wanted),
        CompareOp::StartsWith => text.starts_with(wanted),
        CompareOp::EndsWith => text.ends_with(wanted),
        CompareOp::Equal
        | CompareOp::NotEqual
        | CompareOp::Greater
        | CompareOp::GreaterOrEqual
        | CompareOp::Less
        | CompareOp::LessOrEqual => is_ordered(op, Some(text.cmp(wanted))),
    }
}

fn is_ordered(op: CompareOp, ordering: Option<Ordering>) -> bool {
    let Some(ordering) = ordering else {
        return op == CompareOp::NotEqual;
    };
    match op {
        CompareOp::Equal => ordering.is_eq(),
        CompareOp::NotEqual => ordering.is_ne(),
        CompareOp::Greater => ordering.is_gt(),
        CompareOp::GreaterOrEqual => ordering.is_ge(),
        CompareOp::Less => ordering.is_lt(),
        CompareOp::LessOrEqual => ordering.is_le(),
        // For text alone; the parser lets no other literal through.
        CompareOp::Contains | CompareOp::StartsWith | CompareOp::EndsWith => false,
    }
}
