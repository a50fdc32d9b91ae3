//! `gateway/CONFORMANCE.md` tells the truth: every test that it names exists, and no rule is left without a word. The
//! modules below show the rules of RFC 7643 and 7644 that nothing else shows.

mod discovery;
mod lists;
mod resources;
mod values;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

/// What shows a rule that nothing has to show.
const EXCUSE: &str = "does not apply: ";
/// How the head of each table of rules reads.
const HEAD: [&str; 3] = ["section", "rule", "shown by"];

/// The rows of the tables of rules: section, rule, and what shows it.
fn rows(page: &str) -> Vec<[&str; 3]> {
    let mut rows = Vec::new();
    let mut in_rules = false;
    for line in page.lines() {
        let Some(cells) = line
            .strip_prefix('|')
            .and_then(|line| line.trim_end().strip_suffix('|'))
        else {
            in_rules = false;
            continue;
        };
        // A bar in a cell is written \| there.
        let cells: Vec<&str> = split_cells(cells);
        if cells == HEAD {
            in_rules = true;
        } else if in_rules && !cells.iter().all(|cell| cell.chars().all(|next| next == '-')) {
            let row = <[&str; 3]>::try_from(cells).unwrap_or_else(|cells| panic!("not three cells: {cells:?}"));
            rows.push(row);
        } else if in_rules && cells.len() != 3 {
            panic!("not three cells: {line}");
        }
    }
    rows
}

fn split_cells(line: &str) -> Vec<&str> {
    let bars = line.match_indices('|').map(|(at, _)| at);
    let splits = bars.filter(|at| !line[..*at].ends_with('\\'));
    let mut cells = Vec::new();
    let mut start = 0;
    for at in splits {
        cells.push(line[start..at].trim());
        start = at + 1;
    }
    cells.push(line[start..].trim());
    cells
}

/// The tests that a text names: `path/to/file.rs::name`.
fn tests_in(text: &str) -> Vec<(&str, &str)> {
    let test = Regex::new(r"`([^`\s]+\.(?:rs|py))::([A-Za-z0-9_]+)`").unwrap();
    test.captures_iter(text)
        .map(|found| found.extract::<2>().1)
        .map(|[file, name]| (file, name))
        .collect()
}

/// The scenarios of Entra's corpus that a text names: `fixture 050`.
fn fixtures_in(text: &str) -> Vec<&str> {
    let fixture = Regex::new(r"fixture (\d{3})\b").unwrap();
    fixture
        .captures_iter(text)
        .map(|found| found.extract::<1>().1[0])
        .collect()
}

/// The deviations that a text links to: `[D1](#d1)`.
fn deviations_in(text: &str) -> Vec<&str> {
    let link = Regex::new(r"\[(D\d+)\]\(#").unwrap();
    link.captures_iter(text)
        .map(|found| found.extract::<1>().1[0])
        .collect()
}

/// The deviations that the page explains, with the text of each.
fn explained(page: &str) -> BTreeMap<&str, &str> {
    let heading = Regex::new(r"(?m)^### (D\d+): .+$").unwrap();
    let starts: Vec<_> = heading.captures_iter(page).map(|found| found.get_match()).collect();
    let mut deviations = BTreeMap::new();
    for start in starts {
        let text = &page[start.start()..];
        let end = text[1..].find("\n#").map_or(text.len(), |at| at + 1);
        let name = text[4..].split(':').next().unwrap();
        assert!(deviations.insert(name, &text[..end]).is_none(), "{name} stands twice");
    }
    deviations
}

/// Everything that is wrong with the page.
fn faults(page: &str, root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let deviations = explained(page);
    let mut linked = BTreeSet::new();
    for [section, rule, shown] in rows(page) {
        let names_something = !tests_in(shown).is_empty()
            || !fixtures_in(shown).is_empty()
            || !deviations_in(shown).is_empty()
            || shown.strip_prefix(EXCUSE).is_some_and(|why| why.len() > 10);
        if section.is_empty() || rule.is_empty() || !names_something {
            faults.push(format!("nothing shows \"{rule}\" of section {section:?}"));
        }
        linked.extend(deviations_in(shown));
    }
    for name in linked.iter().filter(|name| !deviations.contains_key(*name)) {
        faults.push(format!("{name} is not explained"));
    }
    for (name, text) in &deviations {
        if !linked.contains(name) {
            faults.push(format!("no row links to {name}"));
        }
        if tests_in(text).is_empty() && fixtures_in(text).is_empty() {
            faults.push(format!("{name} names no test"));
        }
    }
    faults.extend(
        tests_in(page)
            .into_iter()
            .filter_map(|(file, name)| missing_test(root, file, name)),
    );
    faults.extend(
        fixtures_in(page)
            .into_iter()
            .filter_map(|number| missing_fixture(root, number)),
    );
    faults
}

/// A test in Rust is a function under `#[test]` or the like, or is listed in `on_every_database!`; a function alone, which
/// nothing runs, is none. In Python it is a function.
fn missing_test(root: &Path, file: &str, name: &str) -> Option<String> {
    let Ok(source) = fs::read_to_string(root.join(file)) else {
        return Some(format!("there is no file {file}"));
    };
    let is_there = if file.ends_with(".py") {
        Regex::new(&format!(r"(?m)^\s*(?:async )?def {name}\("))
            .unwrap()
            .is_match(&source)
    } else {
        let run_by_itself = Regex::new(&format!(r"#\[[^\]]*\btest\b[^\]]*\][^;{{}}]*\bfn {name}\(")).unwrap();
        let rstest = Regex::new(&format!(r"#\[rstest\][^;{{}}]*\bfn {name}\(")).unwrap();
        let listed = Regex::new(&format!(r"on_every_database! *\{{[^}}]*\b{name}\b[^}}]*\}}")).unwrap();
        run_by_itself.is_match(&source) || rstest.is_match(&source) || listed.is_match(&source)
    };
    (!is_there).then(|| format!("{file} has no test {name}"))
}

fn missing_fixture(root: &Path, number: &str) -> Option<String> {
    let files = fs::read_dir(root.join("tests/fixtures/entra")).unwrap();
    let is_there = files
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .any(|name| name.starts_with(&format!("{number}-")));
    (!is_there).then(|| format!("there is no fixture {number}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("gateway/CONFORMANCE.md")).unwrap()
}

#[test]
fn every_rule_is_shown_by_tests_that_exist() {
    let page = page();
    let count = rows(&page).len();
    assert!(count >= 110, "the tables have {count} rules only: were they read?");
    assert_eq!(faults(&page, root()), Vec::<String>::new());
}

#[test]
fn a_made_up_test_and_an_empty_cell_are_noticed() {
    let good = "\
        | section | rule | shown by |\n\
        |---|---|---|\n\
        | 3.1 | a rule with \\| in it | `gateway/src/scim/error.rs::the_body_has_the_status_as_text_and_the_type_where_there_is_one` |\n\
        | 3.2 | another | fixture 050, [D1](#d1-one) |\n\
        | 3.3 | a third | does not apply: nobody sends it |\n\n\
        ### D1: one\n\n`tests/system/patch.rs::a_patch_with_one_bad_operation_changes_nothing`\n";
    assert_eq!(rows(good).len(), 3);
    assert_eq!(faults(good, root()), Vec::<String>::new());

    for (from, to, fault) in [
        (
            "the_body_has",
            "the_body_never_has",
            "gateway/src/scim/error.rs has no test the_body_never_has_the_status_as_text_and_the_type_where_there_is_one",
        ),
        (
            "scim/error.rs",
            "scim/errors.rs",
            "there is no file gateway/src/scim/errors.rs",
        ),
        // A function that no test harness runs.
        (
            "the_body_has_the_status_as_text_and_the_type_where_there_is_one",
            "invalid_value",
            "gateway/src/scim/error.rs has no test invalid_value",
        ),
        (
            "a_patch_with_one",
            "a_patch_with_two",
            "tests/system/patch.rs has no test a_patch_with_two_bad_operation_changes_nothing",
        ),
        ("fixture 050", "fixture 999", "there is no fixture 999"),
        (
            "does not apply: nobody sends it",
            "",
            "nothing shows \"a third\" of section \"3.3\"",
        ),
        (
            "does not apply: nobody sends it",
            "later",
            "nothing shows \"a third\" of section \"3.3\"",
        ),
        ("[D1](#d1-one)", "[D2](#d2-two)", "D2 is not explained"),
        (", [D1](#d1-one)", "", "no row links to D1"),
    ] {
        let bad = good.replace(from, to);
        assert!(
            faults(&bad, root()).contains(&fault.to_owned()),
            "{fault}: {:?}",
            faults(&bad, root())
        );
    }
}
