//! The body of a search (RFC 7644 §3.4.3): the parameters of a list, as JSON.

use serde_json::Value;

use super::error::ScimError;
use super::list::{ListParameters, ListRequest};

/// The schema of a search.
pub const SEARCH_REQUEST_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

impl ListRequest {
    /// Reads the body of a search. Member names may be in any case, members that are not ours are ignored, `null` is
    /// absent. Numbers may come as text, and names in one text with commas, as they do in a query.
    ///
    /// # Errors
    /// 400 `invalidSyntax` for what is no search: no JSON object, without its schema, or with a member twice; 400
    /// `invalidValue` for a member of the wrong type; and as [`ListRequest::parse`].
    pub fn parse_search(body: Value) -> Result<Self, ScimError> {
        let Value::Object(members) = body else {
            return Err(ScimError::invalid_syntax("The body of a search must be a JSON object."));
        };
        let mut is_search = false;
        let mut parameters = ListParameters::default();
        for (name, value) in members {
            let lower = name.to_ascii_lowercase();
            let (slot, read): (_, Reader) = match lower.as_str() {
                "schemas" => {
                    is_search = has_search(&value);
                    continue;
                }
                "filter" => (&mut parameters.filter, text),
                "attributes" => (&mut parameters.attributes, names),
                "excludedattributes" => (&mut parameters.excluded_attributes, names),
                "sortby" => (&mut parameters.sort_by, text),
                "sortorder" => (&mut parameters.sort_order, text),
                "startindex" => (&mut parameters.start_index, number),
                "count" => (&mut parameters.count, number),
                "cursor" => (&mut parameters.cursor, text),
                _ => continue,
            };
            if value.is_null() {
                continue;
            }
            let value = read(value).map_err(|kind| ScimError::invalid_value(format!("{name} must be {kind}.")))?;
            if slot.replace(value).is_some() {
                return Err(ScimError::invalid_syntax(format!(
                    "{name} stands more than once in the body of a search; send it once."
                )));
            }
        }
        if !is_search {
            return Err(ScimError::invalid_syntax(format!(
                "schemas of a search must hold {SEARCH_REQUEST_SCHEMA}."
            )));
        }
        Self::parse(parameters)
    }
}

/// Reads a member as it would stand in a query, or says what it must be.
type Reader = fn(Value) -> Result<String, &'static str>;

fn has_search(schemas: &Value) -> bool {
    let is_search = |id: &Value| {
        id.as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(SEARCH_REQUEST_SCHEMA))
    };
    schemas.as_array().is_some_and(|schemas| schemas.iter().any(is_search))
}

fn text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err("a JSON string"),
    }
}

fn number(value: Value) -> Result<String, &'static str> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err("a JSON number"),
    }
}

fn names(value: Value) -> Result<String, &'static str> {
    const WRONG: &str = "a JSON array of attribute names";
    match value {
        Value::Array(names) => {
            let names: Result<Vec<String>, _> = names.into_iter().map(text).collect();
            names.map(|names| names.join(",")).map_err(|_| WRONG)
        }
        Value::String(names) => Ok(names),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(WRONG),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::error::ScimType;
    use crate::scim::list::{Page, Start};

    fn with(mut members: Value) -> Value {
        members["schemas"] = json!([SEARCH_REQUEST_SCHEMA]);
        members
    }

    #[test]
    fn a_search_asks_for_what_a_query_asks_for() {
        let request = ListRequest::parse_search(with(json!({
            "attributes": ["displayName", "userName"], "filter": "displayName sw \"smith\"", "startIndex": 11,
            "count": 10, "sortBy": "name.familyName", "sortOrder": "descending", "unknown": {"a": 1},
        })))
        .unwrap();

        assert_eq!(request.attributes.as_deref(), Some("displayName,userName"));
        assert_eq!(request.excluded_attributes, None);
        assert_eq!(request.filter.as_deref(), Some("displayName sw \"smith\""));
        assert_eq!(request.sort_by.as_deref(), Some("name.familyName"));
        assert_eq!(request.sort_order.as_deref(), Some("descending"));
        assert_eq!(
            request.page,
            Page {
                start: Start::Index(11),
                count: 10
            }
        );
    }

    #[test]
    fn members_come_in_any_case_and_as_they_stand_in_a_query() {
        let request = ListRequest::parse_search(json!({
            "SCHEMAS": ["URN:ietf:params:scim:api:messages:2.0:searchrequest"], "excludedattributes": "name, emails",
            "Cursor": "", "COUNT": "5", "filter": null, "startIndex": null,
        }))
        .unwrap();

        assert_eq!(request.excluded_attributes.as_deref(), Some("name, emails"));
        assert_eq!(request.filter, None);
        assert_eq!(
            request.page,
            Page {
                start: Start::Walk,
                count: 5
            }
        );
    }

    #[test]
    fn what_is_no_search_is_refused() {
        use ScimType::{InvalidCount, InvalidCursor, InvalidSyntax, InvalidValue};
        for (body, scim_type) in [
            (json!([]), InvalidSyntax),
            (json!({}), InvalidSyntax),
            (json!({"schemas": SEARCH_REQUEST_SCHEMA}), InvalidSyntax),
            (
                json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}),
                InvalidSyntax,
            ),
            (with(json!({"filter": "title pr", "Filter": "title pr"})), InvalidSyntax),
            (with(json!({"filter": 7})), InvalidValue),
            (with(json!({"filter": ["title pr"]})), InvalidValue),
            (with(json!({"attributes": {"userName": true}})), InvalidValue),
            (with(json!({"attributes": ["userName", 7]})), InvalidValue),
            (with(json!({"excludedAttributes": false})), InvalidValue),
            (with(json!({"sortBy": []})), InvalidValue),
            (with(json!({"startIndex": true})), InvalidValue),
            (with(json!({"startIndex": 1.5})), InvalidValue),
            (with(json!({"count": [1]})), InvalidValue),
            (with(json!({"count": "many"})), InvalidValue),
            (with(json!({"count": 1001, "cursor": ""})), InvalidCount),
            (with(json!({"cursor": "damaged"})), InvalidCursor),
            (with(json!({"cursor": 7})), InvalidValue),
            (with(json!({"cursor": "", "startIndex": 1})), InvalidValue),
        ] {
            let shown = body.to_string();
            let refused = ListRequest::parse_search(body).err();
            assert_eq!(refused.and_then(|error| error.scim_type), Some(scim_type), "{shown}");
        }
    }
}
