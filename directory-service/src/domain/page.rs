//! Pages of lists: where a page starts, how long it is, and where the next one goes on.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The value by which a list is ordered, of the last resource of a page.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageKey {
    /// A folded or exact text.
    Text(String),
    /// A whole number, or a time in microseconds.
    Integer(i64),
    /// A boolean.
    Boolean(bool),
    /// An id.
    Id(Uuid),
}

impl fmt::Debug for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageKey(<redacted>)")
    }
}

/// The last resource of a page: the next page begins after it, whatever was written meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePosition {
    /// The value that the list is ordered by. None: the resource has none, or the list is ordered by id.
    pub key: Option<PageKey>,
    /// The resource's id, which breaks ties.
    pub id: Uuid,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many resources; 0 asks for the total only.
    pub size: u32,
    /// Leaves out so many resources at the start.
    pub skip: u64,
    /// Starts after this resource.
    pub after: Option<PagePosition>,
    /// Whether the total is wanted.
    pub total: bool,
}

impl PageRequest {
    /// The first page of this size.
    pub const fn first(size: u32) -> Self {
        Self {
            size,
            skip: 0,
            after: None,
            total: false,
        }
    }

    /// The page that starts after `position`.
    #[must_use]
    pub fn after(mut self, position: Option<PagePosition>) -> Self {
        self.after = position;
        self
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The resources.
    pub items: Vec<T>,
    /// Where the next page goes on; none on the last one.
    pub next: Option<PagePosition>,
    /// How many resources the whole list holds, if that was asked for.
    pub total: Option<u64>,
}
