//! The attributes that the model knows, as RFC 7643 and the tests' own extension describe them.

use crate::scim::schema::testing::ACME;

pub const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
use super::super::{ENT, STATUS};

/// What a simple value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that compares without case.
    Text,
    /// Text that compares with case: what the schema says so of, references, and binaries.
    ExactText,
    Flag,
    Whole,
    Decimal,
    Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    ReadOnly,
    Immutable,
    /// Taken and thrown away (D7), as is the `$ref` that follows from a value.
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    pub name: &'static str,
    pub kind: Kind,
    pub access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Simple(Kind),
    SimpleList(Kind),
    Complex(&'static [Part]),
    ComplexList(&'static [Part]),
}

#[derive(Debug, PartialEq)]
pub struct Attribute {
    pub schema: &'static str,
    pub name: &'static str,
    pub shape: Shape,
    pub access: Access,
    pub required: bool,
}

impl Attribute {
    pub fn is_list(&self) -> bool {
        matches!(self.shape, Shape::SimpleList(_) | Shape::ComplexList(_))
    }

    pub fn is_core(&self) -> bool {
        self.schema == CORE
    }

    /// The parts; of a simple list, the element, which RFC 7643 §2.4 lets one call `value`.
    pub fn parts(&self) -> Vec<Part> {
        match self.shape {
            Shape::Simple(_) => Vec::new(),
            Shape::SimpleList(kind) => vec![part("value", kind)],
            Shape::Complex(parts) | Shape::ComplexList(parts) => parts.to_vec(),
        }
    }

    pub fn part(&self, name: &str) -> Option<Part> {
        let parts = self.parts();
        parts.into_iter().find(|part| part.name.eq_ignore_ascii_case(name))
    }

    /// The one reference to another resource: it is its `value`, and the rest follows from that.
    pub fn is_manager(&self) -> bool {
        self.name == "manager"
    }
}

const fn part(name: &'static str, kind: Kind) -> Part {
    Part {
        name,
        kind,
        access: Access::ReadWrite,
    }
}

const fn part_with(name: &'static str, access: Access) -> Part {
    Part {
        name,
        kind: Kind::Text,
        access,
    }
}

const fn attribute(schema: &'static str, name: &'static str, shape: Shape) -> Attribute {
    Attribute {
        schema,
        name,
        shape,
        access: Access::ReadWrite,
        required: false,
    }
}

const fn with(access: Access, attribute: Attribute) -> Attribute {
    Attribute { access, ..attribute }
}

const fn required(attribute: Attribute) -> Attribute {
    Attribute {
        required: true,
        ..attribute
    }
}

const fn labelled(value: Kind) -> [Part; 4] {
    [
        part("value", value),
        part("display", Kind::Text),
        part("type", Kind::Text),
        part("primary", Kind::Flag),
    ]
}

const NAME: [Part; 3] = [
    part("formatted", Kind::Text),
    part("givenName", Kind::Text),
    part("familyName", Kind::Text),
];
const VALUES: [Part; 4] = labelled(Kind::Text);
const EXACT_VALUES: [Part; 4] = labelled(Kind::ExactText);
const ADDRESS: [Part; 4] = [
    part("formatted", Kind::Text),
    part("locality", Kind::Text),
    part("type", Kind::Text),
    part("primary", Kind::Flag),
];
const META: [Part; 1] = [part_with("version", Access::ReadOnly)];
const GROUP: [Part; 2] = [
    Part {
        name: "value",
        kind: Kind::ExactText,
        access: Access::ReadOnly,
    },
    part_with("display", Access::ReadOnly),
];
const MANAGER: [Part; 3] = [
    part("value", Kind::ExactText),
    part_with("$ref", Access::Ignored),
    part_with("displayName", Access::ReadOnly),
];
const DESK: [Part; 4] = [
    part("room", Kind::Text),
    part("plan", Kind::Text),
    part_with("asset", Access::Immutable),
    part_with("floor", Access::ReadOnly),
];
const CAR: [Part; 3] = [
    part("value", Kind::Text),
    part("type", Kind::Text),
    part_with("checked", Access::ReadOnly),
];

pub static ATTRIBUTES: [Attribute; 35] = {
    use Access::{Ignored, Immutable, ReadOnly};
    use Kind::{Decimal, ExactText, Flag, Text, Time, Whole};
    use Shape::{Complex, ComplexList, Simple, SimpleList};
    [
        required(attribute(CORE, "userName", Simple(Text))),
        attribute(CORE, "active", Simple(Flag)),
        attribute(CORE, "externalId", Simple(ExactText)),
        attribute(CORE, "displayName", Simple(Text)),
        attribute(CORE, "title", Simple(Text)),
        attribute(CORE, "profileUrl", Simple(ExactText)),
        attribute(CORE, "name", Complex(&NAME)),
        attribute(CORE, "emails", ComplexList(&VALUES)),
        attribute(CORE, "phoneNumbers", ComplexList(&VALUES)),
        attribute(CORE, "addresses", ComplexList(&ADDRESS)),
        attribute(CORE, "roles", ComplexList(&VALUES)),
        attribute(CORE, "x509Certificates", ComplexList(&EXACT_VALUES)),
        with(Ignored, attribute(CORE, "password", Simple(Text))),
        with(ReadOnly, attribute(CORE, "id", Simple(ExactText))),
        with(ReadOnly, attribute(CORE, "meta", Complex(&META))),
        with(ReadOnly, attribute(CORE, "schemas", SimpleList(ExactText))),
        with(ReadOnly, attribute(CORE, "groups", ComplexList(&GROUP))),
        attribute(ENT, "department", Simple(Text)),
        attribute(ENT, "employeeNumber", Simple(Text)),
        attribute(ENT, "manager", Complex(&MANAGER)),
        with(ReadOnly, attribute(STATUS, "blocked", Simple(Flag))),
        with(ReadOnly, attribute(STATUS, "blockReasons", SimpleList(Text))),
        required(attribute(ACME, "costCode", Simple(Text))),
        with(Immutable, attribute(ACME, "badge", Simple(Text))),
        with(ReadOnly, attribute(ACME, "grade", Simple(Text))),
        attribute(ACME, "tags", SimpleList(Text)),
        attribute(ACME, "level", Simple(Whole)),
        attribute(ACME, "levels", SimpleList(Whole)),
        attribute(ACME, "rate", Simple(Decimal)),
        attribute(ACME, "remote", Simple(Flag)),
        attribute(ACME, "hired", Simple(Time)),
        attribute(ACME, "wiki", Simple(ExactText)),
        attribute(ACME, "key", Simple(ExactText)),
        attribute(ACME, "desk", Complex(&DESK)),
        attribute(ACME, "cars", ComplexList(&CAR)),
    ]
};

/// Every attribute of a schema.
pub fn attributes_of(schema: &str) -> impl Iterator<Item = &'static Attribute> {
    ATTRIBUTES.iter().filter(move |attribute| attribute.schema == schema)
}
