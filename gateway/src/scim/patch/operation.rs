//! One PATCH operation: as it was sent, and as the strict engine takes it.

use serde_json::{Map, Value};

use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::filter::Filter;

/// What an operation does (RFC 7644 §3.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Add,
    Replace,
    Remove,
}

impl Action {
    /// Entra sends `Add`, `Replace` and `Remove` without its compliance flag, lower case with it (fixtures 030, 031).
    fn in_any_case(text: &str) -> Option<Self> {
        [("add", Self::Add), ("replace", Self::Replace), ("remove", Self::Remove)]
            .into_iter()
            .find_map(|(name, action)| name.eq_ignore_ascii_case(text).then_some(action))
    }
}

/// An operation as it was sent.
#[derive(Clone)]
pub(super) struct SentOperation {
    pub(super) action: Action,
    pub(super) path: Option<String>,
    /// Absent is not `null`: `remove members` without a value removes all, with `null` nothing.
    pub(super) value: Option<Value>,
}

impl SentOperation {
    /// `number` counts from 1 and is for messages.
    pub(super) fn parse(number: usize, operation: &Value) -> Result<Self, ScimError> {
        let invalid = |rule: &str| ScimError::invalid_syntax(format!("Operation {number} {rule}."));
        let members = operation.as_object().ok_or_else(|| invalid("must be a JSON object"))?;
        let mut op = None;
        let mut path = None;
        let mut value = None;
        for (name, member) in members {
            let place = match name.to_ascii_lowercase().as_str() {
                "op" => &mut op,
                "path" => &mut path,
                "value" => &mut value,
                _ => continue,
            };
            if place.replace(member.clone()).is_some() {
                return Err(invalid("has a member twice; send op, path, and value once each"));
            }
        }
        let op = op.as_ref().and_then(Value::as_str).and_then(Action::in_any_case);
        let path = match path {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if path.trim().is_empty() => None,
            Some(Value::String(path)) => Some(path),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(ScimError::invalid_path(format!(
                    "The path of operation {number} must be a JSON string."
                )));
            }
        };
        Ok(Self {
            action: op.ok_or_else(|| invalid("must have op add, replace, or remove"))?,
            path,
            value,
        })
    }
}

/// An operation as the strict engine takes it: the attribute exists, the value is of its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    pub(super) path: AttributePath,
    pub(super) elements: Elements,
    /// On a resource that does not satisfy this, a removal has no effect and anything else no target.
    pub(super) when: Option<Filter>,
    pub(super) change: Change,
}

/// Which part of a multi-valued attribute an operation is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Elements {
    /// The attribute as a whole, or a single-valued one.
    All,
    /// Each element that satisfies the filter; without one, each element.
    Matching { filter: Option<Filter>, missing: Missing },
}

/// What to do if no element matches and there is something to set.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Missing {
    /// `noTarget`.
    Refuse,
    /// Make an element that begins as this.
    Create(Map<String, Value>),
}

/// What happens to the target.
///
/// A list is a JSON array; a complex value is an object in which `null` unassigns a sub-attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Add(Value),
    Replace(Value),
    Remove,
}
