//! Lists (RFC 7644 §3.4.2): what a request asks for, paging by index (§3.4.2.4) and by cursor (RFC 9865), and the list
//! answer.

use std::fmt;

use serde_json::{Map, Value, json};

use super::error::ScimError;

/// The schema of a list answer.
pub const LIST_RESPONSE_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// How many resources a page has if the request does not say.
pub const DEFAULT_COUNT: u32 = 200;
/// How many resources a page has at most.
pub const MAX_COUNT: u32 = 1_000;
/// How long a cursor may be. It holds the value that its list is sorted by, which may be a long text.
const MAX_CURSOR_BYTES: usize = 1024 * 1024;

/// The parameters of a list request as they were sent, in a query or in the body of a search.
#[derive(Default)]
pub struct ListParameters {
    /// `filter`.
    pub filter: Option<String>,
    /// `attributes`, separated by commas.
    pub attributes: Option<String>,
    /// `excludedAttributes`, separated by commas.
    pub excluded_attributes: Option<String>,
    /// `sortBy`.
    pub sort_by: Option<String>,
    /// `sortOrder`.
    pub sort_order: Option<String>,
    /// `startIndex`.
    pub start_index: Option<String>,
    /// `count`.
    pub count: Option<String>,
    /// `cursor`; empty asks for the first page.
    pub cursor: Option<String>,
}

/// What a list request asks for. Names and filter are read later, for each type of resource that is asked about.
pub struct ListRequest {
    /// Which resources.
    pub filter: Option<String>,
    /// The attribute to sort by.
    pub sort_by: Option<String>,
    /// The direction; only there if there is something to sort by.
    pub sort_order: Option<String>,
    /// The attributes to show.
    pub attributes: Option<String>,
    /// The attributes not to show.
    pub excluded_attributes: Option<String>,
    /// Which part of the list.
    pub page: Page,
}

impl ListRequest {
    /// Reads what every list has in common, whatever it lists.
    ///
    /// # Errors
    /// As [`Page::parse`].
    pub fn parse(parameters: ListParameters) -> Result<Self, ScimError> {
        let ListParameters {
            filter,
            attributes,
            excluded_attributes,
            sort_by,
            sort_order,
            start_index,
            count,
            cursor,
        } = parameters;
        let sort_by = sort_by.filter(|name| !name.is_empty());
        Ok(Self {
            filter,
            sort_order: sort_order.filter(|_| sort_by.is_some()),
            sort_by,
            attributes,
            excluded_attributes,
            page: Page::parse(start_index.as_deref(), count.as_deref(), cursor.as_deref())?,
        })
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it begins, and with that the method of paging.
    pub start: Start,
    /// How many resources at most; 0 asks for the total alone.
    pub count: u32,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the resource of this number; the first of all is 1.
    Index(u64),
    /// At the first resource, to be walked on by cursor.
    Walk,
    /// Where the directory's token says.
    Token(PageToken),
}

/// The directory's name for a page, which is what a cursor carries. It says where the page begins, and is bound to the
/// caller's tenant and rights, and to filter and order.
#[derive(Clone, PartialEq, Eq)]
pub struct PageToken(pub String);

/// A token is not ours to look into, and nothing for logs.
impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken")
    }
}

impl Page {
    /// Reads `startIndex` and `count`, or `cursor` and `count`. An index below 1 is 1, a count below 0 is 0.
    ///
    /// A page by index has [`MAX_COUNT`] resources at most, whatever the request says. A page by cursor is refused if it
    /// shall have more, or not as many as the page before it (RFC 9865 §2.1); without a `count` it has as many.
    ///
    /// # Errors
    /// 400 `invalidValue` for an index or a count by index that is no whole number, and for both methods at once; 400
    /// `invalidCount` for any other count by cursor; 400 `invalidCursor` for a cursor that cannot be one.
    pub fn parse(start_index: Option<&str>, count: Option<&str>, cursor: Option<&str>) -> Result<Self, ScimError> {
        match (cursor, start_index) {
            (None, _) => Self::by_index(start_index, count),
            (Some(cursor), None) => Self::by_cursor(cursor, count),
            (Some(_), Some(_)) => Err(ScimError::invalid_value(
                "startIndex and cursor are two methods of paging; send one of them.",
            )),
        }
    }

    fn by_index(start_index: Option<&str>, count: Option<&str>) -> Result<Self, ScimError> {
        let number = |name, text: Option<&str>| {
            let refused = || ScimError::invalid_value(format!("{name} must be a whole number."));
            text.map(|text| whole_number(text).ok_or_else(refused)).transpose()
        };
        let start_index = number("startIndex", start_index)?.unwrap_or(1).max(1);
        let count = number("count", count)?.unwrap_or(DEFAULT_COUNT.into());
        Ok(Self {
            start: Start::Index(start_index.unsigned_abs()),
            count: within_bounds(count).unwrap_or(MAX_COUNT),
        })
    }

    fn by_cursor(cursor: &str, count: Option<&str>) -> Result<Self, ScimError> {
        let refused = || ScimError::invalid_count(format!("count must be a whole number from 0 to {MAX_COUNT}."));
        let number = |text| whole_number(text).and_then(within_bounds).ok_or_else(refused);
        let count = count.map(number).transpose()?;
        if cursor.is_empty() {
            return Ok(Self {
                start: Start::Walk,
                count: count.unwrap_or(DEFAULT_COUNT),
            });
        }
        let cursor = Cursor::parse(cursor)?;
        if count.is_some_and(|count| count != cursor.count) {
            return Err(ScimError::invalid_count(
                "count must be what it was for the page that the cursor came with; leave it out, or start again.",
            ));
        }
        Ok(Self {
            start: Start::Token(cursor.token),
            count: cursor.count,
        })
    }

    /// How the answer says where the pages around it are; `next` and `previous` are the directory's tokens, empty where
    /// there is no page.
    pub fn paging(&self, next: String, previous: String) -> Paging {
        match self.start {
            Start::Index(start_index) => Paging::Index { start_index },
            Start::Walk | Start::Token(_) => {
                let cursor = |token: String| {
                    let is_page = !token.is_empty() && self.count > 0;
                    is_page.then(|| Cursor::to(PageToken(token), self.count))
                };
                Paging::Cursor {
                    next: cursor(next),
                    previous: cursor(previous),
                }
            }
        }
    }
}

/// A whole number; one out of range is as good as the largest or smallest there is.
fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let out_of_range = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(text.parse().unwrap_or(out_of_range))
}

/// Less than 0 is 0; `None` is more than a page may have.
fn within_bounds(count: i64) -> Option<u32> {
    u32::try_from(count.max(0)).ok().filter(|count| *count <= MAX_COUNT)
}

/// `nextCursor` and `previousCursor`: the size of the pages, which stays the same on a walk, and the directory's token.
struct Cursor {
    count: u32,
    token: PageToken,
}

impl Cursor {
    fn to(PageToken(token): PageToken, count: u32) -> String {
        format!("{count}.{token}")
    }

    fn parse(text: &str) -> Result<Self, ScimError> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte); // RFC 3986 §2.3
        if text.len() > MAX_CURSOR_BYTES || !text.bytes().all(is_unreserved) {
            return Err(ScimError::invalid_cursor());
        }
        let (count, token) = text.split_once('.').ok_or_else(ScimError::invalid_cursor)?;
        let is_number = count.starts_with(|first: char| first.is_ascii_digit() && first != '0');
        let count = count.parse().ok().filter(|count| is_number && *count <= MAX_COUNT);
        match count {
            Some(count) if !token.is_empty() => Ok(Self {
                count,
                token: PageToken(token.to_owned()),
            }),
            _ => Err(ScimError::invalid_cursor()),
        }
    }
}

/// How an answer says which part of the list it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// By the number of its first resource, as asked for.
    Index {
        /// The number.
        start_index: u64,
    },
    /// By the cursors of the pages around it.
    Cursor {
        /// Of the next page; none on the last.
        next: Option<String>,
        /// Of the page before; none on the first.
        previous: Option<String>,
    },
}

/// A list answer but for the resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListHead {
    /// How many resources there are on all pages.
    pub total_results: u64,
    /// How many resources this page has.
    pub items_per_page: usize,
    /// Which page it is.
    pub paging: Paging,
}

impl ListHead {
    /// The head of a list that is one page whole.
    pub const fn of_all(items_per_page: usize) -> Self {
        Self {
            total_results: items_per_page as u64,
            items_per_page,
            paging: Paging::Index { start_index: 1 },
        }
    }

    /// The body, up to `Resources`.
    pub fn to_json(&self) -> Value {
        let mut head = Map::new();
        head.insert("schemas".to_owned(), json!([LIST_RESPONSE_SCHEMA]));
        head.insert("totalResults".to_owned(), self.total_results.into());
        head.insert("itemsPerPage".to_owned(), self.items_per_page.into());
        match &self.paging {
            Paging::Index { start_index } => {
                head.insert("startIndex".to_owned(), (*start_index).into());
            }
            Paging::Cursor { next, previous } => {
                let cursors = [("nextCursor", next), ("previousCursor", previous)];
                for (name, cursor) in cursors {
                    if let Some(cursor) = cursor {
                        head.insert(name.to_owned(), cursor.as_str().into());
                    }
                }
            }
        }
        Value::Object(head)
    }

    /// The whole body. `Resources` is there even when empty: Entra's connection test wants it.
    pub fn with(&self, resources: Vec<Value>) -> Value {
        let mut body = self.to_json();
        body["Resources"] = Value::Array(resources);
        body
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::error::ScimType;

    fn refusal(start_index: Option<&str>, count: Option<&str>, cursor: Option<&str>) -> Option<ScimType> {
        Page::parse(start_index, count, cursor).unwrap_err().scim_type
    }

    #[test]
    fn index_parameters_are_brought_into_their_bounds() {
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
            let (start_index, count) = (start_index, count);
            let page = Page::parse(start_index, count, None).unwrap();
            assert_eq!((page.start, page.count), (Start::Index(expected.0), expected.1));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "x", "1.5", "-", "1 2", "0x10", "1e3", "\u{664}"] {
            assert_eq!(
                Page::parse(None, Some(text), None),
                Err(ScimError::invalid_value("count must be a whole number."))
            );
            assert_eq!(refusal(Some(text), None, None), Some(ScimType::InvalidValue), "{text}");
            assert_eq!(
                refusal(None, Some(text), Some("")),
                Some(ScimType::InvalidCount),
                "{text}"
            );
        }
    }

    #[test]
    fn a_walk_begins_with_an_empty_cursor() {
        for (count, expected) in [(None, 200), (Some("7"), 7), (Some("1000"), 1000), (Some("-3"), 0)] {
            let page = Page::parse(None, count, Some("")).unwrap();
            assert_eq!(
                page,
                Page {
                    start: Start::Walk,
                    count: expected
                }
            );
        }
        assert_eq!(refusal(None, Some("1001"), Some("")), Some(ScimType::InvalidCount));
        assert_eq!(refusal(Some("1"), None, Some("")), Some(ScimType::InvalidValue));
    }

    #[test]
    fn a_cursor_leads_to_its_page_with_the_size_that_the_walk_began_with() {
        let first = Page::parse(None, Some("7"), Some("")).unwrap();

        let Paging::Cursor {
            next: Some(next),
            previous,
        } = first.paging("tok-en_1".to_owned(), String::new())
        else {
            panic!("a next page")
        };

        assert_eq!(previous, None, "there is nothing before the first page");
        assert!(
            next.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        );
        for count in [None, Some("7")] {
            let page = Page::parse(None, count, Some(&next)).unwrap();
            let start = Start::Token(PageToken("tok-en_1".to_owned()));
            assert_eq!(page, Page { start, count: 7 });
        }
        for count in ["8", "0", "-1", "1001"] {
            assert_eq!(refusal(None, Some(count), Some(&next)), Some(ScimType::InvalidCount));
        }
    }

    #[test]
    fn what_cannot_be_a_cursor_is_refused_unseen() {
        let long = format!("7.{}", "a".repeat(MAX_CURSOR_BYTES));
        for cursor in [
            " ",
            "x",
            "7",
            "7.",
            ".token",
            "07.token",
            "0.token",
            "+7.token",
            "1001.token",
            "-7.token",
            "7.tok en",
            "7.tok+en",
            "7.tok/en=",
            "7.\u{fc}",
            "7.\0",
            "99999999999.token",
            &long,
        ] {
            assert_eq!(
                Page::parse(None, None, Some(cursor)),
                Err(ScimError::invalid_cursor()),
                "{}",
                cursor.len()
            );
        }
    }

    #[test]
    fn only_pages_by_cursor_have_cursors_and_only_pages_with_resources() {
        let paging = |count, cursor| {
            let page = Page::parse(None, Some(count), cursor).unwrap();
            page.paging("next".to_owned(), "previous".to_owned())
        };

        assert_eq!(paging("5", None), Paging::Index { start_index: 1 });
        assert_eq!(
            paging("0", Some("")),
            Paging::Cursor {
                next: None,
                previous: None
            }
        );
    }

    #[test]
    fn a_sort_order_without_an_attribute_to_sort_by_is_nothing() {
        let parse = |sort_by: Option<&str>| {
            let request = ListRequest::parse(ListParameters {
                sort_by: sort_by.map(str::to_owned),
                sort_order: Some("descending".to_owned()),
                ..ListParameters::default()
            });
            let request = request.unwrap();
            (request.sort_by, request.sort_order)
        };

        assert_eq!(parse(None), (None, None));
        assert_eq!(parse(Some("")), (None, None));
        assert_eq!(
            parse(Some("userName")),
            (Some("userName".to_owned()), Some("descending".to_owned()))
        );
    }

    #[test]
    fn an_answer_names_its_page_by_index_or_by_cursors() {
        assert_eq!(
            ListHead::of_all(0).with(Vec::new()),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0,
                   "startIndex": 1, "itemsPerPage": 0, "Resources": []}),
            "an empty list still has Resources"
        );

        let head = ListHead {
            total_results: 9,
            items_per_page: 1,
            paging: Paging::Cursor {
                next: Some("1.n".to_owned()),
                previous: Some("1.p".to_owned()),
            },
        };
        assert_eq!(
            head.with(vec![json!({"id": "x"})]),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 9,
                   "itemsPerPage": 1, "nextCursor": "1.n", "previousCursor": "1.p", "Resources": [{"id": "x"}]})
        );
    }
}
