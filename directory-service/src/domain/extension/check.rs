//! From what a request says about extension values to values, the keys that they are found by, and what must be unique.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::definition::{AttributeDefinition, AttributeType, Mutability, Uniqueness};
use super::size::fits;
use super::value::{AttributeValue, Element, Extensions, Scalar, instant, is_base64};
use super::{ResourceType, SchemaDefinition, SchemaSet, list_key, single_key};
use crate::domain::Invalid;
use crate::domain::number::Number;
use crate::domain::text::{Text, check_key};

/// The most elements of a multi-valued attribute.
const MAX_ELEMENTS: usize = 10_000;
/// The most bytes of a resource's extension values as JSON.
const MAX_BYTES: usize = 1_048_576;
/// The most bytes of a resource's keys as JSON: those of short values are longer than the values.
const MAX_KEY_BYTES: usize = 4 * MAX_BYTES;
/// The sub-attribute by which the elements of a simple attribute are named in filters.
pub(super) const VALUE: &str = "value";
/// The sub-attribute that marks the preferred element.
const PRIMARY: &str = "primary";

/// What a request says about the extension values of a resource: not checked yet, for that needs the tenant's schemas.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Submitted(BTreeMap<String, Map<String, Value>>);

impl std::fmt::Debug for Submitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Submitted(<redacted>)")
    }
}

impl Submitted {
    /// Values by URN, in any case.
    pub const fn new(values: BTreeMap<String, Map<String, Value>>) -> Self {
        Self(values)
    }

    /// Whether no schema is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The URNs that are named.
    pub fn urns(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Values that fit their definitions.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// The values.
    pub values: Extensions,
    /// The keys that filters and orders find them by.
    pub keys: Map<String, Value>,
    /// Which attributes and sub-attributes have one, by the keys of their paths; with it what no other resource may have.
    pub used: BTreeMap<String, Option<UniqueValue>>,
}

/// Without the keys, which are personal like the values.
impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked")
            .field("values", &self.values)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// A value that may stand only once.
#[derive(Clone, PartialEq, Eq)]
pub struct UniqueValue {
    /// The value by its key.
    pub value: String,
    /// The attribute's path, for people.
    pub path: String,
}

impl std::fmt::Debug for UniqueValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UniqueValue({}, <redacted>)", self.path)
    }
}

impl SchemaSet {
    /// Checks what a request says about a resource of this type that had `before`. Nothing that is required may be taken
    /// away; but a write need not bring what was missing before, so that who disables a user need not know what became
    /// required meanwhile.
    ///
    /// # Errors
    /// [`Invalid`] naming the attribute.
    pub fn check(
        &self,
        resource: ResourceType,
        submitted: &Submitted,
        before: &Extensions,
    ) -> Result<Checked, Invalid> {
        let mut checked = Checked::default();
        let mut seen = Vec::new();
        for (urn, values) in &submitted.0 {
            let schema = self
                .find(urn)
                .filter(|schema| schema.definition.resource_type() == resource);
            let Some(schema) = schema.map(|schema| &schema.definition) else {
                let rule = "names a schema that the tenant has not registered for this type of resource";
                return Err(Invalid::new("extensions", rule));
            };
            if seen.contains(&schema.urn().key()) {
                return Err(Invalid::new(
                    format!("extensions.{}", schema.urn().as_str()),
                    "is named twice",
                ));
            }
            seen.push(schema.urn().key());
            checked.add(schema, values, before.of(schema.urn()))?;
        }
        if !fits(&checked.values, MAX_BYTES) {
            let rule = "must have at most 1,048,576 bytes as JSON, numbers written without an exponent";
            return Err(Invalid::new("extensions", rule));
        }
        if !fits(&checked.keys, MAX_KEY_BYTES) {
            let rule = "hold too many values: what filters find them by must have at most 4,194,304 bytes";
            return Err(Invalid::new("extensions", rule));
        }
        Ok(checked)
    }
}

impl Checked {
    fn add(
        &mut self,
        schema: &SchemaDefinition,
        submitted: &Map<String, Value>,
        before: Option<&BTreeMap<String, AttributeValue>>,
    ) -> Result<(), Invalid> {
        let place = format!("extensions.{}", schema.urn().as_str());
        let named = named(&place, schema.attributes(), submitted)?;
        let mut values = BTreeMap::new();
        for (definition, value) in &named {
            let field = format!("{place}:{}", definition.name_str());
            let before = before.and_then(|before| before.get(definition.name_str()));
            if let Some(value) = attribute(&field, definition, value, before)? {
                self.index(&field, schema, definition, &value)?;
                values.insert(definition.name_str().to_owned(), value);
            }
        }
        if !values.is_empty() {
            let may_lack =
                |name: &str| values.contains_key(name) || before.is_some_and(|before| !before.contains_key(name));
            require(&format!("{place}:"), schema.attributes(), may_lack)?;
        }
        self.values.insert(schema.urn().as_str(), values);
        Ok(())
    }

    fn index(
        &mut self,
        field: &str,
        schema: &SchemaDefinition,
        definition: &AttributeDefinition,
        value: &AttributeValue,
    ) -> Result<(), Invalid> {
        let (urn, name) = (schema.urn(), definition.name());
        let mut unique = None;
        match value {
            AttributeValue::One(Element::Simple(scalar)) => {
                let value = scalar.key(definition);
                if definition.uniqueness() == Uniqueness::Server {
                    check_key(field, &value)?;
                    unique = Some(UniqueValue {
                        value: value.clone(),
                        path: schema.path(definition, None),
                    });
                }
                self.keys.insert(single_key(urn, name, None), value.into());
            }
            AttributeValue::One(element @ Element::Complex(_)) => {
                for (sub, key) in keys(definition, element) {
                    self.keys.insert(single_key(urn, name, Some(sub.name())), key.into());
                }
            }
            AttributeValue::Many(elements) => {
                self.keys.insert(list_key(urn, name), indexed(definition, elements));
            }
        }
        self.used.insert(single_key(urn, name, None), unique);
        let subs = definition.sub_attributes().iter();
        for sub in subs.filter(|sub| value.has(sub.name_str())) {
            self.used.insert(single_key(urn, name, Some(sub.name())), None);
        }
        Ok(())
    }
}

/// The keys of each element, that of the preferred one first: an order goes by the first.
fn indexed(definition: &AttributeDefinition, elements: &[Element]) -> Value {
    let of_element = |element: &Element| match element {
        Element::Simple(scalar) => Map::from_iter([(VALUE.to_owned(), scalar.key(definition).into())]),
        Element::Complex(_) => {
            let keys = keys(definition, element);
            keys.map(|(sub, key)| (sub.name().key(), key.into())).collect()
        }
    };
    let mut keys: Vec<Value> = elements
        .iter()
        .map(|element| Value::Object(of_element(element)))
        .collect();
    if let Some(primary) = elements.iter().position(is_primary) {
        keys[..=primary].rotate_right(1);
    }
    Value::Array(keys)
}

fn is_primary(element: &Element) -> bool {
    let Element::Complex(values) = element else {
        return false;
    };
    let primary =
        |(name, scalar): (&String, &Scalar)| name.eq_ignore_ascii_case(PRIMARY) && *scalar == Scalar::Boolean(true);
    values.iter().any(primary)
}

fn keys<'a>(
    definition: &'a AttributeDefinition,
    element: &'a Element,
) -> impl Iterator<Item = (&'a AttributeDefinition, String)> {
    let subs = definition.sub_attributes().iter();
    subs.filter_map(move |sub| match element {
        Element::Complex(values) => Some((sub, values.get(sub.name_str())?.key(sub))),
        Element::Simple(_) => None,
    })
}

/// What is said about which of these attributes. Null says nothing.
fn named<'a>(
    place: &str,
    definitions: &'a [AttributeDefinition],
    submitted: &'a Map<String, Value>,
) -> Result<Vec<(&'a AttributeDefinition, &'a Value)>, Invalid> {
    let mut named: Vec<(&AttributeDefinition, &Value)> = Vec::with_capacity(submitted.len().min(definitions.len()));
    for (name, value) in submitted {
        let Some(definition) = definitions.iter().find(|definition| definition.name().is(name)) else {
            return Err(Invalid::new(
                place,
                "names an attribute that its schema does not define",
            ));
        };
        if named.iter().any(|(other, _)| std::ptr::eq(*other, definition)) {
            return Err(Invalid::new(place, "names an attribute twice"));
        }
        named.push((definition, value));
    }
    named.retain(|(_, value)| !value.is_null());
    Ok(named)
}

/// What is required and READ_ONLY is not asked for: SCIM clients may not write it, and the rest must be writable.
fn require(prefix: &str, definitions: &[AttributeDefinition], is_fine: impl Fn(&str) -> bool) -> Result<(), Invalid> {
    let is_asked_for =
        |definition: &&AttributeDefinition| definition.required() && definition.mutability() != Mutability::ReadOnly;
    let mut asked_for = definitions.iter().filter(is_asked_for);
    match asked_for.find(|definition| !is_fine(definition.name_str())) {
        Some(missing) => Err(Invalid::new(format!("{prefix}{}", missing.name_str()), "is required")),
        None => Ok(()),
    }
}

/// The value of an attribute that had `before`; none if it is empty.
fn attribute(
    field: &str,
    definition: &AttributeDefinition,
    value: &Value,
    before: Option<&AttributeValue>,
) -> Result<Option<AttributeValue>, Invalid> {
    let prefix = format!("{field}.");
    if !definition.multi_valued() {
        let Some(element) = element(field, definition, value)? else {
            return Ok(None);
        };
        let lacked = |sub: &str| matches!(before, Some(AttributeValue::One(before)) if !before.has(sub));
        require(&prefix, definition.sub_attributes(), |sub| {
            element.has(sub) || lacked(sub)
        })?;
        return Ok(Some(AttributeValue::One(element)));
    }
    let Value::Array(elements) = value else {
        return Err(Invalid::new(field, "must be a list"));
    };
    if elements.len() > MAX_ELEMENTS {
        return Err(Invalid::new(field, "must have at most 10,000 elements"));
    }
    let assigned = elements.iter().filter(|element| !element.is_null());
    let elements = assigned.filter_map(|value| element(field, definition, value).transpose());
    let elements = elements.collect::<Result<Vec<_>, _>>()?;
    let before: HashSet<&Element> = match before {
        Some(AttributeValue::Many(before)) => before.iter().collect(),
        Some(AttributeValue::One(_)) | None => HashSet::new(),
    };
    for element in elements.iter().filter(|element| !before.contains(element)) {
        require(&prefix, definition.sub_attributes(), |sub| element.has(sub))?;
    }
    Ok((!elements.is_empty()).then_some(AttributeValue::Many(elements)))
}

/// One value; none for an empty object.
fn element(field: &str, definition: &AttributeDefinition, value: &Value) -> Result<Option<Element>, Invalid> {
    if definition.kind() != AttributeType::Complex {
        return Ok(Some(Element::Simple(scalar(field, definition.kind(), value)?)));
    }
    let Value::Object(submitted) = value else {
        return Err(Invalid::new(field, "must be an object"));
    };
    let mut values = BTreeMap::new();
    for (sub, value) in named(field, definition.sub_attributes(), submitted)? {
        let value = scalar(&format!("{field}.{}", sub.name_str()), sub.kind(), value)?;
        values.insert(sub.name_str().to_owned(), value);
    }
    Ok((!values.is_empty()).then_some(Element::Complex(values)))
}

fn scalar(field: &str, kind: AttributeType, value: &Value) -> Result<Scalar, Invalid> {
    let refuse = |rule: &str| Err(Invalid::new(field, rule));
    let text = |rule: &str| match value {
        Value::String(text) => Text::parse(field, text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Invalid::new(field, rule))
        }
    };
    match kind {
        AttributeType::String | AttributeType::Reference => Ok(Scalar::Text(text("must be text")?)),
        AttributeType::DateTime => {
            let rule = "must be a time as text, such as 2026-01-31T12:00:00Z";
            match text(rule)? {
                time if instant(time.as_str()).is_some() => Ok(Scalar::Text(time)),
                _ => refuse(rule),
            }
        }
        AttributeType::Binary => {
            let rule = "must be text in base64";
            match text(rule)? {
                bytes if is_base64(bytes.as_str()) => Ok(Scalar::Text(bytes)),
                _ => refuse(rule),
            }
        }
        AttributeType::Boolean => match value {
            Value::Bool(truth) => Ok(Scalar::Boolean(*truth)),
            _ => refuse("must be true or false"),
        },
        AttributeType::Decimal => match value.as_f64().and_then(Number::new) {
            Some(number) => Ok(Scalar::Number(number)),
            None => refuse("must be a number"),
        },
        AttributeType::Integer => match value.as_f64().and_then(Number::new) {
            Some(number) if number.is_integer() => Ok(Scalar::Number(number)),
            Some(_) | None => refuse("must be a whole number from -(2^53 - 1) to 2^53 - 1"),
        },
        // A definition lets none be inside another one.
        AttributeType::Complex => refuse("must be an object"),
    }
}
