//! From what Entra ID sends to what RFC 7644 means: the normaliser ahead of the strict engine.
//!
//! Each deviation is one function that says what Entra sends. What is common to PATCH and POST bodies (`"True"`, a
//! manager as text or array) is read in `value.rs`; operation names in any case in `operation.rs`. Nothing here looks at
//! the resource: an operation that depends on it carries its condition along.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::apply::{check_writable, is_read_only};
use super::operation::{Action, Change, Elements, Missing, Operation, SentOperation};
use super::{MAX_OPERATIONS, Mode, cannot_be_removed, too_many_operations};
use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::filter::{CompareOp, Filter, Literal, PatchPath, PatchTarget, parse_patch_path};
use crate::scim::schema::{Attribute, ENTERPRISE_USER, Kind, Mutability, ResourceType, Schema};
use crate::scim::value::{Reading, parse_time, read, read_element, required};

/// How much text of the roles of one operation is read as JSON.
const ROLE_TEXT_BYTES: usize = 64 * 1024;

/// Turns one operation as sent into operations of the strict engine: several for one without a path, none for one that
/// has no effect.
pub(super) fn normalise(
    resource_type: &Arc<ResourceType>,
    mode: Mode,
    sent: &SentOperation,
) -> Result<Vec<Operation>, ScimError> {
    let normaliser = Normaliser {
        resource_type,
        mode,
        action: sent.action,
        is_key: false,
    };
    match &sent.path {
        None => normaliser.without_path(sent.value.clone()),
        Some(path) => normaliser.at(path, sent.value.clone()),
    }
}

#[derive(Clone, Copy)]
struct Normaliser<'a> {
    resource_type: &'a Arc<ResourceType>,
    mode: Mode,
    action: Action,
    /// Whether the path is a key of an operation without one.
    is_key: bool,
}

impl Normaliser<'_> {
    /// With its compliance flag Entra folds single-valued attributes into one operation without a path, whose keys are
    /// paths themselves, dotted or with a URN (fixtures 031 and 034).
    ///
    /// What is read-only among the keys is ignored, as in a POST or PUT: connectors repeat what they read (fixture 106), and
    /// the disable of a leaver beside it counts.
    fn without_path(self, value: Option<Value>) -> Result<Vec<Operation>, ScimError> {
        if self.action == Action::Remove {
            return Err(ScimError::no_target("A remove operation needs a path; send one."));
        }
        let Some(Value::Object(members)) = value else {
            return Err(ScimError::invalid_value(
                "The value of an operation without a path must be a JSON object of attributes.",
            ));
        };
        let mut operations = Vec::new();
        let key = Self { is_key: true, ..self };
        for (name, value) in members {
            operations.extend(key.at(&name, Some(value))?);
            check_count(&operations)?;
        }
        Ok(operations)
    }

    fn at(self, path: &str, value: Option<Value>) -> Result<Vec<Operation>, ScimError> {
        match parse_patch_path(self.resource_type, path)? {
            PatchTarget::Path(path) => Ok(self.operation(path, value)?.into_iter().collect()),
            PatchTarget::Schema(schema) => self.extension_as_object(&schema, value),
            PatchTarget::Unregistered => Ok(ignore_unregistered_extension()),
        }
    }

    /// A URN alone, as a path or as a key, stands for the attributes below it.
    ///
    /// `schemas` among them is ignored: scim2-models writes it into an extension as into a resource.
    fn extension_as_object(self, schema: &Schema, value: Option<Value>) -> Result<Vec<Operation>, ScimError> {
        let qualified = |name: &str| format!("{}:{name}", schema.id);
        let is_read_only = |attribute: &&Arc<Attribute>| attribute.mutability == Mutability::ReadOnly;
        let all_read_only = schema.attributes.iter().all(|attribute| is_read_only(&attribute));
        let is_removed = self.action == Action::Remove || value == Some(Value::Null);
        let mut operations = Vec::new();
        if is_removed {
            let removal = Self {
                action: Action::Remove,
                ..self
            };
            let removed = schema.attributes.iter();
            for attribute in removed.filter(|attribute| all_read_only || !is_read_only(attribute)) {
                operations.extend(removal.at(&qualified(&attribute.name), None)?);
            }
            return Ok(operations);
        }
        let members = match value {
            Some(Value::Object(members)) => members,
            _ if self.is_key && all_read_only => return Ok(operations),
            _ => {
                return Err(ScimError::invalid_value(format!(
                    "{} must be a JSON object.",
                    schema.id
                )));
            }
        };
        for (name, value) in members {
            if !name.eq_ignore_ascii_case("schemas") {
                operations.extend(self.at(&qualified(&name), Some(value))?);
                check_count(&operations)?;
            }
        }
        Ok(operations)
    }

    fn operation(self, target: PatchPath, value: Option<Value>) -> Result<Option<Operation>, ScimError> {
        let PatchPath { path, filter } = target;
        if path.is_core("schemas") && self.action != Action::Remove {
            return Ok(None); // They follow from the attributes, whatever a client adds (RFC 7644 §3.5.2).
        }
        if self.is_key && is_read_only(&path) {
            return Ok(None);
        }
        check_writable(&path)?;
        let value = value.map(|value| roles_from_json_text(&path, value));
        let operation = match self.action {
            Action::Remove => self.removal(&path, filter, value)?,
            Action::Add | Action::Replace => {
                let value = value.ok_or_else(|| {
                    ScimError::invalid_value(format!("The operation on {path} has no value; send one."))
                })?;
                self.assignment(&path, filter, value)?
            }
        };
        // Nobody keeps passwords, and `$ref` follows from `value`.
        let is_kept = !path.is_core("password") && path.target().name != "$ref";
        Ok(operation.filter(|_| is_kept))
    }

    fn assignment(
        self,
        path: &AttributePath,
        filter: Option<Filter>,
        value: Value,
    ) -> Result<Option<Operation>, ScimError> {
        if is_unassignment(path, &value) {
            if path.is_core("members") && !value.is_array() {
                return Ok(None); // only an empty array says that nobody is left; `null` and "" empty no group
            }
            return self.unassignment(path, filter);
        }
        let is_list = path.attribute.multi_valued && path.sub_attribute.is_none();
        let names_parts = is_object(&value);
        let value = match (is_list, &filter) {
            (true, None) => read(path, as_list(value), Reading::Patch)?,
            (true, Some(_)) => read_element(path, only_element(value), Reading::Patch)?,
            (false, _) => read(path, value, Reading::Patch)?,
        };
        let value = match value {
            Some(value) => value,
            None if names_parts && !is_list => return Ok(None),
            None => return self.unassignment(path, filter),
        };
        let change = match self.action {
            Action::Add => Change::Add(value),
            Action::Replace | Action::Remove => Change::Replace(value),
        };
        // A manager is exchanged whoever it was: Entra may know only the one before the last.
        let filter = filter.filter(|_| self.mode == Mode::Strict || !is_manager(path));
        let (elements, when) = if path.attribute.multi_valued {
            (self.elements(path, filter), None)
        } else {
            (Elements::All, filter)
        };
        Ok(Some(Operation {
            path: path.clone(),
            elements,
            when,
            change,
        }))
    }

    /// Entra and Microsoft's gallery tests clear a value with `null` and with `""` (fixture 042). Adding nothing to a
    /// list is nothing.
    fn unassignment(self, path: &AttributePath, filter: Option<Filter>) -> Result<Option<Operation>, ScimError> {
        let is_list = path.attribute.multi_valued && path.sub_attribute.is_none() && filter.is_none();
        if is_list && self.action == Action::Add {
            return Ok(None);
        }
        if path.is_core("active") {
            return Err(active_cannot_be_cleared());
        }
        if is_required(path) {
            return Err(required(path));
        }
        let (elements, when) = if path.attribute.multi_valued {
            (self.elements(path, filter), None)
        } else {
            (Elements::All, filter)
        };
        Ok(Some(Operation {
            path: path.clone(),
            elements,
            when,
            change: Change::Remove,
        }))
    }

    fn removal(
        self,
        path: &AttributePath,
        filter: Option<Filter>,
        value: Option<Value>,
    ) -> Result<Option<Operation>, ScimError> {
        if path.is_core("active") {
            return Err(active_cannot_be_cleared());
        }
        let part = path.sub_attribute.as_ref();
        if is_required(path) || part.is_some_and(|part| part.required) {
            return Err(cannot_be_removed(path));
        }
        let is_list = path.attribute.multi_valued && path.sub_attribute.is_none();
        if is_list && filter.is_none() {
            return match value {
                None => Ok(Some(Operation {
                    path: path.clone(),
                    elements: Elements::All,
                    when: None,
                    change: Change::Remove,
                })),
                Some(value) => remove_listed_elements(path, value),
            };
        }
        let listed = match value {
            Some(value) if !is_list && !is_unassignment(path, &value) => remove_if_it_matches(path, value)?,
            Some(_) | None => None,
        };
        let condition: Vec<Filter> = filter.into_iter().chain(listed).collect();
        let condition = (!condition.is_empty()).then(|| Filter::and(condition));
        if path.attribute.multi_valued {
            let elements = Elements::Matching {
                filter: condition,
                missing: Missing::Refuse,
            };
            return Ok(Some(Operation {
                path: path.clone(),
                elements,
                when: None,
                change: Change::Remove,
            }));
        }
        Ok(Some(Operation {
            path: path.clone(),
            elements: Elements::All,
            when: condition,
            change: Change::Remove,
        }))
    }

    /// Which elements of a multi-valued attribute an assignment is about.
    fn elements(self, path: &AttributePath, filter: Option<Filter>) -> Elements {
        match (&path.sub_attribute, filter) {
            (None, None) => Elements::All,
            (None, filter) => Elements::Matching {
                filter,
                missing: Missing::Refuse,
            },
            (Some(_), filter) => {
                let missing = match self.mode {
                    Mode::Tolerant => create_what_the_filter_describes(filter.as_ref()),
                    Mode::Strict => Missing::Refuse,
                };
                Elements::Matching { filter, missing }
            }
        }
    }
}

/// Before there are more, so that a body of few bytes does not become many operations.
fn check_count(operations: &[Operation]) -> Result<(), ScimError> {
    if operations.len() > MAX_OPERATIONS {
        return Err(too_many_operations());
    }
    Ok(())
}

/// A tenant may map attributes of a schema that this server does not have (fixture 017): the rest of the PATCH counts.
const fn ignore_unregistered_extension() -> Vec<Operation> {
    Vec::new()
}

fn is_manager(path: &AttributePath) -> bool {
    path.schema.id == ENTERPRISE_USER.id && path.attribute.name == "manager"
}

fn active_cannot_be_cleared() -> ScimError {
    ScimError::invalid_value("active cannot be removed; send true or false.")
}

/// Whether every resource must have the attribute. What a tenant's schema requires, it requires of resources that have
/// the extension: that shows when all operations are applied.
fn is_required(path: &AttributePath) -> bool {
    path.sub_attribute.is_none() && path.attribute.required && !path.is_extension()
}

/// `null`, `""`, and for what has sub-attributes `[]`. An empty object unassigns nothing: what a complex value does not
/// name stays (RFC 7644 §3.5.2.3).
fn is_unassignment(path: &AttributePath, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty() && path.target().kind == Kind::Complex,
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// RFC 7644 §3.5.2.1 adds one value to a list; clients send it with and without an array around it.
fn as_list(value: Value) -> Value {
    match value {
        Value::Array(_) => value,
        other => Value::Array(vec![other]),
    }
}

/// Whether a value is an object, or a list of one as a manager may come.
fn is_object(value: &Value) -> bool {
    match value {
        Value::Array(items) => matches!(&items[..], [Value::Object(_)]),
        other => other.is_object(),
    }
}

/// The other way round: one element that a value filter selects, sent as an array of one.
fn only_element(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 => items.pop().unwrap_or_default(),
        other => other,
    }
}

/// Entra's app role assignments: `Add` on `roles` with the role as JSON text, alone or as the `value` of an element,
/// `{"value": "{\"id\":\"1\",\"value\":\"25\",\"displayName\":\"Editor\"}"}` (fixture 064). Its displayName is our
/// `display`; text that is no JSON is the role's `value`. Long text is not read: it would unfold to more values than a body
/// may hold.
fn roles_from_json_text(path: &AttributePath, value: Value) -> Value {
    if !path.is_core("roles") || path.sub_attribute.is_some() || text_bytes(&value) > ROLE_TEXT_BYTES {
        return value;
    }
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            Ok(Value::Array(roles)) => roles.into_iter().map(|role| roles_from_json_text(path, role)).collect(),
            Ok(Value::Object(role)) => Value::Object(role_with_display(role)),
            Ok(_) | Err(_) => Value::Object(Map::from_iter([("value".to_owned(), Value::String(text))])),
        },
        Value::Array(roles) => roles.into_iter().map(|role| roles_from_json_text(path, role)).collect(),
        Value::Object(element) => Value::Object(role_from_value_text(element)),
        other => other,
    }
}

/// All text among the roles of one operation, as far as it may be JSON.
fn text_bytes(roles: &Value) -> usize {
    match roles {
        Value::String(text) => text.len(),
        Value::Array(roles) => roles.iter().map(text_bytes).sum(),
        Value::Object(role) => role.get("value").and_then(Value::as_str).map_or(0, str::len),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn role_from_value_text(mut element: Map<String, Value>) -> Map<String, Value> {
    let text = element
        .get("value")
        .and_then(Value::as_str)
        .filter(|text| text.trim_start().starts_with('{'));
    if let Some(Ok(role)) = text.map(serde_json::from_str::<Map<String, Value>>) {
        element.remove("value");
        element.extend(role_with_display(role));
    }
    element
}

fn role_with_display(mut role: Map<String, Value>) -> Map<String, Value> {
    if let Some(name) = role.remove("displayName") {
        role.entry("display").or_insert(name);
    }
    role
}

/// Without its compliance flag Entra removes members with `remove`, path `members`, and a value array: it means these
/// and no others, although RFC 7644 §3.5.2.2 read literally clears the list (fixture 109). An empty array or `null`
/// removes nothing.
fn remove_listed_elements(path: &AttributePath, value: Value) -> Result<Option<Operation>, ScimError> {
    if is_unassignment(path, &value) {
        return Ok(None);
    }
    let Value::Array(items) = as_list(value) else {
        return Ok(None);
    };
    let items = items.into_iter().map(|item| match item {
        Value::String(text) if path.attribute.kind == Kind::Complex => {
            Value::Object(Map::from_iter([("value".to_owned(), Value::String(text))]))
        }
        other => other,
    });
    let mut matches = Vec::new();
    for item in items {
        let element = read_element(path, item, Reading::Patch)?;
        // Who has no id is nobody: `{"type": "User"}` would be everybody.
        let element = element.filter(|element| !path.is_core("members") || element["value"].is_string());
        matches.extend(element.as_ref().and_then(|element| equal_to_element(path, element)));
    }
    if matches.is_empty() {
        return Ok(None);
    }
    let elements = Elements::Matching {
        filter: Some(Filter::or(matches)),
        missing: Missing::Refuse,
    };
    Ok(Some(Operation {
        path: path.clone(),
        elements,
        when: None,
        change: Change::Remove,
    }))
}

/// The elements that agree with every sub-attribute that was sent, except how they are displayed.
fn equal_to_element(path: &AttributePath, element: &Value) -> Option<Filter> {
    let parts = match element {
        Value::Object(parts) => parts,
        simple => {
            return path.find_part("value").and_then(|value| equals(&value, simple));
        }
    };
    let parts = parts
        .iter()
        .filter(|(name, value)| *name != "display" && !value.is_null());
    let equal: Vec<Filter> = parts
        .filter_map(|(name, value)| equals(&path.with(path.attribute.sub_attribute(name)?), value))
        .collect();
    (!equal.is_empty()).then(|| Filter::and(equal))
}

/// Entra may send `Remove` with the old value, as in `emails[type eq "work"].value`: it never assigns, and it removes
/// what is still that value.
fn remove_if_it_matches(path: &AttributePath, value: Value) -> Result<Option<Filter>, ScimError> {
    let Some(value) = read(path, value, Reading::Patch)? else {
        return Ok(None);
    };
    Ok(match &value {
        Value::Object(_) => equal_to_element(path, &value),
        _ => equals(path, &value),
    })
}

fn equals(path: &AttributePath, value: &Value) -> Option<Filter> {
    let value = match (path.target().kind, value) {
        (Kind::String | Kind::Reference | Kind::Binary, Value::String(text)) => Literal::Text(text.clone()),
        (Kind::DateTime, Value::String(text)) => Literal::Time(parse_time(text)?),
        (Kind::Boolean, Value::Bool(flag)) => Literal::Boolean(*flag),
        (Kind::Integer, Value::Number(number)) => Literal::Integer(number.as_i64()?),
        (Kind::Decimal, Value::Number(number)) => Literal::Decimal(number.as_f64()?),
        (
            Kind::String
            | Kind::Reference
            | Kind::Binary
            | Kind::DateTime
            | Kind::Boolean
            | Kind::Integer
            | Kind::Decimal
            | Kind::Complex,
            _,
        ) => return None,
    };
    Some(Filter::Compare {
        path: path.clone(),
        op: CompareOp::Equal,
        value,
    })
}

/// Entra sets `emails[type eq "work"].value` for a user who has no such element, with `Add` and with `Replace`, and
/// expects the element with its type (fixtures 035 to 037). A conjunction of `eq` describes an element; nothing else does, nor
/// does what only the server writes.
fn create_what_the_filter_describes(filter: Option<&Filter>) -> Missing {
    let mut element = Map::new();
    match filter {
        None => Missing::Create(element),
        Some(filter) if describe(filter, &mut element) => Missing::Create(element),
        Some(_) => Missing::Refuse,
    }
}

fn describe(filter: &Filter, element: &mut Map<String, Value>) -> bool {
    match filter {
        Filter::And(filters) => filters.iter().all(|filter| describe(filter, element)),
        Filter::Compare {
            path,
            op: CompareOp::Equal,
            value,
        } if !is_read_only(path) => {
            let value = match value {
                Literal::Text(text) => Value::from(text.as_str()),
                Literal::Boolean(flag) => Value::from(*flag),
                Literal::Integer(number) => Value::from(*number),
                Literal::Decimal(_) | Literal::Time(_) => return false,
            };
            let before = element.insert(path.target().name.clone(), value.clone());
            before.is_none_or(|before| before == value)
        }
        Filter::Compare { .. } | Filter::Or(_) | Filter::Not(_) | Filter::Present(_) | Filter::Element { .. } => false,
    }
}
