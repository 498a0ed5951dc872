//! How values travel: documents as JSON, ids of a batch as hex, times as milliseconds.

use std::fmt;
use std::str::FromStr;

use justping_core::model::{Conversation, Cursor, Timestamp};
use justping_core::port::store::{StoreError, StoreResult};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row, Type};
use uuid::Uuid;

use super::error;

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

/// Writes a document.
pub(super) fn to_doc<T: Serialize>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Invalid("document"))
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

/// Reads a document of a `noun`.
pub(super) fn parse_doc<T: DeserializeOwned>(text: &str, noun: &'static str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(format!("a {noun}")))
}

/// Reads a column that counts.
pub(super) fn get_count(row: &SqliteRow, index: usize) -> StoreResult<u64> {
    u64::try_from(get::<i64>(row, index)?).map_err(|_| StoreError::Corrupt("a count".to_owned()))
}

/// A count as a column; `None` for one that no row can have.
pub(super) fn count(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}

/// The moment as a column.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The moment a column holds.
pub(super) fn moment(millis: i64) -> StoreResult<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(|_| StoreError::Corrupt("a moment".to_owned()))
}

/// Reads a cursor made by a list of this kind.
pub(super) fn parse_cursor<T: FromStr>(cursor: Option<&Cursor>) -> StoreResult<Option<T>> {
    cursor.map(|cursor| cursor.0.parse().map_err(|_| StoreError::Invalid("cursor"))).transpose()
}

/// The key after which a list by id goes on; nothing is before the empty key.
pub(super) fn after(id: Option<Uuid>) -> Vec<u8> {
    id.map_or_else(Vec::new, |id| id.as_bytes().to_vec())
}

/// Where the list of conversations goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecentCursor {
    /// Milliseconds of the last message.
    pub(super) at: i64,
    /// The conversation.
    pub(super) id: Uuid,
}

impl RecentCursor {
    /// Behind every conversation.
    pub(super) const END: Self = Self { at: i64::MAX, id: Uuid::max() };

    pub(super) fn of(conversation: &Conversation) -> Self {
        Self { at: millis(conversation.last_message_at), id: conversation.id.uuid() }
    }
}

impl fmt::Display for RecentCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.id.simple())
    }
}

impl FromStr for RecentCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('.').ok_or(())?;
        Ok(Self { at: at.parse().map_err(|_| ())?, id: Uuid::try_parse(id).map_err(|_| ())? })
    }
}
