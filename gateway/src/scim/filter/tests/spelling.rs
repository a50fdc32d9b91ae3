//! The many ways to write one filter.

use proptest::collection::vec;
use proptest::prelude::*;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

use super::random::users;
use crate::scim::attribute_path::AttributePath;
use crate::scim::filter::{CompareOp, Filter, Literal};

/// How a filter may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As the grammar of RFC 7644 figure 1 has it, but for runs of blanks, which everybody takes.
    Rfc,
    /// With all that is tolerated beyond it.
    Tolerated,
}

/// What decides how a filter is written; all zeros write it in the plainest way.
pub fn any_choices() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 48)
}

/// Writes a filter.
pub fn written(filter: &Filter, dialect: Dialect, choices: &[u8]) -> String {
    let mut writer = Writer::new(dialect, choices);
    let text = writer.filter(filter, None);
    writer.surrounded(text)
}

/// Writes a filter on the parts of `attribute`, with the square brackets and the name before them.
pub fn written_in_brackets(attribute: &AttributePath, filter: &Filter, dialect: Dialect, choices: &[u8]) -> String {
    let mut writer = Writer::new(dialect, choices);
    let name = writer.name(attribute);
    writer.in_brackets(&name, filter, attribute)
}

/// Writes the name of an attribute or a part of it.
pub fn written_name(path: &AttributePath, dialect: Dialect, choices: &[u8]) -> String {
    Writer::new(dialect, choices).name(path)
}

struct Writer<'a> {
    dialect: Dialect,
    choices: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl<'a> Writer<'a> {
    fn new(dialect: Dialect, choices: &'a [u8]) -> Self {
        Self {
            dialect,
            choices: choices.iter().cycle(),
        }
    }

    /// One of so many ways, the first of which is the plainest.
    fn pick(&mut self, ways: usize) -> usize {
        usize::from(*self.choices.next().expect("there are choices")) % ways
    }

    /// Whether to do it otherwise than in the plainest way; once in so many times.
    fn now_and_then(&mut self, times: usize) -> bool {
        self.pick(times) == times - 1
    }

    /// Whether to use a liberty that the grammar does not give.
    fn takes_liberty(&mut self) -> bool {
        self.dialect == Dialect::Tolerated && self.now_and_then(3)
    }

    fn filter(&mut self, filter: &Filter, scope: Option<&AttributePath>) -> String {
        if scope.is_none()
            && let Some(attribute) = only_attribute(filter)
            && self.now_and_then(2)
        {
            let name = self.name(&attribute);
            return self.in_brackets(&name, filter, &attribute);
        }
        match filter {
            Filter::And(filters) => self.joined(filters, "and", scope),
            Filter::Or(filters) => self.joined(filters, "or", scope),
            Filter::Not(inner) => match self.without_value(inner, scope) {
                Some(text) => text,
                None => {
                    let inner = self.filter(inner, scope);
                    let group = self.group(inner);
                    let not = self.in_any_case("not");
                    // The grammar has no blank here and the examples have one; scim_v2 insists on it.
                    let blank = if self.takes_liberty() {
                        String::new()
                    } else {
                        self.blank()
                    };
                    format!("{not}{blank}{group}")
                }
            },
            Filter::Present(path) => {
                let name = self.name_in(path, scope);
                self.present(&name)
            }
            Filter::Compare { path, op, value } => {
                let name = match path.part_name() {
                    Some("value") if scope.is_none() && self.now_and_then(3) => {
                        self.name(&path.without_sub_attribute())
                    }
                    _ => self.name_in(path, scope),
                };
                self.comparison(&name, *op, value)
            }
            Filter::Element { attribute, filter } => self.element(attribute, filter),
        }
    }

    fn joined(&mut self, filters: &[Filter], word: &str, scope: Option<&AttributePath>) -> String {
        let mut text = String::new();
        for (index, filter) in filters.iter().enumerate() {
            let must_be_grouped = word == "and" && matches!(filter, Filter::Or(_));
            let operand = self.filter(filter, scope);
            // What is written as one attribute with brackets binds by itself.
            let operand = if must_be_grouped || self.now_and_then(5) {
                self.group(operand)
            } else {
                operand
            };
            if index > 0 {
                let word = self.in_any_case(word);
                let closed = text.ends_with([')', ']', '"']) && self.takes_liberty();
                let opens = operand.starts_with('(') && self.takes_liberty();
                text += &if closed { String::new() } else { self.blank() };
                text += &word;
                text += &if opens { String::new() } else { self.blank() };
            }
            text += &operand;
        }
        text
    }

    /// `eq null`, which is the negation of `pr`.
    fn without_value(&mut self, negated: &Filter, scope: Option<&AttributePath>) -> Option<String> {
        let name = match negated {
            Filter::Present(path) if self.now_and_then(2) => self.name_in(path, scope),
            Filter::Element { filter, .. } => match &**filter {
                Filter::Present(part) if self.now_and_then(2) => self.name(part),
                _ => return None,
            },
            _ => return None,
        };
        Some(self.with_null(&name, "eq"))
    }

    fn present(&mut self, name: &str) -> String {
        if self.now_and_then(3) {
            return self.with_null(name, "ne");
        }
        let (blank, pr) = (self.blank(), self.in_any_case("pr"));
        format!("{name}{blank}{pr}")
    }

    fn with_null(&mut self, name: &str, op: &str) -> String {
        let (one, op, other) = (self.blank(), self.in_any_case(op), self.blank());
        let null = if self.takes_liberty() { "NULL" } else { "null" };
        format!("{name}{one}{op}{other}{null}")
    }

    fn comparison(&mut self, name: &str, op: CompareOp, value: &Literal) -> String {
        let value = self.literal(value);
        let (one, op) = (self.blank(), self.in_any_case(op.as_str()));
        let other = if value.starts_with('"') && self.takes_liberty() {
            String::new()
        } else {
            self.blank()
        };
        format!("{name}{one}{op}{other}{value}")
    }

    fn element(&mut self, attribute: &AttributePath, filter: &Filter) -> String {
        if matches!(filter, Filter::Compare { .. } | Filter::Present(_)) && self.now_and_then(2) {
            return match filter {
                Filter::Present(part) => {
                    let name = self.name(part);
                    self.present(&name)
                }
                one => self.filter(one, None),
            };
        }
        let name = self.name(attribute);
        if let Filter::And(filters) = filter
            && let [first @ .., Filter::Compare { path, op, value }] = &filters[..]
            && self.takes_liberty()
        {
            // As Entra asks: `emails[type eq "work"].value eq "x"`.
            let selected = self.in_brackets(&name, &Filter::and(first.to_vec()), attribute);
            let part = self.spelled(path.part_name().expect("a part"));
            return self.comparison(&format!("{selected}.{part}"), *op, value);
        }
        self.in_brackets(&name, filter, attribute)
    }

    fn in_brackets(&mut self, name: &str, filter: &Filter, scope: &AttributePath) -> String {
        let inner = self.filter(filter, Some(scope));
        let inner = self.surrounded(inner);
        format!("{name}[{inner}]")
    }

    fn group(&mut self, inner: String) -> String {
        let inner = self.surrounded(inner);
        format!("({inner})")
    }

    /// With blanks around it, where those are tolerated.
    fn surrounded(&mut self, text: String) -> String {
        let mut blank = || {
            if self.takes_liberty() {
                self.blank()
            } else {
                String::new()
            }
        };
        let (before, after) = (blank(), blank());
        format!("{before}{text}{after}")
    }

    fn blank(&mut self) -> String {
        let tab = if self.takes_liberty() { "\t" } else { "" };
        let blanks = if self.now_and_then(8) { "  " } else { " " };
        format!("{blanks}{tab}")
    }

    fn name_in(&mut self, path: &AttributePath, scope: Option<&AttributePath>) -> String {
        match (scope, path.part_name()) {
            (Some(_), Some(part)) => self.spelled(part),
            (Some(_), None) => unreachable!("in brackets there are parts only"),
            (None, _) => self.name(path),
        }
    }

    /// With or without its URN, as long as it says what is meant.
    fn name(&mut self, path: &AttributePath) -> String {
        let (urn, local) = match path.part_name() {
            Some(part) => (&path.schema.id, format!("{}.{part}", path.attribute.name)),
            None => (&path.schema.id, path.attribute.name.clone()),
        };
        let is_plain = AttributePath::resolve(users(), &local).as_ref() == Ok(path);
        let with_urn = if path.is_extension() {
            !self.now_and_then(3)
        } else {
            self.now_and_then(4)
        };
        if with_urn || !is_plain {
            self.spelled(&format!("{urn}:{local}"))
        } else {
            self.spelled(&local)
        }
    }

    fn spelled(&mut self, name: &str) -> String {
        if self.now_and_then(4) {
            self.in_any_case(name)
        } else {
            name.to_owned()
        }
    }

    fn in_any_case(&mut self, word: &str) -> String {
        match self.pick(4) {
            1 => word.to_ascii_uppercase(),
            2 => word.to_ascii_lowercase(),
            3 => {
                let letters = word.chars().enumerate();
                let mixed = letters.map(|(at, letter)| match at % 2 {
                    0 => letter.to_ascii_uppercase(),
                    _ => letter.to_ascii_lowercase(),
                });
                mixed.collect()
            }
            _ => word.to_owned(),
        }
    }

    fn literal(&mut self, literal: &Literal) -> String {
        match literal {
            Literal::Text(text) => self.quoted(text),
            Literal::Boolean(flag) if self.takes_liberty() => flag.to_string().to_ascii_uppercase(),
            // Entra writes `roles[primary eq "True"]` (fixture 064).
            Literal::Boolean(flag) => [
                format!("{flag}"),
                format!("\"{flag}\""),
                format!("\"{}\"", capital(*flag)),
            ][self.pick(3)]
            .clone(),
            Literal::Integer(number) => [
                format!("{number}"),
                format!("{number}.0"),
                format!("{number}e0"),
                format!("{number}.00E+0"),
            ][self.pick(4)]
            .clone(),
            Literal::Decimal(number) => {
                let whole = *number as i64;
                let short = if whole as f64 == *number && whole.abs() < 1_000_000 {
                    format!("{whole}")
                } else {
                    format!("{number:?}")
                };
                [
                    format!("{number:?}"),
                    format!("{number:e}"),
                    format!("{number:E}"),
                    short,
                ][self.pick(4)]
                .clone()
            }
            Literal::Time(time) => {
                let ways = [
                    time.format(&Rfc3339),
                    time.to_offset(UtcOffset::from_hms(5, 45, 0).unwrap()).format(&Rfc3339),
                    time.to_offset(UtcOffset::from_hms(-3, -30, 0).unwrap())
                        .format(&Rfc3339),
                ];
                let way = self.pick(4);
                let text = ways[way % ways.len()].as_ref().unwrap();
                // Without an offset, it is UTC.
                let text = if way == 3 { text.trim_end_matches('Z') } else { text };
                format!("\"{text}\"")
            }
        }
    }

    /// A JSON string, in which any character may be escaped.
    fn quoted(&mut self, text: &str) -> String {
        if !self.now_and_then(3) {
            return serde_json::Value::from(text).to_string();
        }
        let mut quoted = String::new();
        for character in text.chars() {
            match (character, self.pick(3)) {
                ('/', 1) => quoted += "\\/",
                (character, 1 | 2) => {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        quoted += &if self.pick(2) == 0 {
                            format!("\\u{unit:04x}")
                        } else {
                            format!("\\u{unit:04X}")
                        };
                    }
                }
                (character, _) => {
                    let escaped = serde_json::Value::from(String::from(character)).to_string();
                    quoted += &escaped[1..escaped.len() - 1];
                }
            }
        }
        format!("\"{quoted}\"")
    }
}

fn capital(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

/// The single-valued complex attribute that everything in the filter is a part of, if there is one.
fn only_attribute(filter: &Filter) -> Option<AttributePath> {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            let mut attributes = filters.iter().map(only_attribute);
            let first = attributes.next()??;
            attributes.all(|other| other.as_ref() == Some(&first)).then_some(first)
        }
        Filter::Not(filter) => only_attribute(filter),
        Filter::Present(path) | Filter::Compare { path, .. } => {
            let is_part = path.sub_attribute.is_some() && !path.attribute.multi_valued;
            is_part.then(|| path.without_sub_attribute())
        }
        Filter::Element { .. } => None,
    }
}
