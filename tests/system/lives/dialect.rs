//! The two ways in which Entra spells a PATCH.

use serde_json::{Map, Value, json};

/// How a PATCH of Entra is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Without the flag: one operation for each attribute, booleans as text, a list of members to remove.
    Default,
    /// With `aadOptscim062020`: single-valued attributes in one operation without a path, a filter for a member to remove.
    Flag,
}

impl Dialect {
    /// The operations that set these attributes; `true` and `false` are booleans.
    pub fn set(self, attributes: &[(&str, &str)]) -> Value {
        let boolean = |text: &str| (text == "true" || text == "false").then(|| text == "true");
        if self == Self::Default {
            let operation = |(path, text): &(&str, &str)| {
                let value = boolean(text).map_or(json!(text), |value| json!(if value { "True" } else { "False" }));
                json!({"op": "Replace", "path": path, "value": value})
            };
            return attributes.iter().map(operation).collect();
        }
        if let [("active", word)] = attributes {
            return json!([{"op": "replace", "path": "active", "value": boolean(word).unwrap()}]);
        }
        let is_list = |(path, _): &&(&str, &str)| path.contains('[');
        let (lists, singular): (Vec<_>, Vec<_>) = attributes.iter().partition(is_list);
        let mut operations: Vec<Value> = lists
            .into_iter()
            .map(|(path, text)| json!({"op": "replace", "path": path, "value": text}))
            .collect();
        if !singular.is_empty() {
            let value: Map<String, Value> = singular
                .into_iter()
                .map(|(path, text)| ((*path).to_owned(), boolean(text).map_or(json!(text), Value::from)))
                .collect();
            operations.push(json!({"op": "replace", "value": value}));
        }
        Value::Array(operations)
    }

    pub fn add_member(self, id: &str) -> Value {
        let op = if self == Self::Default { "Add" } else { "add" };
        json!([{"op": op, "path": "members", "value": [{"value": id}]}])
    }

    pub fn remove_member(self, id: &str) -> Value {
        match self {
            Self::Default => json!([{"op": "Remove", "path": "members", "value": [{"value": id}]}]),
            Self::Flag => json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]),
        }
    }
}
