//! What holds of every filter and every text.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::random::{any_filter, any_filter_in, attributes, parts, users};
use super::spelling::{Dialect, any_choices, written, written_in_brackets};
use super::{ada, groups};
use crate::scim::filter::parser::MAX_BYTES;
use crate::scim::filter::{
    CompareOp, Filter, Literal, PatchPath, PatchTarget, evaluate, parse, parse_beside, parse_patch_path,
};
use crate::scim::testing::for_each_of;

const CASES: u32 = 4_096;

#[test]
fn a_printed_filter_parses_to_itself() {
    let printed = Cell::new(0);
    for_each_of(CASES, &any_filter(), |filter| {
        let text = filter.to_string();
        if text.len() <= MAX_BYTES {
            printed.set(printed.get() + 1);
            prop_assert_eq!(parse(users(), &text), Ok(filter));
        }
        Ok(())
    });
    assert!(
        printed.get() > CASES * 9 / 10,
        "only {} were short enough",
        printed.get()
    );
}

#[test]
fn a_filter_means_the_same_however_it_is_written() {
    let written_so = Cell::new(0);
    for_each_of(
        2 * CASES,
        &(any_filter(), any_choices(), any::<bool>()),
        |(filter, choices, freely)| {
            let dialect = if freely { Dialect::Tolerated } else { Dialect::Rfc };
            let text = written(&filter, dialect, &choices);
            if text.len() <= MAX_BYTES {
                written_so.set(written_so.get() + 1);
                prop_assert_eq!(parse(users(), &text), Ok(filter), "{}", text);
            }
            Ok(())
        },
    );
    assert!(
        written_so.get() > CASES * 9 / 5,
        "only {} were short enough",
        written_so.get()
    );
}

/// The generator of the other tests leaves nothing out.
#[test]
fn random_filters_have_every_operator_literal_and_kind_of_node() {
    let seen = std::cell::RefCell::new(BTreeSet::new());
    for_each_of(CASES, &any_filter(), |filter| {
        note(&filter, &mut seen.borrow_mut());
        Ok(())
    });
    let ops = CompareOp::ALL.iter().map(|op| op.as_str());
    let kinds = [
        "and", "or", "not", "pr", "element", "text", "boolean", "integer", "decimal", "time", "urn", "deep",
    ];
    let all: BTreeSet<&str> = ops.chain(kinds).collect();
    assert_eq!(seen.into_inner(), all);
}

fn note(filter: &Filter, seen: &mut BTreeSet<&'static str>) {
    if filter.depth() > 5 {
        seen.insert("deep");
    }
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            seen.insert(if matches!(filter, Filter::And(_)) { "and" } else { "or" });
            filters.iter().for_each(|filter| note(filter, seen));
        }
        Filter::Not(filter) => {
            seen.insert("not");
            note(filter, seen);
        }
        Filter::Element { filter, .. } => {
            seen.insert("element");
            note(filter, seen);
        }
        Filter::Present(_) => {
            seen.insert("pr");
        }
        Filter::Compare { path, op, value } => {
            seen.insert(op.as_str());
            seen.insert(match value {
                Literal::Text(_) => "text",
                Literal::Boolean(_) => "boolean",
                Literal::Integer(_) => "integer",
                Literal::Decimal(_) => "decimal",
                Literal::Time(_) => "time",
            });
            if path.is_extension() {
                seen.insert("urn");
            }
        }
    }
}

#[test]
fn the_path_of_a_patch_means_the_same_however_it_is_written() {
    let open: Vec<_> = attributes()
        .into_iter()
        .filter(|path| !parts(path).is_empty())
        .collect();
    let open: Vec<_> = open
        .into_iter()
        .filter(|path| path.attribute.multi_valued || !path.attribute.sub_attributes.is_empty())
        .collect();
    let target = select(open).prop_flat_map(|path| {
        let part = proptest::option::of(select(parts(&path)));
        let filter = any_filter_in(&path);
        (Just(path), filter, part, any_choices(), any::<bool>())
    });
    for_each_of(CASES, &target, |(path, filter, part, choices, freely)| {
        let dialect = if freely { Dialect::Tolerated } else { Dialect::Rfc };
        let mut text = written_in_brackets(&path, &filter, dialect, &choices);
        if let Some(part) = &part {
            text += &format!(".{}", part.part_name().expect("a part"));
        }
        let expected = PatchPath {
            path: part.unwrap_or(path),
            filter: Some(filter),
        };
        prop_assert_eq!(
            parse_patch_path(users(), &text),
            Ok(PatchTarget::Path(expected)),
            "{}",
            text
        );
        Ok(())
    });
}

#[test]
fn no_text_makes_the_parsers_panic() {
    for_each_of(2 * CASES, &any::<String>(), |text| parses_or_not(&text));
    let lines = vec(any::<u8>(), 0..64).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    for_each_of(CASES, &lines, |text| parses_or_not(&text));
}

#[test]
fn no_tokens_make_the_parsers_panic() {
    let tokens = select(vec![
        "emails",
        "members",
        "tags",
        "name",
        "manager",
        "level",
        "[",
        "]",
        "(",
        ")",
        ".",
        ":",
        "value",
        "givenName",
        "type",
        "not",
        "and",
        "or",
        " ",
        "  ",
        "\t",
        "\n",
        "\u{a0}",
        "eq",
        "ne",
        "co",
        "gt",
        "pr",
        "\"x\"",
        "\"",
        "\\",
        "\\\"",
        "\\u12",
        "\\ud83d",
        "null",
        "true",
        "False",
        "-1",
        "1.5",
        "1e999",
        "0x1",
        "urn:",
        "urn:ietf:params:scim:schemas:core:2.0:User:",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:",
        "$ref",
        "\u{e9}",
        "\0",
        "%",
        "emails[",
        "type eq \"x\"",
    ]);
    let accepted = Cell::new(0);
    for_each_of(4 * CASES, &vec(tokens, 0..16), |tokens| {
        let text = tokens.concat();
        if parse(users(), &text).is_ok() {
            accepted.set(accepted.get() + 1);
        }
        parses_or_not(&text)
    });
    assert!(accepted.get() > 0, "not one of them was a filter");
}

#[test]
fn no_change_of_a_filter_makes_the_parsers_panic() {
    let accepted = Cell::new(0);
    for_each_of(2 * CASES, &any_damaged(), |text| {
        if parse(users(), &text).is_ok() {
            accepted.set(accepted.get() + 1);
        }
        parses_or_not(&text)
    });
    let accepted = accepted.get();
    assert!(
        (CASES / 8..2 * CASES - CASES / 8).contains(&accepted),
        "{accepted} were filters"
    );
}

/// Whatever is no filter is refused without a panic, and whatever is one is printed so that it is read back.
fn parses_or_not(text: &str) -> Result<(), TestCaseError> {
    let _ = parse_patch_path(groups(), text);
    let _ = parse_patch_path(users(), text);
    let _ = parse(groups(), text);
    if let Ok(filter) = parse_beside(groups(), users(), text) {
        let _ = filter.narrow(groups());
    }
    if let Ok(filter) = parse(users(), text) {
        let _ = evaluate(&filter, &ada());
        let printed = filter.to_string();
        if printed.len() <= MAX_BYTES {
            prop_assert_eq!(parse(users(), &printed), Ok(filter), "{}", text);
        }
    }
    Ok(())
}

/// One edit of a text, at a place counted from its beginning.
#[derive(Debug, Clone)]
pub enum Edit {
    Delete(usize),
    Repeat(usize),
    Exchange(usize),
    Insert(usize, &'static str),
    Overwrite(usize, &'static str),
    Cut(usize),
}

/// Filters as the RFC writes them, with a few edits.
pub fn any_damaged() -> impl Strategy<Value = String> {
    let piece = || {
        select(vec![
            " ",
            "  ",
            "\t",
            "(",
            ")",
            "[",
            "]",
            "\"",
            "\\",
            ".",
            ":",
            "and",
            " and ",
            " or ",
            "not ",
            "not (",
            "eq",
            "pr",
            "null",
            "true",
            "0",
            "-",
            "e",
            "x",
            "\n",
            "\u{e9}",
            " title pr",
            "\"x\"",
            "value",
            ",",
            "NULL",
            "True",
        ])
    };
    let edit = prop_oneof![
        any::<usize>().prop_map(Edit::Delete),
        any::<usize>().prop_map(Edit::Repeat),
        any::<usize>().prop_map(Edit::Exchange),
        (any::<usize>(), piece()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<usize>(), piece()).prop_map(|(at, piece)| Edit::Overwrite(at, piece)),
        any::<usize>().prop_map(Edit::Cut),
    ];
    let edits = prop_oneof![4 => vec(edit.clone(), 1..2), 1 => vec(edit, 2..4)];
    (any_filter(), any_choices(), edits).prop_map(|(filter, choices, edits)| {
        let text = written(&filter, Dialect::Rfc, &choices);
        edits.iter().fold(text, |text, edit| edited(&text, edit))
    })
}

fn edited(text: &str, edit: &Edit) -> String {
    let mut pieces: Vec<String> = text.chars().map(String::from).collect();
    if pieces.is_empty() {
        return String::new();
    }
    let count = pieces.len();
    match *edit {
        Edit::Delete(at) => {
            pieces.remove(at % count);
        }
        Edit::Repeat(at) => pieces.insert(at % count, pieces[at % count].clone()),
        Edit::Exchange(at) => pieces.swap(at % count, (at + 1) % count),
        Edit::Insert(at, piece) => pieces.insert(at % (count + 1), piece.to_owned()),
        Edit::Overwrite(at, piece) => piece.clone_into(&mut pieces[at % count]),
        Edit::Cut(at) => pieces.truncate(at % count),
    }
    pieces.concat()
}
