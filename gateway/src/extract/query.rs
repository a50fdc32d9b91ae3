//! The query of a request.

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::scim::error::ScimError;
use crate::scim::list::{ListParameters, ListRequest};

/// Ours are fewer than ten; some clients add their own.
const MAX_PARAMETERS: usize = 100;
const UNDECODABLE: &str =
    "The query cannot be decoded: percent-encode it as UTF-8, two hexadecimal digits after each percent sign.";

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
        let pairs = parts.uri.query().map(pairs).transpose()?.unwrap_or_default();
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

/// The parameters of a query, decoded as HTML forms are: `+` is a space. Nothing is guessed: what cannot be decoded could
/// be a filter that means something else.
fn pairs(query: &str) -> Result<Vec<(String, String)>, ScimError> {
    let parts: Vec<&str> = query.split('&').filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_PARAMETERS {
        return Err(ScimError::invalid_value(format!(
            "The query has more than {MAX_PARAMETERS} parameters; send those that are meant."
        )));
    }
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (decoded(name), decoded(value)) {
            (Some(name), Some(value)) => Ok((name, value)),
            _ if name == "filter" => Err(ScimError::invalid_filter(UNDECODABLE)),
            _ => Err(ScimError::invalid_value(UNDECODABLE)),
        }
    };
    parts.into_iter().map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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

    #[tokio::test]
    async fn what_cannot_be_decoded_is_refused_and_not_guessed() {
        for (text, scim_type) in [
            ("filter=%", "invalidFilter"),
            ("filter=%4", "invalidFilter"),
            ("filter=%zz", "invalidFilter"),
            ("filter=%+4", "invalidFilter"),
            ("filter=%ff", "invalidFilter"),
            ("filter=%ed%a0%80", "invalidFilter"),
            ("count=%c3", "invalidValue"),
            ("%ff=1", "invalidValue"),
            ("other=%e4", "invalidValue"),
        ] {
            let error = query(text).await.unwrap_err().to_json();
            assert_eq!(
                (&error["status"], &error["scimType"]),
                (&"400".into(), &scim_type.into()),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn parameters_are_few_and_an_empty_one_is_none() {
        assert!(query(&"a=1&".repeat(100)).await.is_ok());
        assert!(query(&"&".repeat(10_000)).await.is_ok());
        assert_eq!(query(&"a=1&".repeat(101)).await.unwrap_err().status, 400);
        assert_eq!(query("filter&count=").await.unwrap().filter.as_deref(), Some(""));
        assert_eq!(query("FILTER=x").await.unwrap().filter, None);
    }
}
