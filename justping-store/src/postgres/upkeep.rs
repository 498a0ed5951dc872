//! Partitions of the messages, made before they are needed.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use justping_core::model::Timestamp;
use justping_core::port::store::{StoreError, StoreResult};
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{get, millis, statements};

/// Months that have their partition before they begin.
pub const MONTHS_AHEAD: i32 = 3;

statements! {
    HAS_PARTITION = "SELECT to_regclass($1) IS NOT NULL";
    ADD_PARTITION = "SELECT justping_add_messages($1, $2, $3)";
}

impl PostgresStore {
    /// Makes the partitions of this month and the next [`MONTHS_AHEAD`] ones, where they are
    /// missing; returns how many it made. To be called about daily, by any number of processes.
    ///
    /// A missing partition refuses nothing: its messages are in the default partition, and move
    /// when the partition is made.
    pub async fn make_partitions(&self, now: Timestamp) -> StoreResult<u32> {
        let today = now.to_zoned(TimeZone::UTC).date().first_of_month();
        let mut made = 0;
        for ahead in 0..=MONTHS_AHEAD {
            let month = month_after(today, ahead)?;
            made += self.make_partition(month).await?;
        }
        Ok(made)
    }

    async fn make_partition(&self, month: Date) -> StoreResult<u32> {
        let name = month.strftime("messages_%Y_%m").to_string();
        let (starts, ends) = (start_of(month)?, start_of(month_after(month, 1)?)?);
        transaction!(self, Scope::System, |write| add(write, &name, starts, ends))
    }
}

async fn add(write: &mut Write, name: &str, starts: i64, ends: i64) -> StoreResult<u32> {
    // Adding a partition locks the whole table, looking does not.
    if ask(write, query(HAS_PARTITION).bind(name.to_owned())).await? {
        return Ok(0);
    }
    let add = query(ADD_PARTITION).bind(name.to_owned()).bind(starts).bind(ends);
    ask(write, add).await.map(u32::from)
}

async fn ask(write: &mut Write, question: super::connection::Bound) -> StoreResult<bool> {
    let rows = write.run(question).await?;
    get(rows.first().ok_or(StoreError::Invalid("month"))?, 0)
}

fn month_after(month: Date, months: i32) -> StoreResult<Date> {
    let span = jiff::Span::new().months(months);
    month.checked_add(span).map_err(|_| StoreError::Invalid("month"))
}

/// The first moment of a month, in the time of UTC.
fn start_of(month: Date) -> StoreResult<i64> {
    let zoned = month.to_zoned(TimeZone::UTC).map_err(|_| StoreError::Invalid("month"))?;
    Ok(millis(zoned.timestamp()))
}
