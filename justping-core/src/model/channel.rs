use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{AgentId, BusinessId, ChannelId, Timestamp};

/// A kind of channel: the space in which an external id means something.
///
/// An open set, so that an adapter or a plugin can bring a kind of its own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelKind(Cow<'static, str>);

impl ChannelKind {
    /// WhatsApp: `wa_id` phone digits, or a business-scoped user id.
    pub const WHATSAPP: Self = Self::new("whatsapp");
    /// The web chat widget: a visitor id.
    pub const WEBCHAT: Self = Self::new("webchat");
    /// E-mail: an address, its domain in lower case ([`MailAddress`](super::MailAddress)).
    pub const EMAIL: Self = Self::new("email");
    /// The in-memory channel of tests.
    pub const MEMORY: Self = Self::new("memory");

    /// Names a kind at compile time.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for ChannelKind {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Debug for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happens to a send whose outcome a crash hid, once no status reconciled it in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPolicy {
    /// Never send again: the message is marked failed with the reason `unknown_outcome`.
    #[default]
    AtMostOnce,
    /// Send again with the same idempotency key.
    AtLeastOnce,
}

/// One configured sender of a business: a WhatsApp number, a mailbox, a chat widget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelConfig {
    /// Its id.
    pub id: ChannelId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The adapter that implements it, such as `whatsapp` or `webchat`.
    pub provider: String,
    /// The name people see.
    pub name: String,
    /// The provider's own settings; its shape is the adapter's configuration type.
    pub settings: serde_json::Value,
    /// The agent that answers new conversations; without one they go to the queue.
    pub agent_id: Option<AgentId>,
    /// A disabled channel neither receives nor sends.
    pub enabled: bool,
    /// What to do with sends of unknown outcome.
    pub unknown_policy: UnknownPolicy,
    /// Counts changes; opened adapters are cached by it.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The secrets of a channel by name (`access_token`, `app_secret`, …). Never printed, never listed.
#[derive(Clone, Default)]
pub struct ChannelSecrets(BTreeMap<String, SecretString>);

impl ChannelSecrets {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one secret.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), SecretString::from(value.into()));
    }

    /// The secret called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }

    /// The names that are set; safe to show.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Name and exposed value, for the store that seals them.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
    }
}

impl fmt::Debug for ChannelSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for ChannelSecrets {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut secrets = Self::new();
        for (name, value) in pairs {
            secrets.insert(name, value);
        }
        secrets
    }
}
