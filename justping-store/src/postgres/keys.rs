//! The data keys of the businesses, and the secrets that are sealed with them.

use justping_core::model::{BusinessId, ChannelSecrets};
use justping_core::port::store::StoreResult;
use sqlx::postgres::PgRow;
use sqlx::query;

use super::connection::{Connections, Scope, Write};
use super::error::OpenError;
use super::row::{bytes, get, statements};
use crate::envelope::{DataKey, MasterKey};
use crate::secret::{self, FIRST_KEY, Owner, Sealed};

statements! {
    ANY_KEY = "SELECT business_id, key_id, wrapped FROM business_keys LIMIT 1";
    INSERT_KEY = "INSERT INTO business_keys (business_id, key_id, wrapped) VALUES ($1, $2, $3)";
}

/// Refuses a master key that does not open the keys already there.
pub(super) async fn check_master(
    connections: &Connections,
    master: &MasterKey,
) -> Result<(), OpenError> {
    let rows = connections.read(Scope::System, query(ANY_KEY)).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let business = BusinessId::from_uuid(get(row, 0)?);
    if secret::fits(master, business, get(row, 1)?, get(row, 2)?)? {
        return Ok(());
    }
    Err(OpenError::WrongMasterKey)
}

/// Seals secrets: their names, and what is stored. The first columns of `place` are the number and
/// the wrapped form of the newest data key; the business gets its first one with its first secret.
pub(super) async fn seal_all(
    write: &mut Write,
    master: &MasterKey,
    owner: Owner,
    secrets: Option<&ChannelSecrets>,
    place: &PgRow,
) -> StoreResult<(Vec<Vec<u8>>, Vec<Vec<u8>>)> {
    let (mut names, mut sealed) = (Vec::new(), Vec::new());
    if let Some(secrets) = secrets.filter(|secrets| secrets.names().next().is_some()) {
        let key = match get::<Option<i64>>(place, 0)? {
            Some(number) => secret::unwrap(master, owner.business(), number, get(place, 1)?)?,
            None => first_key(write, master, owner.business()).await?,
        };
        for (name, value) in secrets.expose() {
            names.push(bytes(name));
            sealed.push(secret::seal(&key, owner, name, value)?);
        }
    }
    Ok((names, sealed))
}

async fn first_key(
    write: &mut Write,
    master: &MasterKey,
    business: BusinessId,
) -> StoreResult<DataKey> {
    let (key, wrapped) = secret::first_key(master, business)?;
    let insert = query(INSERT_KEY).bind(business.uuid()).bind(i64::from(FIRST_KEY));
    write.run(insert.bind(wrapped)).await?;
    Ok(key)
}

/// Opens secrets. A row is a key's number and wrapped form, a secret's name and what is stored: each
/// secret with each key, or one row without a secret.
pub(super) fn open_all(
    master: &MasterKey,
    owner: Owner,
    rows: &[PgRow],
) -> StoreResult<ChannelSecrets> {
    let mut sealed = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(name) = get::<Option<&[u8]>>(row, 2)? else { continue };
        let name = std::str::from_utf8(name).map_err(|_| owner.corrupt(""))?;
        let key = match get::<Option<i64>>(row, 0)? {
            Some(number) => Some((number, get(row, 1)?)),
            None => None,
        };
        sealed.push(Sealed { key, name, sealed: get(row, 3)? });
    }
    secret::open(master, owner, &sealed)
}
