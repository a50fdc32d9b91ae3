//! Reading a filter (RFC 7644 figure 1).
//!
//! Recursive descent. What it lets through names attributes that exist, with operators and literals that fit them.
//! Bounds: [`MAX_BYTES`], [`MAX_DEPTH`], [`MAX_TERMS`]; what the directory takes of a query's filter is less, and known
//! where it is translated. Messages name positions and rules, never a value.

use std::sync::Arc;

use serde_json::{Number, Value};

use super::ast::{CompareOp, Filter, Literal};
use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::schema::{Kind, ResourceType};
use crate::scim::value::{boolean_from_text, integer_of, number_in, parse_time};

/// How long a filter may be.
pub(super) const MAX_BYTES: usize = 8_192;
/// How deep a filter may be, in brackets as in the tree.
const MAX_DEPTH: usize = 32;
/// How many comparisons a filter may have.
const MAX_TERMS: usize = 200;

/// Reads a filter for resources of this kind.
///
/// Beyond the grammar it takes Entra's `emails[type eq "work"].value eq "x"`, names and operators in any case, `"True"`
/// and `"False"` for booleans, numbers as text, and a bare `manager` for its `value`.
///
/// # Errors
/// 400 `invalidFilter`: malformed, beyond a bound, an unknown attribute, or an operator or literal that does not fit.
pub fn parse(resource_type: &Arc<ResourceType>, text: &str) -> Result<Filter, ScimError> {
    whole(Parser::new(resource_type, text), text)
}

/// Reads a filter for resources of one type in a list that has resources of another type as well: it may ask about
/// attributes that only those have (RFC 7644 §3.4.2.1). [`Filter::narrow`] takes these out.
///
/// # Errors
/// As [`parse`]; unknown is what neither type has.
pub fn parse_beside(
    resource_type: &Arc<ResourceType>,
    other: &Arc<ResourceType>,
    text: &str,
) -> Result<Filter, ScimError> {
    let parser = Parser {
        beside: Some(other),
        ..Parser::new(resource_type, text)
    };
    whole(parser, text)
}

fn whole(mut parser: Parser<'_>, text: &str) -> Result<Filter, ScimError> {
    if text.len() > MAX_BYTES {
        return Err(ScimError::invalid_filter(format!(
            "The filter is longer than {MAX_BYTES} bytes; shorten it."
        )));
    }
    let filter = parser.filter(None)?;
    parser.skip_space();
    if !parser.rest().is_empty() {
        return Err(parser.fail("expected 'and', 'or', or the end of the filter"));
    }
    check_depth(filter)
}

/// Reads the filter that begins in `text` after the opening bracket of `attribute`, and says what stands behind the
/// closing one.
pub(super) fn parse_in_brackets<'a>(
    attribute: &AttributePath,
    resource_type: &'a ResourceType,
    text: &'a str,
    at: usize,
) -> Result<(Filter, &'a str), ScimError> {
    let mut parser = Parser {
        at,
        ..Parser::new(resource_type, text)
    };
    let filter = parser.filter(Some(attribute))?;
    parser.expect(']')?;
    Ok((check_depth(filter)?, parser.rest()))
}

fn check_depth(filter: Filter) -> Result<Filter, ScimError> {
    if filter.depth() > MAX_DEPTH {
        Err(too_deep())
    } else {
        Ok(filter)
    }
}

fn too_deep() -> ScimError {
    ScimError::invalid_filter(format!(
        "The filter is nested more than {MAX_DEPTH} levels deep; simplify it."
    ))
}

/// A name as it can be shown: what does not look like one might be a value that slipped.
pub(super) fn printable_name(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-$".contains(&byte);
    if !name.is_empty() && name.len() <= 128 && name.bytes().all(is_plain) {
        format!(" {name}")
    } else {
        String::new()
    }
}

enum Raw {
    Text(String),
    Boolean(bool),
    Number(Number),
    Null,
}

struct Parser<'a> {
    resource_type: &'a ResourceType,
    /// The other type of resource that is asked about.
    beside: Option<&'a ResourceType>,
    text: &'a str,
    at: usize,
    depth: usize,
    terms: usize,
}

/// Inside the square brackets of this attribute, or at the level of the resource.
type Scope<'a> = Option<&'a AttributePath>;

impl<'a> Parser<'a> {
    const fn new(resource_type: &'a ResourceType, text: &'a str) -> Self {
        Self {
            resource_type,
            beside: None,
            text,
            at: 0,
            depth: 0,
            terms: 0,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.find(|next| !belongs(next)).unwrap_or(rest.len());
        self.at += taken;
        rest.get(..taken).unwrap_or_default()
    }

    fn expect(&mut self, bracket: char) -> Result<(), ScimError> {
        self.skip_space();
        if !self.rest().starts_with(bracket) {
            return Err(self.fail(&format!("expected '{bracket}'")));
        }
        self.at += bracket.len_utf8();
        Ok(())
    }

    fn fail(&self, rule: &str) -> ScimError {
        self.fail_at(self.at, rule)
    }

    fn fail_at(&self, at: usize, rule: &str) -> ScimError {
        let position = self.text.get(..at).map_or(0, |before| before.chars().count()) + 1;
        ScimError::invalid_filter(format!("The filter is not valid at character {position}: {rule}."))
    }

    /// Takes a word in any case if it stands here and ends here.
    fn take_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let Some(start) = self.rest().get(..word.len()) else {
            return false;
        };
        let ends = !self.rest()[word.len()..].starts_with(|next: char| is_in_name(next));
        if !start.eq_ignore_ascii_case(word) || !ends {
            return false;
        }
        self.at += word.len();
        true
    }

    fn filter(&mut self, scope: Scope<'_>) -> Result<Filter, ScimError> {
        let mut filters = vec![self.conjunction(scope)?];
        while self.take_word("or") {
            filters.push(self.conjunction(scope)?);
        }
        Ok(Filter::or(filters))
    }

    fn conjunction(&mut self, scope: Scope<'_>) -> Result<Filter, ScimError> {
        let mut filters = vec![self.factor(scope)?];
        while self.take_word("and") {
            filters.push(self.factor(scope)?);
        }
        Ok(Filter::and(filters))
    }

    fn factor(&mut self, scope: Scope<'_>) -> Result<Filter, ScimError> {
        let start = self.at;
        if self.take_word("not") {
            self.skip_space();
            if self.rest().starts_with('(') {
                return Ok(Filter::Not(Box::new(self.group(scope)?)));
            }
            self.at = start;
            return Err(self.fail("'not' must be followed by a filter in round brackets"));
        }
        self.skip_space();
        if self.rest().starts_with('(') {
            self.group(scope)
        } else {
            self.term(scope)
        }
    }

    fn group(&mut self, scope: Scope<'_>) -> Result<Filter, ScimError> {
        self.expect('(')?;
        let filter = self.deeper(scope)?;
        self.expect(')')?;
        Ok(filter)
    }

    fn deeper(&mut self, scope: Scope<'_>) -> Result<Filter, ScimError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let filter = self.filter(scope)?;
        self.depth -= 1;
        Ok(filter)
    }

    fn term(&mut self, scope: Scope<'_>) -> Result<Filter, ScimError> {
        let start = self.at;
        let name = self.take_while(|next| !next.is_whitespace() && !"()[]\"".contains(next));
        if name.is_empty() {
            return Err(self.fail("expected an attribute name"));
        }
        let path = self.resolve(scope, start, name)?;
        if self.rest().starts_with('[') {
            return self.value_path(scope, path);
        }
        let leaf = self.comparison(path)?;
        Ok(if scope.is_none() {
            leaf.in_element()
        } else {
            leaf.plain()
        })
    }

    fn resolve(&self, scope: Scope<'_>, start: usize, name: &str) -> Result<AttributePath, ScimError> {
        let resolved = match scope {
            Some(scope) => scope.find_part(name),
            None => self.find(name),
        };
        let unknown = || {
            let owner = match (scope, self.beside) {
                (Some(scope), _) => scope.to_string(),
                (None, None) => self.resource_type.kind.name().to_owned(),
                (None, Some(other)) => format!("neither {} nor {}", self.resource_type.kind.name(), other.kind.name()),
            };
            self.fail_at(
                start,
                &format!("{owner} has no attribute{}; see /Schemas", printable_name(name)),
            )
        };
        let path = resolved.ok_or_else(unknown)?;
        if path.is_hidden() {
            return Err(self.fail_at(start, &format!("{path} cannot be asked about")));
        }
        Ok(path)
    }

    fn find(&self, name: &str) -> Option<AttributePath> {
        let types = std::iter::once(self.resource_type).chain(self.beside);
        types
            .into_iter()
            .find_map(|resource_type| AttributePath::resolve(resource_type, name).ok())
    }

    /// `attribute[filter]`, and Entra's `attribute[filter].sub op value`.
    fn value_path(&mut self, scope: Scope<'_>, path: AttributePath) -> Result<Filter, ScimError> {
        let is_open = path.attribute.multi_valued || path.attribute.kind == Kind::Complex;
        if scope.is_some() || path.sub_attribute.is_some() || !is_open {
            return Err(self.fail("square brackets may follow only an attribute that has sub-attributes"));
        }
        self.expect('[')?;
        let inner = self.deeper(Some(&path))?;
        self.expect(']')?;
        let filter = if self.rest().starts_with('.') {
            self.at += 1;
            let start = self.at;
            let name = self.take_while(is_in_name);
            let path = self.resolve(Some(&path), start, name)?;
            Filter::and(vec![inner, self.comparison(path)?.plain()])
        } else {
            inner
        };
        if path.attribute.multi_valued {
            return Ok(Filter::Element {
                attribute: path,
                filter: Box::new(filter),
            });
        }
        Ok(filter)
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Leaf, ScimError> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(ScimError::invalid_filter(format!(
                "The filter has more than {MAX_TERMS} comparisons; ask in parts."
            )));
        }
        self.skip_space();
        let start = self.at;
        let word = self.take_while(|next| !next.is_whitespace() && !"()[]\"".contains(next));
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Leaf::present(path));
        }
        let op = CompareOp::ALL
            .into_iter()
            .find(|op| op.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| {
                self.fail_at(
                    start,
                    "expected one of the operators eq, ne, co, sw, ew, gt, ge, lt, le, pr",
                )
            })?;
        self.skip_space();
        let value_at = self.at;
        let raw = self.raw_value()?;
        if matches!(raw, Raw::Null) {
            return match op {
                CompareOp::Equal => Ok(Leaf::present(path).negated()),
                CompareOp::NotEqual => Ok(Leaf::present(path)),
                CompareOp::Contains
                | CompareOp::StartsWith
                | CompareOp::EndsWith
                | CompareOp::Greater
                | CompareOp::GreaterOrEqual
                | CompareOp::Less
                | CompareOp::LessOrEqual => Err(self.fail_at(start, "null fits only eq and ne")),
            };
        }
        let path = self.comparable(path, start)?;
        self.check_operator(&path, op, start)?;
        let value = literal(&path, raw).map_err(|rule| self.fail_at(value_at, &rule))?;
        Ok(Leaf {
            path: path.clone(),
            negated: false,
            filter: Filter::Compare { path, op, value },
        })
    }

    /// What is compared when a whole attribute is named: the `value` of a complex one, the element of a simple list.
    fn comparable(&self, path: AttributePath, start: usize) -> Result<AttributePath, ScimError> {
        if path.sub_attribute.is_some() || (path.attribute.kind != Kind::Complex && !path.attribute.multi_valued) {
            return Ok(path);
        }
        path.find_part("value").ok_or_else(|| {
            self.fail_at(
                start,
                &format!(
                    "{path} has sub-attributes; name one of them, as in {}",
                    example_of(&path)
                ),
            )
        })
    }

    fn check_operator(&self, path: &AttributePath, op: CompareOp, start: usize) -> Result<(), ScimError> {
        use CompareOp as Op;
        let fits = match (path.target().kind, op) {
            (_, Op::Equal | Op::NotEqual) => true,
            (Kind::String | Kind::Reference | Kind::Binary, Op::Contains | Op::StartsWith | Op::EndsWith) => true,
            (
                Kind::String | Kind::Reference | Kind::DateTime | Kind::Integer | Kind::Decimal,
                Op::Greater | Op::GreaterOrEqual | Op::Less | Op::LessOrEqual,
            ) => true,
            (
                Kind::Boolean | Kind::Complex | Kind::Binary | Kind::DateTime | Kind::Integer | Kind::Decimal,
                Op::Contains
                | Op::StartsWith
                | Op::EndsWith
                | Op::Greater
                | Op::GreaterOrEqual
                | Op::Less
                | Op::LessOrEqual,
            ) => false,
        };
        if fits {
            return Ok(());
        }
        Err(self.fail_at(
            start,
            &format!("the operator {} does not fit the type of {path}", op.as_str()),
        ))
    }

    fn raw_value(&mut self) -> Result<Raw, ScimError> {
        let start = self.at;
        if self.rest().starts_with('"') {
            return self.raw_text();
        }
        let word = self.take_while(|next| !next.is_whitespace() && !"()[]\"".contains(next));
        if word.eq_ignore_ascii_case("null") {
            return Ok(Raw::Null);
        }
        if let Some(flag) = boolean_from_text(word) {
            return Ok(Raw::Boolean(flag));
        }
        serde_json::from_str::<Number>(word).map(Raw::Number).map_err(|_| {
            self.fail_at(
                start,
                "expected a value: text in double quotes, a number, true, false, or null",
            )
        })
    }

    fn raw_text(&mut self) -> Result<Raw, ScimError> {
        let start = self.at;
        let mut escaped = false;
        let closing = self.rest().char_indices().skip(1).find(|(_, next)| {
            let closes = *next == '"' && !escaped;
            escaped = *next == '\\' && !escaped;
            closes
        });
        let Some((length, _)) = closing else {
            return Err(self.fail_at(start, "the text has no closing double quote"));
        };
        let quoted = self.rest().get(..=length).unwrap_or_default();
        let text: String = serde_json::from_str(quoted).map_err(|_| {
            self.fail_at(
                start,
                "the text is no JSON string; escape double quotes and backslashes",
            )
        })?;
        if text.contains('\0') {
            return Err(self.fail_at(start, "the text holds the character U+0000"));
        }
        self.at += quoted.len();
        Ok(Raw::Text(text))
    }
}

fn is_in_name(next: char) -> bool {
    next.is_ascii_alphanumeric() || "-_$".contains(next)
}

fn example_of(path: &AttributePath) -> String {
    path.attribute
        .sub_attributes
        .first()
        .map_or_else(String::new, |first| path.with(first).to_string())
}

fn literal(path: &AttributePath, raw: Raw) -> Result<Literal, String> {
    let kind = path.target().kind;
    let raw = match raw {
        // What may be written as text may be asked about as text.
        Raw::Text(text) if matches!(kind, Kind::Integer | Kind::Decimal) => {
            number_in(&text).map_or(Raw::Text(text), Raw::Number)
        }
        raw => raw,
    };
    match (kind, raw) {
        (Kind::String | Kind::Reference | Kind::Binary, Raw::Text(text)) => Ok(Literal::Text(text)),
        (Kind::String | Kind::Reference | Kind::Binary, Raw::Boolean(_) | Raw::Number(_) | Raw::Null) => {
            Err(format!("{path} compares with text in double quotes"))
        }
        (Kind::Boolean, Raw::Boolean(flag)) => Ok(Literal::Boolean(flag)),
        // Entra writes `roles[primary eq "True"]` (fixture 064).
        (Kind::Boolean, Raw::Text(text)) => boolean_from_text(&text)
            .map(Literal::Boolean)
            .ok_or_else(|| format!("{path} compares with true or false")),
        (Kind::Boolean, Raw::Number(_) | Raw::Null) => Err(format!("{path} compares with true or false")),
        (Kind::DateTime, Raw::Text(text)) => parse_time(&text)
            .map(Literal::Time)
            .ok_or_else(|| format!("{path} compares with a time such as \"2026-01-31T12:00:00Z\"")),
        (Kind::Integer, Raw::Number(number)) => integer_of(&Value::Number(number))
            .map(Literal::Integer)
            .ok_or_else(|| format!("{path} compares with a whole number")),
        (Kind::Decimal, Raw::Number(number)) => number
            .as_f64()
            .map(Literal::Decimal)
            .ok_or_else(|| format!("{path} compares with a number")),
        (Kind::DateTime, Raw::Boolean(_) | Raw::Number(_) | Raw::Null) => {
            Err(format!("{path} compares with a time such as \"2026-01-31T12:00:00Z\""))
        }
        (Kind::Integer | Kind::Decimal, Raw::Text(_) | Raw::Boolean(_) | Raw::Null) => {
            Err(format!("{path} compares with a number"))
        }
        (Kind::Complex, _) => Err(format!("{path} has sub-attributes; name one of them")),
    }
}

/// One comparison, before it is known whether it stands inside an element.
struct Leaf {
    path: AttributePath,
    negated: bool,
    filter: Filter,
}

impl Leaf {
    fn present(path: AttributePath) -> Self {
        Self {
            path: path.clone(),
            negated: false,
            filter: Filter::Present(path),
        }
    }

    fn negated(self) -> Self {
        Self { negated: true, ..self }
    }

    fn plain(self) -> Filter {
        if self.negated {
            Filter::Not(Box::new(self.filter))
        } else {
            self.filter
        }
    }

    /// At the level of the resource, a part of a multi-valued attribute is a part of one of its elements.
    fn in_element(self) -> Filter {
        let Self { path, negated, filter } = self;
        let is_part = path.attribute.multi_valued && path.sub_attribute.is_some();
        let filter = if is_part {
            Filter::Element {
                attribute: path.without_sub_attribute(),
                filter: Box::new(filter),
            }
        } else {
            filter
        };
        Self { path, negated, filter }.plain()
    }
}
