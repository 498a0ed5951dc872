use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Archive, PackageCode, PackageFinding, SIGNATURE_FILE};

/// What makes a signature of a package one of nothing else.
const DOMAIN: &[u8] = b"justping plugin package, version 1\0";

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not 64 hexadecimal digits.
    #[error("a key is 64 hexadecimal digits")]
    Malformed,
    /// It is one with which signatures mean nothing.
    #[error("the key is of low order: anybody could sign with it")]
    Weak,
}

/// Who may have signed: an Ed25519 key (RFC 8032), shown as lowercase hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(&bytes32(text)?).map_err(|_| KeyError::Malformed)?;
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(key)) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

/// What signs: never shown, except by [`expose`](Self::expose).
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads what [`expose`](Self::expose) gave.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        bytes32(text.trim()).map(Self::from_seed)
    }

    /// The seed, lowercase hexadecimal, for the file it is kept in.
    pub fn expose(&self) -> String {
        hex::encode(self.0.as_bytes())
    }

    /// By what signatures are known.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").finish_non_exhaustive()
    }
}

/// `plugin.sig`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    /// The public key, hexadecimal.
    key: String,
    /// The signature, hexadecimal.
    signature: String,
}

/// Signs the manifest and component of a package, in the place of who signed before.
pub fn sign(archive: &Archive, key: &SecretKey) -> Archive {
    let signature = key.0.sign(&message(archive));
    let text = format!(
        "key = \"{}\"\nsignature = \"{}\"\n",
        key.public(),
        hex::encode(signature.to_bytes())
    );
    Archive { signature: Some(Bytes::from(text)), ..archive.clone() }
}

/// Who signed a package, if anybody says so.
pub(super) fn verify(archive: &Archive) -> Result<Option<PublicKey>, PackageFinding> {
    let Some(file) = &archive.signature else { return Ok(None) };
    let invalid = |message: String| {
        PackageFinding::error(PackageCode::SignatureInvalid, SIGNATURE_FILE, message)
    };
    let text = std::str::from_utf8(file).map_err(|error| invalid(error.to_string()))?;
    let file: SignatureFile =
        toml::from_str(text).map_err(|error| invalid(error.message().to_owned()))?;
    let key: PublicKey = file.key.parse().map_err(|error: KeyError| invalid(error.to_string()))?;
    let mut bytes = [0; Signature::BYTE_SIZE];
    hex::decode_to_slice(&file.signature, &mut bytes)
        .map_err(|_| invalid("a signature is 128 hexadecimal digits".to_owned()))?;
    let fits = key.0.verify_strict(&message(archive), &Signature::from_bytes(&bytes));
    fits.map_err(|_| invalid("the signature is not of this manifest and component".to_owned()))?;
    Ok(Some(key))
}

/// What is signed: nothing else could be meant by it, and no byte could be moved from one file to
/// the other.
fn message(archive: &Archive) -> Vec<u8> {
    let mut hash = Sha256::new();
    for file in [&archive.manifest, &archive.component] {
        hash.update(u64::try_from(file.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(file);
    }
    [DOMAIN, hash.finalize().as_slice()].concat()
}

fn bytes32(text: &str) -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::Malformed)?;
    Ok(bytes)
}
