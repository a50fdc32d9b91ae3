//! From filter and order messages to the domain's questions: attributes are resolved, literals checked, sizes bounded.

use std::convert::Infallible;

use directory_proto::client::{MAX_FILTER_DEPTH, MAX_FILTER_NODES};
use directory_proto::v1 as proto;
use proto::comparison::{Literal as WireLiteral, Operator as WireOperator};
use proto::filter::Expression;

use super::convert::nanos;
use crate::directory::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::attribute::{
    Attribute, BlockAttribute, ElementAttribute, GroupAttribute, Kind, ListAttribute, MemberAttribute, SubAttribute,
    UserAttribute, UserGroupAttribute,
};
use crate::domain::extension::{
    ElementTest, Elements as ExtensionElements, ExtensionQuestion, ResourceType, SchemaSet,
};
use crate::domain::filter::{
    Comparison, Filter, GroupElement, GroupFilter, GroupOrderKey, InvalidFilter, Literal, Operator, Order, UserElement,
    UserFilter, UserOrderKey,
};
use crate::domain::id::TenantId;
use crate::domain::number::Number;

/// The tenant's extension schemas, read only if a filter or an order names one.
pub(super) async fn schemas(
    directory: &Directory,
    tenant: TenantId,
    filter: Option<&proto::Filter>,
    order: Option<&proto::Order>,
) -> Result<SchemaSet, DirectoryError> {
    let ordered = order.is_some_and(|order| SchemaSet::is_extension_path(&order.attribute));
    if ordered || filter.is_some_and(names_extension) {
        return directory.list_extension_schemas(tenant).await;
    }
    Ok(SchemaSet::default())
}

/// As deep as the decoder lets messages be.
fn names_extension(filter: &proto::Filter) -> bool {
    match &filter.expression {
        Some(Expression::And(list) | Expression::Or(list)) => list.filters.iter().any(names_extension),
        Some(Expression::Not(inner)) => names_extension(inner),
        Some(Expression::Present(presence)) => SchemaSet::is_extension_path(&presence.attribute),
        Some(Expression::Comparison(comparison)) => SchemaSet::is_extension_path(&comparison.attribute),
        Some(Expression::Element(element)) => SchemaSet::is_extension_path(&element.attribute),
        None => false,
    }
}

/// A question about users.
pub(super) fn user_filter(filter: proto::Filter, schemas: &SchemaSet) -> Result<UserFilter, DirectoryError> {
    Reader::default().read(filter, 1, &Users { schemas })
}

/// A question about groups.
pub(super) fn group_filter(filter: proto::Filter, schemas: &SchemaSet) -> Result<GroupFilter, DirectoryError> {
    Reader::default().read(filter, 1, &Groups { schemas })
}

/// An order of users.
pub(super) fn user_order(order: Option<proto::Order>, schemas: &SchemaSet) -> Result<Order<UserOrderKey>, Invalid> {
    read_order(order, |path| match path {
        path if SchemaSet::is_extension_path(path) => {
            schemas.order(ResourceType::User, path).map(UserOrderKey::Extension)
        }
        "groups" => Some(UserOrderKey::Groups),
        path => list_order(path).or_else(|| UserAttribute::find(path).map(UserOrderKey::Attribute)),
    })
}

/// `emails`, which is by its main sub-attribute, or `emails.type`.
fn list_order(path: &str) -> Option<UserOrderKey> {
    let (list, sub) = match path.split_once('.') {
        Some((list, sub)) => (ListAttribute::at(list)?, SubAttribute::at(sub)?),
        None => {
            let list = ListAttribute::at(path)?;
            (list, list.main())
        }
    };
    list.has(sub).then_some(UserOrderKey::List(list, sub))
}

/// An order of groups.
pub(super) fn group_order(order: Option<proto::Order>, schemas: &SchemaSet) -> Result<Order<GroupOrderKey>, Invalid> {
    read_order(order, |path| match path {
        path if SchemaSet::is_extension_path(path) => {
            schemas.order(ResourceType::Group, path).map(GroupOrderKey::Extension)
        }
        "members" => Some(GroupOrderKey::Members),
        path => GroupAttribute::find(path).map(GroupOrderKey::Attribute),
    })
}

fn read_order<K>(order: Option<proto::Order>, find: impl Fn(&str) -> Option<K>) -> Result<Order<K>, Invalid> {
    let Some(proto::Order { attribute, descending }) = order else {
        return Ok(Order::default());
    };
    if attribute.is_empty() {
        return Ok(Order { key: None, descending });
    }
    let key =
        find(&attribute).ok_or_else(|| Invalid::new("order.attribute", "must be an attribute that has an order"))?;
    Ok(Order {
        key: Some(key),
        descending,
    })
}

/// The attributes that a filter may name where it stands.
trait Names<A, E> {
    fn attribute(&self, path: &str) -> Option<(A, Kind)>;

    /// The attributes inside a complex one.
    fn within(&self, _path: &str) -> Vec<A> {
        Vec::new()
    }

    /// A question about an element; none if there is no such multi-valued attribute. Without a filter: any element.
    fn element(
        &self,
        path: &str,
        filter: Option<proto::Filter>,
        reader: &mut Reader,
        depth: usize,
    ) -> Result<Option<E>, DirectoryError>;

    /// A question about an extension attribute; none if there is no such path here.
    fn extension(&self, _path: &str, _asked: Asked) -> Result<Option<Filter<A, E>>, InvalidFilter> {
        Ok(None)
    }
}

/// What is asked about an attribute.
enum Asked {
    Present,
    Compare(Operator, Literal),
}

fn refuse<T>(why: impl Into<String>) -> Result<T, DirectoryError> {
    Err(DirectoryError::InvalidFilter(why.into()))
}

#[derive(Default)]
struct Reader {
    nodes: usize,
}

impl Reader {
    fn read<A: Copy, E>(
        &mut self,
        filter: proto::Filter,
        depth: usize,
        names: &impl Names<A, E>,
    ) -> Result<Filter<A, E>, DirectoryError> {
        self.count(1, depth)?;
        let Some(expression) = filter.expression else {
            return refuse("an expression is missing");
        };
        match expression {
            Expression::And(list) => Ok(Filter::And(self.read_list(list, depth, names)?)),
            Expression::Or(list) => Ok(Filter::Or(self.read_list(list, depth, names)?)),
            Expression::Not(inner) => Ok(Filter::Not(Box::new(self.read(*inner, depth + 1, names)?))),
            Expression::Present(presence) => self.read_presence(&presence.attribute, depth, names),
            Expression::Comparison(comparison) => read_comparison(comparison, names),
            Expression::Element(element) => {
                let proto::ElementMatch { attribute, filter } = *element;
                let Some(filter) = filter else {
                    return refuse("an element match lacks its filter");
                };
                match names.element(&attribute, Some(*filter), self, depth)? {
                    Some(element) => Ok(Filter::Element(element)),
                    None => refuse("an element match names no multi-valued attribute"),
                }
            }
        }
    }

    fn count(&mut self, nodes: usize, depth: usize) -> Result<(), DirectoryError> {
        self.nodes += nodes;
        if depth > MAX_FILTER_DEPTH || self.nodes > MAX_FILTER_NODES {
            return refuse("it may be 64 levels deep and hold 1,000 nodes at most");
        }
        Ok(())
    }

    fn read_list<A: Copy, E>(
        &mut self,
        list: proto::FilterList,
        depth: usize,
        names: &impl Names<A, E>,
    ) -> Result<Vec<Filter<A, E>>, DirectoryError> {
        if list.filters.is_empty() {
            return refuse("and, or need at least one filter");
        }
        list.filters
            .into_iter()
            .map(|filter| self.read(filter, depth + 1, names))
            .collect()
    }

    fn read_presence<A: Copy, E>(
        &mut self,
        path: &str,
        depth: usize,
        names: &impl Names<A, E>,
    ) -> Result<Filter<A, E>, DirectoryError> {
        if let Some((attribute, _)) = names.attribute(path) {
            return Ok(Filter::Present(attribute));
        }
        if let Some(filter) = names.extension(path, Asked::Present).map_err(refused)? {
            if let Filter::Or(any) = &filter {
                // A whole schema, or a complex attribute: as many questions as it has attributes.
                self.count(any.len(), depth)?;
            }
            return Ok(filter);
        }
        if let Some(element) = names.element(path, None, self, depth)? {
            return Ok(Filter::Element(element));
        }
        let within = names.within(path);
        if within.is_empty() {
            return refuse("it names an unknown attribute");
        }
        Ok(Filter::Or(within.into_iter().map(Filter::Present).collect()))
    }

    /// The question about an element: any element, if there is none.
    fn read_inner<A: Copy>(
        &mut self,
        filter: Option<proto::Filter>,
        depth: usize,
        names: &impl Names<A, Infallible>,
    ) -> Result<Filter<A>, DirectoryError> {
        filter.map_or_else(
            || Ok(Filter::And(Vec::new())),
            |filter| self.read(filter, depth + 1, names),
        )
    }

    /// The question about an element of an extension attribute.
    fn read_elements(
        &mut self,
        filter: Option<proto::Filter>,
        depth: usize,
        elements: ExtensionElements<'_>,
    ) -> Result<ExtensionQuestion, DirectoryError> {
        let filter = match filter {
            Some(filter) => self.read(filter, depth + 1, &elements)?,
            None => Filter::And(Vec::new()),
        };
        Ok(elements.matching(filter))
    }
}

fn read_comparison<A: Copy, E>(
    comparison: proto::Comparison,
    names: &impl Names<A, E>,
) -> Result<Filter<A, E>, DirectoryError> {
    let operator = operator(comparison.operator())?;
    let proto::Comparison {
        attribute,
        operator: _,
        literal,
    } = comparison;
    let literal = match literal {
        Some(WireLiteral::Text(text)) => Literal::Text(text),
        Some(WireLiteral::Boolean(truth)) => Literal::Boolean(truth),
        Some(WireLiteral::Integer(number)) => Literal::Integer(number),
        Some(WireLiteral::Decimal(number)) => match Number::new(number) {
            Some(number) => Literal::Decimal(number),
            None => return refuse("a number is not finite"),
        },
        Some(WireLiteral::Time(time)) => match nanos("literal", &time) {
            Ok(nanos) => Literal::Time(nanos),
            Err(_) => return refuse("a time is not one"),
        },
        None => return refuse("a comparison lacks its literal"),
    };
    let Some((attribute, kind)) = names.attribute(&attribute) else {
        let asked = Asked::Compare(operator, literal);
        return match names.extension(&attribute, asked).map_err(refused)? {
            Some(filter) => Ok(filter),
            None => refuse("it names an unknown attribute, or compares one that is not single-valued"),
        };
    };
    let comparison = Comparison::new(attribute, kind, operator, literal).map_err(refused)?;
    Ok(Filter::Compare(comparison))
}

fn refused(why: InvalidFilter) -> DirectoryError {
    DirectoryError::InvalidFilter(why.to_string())
}

fn operator(operator: WireOperator) -> Result<Operator, DirectoryError> {
    Ok(match operator {
        WireOperator::Unspecified => return refuse("a comparison lacks its operator"),
        WireOperator::Equal => Operator::Equal,
        WireOperator::NotEqual => Operator::NotEqual,
        WireOperator::Contains => Operator::Contains,
        WireOperator::StartsWith => Operator::StartsWith,
        WireOperator::EndsWith => Operator::EndsWith,
        WireOperator::Greater => Operator::Greater,
        WireOperator::GreaterOrEqual => Operator::GreaterOrEqual,
        WireOperator::Less => Operator::Less,
        WireOperator::LessOrEqual => Operator::LessOrEqual,
    })
}

struct Users<'a> {
    schemas: &'a SchemaSet,
}

impl Names<UserAttribute, UserElement> for Users<'_> {
    fn attribute(&self, path: &str) -> Option<(UserAttribute, Kind)> {
        UserAttribute::find(path).map(|attribute| (attribute, attribute.kind()))
    }

    fn within(&self, path: &str) -> Vec<UserAttribute> {
        UserAttribute::within(path)
    }

    fn element(
        &self,
        path: &str,
        filter: Option<proto::Filter>,
        reader: &mut Reader,
        depth: usize,
    ) -> Result<Option<UserElement>, DirectoryError> {
        Ok(Some(match path {
            "groups" => UserElement::Groups(reader.read_inner::<UserGroupAttribute>(filter, depth, &Simple)?),
            "blocks" => UserElement::Blocks(reader.read_inner::<BlockAttribute>(filter, depth, &Simple)?),
            path => match ListAttribute::at(path) {
                Some(list) => UserElement::Values(list, reader.read_inner(filter, depth, &Elements(list))?),
                None => {
                    let elements = self.schemas.elements(ResourceType::User, path);
                    let question = elements
                        .map(|elements| reader.read_elements(filter, depth, elements))
                        .transpose()?;
                    return Ok(question.map(UserElement::Extension));
                }
            },
        }))
    }

    fn extension(&self, path: &str, asked: Asked) -> Result<Option<Filter<UserAttribute, UserElement>>, InvalidFilter> {
        ask(self.schemas, ResourceType::User, path, asked, UserElement::Extension)
    }
}

struct Groups<'a> {
    schemas: &'a SchemaSet,
}

impl Names<GroupAttribute, GroupElement> for Groups<'_> {
    fn attribute(&self, path: &str) -> Option<(GroupAttribute, Kind)> {
        GroupAttribute::find(path).map(|attribute| (attribute, attribute.kind()))
    }

    fn element(
        &self,
        path: &str,
        filter: Option<proto::Filter>,
        reader: &mut Reader,
        depth: usize,
    ) -> Result<Option<GroupElement>, DirectoryError> {
        if path != "members" {
            let elements = self.schemas.elements(ResourceType::Group, path);
            let question = elements
                .map(|elements| reader.read_elements(filter, depth, elements))
                .transpose()?;
            return Ok(question.map(GroupElement::Extension));
        }
        Ok(Some(GroupElement::Members(
            reader.read_inner::<MemberAttribute>(filter, depth, &Simple)?,
        )))
    }

    fn extension(
        &self,
        path: &str,
        asked: Asked,
    ) -> Result<Option<Filter<GroupAttribute, GroupElement>>, InvalidFilter> {
        ask(self.schemas, ResourceType::Group, path, asked, GroupElement::Extension)
    }
}

/// A question about an extension attribute that is not multi-valued, or about whether one is there at all.
fn ask<A, E>(
    schemas: &SchemaSet,
    resource: ResourceType,
    path: &str,
    asked: Asked,
    element: impl Fn(ExtensionQuestion) -> E,
) -> Result<Option<Filter<A, E>>, InvalidFilter> {
    let about = |question| Filter::Element(element(question));
    Ok(match asked {
        Asked::Present => {
            let any = schemas.presence(resource, path);
            any.map(|any| Filter::Or(any.into_iter().map(about).collect()))
        }
        Asked::Compare(operator, literal) => schemas.comparison(resource, path, operator, literal)?.map(about),
    })
}

impl Names<Infallible, ElementTest> for ExtensionElements<'_> {
    fn attribute(&self, _: &str) -> Option<(Infallible, Kind)> {
        None
    }

    fn element(
        &self,
        _: &str,
        _: Option<proto::Filter>,
        _: &mut Reader,
        _: usize,
    ) -> Result<Option<ElementTest>, DirectoryError> {
        Ok(None)
    }

    fn extension(&self, path: &str, asked: Asked) -> Result<Option<Filter<Infallible, ElementTest>>, InvalidFilter> {
        let test = match asked {
            Asked::Present => self.presence(path),
            Asked::Compare(operator, literal) => self.comparison(path, operator, literal)?,
        };
        Ok(test.map(Filter::Element))
    }
}

/// The sub-attributes of `groups`, `blocks` and `members`.
struct Simple;

impl<A: Attribute> Names<A, Infallible> for Simple {
    fn attribute(&self, path: &str) -> Option<(A, Kind)> {
        A::find(path).map(|attribute| (attribute, attribute.kind()))
    }

    fn element(
        &self,
        _: &str,
        _: Option<proto::Filter>,
        _: &mut Reader,
        _: usize,
    ) -> Result<Option<Infallible>, DirectoryError> {
        Ok(None)
    }
}

/// The sub-attributes of a multi-valued attribute that the source writes.
struct Elements(ListAttribute);

impl Names<ElementAttribute, Infallible> for Elements {
    fn attribute(&self, path: &str) -> Option<(ElementAttribute, Kind)> {
        ElementAttribute::of(self.0, path).map(|attribute| (attribute, attribute.kind()))
    }

    fn element(
        &self,
        _: &str,
        _: Option<proto::Filter>,
        _: &mut Reader,
        _: usize,
    ) -> Result<Option<Infallible>, DirectoryError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(expression: Expression) -> proto::Filter {
        proto::Filter {
            expression: Some(expression),
        }
    }

    fn compare(attribute: &str, operator: WireOperator, literal: WireLiteral) -> proto::Filter {
        let (attribute, operator) = (attribute.to_owned(), operator.into());
        filter(Expression::Comparison(proto::Comparison {
            attribute,
            operator,
            literal: Some(literal),
        }))
    }

    fn text(text: &str) -> WireLiteral {
        WireLiteral::Text(text.to_owned())
    }

    fn refusal(filter: proto::Filter) -> String {
        match user_filter(filter, &SchemaSet::default()) {
            Err(DirectoryError::InvalidFilter(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_is_folded_unless_the_attribute_compares_exactly() {
        let folded = user_filter(
            compare("user_name", WireOperator::Equal, text("ÄDA")),
            &SchemaSet::default(),
        )
        .unwrap();
        let exact = user_filter(
            compare("external_id", WireOperator::Equal, text("ÄDA")),
            &SchemaSet::default(),
        )
        .unwrap();

        let Filter::Compare(folded) = folded else { panic!() };
        let Filter::Compare(exact) = exact else { panic!() };
        assert_eq!(*folded.literal(), Literal::Text("a\u{308}da".to_owned()));
        assert_eq!(*exact.literal(), Literal::Text("ÄDA".to_owned()));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let unknown = "it names an unknown attribute, or compares one that is not single-valued";
        for attribute in ["shoe_size", "emails", "name", "", "emails.value"] {
            assert_eq!(refusal(compare(attribute, WireOperator::Equal, text("x"))), unknown);
        }
        let operator = "an operator does not fit its attribute's type";
        assert_eq!(
            refusal(compare("blocked", WireOperator::Greater, WireLiteral::Boolean(true))),
            operator
        );
        let literal_type = "a literal is not of its attribute's type";
        assert_eq!(
            refusal(compare("blocked", WireOperator::Equal, text("true"))),
            literal_type
        );
        assert_eq!(
            refusal(compare("create_time", WireOperator::Equal, text("2026"))),
            literal_type
        );
        let nul = "a literal holds the character U+0000";
        for attribute in ["user_name", "id", "version"] {
            assert_eq!(refusal(compare(attribute, WireOperator::Equal, text("a\0"))), nul);
        }
        assert_eq!(refusal(proto::Filter { expression: None }), "an expression is missing");
        let list = proto::FilterList { filters: Vec::new() };
        assert_eq!(
            refusal(filter(Expression::And(list))),
            "and, or need at least one filter"
        );
        assert_eq!(
            refusal(compare("title", WireOperator::Unspecified, text("x"))),
            "a comparison lacks its operator"
        );
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let too_much = "it may be 64 levels deep and hold 1,000 nodes at most";
        let leaf = || compare("title", WireOperator::Equal, text("x"));
        let deep = |levels: usize| (1..levels).fold(leaf(), |inner, _| filter(Expression::Not(Box::new(inner))));
        let wide = |nodes: usize| {
            filter(Expression::Or(proto::FilterList {
                filters: vec![leaf(); nodes - 1],
            }))
        };

        assert!(user_filter(deep(64), &SchemaSet::default()).is_ok());
        assert_eq!(refusal(deep(65)), too_much);
        assert!(user_filter(wide(1_000), &SchemaSet::default()).is_ok());
        assert_eq!(refusal(wide(1_001)), too_much);
    }

    #[test]
    fn elements_know_their_own_sub_attributes() {
        let element = |attribute: &str, sub: &str| {
            let inner = Some(Box::new(compare(sub, WireOperator::Equal, text("x"))));
            let element = proto::ElementMatch {
                attribute: attribute.to_owned(),
                filter: inner,
            };
            user_filter(filter(Expression::Element(Box::new(element))), &SchemaSet::default())
        };

        for (attribute, sub) in [
            ("emails", "value"),
            ("addresses", "locality"),
            ("groups", "display"),
            ("blocks", "reason"),
        ] {
            assert!(element(attribute, sub).is_ok(), "{attribute}[{sub}]");
        }
        for (attribute, sub) in [
            ("emails", "locality"),
            ("addresses", "value"),
            ("groups", "type"),
            ("title", "value"),
        ] {
            assert!(
                matches!(element(attribute, sub), Err(DirectoryError::InvalidFilter(_))),
                "{attribute}[{sub}]"
            );
        }
    }
}
