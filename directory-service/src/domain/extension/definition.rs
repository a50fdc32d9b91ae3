//! The definition of an attribute with the characteristics of RFC 7643 §7.

use serde::{Deserialize, Serialize};

use crate::domain::Invalid;
use crate::domain::attribute::Case;
use crate::domain::text::check_no_nul;

/// The most attributes of a schema, sub-attributes counted.
const MAX_ATTRIBUTES: usize = 100;
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1_024;
const MAX_LIST: usize = 100;
const MAX_LISTED_BYTES: usize = 1_024;

/// The data type of an attribute (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeType {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A number.
    Decimal,
    /// A whole number.
    Integer,
    /// A time as text.
    DateTime,
    /// A URI as text.
    Reference,
    /// Bytes in base64.
    Binary,
    /// An object of sub-attributes.
    Complex,
}

/// Who may write an attribute through SCIM. The gateway's to enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutability {
    /// Nobody.
    ReadOnly,
    /// Whoever may write.
    ReadWrite,
    /// Whoever may write, once.
    Immutable,
    /// Whoever may write; it is never shown.
    WriteOnly,
}

/// When SCIM shows an attribute. The gateway's to enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// Always.
    Always,
    /// Never.
    Never,
    /// Unless the request leaves it out.
    Default,
    /// If the request names it.
    Request,
}

/// Where a value may stand only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uniqueness {
    /// Anywhere, as often as you like.
    None,
    /// Once in the tenant among the resources of the type.
    Server,
}

/// The name of an attribute: a letter, then letters, digits, `-` and `_`; compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributeName(String);

impl AttributeName {
    fn parse(field: &str, text: String) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(Invalid::new(field, "must have 1 to 64 characters"));
        }
        let named = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !text.starts_with(|first: char| first.is_ascii_alphabetic()) || !text.bytes().all(named) {
            let rule = "must begin with a letter and may hold letters, digits, - and _ only";
            return Err(Invalid::new(field, rule));
        }
        Ok(Self(text))
    }

    /// The name as it was registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name by which it compares.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Whether a text is this name.
    pub fn is(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }
}

/// What a request says about an attribute, unchecked.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are those of AttributeDefinition")]
pub struct AttributeParts {
    pub name: String,
    pub kind: AttributeType,
    pub sub_attributes: Vec<Self>,
    pub multi_valued: bool,
    pub description: String,
    pub required: bool,
    pub canonical_values: Vec<String>,
    pub case_exact: bool,
    pub mutability: Mutability,
    pub returned: Returned,
    pub uniqueness: Uniqueness,
    pub reference_types: Vec<String>,
}

/// An attribute that a tenant defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeDefinition {
    name: AttributeName,
    kind: AttributeType,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sub_attributes: Vec<Self>,
    multi_valued: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    required: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    canonical_values: Vec<String>,
    case_exact: bool,
    mutability: Mutability,
    returned: Returned,
    uniqueness: Uniqueness,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reference_types: Vec<String>,
}

/// Checks the attributes of a schema that stand in `field` of a request.
///
/// # Errors
/// [`Invalid`] naming the attribute by its place.
pub fn attributes(field: &str, parts: Vec<AttributeParts>) -> Result<Vec<AttributeDefinition>, Invalid> {
    let count = parts.iter().map(|part| 1 + part.sub_attributes.len()).sum::<usize>();
    if count == 0 || count > MAX_ATTRIBUTES {
        return Err(Invalid::new(
            field,
            "must be 1 to 100 attributes, sub-attributes counted",
        ));
    }
    siblings(field, parts, AttributeDefinition::top)
}

fn siblings(
    field: &str,
    parts: Vec<AttributeParts>,
    check: impl Fn(&str, AttributeParts) -> Result<AttributeDefinition, Invalid>,
) -> Result<Vec<AttributeDefinition>, Invalid> {
    let mut checked: Vec<AttributeDefinition> = Vec::with_capacity(parts.len());
    for (index, parts) in parts.into_iter().enumerate() {
        let field = format!("{field}[{index}]");
        let definition = check(&field, parts)?;
        if checked.iter().any(|other| other.name.is(definition.name.as_str())) {
            let rule = "must be unique without regard to case";
            return Err(Invalid::new(format!("{field}.name"), rule));
        }
        checked.push(definition);
    }
    Ok(checked)
}

impl AttributeDefinition {
    fn top(field: &str, mut parts: AttributeParts) -> Result<Self, Invalid> {
        let subs = std::mem::take(&mut parts.sub_attributes);
        let place = format!("{field}.sub_attributes");
        if (parts.kind == AttributeType::Complex) == subs.is_empty() {
            return Err(Invalid::new(
                place,
                "must be 1 or more for COMPLEX, and none for every other type",
            ));
        }
        let text = matches!(parts.kind, AttributeType::String | AttributeType::Reference);
        if parts.uniqueness == Uniqueness::Server && (!text || parts.multi_valued) {
            let rule = "can be SERVER for a single-valued STRING or REFERENCE only";
            return Err(Invalid::new(format!("{field}.uniqueness"), rule));
        }
        let mut definition = Self::simple(field, parts)?;
        definition.sub_attributes = siblings(&place, subs, Self::sub)?;
        Ok(definition)
    }

    fn sub(field: &str, parts: AttributeParts) -> Result<Self, Invalid> {
        if parts.kind == AttributeType::Complex || !parts.sub_attributes.is_empty() {
            return Err(Invalid::new(
                format!("{field}.type"),
                "must not be COMPLEX in a sub-attribute",
            ));
        }
        if parts.multi_valued {
            let rule = "must be false in a sub-attribute";
            return Err(Invalid::new(format!("{field}.multi_valued"), rule));
        }
        if parts.uniqueness == Uniqueness::Server {
            let rule = "must not be SERVER in a sub-attribute";
            return Err(Invalid::new(format!("{field}.uniqueness"), rule));
        }
        Self::simple(field, parts)
    }

    fn simple(field: &str, parts: AttributeParts) -> Result<Self, Invalid> {
        let at = |name: &str| format!("{field}.{name}");
        let kind = parts.kind;
        if kind != AttributeType::Reference && !parts.reference_types.is_empty() {
            return Err(Invalid::new(
                at("reference_types"),
                "must be empty for every type but REFERENCE",
            ));
        }
        Ok(Self {
            name: AttributeName::parse(&at("name"), parts.name)?,
            kind,
            sub_attributes: Vec::new(),
            multi_valued: parts.multi_valued,
            description: description(&at("description"), parts.description)?,
            required: parts.required,
            canonical_values: listed(&at("canonical_values"), parts.canonical_values)?,
            case_exact: match kind {
                AttributeType::String => parts.case_exact,
                AttributeType::Reference | AttributeType::Binary => true,
                AttributeType::Boolean
                | AttributeType::Decimal
                | AttributeType::Integer
                | AttributeType::DateTime
                | AttributeType::Complex => false,
            },
            mutability: parts.mutability,
            returned: parts.returned,
            uniqueness: parts.uniqueness,
            reference_types: listed(&at("reference_types"), parts.reference_types)?,
        })
    }

    /// The name.
    pub(super) const fn name(&self) -> &AttributeName {
        &self.name
    }

    /// The name as it was registered.
    pub fn name_str(&self) -> &str {
        self.name.as_str()
    }

    /// The data type.
    pub const fn kind(&self) -> AttributeType {
        self.kind
    }

    /// The sub-attributes of a complex one.
    pub fn sub_attributes(&self) -> &[Self] {
        &self.sub_attributes
    }

    /// The sub-attribute of this name.
    pub fn sub_attribute(&self, name: &str) -> Option<&Self> {
        self.sub_attributes.iter().find(|sub| sub.name.is(name))
    }

    /// Whether it holds a list.
    pub const fn multi_valued(&self) -> bool {
        self.multi_valued
    }

    /// What it is.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether it must have a value wherever the extension has any.
    pub const fn required(&self) -> bool {
        self.required
    }

    /// Values with a common meaning.
    pub fn canonical_values(&self) -> &[String] {
        &self.canonical_values
    }

    /// Whether text compares with case.
    pub const fn case_exact(&self) -> bool {
        self.case_exact
    }

    /// How text compares.
    pub(super) const fn case(&self) -> Case {
        if self.case_exact { Case::Exact } else { Case::Folded }
    }

    /// Who may write it.
    pub const fn mutability(&self) -> Mutability {
        self.mutability
    }

    /// When it is shown.
    pub const fn returned(&self) -> Returned {
        self.returned
    }

    /// Where a value may stand only once.
    pub const fn uniqueness(&self) -> Uniqueness {
        self.uniqueness
    }

    /// For a reference: to what.
    pub fn reference_types(&self) -> &[String] {
        &self.reference_types
    }

    /// Whether `next` can take its place while there are values of it: they read, compare and are found as before.
    pub(super) fn keeps_values_in(&self, next: &Self) -> bool {
        let becomes_unique = self.uniqueness == Uniqueness::None && next.uniqueness == Uniqueness::Server;
        self.name == next.name
            && self.kind == next.kind
            && self.multi_valued == next.multi_valued
            && self.case_exact == next.case_exact
            && !becomes_unique
    }
}

/// Text for people.
pub(super) fn description(field: &str, text: String) -> Result<String, Invalid> {
    check_no_nul(field, &text)?;
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(Invalid::new(field, "must have at most 1,024 characters"));
    }
    Ok(text)
}

fn listed(field: &str, texts: Vec<String>) -> Result<Vec<String>, Invalid> {
    if texts.len() > MAX_LIST {
        return Err(Invalid::new(field, "must be at most 100"));
    }
    for (index, text) in texts.iter().enumerate() {
        let field = format!("{field}[{index}]");
        check_no_nul(&field, text)?;
        if text.is_empty() || text.len() > MAX_LISTED_BYTES {
            return Err(Invalid::new(field, "must have 1 to 1,024 bytes"));
        }
    }
    Ok(texts)
}
