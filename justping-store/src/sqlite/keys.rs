//! The data keys of the businesses.

use justping_core::model::BusinessId;
use justping_core::port::store::{StoreError, StoreResult};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::error::{self, OpenError};
use super::row::{get, statements};
use crate::envelope::{DataKey, MasterKey, Place, SealError};

statements! {
    ANY_KEY = "SELECT business_id, key_id, wrapped FROM business_keys LIMIT 1";
}

/// The number of a business's first key.
pub(super) const FIRST_KEY: u32 = 1;

/// Wraps a data key for its row.
pub(super) fn wrap(
    master: &MasterKey,
    business: BusinessId,
    key: &DataKey,
) -> StoreResult<Vec<u8>> {
    let id = key.id().to_be_bytes();
    master.wrap(key, &place(business, &[&id])).map_err(error::map_seal("data key"))
}

/// Unwraps the data key of a row that begins with its number and its wrapped form.
pub(super) fn unwrap(
    master: &MasterKey,
    business: BusinessId,
    row: &SqliteRow,
) -> StoreResult<DataKey> {
    let number = u32::try_from(get::<i64>(row, 0)?);
    let number = number.map_err(|_| StoreError::Corrupt("a key number".to_owned()))?;
    let id = number.to_be_bytes();
    master
        .unwrap(get(row, 1)?, number, &place(business, &[&id]))
        .map_err(error::map_seal("data key"))
}

fn place<'a>(business_id: BusinessId, row: &'a [&'a [u8]]) -> Place<'a> {
    Place { table: "business_keys", column: "wrapped", business_id, row }
}

/// Refuses a master key that does not open the keys already there.
pub(super) async fn check_master(
    connection: &mut SqliteConnection,
    master: &MasterKey,
) -> Result<(), OpenError> {
    let row = sqlx::query(ANY_KEY).fetch_optional(connection).await;
    let Some(row) = row.map_err(error::map)? else { return Ok(()) };
    let business = BusinessId::from_uuid(get(&row, 0)?);
    let number = u32::try_from(get::<i64>(&row, 1)?).unwrap_or_default();
    let id = number.to_be_bytes();
    match master.unwrap(get(&row, 2)?, number, &place(business, &[&id])) {
        Ok(_) => Ok(()),
        Err(SealError::WrongKey) => Err(OpenError::WrongMasterKey),
        Err(other) => Err(error::map_seal("data key")(other).into()),
    }
}
