//! The data keys of the businesses, and the secrets that are sealed with them.

use justping_core::model::{BusinessId, ChannelSecrets};
use justping_core::port::store::StoreResult;
use serde_json::json;
use sqlx::query;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::connection::Write;
use super::error::{self, OpenError};
use super::row::{get, statements};
use crate::envelope::{DataKey, MasterKey};
use crate::secret::{self, FIRST_KEY, Owner, Sealed};

statements! {
    ANY_KEY = "SELECT business_id, key_id, wrapped FROM business_keys LIMIT 1";
    INSERT_KEY = "INSERT INTO business_keys (business_id, key_id, wrapped) VALUES ($1, $2, $3)";
}

/// Refuses a master key that does not open the keys already there.
pub(super) async fn check_master(
    connection: &mut SqliteConnection,
    master: &MasterKey,
) -> Result<(), OpenError> {
    let row = query(ANY_KEY).fetch_optional(connection).await;
    let Some(row) = row.map_err(error::map)? else { return Ok(()) };
    let business = BusinessId::from_uuid(get(&row, 0)?);
    if secret::fits(master, business, get(&row, 1)?, get(&row, 2)?)? {
        return Ok(());
    }
    Err(OpenError::WrongMasterKey)
}

/// Seals secrets: a batch of their names and what is stored. The first columns of `place` are the
/// number and the wrapped form of the newest data key; the business gets its first one with its
/// first secret.
pub(super) async fn seal_all(
    write: &mut Write<'_>,
    master: &MasterKey,
    owner: Owner,
    secrets: Option<&ChannelSecrets>,
    place: &SqliteRow,
) -> StoreResult<String> {
    let mut rows = Vec::new();
    if let Some(secrets) = secrets.filter(|secrets| secrets.names().next().is_some()) {
        let key = match get::<Option<i64>>(place, 0)? {
            Some(number) => secret::unwrap(master, owner.business(), number, get(place, 1)?)?,
            None => first_key(write, master, owner.business()).await?,
        };
        for (name, value) in secrets.expose() {
            let sealed = secret::seal(&key, owner, name, value)?;
            rows.push(json!([name, hex(&sealed)]));
        }
    }
    Ok(serde_json::Value::from(rows).to_string())
}

async fn first_key(
    write: &mut Write<'_>,
    master: &MasterKey,
    business: BusinessId,
) -> StoreResult<DataKey> {
    let (key, wrapped) = secret::first_key(master, business)?;
    let insert = query(INSERT_KEY).bind(business.uuid()).bind(i64::from(FIRST_KEY));
    write.run(insert.bind(wrapped)).await?;
    Ok(key)
}

/// Bytes as batches carry them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens secrets. A row is a key's number and wrapped form, a secret's name and what is stored: each
/// secret with each key, or one row without a secret.
pub(super) fn open_all(
    master: &MasterKey,
    owner: Owner,
    rows: &[SqliteRow],
) -> StoreResult<ChannelSecrets> {
    let mut sealed = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(name) = get(row, 2)? else { continue };
        let key = match get::<Option<i64>>(row, 0)? {
            Some(number) => Some((number, get(row, 1)?)),
            None => None,
        };
        sealed.push(Sealed { key, name, sealed: get(row, 3)? });
    }
    secret::open(master, owner, &sealed)
}
