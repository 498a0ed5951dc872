use std::fmt;

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use justping_core::model::BusinessId;
use secrecy::{ExposeSecret, SecretBox, SecretSlice};

use super::KEY_BYTES;

/// The form written today.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 1 + 4 + NONCE_BYTES;

/// Why a value does not seal or open. Says nothing about the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is too short or of a version this program does not know.
    #[error("a sealed value has an unknown form")]
    Form,
    /// It was sealed with another key.
    #[error("a sealed value belongs to another key")]
    WrongKey,
    /// It was changed, or moved from where it was sealed.
    #[error("a sealed value does not open in its place")]
    Refused,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Entropy,
}

/// Where a sealed value lives; it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The business.
    pub business_id: BusinessId,
    /// The parts of the row's key.
    pub row: &'a [&'a [u8]],
}

impl Place<'_> {
    /// The associated data: every part behind its length, so that no two places look the same.
    fn bytes(&self) -> Vec<u8> {
        let business = self.business_id.uuid();
        let head = [self.table.as_bytes(), self.column.as_bytes(), business.as_bytes()];
        let mut out = Vec::new();
        for part in head.iter().chain(self.row) {
            out.extend((part.len() as u64).to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    }
}

/// The key of one business that seals its secrets.
pub struct DataKey {
    id: u32,
    secret: SecretBox<[u8; KEY_BYTES]>,
}

impl DataKey {
    /// Makes a random key with the number `id`.
    pub fn generate(id: u32) -> Result<Self, SealError> {
        let mut secret = Box::new([0; KEY_BYTES]);
        fill(secret.as_mut_slice())?;
        Ok(Self { id, secret: SecretBox::new(secret) })
    }

    pub(super) fn from_slice(id: u32, bytes: &[u8]) -> Result<Self, SealError> {
        let bytes = bytes.try_into().map_err(|_| SealError::Form)?;
        Ok(Self { id, secret: SecretBox::new(Box::new(bytes)) })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.secret.expose_secret()
    }

    /// Its number within the business.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The number of the data key that `sealed` needs.
    pub fn id_of(sealed: &[u8]) -> Result<u32, SealError> {
        key_id(sealed)
    }

    /// Seals a value for its place.
    pub fn seal(&self, plain: &[u8], place: &Place<'_>) -> Result<Vec<u8>, SealError> {
        seal(self.secret.expose_secret(), self.id, plain, place)
    }

    /// Opens a value in its place.
    pub fn open(&self, sealed: &[u8], place: &Place<'_>) -> Result<SecretSlice<u8>, SealError> {
        if key_id(sealed)? != self.id {
            return Err(SealError::WrongKey);
        }
        open(self.secret.expose_secret(), sealed, place)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, …)", self.id)
    }
}

/// Fills a buffer from the system's generator.
pub(super) fn fill(buffer: &mut [u8]) -> Result<(), SealError> {
    getrandom::fill(buffer).map_err(|_| SealError::Entropy)
}

/// A one-way name of a key: the tag of an empty message under a nonce that seals nothing else.
///
/// The mode is made to survive a repeated nonce, so naming a key weakens nothing it seals.
pub(super) fn fingerprint(key: &[u8; KEY_BYTES]) -> u32 {
    let cipher = Aes256GcmSiv::new(key.into());
    let payload = Payload { msg: b"", aad: b"justping key fingerprint" };
    let tag = cipher.encrypt(&Nonce::default(), payload).unwrap_or_default();
    tag.first_chunk::<4>().copied().map_or(0, u32::from_be_bytes)
}

pub(super) fn seal(
    key: &[u8; KEY_BYTES],
    key_id: u32,
    plain: &[u8],
    place: &Place<'_>,
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    fill(&mut nonce)?;
    let aad = place.bytes();
    let sealed = Aes256GcmSiv::new(key.into())
        .encrypt(&nonce.into(), Payload { msg: plain, aad: &aad })
        .map_err(|_| SealError::Refused)?;
    let mut out = Vec::with_capacity(HEAD_BYTES + sealed.len());
    out.push(VERSION);
    out.extend(key_id.to_be_bytes());
    out.extend(nonce);
    out.extend(sealed);
    Ok(out)
}

/// Takes a sealed value apart: key id, nonce, ciphertext.
fn split(sealed: &[u8]) -> Result<(u32, [u8; NONCE_BYTES], &[u8]), SealError> {
    let rest = sealed.strip_prefix(&[VERSION]).ok_or(SealError::Form)?;
    let (id, rest) = rest.split_first_chunk::<4>().ok_or(SealError::Form)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Form)?;
    Ok((u32::from_be_bytes(*id), *nonce, rest))
}

pub(super) fn key_id(sealed: &[u8]) -> Result<u32, SealError> {
    split(sealed).map(|(id, _, _)| id)
}

pub(super) fn open(
    key: &[u8; KEY_BYTES],
    sealed: &[u8],
    place: &Place<'_>,
) -> Result<SecretSlice<u8>, SealError> {
    let (_, nonce, text) = split(sealed)?;
    let aad = place.bytes();
    Aes256GcmSiv::new(key.into())
        .decrypt(&nonce.into(), Payload { msg: text, aad: &aad })
        .map(|plain| SecretSlice::from(plain.into_boxed_slice()))
        .map_err(|_| SealError::Refused)
}
