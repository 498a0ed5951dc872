//! The data keys of the businesses.

use justping_core::model::BusinessId;

use super::connection::{Connections, Scope};
use super::error::OpenError;
use super::row::{get, statements};
use crate::envelope::MasterKey;
use crate::secret;

statements! {
    ANY_KEY = "SELECT business_id, key_id, wrapped FROM business_keys LIMIT 1";
}

/// Refuses a master key that does not open the keys already there.
pub(super) async fn check_master(
    connections: &Connections,
    master: &MasterKey,
) -> Result<(), OpenError> {
    let rows = connections.read(Scope::System, sqlx::query(ANY_KEY)).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let business = BusinessId::from_uuid(get(row, 0)?);
    if secret::fits(master, business, get(row, 1)?, get(row, 2)?)? {
        return Ok(());
    }
    Err(OpenError::WrongMasterKey)
}
