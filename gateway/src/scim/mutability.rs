//! What a write must leave as it is: read-only and immutable attributes (RFC 7643 §7; RFC 7644 §3.5.1 and §3.5.2). Only
//! the schemas that a tenant registers have any of which a value is stored.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::attribute_path::AttributePath;
use super::error::ScimError;
use super::fold::fold;
use super::resource::Resource;
use super::schema::{Attribute, Kind, Mutability, ResourceType};

/// Whether a PUT must know what is stored: the tenant has schemas of its own. Some of their attributes a PUT may not change,
/// and some may be younger than what this gateway remembers of the caller.
pub fn put_depends_on_stored(resource_type: &ResourceType) -> bool {
    resource_type.extensions.iter().any(|schema| !schema.is_built_in())
}

/// What a PUT makes of the extensions of a stored resource: what is read-only stays; what is immutable and has a value
/// stays, and may be left out; everything else is as the body says (RFC 7644 §3.5.1).
///
/// # Errors
/// 400 `mutability` if the body has another value of an immutable attribute.
pub fn replace(stored: &Resource, mut wanted: Resource) -> Result<Resource, ScimError> {
    let resource_type = wanted.resource_type.clone();
    for schema in resource_type.extensions.iter().filter(|schema| !schema.is_built_in()) {
        for attribute in &schema.attributes {
            let path = AttributePath::whole(schema, attribute);
            let after = replaced(&path, stored.get(&path), wanted.take(&path))?;
            wanted.set(&path, after);
        }
    }
    Ok(wanted)
}

fn replaced(path: &AttributePath, stored: Option<&Value>, wanted: Option<Value>) -> Result<Option<Value>, ScimError> {
    let attribute = path.target();
    match (attribute.mutability, stored, wanted) {
        (Mutability::ReadOnly, stored, _) | (Mutability::Immutable, stored @ Some(_), None) => Ok(stored.cloned()),
        (Mutability::Immutable, Some(stored), Some(wanted)) if is_same(attribute, stored, &wanted) => {
            Ok(Some(stored.clone()))
        }
        (Mutability::Immutable, Some(_), Some(_)) => Err(cannot_change(path)),
        (_, _, wanted) if attribute.kind != Kind::Complex => Ok(wanted),
        (_, stored, wanted) if attribute.multi_valued => Ok(wanted.map(|wanted| match (stored, wanted) {
            (Some(Value::Array(before)), Value::Array(mut after)) => {
                keep_read_only_parts(attribute, before, &mut after);
                Value::Array(after)
            }
            (_, wanted) => wanted,
        })),
        (_, stored, wanted) => {
            let mut wanted = match wanted {
                Some(Value::Object(parts)) => parts,
                Some(_) | None => Map::new(),
            };
            let mut after = Map::new();
            for part in &attribute.sub_attributes {
                let before = stored.and_then(|parts| parts.get(&part.name));
                let value = replaced(&path.with(part), before, wanted.remove(&part.name))?;
                after.extend(value.map(|value| (part.name.clone(), value)));
            }
            Ok((!after.is_empty()).then_some(Value::Object(after)))
        }
    }
}

/// Refuses a PATCH that changed or removed what is immutable and had a value.
pub(super) fn check_immutable(
    path: &AttributePath,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Result<(), ScimError> {
    let attribute = path.target();
    let Some(before) = before else { return Ok(()) };
    if attribute.mutability == Mutability::Immutable {
        return match after {
            Some(after) if is_same(attribute, before, after) => Ok(()),
            Some(_) | None => Err(cannot_change(path)),
        };
    }
    if attribute.multi_valued || path.sub_attribute.is_some() {
        return Ok(());
    }
    let part_of = |value: Option<&'_ Value>, name: &str| value.and_then(|value| value.get(name)).cloned();
    attribute.sub_attributes.iter().try_for_each(|part| {
        let (before, after) = (part_of(Some(before), &part.name), part_of(after, &part.name));
        check_immutable(&path.with(part), before.as_ref(), after.as_ref())
    })
}

/// Whether an attribute is immutable, or a part of it.
pub(super) fn has_immutable(attribute: &Attribute) -> bool {
    let is_immutable = |attribute: &Attribute| attribute.mutability == Mutability::Immutable;
    is_immutable(attribute) || attribute.sub_attributes.iter().any(|part| is_immutable(part))
}

fn cannot_change(path: &AttributePath) -> ScimError {
    ScimError::mutability(format!(
        "{path} is immutable and has a value already; leave it out, or send that value."
    ))
}

/// Gives elements that were written anew the read-only parts of the stored elements that they are equal to.
pub(super) fn keep_read_only_parts(attribute: &Attribute, before: &[Value], after: &mut [Value]) {
    if !attribute.sub_attributes.iter().any(|part| is_read_only(part)) {
        return;
    }
    let mut stored: HashMap<Cow<'_, Value>, Vec<&Value>> = HashMap::new();
    for element in before.iter().rev() {
        stored
            .entry(written_parts(attribute, element))
            .or_default()
            .push(element);
    }
    for element in after {
        let same = stored.get_mut(&*written_parts(attribute, element)).and_then(Vec::pop);
        if let Some(same) = same {
            *element = same.clone();
        }
    }
}

/// An element without what only the server writes: as a client can send it.
pub(super) fn written_parts<'a>(attribute: &Attribute, element: &'a Value) -> Cow<'a, Value> {
    let is_written = |name: &str| !attribute.sub_attribute(name).is_some_and(|part| is_read_only(part));
    match element {
        Value::Object(parts) if !parts.keys().all(|name| is_written(name)) => {
            let written = parts.iter().filter(|(name, _)| is_written(name));
            Cow::Owned(written.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        whole => Cow::Borrowed(whole),
    }
}

fn is_read_only(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::ReadOnly
}

/// Whether two values of an attribute match; the order of a list has no meaning (RFC 7643 §2.4).
fn is_same(attribute: &Attribute, one: &Value, other: &Value) -> bool {
    let key = |value: &Value| comparable(attribute, value).to_string();
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            let sorted = |elements: &[Value]| {
                let mut keys: Vec<String> = elements.iter().map(key).collect();
                keys.sort_unstable();
                keys
            };
            sorted(one) == sorted(other)
        }
        _ => key(one) == key(other),
    }
}

/// A value as it compares: text that is not case-exact is folded.
fn comparable(attribute: &Attribute, value: &Value) -> Value {
    match value {
        Value::String(text) if !attribute.compares_exactly() => fold(text).into_owned().into(),
        Value::Object(parts) => {
            let part = |(name, value): (&String, &Value)| {
                let value = attribute
                    .sub_attribute(name)
                    .map_or_else(|| value.clone(), |part| comparable(part, value));
                (name.clone(), value)
            };
            Value::Object(parts.iter().map(part).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::schema::testing::{ACME, groups, users};
    use crate::scim::schema::{ResourceKind, ResourceTypes, Schema};

    fn put(stored: Value, wanted: Value) -> Result<Value, ScimError> {
        let user = |extension: Value| {
            let Value::Object(attributes) = json!({"userName": "ada", ACME: extension}) else {
                unreachable!()
            };
            Resource {
                resource_type: users(),
                attributes,
            }
        };
        let replaced = replace(&user(stored), user(wanted))?;
        Ok(replaced.attributes.get(ACME).cloned().unwrap_or_default())
    }

    #[test]
    fn a_put_leaves_what_it_may_not_change_and_clears_the_rest() {
        let stored = json!({
            "costCode": "1", "badge": "Bä1", "grade": "A", "pin": "0", "tags": ["a"],
            "desk": {"room": "1", "asset": "X", "floor": "2"},
            "cars": [{"value": "c1", "checked": "yes"}, {"value": "c2", "checked": "no"}],
        });
        for (wanted, expected) in [
            (
                json!({"costCode": "2"}),
                json!({"costCode": "2", "badge": "Bä1", "grade": "A", "desk": {"asset": "X", "floor": "2"}}),
            ),
            (
                json!({"costCode": "2", "badge": "bÄ1", "grade": "Z", "desk": {"room": "9", "asset": "x"}}),
                json!({"costCode": "2", "badge": "Bä1", "grade": "A",
                       "desk": {"room": "9", "asset": "X", "floor": "2"}}),
            ),
            (
                json!({"costCode": "2", "cars": [{"value": "c2"}, {"value": "c2"}, {"value": "c3"}]}),
                json!({"costCode": "2", "badge": "Bä1", "grade": "A", "desk": {"asset": "X", "floor": "2"},
                       "cars": [{"value": "c2", "checked": "no"}, {"value": "c2"}, {"value": "c3"}]}),
            ),
        ] {
            assert_eq!(put(stored.clone(), wanted), Ok(expected));
        }
        for wanted in [json!({"badge": "B2"}), json!({"desk": {"asset": "Y"}})] {
            assert_eq!(
                put(stored.clone(), wanted).unwrap_err().scim_type,
                Some(ScimType::Mutability)
            );
        }
        assert_eq!(put(json!({}), json!({"badge": "B2"})), Ok(json!({"badge": "B2"})));
        assert_eq!(put(stored, json!({"costCode": "1"})).unwrap().get("pin"), None);
    }

    #[test]
    fn every_schema_of_the_tenant_makes_a_put_read_first() {
        let plain = Schema::new("urn:plain", "Plain", "", vec![Attribute::new(Kind::String, "x", "")]);
        let plain = ResourceTypes::new(vec![Arc::new(plain)], Vec::new());
        assert!(put_depends_on_stored(plain.get(ResourceKind::User)));
        assert!(!put_depends_on_stored(plain.get(ResourceKind::Group)));
        assert!(put_depends_on_stored(&users()));
        assert!(put_depends_on_stored(&groups()));
        for kind in ResourceKind::ALL {
            assert!(!put_depends_on_stored(ResourceTypes::standard().get(kind)));
        }
    }
}
