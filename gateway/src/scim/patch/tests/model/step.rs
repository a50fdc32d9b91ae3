//! One thing that is done to one attribute.

use serde_json::{Map, Value};

use super::attributes::{Access, Attribute, Kind, Part, Shape};
use super::matching::{agrees, holds, is_hollow, is_primary, is_same, part_of};
use super::operation::Test;
use crate::scim::error::ScimType;

/// One thing to do to one attribute.
pub struct Step {
    pub attribute: &'static Attribute,
    pub filter: Option<Test>,
    pub part: Option<Part>,
    pub effect: Effect,
}

pub enum Effect {
    Add(Value),
    Replace(Value),
    Remove,
    /// Where the value is this.
    RemoveIf(Value),
    /// Of a list, what agrees with one of these.
    RemoveListed(Vec<Value>),
}

impl Step {
    pub fn applied(&self, before: Option<Value>, is_strict: bool) -> Result<Option<Value>, ScimType> {
        match before {
            before if self.attribute.is_list() => {
                let list = before.and_then(|list| list.as_array().cloned()).unwrap_or_default();
                let list = self.list(list, is_strict)?;
                Ok((!list.is_empty()).then_some(Value::Array(list)))
            }
            before => {
                let after = self.single(before.clone(), is_strict)?;
                self.check_immutable(before.as_ref(), after.as_ref())?;
                Ok(after)
            }
        }
    }

    /// A value may be given to what is immutable if it had none (§3.5.2).
    fn check_immutable(&self, before: Option<&Value>, after: Option<&Value>) -> Result<(), ScimType> {
        let is_kept = |kind: Kind, before: Option<&Value>, after: Option<&Value>| match (before, after) {
            (None, _) => true,
            (Some(before), Some(after)) => is_same(kind, before, after),
            (Some(_), None) => false,
        };
        let all_kept = match self.attribute.shape {
            Shape::Simple(kind) => self.attribute.access != Access::Immutable || is_kept(kind, before, after),
            _ => {
                let mut parts = self.attribute.parts().into_iter();
                let part_of =
                    |value: Option<&Value>, part: &Part| value.and_then(|value| value.get(part.name)).cloned();
                parts.all(|part| {
                    let (before, after) = (part_of(before, &part), part_of(after, &part));
                    part.access != Access::Immutable || is_kept(part.kind, before.as_ref(), after.as_ref())
                })
            }
        };
        if all_kept { Ok(()) } else { Err(ScimType::Mutability) }
    }

    /// A single value. A filter is a condition on it.
    fn single(&self, before: Option<Value>, is_strict: bool) -> Result<Option<Value>, ScimType> {
        let current = before.clone().unwrap_or_default();
        let is_removal = matches!(self.effect, Effect::Remove | Effect::RemoveIf(_));
        // D3: an exchange of the manager counts whoever it was.
        let is_condition = is_removal || is_strict || !self.attribute.is_manager();
        if is_condition && self.filter.as_ref().is_some_and(|filter| !holds(filter, &current)) {
            return if is_removal {
                Ok(before)
            } else {
                Err(ScimType::NoTarget)
            }; // D11
        }
        if let Effect::RemoveIf(old) = &self.effect
            && !self.is_old(&current, old)
        {
            return Ok(before);
        }
        let Shape::Complex(known) = self.attribute.shape else {
            return Ok(match &self.effect {
                Effect::Add(new) | Effect::Replace(new) => Some(new.clone()),
                _ => None,
            });
        };
        let mut parts = current.as_object().cloned().unwrap_or_default();
        match (self.part, &self.effect) {
            (Some(part), Effect::Add(new) | Effect::Replace(new)) => {
                parts.insert(part.name.to_owned(), new.clone());
            }
            (Some(part), _) => {
                parts.remove(part.name);
            }
            (None, Effect::Add(new) | Effect::Replace(new)) => merge(&mut parts, new),
            (None, _) => parts.retain(|name, _| is_read_only(known, name)),
        }
        if self.attribute.is_manager() {
            // The rest was about the one before.
            parts.retain(|name, _| name == "value");
        }
        Ok((!parts.is_empty()).then_some(Value::Object(parts)))
    }

    fn is_old(&self, current: &Value, old: &Value) -> bool {
        match (self.part, self.attribute.shape) {
            (Some(part), _) => part_of(current, part.name).is_some_and(|value| is_same(part.kind, value, old)),
            (None, Shape::Simple(kind)) => is_same(kind, current, old),
            (None, _) => agrees(self.attribute, current, old),
        }
    }

    fn list(&self, list: Vec<Value>, is_strict: bool) -> Result<Vec<Value>, ScimType> {
        let attribute = self.attribute;
        let mut elements: Vec<Element> = list.into_iter().map(Element::old).collect();
        match (&self.effect, self.part, &self.filter) {
            (Effect::RemoveListed(listed), ..) => {
                elements.retain(|element| !listed.iter().any(|item| agrees(attribute, &element.value, item)));
            }
            (Effect::Remove | Effect::RemoveIf(_), None, filter) => {
                elements.retain(|element| !selects(filter, element))
            }
            (Effect::Remove, Some(part), filter) => {
                let selected = elements.iter_mut().filter(|element| selects(filter, element));
                selected.for_each(|element| element.remove(attribute, part));
            }
            (Effect::RemoveIf(old), Some(part), filter) => {
                let selected = elements.iter_mut().filter(|element| selects(filter, element));
                let same = selected.filter(|element| self.is_old(&element.value, old));
                same.for_each(|element| element.remove(attribute, part));
            }
            (Effect::Add(new), None, None) => {
                for new in new.as_array().expect("a list") {
                    // What is there already is not added (§3.5.2.1).
                    if !elements
                        .iter()
                        .any(|element| written_parts(attribute, &element.value) == *new)
                    {
                        elements.push(Element::new(new.clone()));
                    }
                }
            }
            (Effect::Replace(new), None, None) => {
                let new = new.as_array().expect("a list").iter();
                let mut stored: Vec<Value> = elements.into_iter().map(|element| element.value).collect();
                let new = new.map(|new| {
                    // The same again, with what only the server writes.
                    let same = stored
                        .iter()
                        .position(|stored| written_parts(attribute, stored) == *new);
                    Element::new(same.map_or_else(|| new.clone(), |at| stored.remove(at)))
                });
                elements = new.collect();
            }
            (Effect::Add(new) | Effect::Replace(new), None, filter) => {
                let is_replaced = matches!(self.effect, Effect::Replace(_));
                let mut selected: Vec<_> = elements.iter_mut().filter(|element| selects(filter, element)).collect();
                if selected.is_empty() {
                    return Err(ScimType::NoTarget);
                }
                for (index, element) in selected.iter_mut().enumerate() {
                    if is_replaced && index > 0 {
                        element.value = Value::Null; // all are the same now
                    } else {
                        element.set(attribute, new, is_replaced);
                    }
                }
            }
            (Effect::Add(new) | Effect::Replace(new), Some(part), filter) => {
                if !elements.iter().any(|element| selects(filter, element)) {
                    // D3
                    let made = described(filter.as_ref())
                        .filter(|_| !is_strict)
                        .ok_or(ScimType::NoTarget)?;
                    elements.push(Element::new(made));
                    let made = elements.last_mut().expect("the new one");
                    made.set_part(attribute, part, new);
                } else {
                    let selected = elements.iter_mut().filter(|element| selects(filter, element));
                    selected.for_each(|element| element.set_part(attribute, part, new));
                }
            }
        }
        let empty = Value::Object(Map::new());
        elements.retain(|element| !element.value.is_null() && element.value != empty);
        // A new primary value takes that from the others (§3.5.2).
        if let Some(new) = elements
            .iter()
            .position(|element| element.is_written && is_primary(&element.value))
        {
            let others = elements.iter_mut().enumerate().filter(|(index, _)| *index != new);
            for (_, element) in others.filter(|(_, element)| is_primary(&element.value)) {
                element.value["primary"] = Value::Bool(false);
            }
        }
        Ok(elements.into_iter().map(|element| element.value).collect())
    }
}

/// An element of a list, and whether this step wrote it.
struct Element {
    value: Value,
    is_written: bool,
}

impl Element {
    fn old(value: Value) -> Self {
        Self {
            value,
            is_written: false,
        }
    }

    fn new(value: Value) -> Self {
        Self {
            value,
            is_written: true,
        }
    }

    /// Takes a part away; what is nothing but a label then goes, too.
    fn remove(&mut self, attribute: &Attribute, part: Part) {
        match &mut self.value {
            Value::Object(parts) => {
                parts.remove(part.name);
                if is_hollow(attribute, parts) {
                    self.value = Value::Null;
                }
            }
            simple => *simple = Value::Null,
        }
    }

    fn set(&mut self, attribute: &Attribute, new: &Value, is_replaced: bool) {
        self.is_written = true;
        let known = attribute.parts();
        match (&mut self.value, new) {
            (Value::Object(parts), Value::Object(sent)) => {
                if is_replaced {
                    parts.retain(|name, _| is_read_only(&known, name));
                }
                merge(parts, new);
                if sent.values().any(Value::is_null) && is_hollow(attribute, parts) {
                    self.value = Value::Null;
                }
            }
            (simple, new) => *simple = new.clone(),
        }
    }

    fn set_part(&mut self, attribute: &Attribute, part: Part, new: &Value) {
        self.is_written = true;
        match attribute.shape {
            Shape::ComplexList(_) => self.value[part.name] = new.clone(),
            _ => self.value = new.clone(),
        }
    }
}

fn selects(filter: &Option<Test>, element: &Element) -> bool {
    filter.as_ref().is_none_or(|filter| holds(filter, &element.value))
}

/// The parts that a client may write.
fn written_parts(attribute: &Attribute, element: &Value) -> Value {
    let known = attribute.parts();
    match element {
        Value::Object(parts) => {
            let parts = parts.iter().filter(|(name, _)| !is_read_only(&known, name));
            parts.map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        simple => simple.clone(),
    }
}

/// D3: the element that a filter of `eq` joined by `and` describes, unless only the server writes that.
fn described(filter: Option<&Test>) -> Option<Value> {
    let tests = match filter {
        None => Vec::new(),
        Some(filter) => conjunction(filter)?,
    };
    let mut element = Map::new();
    for (part, value) in tests {
        let is_contradicted = element.get(part.name).is_some_and(|other| other != value);
        if part.access == Access::ReadOnly || is_contradicted {
            return None;
        }
        element.insert(part.name.to_owned(), value.clone());
    }
    Some(Value::Object(element))
}

fn conjunction(test: &Test) -> Option<Vec<(Part, &Value)>> {
    match test {
        Test::And(tests) => {
            let tests: Option<Vec<_>> = tests.iter().map(conjunction).collect();
            Some(tests?.concat())
        }
        Test::Compare(part, "eq", value) => Some(vec![(*part, value)]),
        _ => None,
    }
}

fn merge(parts: &mut Map<String, Value>, new: &Value) {
    for (name, value) in new.as_object().expect("parts") {
        match value {
            Value::Null => parts.remove(name),
            value => parts.insert(name.clone(), value.clone()),
        };
    }
}

fn is_read_only(known: &[Part], name: &str) -> bool {
    let mut known = known.iter();
    known.any(|part| part.name == name && part.access == Access::ReadOnly)
}
