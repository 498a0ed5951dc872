//! Identifiers: UUIDv7 newtypes whose text form carries a type prefix (`con_01j…`).
//!
//! The text form follows the TypeID convention: prefix, underscore, 26 characters of lowercase
//! Crockford base32. It sorts like the id, and a wrong kind of id never parses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of the part behind the prefix.
const ENCODED_LEN: usize = 26;

/// Says why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {expected} id: expected {expected}_ and 26 characters of base32")]
pub struct ParseIdError {
    /// The prefix that was expected.
    pub expected: &'static str,
}

/// Writes the 128 bits as 26 base32 characters, most significant first.
fn encode(uuid: Uuid) -> [u8; ENCODED_LEN] {
    let mut rest = uuid.as_u128();
    let mut out = [b'0'; ENCODED_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET.get((rest & 31) as usize).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    out
}

/// What each byte is worth as a digit; [`NO_DIGIT`] for those that are none.
const DIGITS: [u8; 256] = digits();
/// Larger than every digit.
const NO_DIGIT: u8 = 0xff;

#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled, or not at all")]
const fn digits() -> [u8; 256] {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
}

/// Reads what [`encode`] wrote; `None` on any other text.
fn decode(text: &str) -> Option<Uuid> {
    if text.len() != ENCODED_LEN || text.as_bytes().first().is_none_or(|b| *b > b'7') {
        return None;
    }
    let mut value: u128 = 0;
    for byte in text.bytes() {
        let digit = DIGITS.get(usize::from(byte)).copied().filter(|digit| *digit != NO_DIGIT)?;
        value = (value << 5) | u128::from(digit);
    }
    Some(Uuid::from_u128(value))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID made by an [`IdSource`](crate::port::IdSource) or read from a store.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, as stores keep it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = encode(self.0);
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(ParseIdError { expected: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A business: the tenant that owns everything else.
    BusinessId = "biz";
    /// A member: a person who works for a business.
    MemberId = "mem";
    /// An API key.
    ApiKeyId = "key";
    /// A channel: one configured sender of a business.
    ChannelId = "chn";
    /// A contact: an end user.
    ContactId = "con";
    /// A conversation: contact × channel.
    ConversationId = "cnv";
    /// A message.
    MessageId = "msg";
    /// An agent.
    AgentId = "agt";
    /// A flow.
    FlowId = "flw";
    /// An immutable published version of a flow.
    FlowVersionId = "flv";
    /// One contact's walk through a flow version.
    SessionId = "ses";
    /// A timer row.
    TimerId = "tmr";
    /// A call that a node asked for.
    CallId = "cal";
    /// A group of contacts.
    GroupId = "grp";
    /// A knowledge base.
    KnowledgeBaseId = "knb";
    /// A source of a knowledge base.
    SourceId = "src";
    /// A chunk of a source, made of what it says.
    ChunkId = "chk";
    /// A plugin of a business.
    PluginId = "plg";
    /// A tool that a business has set up.
    ToolId = "tol";
    /// A worker process, named in leases.
    WorkerId = "wrk";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_form_round_trips_and_sorts(a in any::<u128>(), b in any::<u128>()) {
            let (a, b) = (ContactId(Uuid::from_u128(a)), ContactId(Uuid::from_u128(b)));
            prop_assert_eq!(a.to_string().parse::<ContactId>(), Ok(a));
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }

        #[test]
        fn any_text_parses_or_errs(text in ".{0,40}") {
            let _ = text.parse::<ContactId>();
        }
    }

    #[test]
    fn other_kinds_and_overflow_are_refused() {
        let id = ContactId(Uuid::from_u128(7));
        assert!(id.to_string().parse::<MessageId>().is_err());
        assert!("con_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<ContactId>().is_err());
        assert!("con_0000000000000000000000000U".parse::<ContactId>().is_err());
        assert_eq!(id.to_string(), "con_00000000000000000000000007");
    }
}
