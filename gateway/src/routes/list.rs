//! What every list has in common, however it was asked for (RFC 7644 §3.4.2 and §3.4.3): the question to the directory,
//! and the head of the answer.

use std::sync::Arc;

use directory_proto::v1;

use crate::scim;
use crate::scim::error::ScimError;
use crate::scim::list::{ListHead, ListRequest, Page, Start};
use crate::scim::projection::Projection;
use crate::scim::schema::ResourceType;
use crate::translate::filter::Translator;

/// The page size that asks for no resources, but the total.
const TOTAL_ONLY: i32 = -1;

/// The largest body of a search: the longest cursor fits, and a filter of the longest beside it.
pub const SEARCH_BYTES: usize = 2 * 1024 * 1024;

/// Which page to ask the directory for.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    /// How many resources at most; none, but the total, if the request wants none.
    pub size: i32,
    /// Where the page begins; empty for the first.
    pub token: String,
    /// How many resources to leave out before it.
    pub skip: i64,
}

impl Window {
    /// The window of a page. One that holds nothing has the total all the same (RFC 7644 §3.4.2.4).
    pub fn of(page: &Page) -> Self {
        let size = match i32::try_from(page.count) {
            Ok(count) if count > 0 => count,
            _ => TOTAL_ONLY,
        };
        let (token, skip) = match &page.start {
            Start::Index(first) if size > 0 => (String::new(), i64::try_from(first - 1).unwrap_or(i64::MAX)),
            Start::Index(_) | Start::Walk => (String::new(), 0),
            Start::Token(token) => (token.0.clone(), 0),
        };
        Self { size, token, skip }
    }
}

/// What the directory says about a page.
pub struct Found {
    /// How many resources it holds.
    pub items: usize,
    /// How many resources there are in all; the directory always says so when asked.
    pub total: Option<i64>,
    /// The token of the next page; empty on the last.
    pub next: String,
    /// The token of the page before; empty on the first.
    pub previous: String,
}

impl Found {
    /// The head of the answer to a request for this page.
    pub fn head(self, page: &Page) -> ListHead {
        let total = self.total.and_then(|total| u64::try_from(total).ok());
        ListHead {
            total_results: total.unwrap_or(self.items as u64),
            items_per_page: self.items,
            paging: page.paging(self.next, self.previous),
        }
    }
}

/// What a request wants to see of the resources in a list.
pub fn projection(resource_type: &Arc<ResourceType>, request: &ListRequest) -> Result<Projection, ScimError> {
    Projection::parse(
        resource_type,
        request.attributes.as_deref(),
        request.excluded_attributes.as_deref(),
    )
}

/// Which resources of one kind are wanted, and in which order.
pub struct Selection {
    /// Which; absent, all.
    pub filter: Option<v1::Filter>,
    /// In which order; absent, by id.
    pub order: Option<v1::Order>,
}

impl Selection {
    /// Reads filter and order for one kind of resource.
    pub fn parse(translator: &Translator, request: &ListRequest) -> Result<Self, ScimError> {
        let filter = request
            .filter
            .as_deref()
            .map(|text| scim::filter::parse(&translator.resource_type, text))
            .transpose()?;
        Ok(Self {
            filter: filter.map(|filter| translator.filter(&filter)).transpose()?,
            order: translator.order(request.sort_by.as_deref(), request.sort_order.as_deref())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start_index: Option<&str>, count: &str, cursor: Option<&str>) -> (i32, String, i64) {
        let page = Page::parse(start_index, Some(count), cursor).unwrap();
        let Window { size, token, skip } = Window::of(&page);
        (size, token, skip)
    }

    #[test]
    fn a_page_that_holds_nothing_has_the_total() {
        let no_token = String::new;
        assert_eq!(window(Some("1"), "5", None), (5, no_token(), 0));
        assert_eq!(window(Some("6"), "0", None), (TOTAL_ONLY, no_token(), 0));
        assert_eq!(window(Some("10000001"), "5", None), (5, no_token(), 10_000_000));
        assert_eq!(
            window(Some("99999999999999999999"), "5", None),
            (5, no_token(), i64::MAX - 1)
        );
        assert_eq!(window(None, "0", Some("")), (TOTAL_ONLY, no_token(), 0));
        assert_eq!(window(None, "7", Some("")), (7, no_token(), 0));
        assert_eq!(window(None, "7", Some("7.token")), (7, "token".to_owned(), 0));
    }
}
