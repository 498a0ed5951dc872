//! Plugins: code of a business that runs in a sandbox. What it is made of stays outside of core.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{BusinessId, ConversationId, Date, PluginId, Timestamp};

/// Most releases that a plugin remembers for rolling back.
pub const PLUGIN_HISTORY_MAX: usize = 20;
/// Most bytes of a plugin's key.
pub const PLUGIN_KEY_MAX_BYTES: usize = 256;
/// Most bytes of a plugin's value.
pub const PLUGIN_VALUE_MAX_BYTES: usize = 64 * 1024;
/// Most bytes of a log line's text.
pub const PLUGIN_LINE_MAX_BYTES: usize = 1024;
/// Most lines that a plugin's log keeps: with each further one the oldest goes.
pub const PLUGIN_LINES_MAX: u64 = 10_000;

/// What a plugin may use of the platform. The log and its own configuration need no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Values that last.
    Kv,
    /// Requests to listed hosts.
    Http,
    /// Secrets, put into headers and signatures, never read.
    Secrets,
    /// Reading contacts.
    Contacts,
    /// Changing contacts.
    ContactsWrite,
    /// Sending messages, under the rules that hold for everybody.
    Messaging,
    /// The time.
    Clock,
    /// Random bytes.
    Random,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Kv,
        Self::Http,
        Self::Secrets,
        Self::Contacts,
        Self::ContactsWrite,
        Self::Messaging,
        Self::Clock,
        Self::Random,
    ];

    /// Its name in manifests, grants and the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Http => "http",
            Self::Secrets => "secrets",
            Self::Contacts => "contacts",
            Self::ContactsWrite => "contacts-write",
            Self::Messaging => "messaging",
            Self::Clock => "clock",
            Self::Random => "random",
        }
    }
}

/// What a plugin may use: asked for in its manifest, granted by the business, or allowed by the
/// operator. What takes effect is the [`intersection`](Self::intersection).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// The capabilities.
    pub capabilities: BTreeSet<Capability>,
    /// Where [`Capability::Http`] reaches: `https://api.example.com` or, with a port,
    /// `https://api.example.com:8443`; scheme, host and port match exactly.
    pub hosts: BTreeSet<String>,
    /// The names that [`Capability::Secrets`] may use.
    pub secrets: BTreeSet<String>,
}

impl Grants {
    /// Whether a capability is in them.
    pub fn allows(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        fn both<T: Ord + Clone>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> BTreeSet<T> {
            one.intersection(other).cloned().collect()
        }
        Self {
            capabilities: both(&self.capabilities, &other.capabilities),
            hosts: both(&self.hosts, &other.hosts),
            secrets: both(&self.secrets, &other.secrets),
        }
    }

    /// Whether nothing is in them that is not in `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.capabilities.is_subset(&other.capabilities)
            && self.hosts.is_subset(&other.hosts)
            && self.secrets.is_subset(&other.secrets)
    }
}

/// One version of a plugin, as it was uploaded. It never changes: its digest is its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRelease {
    /// SHA-256 of the package, lowercase hexadecimal. Under this name the bytes are kept.
    pub digest: String,
    /// The business that uploaded it.
    pub business_id: BusinessId,
    /// The plugin's name, as in its manifest.
    pub name: String,
    /// Its version, as in its manifest.
    pub version: String,
    /// Its manifest, as it was written.
    pub manifest: Value,
    /// What it asks for.
    pub requested: Grants,
    /// What it was found to be when it was verified: exports, imports, nodes, tools, …
    pub inspection: Value,
    /// Bytes of the package.
    pub bytes: u64,
    /// Who signed it: the Ed25519 key, lowercase hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// A plugin of a business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its id.
    pub id: PluginId,
    /// The business.
    pub business_id: BusinessId,
    /// Its name, as in its manifests; one of each in a business.
    pub name: String,
    /// Whether it runs.
    pub enabled: bool,
    /// The release that runs.
    pub digest: String,
    /// Those that ran before, the newest last, at most [`PLUGIN_HISTORY_MAX`].
    #[serde(default)]
    pub history: Vec<String>,
    /// What the business grants.
    #[serde(default)]
    pub grants: Grants,
    /// What the business configured; matches the release's schema.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Whether a message goes on when the plugin fails to look at it.
    pub fail_open: bool,
    /// Counts changes.
    pub revision: u64,
    /// When it was installed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Plugin {
    /// What is stored of it: no more history than is kept.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let surplus = self.history.len().saturating_sub(PLUGIN_HISTORY_MAX);
        self.history.drain(..surplus);
        self
    }

    /// What is stored when `change` replaces it.
    #[must_use]
    pub fn replaced(self, change: &Self) -> Self {
        let revision = self.revision + 1;
        let Self { id, business_id, name, created_at, .. } = self;
        Self { id, business_id, name, created_at, revision, ..change.clone() }.bounded()
    }
}

/// What a line of a plugin's log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginLineKind {
    /// The plugin said it.
    Log,
    /// It tried what it was not granted.
    Denied,
    /// A call of it failed.
    Failed,
    /// A person or the platform changed it: uploaded, granted, enabled, rolled back, paused.
    Changed,
}

impl PluginLineKind {
    /// Its name, as stores compare it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Changed => "changed",
        }
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginLevel {
    /// For its author.
    Debug,
    /// Good to know.
    Info,
    /// Worth a look.
    Warn,
    /// Something is broken.
    Error,
}

/// A line of a plugin's log, which is also its audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginLine {
    /// The business.
    pub business_id: BusinessId,
    /// The plugin.
    pub plugin_id: PluginId,
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub kind: PluginLineKind,
    /// How much it matters.
    pub level: PluginLevel,
    /// What it says, at most [`PLUGIN_LINE_MAX_BYTES`].
    pub text: String,
    /// The conversation the call was made for, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
}

impl PluginLine {
    /// As much of a text as a line takes.
    pub fn shortened(text: &str) -> &str {
        let end = text.floor_char_boundary(PLUGIN_LINE_MAX_BYTES);
        text.get(..end).unwrap_or_default()
    }
}

/// What a plugin took on one day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginDay {
    /// The day.
    pub day: Date,
    /// The plugin.
    pub plugin_id: PluginId,
    /// What it took.
    #[serde(flatten)]
    pub spend: PluginSpend,
}

/// What calls of a plugin took together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSpend {
    /// Calls.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Time on a processor, in microseconds.
    pub cpu_micros: u64,
    /// The most memory that one call held, in bytes.
    pub peak_bytes: u64,
}

impl PluginSpend {
    /// Adds what other calls took.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.cpu_micros = self.cpu_micros.saturating_add(other.cpu_micros);
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

/// How much a plugin may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginQuota {
    /// Most keys.
    pub keys: u64,
    /// Most bytes of keys and values together.
    pub bytes: u64,
}

impl PluginQuota {
    /// Whether so many keys, and so many bytes of keys and values, are within it.
    pub const fn admits(&self, keys: u64, bytes: u64) -> bool {
        keys <= self.keys && bytes <= self.bytes
    }
}

impl Default for PluginQuota {
    /// 10,000 keys and 16 MiB.
    fn default() -> Self {
        Self { keys: 10_000, bytes: 16 * 1024 * 1024 }
    }
}
