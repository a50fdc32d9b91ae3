//! A resource: an attribute tree whose names and types are the schema's.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::attribute_path::{AttributePath, Named};
use super::error::ScimError;
use super::schema::{Attribute, COMMON, GROUP, Mutability, ResourceKind, ResourceType, Schema};
use super::value::{Reading, duplicate, read, required, wrong_type};

/// A user or a group as SCIM shows it.
///
/// Names are canonical, an extension's attributes are nested under its URN, and what is unassigned is absent: no nulls,
/// no empty arrays or objects. `schemas` is never among the attributes: it follows from what is there.
#[derive(Clone, PartialEq)]
pub struct Resource {
    /// Which kind of resource, and with which schemas.
    pub resource_type: Arc<ResourceType>,
    /// The attributes by their canonical names.
    pub attributes: Map<String, Value>,
}

impl Resource {
    /// A resource without attributes.
    pub fn new(resource_type: &Arc<ResourceType>) -> Self {
        Self {
            resource_type: resource_type.clone(),
            attributes: Map::new(),
        }
    }

    /// Reads the body of a POST or PUT.
    ///
    /// Names may be in any case and carry their URN. Read-only and unknown attributes are ignored, and so is `password`,
    /// which nobody keeps. `null`, `[]` and `{}` mean unassigned. An attribute that a tenant's schema requires is only
    /// missed where that extension has another value.
    ///
    /// # Errors
    /// 400 `invalidSyntax` for what is no JSON object or holds an attribute twice, 400 `invalidValue` for a value of the
    /// wrong type, and for a missing required attribute.
    pub fn parse(resource_type: &Arc<ResourceType>, body: Value) -> Result<Self, ScimError> {
        let Value::Object(members) = body else {
            return Err(ScimError::invalid_syntax(format!(
                "The body of a {} must be a JSON object.",
                resource_type.kind.name()
            )));
        };
        let mut reader = BodyReader {
            resource: Self::new(resource_type),
            seen: HashSet::new(),
        };
        let mut bare = Vec::new();
        for (name, value) in members {
            match Named::resolve(resource_type, &name) {
                Ok(Named::Schema(schema)) => reader.read_extension(&schema, value)?,
                Ok(Named::Attribute(path)) if path.sub_attribute.is_some() => {}
                Ok(Named::Attribute(path)) if path.is_extension() && !name.contains(':') => bare.push((path, value)),
                Ok(Named::Attribute(path)) => reader.read_attribute(path, value)?,
                Err(_) => {}
            }
        }
        // Entra's documented POST has extension attributes at the root as well (fixture 012): the nested ones win.
        for (path, value) in bare {
            if !reader.seen.contains(&path) {
                reader.read_attribute(path, value)?;
            }
        }
        reader.finish()
    }

    /// The value of an attribute, or of a sub-attribute of a single-valued attribute.
    pub fn get(&self, path: &AttributePath) -> Option<&Value> {
        let attributes = match path.is_extension() {
            true => self.attributes.get(&path.schema.id)?.as_object()?,
            false => &self.attributes,
        };
        let value = attributes.get(&path.attribute.name)?;
        match path.part_name() {
            Some(name) => value.get(name),
            None => Some(value),
        }
    }

    /// Sets a whole attribute, or takes it away.
    pub fn set(&mut self, path: &AttributePath, value: Option<Value>) {
        let name = path.attribute.name.as_str();
        if !path.is_extension() {
            match value {
                Some(value) => self.attributes.insert(name.to_owned(), value),
                None => self.attributes.remove(name),
            };
            return;
        }
        let id = path.schema.id.as_str();
        let mut extension = match self.attributes.remove(id) {
            Some(Value::Object(extension)) => extension,
            Some(_) | None => Map::new(),
        };
        match value {
            Some(value) => extension.insert(name.to_owned(), value),
            None => extension.remove(name),
        };
        if !extension.is_empty() {
            self.attributes.insert(id.to_owned(), Value::Object(extension));
        }
    }

    /// The attributes that are there.
    pub fn named(&self) -> impl Iterator<Item = AttributePath> {
        let core = &self.resource_type.schema;
        let core = COMMON
            .iter()
            .chain(&core.attributes)
            .map(move |attribute| (core, attribute));
        let extensions = self.resource_type.extensions.iter();
        let extensions = extensions.filter(|schema| self.attributes.contains_key(&schema.id));
        let extensions =
            extensions.flat_map(|schema| schema.attributes.iter().map(move |attribute| (schema, attribute)));
        let paths = core
            .chain(extensions)
            .map(|(schema, attribute)| AttributePath::whole(schema, attribute));
        paths.filter(|path| self.get(path).is_some())
    }

    /// Takes a whole attribute out.
    pub(super) fn take(&mut self, path: &AttributePath) -> Option<Value> {
        let attributes = match path.is_extension() {
            true => self.attributes.get_mut(&path.schema.id)?.as_object_mut()?,
            false => &mut self.attributes,
        };
        attributes.remove(&path.attribute.name)
    }

    /// The schemas whose attributes the resource has: the core one, and each extension that is there.
    pub fn schemas(&self) -> Vec<&str> {
        let extensions = self.resource_type.extensions.iter().map(|schema| schema.id.as_str());
        let present = extensions.filter(|id| self.attributes.contains_key(*id));
        std::iter::once(self.resource_type.schema.id.as_str())
            .chain(present)
            .collect()
    }
}

impl Resource {
    /// The attributes that a schema requires wherever its extension has any, and that are not there.
    pub(super) fn missing_in_extensions(&self) -> impl Iterator<Item = AttributePath> {
        let present = |path: &AttributePath| self.attributes.contains_key(&path.schema.id);
        required_of(&self.resource_type).filter(move |path| present(path) && self.get(path).is_none())
    }

    /// The attributes that a schema requires, and that are there.
    pub(super) fn required_in_extensions(&self) -> impl Iterator<Item = AttributePath> {
        required_of(&self.resource_type).filter(|path| self.get(path).is_some())
    }
}

/// What extensions require of a client, who cannot be asked for what it may not write.
fn required_of(resource_type: &ResourceType) -> impl Iterator<Item = AttributePath> {
    let is_asked_for = |attribute: &&Arc<Attribute>| attribute.required && attribute.mutability != Mutability::ReadOnly;
    resource_type.extensions.iter().flat_map(move |schema| {
        let required = schema.attributes.iter().filter(is_asked_for);
        required.map(|attribute| AttributePath::whole(schema, attribute))
    })
}

/// Names only: values are personal.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.attributes.keys().collect();
        f.debug_struct("Resource")
            .field("kind", &self.resource_type.kind)
            .field("attributes", &names)
            .finish()
    }
}

struct BodyReader {
    resource: Resource,
    seen: HashSet<AttributePath>,
}

impl BodyReader {
    fn read_extension(&mut self, schema: &Arc<Schema>, value: Value) -> Result<(), ScimError> {
        let is_read_only = schema
            .attributes
            .iter()
            .all(|attribute| attribute.mutability == Mutability::ReadOnly);
        let members = match value {
            Value::Object(members) => members,
            Value::Null => return Ok(()),
            _ if is_read_only => return Ok(()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(ScimError::invalid_value(format!(
                    "{} must be a JSON object.",
                    schema.id
                )));
            }
        };
        for (name, value) in members {
            if let Some(attribute) = schema.attribute(&name) {
                self.read_attribute(AttributePath::whole(schema, attribute), value)?;
            }
        }
        Ok(())
    }

    fn read_attribute(&mut self, path: AttributePath, value: Value) -> Result<(), ScimError> {
        if path.attribute.mutability == Mutability::ReadOnly {
            return Ok(());
        }
        if self.seen.contains(&path) {
            return Err(duplicate(&path));
        }
        let value = read(&path, value, Reading::Body)?;
        if !path.is_core("password") {
            self.resource.set(&path, value);
        }
        self.seen.insert(path);
        Ok(())
    }

    fn finish(self) -> Result<Resource, ScimError> {
        let schema = &self.resource.resource_type.schema;
        for attribute in schema.attributes.iter().filter(|attribute| attribute.required) {
            let is_blank = match self.resource.attributes.get(&attribute.name) {
                Some(value) => value.as_str().is_some_and(|text| text.trim().is_empty()),
                None => true,
            };
            if is_blank {
                return Err(required(&AttributePath::whole(schema, attribute)));
            }
        }
        if let Some(path) = self.resource.missing_in_extensions().next() {
            return Err(required(&path));
        }
        if self.resource.resource_type.kind == ResourceKind::Group {
            check_members(&self.resource)?;
        }
        Ok(self.resource)
    }
}

/// Every member needs a `value`; a group cannot be a member.
fn check_members(group: &Resource) -> Result<(), ScimError> {
    let path = GROUP
        .attribute("members")
        .map(|attribute| AttributePath::whole(&GROUP, attribute));
    let Some(path) = path else { return Ok(()) };
    let Some(Value::Array(members)) = group.get(&path) else {
        return Ok(());
    };
    members
        .iter()
        .try_for_each(|member| member_id(&path, member).map(|_| ()))
}

/// The id of the user that an element of `members` names.
///
/// # Errors
/// 400 `invalidValue` if there is no id, or if the element says that it is a group.
pub(super) fn member_id<'a>(path: &AttributePath, member: &'a Value) -> Result<&'a str, ScimError> {
    let text = |name: &str| member.get(name).and_then(Value::as_str);
    let id = text("value").filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| wrong_type(path, "a list of objects, each with the member's id as its value"))?;
    if text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("Group")) {
        return Err(ScimError::invalid_value(format!(
            "members names the group {id} as a member. Groups cannot be members here; send its users."
        )));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Resource;
    use crate::scim::error::{ScimError, ScimType};
    use crate::scim::schema::testing::{self, ACME};
    use crate::scim::schema::{ResourceKind, ResourceTypes};

    const ENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn parsed(kind: ResourceKind, body: Value) -> Result<Value, ScimError> {
        Resource::parse(ResourceTypes::standard().get(kind), body).map(|resource| Value::Object(resource.attributes))
    }

    #[test]
    fn a_body_becomes_canonical() {
        for (body, expected) in [
            (
                json!({
                    "schemas": ["urn:x"], "ID": 7, "externalId": "e", "USERNAME": "ada", "active": "True",
                    "emails": [{"Primary": "true", "type": "work", "Value": "a@b", "unknown": 1}],
                    "meta": {"resourceType": "User"}, "Name": {"FormaTted": "Ada", "givenName": null},
                    "roles": [], "groups": "x", "password": "secret", "shoeSize": 43, "name.givenName": "x",
                    "urn:ietf:params:scim:schemas:core:2.0:User:title": "Dr",
                    "urn:rollcall:params:scim:schemas:extension:status:2.0:User": {"blocked": true},
                    "urn:ietf:params:scim:schemas:extension:Acme:2.0:User": {"costCode": "77"},
                    "URN:ietf:params:scim:schemas:extension:enterprise:2.0:user": {"Department": "R&D"},
                }),
                json!({
                    "externalId": "e", "userName": "ada", "active": true, "title": "Dr", "name": {"formatted": "Ada"},
                    "emails": [{"primary": true, "type": "work", "value": "a@b"}], ENT: {"department": "R&D"},
                }),
            ),
            (
                json!({"userName": "ada", "active": null, "addresses": null, "title": null, "department": null,
                       "manager": null, ENT: {"manager": null}, "name": {}, "emails": [null, {}]}),
                json!({"userName": "ada"}),
            ),
            (
                json!({"userName": "ada", "department": null, ENT: {"department": "Sales"}}),
                json!({"userName": "ada", ENT: {"department": "Sales"}}),
            ),
            (
                json!({"userName": "ada", "department": "Root", "manager": "7"}),
                json!({"userName": "ada", ENT: {"department": "Root", "manager": {"value": "7"}}}),
            ),
            (
                json!({"userName": "ada", ENT: {"manager": {"value": "7", "$ref": null, "displayName": "Boss"}}}),
                json!({"userName": "ada", ENT: {"manager": {"value": "7"}}}),
            ),
            (
                json!({"userName": "ada", ENT: {"manager": []}}),
                json!({"userName": "ada"}),
            ),
            (
                json!({"userName": "ada", "title": ""}),
                json!({"userName": "ada", "title": ""}),
            ),
        ] {
            assert_eq!(parsed(ResourceKind::User, body), Ok(expected));
        }
        assert_eq!(
            parsed(
                ResourceKind::Group,
                json!({"displayName": "G", "members": [{"$ref": null, "value": "u", "display": "x"}]})
            ),
            Ok(json!({"displayName": "G", "members": [{"value": "u"}]}))
        );
    }

    #[test]
    fn a_refused_body_names_attribute_and_rule() {
        use ScimType::{InvalidSyntax, InvalidValue};
        for (body, scim_type, detail) in [
            (json!([]), InvalidSyntax, "The body of a User must be a JSON object."),
            (
                json!({}),
                InvalidValue,
                "userName is required and must not be blank; send a value.",
            ),
            (
                json!({"userName": " "}),
                InvalidValue,
                "userName is required and must not be blank; send a value.",
            ),
            (json!({"userName": 7}), InvalidValue, "userName must be a JSON string."),
            (
                json!({"userName": "a", "UserName": "b"}),
                InvalidSyntax,
                "userName stands more than once in one JSON object; send it once.",
            ),
            (
                json!({"userName": "a", "name": {"givenName": "a", "GivenName": null}}),
                InvalidSyntax,
                "name.givenName stands more than once in one JSON object; send it once.",
            ),
            (
                json!({"userName": "a", "active": "yes"}),
                InvalidValue,
                "active must be a JSON boolean, true or false.",
            ),
            (
                json!({"userName": "a", "emails": {"value": "x"}}),
                InvalidValue,
                "emails must be a JSON array.",
            ),
            (
                json!({"userName": "a", "emails": ["x"]}),
                InvalidValue,
                "emails must be a JSON object.",
            ),
            (
                json!({"userName": "a", "emails": [{"value": 1}]}),
                InvalidValue,
                "emails.value must be a JSON string.",
            ),
            (
                json!({"userName": "a", "name": "x"}),
                InvalidValue,
                "name must be a JSON object.",
            ),
            (
                json!({"userName": "a", ENT: "x"}),
                InvalidValue,
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User must be a JSON object.",
            ),
            (
                json!({"userName": "a\0b"}),
                InvalidValue,
                "userName holds the character U+0000, which is not allowed; take it out.",
            ),
        ] {
            assert_eq!(
                parsed(ResourceKind::User, body),
                Err(ScimError::typed(400, scim_type, detail))
            );
        }
        for body in [
            json!({"members": []}),
            json!({"displayName": "G", "members": [{"value": "g", "type": "Group"}]}),
            json!({"displayName": "G", "members": [{"type": "User"}]}),
            json!({"displayName": "G", "members": ["u"]}),
        ] {
            assert_eq!(
                parsed(ResourceKind::Group, body).unwrap_err().scim_type,
                Some(InvalidValue)
            );
        }
    }

    #[test]
    fn debug_output_shows_names_and_no_values() {
        let users = ResourceTypes::standard().get(ResourceKind::User);
        let resource = Resource::parse(users, json!({"userName": "ada@example.com"})).unwrap();
        assert_eq!(
            format!("{resource:?}"),
            "Resource { kind: User, attributes: [\"userName\"] }"
        );
    }

    #[test]
    fn values_of_registered_extensions_are_read_by_their_types() {
        let body = json!({"userName": "ada", "level": 3, ACME.to_uppercase(): {
            "CostCode": "7", "pin": "0", "secret": "s", "grade": "ignored", "unknown": 1,
            "level": 7.0, "levels": [1, null, 2], "rate": 5, "remote": "True", "hired": "2026-01-31T12:00:00Z",
            "wiki": "https://x", "key": "AA==", "desk": {"Room": "1", "floor": "ignored", "plan": null},
            "cars": [{"value": "c", "type": "t"}, {"type": "t"}], "tags": [],
        }, "urn:other:User": {"x": {"y": 1}}});

        let user = Resource::parse(&testing::users(), body).unwrap();

        assert_eq!(
            Value::Object(user.attributes),
            json!({"userName": "ada", ACME: {
                "costCode": "7", "pin": "0", "secret": "s", "level": 7, "levels": [1, 2], "rate": 5.0, "remote": true,
                "hired": "2026-01-31T12:00:00Z", "wiki": "https://x", "key": "AA==", "desk": {"room": "1"},
                "cars": [{"value": "c", "type": "t"}, {"type": "t"}],
            }})
        );
    }

    #[test]
    fn a_registered_extension_requires_what_it_requires_where_it_is() {
        let parsed = |extension: Value| {
            Resource::parse(&testing::users(), json!({"userName": "ada", ACME: extension})).map(|_| ())
        };
        for absent in [json!(null), json!({}), json!({"tags": []}), json!({"grade": "A"})] {
            assert_eq!(parsed(absent), Ok(()));
        }
        assert_eq!(
            parsed(json!({"level": 1})),
            Err(ScimError::invalid_value(format!(
                "{ACME}:costCode is required and must not be blank; send a value."
            )))
        );
        assert_eq!(
            parsed(json!({"costCode": "7", "level": "seven"})),
            Err(ScimError::invalid_value(format!(
                "{ACME}:level must be a whole JSON number from -9007199254740991 to 9007199254740991."
            )))
        );
    }
}
