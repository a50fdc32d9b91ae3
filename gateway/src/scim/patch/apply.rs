//! The strict engine: one well-formed operation applied to a resource (RFC 7644 §3.5.2.1 to §3.5.2.3).

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::budget::Budget;
use super::operation::{Change, Elements, Missing, Operation};
use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::filter::{Filter, evaluate, evaluate_element};
use crate::scim::mutability::{check_immutable, has_immutable, keep_read_only_parts, written_parts};
use crate::scim::resource::Resource;
use crate::scim::schema::{Kind, Mutability};
use crate::scim::value::{is_hollow, is_primary};

/// Applies one operation and says which attributes it was about; none if it is a removal whose condition does not hold.
pub(super) fn apply(
    operation: Operation,
    resource: &mut Resource,
    budget: &mut Budget,
) -> Result<Vec<AttributePath>, ScimError> {
    let whole = operation.path.without_sub_attribute();
    budget.spend(&operation, resource.get(&whole))?;
    let Operation {
        path,
        elements,
        when,
        change,
    } = operation;
    if when.is_some_and(|when| !evaluate(&when, resource)) {
        return match change {
            Change::Remove => Ok(Vec::new()),
            Change::Add(_) | Change::Replace(_) => Err(ScimError::no_target(format!(
                "The value of {whole} does not match the filter in the path."
            ))),
        };
    }
    check_writable(&path)?;
    let named = named_by(&path, &change);
    let before = resource.take(&whole);
    let protected = before.as_ref().filter(|_| has_immutable(&path.attribute)).cloned();
    let after = if path.attribute.multi_valued {
        changed_list(&path, before, elements, change)?
    } else {
        change_single(&path, before, change)?
    };
    check_immutable(&whole, protected.as_ref(), after.as_ref())?;
    resource.set(&whole, after);
    Ok(named)
}

fn changed_list(
    path: &AttributePath,
    before: Option<Value>,
    elements: Elements,
    change: Change,
) -> Result<Option<Value>, ScimError> {
    let mut list = match before {
        Some(Value::Array(list)) => list,
        Some(_) | None => Vec::new(),
    };
    let touched = match elements {
        Elements::All => change_list(path, &mut list, change),
        Elements::Matching { filter, missing } => change_elements(path, &mut list, filter.as_ref(), missing, change)?,
    };
    keep_one_primary(&mut list, &touched);
    list.retain(|element| !element.is_null() && element.as_object().is_none_or(|parts| !parts.is_empty()));
    Ok((!list.is_empty()).then_some(Value::Array(list)))
}

/// Whether only the server writes this.
pub(super) fn is_read_only(path: &AttributePath) -> bool {
    path.attribute.mutability == Mutability::ReadOnly || path.target().mutability == Mutability::ReadOnly
}

/// Refuses what only the server writes.
pub(super) fn check_writable(path: &AttributePath) -> Result<(), ScimError> {
    if is_read_only(path) {
        return Err(ScimError::mutability(format!("{path} is read-only; leave it out.")));
    }
    Ok(())
}

/// A list counts as one attribute, and so does a reference such as the manager; of a name, only the parts that change.
fn named_by(path: &AttributePath, change: &Change) -> Vec<AttributePath> {
    let is_reference = path.attribute.is_resource_reference();
    if path.attribute.multi_valued || is_reference {
        return vec![path.without_sub_attribute()];
    }
    match (&path.sub_attribute, change) {
        (None, Change::Add(Value::Object(parts)) | Change::Replace(Value::Object(parts))) => parts
            .keys()
            .filter_map(|name| path.attribute.sub_attribute(name))
            .map(|sub| path.with(sub))
            .collect(),
        (Some(_), _) | (None, Change::Add(_) | Change::Replace(_) | Change::Remove) => vec![path.clone()],
    }
}

/// Changes the attribute as a whole; answers which elements are new.
fn change_list(path: &AttributePath, list: &mut Vec<Value>, change: Change) -> Vec<usize> {
    match change {
        Change::Add(Value::Array(new)) => {
            // What is there already is not added, whatever the server has added to it itself.
            let stored = list.iter().map(|element| written_parts(&path.attribute, element));
            let mut known: HashSet<Cow<'_, Value>> = stored.collect();
            let is_new: Vec<bool> = new.iter().map(|element| known.insert(Cow::Borrowed(element))).collect();
            let old = list.len();
            list.extend(
                new.into_iter()
                    .zip(is_new)
                    .filter_map(|(element, is_new)| is_new.then_some(element)),
            );
            (old..list.len()).collect()
        }
        Change::Replace(Value::Array(mut new)) => {
            keep_read_only_parts(&path.attribute, list, &mut new);
            *list = new;
            (0..list.len()).collect()
        }
        Change::Remove | Change::Add(_) | Change::Replace(_) => {
            list.clear();
            Vec::new()
        }
    }
}

/// Changes the elements that match; answers which. What is removed leaves a `null` for now.
fn change_elements(
    path: &AttributePath,
    list: &mut Vec<Value>,
    filter: Option<&Filter>,
    missing: Missing,
    change: Change,
) -> Result<Vec<usize>, ScimError> {
    let matches = |element: &Value| filter.is_none_or(|filter| evaluate_element(filter, element));
    let mut touched: Vec<usize> = (0..list.len()).filter(|index| matches(&list[*index])).collect();
    if touched.is_empty() && change != Change::Remove {
        let Missing::Create(element) = missing else {
            return Err(ScimError::no_target(format!(
                "No element of {} matches the filter in the path.",
                path.without_sub_attribute()
            )));
        };
        touched.push(list.len());
        // An element of a simple list is nothing but its value, which is set below.
        list.push(match path.attribute.kind {
            Kind::Complex => Value::Object(element),
            _ => Value::Null,
        });
    }
    for index in &touched {
        if let Some(element) = list.get_mut(*index) {
            change_element(path, element, change.clone())?;
        }
    }
    if path.sub_attribute.is_none() && matches!(change, Change::Replace(_)) {
        // All became the same: one of them stays.
        for index in touched.drain(1..) {
            list[index] = Value::Null;
        }
    }
    Ok(touched)
}

fn change_element(path: &AttributePath, element: &mut Value, change: Change) -> Result<(), ScimError> {
    let before = element.take();
    *element = match (&path.sub_attribute, before) {
        (None, before) => match (before, change) {
            (_, Change::Remove) => Value::Null,
            (Value::Object(parts), Change::Add(Value::Object(new))) => {
                check_immutable_parts(path, &parts, &new)?;
                merged_element(path, parts, new)
            }
            (Value::Object(mut parts), Change::Replace(Value::Object(new))) => {
                check_immutable_parts(path, &parts, &new)?;
                retain_read_only(path, &mut parts);
                merged_element(path, parts, new)
            }
            (_, Change::Add(new) | Change::Replace(new)) => new,
        },
        (Some(_), Value::Object(mut parts)) => {
            let is_removal = change == Change::Remove;
            change_part(path, &mut parts, change)?;
            // Without its value, a label is an element of nothing.
            if is_removal && is_hollow(path, &parts) {
                Value::Null
            } else {
                Value::Object(parts)
            }
        }
        // The sub-attribute of a simple element is the element itself.
        (Some(_), _) => match change {
            Change::Remove => Value::Null,
            Change::Add(new) | Change::Replace(new) => new,
        },
    };
    Ok(())
}

fn merged_element(path: &AttributePath, mut parts: Map<String, Value>, new: Map<String, Value>) -> Value {
    let unassigns = new.values().any(Value::is_null);
    merge(&mut parts, new);
    if unassigns && is_hollow(path, &parts) {
        Value::Null
    } else {
        Value::Object(parts)
    }
}

/// Of one element, what is immutable can only go with the element.
fn check_immutable_parts(
    path: &AttributePath,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Result<(), ScimError> {
    after
        .iter()
        .try_for_each(|(name, value)| match path.attribute.sub_attribute(name) {
            Some(part) => check_immutable_part(&path.with(part), before.get(name), Some(value)),
            None => Ok(()),
        })
}

fn check_immutable_part(path: &AttributePath, before: Option<&Value>, after: Option<&Value>) -> Result<(), ScimError> {
    check_immutable(path, before, after).map_err(|_| {
        ScimError::mutability(format!(
            "{path} cannot be changed; remove the whole element and add another."
        ))
    })
}

/// What only the server writes stays when everything else goes.
fn retain_read_only(path: &AttributePath, parts: &mut Map<String, Value>) {
    parts.retain(|name, _| {
        let part = path.attribute.sub_attribute(name);
        part.is_some_and(|part| part.mutability == Mutability::ReadOnly)
    });
}

fn change_part(path: &AttributePath, parts: &mut Map<String, Value>, change: Change) -> Result<(), ScimError> {
    let name = path.target().name.as_str();
    let after = match change {
        Change::Remove => None,
        Change::Add(value) | Change::Replace(value) => Some(value),
    };
    if path.attribute.multi_valued {
        check_immutable_part(path, parts.get(name), after.as_ref())?;
    }
    match after {
        Some(value) => parts.insert(name.to_owned(), value),
        None => parts.remove(name),
    };
    Ok(())
}

/// New parts beside the old ones; `null` takes one away.
fn merge(parts: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, value) in new {
        if value.is_null() {
            parts.remove(&name);
        } else {
            parts.insert(name, value);
        }
    }
}

/// An element that this operation made the primary one takes that from all others.
fn keep_one_primary(list: &mut [Value], touched: &[usize]) {
    let Some(new) = touched
        .iter()
        .copied()
        .find(|index| list.get(*index).is_some_and(is_primary))
    else {
        return;
    };
    for (index, element) in list.iter_mut().enumerate() {
        if index != new && is_primary(element) {
            element["primary"] = Value::Bool(false);
        }
    }
}

fn change_single(path: &AttributePath, before: Option<Value>, change: Change) -> Result<Option<Value>, ScimError> {
    if path.attribute.kind != Kind::Complex {
        return Ok(match change {
            Change::Remove => None,
            Change::Add(value) | Change::Replace(value) => Some(value),
        });
    }
    let mut parts = match before {
        Some(Value::Object(parts)) => parts,
        Some(_) | None => Map::new(),
    };
    // Both add and replace leave the sub-attributes alone that the value does not name (RFC 7644 §3.5.2.3).
    match (&path.sub_attribute, change) {
        (Some(_), change) => change_part(path, &mut parts, change)?,
        (None, Change::Add(Value::Object(new)) | Change::Replace(Value::Object(new))) => merge(&mut parts, new),
        (None, Change::Remove | Change::Add(_) | Change::Replace(_)) => retain_read_only(path, &mut parts),
    }
    if path.attribute.is_resource_reference() {
        // A reference is its value: what the server derived from the old one is stale, and without one nothing is left.
        parts.retain(|name, _| {
            path.attribute
                .sub_attribute(name)
                .is_some_and(|part| !part.is_derived())
        });
        if !parts.contains_key("value") {
            return Ok(None);
        }
    }
    Ok((!parts.is_empty()).then_some(Value::Object(parts)))
}
