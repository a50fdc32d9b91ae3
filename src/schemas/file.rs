//! A schema in the form of RFC 7643 §7, read strictly: a misspelt characteristic is not passed over.

use directory_proto::v1::{self, attribute_definition as wire, extension_schema};
use serde::{Deserialize, Serialize};

use crate::output::{Record, Row, rfc3339, to_the_second};

/// A schema as `/Schemas` shows it, and what it extends.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schema {
    /// Always the same URN; it may be left out.
    #[serde(default, skip_serializing)]
    schemas: Vec<String>,
    /// The URN.
    pub id: String,
    resource_type: ResourceType,
    name: String,
    #[serde(default)]
    description: String,
    attributes: Vec<Attribute>,
    /// What the directory says about it; on input ignored.
    #[serde(default)]
    meta: Meta,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum ResourceType {
    User,
    Group,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Meta {
    #[serde(default, skip_serializing)]
    resource_type: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    last_modified: Option<String>,
    #[serde(default, skip_serializing)]
    location: Option<String>,
    #[serde(default, skip_serializing)]
    version: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attribute {
    name: String,
    #[serde(default)]
    r#type: Type,
    #[serde(default)]
    multi_valued: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    required: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    canonical_values: Vec<String>,
    #[serde(default)]
    case_exact: bool,
    #[serde(default)]
    mutability: Mutability,
    #[serde(default)]
    returned: Returned,
    #[serde(default)]
    uniqueness: Uniqueness,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reference_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sub_attributes: Vec<Self>,
}

/// An enumeration of RFC 7643 §7 beside that of the contract.
macro_rules! characteristic {
    ($name:ident { $default:ident $(, $other:ident)* }) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        enum $name {
            #[default]
            $default,
            $($other,)*
        }

        impl From<$name> for wire::$name {
            fn from(own: $name) -> Self {
                match own {
                    $name::$default => Self::$default,
                    $($name::$other => Self::$other,)*
                }
            }
        }

        impl From<wire::$name> for $name {
            fn from(wire: wire::$name) -> Self {
                match wire {
                    wire::$name::Unspecified | wire::$name::$default => Self::$default,
                    $(wire::$name::$other => Self::$other,)*
                }
            }
        }
    };
}

characteristic! { Type { String, Boolean, Decimal, Integer, DateTime, Reference, Binary, Complex } }
characteristic! { Mutability { ReadWrite, ReadOnly, Immutable, WriteOnly } }
characteristic! { Returned { Default, Always, Never, Request } }
characteristic! { Uniqueness { None, Server, Global } }

impl Schema {
    /// The message.
    pub fn into_wire(self) -> v1::ExtensionSchema {
        let resource_type = match self.resource_type {
            ResourceType::User => extension_schema::ResourceType::User,
            ResourceType::Group => extension_schema::ResourceType::Group,
        };
        v1::ExtensionSchema {
            id: self.id,
            resource_type: resource_type.into(),
            name: self.name,
            description: self.description,
            attributes: self.attributes.into_iter().map(Attribute::into_wire).collect(),
            ..Default::default()
        }
    }
}

impl Attribute {
    fn into_wire(self) -> v1::AttributeDefinition {
        v1::AttributeDefinition {
            name: self.name,
            r#type: wire::Type::from(self.r#type).into(),
            sub_attributes: self.sub_attributes.into_iter().map(Self::into_wire).collect(),
            multi_valued: self.multi_valued,
            description: self.description,
            required: self.required,
            canonical_values: self.canonical_values,
            case_exact: self.case_exact,
            mutability: wire::Mutability::from(self.mutability).into(),
            returned: wire::Returned::from(self.returned).into(),
            uniqueness: wire::Uniqueness::from(self.uniqueness).into(),
            reference_types: self.reference_types,
        }
    }

    fn line(&self) -> String {
        let kind = serde_json::to_value(self.r#type).ok();
        let kind = kind
            .and_then(|kind| kind.as_str().map(ToOwned::to_owned))
            .unwrap_or_default();
        let mut line = format!("{}: {kind}", self.name);
        for (holds, word) in [
            (self.multi_valued, "list"),
            (self.required, "required"),
            (self.uniqueness == Uniqueness::Server, "unique"),
        ] {
            if holds {
                line.push_str(&format!(", {word}"));
            }
        }
        if !self.sub_attributes.is_empty() {
            let subs: Vec<_> = self.sub_attributes.iter().map(Self::line).collect();
            line.push_str(&format!(" ({})", subs.join("; ")));
        }
        line
    }
}

impl From<v1::AttributeDefinition> for Attribute {
    fn from(wire: v1::AttributeDefinition) -> Self {
        Self {
            r#type: wire.r#type().into(),
            mutability: wire.mutability().into(),
            returned: wire.returned().into(),
            uniqueness: wire.uniqueness().into(),
            name: wire.name,
            multi_valued: wire.multi_valued,
            description: wire.description,
            required: wire.required,
            canonical_values: wire.canonical_values,
            case_exact: wire.case_exact,
            reference_types: wire.reference_types,
            sub_attributes: wire.sub_attributes.into_iter().map(Self::from).collect(),
        }
    }
}

impl From<v1::ExtensionSchema> for Schema {
    fn from(wire: v1::ExtensionSchema) -> Self {
        let resource_type = match wire.resource_type() {
            extension_schema::ResourceType::Unspecified | extension_schema::ResourceType::User => ResourceType::User,
            extension_schema::ResourceType::Group => ResourceType::Group,
        };
        Self {
            schemas: Vec::new(),
            id: wire.id,
            resource_type,
            name: wire.name,
            description: wire.description,
            attributes: wire.attributes.into_iter().map(Attribute::from).collect(),
            meta: Meta {
                created: wire.create_time.map(|time| rfc3339(time.seconds, time.nanos)),
                last_modified: wire.update_time.map(|time| rfc3339(time.seconds, time.nanos)),
                ..Meta::default()
            },
        }
    }
}

impl Row for Schema {
    const COLUMNS: &[&str] = &["URN", "EXTENDS", "NAME", "ATTRIBUTES", "UPDATED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            format!("{:?}", self.resource_type),
            self.name.clone(),
            self.attributes.len().to_string(),
            to_the_second(self.meta.last_modified.as_ref()),
        ]
    }
}

impl Record for Schema {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("URN", self.id.clone()),
            ("Extends", format!("{:?}", self.resource_type)),
            ("Name", self.name.clone()),
            ("Description", self.description.clone()),
        ];
        lines.extend(self.attributes.iter().map(|attribute| ("Attribute", attribute.line())));
        lines.extend([
            ("Created", to_the_second(self.meta.created.as_ref())),
            ("Updated", to_the_second(self.meta.last_modified.as_ref())),
        ]);
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn file() -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": "urn:acme:User",
            "resourceType": "User",
            "name": "Acme",
            "description": "What Acme knows of its people",
            "attributes": [
                {"name": "badge", "type": "string", "uniqueness": "server", "required": true, "caseExact": true},
                {"name": "offices", "type": "complex", "multiValued": true, "subAttributes": [{"name": "floor", "type": "integer"}]},
            ],
            "meta": {"resourceType": "Schema", "location": "/v2/Schemas/urn:acme:User"},
        })
    }

    #[test]
    fn a_file_becomes_a_message_and_a_message_a_file_that_can_be_registered() {
        let schema: Schema = serde_json::from_value(file()).unwrap();
        assert_eq!(
            schema.attributes.iter().map(Attribute::line).collect::<Vec<_>>(),
            [
                "badge: string, required, unique",
                "offices: complex, list (floor: integer)"
            ]
        );

        let wire = schema.into_wire();

        assert_eq!(wire.attributes[0].r#type(), wire::Type::String);
        assert_eq!(wire.attributes[0].uniqueness(), wire::Uniqueness::Server);
        assert_eq!(wire.attributes[0].mutability(), wire::Mutability::ReadWrite);
        assert_eq!(wire.attributes[1].sub_attributes[0].r#type(), wire::Type::Integer);
        let shown = serde_json::to_value(Schema::from(wire.clone())).unwrap();
        let again: Schema = serde_json::from_value(shown).unwrap();
        assert_eq!(again.into_wire(), wire);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        let refusal = |change: &dyn Fn(&mut Value)| {
            let mut file = file();
            change(&mut file);
            serde_json::from_value::<Schema>(file).unwrap_err().to_string()
        };

        assert!(
            refusal(&|file| file["attributes"][0]["mutabilty"] = json!("readOnly"))
                .contains("unknown field `mutabilty`")
        );
        assert!(refusal(&|file| file["attributes"][0]["type"] = json!("text")).contains("unknown variant `text`"));
        assert!(refusal(&|file| file["resourceType"] = json!("Device")).contains("unknown variant `Device`"));
        let without = |file: &mut Value| {
            file.as_object_mut().unwrap().remove("id");
        };
        assert_eq!(refusal(&without), "missing field `id`");
    }
}
