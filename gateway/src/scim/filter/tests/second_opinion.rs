//! What the crate `scim_v2` makes of the same filters. Its grammar is written down as such, ours is a recursive descent:
//! they were made from the same RFC by different people in different ways.
//!
//! By RFC 7644 figure 1 it is wrong where it insists on a blank between `not` and its bracket, so every filter here has one
//! (as the RFC's own examples have); where it takes any white space of Unicode for a blank; and where it takes blanks beside
//! brackets.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::select;
use scim_v2::filter as theirs;
use theirs::{AttrExp, AttrPath, CompValue, ValFilter};

use super::properties::any_damaged;
use super::random::{any_filter, any_filter_in, attributes, parts, users};
use super::spelling::{Dialect, any_choices, written, written_in_brackets, written_name};

use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::filter::parser::MAX_BYTES;
use crate::scim::filter::{CompareOp, Filter, Literal, PatchPath, PatchTarget, parse, parse_patch_path};
use crate::scim::schema::Kind;
use crate::scim::testing::for_each_of;
use crate::scim::value::parse_time;

const CASES: u32 = 4_096;

#[test]
fn both_read_the_same_tree_from_every_filter() {
    let read = Cell::new(0);
    for_each_of(2 * CASES, &(any_filter(), any_choices()), |(filter, choices)| {
        let text = written(&filter, Dialect::Rfc, &choices);
        if text.len() <= MAX_BYTES {
            read.set(read.get() + 1);
            let theirs: theirs::Filter = text
                .parse()
                .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
            prop_assert_eq!(&translated(&theirs), &filter, "{}", text);
            prop_assert_eq!(parse(users(), &text), Ok(filter), "{}", text);
        }
        Ok(())
    });
    assert!(read.get() > CASES * 9 / 5, "only {} were short enough", read.get());
}

#[test]
fn both_read_the_same_from_every_path_of_a_patch() {
    let path = select(attributes()).prop_flat_map(|path| {
        let parts = parts(&path);
        let is_open = path.attribute.multi_valued || path.attribute.kind == Kind::Complex;
        let (filter, part) = match is_open {
            true => (
                proptest::option::of(any_filter_in(&path)).boxed(),
                proptest::option::of(select(parts)).boxed(),
            ),
            false => (Just(None).boxed(), Just(None).boxed()),
        };
        (Just(path), filter, part, any_choices())
    });
    for_each_of(CASES, &path, |(attribute, filter, part, choices)| {
        let path = part.unwrap_or_else(|| attribute.clone());
        let text = match (&filter, path.part_name()) {
            (None, _) => written_name(&path, Dialect::Rfc, &choices),
            (Some(filter), None) => written_in_brackets(&attribute, filter, Dialect::Rfc, &choices),
            (Some(filter), Some(part)) => {
                format!(
                    "{}.{part}",
                    written_in_brackets(&attribute, filter, Dialect::Rfc, &choices)
                )
            }
        };
        let theirs: theirs::PatchPath = text
            .parse()
            .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let expected = PatchPath { path, filter };
        prop_assert_eq!(&translated_path(&theirs), &expected, "{}", text);
        prop_assert_eq!(
            parse_patch_path(users(), &text),
            Ok(PatchTarget::Path(expected)),
            "{}",
            text
        );
        Ok(())
    });
}

/// Of broken text, we take nothing that they refuse, unless it is one of the liberties that [`as_the_rfc_writes_it`] lists;
/// what they take and we refuse breaks no rule of the grammar, but one that only the schema or our bounds give.
#[test]
fn both_refuse_what_is_no_filter() {
    let (agreed, refused, liberties, unfit) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |one: &Cell<u32>| one.set(one.get() + 1);
    for_each_of(2 * CASES, &any_damaged(), |text| {
        let theirs = text.parse::<theirs::Filter>();
        match (parse(users(), &text), theirs) {
            (Ok(ours), Ok(theirs)) => {
                count(&agreed);
                prop_assert_eq!(ours, translated(&theirs), "{}", text);
            }
            (Err(_), Err(_)) => count(&refused),
            (Ok(ours), Err(error)) => {
                count(&liberties);
                let proper = as_the_rfc_writes_it(&text);
                let theirs: theirs::Filter = proper
                    .parse()
                    .map_err(|_| TestCaseError::fail(format!("only we take {text}: {error}")))?;
                prop_assert_eq!(ours, translated(&theirs), "{} as {}", text, proper);
            }
            (Err(error), Ok(_)) => {
                count(&unfit);
                prop_assert!(
                    is_beyond_the_grammar(&error, &text),
                    "only they take {}: {}",
                    text,
                    error
                );
            }
        }
        Ok(())
    });
    let counts = [agreed, refused, liberties, unfit].map(Cell::into_inner);
    let enough = [500, 2_000, 50, 1_000];
    assert!(
        std::iter::zip(counts, enough).all(|(count, enough)| count > enough),
        "{counts:?}"
    );
}

/// Whether the schema or a bound refused what the grammar allows.
fn is_beyond_the_grammar(error: &ScimError, text: &str) -> bool {
    let rules = [
        "has no attribute",
        "does not fit the type",
        "compares with",
        "null fits only eq and ne",
        "has sub-attributes; name one of them",
        "cannot be asked about",
        "square brackets may follow only an attribute that has sub-attributes",
        "holds the character U+0000",
        "nested more than",
        "is longer than",
    ];
    // White space that is none of the grammar's; in quotes it is text.
    let mut beyond = tokens(text).into_iter().filter(|token| !token.starts_with('"'));
    rules.iter().any(|rule| error.detail.contains(rule))
        || beyond.any(|token| token.contains(char::is_whitespace))
        || [" [", "\t["].iter().any(|blank| text.contains(blank))
}

/// Every liberty that we give, put right: a blank that is missing where a bracket or a quote ends a word all the same
/// (`not(`, `)and(`, `eq"x"`), tabs and blanks that nobody needs, and `true`, `false` and `null` in any case (Entra's `True`).
fn as_the_rfc_writes_it(text: &str) -> String {
    let mut proper = String::new();
    for token in tokens(text) {
        let before = proper.chars().next_back();
        let needs_blank = match (before, token.chars().next()) {
            (None | Some('(' | '['), _) | (_, Some(')' | ']')) => false,
            (_, Some('[')) | (Some(']'), Some('.')) => false,
            (Some(_), _) => true,
        };
        if needs_blank {
            proper.push(' ');
        }
        match token.to_ascii_lowercase().as_str() {
            word @ ("true" | "false" | "null") => proper += word,
            _ => proper += token,
        }
    }
    proper
}

/// Brackets, quoted texts, and what stands between them and the blanks.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_matches([' ', '\t']);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | '[' | ']' => 1,
            '"' => {
                let mut escaped = false;
                let closing = rest.char_indices().skip(1).find(|(_, next)| {
                    let closes = *next == '"' && !escaped;
                    escaped = *next == '\\' && !escaped;
                    closes
                });
                closing.map_or(rest.len(), |(at, _)| at + 1)
            }
            _ => rest.find([' ', '\t', '(', ')', '[', ']', '"']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start_matches([' ', '\t']);
    }
    tokens
}

fn translated(filter: &theirs::Filter) -> Filter {
    match filter {
        theirs::Filter::Attr(expression) => comparison(expression, None),
        theirs::Filter::ValuePath(path) => {
            let attribute = resolved(&path.attr, None);
            let filter = in_brackets(&path.filter, &attribute);
            if attribute.attribute.multi_valued {
                Filter::Element {
                    attribute,
                    filter: Box::new(filter),
                }
            } else {
                filter
            }
        }
        theirs::Filter::Not(filter) => Filter::Not(Box::new(translated(filter))),
        theirs::Filter::And(filters) => Filter::and(filters.iter().map(translated).collect()),
        theirs::Filter::Or(filters) => Filter::or(filters.iter().map(translated).collect()),
    }
}

fn in_brackets(filter: &ValFilter, scope: &AttributePath) -> Filter {
    let all = |filters: &[ValFilter]| filters.iter().map(|filter| in_brackets(filter, scope)).collect();
    match filter {
        ValFilter::Attr(expression) => comparison(expression, Some(scope)),
        ValFilter::Not(filter) => Filter::Not(Box::new(in_brackets(filter, scope))),
        ValFilter::And(filters) => Filter::and(all(filters)),
        ValFilter::Or(filters) => Filter::or(all(filters)),
    }
}

fn translated_path(path: &theirs::PatchPath) -> PatchPath {
    match path {
        theirs::PatchPath::Attr(path) => PatchPath {
            path: resolved(path, None),
            filter: None,
        },
        theirs::PatchPath::Value(value) => {
            let attribute = resolved(&value.attr, None);
            let filter = Some(in_brackets(&value.filter, &attribute));
            let part = |name: &String| attribute.find_part(name).expect("a part that exists");
            let path = value.sub_attr.as_ref().map_or_else(|| attribute.clone(), part);
            PatchPath { path, filter }
        }
    }
}

/// Which attribute a name means is no matter of the grammar: that is our own answer.
fn resolved(path: &AttrPath, scope: Option<&AttributePath>) -> AttributePath {
    match scope {
        Some(scope) => scope.find_part(&path.to_string()).expect("a part that exists"),
        None => AttributePath::resolve(users(), &path.to_string()).expect("an attribute that exists"),
    }
}

fn comparison(expression: &AttrExp, scope: Option<&AttributePath>) -> Filter {
    let about = |path: &AttributePath, filter: Filter| match (scope, &path.sub_attribute) {
        (None, Some(_)) if path.attribute.multi_valued => Filter::Element {
            attribute: path.without_sub_attribute(),
            filter: Box::new(filter),
        },
        _ => filter,
    };
    match expression {
        AttrExp::Present(path) | AttrExp::Comparison(path, theirs::CompareOp::Ne, CompValue::Null) => {
            let path = resolved(path, scope);
            about(&path.clone(), Filter::Present(path))
        }
        AttrExp::Comparison(path, theirs::CompareOp::Eq, CompValue::Null) => {
            let path = resolved(path, scope);
            Filter::Not(Box::new(about(&path.clone(), Filter::Present(path))))
        }
        AttrExp::Comparison(path, op, value) => {
            let path = resolved(path, scope);
            let is_open = path.attribute.multi_valued || path.attribute.kind == Kind::Complex;
            let path = match &path.sub_attribute {
                None if is_open => path.find_part("value").expect("a value to compare"),
                _ => path,
            };
            let filter = Filter::Compare {
                op: operator(op),
                value: literal(path.target().kind, value),
                path: path.clone(),
            };
            about(&path, filter)
        }
    }
}

fn operator(op: &theirs::CompareOp) -> CompareOp {
    match op {
        theirs::CompareOp::Eq => CompareOp::Equal,
        theirs::CompareOp::Ne => CompareOp::NotEqual,
        theirs::CompareOp::Co => CompareOp::Contains,
        theirs::CompareOp::Sw => CompareOp::StartsWith,
        theirs::CompareOp::Ew => CompareOp::EndsWith,
        theirs::CompareOp::Gt => CompareOp::Greater,
        theirs::CompareOp::Ge => CompareOp::GreaterOrEqual,
        theirs::CompareOp::Lt => CompareOp::Less,
        theirs::CompareOp::Le => CompareOp::LessOrEqual,
    }
}

fn literal(kind: Kind, value: &CompValue) -> Literal {
    match (kind, value) {
        (Kind::Boolean, CompValue::True) => Literal::Boolean(true),
        (Kind::Boolean, CompValue::False) => Literal::Boolean(false),
        // Entra's spelling; to the grammar it is text.
        (Kind::Boolean, CompValue::Str(text)) => Literal::Boolean(text.eq_ignore_ascii_case("true")),
        (Kind::Integer, CompValue::Number(number)) => Literal::Integer(
            number
                .as_i64()
                .unwrap_or_else(|| number.as_f64().expect("a number") as i64),
        ),
        (Kind::Decimal, CompValue::Number(number)) => Literal::Decimal(number.as_f64().expect("a number")),
        (Kind::DateTime, CompValue::Str(text)) => Literal::Time(parse_time(text).expect("a time")),
        (_, CompValue::Str(text)) => Literal::Text(text.clone()),
        (kind, value) => panic!("{value} does not fit {kind:?}"),
    }
}
