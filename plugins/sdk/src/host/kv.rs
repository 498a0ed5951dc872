//! Values that last, by key: those of this plugin in this business.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::bindings::capabilities::justping::plugin::kv as wit;

pub use wit::Error;

/// Reads a value.
///
/// # Errors
/// [`Error`], which says why.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    wit::get(key)
}

/// Reads a value that [`set_json`] wrote.
///
/// # Errors
/// [`Failure`] when it cannot be read, or is something else.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Failure> {
    match wit::get(key)? {
        Some(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        None => Ok(None),
    }
}

/// Writes a value.
///
/// # Errors
/// [`Error`], which says why.
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    wit::set(key, value, None)
}

/// Writes a value that is gone after a while.
///
/// # Errors
/// [`Error`], which says why.
pub fn set_for(key: &str, value: &[u8], ttl_ms: u64) -> Result<(), Error> {
    wit::set(key, value, Some(ttl_ms))
}

/// Writes a value as JSON.
///
/// # Errors
/// [`Failure`] when it cannot be written.
pub fn set_json(key: &str, value: &impl Serialize) -> Result<(), Failure> {
    Ok(wit::set(key, &serde_json::to_vec(value)?, None)?)
}

/// Removes a value, if it is there.
///
/// # Errors
/// [`Error`], which says why.
pub fn delete(key: &str) -> Result<(), Error> {
    wit::delete(key)
}

/// Adds to a number and returns the sum, in one step; a missing value counts as 0.
///
/// # Errors
/// [`Error`], which says why.
pub fn increment(key: &str, by: i64) -> Result<i64, Error> {
    wit::increment(key, by)
}

/// The keys that begin with a prefix, in order, from after a key on.
///
/// # Errors
/// [`Error`], which says why.
pub fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
    wit::keys(prefix, after, limit)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied => Self::new("denied", "the capability kv is not granted"),
            Error::QuotaExceeded => Self::new("quota_exceeded", "the plugin keeps too much"),
            Error::Invalid(why) => Self::new("invalid_value", why),
            Error::Unavailable(why) => Self::new("unavailable", why).retry_after_ms(RETRY_MS),
        }
    }
}

/// When a store that could not be asked may be asked again, in milliseconds.
pub(crate) const RETRY_MS: u64 = 1_000;
