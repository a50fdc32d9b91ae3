//! Which values are meant: value filters, and values that agree.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::attributes::{Attribute, Kind, Shape};
use super::operation::Test;

/// Table 3 of RFC 7644. What has no value is not equal to any.
pub fn holds(test: &Test, element: &Value) -> bool {
    match test {
        Test::And(tests) => tests.iter().all(|test| holds(test, element)),
        Test::Or(tests) => tests.iter().any(|test| holds(test, element)),
        Test::Not(test) => !holds(test, element),
        Test::Present(part) => part_of(element, part.name).is_some_and(|value| value != ""),
        Test::Compare(part, op, wanted) => match part_of(element, part.name) {
            None => *op == "ne",
            Some(value) => compares(part.kind, op, value, wanted),
        },
    }
}

fn compares(kind: Kind, op: &str, value: &Value, wanted: &Value) -> bool {
    let folded = |value: &Value| match (kind, value.as_str()) {
        (Kind::Text, Some(text)) => text.to_lowercase(),
        (_, text) => text.unwrap_or_default().to_owned(),
    };
    let (text, part) = (folded(value), folded(wanted));
    let order = match (value.as_f64(), wanted.as_f64()) {
        (Some(value), Some(wanted)) => value.partial_cmp(&wanted).expect("no NaN in JSON"),
        _ => text.cmp(&part),
    };
    match op {
        "eq" => is_same(kind, value, wanted),
        "ne" => !is_same(kind, value, wanted),
        "co" => text.contains(&part),
        "sw" => text.starts_with(&part),
        "ew" => text.ends_with(&part),
        "gt" => order.is_gt(),
        "ge" => order.is_ge(),
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        other => unreachable!("no operator {other}"),
    }
}

/// Whether an element has everything that was sent.
pub fn agrees(attribute: &Attribute, element: &Value, sent: &Value) -> bool {
    match (attribute.shape, sent) {
        (Shape::SimpleList(kind), _) => is_same(kind, element, sent),
        (_, Value::Object(sent)) => sent.iter().filter(|(_, value)| !value.is_null()).all(|(name, value)| {
            let part = attribute.part(name).expect("a known part");
            let stored = element.get(name);
            stored.is_some_and(|stored| is_same(part.kind, stored, value))
        }),
        _ => false,
    }
}

pub fn is_same(kind: Kind, one: &Value, other: &Value) -> bool {
    match (kind, one.as_str(), other.as_str()) {
        (Kind::Text, Some(one), Some(other)) => one.to_lowercase() == other.to_lowercase(),
        (Kind::Time, Some(one), Some(other)) => time_of(one) == time_of(other),
        _ => one == other,
    }
}

/// A part of an element; a simple element is its own `value`.
pub fn part_of<'a>(element: &'a Value, name: &str) -> Option<&'a Value> {
    match element {
        Value::Object(parts) => parts.get(name),
        Value::Null => None,
        simple => Some(simple),
    }
}

/// Nothing is left but labels. In an extension, nobody knows what is a label.
pub fn is_hollow(attribute: &Attribute, parts: &Map<String, Value>) -> bool {
    let mut names = parts.keys();
    names.all(|name| attribute.is_core() && (name == "type" || name == "primary"))
}

pub fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

pub fn time_of(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
