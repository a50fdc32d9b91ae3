//! JSON as SCIM needs it. RFC 8259 §4 leaves open what an object means that names a member twice, and readers differ: who
//! checks one of the two and stores the other can be fooled. So such an object is refused, in the same pass that reads it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::scim::error::ScimError;

/// What an error of ours begins with; `serde_json` tells its own errors from others by their text alone.
const TWICE: &str = "the same member twice";
/// What another begins with, for the same reason.
const TOO_MANY: &str = "too many values";
/// How many values a body may hold. A value of one byte of text is many bytes of memory; a group with 100,000 members, all
/// their sub-attributes included, is about 500,000 values.
const MAX_VALUES: usize = 1_000_000;
/// A byte order mark, which RFC 8259 §8.1 allows a reader to skip.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one JSON value. Its depth (128 levels, `serde_json`'s own limit) cannot hurt us.
///
/// # Errors
/// 400 `invalidSyntax` with the place, but never with what stands there; 413 for more than a million values.
pub fn parse(text: &[u8]) -> Result<Value, ScimError> {
    let mut reader = serde_json::Deserializer::from_slice(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text));
    let mut left = MAX_VALUES;
    let value = Unambiguous { left: &mut left }.deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| broken(&error))
}

fn broken(error: &serde_json::Error) -> ScimError {
    let (line, column, text) = (error.line(), error.column(), error.to_string());
    if text.starts_with(TOO_MANY) {
        return ScimError::new(
            413,
            "The body holds more than 1,000,000 JSON values; send less at once.",
        );
    }
    let rule = if text.starts_with("recursion limit") {
        "is nested deeper than the 128 levels that are read"
    } else if text.starts_with(TWICE) {
        "names a member of one JSON object twice, so that it is open which one counts; send it once: the second ends"
    } else {
        "is not JSON: it breaks off or errs"
    };
    ScimError::invalid_syntax(format!("The body {rule} at line {line}, column {column}."))
}

/// Makes the value that `serde_json` would make, unless a member stands twice or there are too many values.
struct Unambiguous<'a> {
    /// How many values more there may be.
    left: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Unambiguous<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| D::Error::custom(TOO_MANY))?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous<'_> {
    type Value = Value;

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Unambiguous { left: self.left })? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object
                .insert(name, members.next_value_seed(Unambiguous { left: self.left })?)
                .is_some()
            {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refused(text: &[u8]) -> String {
        let error = parse(text).unwrap_err().to_json();
        assert_eq!(
            (&error["status"], &error["scimType"]),
            (&json!("400"), &json!("invalidSyntax"))
        );
        error["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        for twice in [
            r#"{"active":true,"active":false}"#,
            r#"{"active":true,"active":true}"#,
            r#"{"a":[{"b":{"c":1,"d":2,"c":3}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"":1,"":2}"#,
        ] {
            let detail = refused(twice.as_bytes());
            assert!(detail.contains("twice"), "{detail}");
        }
        assert_eq!(
            refused(b"{\n \"a\":1,\n \"a\":2}"),
            "The body names a member of one JSON object twice, so that it is open which one counts; send it once: the \
             second ends at line 3, column 7."
        );
    }

    #[test]
    fn one_name_may_stand_in_two_objects_and_in_two_spellings() {
        let text = br#"[{"a":1,"A":2},{"a":{"a":3}}]"#;

        assert_eq!(parse(text).unwrap(), json!([{"a": 1, "A": 2}, {"a": {"a": 3}}]));
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once() {
        assert_eq!(parse(b"\xef\xbb\xbf{}").unwrap(), json!({}));
        refused(b"\xef\xbb\xbf\xef\xbb\xbf{}");
        refused(b"{\xef\xbb\xbf}");
    }

    #[test]
    fn what_is_no_json_is_refused_without_being_repeated() {
        for broken in [
            &b""[..],
            b" ",
            b"{\"a\":",
            b"{} {}",
            b"{\"a\":1,}",
            b"{'a':1}",
            b"{\"a\":01}",
            b"{\"a\":NaN}",
            b"{\"a\":1e999}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\\udc00\\ud800\"}",
            b"{\"a\":\"\xff\"}",
            b"{\"\xc3\":1}",
            b"{\"a\":\"secret\x01\"}",
            b"\xff\xfe{\x00}\x00",
        ] {
            assert!(!refused(broken).contains("secret"));
        }
    }

    #[test]
    fn only_128_levels_are_read() {
        let nested = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();

        assert!(parse(nested(127).as_bytes()).is_ok());
        assert!(refused(nested(128).as_bytes()).contains("128 levels"));
        assert!(refused("[".repeat(1_000_000).as_bytes()).contains("128 levels"));
        assert!(refused("{\"a\":".repeat(1_000_000).as_bytes()).contains("128 levels"));
    }

    #[test]
    fn a_million_values_are_read_and_not_one_more() {
        let of = |zeros: usize| format!("{{\"a\":[{}]}}", vec!["0"; zeros].join(","));

        assert!(parse(of(MAX_VALUES - 2).as_bytes()).is_ok());
        let error = parse(of(MAX_VALUES - 1).as_bytes()).unwrap_err();
        assert_eq!((error.status, error.scim_type), (413, None));
        assert_eq!(
            error.detail,
            "The body holds more than 1,000,000 JSON values; send less at once."
        );
    }

    #[test]
    fn numbers_are_what_serde_json_makes_of_them() {
        for number in [
            "0",
            "-0",
            "18446744073709551615",
            "-9223372036854775808",
            "18446744073709551616",
            "1.5e300",
            "0.1",
            "1E2",
        ] {
            assert_eq!(
                parse(number.as_bytes()).unwrap(),
                serde_json::from_str::<Value>(number).unwrap(),
                "{number}"
            );
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_serde_json_prints_is_read_as_serde_json_reads_it(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        }

        #[test]
        fn nothing_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(parse(&bytes).is_ok() <= serde_json::from_slice::<Value>(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes)).is_ok());
        }
    }

    /// Prints how long a body of 16 MiB takes beside `serde_json` alone. Run it by hand: times are no gates.
    #[test]
    #[ignore = "a measurement"]
    fn the_cost_beside_plain_parsing() {
        let members: Vec<Value> = (0..100_000)
            .map(|at| json!({"value": format!("0190f7a0-0000-7000-8000-{at:012}"), "display": "x".repeat(80), "type": "User"}))
            .collect();
        let text = json!({"displayName": "all", "members": members}).to_string();
        let best = |read: &dyn Fn()| {
            let runs = (0..7).map(|_| {
                let started = Instant::now();
                read();
                started.elapsed()
            });
            runs.min().unwrap()
        };

        let plain = best(&|| drop(serde_json::from_str::<Value>(&text).unwrap()));
        let ours = best(&|| drop(parse(text.as_bytes()).unwrap()));
        println!("{} bytes: plain {plain:?}, ours {ours:?}", text.len());
    }
}
