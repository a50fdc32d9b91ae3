//! Which attributes an answer has: `attributes`, `excludedAttributes`, and the schema's `returned` (RFC 7644 §3.9).

use std::sync::Arc;

use serde_json::Value;

use super::attribute_path::{AttributePath, Named};
use super::error::ScimError;
use super::resource::Resource;
use super::schema::{Attribute, COMMON, ResourceType, Returned, Schema};

/// What a request wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    resource_type: Arc<ResourceType>,
    selection: Selection,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selection {
    Default,
    Only(Vec<Named>),
    Without(Vec<Named>),
}

/// How much of one attribute is shown.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    Whole,
    Only(Vec<&'a str>),
    Without(Vec<&'a str>),
}

impl Projection {
    /// Reads the two query parameters: comma-separated names in any case. Unknown names are ignored; a URN alone names
    /// all attributes of its schema.
    ///
    /// # Errors
    /// 400 `invalidValue` if both are there: they exclude each other.
    pub fn parse(
        resource_type: &Arc<ResourceType>,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Result<Self, ScimError> {
        let given = |text: &&str| !text.trim().is_empty();
        let selection = match (attributes.filter(given), excluded.filter(given)) {
            (Some(_), Some(_)) => {
                return Err(ScimError::invalid_value(
                    "attributes and excludedAttributes exclude each other; send one of them.",
                ));
            }
            (Some(attributes), None) => Selection::Only(resolve(resource_type, attributes)),
            (None, Some(excluded)) => Selection::Without(resolve(resource_type, excluded)),
            (None, None) => Selection::Default,
        };
        Ok(Self {
            resource_type: resource_type.clone(),
            selection,
        })
    }

    /// Whether the request itself named attributes to return.
    pub const fn names_attributes(&self) -> bool {
        matches!(self.selection, Selection::Only(_))
    }

    /// Whether any part of the attribute of this name is wanted, so that what is not need not be read.
    pub fn wants(&self, name: &str) -> bool {
        AttributePath::resolve(&self.resource_type, name).is_ok_and(|path| self.wants_path(&path))
    }

    fn wants_path(&self, path: &AttributePath) -> bool {
        let name = path.part_name();
        match self.shown(&path.schema, &path.attribute) {
            Shown::Nothing => false,
            Shown::Whole => true,
            Shown::Only(names) => name.is_none_or(|name| names.contains(&name)),
            Shown::Without(names) => name.is_none_or(|name| !names.contains(&name)),
        }
    }

    /// The answer's JSON: the wanted attributes, and `schemas` of what is left.
    pub fn apply(&self, resource: Resource) -> Value {
        let Resource {
            resource_type,
            mut attributes,
        } = resource;
        let mut shown = Resource::new(&resource_type);
        let core = &resource_type.schema;
        for attribute in COMMON.iter().chain(&core.attributes) {
            let value = attributes.remove(&attribute.name);
            let value = value.and_then(|value| self.shown(core, attribute).cut(value));
            shown.set(&AttributePath::whole(core, attribute), value);
        }
        for schema in &resource_type.extensions {
            let Some(Value::Object(mut extension)) = attributes.remove(&schema.id) else {
                continue;
            };
            for attribute in &schema.attributes {
                let value = extension.remove(&attribute.name);
                let value = value.and_then(|value| self.shown(schema, attribute).cut(value));
                shown.set(&AttributePath::whole(schema, attribute), value);
            }
        }
        let schemas = shown.schemas().into();
        shown.attributes.insert("schemas".to_owned(), schemas);
        Value::Object(shown.attributes)
    }

    fn shown(&self, schema: &Arc<Schema>, attribute: &Arc<Attribute>) -> Shown<'_> {
        let whole = AttributePath::whole(schema, attribute);
        let is_named = |names: &[Named]| {
            names.iter().any(|named| match named {
                Named::Attribute(path) => *path == whole,
                Named::Schema(named) => named == schema,
            })
        };
        match (attribute.returned, &self.selection) {
            (Returned::Never, _) => Shown::Nothing,
            (Returned::Always, _) | (Returned::Default, Selection::Default) => Shown::Whole,
            (Returned::Default | Returned::Request, Selection::Only(names)) if is_named(names) => Shown::Whole,
            (Returned::Default | Returned::Request, Selection::Only(names)) => match parts_of(names, &whole) {
                parts if parts.is_empty() => Shown::Nothing,
                parts => Shown::Only(parts),
            },
            (Returned::Default, Selection::Without(names)) if is_named(names) => Shown::Nothing,
            (Returned::Default, Selection::Without(names)) => match parts_of(names, &whole) {
                parts if parts.is_empty() => Shown::Whole,
                parts => Shown::Without(parts),
            },
            (Returned::Request, Selection::Default | Selection::Without(_)) => Shown::Nothing,
        }
    }
}

impl Shown<'_> {
    fn cut(&self, value: Value) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::Whole => Some(value),
            Self::Only(names) => keep(value, &|name| names.contains(&name)),
            Self::Without(names) => keep(value, &|name| !names.contains(&name)),
        }
    }
}

/// What is left of a complex value if only some sub-attributes are kept. Simple values are their own `value`.
fn keep(value: Value, is_kept: &dyn Fn(&str) -> bool) -> Option<Value> {
    match value {
        Value::Object(mut parts) => {
            parts.retain(|name, _| is_kept(name));
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        Value::Array(elements) => {
            let elements: Vec<Value> = elements
                .into_iter()
                .filter_map(|element| keep(element, is_kept))
                .collect();
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
        simple => is_kept("value").then_some(simple),
    }
}

/// The sub-attributes of `whole` that are named.
fn parts_of<'a>(names: &'a [Named], whole: &AttributePath) -> Vec<&'a str> {
    names
        .iter()
        .filter_map(|named| match named {
            Named::Attribute(path) if path.without_sub_attribute() == *whole => path.part_name(),
            Named::Attribute(_) | Named::Schema(_) => None,
        })
        .collect()
}

fn resolve(resource_type: &ResourceType, names: &str) -> Vec<Named> {
    names
        .split(',')
        .filter_map(|name| Named::resolve(resource_type, name.trim()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::Projection;
    use crate::scim::error::ScimError;
    use crate::scim::resource::Resource;
    use crate::scim::schema::{ResourceKind, ResourceType, ResourceTypes};

    const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    const ENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn users() -> &'static Arc<ResourceType> {
        ResourceTypes::standard().get(ResourceKind::User)
    }

    fn user() -> Resource {
        let Value::Object(attributes) = json!({
            "id": "1", "userName": "ada", "name": {"givenName": "Ada", "familyName": "L"},
            "emails": [{"value": "a@b", "type": "work"}, {"value": "c@d"}],
            ENT: {"department": "R&D", "manager": {"value": "2"}},
            "password": "never", "meta": {"resourceType": "User"},
        }) else {
            unreachable!()
        };
        Resource {
            resource_type: users().clone(),
            attributes,
        }
    }

    #[test]
    fn attributes_and_excluded_attributes_choose_what_is_shown() {
        let everything = json!({
            "schemas": [CORE, ENT], "id": "1", "userName": "ada", "name": {"givenName": "Ada", "familyName": "L"},
            "emails": [{"value": "a@b", "type": "work"}, {"value": "c@d"}],
            ENT: {"department": "R&D", "manager": {"value": "2"}}, "meta": {"resourceType": "User"},
        });
        let only_id = json!({"schemas": [CORE], "id": "1"});
        for (attributes, excluded, expected) in [
            (None, None, everything.clone()),
            (Some(" "), None, everything.clone()),
            (None, Some(""), everything),
            (Some("id"), None, only_id.clone()),
            (Some("password,shoeSize"), None, only_id),
            (
                Some("USERNAME"),
                None,
                json!({"schemas": [CORE], "id": "1", "userName": "ada"}),
            ),
            (
                Some("name.givenname, emails.type"),
                None,
                json!({"schemas": [CORE], "id": "1", "name": {"givenName": "Ada"}, "emails": [{"type": "work"}]}),
            ),
            (
                Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"),
                None,
                json!({"schemas": [CORE, ENT], "id": "1", ENT: {"department": "R&D"}}),
            ),
            (
                Some(ENT),
                None,
                json!({"schemas": [CORE, ENT], "id": "1", ENT: {"department": "R&D", "manager": {"value": "2"}}}),
            ),
            (
                None,
                Some("id,meta,emails.type,name,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"),
                json!({"schemas": [CORE], "id": "1", "userName": "ada",
                       "emails": [{"value": "a@b"}, {"value": "c@d"}]}),
            ),
        ] {
            let projection = Projection::parse(users(), attributes, excluded).unwrap();
            assert_eq!(projection.apply(user()), expected, "{attributes:?} {excluded:?}");
        }
    }

    #[test]
    fn both_parameters_together_are_refused() {
        assert_eq!(
            Projection::parse(users(), Some("id"), Some("name")),
            Err(ScimError::invalid_value(
                "attributes and excludedAttributes exclude each other; send one of them."
            ))
        );
    }

    #[test]
    fn what_is_not_wanted_need_not_be_read() {
        let groups = |attributes, excluded| {
            Projection::parse(users(), attributes, excluded)
                .unwrap()
                .wants("groups")
        };
        assert!(groups(None, None));
        assert!(!groups(Some("id"), None));
        assert!(groups(Some("Groups.value"), None));
        assert!(!groups(None, Some("groups")));
        assert!(groups(None, Some("groups.display")));

        let members = Projection::parse(
            ResourceTypes::standard().get(ResourceKind::Group),
            None,
            Some("members"),
        )
        .unwrap();
        assert!(!members.wants("members"));
        assert!(members.wants("displayName"));
        assert!(members.wants("id"));
        assert!(!members.wants("shoeSize"));
    }
}
