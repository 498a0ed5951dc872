use serde::{Deserialize, Serialize};

/// Rows of a page unless the caller asks for another number.
pub const PAGE_DEFAULT: u32 = 50;
/// Most rows of a page.
pub const PAGE_MAX: u32 = 200;

/// Where a page ends: opaque to callers, a key of the last row to stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Which page is wanted. Pages are found by key, never by counting rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The end of the page before.
    pub after: Option<Cursor>,
    /// How many rows, 1 to [`PAGE_MAX`].
    pub limit: u32,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { after: None, limit: PAGE_DEFAULT }
    }
}

impl PageRequest {
    /// The first page with up to `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The number of rows within its bounds.
    pub fn rows(&self) -> usize {
        self.limit.clamp(1, PAGE_MAX) as usize
    }
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page from up to one row more than wanted; the extra row only tells that more follow.
    pub fn from_rows(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| Cursor(key(row)));
        Self { items: rows, next }
    }
}
