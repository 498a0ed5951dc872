//! Visitor tokens: who a browser is, without an account and without a row in a store.
//!
//! A token is `1.<visitor>.<tag>`: the version, the visitor's UUID and the base64url form of
//! HMAC-SHA256 over the version, the channel's UUID and the visitor's UUID, keyed with the channel's
//! secret. It is valid for one channel, for as long as the secret lives.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use justping_core::model::{ChannelId, ChannelKind, Identity};
use uuid::Uuid;

use crate::mac::{MacKey, TAG_BYTES};

/// The version in front of every token.
const VERSION: &str = "1";
/// Characters of the longest text that is looked at; a token has 82.
const TOKEN_MAX: usize = 128;

/// A visitor of a web page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VisitorId(Uuid);

impl VisitorId {
    /// Names a visitor; the UUID is new for each.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The bare UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The identity under which contacts hold the visitor.
    pub fn identity(self) -> Identity {
        Identity::new(ChannelKind::WEBCHAT, self.to_string())
    }
}

impl fmt::Display for VisitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl FromStr for VisitorId {
    type Err = ParseVisitorIdError;

    /// Reads the hyphenated lowercase form only, so that one visitor has one name.
    fn from_str(text: &str) -> Result<Self, ParseVisitorIdError> {
        let visitor = Self(Uuid::try_parse(text).map_err(|_| ParseVisitorIdError)?);
        if visitor.to_string() == text { Ok(visitor) } else { Err(ParseVisitorIdError) }
    }
}

/// A text is not the id of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a visitor id: expected a UUID in lowercase with hyphens")]
pub struct ParseVisitorIdError;

/// Signs and checks the tokens of one channel.
#[derive(Debug, Clone)]
pub(super) struct TokenKey {
    channel: Uuid,
    key: MacKey,
}

impl TokenKey {
    pub(super) fn new(channel: ChannelId, key: MacKey) -> Self {
        Self { channel: channel.uuid(), key }
    }

    /// The token of a visitor; always the same.
    pub(super) fn issue(&self, visitor: VisitorId) -> String {
        let tag = self.key.tag(&self.signed(&visitor));
        format!("{VERSION}.{visitor}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The visitor that a token names, if this channel signed it.
    pub(super) fn check(&self, token: &str) -> Option<VisitorId> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let (version, rest) = token.split_once('.')?;
        let (visitor, tag) = rest.split_once('.')?;
        let visitor: VisitorId = visitor.parse().ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok().filter(|tag| tag.len() == TAG_BYTES)?;
        let genuine = self.key.verify(&self.signed(&visitor), &tag);
        (genuine && version == VERSION).then_some(visitor)
    }

    /// What is signed: parts of fixed length, so that no two visitors sign the same text.
    fn signed<'a>(&'a self, visitor: &'a VisitorId) -> [&'a [u8]; 3] {
        [VERSION.as_bytes(), self.channel.as_bytes(), visitor.0.as_bytes()]
    }
}
