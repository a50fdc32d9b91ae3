//! Values of extension attributes, checked against their definitions.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::SchemaUrn;
use super::definition::{AttributeDefinition, AttributeType};
use crate::domain::attribute::Case;
use crate::domain::fold;
use crate::domain::number::Number;
use crate::domain::text::Text;

/// A value that has no parts. It may be personal: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A boolean.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// Text, a time, a reference, or bytes in base64: as it was sent.
    Text(Text),
}

/// One value of an attribute, by the names that were registered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Element {
    /// Of a simple attribute.
    Simple(Scalar),
    /// Of a complex one: not empty.
    Complex(BTreeMap<String, Scalar>),
}

/// What an attribute has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// One value.
    One(Element),
    /// The values of a multi-valued attribute: not empty.
    Many(Vec<Element>),
}

/// A resource's extension values, by URN and by attribute in the spelling that was registered. What is unassigned is not in
/// here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extensions(BTreeMap<String, BTreeMap<String, AttributeValue>>);

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(<redacted>)")
    }
}

impl Scalar {
    /// The text that it compares by as a value of this attribute.
    pub(super) fn key(&self, definition: &AttributeDefinition) -> String {
        match self {
            Self::Boolean(truth) => boolean_key(*truth),
            Self::Number(number) => number.key(),
            Self::Text(text) => match definition.kind() {
                AttributeType::DateTime => instant(text.as_str()).map(time_key).unwrap_or_default(),
                AttributeType::String
                | AttributeType::Reference
                | AttributeType::Binary
                | AttributeType::Boolean
                | AttributeType::Decimal
                | AttributeType::Integer
                | AttributeType::Complex => text_key(text.as_str(), definition.case()),
            },
        }
    }
}

impl Element {
    /// Whether a sub-attribute has a value.
    pub(super) fn has(&self, sub: &str) -> bool {
        matches!(self, Self::Complex(values) if values.contains_key(sub))
    }
}

impl AttributeValue {
    /// Whether a sub-attribute has a value, in one of the elements at least.
    pub(super) fn has(&self, sub: &str) -> bool {
        match self {
            Self::One(element) => element.has(sub),
            Self::Many(elements) => elements.iter().any(|element| element.has(sub)),
        }
    }
}

/// What text compares by.
pub(super) fn text_key(text: &str, case: Case) -> String {
    match case {
        Case::Exact => text.to_owned(),
        Case::Folded => fold(text),
    }
}

/// What a boolean compares by: false comes first.
pub(super) fn boolean_key(truth: bool) -> String {
    truth.to_string()
}

/// What a time compares by: 32 characters in the order of the nanoseconds since 1970, UTC.
pub(super) fn time_key(nanos: i128) -> String {
    format!("{:032x}", nanos.cast_unsigned() ^ (1 << 127))
}

/// The nanoseconds since 1970, UTC, of a time as RFC 3339 writes it. Without an offset it is UTC.
pub(super) fn instant(text: &str) -> Option<i128> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    let time = time.or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339));
    time.ok().map(OffsetDateTime::unix_timestamp_nanos)
}

/// Whether this is base64 of any flavour: either alphabet, with padding or without, broken into lines or not.
pub(super) fn is_base64(text: &str) -> bool {
    let mut digits = 0_usize;
    let mut padding = 0_usize;
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'-' | b'_' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    digits % 4 != 1 && padding <= 2 && (padding == 0 || (digits + padding).is_multiple_of(4))
}

impl Extensions {
    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values by URN and attribute.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, AttributeValue>)> {
        self.0.iter().map(|(urn, values)| (urn.as_str(), values))
    }

    /// The values of a schema, if there are any.
    pub(super) fn of(&self, urn: &SchemaUrn) -> Option<&BTreeMap<String, AttributeValue>> {
        self.0.get(urn.as_str())
    }

    /// Puts the values of a schema in; none leaves it out.
    pub(super) fn insert(&mut self, urn: &str, values: BTreeMap<String, AttributeValue>) {
        if !values.is_empty() {
            self.0.insert(urn.to_owned(), values);
        }
    }

    /// The paths of the extensions whose values are others before, for change records.
    pub fn difference(&self, before: &Self) -> Vec<String> {
        let mut urns: Vec<_> = self.0.keys().chain(before.0.keys()).collect();
        urns.sort_unstable();
        urns.dedup();
        let differs = |urn: &&&String| self.0.get(**urn) != before.0.get(**urn);
        urns.iter()
            .filter(differs)
            .map(|urn| format!("extensions.{urn}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_instant_whatever_its_offset() {
        assert_eq!(instant("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(instant("1970-01-01T00:00:00"), Some(0), "without an offset it is UTC");
        assert_eq!(instant("1970-01-01T02:00:00.000000001+02:00"), Some(1));
        assert_eq!(instant("1969-12-31T23:59:59.5Z"), Some(-500_000_000));
        for no_time in [
            "",
            "1970-01-01",
            "yesterday",
            "1970-13-01T00:00:00Z",
            "1970-01-01T25:00:00Z",
        ] {
            assert_eq!(instant(no_time), None, "{no_time}");
        }
        let keys: Vec<_> = [i128::MIN, -1, 0, 1, i128::MAX].map(time_key).to_vec();
        assert!(keys.is_sorted() && keys.iter().all(|key| key.len() == 32));
    }

    #[test]
    fn bytes_may_stand_in_any_flavour_of_base64() {
        for good in [
            "",
            "QQ==",
            "QQ",
            "QUI=",
            "QUJD",
            "-_-_",
            "+/+/",
            "QUJD\r\nQUJD\n",
            "QQ=",
        ] {
            assert_eq!(is_base64(good), good != "QQ=", "{good}");
        }
        for bad in ["A", "AAAAA", "=", "QQ==QQ==", "QU!D", "ü", "QQ==="] {
            assert!(!is_base64(bad), "{bad}");
        }
    }
}
