//! RFC 7644 §3.5.2 read slowly, with the deviations of `gateway/CONFORMANCE.md`; as plain as can be, and nothing of the engine.

use serde_json::{Map, Value};

use super::attributes::{ATTRIBUTES, Access, Attribute, Part, Shape, attributes_of};
use super::operation::{Content, Operation, Target, Test, Verb};
use super::step::{Effect, Step};
use super::value::{listed, roles, understood, understood_item, understood_list};
use crate::scim::error::ScimType;
use crate::scim::schema::testing::ACME;

/// What a PATCH makes of a user; or what it may be refused with, where one operation is wrong in several ways.
pub fn patched(before: &Value, operations: &[Operation], is_strict: bool) -> Result<Value, Vec<ScimType>> {
    let mut user = before.clone();
    for operation in operations {
        // What is wrong with an operation by itself, before anything of it is done.
        let mut steps = Vec::new();
        let mut faults = Vec::new();
        for step in steps_of(operation) {
            match step {
                Ok(step) => steps.push(step),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        for step in steps {
            let after = step
                .applied(stored(&user, step.attribute), is_strict)
                .map_err(|fault| vec![fault])?;
            store(&mut user, step.attribute, after);
        }
    }
    check_required(before, &user)?;
    Ok(user)
}

/// What an extension requires must be there where the extension is, unless it was missing before.
fn check_required(before: &Value, after: &Value) -> Result<(), Vec<ScimType>> {
    for attribute in ATTRIBUTES
        .iter()
        .filter(|attribute| attribute.required && !attribute.is_core())
    {
        let is_missing = after.get(ACME).is_some() && stored(after, attribute).is_none();
        if is_missing && stored(before, attribute).is_some() {
            return Err(vec![ScimType::Mutability]); // §3.5.2.2
        }
        if is_missing && before.get(ACME).is_none() {
            return Err(vec![ScimType::InvalidValue]);
        }
    }
    Ok(())
}

fn stored(user: &Value, attribute: &Attribute) -> Option<Value> {
    let place = if attribute.is_core() {
        Some(user)
    } else {
        user.get(attribute.schema)
    };
    place?.get(attribute.name).cloned()
}

fn store(user: &mut Value, attribute: &Attribute, value: Option<Value>) {
    let user = user.as_object_mut().expect("a user");
    let place = if attribute.is_core() {
        &mut *user
    } else {
        let extension = user
            .entry(attribute.schema)
            .or_insert_with(|| Value::Object(Map::new()));
        extension.as_object_mut().expect("an extension")
    };
    match value {
        Some(value) => place.insert(attribute.name.to_owned(), value),
        None => place.remove(attribute.name),
    };
    // Without values, an extension is not there.
    user.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
}

fn steps_of(operation: &Operation) -> Vec<Result<Step, ScimType>> {
    let Operation {
        verb, path, content, ..
    } = operation;
    match (path, content) {
        (Some((_, target)), content) => steps_at(*verb, target, content, false),
        (None, _) if *verb == Verb::Remove => vec![Err(ScimType::NoTarget)], // §3.5.2.2
        (None, Content::Keys(_)) => keys_of(*verb, content, true),
        (None, _) => vec![Err(ScimType::InvalidValue)],
    }
}

fn keys_of(verb: Verb, content: &Content, is_key: bool) -> Vec<Result<Step, ScimType>> {
    let Content::Keys(keys) = content else {
        return vec![Err(ScimType::InvalidValue)];
    };
    let keys = keys.values();
    keys.flat_map(|(target, content)| steps_at(verb, target, content, is_key))
        .collect()
}

/// `is_key`: among the keys of an operation without a path.
fn steps_at(verb: Verb, target: &Target, content: &Content, is_key: bool) -> Vec<Result<Step, ScimType>> {
    match target {
        Target::Unknown => vec![Err(ScimType::InvalidPath)],
        Target::BadFilter => vec![Err(ScimType::InvalidFilter)],
        Target::Unregistered => Vec::new(), // D6
        Target::Schema(schema) => {
            let is_removed = verb == Verb::Remove || matches!(content, Content::Value(Value::Null));
            let all = || attributes_of(schema);
            let is_writable = |attribute: &&'static Attribute| attribute.access != Access::ReadOnly;
            let is_read_only = !all().any(|attribute| is_writable(&attribute));
            if is_key && is_read_only && !matches!(content, Content::Keys(_)) {
                return Vec::new(); // D6: in whatever form the key names it
            }
            if !is_removed {
                return keys_of(verb, content, is_key);
            }
            let whole = |attribute| (attribute, None, None);
            let removed = all()
                .filter(|attribute| is_read_only || is_writable(attribute))
                .map(whole);
            removed
                .filter_map(|target| step_at(Verb::Remove, target, &Content::Absent, is_key))
                .collect()
        }
        Target::Attribute {
            attribute,
            filter,
            part,
        } => step_at(verb, (attribute, filter.clone(), *part), content, is_key)
            .into_iter()
            .collect(),
    }
}

/// What an operation does to an attribute, if anything.
fn step_at(
    verb: Verb,
    (attribute, filter, part): (&'static Attribute, Option<Test>, Option<Part>),
    content: &Content,
    is_key: bool,
) -> Option<Result<Step, ScimType>> {
    if attribute.name == "schemas" && verb != Verb::Remove {
        return None; // they follow from the attributes
    }
    if attribute.access == Access::ReadOnly || part.is_some_and(|part| part.access == Access::ReadOnly) {
        return (!is_key).then_some(Err(ScimType::Mutability)); // D6
    }
    let effect = match effect_of(verb, attribute, filter.is_some(), part, content) {
        Ok(effect) => effect?,
        Err(fault) => return Some(Err(fault)),
    };
    let is_ignored = attribute.access == Access::Ignored || part.is_some_and(|part| part.access == Access::Ignored);
    (!is_ignored).then_some(Ok(Step {
        attribute,
        filter,
        part,
        effect,
    }))
}

fn effect_of(
    verb: Verb,
    attribute: &Attribute,
    has_filter: bool,
    part: Option<Part>,
    content: &Content,
) -> Result<Option<Effect>, ScimType> {
    let is_whole = part.is_none();
    let is_whole_list = is_whole && attribute.is_list();
    let is_required = is_whole && attribute.required && attribute.is_core();
    let value = match content {
        Content::Absent => None,
        Content::Value(value) if attribute.name == "roles" && is_whole => Some(roles(value)),
        Content::Value(value) => Some(value.clone()),
        Content::Keys(_) => unreachable!("attributes have values"),
    };
    if verb == Verb::Remove {
        if attribute.name == "active" {
            return Err(ScimType::InvalidValue); // D1
        }
        if is_required {
            return Err(ScimType::Mutability);
        }
        return match value {
            // D2, for every list: a value says which.
            Some(value) if is_whole_list && !has_filter => {
                let listed = listed(attribute, &value)?;
                Ok((!listed.is_empty()).then_some(Effect::RemoveListed(listed)))
            }
            // Entra sends the old value along.
            Some(value) if !is_whole_list => {
                let old = understood(attribute, part, &value)?;
                Ok(Some(
                    old.filter(says_something).map_or(Effect::Remove, Effect::RemoveIf),
                ))
            }
            _ => Ok(Some(Effect::Remove)),
        };
    }
    let value = value.ok_or(ScimType::InvalidValue)?;
    let new = match (attribute.is_list(), is_whole, has_filter) {
        (true, true, false) => understood_list(attribute, &value)?,
        (true, true, true) => match &value {
            Value::Array(items) if items.len() == 1 => understood_item(attribute, &items[0])?,
            one => understood(attribute, None, one)?,
        },
        _ => understood(attribute, part, &value)?,
    };
    let Some(new) = new else {
        if is_whole_list && !has_filter && verb == Verb::Add {
            return Ok(None); // nothing more
        }
        if attribute.name == "active" || is_required {
            return Err(ScimType::InvalidValue); // D1
        }
        return Ok(Some(Effect::Remove));
    };
    // §3.5.2.3: sub-attributes that are not specified are left unchanged.
    if matches!(attribute.shape, Shape::Complex(_)) && is_whole && new.as_object().is_some_and(Map::is_empty) {
        return Ok(None);
    }
    Ok(Some(match verb {
        Verb::Add => Effect::Add(new),
        Verb::Replace | Verb::Remove => Effect::Replace(new),
    }))
}

fn says_something(value: &Value) -> bool {
    value
        .as_object()
        .is_none_or(|parts| parts.values().any(|value| !value.is_null()))
}
