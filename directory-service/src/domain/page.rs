//! Pages of lists: where a page starts, which way it goes, how long it is, and where the pages beside it are.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A page ends early when its resources reach so many bytes; one is always in it. Clients take twice as much, so that
/// the last one and what is around them fit, too.
pub const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// The value by which a list is ordered, of a resource at the edge of a page.
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

/// Where a resource stands in its list, whether or not it is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The value that the list is ordered by. None: the resource has none, or the list is ordered by id.
    pub key: Option<PageKey>,
    /// The resource's id, which breaks ties.
    pub id: Uuid,
}

/// Which way a list is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Walk {
    /// To the end, from the resource after a place.
    Forward,
    /// To the beginning, from the resource before a place.
    Backward,
}

impl Walk {
    const fn back(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

/// Where a walk goes on, whatever was written meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagePosition {
    /// The place at the edge of the page that was shown.
    pub place: Place,
    /// The way from there.
    pub walk: Walk,
    /// Whether the page begins with the place itself: it was not shown, because the page at its other side was empty.
    pub inclusive: bool,
}

impl PagePosition {
    /// The way back from a page that has nothing to show: from the place that it started at.
    fn back(&self) -> Self {
        Self {
            place: self.place.clone(),
            walk: self.walk.back(),
            inclusive: !self.inclusive,
        }
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many resources; 0 asks for the total only.
    pub size: u32,
    /// Leaves out so many resources at the start.
    pub skip: u64,
    /// Goes on from here.
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

    /// The page that goes on from `position`.
    #[must_use]
    pub fn after(mut self, position: Option<PagePosition>) -> Self {
        self.after = position;
        self
    }

    /// Which way the list is walked.
    pub fn walk(&self) -> Walk {
        self.after.as_ref().map_or(Walk::Forward, |position| position.walk)
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The resources, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page goes on; none on the last one.
    pub next: Option<PagePosition>,
    /// Where the page before goes on; none on the first one, and where resources were left out at the start.
    pub previous: Option<PagePosition>,
    /// How many resources the whole list holds, if that was asked for.
    pub total: Option<u64>,
    walk: Walk,
    places: Vec<Place>,
}

impl<T> Page<T> {
    /// No resources, only what was counted.
    pub const fn only_total(total: Option<u64>) -> Self {
        Self {
            items: Vec::new(),
            next: None,
            previous: None,
            total,
            walk: Walk::Forward,
            places: Vec::new(),
        }
    }

    /// What a walk found, in the order of the walk, and whether there is more that way.
    ///
    /// A page that a walk backwards found is short if fewer resources stand before the place that it started at: it
    /// holds those that there are, and the next page follows it without a gap.
    pub fn found(request: &PageRequest, found: Vec<(T, Place)>, more: bool) -> Self {
        let walk = request.walk();
        let (mut items, mut places): (Vec<T>, Vec<Place>) = found.into_iter().unzip();
        if walk == Walk::Backward {
            items.reverse();
            places.reverse();
        }
        let mut page = Self {
            items,
            places,
            walk,
            ..Self::only_total(None)
        };
        if let Some(start) = &request.after {
            let back = Some(page.edge(walk.back()).unwrap_or_else(|| start.back()));
            match walk {
                Walk::Forward => page.previous = back,
                Walk::Backward => page.next = back,
            }
        }
        page.go_on(more);
        page
    }

    /// Which way the list was walked: whoever has too much leaves out what was found last.
    pub const fn walk(&self) -> Walk {
        self.walk
    }

    /// Keeps only so many resources, those that the walk found first: the next one that way begins with the others.
    pub fn shorten(&mut self, kept: usize) {
        if kept >= self.items.len() {
            return;
        }
        let surplus = self.items.len() - kept;
        match self.walk {
            Walk::Forward => {
                self.items.truncate(kept);
                self.places.truncate(kept);
            }
            Walk::Backward => {
                self.items.drain(..surplus);
                self.places.drain(..surplus);
            }
        }
        self.go_on(true);
    }

    /// Keeps what reaches [`PAGE_BYTES`] at most, and one resource at least.
    pub fn fit(&mut self, bytes: impl Fn(&T) -> usize) {
        let sizes: Vec<usize> = match self.walk {
            Walk::Forward => self.items.iter().map(bytes).collect(),
            Walk::Backward => self.items.iter().rev().map(bytes).collect(),
        };
        let mut walked = 0;
        let fitting = sizes.iter().take_while(|size| {
            let fits = walked < PAGE_BYTES;
            walked += **size;
            fits
        });
        let kept = fitting.count();
        self.shorten(kept);
    }

    /// The same page of other things, one for each.
    pub fn map<U>(mut self, change: impl FnMut(T) -> U) -> Page<U> {
        let items = std::mem::take(&mut self.items);
        self.with(items.into_iter().map(change).collect())
    }

    /// The same page of other things, if there is one for each.
    pub fn map_all<U>(mut self, change: impl FnMut(T) -> Option<U>) -> Option<Page<U>> {
        let items = std::mem::take(&mut self.items);
        let items = items.into_iter().map(change).collect::<Option<_>>()?;
        Some(self.with(items))
    }

    fn with<U>(self, items: Vec<U>) -> Page<U> {
        Page {
            items,
            next: self.next,
            previous: self.previous,
            total: self.total,
            walk: self.walk,
            places: self.places,
        }
    }

    fn go_on(&mut self, more: bool) {
        let on = if more { self.edge(self.walk) } else { None };
        match self.walk {
            Walk::Forward => self.next = on,
            Walk::Backward => self.previous = on,
        }
    }

    /// The position from which the list goes on at one end of the page.
    fn edge(&self, walk: Walk) -> Option<PagePosition> {
        let place = match walk {
            Walk::Forward => self.places.last(),
            Walk::Backward => self.places.first(),
        };
        let place = place?.clone();
        let inclusive = false;
        Some(PagePosition { place, walk, inclusive })
    }
}
