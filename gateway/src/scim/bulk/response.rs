//! The answer to a bulk request (RFC 7644 §3.7.3).

use serde_json::{Map, Value, json};

use super::Method;

/// The schema of a bulk answer.
const BULK_RESPONSE_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// What became of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationResult {
    /// What it did, if it said so.
    pub method: Option<Method>,
    /// Its bulkId, if it had one.
    pub bulk_id: Option<String>,
    /// The URL of its resource; a POST that failed has none.
    pub location: Option<String>,
    /// The entity tag of the resource as the operation left it.
    pub version: Option<String>,
    /// The HTTP status that a single request would have had.
    pub status: u16,
    /// The error, if there was one.
    pub response: Option<Value>,
}

impl OperationResult {
    fn into_json(self) -> Value {
        let mut members = Map::new();
        let mut insert = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), Value::String(value));
            }
        };
        insert("method", self.method.map(|method| method.as_str().to_owned()));
        insert("bulkId", self.bulk_id);
        insert("location", self.location);
        insert("version", self.version);
        insert("status", Some(self.status.to_string()));
        if let Some(response) = self.response {
            members.insert("response".to_owned(), response);
        }
        Value::Object(members)
    }
}

/// The body: the results of all operations that were processed, in the order of the request.
pub fn response(results: Vec<OperationResult>) -> Value {
    let results: Vec<Value> = results.into_iter().map(OperationResult::into_json).collect();
    json!({"schemas": [BULK_RESPONSE_SCHEMA], "Operations": results})
}
