//! The query of a request.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use crate::scim::error::ScimError;
use crate::scim::list::{ListParameters, ListRequest};

/// The query parameters of RFC 7644 §3.4.2 and §3.9, decoded once, with `+` as a space. Others, such as Entra's
/// `aadOptscim062020`, are ignored.
#[derive(Debug, Default)]
pub struct ScimQuery {
    /// `filter`.
    pub filter: Option<String>,
    /// `attributes`.
    pub attributes: Option<String>,
    /// `excludedAttributes`.
    pub excluded_attributes: Option<String>,
    /// `sortBy`.
    pub sort_by: Option<String>,
    /// `sortOrder`.
    pub sort_order: Option<String>,
    /// `startIndex`.
    pub start_index: Option<String>,
    /// `count`.
    pub count: Option<String>,
    /// `cursor`; also without a value it asks for a walk by cursor (RFC 9865 §2).
    pub cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ScimQuery {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ScimError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ScimError::invalid_value("The query string cannot be decoded."))?;
        Self::from_pairs(pairs)
    }
}

impl ScimQuery {
    fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, ScimError> {
        let mut query = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "filter" => set(&mut query.filter, &name, value)?,
                "attributes" => set(&mut query.attributes, &name, value)?,
                "excludedAttributes" => set(&mut query.excluded_attributes, &name, value)?,
                "sortBy" => set(&mut query.sort_by, &name, value)?,
                "sortOrder" => set(&mut query.sort_order, &name, value)?,
                "startIndex" => set(&mut query.start_index, &name, value)?,
                "count" => set(&mut query.count, &name, value)?,
                "cursor" => set(&mut query.cursor, &name, value)?,
                _ => {} // not ours
            }
        }
        Ok(query)
    }

    /// The list that the query asks for.
    ///
    /// # Errors
    /// As [`ListRequest::parse`].
    pub fn list(self) -> Result<ListRequest, ScimError> {
        let Self {
            filter,
            attributes,
            excluded_attributes,
            sort_by,
            sort_order,
            start_index,
            count,
            cursor,
        } = self;
        ListRequest::parse(ListParameters {
            filter,
            attributes,
            excluded_attributes,
            sort_by,
            sort_order,
            start_index,
            count,
            cursor,
        })
    }
}

fn set(slot: &mut Option<String>, name: &str, value: String) -> Result<(), ScimError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ScimError::invalid_value(format!(
            "The query parameter {name} is given twice."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    async fn query(text: &str) -> Result<ScimQuery, ScimError> {
        let request = Request::builder().uri(format!("/Users?{text}")).body(()).unwrap();
        ScimQuery::from_request_parts(&mut request.into_parts().0, &()).await
    }

    #[tokio::test]
    async fn a_query_is_decoded_once_and_plus_is_a_space() {
        let query = query("filter=userName+eq+%22a%2Bb%2540c%22&aadOptscim062020&count=5&startIndex=-3")
            .await
            .unwrap();

        assert_eq!(query.filter.as_deref(), Some("userName eq \"a+b%40c\""));
        assert_eq!(
            (query.count.as_deref(), query.start_index.as_deref()),
            (Some("5"), Some("-3"))
        );
    }

    #[tokio::test]
    async fn a_cursor_may_be_there_without_a_value() {
        for (text, expected) in [("", None), ("cursor&count=5", Some("")), ("cursor=a.b", Some("a.b"))] {
            assert_eq!(query(text).await.unwrap().cursor.as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn a_doubled_parameter_is_refused() {
        assert_eq!(
            query("filter=a&filter=b").await.unwrap_err().to_json()["scimType"],
            "invalidValue"
        );
    }
}
