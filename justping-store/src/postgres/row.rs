//! How values travel: documents as JSON, a batch as one array a column, outside text as bytes.

use justping_core::port::store::{StoreError, StoreResult};
use serde::de::DeserializeOwned;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row, Type};
use uuid::Uuid;

use super::error;
pub(super) use crate::document::{
    RecentCursor, count, millis, moment, parse_cursor, parse_doc, to_doc,
};

/// Declares statements and lists them, so that a test can prepare each.
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$meta])* pub(in crate::postgres) const $name: &str = $sql;)*

        /// Every statement of this file by name.
        #[cfg(test)]
        pub(in crate::postgres) const STATEMENTS: &[(&str, &str)] =
            &[$((stringify!($name), $name)),*];
    };
}
pub(super) use statements;

/// Reads a column.
pub(super) fn get<'r, T>(row: &'r PgRow, index: usize) -> StoreResult<T>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(index).map_err(error::map)
}

/// Reads a column that holds a document of a `noun`.
pub(super) fn get_doc<T: DeserializeOwned>(
    row: &PgRow,
    index: usize,
    noun: &'static str,
) -> StoreResult<T> {
    parse_doc(get::<&str>(row, index)?, noun)
}

/// Reads a column that counts.
pub(super) fn get_count(row: &PgRow, index: usize) -> StoreResult<u64> {
    u64::try_from(get::<i64>(row, index)?).map_err(|_| StoreError::Corrupt("a count".to_owned()))
}

/// Reads the place of a row of a batch, which counts from 1 in statements.
pub(super) fn get_index(row: &PgRow, index: usize) -> StoreResult<usize> {
    Ok(usize::try_from(get::<i64>(row, index)? - 1).unwrap_or(usize::MAX))
}

/// Reads a column of outside text.
pub(super) fn get_text(row: &PgRow, index: usize) -> StoreResult<String> {
    let text = std::str::from_utf8(get(row, index)?).map(str::to_owned);
    text.map_err(|_| StoreError::Corrupt("a text".to_owned()))
}

/// Outside text as a column.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// The key from which a list by id goes on.
pub(super) fn from(after: Option<Uuid>) -> Uuid {
    after.map_or(Uuid::nil(), |id| Uuid::from_u128(id.as_u128().saturating_add(1)))
}
