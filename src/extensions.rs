//! Values of extension schemas as they are printed.

use std::collections::{BTreeMap, HashMap};

use prost_types::value::Kind;
use prost_types::{Struct, Value as WireValue};
use serde::Serialize;
use serde_json::{Map, Number, Value};

/// The whole numbers that a float holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Values by schema and attribute.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Extensions(BTreeMap<String, Map<String, Value>>);

impl From<HashMap<String, Struct>> for Extensions {
    fn from(wire: HashMap<String, Struct>) -> Self {
        Self(wire.into_iter().map(|(urn, values)| (urn, object(values))).collect())
    }
}

impl Extensions {
    /// A line for each value: its path and the value as JSON, text without quotes.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let of_schema = |(urn, values): (&String, &Map<String, Value>)| {
            let lines = values
                .iter()
                .map(|(name, value)| format!("{urn}:{name} = {}", text(value)));
            lines.collect::<Vec<_>>()
        };
        self.0
            .iter()
            .flat_map(of_schema)
            .map(|line| ("Extension", line))
            .collect()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn object(wire: Struct) -> Map<String, Value> {
    wire.fields
        .into_iter()
        .map(|(name, value)| (name, json(value)))
        .collect()
}

fn json(wire: WireValue) -> Value {
    match wire.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => Value::Bool(truth),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => {
            if number.fract() == 0.0 && number.abs() < EXACT {
                return Value::Number(Number::from(number as i64));
            }
            Number::from_f64(number).map_or(Value::Null, Value::Number)
        }
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(json).collect()),
        Some(Kind::StructValue(values)) => Value::Object(object(values)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(kind: Kind) -> WireValue {
        WireValue { kind: Some(kind) }
    }

    #[test]
    fn values_are_printed_by_their_paths() {
        let tags = prost_types::ListValue {
            values: vec![value(Kind::StringValue("x".to_owned()))],
        };
        let fields = [
            ("badge".to_owned(), value(Kind::StringValue("A-1".to_owned()))),
            ("floor".to_owned(), value(Kind::NumberValue(3.0))),
            ("grade".to_owned(), value(Kind::NumberValue(2.5))),
            ("tags".to_owned(), value(Kind::ListValue(tags))),
        ];
        let wire = HashMap::from([("urn:acme:User".to_owned(), Struct { fields: fields.into() })]);

        let values = Extensions::from(wire);

        assert_eq!(
            serde_json::to_value(&values).unwrap(),
            json!({"urn:acme:User": {"badge": "A-1", "floor": 3, "grade": 2.5, "tags": ["x"]}})
        );
        let lines: Vec<_> = values.lines().into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            lines,
            [
                "urn:acme:User:badge = A-1",
                "urn:acme:User:floor = 3",
                "urn:acme:User:grade = 2.5",
                "urn:acme:User:tags = [\"x\"]"
            ]
        );
    }
}
