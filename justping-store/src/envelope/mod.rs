//! Envelope encryption of secrets at rest (AES-256-GCM-SIV).
//!
//! A [`MasterKey`] lives outside the database and wraps one data key a business; the data key seals
//! the secrets of that business. Every sealed value is bound to its [`Place`]: moved to another
//! row, column, table or business, it does not open.
//!
//! # Form
//! `version (1) ‖ key id (4, big endian) ‖ nonce (12, random) ‖ ciphertext and tag`. The key id of a
//! wrapped data key is a fingerprint of its master key; that of a secret is the number of its data
//! key, so that keys can be changed without guessing which one opens what.

mod key;
mod seal;
#[cfg(test)]
mod tests;

pub use key::{MasterKey, MasterKeyError};
pub use seal::{DataKey, Place, SealError};

/// Bytes of every key.
pub const KEY_BYTES: usize = 32;
