//! The questions that a store can be asked about users and groups. Attributes are resolved and literals checked: the
//! store has nothing left to refuse.

use std::convert::Infallible;
use std::fmt;

use super::attribute::{
    BlockAttribute, Case, ElementAttribute, GroupAttribute, Kind, ListAttribute, MemberAttribute, SubAttribute,
    UserAttribute, UserGroupAttribute,
};
use super::extension::{ExtensionOrder, ExtensionQuestion};
use super::fold;
use super::number::Number;

/// A question about a resource with the single-valued attributes `A` and the multi-valued attributes `E`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter<A, E = Infallible> {
    /// Every one is true; true if there is none.
    And(Vec<Self>),
    /// One is true at least; false if there is none.
    Or(Vec<Self>),
    /// It is false.
    Not(Box<Self>),
    /// The attribute has a value.
    Present(A),
    /// The attribute's value stands in a relation to a literal.
    Compare(Comparison<A>),
    /// One element of a multi-valued attribute satisfies a filter.
    Element(E),
}

/// A question about a user.
pub type UserFilter = Filter<UserAttribute, UserElement>;
/// A question about a group.
pub type GroupFilter = Filter<GroupAttribute, GroupElement>;

/// A question about an element of one of a user's multi-valued attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserElement {
    /// Of an attribute that the source writes.
    Values(ListAttribute, Filter<ElementAttribute>),
    /// Of `groups`.
    Groups(Filter<UserGroupAttribute>),
    /// Of `blocks`.
    Blocks(Filter<BlockAttribute>),
    /// Of an extension attribute, multi-valued or not.
    Extension(ExtensionQuestion),
}

/// A question about an element of one of a group's multi-valued attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupElement {
    /// Of `members`.
    Members(Filter<MemberAttribute>),
    /// Of an extension attribute, multi-valued or not.
    Extension(ExtensionQuestion),
}

/// How an attribute is compared with a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Equal,
    /// Not equal, or without a value.
    NotEqual,
    /// Contains.
    Contains,
    /// Starts with.
    StartsWith,
    /// Ends with.
    EndsWith,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
}

/// What an attribute is compared with. Text is the key that the attribute compares by: folded, or exact.
#[derive(Clone, PartialEq, Eq)]
pub enum Literal {
    /// Text or an id; of a whole number, how it is written.
    Text(String),
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number, whole or not.
    Decimal(Number),
    /// A time: nanoseconds since 1970, UTC.
    Time(i128),
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Literal(<redacted>)")
    }
}

/// A comparison whose operator and literal fit its attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison<A> {
    attribute: A,
    operator: Operator,
    literal: Literal,
}

/// Why a filter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// The literal is of another type.
    #[error("a literal is not of its attribute's type")]
    LiteralType,
    /// The operator does not fit the attribute's type.
    #[error("an operator does not fit its attribute's type")]
    Operator,
    /// U+0000 cannot be in any value.
    #[error("a literal holds the character U+0000")]
    Nul,
}

impl<A: Copy> Comparison<A> {
    /// Compares an attribute of this kind.
    ///
    /// # Errors
    /// [`InvalidFilter`]: operator or literal do not fit.
    pub fn new(attribute: A, kind: Kind, operator: Operator, literal: Literal) -> Result<Self, InvalidFilter> {
        use Operator as O;
        let ordered = !matches!(operator, O::Contains | O::StartsWith | O::EndsWith);
        let literal = match (kind, literal) {
            (Kind::Text(_) | Kind::Id | Kind::Integer, Literal::Text(text)) if text.contains('\0') => {
                return Err(InvalidFilter::Nul);
            }
            (Kind::Text(Case::Folded), Literal::Text(text)) => Literal::Text(fold(&text)),
            (Kind::Text(Case::Exact) | Kind::Id | Kind::Integer, Literal::Text(text)) => Literal::Text(text),
            (Kind::Integer, Literal::Integer(number)) if ordered => Literal::Integer(number),
            (Kind::Time, Literal::Time(nanos)) if ordered => Literal::Time(nanos),
            (Kind::Boolean, Literal::Boolean(truth)) if matches!(operator, O::Equal | O::NotEqual) => {
                Literal::Boolean(truth)
            }
            (Kind::Integer, Literal::Integer(_)) | (Kind::Time, Literal::Time(_)) => {
                return Err(InvalidFilter::Operator);
            }
            (Kind::Boolean, Literal::Boolean(_)) => return Err(InvalidFilter::Operator),
            (Kind::Text(_) | Kind::Id | Kind::Integer | Kind::Time | Kind::Boolean, _) => {
                return Err(InvalidFilter::LiteralType);
            }
        };
        Ok(Self {
            attribute,
            operator,
            literal,
        })
    }

    /// The attribute.
    pub const fn attribute(&self) -> A {
        self.attribute
    }

    /// The operator.
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// The literal.
    pub const fn literal(&self) -> &Literal {
        &self.literal
    }
}

/// By what a list is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<K> {
    /// The attribute; none: the id.
    pub key: Option<K>,
    /// The largest first.
    pub descending: bool,
}

impl<K> Default for Order<K> {
    fn default() -> Self {
        Self {
            key: None,
            descending: false,
        }
    }
}

/// What users are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserOrderKey {
    /// A single-valued attribute.
    Attribute(UserAttribute),
    /// A sub-attribute of the primary, else the first element of a multi-valued attribute.
    List(ListAttribute, SubAttribute),
    /// The first of the user's groups by id.
    Groups,
    /// An extension attribute.
    Extension(ExtensionOrder),
}

/// What groups are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupOrderKey {
    /// A single-valued attribute.
    Attribute(GroupAttribute),
    /// The first of the group's members by id.
    Members,
    /// An extension attribute.
    Extension(ExtensionOrder),
}
