use serde::{Deserialize, Serialize};

/// Most keywords of a trigger, a session word or an intent.
pub const KEYWORDS_MAX: usize = 100;
/// Most characters of a keyword.
pub const KEYWORD_MAX_CHARS: usize = 200;

/// Words that mean the same wherever the contact is, unless the waiting node offers the very word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionWords {
    /// Starts anew, variables included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartWord>,
    /// Goes to a node and keeps the variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<MenuWord>,
}

/// Starts anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartWord {
    /// What the contact says, and nothing else.
    pub words: Vec<String>,
    /// Where it goes on; at the trigger without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Goes to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MenuWord {
    /// What the contact says, and nothing else.
    pub words: Vec<String>,
    /// Where it goes on.
    pub node: String,
}

/// Something a contact may say at any time. It interrupts a node that waits for something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Its id, unique among intents.
    pub id: String,
    /// What the contact says.
    pub keywords: Vec<String>,
    /// How keywords are looked for.
    #[serde(default, rename = "match")]
    pub how: KeywordMatch,
    /// The node it goes to; either this or `flow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The flow it runs; either this or `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// Whether the node that waited goes on afterwards; otherwise the session ends with the intent.
    #[serde(default = "yes")]
    pub resume: bool,
}

fn yes() -> bool {
    true
}

/// How keywords are looked for in a text. Case, blanks and punctuation around do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeywordMatch {
    /// The text is the keyword.
    #[default]
    Exact,
    /// The keyword is in the text, as whole words.
    Contains,
    /// The text starts with the keyword, as whole words.
    StartsWith,
}

/// How long to wait for more messages, so that several become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Milliseconds of silence that end a burst.
    pub quiet_ms: u64,
    /// Milliseconds after which a burst ends though more messages come.
    pub max_ms: u64,
}

impl Burst {
    /// The longest a burst may last: a minute.
    pub const MAX_MS: u64 = 60_000;
}
