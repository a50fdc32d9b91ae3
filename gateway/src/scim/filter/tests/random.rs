//! Random filters on the users of a tenant that has attributes of every type.

use std::sync::{Arc, LazyLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use time::OffsetDateTime;

use crate::scim::attribute_path::AttributePath;
use crate::scim::filter::{CompareOp, Filter, Literal};
use crate::scim::schema::{Attribute, COMMON, Kind, ResourceType, testing};

/// The users that the filters are about.
pub fn users() -> &'static Arc<ResourceType> {
    static USERS: LazyLock<Arc<ResourceType>> = LazyLock::new(testing::users);
    &USERS
}

/// Every attribute of every schema that can be asked about, whole.
pub fn attributes() -> Vec<AttributePath> {
    let core = &users().schema;
    let common = COMMON.iter().map(|attribute| AttributePath::whole(core, attribute));
    let listed = users().schemas().flat_map(|schema| {
        let attributes = schema.attributes.iter();
        attributes.map(move |attribute| AttributePath::whole(schema, attribute))
    });
    common.chain(listed).filter(|path| !path.is_hidden()).collect()
}

/// Every part of an attribute that can be asked about; of a simple list, the element.
///
/// The name `$ref` is left out: figure 1 has no `$` in a name, so that the filters of others cannot ask about it.
pub fn parts(path: &AttributePath) -> Vec<AttributePath> {
    let names: Vec<&str> = match path.attribute.kind {
        Kind::Complex => path
            .attribute
            .sub_attributes
            .iter()
            .map(|part| part.name.as_str())
            .collect(),
        _ => vec!["value"],
    };
    let parts = names
        .into_iter()
        .filter(|name| *name != "$ref")
        .filter_map(|name| path.find_part(name));
    parts.filter(|part| !part.is_hidden()).collect()
}

/// Any filter.
pub fn any_filter() -> impl Strategy<Value = Filter> {
    let (lists, singles): (Vec<_>, Vec<_>) = attributes().into_iter().partition(|path| path.attribute.multi_valued);
    let simple: Vec<_> = singles
        .iter()
        .flat_map(|path| match path.attribute.kind {
            Kind::Complex => parts(path),
            _ => vec![path.clone()],
        })
        .collect();
    let wholes: Vec<_> = lists.iter().chain(&singles).cloned().collect();
    let element = |attribute: AttributePath| {
        let filter = any_filter_in(&attribute);
        let element = filter.prop_map(move |filter| Filter::Element {
            attribute: attribute.clone(),
            filter: Box::new(filter),
        });
        element.boxed()
    };
    let element = one_of(lists.into_iter().map(element));
    let leaf = prop_oneof![
        3 => any_comparison(simple),
        2 => element,
        1 => select(wholes).prop_map(Filter::Present),
    ];
    nested(leaf.boxed(), 5)
}

/// Filters on the parts of one multi-valued or complex attribute, as they stand in square brackets.
pub fn any_filter_in(attribute: &AttributePath) -> impl Strategy<Value = Filter> + use<> {
    nested(any_comparison(parts(attribute)), 3)
}

fn nested(leaf: BoxedStrategy<Filter>, levels: u32) -> impl Strategy<Value = Filter> {
    leaf.prop_recursive(levels, 16, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Filter::and),
            vec(inner.clone(), 2..4).prop_map(Filter::or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

fn any_comparison(paths: Vec<AttributePath>) -> BoxedStrategy<Filter> {
    let comparison = |path: AttributePath| {
        let present = Just(Filter::Present(path.clone()));
        let compare = any_operand(path.target()).prop_map(move |(op, value)| Filter::Compare {
            path: path.clone(),
            op,
            value,
        });
        prop_oneof![1 => present, 6 => compare].boxed()
    };
    one_of(paths.into_iter().map(comparison))
}

/// What one of these gives. A `Union` of a hundred would prepare all of them for each value.
fn one_of(strategies: impl Iterator<Item = BoxedStrategy<Filter>>) -> BoxedStrategy<Filter> {
    select(strategies.collect::<Vec<_>>())
        .prop_flat_map(|strategy| strategy)
        .boxed()
}

/// An operator and a literal that fit the attribute (RFC 7644 table 3).
fn any_operand(attribute: &Attribute) -> BoxedStrategy<(CompareOp, Literal)> {
    use CompareOp as Op;
    let equality = [Op::Equal, Op::NotEqual];
    let order = [Op::Greater, Op::GreaterOrEqual, Op::Less, Op::LessOrEqual];
    let text = [Op::Contains, Op::StartsWith, Op::EndsWith];
    let (ops, literal) = match attribute.kind {
        Kind::String | Kind::Reference => (CompareOp::ALL.to_vec(), any_text().prop_map(Literal::Text).boxed()),
        Kind::Binary => (
            [&equality[..], &text].concat(),
            any_text().prop_map(Literal::Text).boxed(),
        ),
        Kind::Boolean => (equality.to_vec(), any::<bool>().prop_map(Literal::Boolean).boxed()),
        Kind::Integer => (
            [&equality[..], &order].concat(),
            any_integer().prop_map(Literal::Integer).boxed(),
        ),
        Kind::Decimal => (
            [&equality[..], &order].concat(),
            any_decimal().prop_map(Literal::Decimal).boxed(),
        ),
        Kind::DateTime => (
            [&equality[..], &order].concat(),
            any_time().prop_map(Literal::Time).boxed(),
        ),
        Kind::Complex => unreachable!("a complex attribute is asked about through its parts"),
    };
    (select(ops), literal).boxed()
}

/// Text of all kinds, much of which looks like a piece of a filter.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9@.+&' -]{0,12}",
        2 => vec(any::<char>(), 0..6).prop_map(String::from_iter),
        3 => vec(
            select(vec![
                "\"", "\\", "\\\"", "\\u0022", "/", "\n", "\t", "\r", "\u{8}", "\u{c}", "\u{7f}", "\u{1}", "(", ")", "[", "]", ".",
                " and ", " or ", " not (", " eq ", " pr", "null", "true", "\u{e9}", "e\u{301}", "\u{df}", "\u{2028}", "\u{feff}",
                "\u{1f600}", "\u{10ffff}", "\u{d7ff}", " ", "\u{a0}", "emails[type eq ", "${x}", "%22", "--", "';",
            ]),
            0..5,
        )
        .prop_map(|pieces| pieces.concat()),
    ]
    .prop_map(|text| text.replace('\0', "")) // no text of ours holds U+0000
}

fn any_integer() -> impl Strategy<Value = i64> {
    const LARGEST: i64 = 9_007_199_254_740_991;
    prop_oneof![-20_i64..20, -LARGEST..=LARGEST, Just(LARGEST), Just(-LARGEST)]
}

fn any_decimal() -> impl Strategy<Value = f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    let round = (-1_000_i32..1_000).prop_map(|number| f64::from(number) / 8.0);
    prop_oneof![round, POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO]
}

fn any_time() -> impl Strategy<Value = OffsetDateTime> {
    let second = prop_oneof![0_i64..4_000_000_000, -62_000_000_000_i64..253_000_000_000];
    let fraction = prop_oneof![Just(0), Just(500_000_000), 0_i64..1_000_000_000];
    (second, fraction).prop_map(|(second, nanosecond)| {
        OffsetDateTime::from_unix_timestamp(second).unwrap() + time::Duration::nanoseconds(nanosecond)
    })
}
