//! Links that end a session's wait: who holds one may, and nobody else.
//!
//! A link ends in `<business><session>.<number>.<signature>`: both ids as 32 hexadecimal digits, the
//! number of the wait, and 32 hexadecimal digits of HMAC-SHA-256 (RFC 2104) by a key of the session,
//! which is itself derived from the server's key. So a link is of no use for another session or for
//! another wait, and a step needs no more than its own session's key to make one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use uuid::Uuid;

use crate::model::{BusinessId, SessionId};
use crate::port::LinkKey;

/// Fewest bytes of the key that links are signed with.
pub const RESUME_KEY_MIN_BYTES: usize = 32;
/// What keys are derived for, so that the server's key can serve other ends too.
const PURPOSE: &[u8] = b"justping resume link 1";
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 32;
/// Hexadecimal digits of a signature: 128 bits.
const SIGNATURE_DIGITS: usize = 32;

/// Makes and verifies links.
pub struct ResumeLinks {
    base: String,
    key: SecretSlice<u8>,
}

/// A link whose signature is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeLink {
    /// The business.
    pub business_id: BusinessId,
    /// The session.
    pub session_id: SessionId,
    /// The number of the wait it ends.
    pub number: u32,
}

/// Why there are no links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkProblem {
    /// The key is shorter than [`RESUME_KEY_MIN_BYTES`].
    #[error("the key of links has at least {RESUME_KEY_MIN_BYTES} bytes")]
    WeakKey,
}

impl ResumeLinks {
    /// Links that start with `base`, such as `https://example.com/api/v1/resume/`.
    ///
    /// # Errors
    /// [`LinkProblem::WeakKey`].
    pub fn new(base: impl Into<String>, key: Vec<u8>) -> Result<Self, LinkProblem> {
        if key.len() < RESUME_KEY_MIN_BYTES {
            return Err(LinkProblem::WeakKey);
        }
        Ok(Self { base: base.into(), key: key.into() })
    }

    /// What steps of one session make links with.
    #[must_use]
    pub fn of(&self, business: BusinessId, session: SessionId) -> LinkKey {
        let (business, session) = (business.uuid(), session.uuid());
        let parts: [&[u8]; 3] = [PURPOSE, business.as_bytes(), session.as_bytes()];
        LinkKey {
            start: format!("{}{}{}.", self.base, business.simple(), session.simple()),
            key: digest(self.key.expose_secret(), &parts),
        }
    }

    /// Reads the end of a link; `None` when it was not made here. Takes the same time wherever a
    /// signature goes wrong.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<ResumeLink> {
        let mut parts = token.split('.');
        let (ids, number, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || ids.len() != ID_DIGITS * 2 {
            return None;
        }
        let (business, session) = ids.split_at_checked(ID_DIGITS)?;
        let business_id = BusinessId::from_uuid(Uuid::try_parse(business).ok()?);
        let session_id = SessionId::from_uuid(Uuid::try_parse(session).ok()?);
        let found: u32 = number.parse().ok()?;
        let own = self.of(business_id, session_id).signature(found);
        let same = same(own.as_bytes(), signature.as_bytes());
        same.then_some(ResumeLink { business_id, session_id, number: found })
    }
}

impl fmt::Debug for ResumeLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeLinks").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The start of the digest, as much as links carry.
pub(crate) fn sign(key: &[u8], parts: &[&[u8]]) -> String {
    let mut text = digest(key, parts);
    text.truncate(SIGNATURE_DIGITS);
    text
}

/// A key for one end, made of a key that serves several: HMAC-SHA-256 over the name of the end. Who
/// learns one of them learns nothing about the others.
#[must_use]
pub fn derive_key(key: &[u8], purpose: &str) -> [u8; 32] {
    mac(key, &[purpose.as_bytes()])
}

/// HMAC-SHA-256 over the parts.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The same as hexadecimal digits.
fn digest(key: &[u8], parts: &[&[u8]]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    mac(key, parts).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Compares without stopping at the first difference.
fn same(own: &[u8], given: &[u8]) -> bool {
    let differs = own.iter().zip(given).fold(0, |differs, (a, b)| differs | (a ^ b));
    own.len() == SIGNATURE_DIGITS && own.len() == given.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(fill: u8) -> ResumeLinks {
        ResumeLinks::new("https://example.com/r/", vec![fill; RESUME_KEY_MIN_BYTES]).unwrap()
    }

    fn ids(n: u128) -> (BusinessId, SessionId) {
        (BusinessId::from_uuid(Uuid::from_u128(n)), SessionId::from_uuid(Uuid::from_u128(!n)))
    }

    fn token(links: &ResumeLinks, n: u128, number: u32) -> String {
        let (business, session) = ids(n);
        links.of(business, session).url(number)["https://example.com/r/".len()..].to_owned()
    }

    #[test]
    fn a_link_verifies_where_it_was_made_and_nowhere_else() {
        let (business_id, session_id) = ids(7);
        let token = token(&links(1), 7, 3);
        let link = ResumeLink { business_id, session_id, number: 3 };
        assert_eq!(links(1).verify(&token), Some(link));
        assert_eq!(links(2).verify(&token), None);
        for other in
            [token.replace(".3.", ".4."), token.replace(".3.", ".03."), format!("{token}0")]
        {
            let found = links(1).verify(&other);
            assert!(found.is_none_or(|found| found == link), "{other}");
        }
        assert_eq!(links(1).verify(&token.replace(".3.", ".4.")), None);
    }

    #[test]
    fn keys_are_long_and_never_shown() {
        let short = ResumeLinks::new("", vec![7; RESUME_KEY_MIN_BYTES - 1]);
        assert_eq!(short.err(), Some(LinkProblem::WeakKey));
        assert!(!format!("{:?}", links(7)).contains('7'));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,140}|[0-9a-f]{64}\\.[0-9]{1,11}\\.[0-9a-f]{0,40}") {
            prop_assert_eq!(links(1).verify(&text), None);
        }

        #[test]
        fn a_damaged_link_is_refused(at in 0_usize..99, number in any::<u32>()) {
            let token = token(&links(1), 9, number);
            let mut damaged = token.into_bytes();
            let at = at % damaged.len();
            damaged[at] = if damaged[at] == b'0' { b'1' } else { b'0' };
            let damaged = String::from_utf8(damaged).unwrap();
            prop_assert_eq!(links(1).verify(&damaged), None);
        }
    }
}
