use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;

use crate::model::{BusinessId, Page, PageRequest};
use crate::port::{StoreError, StoreResult};

/// Rows by business, then by id: whatever asks for a business cannot see past it.
#[derive(Debug)]
pub(super) struct Table<I, R> {
    what: &'static str,
    businesses: BTreeMap<BusinessId, BTreeMap<I, R>>,
}

impl<I: Ord + Copy, R> Table<I, R> {
    /// An empty table of `what`, as errors call its rows.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, businesses: BTreeMap::new() }
    }

    pub(super) fn find(&self, business: BusinessId, id: I) -> Option<&R> {
        self.businesses.get(&business)?.get(&id)
    }

    pub(super) fn find_mut(&mut self, business: BusinessId, id: I) -> Option<&mut R> {
        self.businesses.get_mut(&business)?.get_mut(&id)
    }

    pub(super) fn get(&self, business: BusinessId, id: I) -> StoreResult<&R> {
        self.find(business, id).ok_or(StoreError::NotFound(self.what))
    }

    pub(super) fn get_mut(&mut self, business: BusinessId, id: I) -> StoreResult<&mut R> {
        let missing = StoreError::NotFound(self.what);
        self.find_mut(business, id).ok_or(missing)
    }

    /// Adds a row whose id is new.
    pub(super) fn add(&mut self, business: BusinessId, id: I, row: R) -> StoreResult<()> {
        if self.find(business, id).is_some() {
            return Err(StoreError::Conflict(self.what));
        }
        self.put(business, id, row);
        Ok(())
    }

    /// Adds or replaces a row.
    pub(super) fn put(&mut self, business: BusinessId, id: I, row: R) {
        self.businesses.entry(business).or_default().insert(id, row);
    }

    pub(super) fn remove(&mut self, business: BusinessId, id: I) -> StoreResult<R> {
        let row = self.businesses.get_mut(&business).and_then(|rows| rows.remove(&id));
        row.ok_or(StoreError::NotFound(self.what))
    }

    /// Every id of a business.
    pub(super) fn ids(&self, business: BusinessId) -> impl Iterator<Item = I> {
        self.businesses.get(&business).into_iter().flat_map(|rows| rows.keys().copied())
    }

    /// Every row of every business.
    pub(super) fn values(&self) -> impl Iterator<Item = &R> {
        self.businesses.values().flat_map(BTreeMap::values)
    }

    /// Every row of every business.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut R> {
        self.businesses.values_mut().flat_map(BTreeMap::values_mut)
    }

    /// Every row of a business.
    pub(super) fn rows(&self, business: BusinessId) -> impl Iterator<Item = &R> {
        self.businesses.get(&business).into_iter().flat_map(BTreeMap::values)
    }

    /// Every row of a business.
    pub(super) fn rows_mut(&mut self, business: BusinessId) -> impl Iterator<Item = &mut R> {
        self.businesses.get_mut(&business).into_iter().flat_map(BTreeMap::values_mut)
    }

    /// The businesses that have rows, by id, after one.
    pub(super) fn businesses(
        &self,
        after: Option<BusinessId>,
    ) -> impl Iterator<Item = BusinessId> + '_ {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.businesses.range((after, Bound::Unbounded));
        all.filter(|(_, rows)| !rows.is_empty()).map(|(business, _)| *business)
    }

    /// A page of the rows of a business, by id.
    pub(super) fn page<V>(
        &self,
        business: BusinessId,
        request: &PageRequest,
        view: impl Fn(&R) -> V,
    ) -> StoreResult<Page<V>>
    where
        I: Display + FromStr,
    {
        let rows = after::<I>(request)?;
        let rows = self.businesses.get(&business).into_iter().flat_map(|all| all.range(rows));
        Ok(page(rows.map(|(id, row)| (*id, view(row))), request))
    }
}

/// The keys behind the request's cursor.
pub(super) fn after<K: FromStr>(request: &PageRequest) -> StoreResult<(Bound<K>, Bound<K>)> {
    let start = cursor(request)?.map_or(Bound::Unbounded, Bound::Excluded);
    Ok((start, Bound::Unbounded))
}

/// The key in the request's cursor; a text that is no such key came from another list.
pub(super) fn cursor<K: FromStr>(request: &PageRequest) -> StoreResult<Option<K>> {
    let key = request.after.as_ref().map(|cursor| cursor.0.parse());
    key.transpose().map_err(|_| StoreError::Invalid("cursor"))
}

/// The first rows of those that follow the request's cursor, with the cursor of the last.
pub(super) fn page<K: Display, V>(
    rows: impl Iterator<Item = (K, V)>,
    request: &PageRequest,
) -> Page<V> {
    let limit = request.rows();
    let page = Page::from_rows(rows.take(limit + 1).collect(), limit, |(key, _)| key.to_string());
    Page { items: page.items.into_iter().map(|(_, row)| row).collect(), next: page.next }
}
