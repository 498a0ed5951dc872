//! Secrets that the business gave the plugin. They are never read: the platform puts them into
//! headers (see [`http`](crate::http)) and signs and verifies with them.

use crate::Failure;
use crate::bindings::capabilities::justping::plugin::secrets as wit;

pub use wit::Error;

/// Says whether the business gave a secret.
///
/// # Errors
/// [`Error`], which says why.
pub fn has(name: &str) -> Result<bool, Error> {
    wit::has(name)
}

/// HMAC-SHA-256 of `data` under a secret.
///
/// # Errors
/// [`Error`], which says why.
pub fn hmac_sha256(name: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    wit::hmac_sha256(name, data)
}

/// Says, in constant time, whether `signature` is the HMAC-SHA-256 of `data` under a secret.
///
/// # Errors
/// [`Error`], which says why.
pub fn verify_hmac_sha256(name: &str, data: &[u8], signature: &[u8]) -> Result<bool, Error> {
    wit::verify_hmac_sha256(name, data, signature)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied => Self::new("denied", "the capability secrets is not granted"),
            Error::Missing(name) => {
                Self::new("missing_secret", format!("there is no secret {name}"))
            }
        }
    }
}
