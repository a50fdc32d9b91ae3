//! Operations of a PATCH, as data and as the JSON that is sent.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::attributes::{Attribute, Part};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Add,
    Replace,
    Remove,
}

#[derive(Clone)]
pub struct Operation {
    pub verb: Verb,
    /// How the verb is spelled.
    pub op: String,
    /// The path and what it names, if there is one.
    pub path: Option<(String, Target)>,
    pub content: Content,
}

/// What a path, or a key of an operation without one, names.
#[derive(Debug, Clone)]
pub enum Target {
    Attribute {
        attribute: &'static Attribute,
        filter: Option<Test>,
        part: Option<Part>,
    },
    /// Everything of a schema.
    Schema(&'static str),
    /// An attribute of a schema that nobody registered.
    Unregistered,
    /// Nothing, in a schema that is known.
    Unknown,
    /// Something, with a filter that is none.
    BadFilter,
}

/// The `value` of an operation.
#[derive(Debug, Clone)]
pub enum Content {
    /// It has none.
    Absent,
    Value(Value),
    /// A set of attributes by their paths, in the order in which JSON objects are read here. The RFC knows no order.
    Keys(BTreeMap<String, (Target, Content)>),
}

/// A value filter.
#[derive(Debug, Clone)]
pub enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Present(Part),
    Compare(Part, &'static str, Value),
}

impl Operation {
    pub fn to_json(&self) -> Value {
        let mut members = Map::from_iter([("op".to_owned(), json!(self.op))]);
        members.extend(self.path.iter().map(|(path, _)| ("path".to_owned(), json!(path))));
        members.extend(self.content.to_json().map(|value| ("value".to_owned(), value)));
        Value::Object(members)
    }
}

/// As it is sent.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}

impl Content {
    fn to_json(&self) -> Option<Value> {
        match self {
            Self::Absent => None,
            Self::Value(value) => Some(value.clone()),
            Self::Keys(keys) => {
                let keys = keys
                    .iter()
                    .filter_map(|(key, (_, content))| Some((key.clone(), content.to_json()?)));
                Some(Value::Object(keys.collect()))
            }
        }
    }
}

impl Test {
    pub fn to_text(&self) -> String {
        let join = |tests: &[Self], word: &str| {
            let tests: Vec<String> = tests.iter().map(|test| format!("({})", test.to_text())).collect();
            tests.join(word)
        };
        match self {
            Self::And(tests) => join(tests, " and "),
            Self::Or(tests) => join(tests, " or "),
            Self::Not(test) => format!("not ({})", test.to_text()),
            Self::Present(part) => format!("{} pr", part.name),
            Self::Compare(part, op, value) => format!("{} {op} {value}", part.name),
        }
    }
}
