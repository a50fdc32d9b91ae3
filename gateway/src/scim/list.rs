//! Lists: index paging (RFC 7644 §3.4.2.4) and the list answer (§3.4.2).

use serde_json::{Value, json};

use super::error::ScimError;

/// The schema of a list answer.
pub const LIST_RESPONSE_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// How many resources a page has if the request does not say.
pub const DEFAULT_COUNT: u32 = 200;
/// How many resources a page has at most.
pub const MAX_COUNT: u32 = 1_000;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexPage {
    /// The number of the first resource; the first of all is 1.
    pub start_index: u64,
    /// How many resources at most; 0 asks for the total alone.
    pub count: u32,
}

impl IndexPage {
    /// Reads `startIndex` and `count`: less than 1 is 1, less than 0 is 0, and a page never has more than
    /// [`MAX_COUNT`] resources.
    ///
    /// # Errors
    /// 400 `invalidValue` for what is no whole number.
    pub fn parse(start_index: Option<&str>, count: Option<&str>) -> Result<Self, ScimError> {
        let number = |name, text: Option<&str>| text.map(|text| whole_number(name, text)).transpose();
        let start_index = number("startIndex", start_index)?.unwrap_or(1).max(1);
        let count = number("count", count)?.unwrap_or(DEFAULT_COUNT.into());
        let count = count.clamp(0, MAX_COUNT.into());
        Ok(Self {
            start_index: start_index.unsigned_abs(),
            count: u32::try_from(count).unwrap_or(MAX_COUNT),
        })
    }

    /// How many resources stand before the page.
    pub const fn skip(&self) -> u64 {
        self.start_index - 1
    }
}

fn whole_number(name: &str, text: &str) -> Result<i64, ScimError> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ScimError::invalid_value(format!("{name} must be a whole number.")));
    }
    // Only a number out of range is left to fail: as good as the largest or smallest one.
    Ok(text
        .parse()
        .unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListResponse {
    /// How many resources there are on all pages.
    pub total_results: u64,
    /// The number of the first resource of this page, as asked for.
    pub start_index: u64,
    /// The resources of this page.
    pub resources: Vec<Value>,
}

impl ListResponse {
    /// The body. `Resources` is there even when empty: Entra's connection test wants it.
    pub fn to_json(self) -> Value {
        json!({
            "schemas": [LIST_RESPONSE_SCHEMA],
            "totalResults": self.total_results,
            "startIndex": self.start_index,
            "itemsPerPage": self.resources.len(),
            "Resources": self.resources,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{IndexPage, ListResponse};
    use crate::scim::error::ScimError;

    #[test]
    fn paging_parameters_are_brought_into_their_bounds() {
        for (start_index, count, expected) in [
            (None, None, (1, 200)),
            (Some("6"), Some("5"), (6, 5)),
            (Some("0"), Some("-1"), (1, 0)),
            (Some("-7"), Some("0"), (1, 0)),
            (Some("+3"), Some("100000"), (3, 1000)),
            (
                Some("99999999999999999999"),
                Some("99999999999999999999"),
                (i64::MAX as u64, 1000),
            ),
            (Some("-99999999999999999999"), None, (1, 200)),
        ] {
            let page = IndexPage::parse(start_index, count).unwrap();
            assert_eq!((page.start_index, page.count), expected);
        }
        assert_eq!(IndexPage::parse(Some("6"), None).unwrap().skip(), 5);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "x", "1.5", "-", "1 2", "0x10"] {
            assert_eq!(
                IndexPage::parse(None, Some(text)),
                Err(ScimError::invalid_value("count must be a whole number."))
            );
        }
    }

    #[test]
    fn an_empty_list_still_has_resources() {
        let list = ListResponse {
            total_results: 0,
            start_index: 1,
            resources: vec![],
        };
        assert_eq!(
            list.to_json(),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0,
                   "startIndex": 1, "itemsPerPage": 0, "Resources": []})
        );
    }
}
