use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Bytes of an HMAC-SHA256.
pub(crate) const TAG_BYTES: usize = 32;

/// A secret made ready for HMAC-SHA256. Never printed.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// Keys the function; `None` for an empty secret, with which anybody could sign.
    pub(crate) fn new(secret: &str) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Self)
    }

    /// The tag of the parts, read as one text.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Says in constant time whether `claimed` is the tag of the parts.
    pub(crate) fn verify(&self, parts: &[&[u8]], claimed: &[u8]) -> bool {
        same(&self.tag(parts), claimed)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(..)")
    }
}

/// Compares in a time that depends on the lengths only.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
