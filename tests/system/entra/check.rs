//! Where a scenario looks in an answer, and what must hold there.

use regex::Regex;
use serde_json::{Map, Value};

/// Finds what a pointer names: RFC 6901 with names compared without case, `[key=value]` for the first element with that
/// value, and `#` for the length.
pub fn find(document: &Value, pointer: &str) -> Option<Value> {
    let mut here = Some(document);
    let mut segments = pointer
        .split('/')
        .skip(1)
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"));
    while let Some(segment) = segments.next() {
        if segment == "#" {
            assert!(segments.next().is_none(), "# must come last in {pointer}");
            return Some(Value::from(length(here)));
        }
        here = step(here?, &segment);
    }
    here.cloned()
}

fn step<'a>(here: &'a Value, segment: &str) -> Option<&'a Value> {
    match here {
        Value::Object(object) => object
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(segment))
            .map(|(_, value)| value),
        Value::Array(elements) => match segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(condition) => {
                let (key, wanted) = condition
                    .split_once('=')
                    .unwrap_or_else(|| panic!("no = in [{condition}]"));
                elements.iter().find(|element| {
                    let value = step(element, key).map(text).unwrap_or_default();
                    value.to_lowercase() == wanted.to_lowercase()
                })
            }
            None => elements.get(segment.parse::<usize>().ok()?),
        },
        _ => None,
    }
}

fn length(value: Option<&Value>) -> usize {
    match value {
        Some(Value::Array(elements)) => elements.len(),
        Some(Value::Object(members)) => members.len(),
        Some(Value::String(text)) => text.chars().count(),
        _ => 0,
    }
}

/// The text of a scalar, or the JSON of anything else.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Missing, null, `[]` and `{}` are all "unassigned" (RFC 7643 §2.5).
fn unassigned(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(elements)) => elements.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(_) => false,
    }
}

/// What does not hold of the value; empty if everything does.
pub fn violations(checks: &Map<String, Value>, found: Option<&Value>) -> Vec<String> {
    assert!(!checks.is_empty(), "a rule without a check");
    let broken = checks.iter().filter(|(name, wanted)| !holds(name, wanted, found));
    let shown = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
    broken
        .map(|(name, wanted)| format!("{name} {wanted} does not hold of {shown}"))
        .collect()
}

fn holds(check: &str, wanted: &Value, found: Option<&Value>) -> bool {
    let equal = |wanted: &Value| match found {
        Some(found) if found == wanted => true,
        _ => wanted.is_null() && unassigned(found),
    };
    let yes = wanted.as_bool().unwrap_or(true);
    match check {
        "equals" => equal(wanted),
        "notEquals" => !equal(wanted),
        "equalsIgnoreCase" => found.is_some_and(|found| text(found).to_lowercase() == text(wanted).to_lowercase()),
        "matches" => {
            let pattern = Regex::new(&text(wanted)).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            found.is_some_and(|found| pattern.is_match(&text(found)))
        }
        "contains" => match found {
            Some(Value::Array(elements)) => elements.contains(wanted),
            Some(found) => text(found).contains(&text(wanted)),
            None => false,
        },
        "oneOf" => wanted.as_array().expect("oneOf needs a list").iter().any(equal),
        "type" => found.is_some_and(|found| text(wanted) == type_of(found)),
        "exists" => unassigned(found) != yes,
        "absent" => unassigned(found) == yes,
        "empty" => (unassigned(found) || found == Some(&Value::from(""))) == yes,
        other => panic!("no such check: {other}"),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(check: &str, wanted: Value, found: Option<Value>) -> bool {
        let checks = Map::from_iter([(check.to_owned(), wanted)]);
        violations(&checks, found.as_ref()).is_empty()
    }

    #[test]
    fn a_pointer_finds_names_in_any_case_elements_by_value_and_lengths() {
        let document = json!({"Emails": [{"type": "home", "value": "a"}, {"type": "Work", "value": "b"}], "a/b": 1});

        assert_eq!(find(&document, "/emails/[type=work]/Value"), Some(json!("b")));
        assert_eq!(find(&document, "/emails/0/value"), Some(json!("a")));
        assert_eq!(find(&document, "/emails/#"), Some(json!(2)));
        assert_eq!(find(&document, "/nothing/#"), Some(json!(0)));
        assert_eq!(find(&document, "/a~1b"), Some(json!(1)));
        assert_eq!(find(&document, "/emails/[type=other]/value"), None);
        assert_eq!(find(&document, ""), Some(document));
    }

    #[test]
    fn every_check_can_hold_and_can_fail() {
        for (check, wanted, good, bad) in [
            ("equals", json!(true), Some(json!(true)), Some(json!("True"))),
            ("equals", json!(null), None, Some(json!(1))),
            ("notEquals", json!("a"), Some(json!("b")), Some(json!("a"))),
            (
                "equalsIgnoreCase",
                json!("Work"),
                Some(json!("wORK")),
                Some(json!("home")),
            ),
            ("matches", json!("^a+$"), Some(json!("aa")), Some(json!("ab"))),
            ("contains", json!("b"), Some(json!("abc")), Some(json!("ac"))),
            ("contains", json!("b"), Some(json!(["b"])), Some(json!(["bb"]))),
            ("oneOf", json!([1, null]), None, Some(json!(2))),
            ("type", json!("boolean"), Some(json!(false)), Some(json!("false"))),
            ("exists", json!(true), Some(json!("")), Some(json!([]))),
            ("absent", json!(true), Some(json!({})), Some(json!(0))),
            ("empty", json!(true), Some(json!("")), Some(json!(" "))),
        ] {
            assert!(
                verdict(check, wanted.clone(), good.clone()),
                "{check} {wanted} must hold of {good:?}"
            );
            assert!(
                !verdict(check, wanted.clone(), bad.clone()),
                "{check} {wanted} must fail on {bad:?}"
            );
        }
    }
}
