//! Configuration that the business gave the plugin.

use serde::de::DeserializeOwned;

use crate::Failure;
use crate::bindings::capabilities::justping::plugin::config as wit;

/// Reads what the business configured; it matches the manifest's schema.
///
/// # Errors
/// [`Failure`] `invalid_config` when it is not what `T` expects.
pub fn config<T: DeserializeOwned>() -> Result<T, Failure> {
    serde_json::from_str(&wit::get()).map_err(|error| Failure::new("invalid_config", error))
}
