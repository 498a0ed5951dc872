//! Lists as parameters of their own, one a field, for the moves that must be cheap: SQLite then
//! neither parses JSON nor decodes hexadecimal digits.

use std::sync::OnceLock;

use justping_core::port::store::{StoreError, StoreResult};
use sqlx::encode::Encode;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{Arguments, Type};

use super::connection::Bound;

/// Most rows of a list in one text of statements.
pub(super) const ROWS_MAX: usize = 256;
/// A text for 1 row, 2 rows, 4 rows … up to [`ROWS_MAX`].
const SIZES: usize = ROWS_MAX.ilog2() as usize + 1;

/// Statements with lists of up to so many rows, written out for a few sizes so that each stays
/// prepared.
pub(super) struct Sized {
    write: fn(usize) -> String,
    texts: [OnceLock<String>; SIZES],
}

impl Sized {
    /// Statements as `write` writes them for lists of a number of rows.
    pub(super) const fn new(write: fn(usize) -> String) -> Self {
        Self { write, texts: [const { OnceLock::new() }; SIZES] }
    }

    /// The rows that the text for `rows` rows has room for, and that text.
    pub(super) fn text(&'static self, rows: usize) -> StoreResult<(usize, &'static str)> {
        let room = rows.max(1).next_power_of_two();
        let text = self.texts.get(room.ilog2() as usize);
        let text = text.ok_or(StoreError::Invalid("batch"))?;
        Ok((room, text.get_or_init(|| (self.write)(room))))
    }
}

/// `(VALUES (?, ?), (?, ?) …)`: rows of this many fields. Those that are not needed are null: they
/// match nothing, and an insert leaves them out by [`FILLED`].
pub(super) fn values(rows: usize, fields: usize) -> String {
    let row = format!("(?{})", ", ?".repeat(fields.saturating_sub(1)));
    format!("(VALUES {row}{})", format!(", {row}").repeat(rows.saturating_sub(1)))
}

/// Keeps the rows of [`values`] that are there.
pub(super) const FILLED: &str = "WHERE column1 IS NOT NULL";

/// The parameters of statements, in their order.
#[derive(Default)]
pub(super) struct Parameters(SqliteArguments);

impl Parameters {
    /// One parameter.
    pub(super) fn add<'q, T: Encode<'q, Sqlite> + Type<Sqlite>>(
        &mut self,
        value: T,
    ) -> StoreResult<&mut Self> {
        self.0.add(value).map_err(|_| StoreError::Invalid("parameter"))?;
        Ok(self)
    }

    /// Fills a list up to its room.
    pub(super) fn pad(&mut self, missing: usize, fields: usize) -> StoreResult<()> {
        for _ in 0..missing * fields {
            self.add(None::<i64>)?;
        }
        Ok(())
    }

    /// The statements with these parameters.
    pub(super) fn bind(self, text: &'static str) -> Bound {
        sqlx::query_with(text, self.0)
    }
}
