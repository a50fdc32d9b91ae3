//! Questions about extension values, and orders by them.

use super::check::VALUE;
use super::definition::{AttributeDefinition, AttributeType};
use super::value::{boolean_key, text_key, time_key};
use super::{ResourceType, SchemaDefinition, SchemaSet, SchemaUrn, list_key, single_key};
use crate::domain::filter::{Filter, InvalidFilter, Literal, Operator};
use crate::domain::number::Number;

/// What is asked about one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Whether there is one.
    Present,
    /// How it compares with a literal, which is the text key of one.
    Compare(Operator, Literal),
}

/// A question about a sub-attribute of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementTest {
    /// The sub-attribute by its key.
    pub sub: String,
    /// The question.
    pub test: Test,
}

/// A question about an extension attribute of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionQuestion {
    /// About a single-valued attribute, or a sub-attribute of one.
    Single {
        /// The search key.
        key: String,
        /// The question.
        test: Test,
    },
    /// Whether one element of a multi-valued attribute satisfies a filter.
    Element {
        /// The search key.
        key: String,
        /// The filter.
        filter: Filter<std::convert::Infallible, ElementTest>,
    },
}

/// The extension attribute that a list is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionOrder {
    /// A single-valued attribute, or a sub-attribute of one, by its search key.
    Single {
        /// The search key.
        key: String,
        /// The type of the values.
        kind: AttributeType,
    },
    /// A sub-attribute of the preferred, else the first element of a multi-valued attribute.
    Main {
        /// The attribute's search key.
        key: String,
        /// The sub-attribute's key.
        sub: String,
        /// The type of its values.
        kind: AttributeType,
    },
}

impl ExtensionOrder {
    /// The type of the values. Those of different types have no order.
    pub const fn kind(&self) -> AttributeType {
        match self {
            Self::Single { kind, .. } | Self::Main { kind, .. } => *kind,
        }
    }
}

/// What a path names.
#[derive(Clone, Copy)]
enum Place<'a> {
    Schema(&'a SchemaDefinition),
    Attribute(&'a SchemaDefinition, &'a AttributeDefinition),
    Sub(&'a SchemaDefinition, &'a AttributeDefinition, &'a AttributeDefinition),
}

/// A multi-valued attribute, by whose sub-attributes an element match asks.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    schema: &'a SchemaDefinition,
    attribute: &'a AttributeDefinition,
}

impl SchemaSet {
    /// Whether a path can only be that of an extension attribute.
    pub fn is_extension_path(path: &str) -> bool {
        path.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
    }

    fn place(&self, resource: ResourceType, path: &str) -> Option<Place<'_>> {
        let of_type = |schema: &&SchemaDefinition| schema.resource_type() == resource;
        let schemas = self.iter().map(|schema| &schema.definition).filter(of_type);
        let key = SchemaUrn::key_of(path);
        for schema in schemas {
            match key.strip_prefix(&schema.urn().key()) {
                Some("") => return Some(Place::Schema(schema)),
                // No URN goes on where another one ends, so there is no second schema to try.
                Some(rest) if rest.starts_with(':') => return within(schema, &rest[1..]),
                Some(_) | None => {}
            }
        }
        None
    }

    /// The questions of which one must be true for what is at this path to be there. None: there is no such path.
    pub fn presence(&self, resource: ResourceType, path: &str) -> Option<Vec<ExtensionQuestion>> {
        match self.place(resource, path)? {
            Place::Schema(schema) => {
                let attributes = schema.attributes().iter();
                Some(attributes.flat_map(|attribute| has(schema, attribute, None)).collect())
            }
            Place::Attribute(schema, attribute) => Some(has(schema, attribute, None)),
            Place::Sub(_, attribute, _) if attribute.multi_valued() => None,
            Place::Sub(schema, attribute, sub) => Some(has(schema, attribute, Some(sub))),
        }
    }

    /// The question of how the single-valued attribute at this path compares. None: there is no such path.
    ///
    /// # Errors
    /// [`InvalidFilter`]: operator or literal do not fit.
    pub fn comparison(
        &self,
        resource: ResourceType,
        path: &str,
        operator: Operator,
        literal: Literal,
    ) -> Result<Option<ExtensionQuestion>, InvalidFilter> {
        let (schema, attribute, sub) = match self.place(resource, path) {
            Some(Place::Attribute(schema, attribute)) => (schema, attribute, None),
            Some(Place::Sub(schema, attribute, sub)) => (schema, attribute, Some(sub)),
            Some(Place::Schema(_)) | None => return Ok(None),
        };
        let compared = sub.unwrap_or(attribute);
        if attribute.multi_valued() || compared.kind() == AttributeType::Complex {
            return Ok(None);
        }
        let test = test(compared, operator, literal)?;
        Ok(Some(single(schema, attribute, sub, test)))
    }

    /// The multi-valued attribute at this path.
    pub fn elements(&self, resource: ResourceType, path: &str) -> Option<Elements<'_>> {
        match self.place(resource, path)? {
            Place::Attribute(schema, attribute) if attribute.multi_valued() => Some(Elements { schema, attribute }),
            Place::Attribute(..) | Place::Schema(_) | Place::Sub(..) => None,
        }
    }

    /// The order by the attribute at this path. None: there is none.
    pub fn order(&self, resource: ResourceType, path: &str) -> Option<ExtensionOrder> {
        let (schema, attribute, sub) = match self.place(resource, path)? {
            Place::Schema(_) => return None,
            Place::Attribute(schema, attribute) => (schema, attribute, None),
            Place::Sub(schema, attribute, sub) => (schema, attribute, Some(sub)),
        };
        if !attribute.multi_valued() {
            let simple = sub.is_some() || attribute.kind() != AttributeType::Complex;
            let key = single_key(schema.urn(), attribute.name(), sub.map(AttributeDefinition::name));
            let kind = sub.unwrap_or(attribute).kind();
            return simple.then_some(ExtensionOrder::Single { key, kind });
        }
        let main = || {
            attribute
                .sub_attribute(VALUE)
                .or_else(|| attribute.sub_attributes().first())
        };
        let sub = sub.or_else(main);
        let kind = sub.unwrap_or(attribute).kind();
        let sub = sub.map_or_else(|| VALUE.to_owned(), |sub| sub.name().key());
        let key = list_key(schema.urn(), attribute.name());
        Some(ExtensionOrder::Main { key, sub, kind })
    }
}

impl Elements<'_> {
    /// The question of whether an element satisfies a filter.
    pub fn matching(self, filter: Filter<std::convert::Infallible, ElementTest>) -> ExtensionQuestion {
        let key = list_key(self.schema.urn(), self.attribute.name());
        ExtensionQuestion::Element { key, filter }
    }

    /// Asks whether an element has this sub-attribute. None: there is no such one.
    pub fn presence(self, name: &str) -> Option<ElementTest> {
        let (sub, _) = self.sub(name)?;
        Some(ElementTest {
            sub,
            test: Test::Present,
        })
    }

    /// Compares a sub-attribute of an element. None: there is no such one.
    ///
    /// # Errors
    /// [`InvalidFilter`]: operator or literal do not fit.
    pub fn comparison(
        self,
        name: &str,
        operator: Operator,
        literal: Literal,
    ) -> Result<Option<ElementTest>, InvalidFilter> {
        let Some((sub, definition)) = self.sub(name) else {
            return Ok(None);
        };
        let test = test(definition, operator, literal)?;
        Ok(Some(ElementTest { sub, test }))
    }

    /// The elements of a simple attribute are their own `value`.
    fn sub(&self, name: &str) -> Option<(String, &AttributeDefinition)> {
        if self.attribute.kind() == AttributeType::Complex {
            let sub = self.attribute.sub_attribute(name)?;
            return Some((sub.name().key(), sub));
        }
        name.eq_ignore_ascii_case(VALUE)
            .then(|| (VALUE.to_owned(), self.attribute))
    }
}

fn within<'a>(schema: &'a SchemaDefinition, path: &str) -> Option<Place<'a>> {
    let (name, sub) = path
        .split_once('.')
        .map_or((path, None), |(name, sub)| (name, Some(sub)));
    let attribute = schema.attribute(name)?;
    match sub {
        None => Some(Place::Attribute(schema, attribute)),
        Some(sub) => Some(Place::Sub(schema, attribute, attribute.sub_attribute(sub)?)),
    }
}

fn single(
    schema: &SchemaDefinition,
    attribute: &AttributeDefinition,
    sub: Option<&AttributeDefinition>,
    test: Test,
) -> ExtensionQuestion {
    let key = single_key(schema.urn(), attribute.name(), sub.map(AttributeDefinition::name));
    ExtensionQuestion::Single { key, test }
}

/// Whether an attribute, or a sub-attribute of it, has a value: one of these is true.
fn has(
    schema: &SchemaDefinition,
    attribute: &AttributeDefinition,
    sub: Option<&AttributeDefinition>,
) -> Vec<ExtensionQuestion> {
    if attribute.multi_valued() {
        let sub = sub.map(|sub| ElementTest {
            sub: sub.name().key(),
            test: Test::Present,
        });
        let filter = Filter::And(sub.map(Filter::Element).into_iter().collect());
        return vec![Elements { schema, attribute }.matching(filter)];
    }
    if sub.is_some() || attribute.kind() != AttributeType::Complex {
        return vec![single(schema, attribute, sub, Test::Present)];
    }
    let subs = attribute.sub_attributes().iter();
    subs.map(|sub| single(schema, attribute, Some(sub), Test::Present))
        .collect()
}

/// The test of a value of this attribute, its literal as the key that values compare by.
fn test(definition: &AttributeDefinition, operator: Operator, literal: Literal) -> Result<Test, InvalidFilter> {
    use Operator as O;
    let equality = matches!(operator, O::Equal | O::NotEqual);
    let within_text = matches!(operator, O::Contains | O::StartsWith | O::EndsWith);
    let number = |number: Number| {
        if within_text {
            Err(InvalidFilter::Operator)
        } else {
            Ok(number.key())
        }
    };
    let key = match (definition.kind(), literal) {
        (AttributeType::String | AttributeType::Reference | AttributeType::Binary, Literal::Text(text)) => {
            if text.contains('\0') {
                return Err(InvalidFilter::Nul);
            }
            // Bytes have no order (RFC 7644 §3.4.2.2).
            if definition.kind() == AttributeType::Binary && !equality && !within_text {
                return Err(InvalidFilter::Operator);
            }
            text_key(&text, definition.case())
        }
        (AttributeType::Boolean, Literal::Boolean(truth)) if equality => boolean_key(truth),
        (AttributeType::Boolean, Literal::Boolean(_)) => return Err(InvalidFilter::Operator),
        (AttributeType::Integer | AttributeType::Decimal, Literal::Decimal(decimal)) => number(decimal)?,
        // What a float does not hold exactly is beyond every integer that can be a value.
        (AttributeType::Integer | AttributeType::Decimal, Literal::Integer(integer)) => {
            number(Number::new(integer as f64).ok_or(InvalidFilter::LiteralType)?)?
        }
        (AttributeType::DateTime, Literal::Time(nanos)) if !within_text => time_key(nanos),
        (AttributeType::DateTime, Literal::Time(_)) => return Err(InvalidFilter::Operator),
        (
            AttributeType::String
            | AttributeType::Reference
            | AttributeType::Binary
            | AttributeType::Boolean
            | AttributeType::Integer
            | AttributeType::Decimal
            | AttributeType::DateTime
            | AttributeType::Complex,
            _,
        ) => return Err(InvalidFilter::LiteralType),
    };
    Ok(Test::Compare(operator, Literal::Text(key)))
}
