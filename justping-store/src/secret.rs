//! How secrets are sealed into rows, whatever the backend.

use justping_core::model::{BusinessId, ChannelId, ChannelSecrets, PluginId, ToolId};
use justping_core::port::store::{StoreError, StoreResult};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::envelope::{DataKey, MasterKey, Place, SealError};

/// The number of a business's first key.
pub(crate) const FIRST_KEY: u32 = 1;

/// Translates an error of sealing or opening `what`.
pub(crate) fn map_seal(what: &'static str) -> impl Fn(SealError) -> StoreError {
    move |error| match error {
        SealError::Entropy => StoreError::Unavailable(error.to_string()),
        other => StoreError::Corrupt(format!("{what}: {other}")),
    }
}

/// Makes the first data key of a business, with its wrapped form.
pub(crate) fn first_key(
    master: &MasterKey,
    business: BusinessId,
) -> StoreResult<(DataKey, Vec<u8>)> {
    let key = DataKey::generate(FIRST_KEY).map_err(map_seal("data key"))?;
    let id = key.id().to_be_bytes();
    let wrapped = master.wrap(&key, &key_place(business, &[&id])).map_err(map_seal("data key"))?;
    Ok((key, wrapped))
}

/// Unwraps a data key.
pub(crate) fn unwrap(
    master: &MasterKey,
    business: BusinessId,
    number: i64,
    wrapped: &[u8],
) -> StoreResult<DataKey> {
    let number = u32::try_from(number);
    let number = number.map_err(|_| StoreError::Corrupt("a key number".to_owned()))?;
    let id = number.to_be_bytes();
    let key = master.unwrap(wrapped, number, &key_place(business, &[&id]));
    key.map_err(map_seal("data key"))
}

/// Whether a master key opens a data key that is there.
pub(crate) fn fits(
    master: &MasterKey,
    business: BusinessId,
    number: i64,
    wrapped: &[u8],
) -> StoreResult<bool> {
    let number = u32::try_from(number).unwrap_or_default();
    let id = number.to_be_bytes();
    match master.unwrap(wrapped, number, &key_place(business, &[&id])) {
        Ok(_) => Ok(true),
        Err(SealError::WrongKey) => Ok(false),
        Err(other) => Err(map_seal("data key")(other)),
    }
}

fn key_place<'a>(business_id: BusinessId, row: &'a [&'a [u8]]) -> Place<'a> {
    Place { table: "business_keys", column: "wrapped", business_id, row }
}

/// Whose secrets they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    business_id: BusinessId,
    id: Uuid,
    /// The table they are in.
    table: &'static str,
    /// What errors call one of them.
    what: &'static str,
}

impl Owner {
    /// A channel.
    pub(crate) fn channel(business_id: BusinessId, id: ChannelId) -> Self {
        Self { business_id, id: id.uuid(), table: "channel_secrets", what: "channel secret" }
    }

    /// A plugin.
    pub(crate) fn plugin(business_id: BusinessId, id: PluginId) -> Self {
        Self { business_id, id: id.uuid(), table: "plugin_secrets", what: "plugin secret" }
    }

    /// A tool.
    pub(crate) fn tool(business_id: BusinessId, id: ToolId) -> Self {
        Self { business_id, id: id.uuid(), table: "tool_secrets", what: "tool secret" }
    }

    /// The business.
    pub(crate) fn business(&self) -> BusinessId {
        self.business_id
    }

    /// An error about one of them.
    pub(crate) fn corrupt(&self, problem: &str) -> StoreError {
        StoreError::Corrupt(format!("a {}{problem}", self.what))
    }

    fn place<'a>(&self, row: &'a [&'a [u8]]) -> Place<'a> {
        Place { table: self.table, column: "sealed", business_id: self.business_id, row }
    }
}

/// Seals one secret for its row.
pub(crate) fn seal(key: &DataKey, owner: Owner, name: &str, value: &str) -> StoreResult<Vec<u8>> {
    let row: [&[u8]; 2] = [owner.id.as_bytes(), name.as_bytes()];
    key.seal(value.as_bytes(), &owner.place(&row)).map_err(map_seal(owner.what))
}

/// A secret with a key of its business.
pub(crate) struct Sealed<'a> {
    /// The key's number and wrapped form, if the business has one.
    pub(crate) key: Option<(i64, &'a [u8])>,
    /// The secret's name.
    pub(crate) name: &'a str,
    /// The secret.
    pub(crate) sealed: &'a [u8],
}

/// Opens secrets, of which each comes with every key in turn. One whose key is not there is
/// corrupt, not absent.
pub(crate) fn open(
    master: &MasterKey,
    owner: Owner,
    rows: &[Sealed<'_>],
) -> StoreResult<ChannelSecrets> {
    let mut secrets = ChannelSecrets::new();
    let mut opened = false;
    for (index, row) in rows.iter().enumerate() {
        let needed = DataKey::id_of(row.sealed).map_err(map_seal(owner.what))?;
        if let Some((number, wrapped)) = row.key.filter(|(id, _)| *id == i64::from(needed)) {
            let key = unwrap(master, owner.business_id, number, wrapped)?;
            open_one(&mut secrets, &key, owner, row)?;
            opened = true;
        }
        let next = rows.get(index + 1).map(|row| row.name);
        if next != Some(row.name) && !std::mem::take(&mut opened) {
            return Err(owner.corrupt(" has no key"));
        }
    }
    Ok(secrets)
}

fn open_one(
    secrets: &mut ChannelSecrets,
    key: &DataKey,
    owner: Owner,
    Sealed { name, sealed, .. }: &Sealed<'_>,
) -> StoreResult<()> {
    let row: [&[u8]; 2] = [owner.id.as_bytes(), name.as_bytes()];
    let plain = key.open(sealed, &owner.place(&row)).map_err(map_seal(owner.what))?;
    let text = std::str::from_utf8(plain.expose_secret());
    secrets.insert(*name, text.map_err(|_| owner.corrupt(""))?);
    Ok(())
}
