//! JSON values, read as what the schema says they are.

use serde_json::{Map, Number, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::attribute_path::AttributePath;
use super::error::ScimError;
use super::schema::Kind;

/// Where a value stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// In a POST or PUT body, where `""` is a value.
    Body,
    /// In a PATCH, where `""` unassigns (Entra; fixture 042). A complex value keeps `null` for each sub-attribute that
    /// it unassigns.
    Patch,
}

/// Reads the value of the attribute that `path` ends in; `None` if it is unassigned (`null`, `[]`, `{}`).
pub(super) fn read(path: &AttributePath, value: Value, reading: Reading) -> Result<Option<Value>, ScimError> {
    if path.sub_attribute.is_none() && path.attribute.multi_valued {
        return read_list(path, value, reading);
    }
    let value = read_single(path, value, reading)?;
    Ok(value.filter(|value| value.as_object().is_none_or(|parts| !parts.is_empty())))
}

/// Reads one element of a multi-valued attribute; `None` for `null`.
pub(super) fn read_element(path: &AttributePath, value: Value, reading: Reading) -> Result<Option<Value>, ScimError> {
    read_single(path, value, reading)
}

fn read_list(path: &AttributePath, value: Value, reading: Reading) -> Result<Option<Value>, ScimError> {
    let items = match value {
        Value::Null => return Ok(None),
        Value::Array(items) => items,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(wrong_type(path, "a JSON array"));
        }
    };
    let mut elements = Vec::with_capacity(items.len());
    for item in items {
        match read_single(path, item, reading)? {
            Some(Value::Object(element)) => elements.extend(without_nulls(path, element).map(Value::Object)),
            Some(element) => elements.push(element),
            None => {}
        }
    }
    keep_first_primary(&mut elements);
    Ok((!elements.is_empty()).then_some(Value::Array(elements)))
}

/// An element as it is kept, or nothing if what was unassigned leaves nothing of it. Members stay whatever they are:
/// one without an id is an error, which [`super::resource::member_id`] reports.
fn without_nulls(path: &AttributePath, mut element: Map<String, Value>) -> Option<Map<String, Value>> {
    let count = element.len();
    element.retain(|_, value| !value.is_null());
    let is_left = if element.len() < count {
        !is_hollow(path, &element)
    } else {
        !element.is_empty()
    };
    (is_left || path.is_core("members")).then_some(element)
}

/// Whether nothing, or nothing but a label, is left of an element of a multi-valued attribute. What is a label in a tenant's
/// own schema, nobody knows.
pub(super) fn is_hollow(path: &AttributePath, element: &Map<String, Value>) -> bool {
    let is_label = |name: &String| !path.is_extension() && (name == "type" || name == "primary");
    element.keys().all(is_label)
}

/// Only one element may be the primary one (RFC 7643 §2.4): the first that says so. A list that names more is mended, not
/// refused, for Entra may have batched a disable with it.
fn keep_first_primary(elements: &mut [Value]) {
    for element in elements.iter_mut().filter(|element| is_primary(element)).skip(1) {
        element["primary"] = Value::Bool(false);
    }
}

/// Whether an element is marked as the primary one.
pub(super) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

fn read_single(path: &AttributePath, value: Value, reading: Reading) -> Result<Option<Value>, ScimError> {
    let is_unassigned = value.is_null() || (reading == Reading::Patch && value == "");
    if is_unassigned {
        return Ok(None);
    }
    match path.target().kind {
        Kind::Complex => read_complex(path, value, reading),
        Kind::Boolean => read_boolean(path, &value).map(Some),
        Kind::String | Kind::Reference | Kind::Binary => read_text(path, value, "a JSON string").map(Some),
        Kind::DateTime => {
            let text = read_text(path, value, "a JSON string")?;
            if text.as_str().and_then(parse_time).is_none() {
                return Err(wrong_type(path, "a time such as 2026-01-31T12:00:00Z"));
            }
            Ok(Some(text))
        }
        Kind::Integer => {
            let expected = "a whole JSON number from -9007199254740991 to 9007199254740991";
            let number = integer_of(&number_from_text(value)).ok_or_else(|| wrong_type(path, expected))?;
            Ok(Some(number.into()))
        }
        Kind::Decimal => {
            let expected = "a JSON number that a 64-bit float holds";
            let number = decimal_of(&number_from_text(value)).ok_or_else(|| wrong_type(path, expected))?;
            Ok(Some(number.into()))
        }
    }
}

fn read_text(path: &AttributePath, value: Value, expected: &str) -> Result<Value, ScimError> {
    match &value {
        Value::String(text) if text.contains('\0') => Err(ScimError::invalid_value(format!(
            "{path} holds the character U+0000, which is not allowed; take it out."
        ))),
        Value::String(_) => Ok(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(wrong_type(path, expected))
        }
    }
}

/// The largest integer below which JSON numbers hold every other one, too (RFC 7493 §2.2).
const MAX_INTEGER: i64 = 9_007_199_254_740_991;

/// A whole number that JSON holds everywhere; `7.0` is one.
pub(super) fn integer_of(value: &Value) -> Option<i64> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() <= MAX_INTEGER as f64).then_some(number as i64);
    let number = value.as_i64().or_else(|| value.as_f64().and_then(whole))?;
    (-MAX_INTEGER..=MAX_INTEGER).contains(&number).then_some(number)
}

/// A number as a float, unless it is a whole one that no float is.
fn decimal_of(value: &Value) -> Option<f64> {
    let number = value.as_f64()?;
    let is_exact = match (value.as_i64(), value.as_u64()) {
        (Some(whole), _) => number as i128 == i128::from(whole),
        (None, Some(whole)) => number as i128 == i128::from(whole),
        (None, None) => true,
    };
    is_exact.then_some(number + 0.0) // there is one zero
}

/// A number that comes as text becomes one: the custom attributes of Entra are texts, whatever they are mapped to.
fn number_from_text(value: Value) -> Value {
    let number = value.as_str().and_then(number_in);
    number.map_or(value, Value::Number)
}

/// The number that a text is.
pub(super) fn number_in(text: &str) -> Option<Number> {
    serde_json::from_str(text).ok()
}

/// A JSON boolean, or the words that Entra sends without its compliance flag: `"True"`, `"False"` (fixture 050).
fn read_boolean(path: &AttributePath, value: &Value) -> Result<Value, ScimError> {
    let flag = value.as_bool().or_else(|| value.as_str().and_then(boolean_from_text));
    flag.map(Value::Bool)
        .ok_or_else(|| wrong_type(path, "a JSON boolean, true or false"))
}

/// `true` and `false` in any case.
pub(super) fn boolean_from_text(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A time of RFC 3339; without an offset it is UTC.
pub(super) fn parse_time(text: &str) -> Option<OffsetDateTime> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    parse(text).or_else(|| parse(&format!("{text}Z")))
}

fn read_complex(path: &AttributePath, value: Value, reading: Reading) -> Result<Option<Value>, ScimError> {
    let Value::Object(members) = reference_as_object(path, value)? else {
        return Err(wrong_type(path, "a JSON object"));
    };
    read_parts(path, members, reading).map(|parts| Some(Value::Object(parts)))
}

/// Entra sends a manager as bare text, and as an array with one reference (fixtures 060 and 061). Both become the
/// object that the schema asks for; anything else stays what it is.
fn reference_as_object(path: &AttributePath, value: Value) -> Result<Value, ScimError> {
    if !path.attribute.is_resource_reference() {
        return Ok(value);
    }
    match value {
        Value::String(_) => Ok(Value::Object(Map::from_iter([("value".to_owned(), value)]))),
        Value::Array(mut items) if items.len() <= 1 => match items.pop() {
            None | Some(Value::Null) => Ok(Value::Object(Map::new())),
            Some(Value::Array(_)) => Err(wrong_type(path, "a JSON object")),
            Some(item) => reference_as_object(path, item),
        },
        Value::Array(_) => Err(ScimError::invalid_value(format!("{path} holds one value; send one."))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Ok(value),
    }
}

/// The sub-attributes that a client may write; what is unknown or made by the server is left out.
fn read_parts(
    path: &AttributePath,
    members: Map<String, Value>,
    reading: Reading,
) -> Result<Map<String, Value>, ScimError> {
    let mut seen: Vec<&str> = Vec::new();
    let mut parts = Map::new();
    for (name, value) in members {
        let Some(sub_attribute) = path.attribute.sub_attribute(&name).filter(|sub| !sub.is_derived()) else {
            continue;
        };
        let part = path.with(sub_attribute);
        if seen.contains(&sub_attribute.name.as_str()) {
            return Err(duplicate(&part));
        }
        seen.push(&sub_attribute.name);
        match read_single(&part, value, reading)? {
            Some(value) => parts.insert(sub_attribute.name.clone(), value),
            None if reading == Reading::Patch => parts.insert(sub_attribute.name.clone(), Value::Null),
            None => None,
        };
    }
    Ok(parts)
}

/// The same attribute twice in one object, in two spellings.
pub(super) fn duplicate(path: &AttributePath) -> ScimError {
    ScimError::invalid_syntax(format!(
        "{path} stands more than once in one JSON object; send it once."
    ))
}

/// A required attribute that is missing or would lose its value.
pub(super) fn required(path: &AttributePath) -> ScimError {
    ScimError::invalid_value(format!("{path} is required and must not be blank; send a value."))
}

pub(super) fn wrong_type(path: &AttributePath, expected: &str) -> ScimError {
    ScimError::invalid_value(format!("{path} must be {expected}."))
}
