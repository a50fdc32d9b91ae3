//! Which attributes an answer has: `attributes`, `excludedAttributes`, and the schema's `returned` (RFC 7644 §3.9,
//! RFC 7643 §7).

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::attribute_path::{AttributePath, Named};
use super::error::ScimError;
use super::resource::Resource;
use super::schema::{Attribute, COMMON, Kind, ResourceType, Returned, Schema};

/// What a request wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    resource_type: Arc<ResourceType>,
    selection: Selection,
    /// What a write named: an attribute that is returned on request is shown then, too.
    written: Names,
    /// How each attribute is shown: those of the core schema, the common ones first, then those of each extension.
    plan: Vec<Vec<Shown>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selection {
    Default,
    Only(Names),
    Without(Names),
}

/// Attributes, sub-attributes, and schemas by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    paths: HashSet<AttributePath>,
    schemas: HashSet<String>,
}

/// How much of one attribute is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    Nothing,
    Whole,
    /// Of a complex attribute, these sub-attributes.
    Parts(Vec<Arc<Attribute>>),
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
            (Some(attributes), None) => Selection::Only(Names::read(resource_type, attributes)),
            (None, Some(excluded)) => Selection::Without(Names::read(resource_type, excluded)),
            (None, None) => Selection::Default,
        };
        Ok(Self::new(resource_type.clone(), selection, Names::default()))
    }

    fn new(resource_type: Arc<ResourceType>, selection: Selection, written: Names) -> Self {
        let mut projection = Self {
            resource_type,
            selection,
            written,
            plan: Vec::new(),
        };
        let resource_type = &projection.resource_type;
        let shown = |schema: &Arc<Schema>, attribute: &Arc<Attribute>| {
            projection.shown(&AttributePath::whole(schema, attribute))
        };
        let core = COMMON.iter().chain(&resource_type.schema.attributes);
        let core = core.map(|attribute| shown(&resource_type.schema, attribute)).collect();
        let extensions = resource_type.extensions.iter();
        let extensions = extensions.map(|schema| {
            let attributes = schema.attributes.iter();
            attributes.map(|attribute| shown(schema, attribute)).collect()
        });
        projection.plan = std::iter::once(core).chain(extensions).collect();
        projection
    }

    /// The projection of the answer to a write that named these attributes: what is returned on request is shown if it
    /// was written (RFC 7643 §7), unless the request names what it wants to see.
    pub fn after_write(self, named: impl IntoIterator<Item = AttributePath>) -> Self {
        let mut written = Names::default();
        for path in named {
            // A whole attribute is written with all its parts.
            let parts = path
                .attribute
                .sub_attributes
                .iter()
                .filter(|_| path.sub_attribute.is_none());
            written.paths.extend(parts.map(|part| path.with(part)));
            written.paths.insert(path.without_sub_attribute());
            written.paths.insert(path);
        }
        Self::new(self.resource_type, self.selection, written)
    }

    /// Whether the request itself named attributes to return.
    pub const fn names_attributes(&self) -> bool {
        matches!(self.selection, Selection::Only(_))
    }

    /// Whether any part of the attribute of this name is wanted, so that what is not need not be read.
    pub fn wants(&self, name: &str) -> bool {
        AttributePath::resolve(&self.resource_type, name).is_ok_and(|path| {
            match self.shown(&path.without_sub_attribute()) {
                Shown::Nothing => false,
                Shown::Whole => true,
                Shown::Parts(parts) => path.sub_attribute.is_none_or(|part| parts.contains(&part)),
            }
        })
    }

    /// The answer's JSON: the wanted attributes, and `schemas` of what is left.
    pub fn apply(&self, resource: Resource) -> Value {
        let Resource {
            resource_type,
            mut attributes,
        } = resource;
        let mut shown = Resource::new(&resource_type);
        let mut plan = self.plan.iter().map(Vec::as_slice);
        let core = COMMON.iter().chain(&resource_type.schema.attributes);
        shown.attributes = cut(&mut attributes, core, plan.next().unwrap_or_default());
        for (schema, plan) in resource_type.extensions.iter().zip(plan) {
            if let Some(Value::Object(mut extension)) = attributes.remove(&schema.id) {
                let extension = cut(&mut extension, &schema.attributes, plan);
                if !extension.is_empty() {
                    shown.attributes.insert(schema.id.clone(), Value::Object(extension));
                }
            }
        }
        let schemas = shown.schemas().into();
        shown.attributes.insert("schemas".to_owned(), schemas);
        Value::Object(shown.attributes)
    }

    /// How much of a whole attribute is shown.
    fn shown(&self, whole: &AttributePath) -> Shown {
        if whole.is_hidden() {
            return Shown::Nothing;
        }
        let is_wanted = self.wants_whole(whole);
        let attribute = &whole.attribute;
        if attribute.kind != Kind::Complex {
            let element = whole.find_part("value");
            return match (is_wanted, element) {
                (wanted, Some(element)) if self.wants_part(&element, wanted) => Shown::Whole,
                (true, None) => Shown::Whole,
                (false, None) | (_, Some(_)) => Shown::Nothing,
            };
        }
        let parts = attribute.sub_attributes.iter();
        let parts: Vec<_> = parts
            .filter(|part| self.wants_part(&whole.with(part), is_wanted))
            .cloned()
            .collect();
        match parts.len() {
            0 => Shown::Nothing,
            count if count == attribute.sub_attributes.len() => Shown::Whole,
            _ => Shown::Parts(parts),
        }
    }

    fn wants_whole(&self, path: &AttributePath) -> bool {
        match (path.attribute.returned, &self.selection) {
            (Returned::Never, _) => false,
            (Returned::Always, _) | (Returned::Default, Selection::Default) => true,
            (Returned::Default | Returned::Request, Selection::Only(names)) => names.has(path),
            (Returned::Default, Selection::Without(names)) => !names.has(path),
            (Returned::Request, Selection::Default) => self.written.has(path),
            (Returned::Request, Selection::Without(names)) => self.written.has(path) && !names.has(path),
        }
    }

    /// Whether a sub-attribute is shown of an attribute that is wanted as a whole, or not.
    fn wants_part(&self, path: &AttributePath, is_whole_wanted: bool) -> bool {
        let is_element = path.attribute.kind != Kind::Complex; // which has no characteristics of its own
        let returned = if is_element {
            Returned::Default
        } else {
            path.target().returned
        };
        match (returned, &self.selection) {
            (_, _) if path.is_hidden() => false,
            (Returned::Never, _) => false,
            (Returned::Always, _) => true,
            (Returned::Default, Selection::Default) => is_whole_wanted,
            (Returned::Default, Selection::Only(names)) => is_whole_wanted || names.paths.contains(path),
            (Returned::Default, Selection::Without(names)) => is_whole_wanted && !names.paths.contains(path),
            (Returned::Request, Selection::Default) => self.written.paths.contains(path),
            (Returned::Request, Selection::Only(names)) => names.paths.contains(path),
            (Returned::Request, Selection::Without(names)) => {
                self.written.paths.contains(path) && !names.paths.contains(path)
            }
        }
    }
}

impl Names {
    fn read(resource_type: &ResourceType, names: &str) -> Self {
        let mut read = Self::default();
        for name in names.split(',') {
            match Named::resolve(resource_type, name.trim()) {
                Ok(Named::Attribute(path)) => {
                    read.paths.insert(path);
                }
                Ok(Named::Schema(schema)) => {
                    read.schemas.insert(schema.id.clone());
                }
                Err(_) => {}
            }
        }
        read
    }

    /// Whether an attribute is named as a whole.
    fn has(&self, path: &AttributePath) -> bool {
        self.paths.contains(path) || self.schemas.contains(&path.schema.id)
    }
}

/// What is shown of the attributes of one schema.
fn cut<'a>(
    values: &mut Map<String, Value>,
    attributes: impl IntoIterator<Item = &'a Arc<Attribute>>,
    plan: &[Shown],
) -> Map<String, Value> {
    let attributes = attributes.into_iter().zip(plan);
    attributes
        .filter_map(|(attribute, shown)| {
            let value = values.remove(&attribute.name)?;
            Some((attribute.name.clone(), shown.cut(value)?))
        })
        .collect()
}

impl Shown {
    fn cut(&self, value: Value) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::Whole => Some(value),
            Self::Parts(parts) => keep(value, parts),
        }
    }
}

/// What is left of a complex value if only some sub-attributes are kept.
fn keep(value: Value, kept: &[Arc<Attribute>]) -> Option<Value> {
    match value {
        Value::Object(mut parts) => {
            parts.retain(|name, _| kept.iter().any(|part| part.name == *name));
            (!parts.is_empty()).then_some(Value::Object(parts))
        }
        Value::Array(elements) => {
            let elements = elements.into_iter().filter_map(|element| keep(element, kept));
            let elements: Vec<Value> = elements.collect();
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::Projection;
    use crate::scim::attribute_path::AttributePath;
    use crate::scim::error::ScimError;
    use crate::scim::resource::Resource;
    use crate::scim::schema::testing::{self, ACME};
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

    /// What is shown of an extension with every characteristic.
    fn shown(attributes: Option<&str>, excluded: Option<&str>, written: &[&str]) -> Value {
        let Value::Object(attributes_of_ada) = json!({"id": "1", "userName": "ada", ACME: {
            "costCode": "7", "pin": "0", "secret": "s", "notes": "n", "serial": "x",
            "tags": ["a"], "desk": {"room": "1", "code": "c", "plan": "p"},
        }}) else {
            unreachable!()
        };
        let ada = Resource {
            resource_type: testing::users(),
            attributes: attributes_of_ada,
        };
        let written: Vec<_> = written
            .iter()
            .map(|name| AttributePath::resolve(&ada.resource_type, name).unwrap())
            .collect();
        let projection = Projection::parse(&ada.resource_type, attributes, excluded).unwrap();
        let mut body = projection.after_write(written).apply(ada);
        assert_eq!(body["schemas"].as_array().unwrap().len(), 2);
        body[ACME].take()
    }

    #[test]
    fn attributes_are_returned_as_their_schema_says() {
        let ordinary = json!({"costCode": "7", "serial": "x", "tags": ["a"], "desk": {"room": "1"}});
        let with_notes = json!({"costCode": "7", "serial": "x", "tags": ["a"], "desk": {"room": "1"}, "notes": "n"});
        let urn = |name: &str| format!("{ACME}:{name}");
        for (attributes, excluded, written, expected) in [
            (None, None, &[][..], ordinary.clone()),
            (Some("id".to_owned()), None, &[], json!({"serial": "x"})),
            (Some(urn("NOTES")), None, &[], json!({"serial": "x", "notes": "n"})),
            (
                Some("pin,secret,desk.code".to_owned()),
                None,
                &[],
                json!({"serial": "x"}),
            ),
            (
                Some(urn("desk")),
                None,
                &[],
                json!({"serial": "x", "desk": {"room": "1"}}),
            ),
            (
                Some(urn("desk.plan")),
                None,
                &[],
                json!({"serial": "x", "desk": {"plan": "p"}}),
            ),
            (
                Some(urn("tags.value")),
                None,
                &[],
                json!({"serial": "x", "tags": ["a"]}),
            ),
            (Some(ACME.to_uppercase()), None, &[], with_notes.clone()),
            (None, Some(ACME.to_owned()), &[], json!({"serial": "x"})),
            (None, Some(format!("{},{}", urn("serial"), urn("tags.value"))), &[], {
                json!({"costCode": "7", "serial": "x", "desk": {"room": "1"}})
            }),
            (
                None,
                Some(urn("desk.room")),
                &[],
                json!({"costCode": "7", "serial": "x", "tags": ["a"]}),
            ),
            (None, None, &["notes"], with_notes),
            (None, Some(urn("notes")), &["notes", "secret", "pin"], ordinary),
            (None, None, &["desk"], {
                json!({"costCode": "7", "serial": "x", "tags": ["a"], "desk": {"room": "1", "plan": "p"}})
            }),
            (Some("id".to_owned()), None, &["notes"], json!({"serial": "x"})),
        ] {
            let seen = shown(attributes.as_deref(), excluded.as_deref(), written);
            assert_eq!(seen, expected, "{attributes:?} {excluded:?} {written:?}");
        }
    }
}
