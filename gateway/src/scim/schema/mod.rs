//! The attributes of every resource, as data: the one table behind validation, projection, filters, PATCH paths, and
//! the discovery answers (RFC 7643 §7).
//!
//! Characteristics follow RFC 7643 §8.7; descriptions are our own words.

mod enterprise_user;
mod group;
mod json;
mod shared_attributes;
mod status;
mod user;

pub use enterprise_user::ENTERPRISE_USER;
pub use group::GROUP;
pub use json::{find_schema, resource_type_to_json, resource_types_to_json, schemas_to_json, to_json};
pub use shared_attributes::COMMON;
pub use status::STATUS;
pub use user::USER;

pub(super) use shared_attributes::SIMPLE_VALUE;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// The canonical spelling; names compare without case.
    pub name: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// The data type.
    pub kind: Kind,
    /// Whether it holds a list.
    pub multi_valued: bool,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether the schema says that text compares with case. What filters do is [`Attribute::compares_exactly`].
    pub case_exact: bool,
    /// When it may be written.
    pub mutability: Mutability,
    /// When it is part of an answer.
    pub returned: Returned,
    /// Where its value must be unique.
    pub uniqueness: Uniqueness,
    /// Values with a common meaning; others are accepted.
    pub canonical_values: &'static [&'static str],
    /// For references: to what.
    pub reference_types: &'static [&'static str],
    /// For complex attributes: their parts.
    pub sub_attributes: &'static [Attribute],
}

impl Attribute {
    /// An optional, single-valued, readable and writable attribute.
    pub(super) const fn new(kind: Kind, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            description,
            kind,
            multi_valued: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical_values: &[],
            reference_types: &[],
            sub_attributes: &[],
        }
    }

    pub(super) const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(Kind::String, name, description)
    }

    pub(super) const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Boolean, name, description)
    }

    pub(super) const fn reference(
        name: &'static str,
        description: &'static str,
        reference_types: &'static [&'static str],
    ) -> Self {
        Self {
            reference_types,
            ..Self::new(Kind::Reference, name, description)
        }
    }

    pub(super) const fn complex(
        name: &'static str,
        description: &'static str,
        sub_attributes: &'static [Attribute],
    ) -> Self {
        Self {
            sub_attributes,
            ..Self::new(Kind::Complex, name, description)
        }
    }

    pub(super) const fn multi_valued(self) -> Self {
        Self {
            multi_valued: true,
            ..self
        }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) const fn case_exact(self) -> Self {
        Self {
            case_exact: true,
            ..self
        }
    }

    pub(super) const fn mutability(self, mutability: Mutability) -> Self {
        Self { mutability, ..self }
    }

    pub(super) const fn read_only(self) -> Self {
        self.mutability(Mutability::ReadOnly)
    }

    pub(super) const fn returned(self, returned: Returned) -> Self {
        Self { returned, ..self }
    }

    pub(super) const fn unique(self) -> Self {
        Self {
            uniqueness: Uniqueness::Server,
            ..self
        }
    }

    pub(super) const fn canonical(self, canonical_values: &'static [&'static str]) -> Self {
        Self {
            canonical_values,
            ..self
        }
    }

    /// The sub-attribute of this name, in any case.
    pub fn sub_attribute(&self, name: &str) -> Option<&'static Attribute> {
        find(self.sub_attributes, name)
    }

    /// Whether text of this attribute compares with case. References and binaries always do (RFC 7643 §2.3.6 and
    /// §2.3.7), whatever the schema of §8.7 prints for them.
    pub const fn compares_exactly(&self) -> bool {
        self.case_exact || matches!(self.kind, Kind::Reference | Kind::Binary)
    }

    /// Whether the server makes this up itself, whoever sends it: `$ref` follows from `value`.
    pub(super) fn is_derived(&self) -> bool {
        self.name == "$ref" || self.mutability == Mutability::ReadOnly
    }
}

/// A schema: a URN and its attributes.
#[derive(Debug)]
pub struct Schema {
    /// The URN.
    pub id: &'static str,
    /// A short name.
    pub name: &'static str,
    /// What it describes, for people.
    pub description: &'static str,
    /// Its attributes, without those that all resources have ([`COMMON`]).
    pub attributes: &'static [Attribute],
}

impl Schema {
    /// The attribute of this name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        find(self.attributes, name)
    }
}

/// A URN names one schema.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Schema {}

/// The kinds of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The core schema.
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::User => &USER,
            Self::Group => &GROUP,
        }
    }

    /// The extensions, in the order in which bare names are looked up.
    pub fn extensions(self) -> &'static [&'static Schema] {
        static OF_USER: [&Schema; 2] = [&ENTERPRISE_USER, &STATUS];
        match self {
            Self::User => &OF_USER,
            Self::Group => &[],
        }
    }

    /// The path below the base URL.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// The name, which is also `meta.resourceType`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}
