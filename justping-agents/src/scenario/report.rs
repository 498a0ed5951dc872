//! What came of a scenario.

use justping_core::model::{Content, Direction, Message, SessionStatus, Timestamp, TraceStep};
use justping_core::port::{Outbound, Visit};
use serde::Serialize;
use serde_json::Value;

use super::{CustomerEnd, Verdict};

/// What came of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ScenarioReport {
    /// Whether everything that was expected came true.
    pub passed: bool,
    /// How much was expected, criteria included.
    pub checked: u32,
    /// How much of it came true, from 0 to 1; 1 when nothing was expected.
    pub score: f64,
    /// What did not come true.
    pub failures: Vec<Failure>,
    /// The whole thread, oldest first.
    pub transcript: Vec<Line>,
    /// The mails that would have left, oldest first.
    pub mails: Vec<SentMail>,
    /// The walks through flows, oldest first.
    pub sessions: Vec<WalkedSession>,
    /// How the played contact ended.
    pub customer: Option<CustomerEnd>,
    /// What the judge says of each criterion.
    pub verdicts: Vec<Verdict>,
}

/// Something that did not come true.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// JSON pointer into the scenario, such as `/steps/3/expect/says`.
    pub path: String,
    /// What happened, where the values do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What was expected.
    pub expected: Value,
    /// What was found.
    pub found: Value,
}

/// One message of a thread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// When, by the scenario's clock.
    pub at: Timestamp,
    /// Whether the contact said it.
    pub direction: Direction,
    /// What it says.
    pub content: Content,
}

impl From<Message> for Line {
    fn from(message: Message) -> Self {
        Self { at: message.created_at, direction: message.direction, content: message.content }
    }
}

/// A mail that would have left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentMail {
    /// The address it goes to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The same as HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

impl SentMail {
    /// What a channel of mail was given; `None` when that is no mail.
    pub(super) fn of(outbound: &Outbound) -> Option<Self> {
        let Content::Email(mail) = &outbound.content else { return None };
        let first = || outbound.to.first().map(|identity| identity.id.clone());
        Some(Self {
            to: mail.address.clone().or_else(first)?,
            subject: mail.subject.clone(),
            text: mail.text.clone(),
            html: mail.html.clone(),
        })
    }
}

/// One walk through a flow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WalkedSession {
    /// Where it stands.
    pub status: SessionStatus,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Its steps.
    pub trace: Vec<TraceStep>,
    /// The nodes that each step visited.
    pub ways: Vec<Vec<Visit>>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message),
            None => write!(f, "expected {}, found {}", self.expected, self.found),
        }
    }
}
