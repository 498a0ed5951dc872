//! API tokens: 256 random bits behind a prefix. Only their SHA-256 is ever stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use justping::port::Entropy;
use sha2::{Digest, Sha256};

/// What every token starts with, so that leak scanners recognise it.
pub const PREFIX: &str = "jp_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Characters of those bytes in unpadded base64.
const TOKEN_CHARS: usize = 43;

/// Makes a token.
pub fn mint(entropy: &dyn Entropy) -> String {
    let mut bytes = [0u8; TOKEN_BYTES];
    entropy.fill(&mut bytes);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a token.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Says whether a text has the form of a token; anything else needs no look-up.
pub fn is_ours(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| {
        rest.len() == TOKEN_CHARS
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}
