//! A schema as a whole, and the schemas of a tenant.

use serde::{Deserialize, Serialize};

use super::definition::{AttributeParts, attributes, description};
use super::{AttributeDefinition, SchemaUrn, single_key};
use crate::domain::Invalid;
use crate::domain::tenant::DisplayName;

/// The most bytes of a definition as JSON: sixteen of them fit into an answer.
const MAX_BYTES: usize = 131_072;

/// What a schema extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceType {
    /// Users.
    User,
    /// Groups.
    Group,
}

/// What a tenant says about a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaDefinition {
    urn: SchemaUrn,
    resource_type: ResourceType,
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    attributes: Vec<AttributeDefinition>,
}

/// A schema that a tenant registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionSchema {
    /// What the tenant says about it.
    pub definition: SchemaDefinition,
    /// When it was registered: microseconds since 1970, UTC.
    pub created_us: i64,
    /// When it last changed.
    pub updated_us: i64,
}

impl SchemaDefinition {
    /// Checks a definition that stands in field `schema` of a request.
    ///
    /// # Errors
    /// [`Invalid`]: out of bounds.
    pub fn new(
        urn: SchemaUrn,
        resource_type: ResourceType,
        name: &str,
        text: String,
        parts: Vec<AttributeParts>,
    ) -> Result<Self, Invalid> {
        let definition = Self {
            urn,
            resource_type,
            name: DisplayName::parse("schema.name", name)?.as_str().to_owned(),
            description: description("schema.description", text)?,
            attributes: attributes("schema.attributes", parts)?,
        };
        let bytes = serde_json::to_vec(&definition).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_BYTES {
            return Err(Invalid::new("schema", "must have at most 131,072 bytes as JSON"));
        }
        Ok(definition)
    }

    /// The URN.
    pub const fn urn(&self) -> &SchemaUrn {
        &self.urn
    }

    /// What it extends.
    pub const fn resource_type(&self) -> ResourceType {
        self.resource_type
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The attributes.
    pub fn attributes(&self) -> &[AttributeDefinition] {
        &self.attributes
    }

    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&AttributeDefinition> {
        self.attributes.iter().find(|attribute| attribute.name().is(name))
    }

    /// Whether nothing at all differs, not even the spelling of the URN.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self == other && self.urn.as_str() == other.urn.as_str()
    }

    /// The path of an attribute in filters and messages.
    pub fn path(&self, attribute: &AttributeDefinition, sub: Option<&AttributeDefinition>) -> String {
        let sub = sub.map(|sub| format!(".{}", sub.name_str())).unwrap_or_default();
        format!("{}:{}{sub}", self.urn.as_str(), attribute.name_str())
    }

    /// The attributes, each with a sub-attribute if only that is meant, whose values `next` could not keep. A changed
    /// spelling is such a thing: values stand under the names that were registered.
    pub fn lost_in(&self, next: &Self) -> Vec<Lost<'_>> {
        let respelled = self.urn.as_str() != next.urn.as_str();
        let mut lost = Vec::new();
        for attribute in &self.attributes {
            match next.attribute(attribute.name_str()) {
                Some(after) if !respelled && attribute.keeps_values_in(after) => {
                    let subs = attribute.sub_attributes().iter().filter(|sub| {
                        let after = after.sub_attribute(sub.name_str());
                        !after.is_some_and(|after| sub.keeps_values_in(after))
                    });
                    lost.extend(subs.map(|sub| (attribute, Some(sub))));
                }
                Some(_) | None => lost.push((attribute, None)),
            }
        }
        lost
    }

    /// The key of an attribute's path.
    pub fn key(&self, attribute: &AttributeDefinition, sub: Option<&AttributeDefinition>) -> String {
        single_key(&self.urn, attribute.name(), sub.map(AttributeDefinition::name))
    }
}

/// An attribute, or one of its sub-attributes.
pub type Lost<'a> = (&'a AttributeDefinition, Option<&'a AttributeDefinition>);

/// Schemas of a tenant: all of them, or those that a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaSet(Vec<ExtensionSchema>);

impl SchemaSet {
    /// A set of these.
    pub const fn new(schemas: Vec<ExtensionSchema>) -> Self {
        Self(schemas)
    }

    /// Every one of them.
    pub fn iter(&self) -> impl Iterator<Item = &ExtensionSchema> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every one of them.
    pub fn into_vec(self) -> Vec<ExtensionSchema> {
        self.0
    }

    /// The schema of this URN.
    pub fn find(&self, urn: &str) -> Option<&ExtensionSchema> {
        let of_urn = |schema: &&ExtensionSchema| schema.definition.urn.as_str().eq_ignore_ascii_case(urn);
        self.0.iter().find(of_urn)
    }
}
