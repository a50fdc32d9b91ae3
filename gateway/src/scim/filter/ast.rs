//! The shape of a filter whose attributes exist and whose literals fit them.

use time::OffsetDateTime;

use crate::scim::attribute_path::AttributePath;

/// A question about a resource.
///
/// Normalised: a multi-valued attribute is asked about through [`Filter::Element`] alone, so `emails eq "x"`,
/// `emails.value eq "x"` and `emails[value eq "x"]` are the same tree; comparing with `null` is [`Filter::Present`].
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every one of at least two filters is true.
    And(Vec<Filter>),
    /// At least one of at least two filters is true.
    Or(Vec<Filter>),
    /// The filter is false.
    Not(Box<Filter>),
    /// The attribute has a value; for a whole multi-valued attribute, at least one element.
    Present(AttributePath),
    /// The attribute compares so with the literal.
    Compare {
        /// A simple, single-valued attribute or sub-attribute.
        path: AttributePath,
        /// How it is compared.
        op: CompareOp,
        /// What with; of the attribute's type.
        value: Literal,
    },
    /// One and the same element satisfies the inner filter.
    Element {
        /// The multi-valued attribute, without a sub-attribute.
        attribute: AttributePath,
        /// The question about one element. Its paths name the same attribute and have a sub-attribute.
        filter: Box<Filter>,
    },
}

impl Filter {
    /// The conjunction, flat.
    pub(in crate::scim) fn and(filters: Vec<Self>) -> Self {
        Self::join(filters, Self::And, |filter| match filter {
            Self::And(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// The disjunction, flat.
    pub(in crate::scim) fn or(filters: Vec<Self>) -> Self {
        Self::join(filters, Self::Or, |filter| match filter {
            Self::Or(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn join(filters: Vec<Self>, wrap: fn(Vec<Self>) -> Self, open: fn(Self) -> Result<Vec<Self>, Self>) -> Self {
        let mut flat = Vec::with_capacity(filters.len());
        for filter in filters {
            match open(filter) {
                Ok(inner) => flat.extend(inner),
                Err(other) => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { wrap(flat) }
    }

    /// How many levels the tree has.
    pub fn depth(&self) -> usize {
        match self {
            Self::And(filters) | Self::Or(filters) => 1 + filters.iter().map(Self::depth).max().unwrap_or(0),
            Self::Not(filter) | Self::Element { filter, .. } => 1 + filter.depth(),
            Self::Present(_) | Self::Compare { .. } => 1,
        }
    }
}

/// How an attribute is compared with a literal (RFC 7644 table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `eq`.
    Equal,
    /// `ne`: the negation of `eq`, so also true where there is no value.
    NotEqual,
    /// `co`.
    Contains,
    /// `sw`.
    StartsWith,
    /// `ew`.
    EndsWith,
    /// `gt`.
    Greater,
    /// `ge`.
    GreaterOrEqual,
    /// `lt`.
    Less,
    /// `le`.
    LessOrEqual,
}

impl CompareOp {
    /// Every operator.
    pub const ALL: [Self; 9] = [
        Self::Equal,
        Self::NotEqual,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    /// The spelling on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Contains => "co",
            Self::StartsWith => "sw",
            Self::EndsWith => "ew",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }
}

/// What an attribute is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// For text, references, and binaries.
    Text(String),
    /// For booleans; only `eq` and `ne` fit.
    Boolean(bool),
    /// For whole numbers.
    Integer(i64),
    /// For numbers with a fraction.
    Decimal(f64),
    /// For times.
    Time(OffsetDateTime),
}
