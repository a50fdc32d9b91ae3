//! References to resources that the same request creates (RFC 7644 §3.7.2): `bulkId:x` as a value, at the end of a `$ref`,
//! and in the value filter of a PATCH path.
//!
//! Data is walked with a list of what is left, never by recursion.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::{Endpoint, Method, ResourceName, Wanted};
use crate::scim::error::ScimError;

/// What stands before a bulkId where it stands for an id.
pub(super) const PREFIX: &str = "bulkId:";
/// A longer bulkId is not repeated in an error.
const LONGEST_SHOWN: usize = 64;

/// A bulkId for an error's text: the caller's own label, unless it is so long or odd that it is none.
fn named_for_people(bulk_id: &str) -> String {
    if bulk_id.len() <= LONGEST_SHOWN && bulk_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        format!("bulkId {bulk_id}")
    } else {
        "a bulkId".to_owned()
    }
}

/// What a text means by where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A value.
    Value,
    /// A `$ref`: a URL that ends in a reference.
    Url,
    /// The path of a PATCH operation, whose filter may hold references.
    PatchPath,
}

impl Place {
    /// Where the value of `name` stands in an object that is `depth` levels deep in data.
    fn of(method: Method, depth: usize, name: &str) -> Self {
        match depth {
            // data -> Operations -> operation -> path
            2 if method == Method::Patch && name.eq_ignore_ascii_case("path") => Self::PatchPath,
            _ if name.eq_ignore_ascii_case("$ref") => Self::Url,
            _ => Self::Value,
        }
    }
}

/// A reference within a text: everything from `start` to `end`, as JSON if it is quoted there.
struct Found {
    start: usize,
    end: usize,
    bulk_id: String,
    quoted: bool,
}

fn find(text: &str, place: Place) -> Vec<Found> {
    let whole = |start: usize| Found {
        start,
        end: text.len(),
        bulk_id: text[start + PREFIX.len()..].to_owned(),
        quoted: false,
    };
    match place {
        Place::Value if text.starts_with(PREFIX) => vec![whole(0)],
        Place::Value => Vec::new(),
        Place::Url => text.find(PREFIX).map(whole).into_iter().collect(),
        Place::PatchPath => find_quoted(text),
    }
}

/// The references among the JSON strings of a filter.
fn find_quoted(path: &str) -> Vec<Found> {
    let bytes = path.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = bytes[at..]
        .iter()
        .position(|byte| *byte == b'"')
        .map(|offset| at + offset)
    {
        let mut end = start + 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        if end >= bytes.len() {
            break; // not closed: the parser of paths says so
        }
        at = end + 1;
        let text = serde_json::from_str::<String>(&path[start..at]).unwrap_or_default();
        if let Some(bulk_id) = text.strip_prefix(PREFIX) {
            found.push(Found {
                start,
                end: at,
                bulk_id: bulk_id.to_owned(),
                quoted: true,
            });
        }
    }
    found
}

/// Every text in `value`, and what it means there. `depth` is how deep in data the value stands.
fn texts(method: Method, value: &Value, depth: usize) -> impl Iterator<Item = (&str, Place)> {
    let mut left = vec![(value, Place::Value, depth)];
    std::iter::from_fn(move || {
        loop {
            let (value, place, depth) = left.pop()?;
            match value {
                Value::String(text) => return Some((text.as_str(), place)),
                Value::Array(items) => left.extend(items.iter().map(|item| (item, place, depth + 1))),
                Value::Object(members) => left.extend(
                    members
                        .iter()
                        .map(|(name, value)| (value, Place::of(method, depth, name), depth + 1)),
                ),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
    })
}

impl Wanted {
    /// Every bulkId that the operation refers to, each once.
    pub(super) fn references(&self) -> BTreeSet<String> {
        let found = self.texts().flat_map(|(text, place)| find(text, place));
        let mut names: BTreeSet<String> = found.map(|found| found.bulk_id).collect();
        if let Self::Change {
            resource: ResourceName::BulkId(bulk_id),
            ..
        } = self
        {
            names.insert(bulk_id.clone());
        }
        names
    }

    /// Every text that stands as a value in the data, among them the names of other resources.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        let texts = self.texts();
        texts.filter_map(|(text, place)| (place == Place::Value).then_some(text))
    }

    fn texts(&self) -> impl Iterator<Item = (&str, Place)> {
        let (method, data) = match self {
            Self::Create { data, .. } => (Method::Post, Some(data)),
            Self::Change { method, data, .. } => (*method, data.as_ref()),
        };
        data.into_iter().flat_map(move |data| texts(method, data, 0))
    }
}

/// Data in which ids stand for references.
#[derive(Debug, PartialEq)]
pub struct ResolvedData(pub Value);

impl ResolvedData {
    /// Puts the id that `id_of` knows in place of each reference.
    ///
    /// # Errors
    /// 400 `invalidValue` for a reference to what has no id.
    pub fn resolve<'a>(
        method: Method,
        mut data: Value,
        id_of: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, ScimError> {
        let mut left = vec![(&mut data, Place::Value, 0)];
        while let Some((value, place, depth)) = left.pop() {
            match value {
                Value::String(text) => replace(text, place, &id_of)?,
                Value::Array(items) => left.extend(items.iter_mut().map(|item| (item, place, depth + 1))),
                Value::Object(members) => left.extend(
                    members
                        .iter_mut()
                        .map(|(name, value)| (value, Place::of(method, depth, name), depth + 1)),
                ),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        Ok(Self(data))
    }
}

fn replace<'a>(text: &mut String, place: Place, id_of: &impl Fn(&str) -> Option<&'a str>) -> Result<(), ScimError> {
    let found = find(text, place);
    if found.is_empty() {
        return Ok(());
    }
    let mut replaced = String::with_capacity(text.len());
    let mut at = 0;
    for Found {
        start,
        end,
        bulk_id,
        quoted,
    } in found
    {
        let id = id_of(&bulk_id).ok_or_else(|| unknown(&bulk_id))?;
        replaced.push_str(&text[at..start]);
        if quoted {
            replaced.push_str(&Value::from(id).to_string());
        } else {
            replaced.push_str(id);
        }
        at = end;
    }
    replaced.push_str(&text[at..]);
    *text = replaced;
    Ok(())
}

/// A reference to what no operation creates.
pub(super) fn unknown(bulk_id: &str) -> ScimError {
    ScimError::invalid_value(format!(
        "The operation refers to {}, which no POST of this bulk request has.",
        named_for_people(bulk_id)
    ))
}

/// The part of a resource that can be created before anything in its circle exists: without the attributes that refer to one
/// of `names`, the bulkIds of the circle. A group comes without any members, so that nothing happens to them if the circle
/// falls.
pub fn first_part(endpoint: Endpoint, data: &Value, names: &HashSet<&str>) -> Value {
    let Value::Object(members) = data else {
        return data.clone();
    };
    let waits = |name: &str, value: &Value| {
        let name = name.rsplit(':').next().unwrap_or(name); // it may carry its URN
        let holds_members = endpoint == Endpoint::Groups && name.eq_ignore_ascii_case("members");
        holds_members || refers(value, names)
    };
    let mut kept = Map::new();
    for (name, value) in members {
        match value {
            Value::Object(extension) if is_urn(name) => {
                let rest = extension.iter().filter(|(name, value)| !waits(name, value));
                let rest: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
                if !rest.is_empty() {
                    kept.insert(name.clone(), Value::Object(rest));
                }
            }
            _ if waits(name, value) => {}
            _ => {
                kept.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(kept)
}

fn is_urn(name: &str) -> bool {
    name.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"))
}

fn refers(value: &Value, names: &HashSet<&str>) -> bool {
    let mut found = texts(Method::Post, value, 1).flat_map(|(text, place)| find(text, place));
    found.any(|found| names.contains(found.bulk_id.as_str()))
}
