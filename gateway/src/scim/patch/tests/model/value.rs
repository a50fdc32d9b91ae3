//! What a client means by a value.

use serde_json::{Map, Number, Value};

use super::attributes::{Access, Attribute, Kind, Part, Shape};
use super::matching::{is_hollow, is_primary, time_of};
use crate::scim::error::ScimType;

/// A value as its type has it; nothing if it unassigns (`null` and `""`, and `[]` of what has parts).
pub fn understood(attribute: &Attribute, part: Option<Part>, value: &Value) -> Result<Option<Value>, ScimType> {
    match (part, attribute.shape) {
        (Some(part), _) => understood_simple(part.kind, value),
        (None, Shape::Simple(kind) | Shape::SimpleList(kind)) => understood_simple(kind, value),
        (None, Shape::Complex(parts) | Shape::ComplexList(parts)) => match value {
            Value::Array(items) if items.is_empty() => Ok(None),
            // A manager comes as its id, or in a list (D4).
            Value::Array(items) if attribute.is_manager() && items.len() == 1 => understood_item(attribute, &items[0]),
            Value::String(_) if attribute.is_manager() => {
                let id = understood_simple(Kind::Text, value)?;
                Ok(id.map(|id| Value::Object(Map::from_iter([("value".to_owned(), id)]))))
            }
            _ => understood_parts(parts, value),
        },
    }
}

/// What is unassigned among the parts stays as `null`; what a client may not write, or is unknown, goes.
fn understood_parts(parts: &[Part], value: &Value) -> Result<Option<Value>, ScimType> {
    let sent = match value {
        Value::Object(sent) => sent,
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        _ => return Err(ScimType::InvalidValue),
    };
    let mut known = Map::new();
    for (name, value) in sent {
        let part = parts.iter().find(|part| part.name.eq_ignore_ascii_case(name));
        if let Some(part) = part.filter(|part| !matches!(part.access, Access::ReadOnly | Access::Ignored)) {
            let value = understood_simple(part.kind, value)?;
            known.insert(part.name.to_owned(), value.unwrap_or_default());
        }
    }
    Ok(Some(Value::Object(known)))
}

pub fn understood_list(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimType> {
    let items = match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let mut list = Vec::new();
    for item in items {
        let Some(mut element) = understood_item(attribute, &item)? else {
            continue;
        };
        if let Value::Object(parts) = &mut element {
            let unassigns = parts.values().any(Value::is_null);
            parts.retain(|_, value| !value.is_null());
            if parts.is_empty() || (unassigns && is_hollow(attribute, parts)) {
                continue;
            }
        }
        // The first primary one is it.
        if is_primary(&element) && list.iter().any(is_primary) {
            element["primary"] = Value::Bool(false);
        }
        list.push(element);
    }
    Ok((!list.is_empty()).then_some(Value::Array(list)))
}

/// One element of a list, where `[]` is none.
pub fn understood_item(attribute: &Attribute, item: &Value) -> Result<Option<Value>, ScimType> {
    if item.is_array() {
        return Err(ScimType::InvalidValue);
    }
    understood(attribute, None, item)
}

fn understood_simple(kind: Kind, value: &Value) -> Result<Option<Value>, ScimType> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    let text = value.as_str();
    if value.is_null() || text == Some("") {
        return Ok(None);
    }
    // Of a registered schema, numbers come as text (D4).
    let number = match text {
        Some(text) => serde_json::from_str::<Number>(text)
            .ok()
            .and_then(|number| number.as_f64()),
        None => value.as_f64(),
    };
    let understood = match kind {
        Kind::Text | Kind::ExactText => text.filter(|text| !text.contains('\0')).map(Value::from),
        Kind::Flag => match text.map(str::to_lowercase).as_deref() {
            Some("true") => Some(Value::Bool(true)),
            Some("false") => Some(Value::Bool(false)),
            _ => value.as_bool().map(Value::Bool),
        },
        Kind::Whole => number
            .filter(|number| number.trunc() == *number && number.abs() <= LARGEST)
            .map(|number| Value::from(number as i64)),
        Kind::Decimal => number.map(Value::from),
        Kind::Time => text.filter(|text| time_of(text).is_some()).map(Value::from),
    };
    understood.map(Some).ok_or(ScimType::InvalidValue)
}

/// Roles come as JSON text, whole or in their `value`; other text is the role's value (D4).
pub fn roles(value: &Value) -> Value {
    match value {
        Value::Array(roles) => roles.iter().map(self::roles).collect(),
        Value::String(text) if !text.is_empty() => match serde_json::from_str(text) {
            Ok(Value::Object(role)) => Value::Object(with_display(role)),
            Ok(Value::Array(roles)) => roles.iter().map(self::roles).collect(),
            _ => Value::Object(Map::from_iter([("value".to_owned(), value.clone())])),
        },
        Value::Object(role) => match role.get("value").and_then(Value::as_str).map(serde_json::from_str) {
            Some(Ok(Value::Object(inner))) => {
                let outer = role.clone().into_iter().filter(|(name, _)| name != "value");
                Value::Object(outer.chain(with_display(inner)).collect())
            }
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn with_display(mut role: Map<String, Value>) -> Map<String, Value> {
    if let Some(name) = role.remove("displayName") {
        role.entry("display").or_insert(name);
    }
    role
}

/// The elements that a removal names.
pub fn listed(attribute: &Attribute, value: &Value) -> Result<Vec<Value>, ScimType> {
    let items = match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let mut listed = Vec::new();
    for item in items {
        let item = match (attribute.shape, item) {
            // The value alone says which.
            (Shape::ComplexList(_), Value::String(text)) if !text.is_empty() => {
                Value::Object(Map::from_iter([("value".to_owned(), Value::String(text))]))
            }
            (_, item) => item,
        };
        let mut element = understood_item(attribute, &item)?;
        if let Some(Value::Object(parts)) = &mut element {
            // How it is displayed says nothing about what it is.
            parts.retain(|name, value| name != "display" && !value.is_null());
        }
        listed.extend(element.filter(|element| element != &Value::Object(Map::new())));
    }
    Ok(listed)
}
