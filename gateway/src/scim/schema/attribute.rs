//! One attribute with its characteristics (RFC 7643 §7).

use std::sync::Arc;

/// The data type of an attribute (RFC 7643 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// A time, as text in XML Schema's `dateTime`.
    DateTime,
    /// A URI.
    Reference,
    /// Bytes, as text in base64.
    Binary,
    /// Sub-attributes.
    Complex,
}

/// When an attribute may be written (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutability {
    /// Never by a client.
    ReadOnly,
    /// At any time.
    ReadWrite,
    /// Once.
    Immutable,
    /// At any time, and never read.
    WriteOnly,
}

/// When an attribute is part of an answer (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Returned {
    /// Whatever the request says.
    Always,
    /// Under no circumstances.
    Never,
    /// Unless the request leaves it out.
    Default,
    /// If the request asks for it.
    Request,
}

/// Where a value must be unique (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Uniqueness {
    /// Nowhere.
    None,
    /// In the tenant.
    Server,
    /// Everywhere.
    Global,
}

/// One attribute or sub-attribute with its characteristics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The canonical spelling; names compare without case.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// The data type.
    pub kind: Kind,
    /// Whether it holds a list.
    pub multi_valued: bool,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether the schema says that text compares with case. What filters do, and what `/Schemas` shows, is
    /// [`Attribute::compares_exactly`].
    pub case_exact: bool,
    /// When it may be written.
    pub mutability: Mutability,
    /// When it is part of an answer.
    pub returned: Returned,
    /// Where its value must be unique.
    pub uniqueness: Uniqueness,
    /// Values with a common meaning; others are accepted.
    pub canonical_values: Vec<String>,
    /// For references: to what.
    pub reference_types: Vec<String>,
    /// For complex attributes: their parts.
    pub sub_attributes: Vec<Arc<Attribute>>,
}

impl Attribute {
    /// An optional, single-valued, readable and writable attribute.
    pub fn new(kind: Kind, name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            kind,
            multi_valued: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical_values: Vec::new(),
            reference_types: Vec::new(),
            sub_attributes: Vec::new(),
        }
    }

    pub(super) fn text(name: &str, description: &str) -> Self {
        Self::new(Kind::String, name, description)
    }

    pub(super) fn boolean(name: &str, description: &str) -> Self {
        Self::new(Kind::Boolean, name, description)
    }

    pub(super) fn time(name: &str, description: &str) -> Self {
        Self::new(Kind::DateTime, name, description)
    }

    pub(super) fn reference(name: &str, description: &str, reference_types: &[&str]) -> Self {
        Self {
            reference_types: owned(reference_types),
            ..Self::new(Kind::Reference, name, description)
        }
    }

    pub(super) fn complex(name: &str, description: &str, sub_attributes: impl IntoIterator<Item = Self>) -> Self {
        Self {
            sub_attributes: sub_attributes.into_iter().map(Arc::new).collect(),
            ..Self::new(Kind::Complex, name, description)
        }
    }

    pub(super) fn multi_valued(self) -> Self {
        Self {
            multi_valued: true,
            ..self
        }
    }

    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn case_exact(self) -> Self {
        Self {
            case_exact: true,
            ..self
        }
    }

    pub(super) fn mutability(self, mutability: Mutability) -> Self {
        Self { mutability, ..self }
    }

    pub(super) fn read_only(self) -> Self {
        self.mutability(Mutability::ReadOnly)
    }

    pub(super) fn returned(self, returned: Returned) -> Self {
        Self { returned, ..self }
    }

    pub(super) fn unique(self) -> Self {
        Self {
            uniqueness: Uniqueness::Server,
            ..self
        }
    }

    pub(super) fn canonical(self, canonical_values: &[&str]) -> Self {
        Self {
            canonical_values: owned(canonical_values),
            ..self
        }
    }

    /// The sub-attribute of this name, in any case.
    pub fn sub_attribute(&self, name: &str) -> Option<&Arc<Self>> {
        self.sub_attributes
            .iter()
            .find(|part| part.name.eq_ignore_ascii_case(name))
    }

    /// What RFC 7643 §2.4 lets one name `value`: the elements of a simple multi-valued attribute.
    pub(in crate::scim) fn element(&self) -> Option<Self> {
        let is_simple_list = self.multi_valued && self.kind != Kind::Complex;
        is_simple_list.then(|| Self {
            name: "value".to_owned(),
            multi_valued: false,
            ..self.clone()
        })
    }

    /// Whether text of this attribute compares with case. References and binaries always do (RFC 7643 §2.3.6 and
    /// §2.3.7), whatever the schema of §8.7 prints for them.
    pub const fn compares_exactly(&self) -> bool {
        self.case_exact || matches!(self.kind, Kind::Reference | Kind::Binary)
    }

    /// Whether no client ever sees it, nor may ask about it.
    pub fn is_hidden(&self) -> bool {
        self.returned == Returned::Never || self.mutability == Mutability::WriteOnly
    }

    /// Whether it names another resource, as `manager` does: then it is its `value`, and the rest follows from that.
    pub(in crate::scim) fn is_resource_reference(&self) -> bool {
        !self.multi_valued && self.sub_attribute("$ref").is_some()
    }

    /// Whether the server makes this up itself, whoever sends it: `$ref` follows from `value`.
    pub(in crate::scim) fn is_derived(&self) -> bool {
        self.name == "$ref" || self.mutability == Mutability::ReadOnly
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
