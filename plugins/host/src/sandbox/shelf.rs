//! Components in memory, so that the next call finds them; those not called for long are put away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::code::{Code, ComponentDigest};

/// The components at hand, bounded by number and bytes.
#[derive(Debug)]
pub(crate) struct Shelf {
    max: usize,
    max_bytes: usize,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    /// Counts uses, to tell which was last.
    uses: u64,
    bytes: usize,
    rows: HashMap<ComponentDigest, Row>,
}

#[derive(Debug)]
struct Row {
    code: Arc<Code>,
    used: u64,
}

impl Shelf {
    pub(crate) fn new(max: usize, max_bytes: usize) -> Self {
        Self { max, max_bytes, rows: Mutex::default() }
    }

    pub(crate) fn get(&self, digest: ComponentDigest) -> Option<Arc<Code>> {
        let mut rows = self.rows();
        rows.uses += 1;
        let used = rows.uses;
        let row = rows.rows.get_mut(&digest)?;
        row.used = used;
        Some(Arc::clone(&row.code))
    }

    /// Puts one on the shelf. Calls in flight keep what is put away for it.
    pub(crate) fn put(&self, code: &Arc<Code>) {
        let mut rows = self.rows();
        rows.uses += 1;
        let row = Row { code: Arc::clone(code), used: rows.uses };
        rows.bytes += code.bytes();
        if let Some(old) = rows.rows.insert(code.digest(), row) {
            rows.bytes -= old.code.bytes();
        }
        while rows.rows.len() > self.max || (rows.bytes > self.max_bytes && rows.rows.len() > 1) {
            rows.put_oldest_away();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows().rows.len()
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn put_oldest_away(&mut self) {
        let oldest = self.rows.iter().min_by_key(|(_, row)| row.used).map(|(digest, _)| *digest);
        if let Some(row) = oldest.and_then(|digest| self.rows.remove(&digest)) {
            self.bytes -= row.code.bytes();
        }
    }
}
