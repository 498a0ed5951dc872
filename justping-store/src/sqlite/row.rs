//! How values travel: documents as JSON, ids of a batch as hex, times as milliseconds.

use justping_core::port::store::{StoreError, StoreResult};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row, Type};
use uuid::Uuid;

use super::error;
pub(super) use crate::document::{
    RecentCursor, count, millis, moment, parse_cursor, parse_doc, to_doc,
};

/// Declares statements and lists them, so that a test can prepare each.
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$meta])* pub(in crate::sqlite) const $name: &str = $sql;)*

        /// Every statement of this file by name.
        #[cfg(test)]
        pub(in crate::sqlite) const STATEMENTS: &[(&str, &str)] =
            &[$((stringify!($name), $name)),*];
    };
}
pub(super) use statements;

/// An id inside a batch: SQLite's JSON has no bytes, so that statements say `unhex(…)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hex(pub(super) Uuid);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Uuid::encode_buffer();
        serializer.serialize_str(self.0.simple().encode_lower(&mut buffer))
    }
}

/// Writes the rows of a batch as one parameter.
pub(super) fn batch<T: Serialize>(rows: &[T]) -> StoreResult<String> {
    if rows.is_empty() {
        return Ok("[]".to_owned());
    }
    to_doc(&rows)
}

/// Reads a column.
pub(super) fn get<'r, T>(row: &'r SqliteRow, index: usize) -> StoreResult<T>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(index).map_err(error::map)
}

/// Reads a column that holds a document of a `noun`.
pub(super) fn get_doc<T: DeserializeOwned>(
    row: &SqliteRow,
    index: usize,
    noun: &'static str,
) -> StoreResult<T> {
    parse_doc(get::<&str>(row, index)?, noun)
}

/// Reads a column that counts.
pub(super) fn get_count(row: &SqliteRow, index: usize) -> StoreResult<u64> {
    u64::try_from(get::<i64>(row, index)?).map_err(|_| StoreError::Corrupt("a count".to_owned()))
}

/// The key after which a list by id goes on; nothing is before the empty key.
pub(super) fn after(id: Option<Uuid>) -> Vec<u8> {
    id.map_or_else(Vec::new, |id| id.as_bytes().to_vec())
}
