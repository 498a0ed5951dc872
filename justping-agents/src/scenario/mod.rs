//! Scenarios: what a contact does and what should come of it, written down and run against the real
//! engine, in memory, on a clock of their own.
//!
//! ```json
//! {
//!   "name": "asks for the name",
//!   "given": {"now": "2026-01-05T09:00:00Z", "contact": {"name": "Ada", "tags": ["vip"]}},
//!   "steps": [
//!     {"say": "hi"},
//!     {"expect": "What is your name?"},
//!     {"say": "Ada"},
//!     {"expect": {"says": [{"contains": "Ada"}], "variables": {"name": "Ada"}}},
//!     {"after": "23h"},
//!     {"expect": {"status": "completed", "exit": "timeout"}}
//!   ]
//! }
//! ```
//!
//! `expect` looks at what came of the step before it: of the last `say`, `press`, `choose`, `send` or
//! `after`. Nothing leaves: models and servers answer from the script.
//!
//! | room | job |
//! |---|---|
//! | `expect` | what should come of a step, and whether it did |
//! | `actor` | the contact and the stage |
//! | `customer` | a model that plays the contact |
//! | `judge` | a model that judges a conversation |
//! | `run` | plays a scenario |

mod actor;
mod customer;
mod expect;
mod judge;
mod report;
mod run;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Span, SpanRelativeTo};
use justping_core::model::{Content, GroupId, Timestamp};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use self::actor::options;
pub use self::customer::{CUSTOMER_TURNS_MAX, CustomerEnd, Persona};
pub use self::expect::{ExitMatch, Expectation, TextMatch};
pub use self::judge::{CRITERIA_MAX, Judge, Verdict};
pub use self::report::{Failure, Line, ScenarioReport, SentMail, WalkedSession};
pub use self::run::{SimulateError, Simulator};

/// Most steps of a scenario.
pub const SCENARIO_STEPS_MAX: usize = 200;
/// Most characters of a text in a scenario.
pub const TEXT_MAX_CHARS: usize = 4_096;
/// Most scripted answers of a model, and of servers.
pub const ANSWERS_MAX: usize = 100;
/// The longest a scenario may wait in all, in seconds: a leap year.
pub const WAIT_MAX_SECONDS: i64 = 366 * 24 * 60 * 60;

/// What a contact does and what should come of it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// What people call it.
    pub name: Option<String>,
    /// The files of the flows, relative to that of the scenario. For whoever reads files.
    #[serde(alias = "flow", deserialize_with = "one_or_many")]
    pub flows: Vec<String>,
    /// How things are before.
    pub given: Given,
    /// What the model answers, in order, when a node asks it.
    pub answers: Vec<String>,
    /// What servers answer, in order, when a node asks one.
    pub replies: Vec<ServerReply>,
    /// What happens, in order.
    #[serde(alias = "lines")]
    pub steps: Vec<Step>,
    /// Who plays the contact after the steps.
    pub customer: Option<Persona>,
    /// Who judges the conversation.
    pub judge: Option<Judge>,
}

/// How things are before a scenario.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Given {
    /// What time it is. A Monday morning unless given.
    pub now: Option<Timestamp>,
    /// Chance: another number gives other choices.
    pub seed: Option<u64>,
    /// The contact.
    pub contact: GivenContact,
    /// The agent.
    pub agent: GivenAgent,
}

/// The contact of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GivenContact {
    /// Its name.
    pub name: Option<String>,
    /// Custom fields.
    pub fields: BTreeMap<String, Value>,
    /// Labels.
    pub tags: Vec<String>,
    /// The groups it is in, by id.
    pub groups: BTreeSet<GroupId>,
    /// Its language.
    pub locale: Option<String>,
    /// Its time zone.
    pub time_zone: Option<String>,
}

/// The agent of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GivenAgent {
    /// What AI nodes are told first.
    pub instructions: Option<String>,
    /// The model AI nodes use.
    pub model: Option<String>,
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerReply {
    /// The status, 100 to 599.
    pub status: u16,
    /// The body: a text as it is, everything else as JSON.
    #[serde(default)]
    pub body: Value,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The contact writes a text.
    Say(String),
    /// The contact presses a button or row that was offered: its title, or its id in the flow.
    Press(String),
    /// The contact presses what has this id, whether it was offered or not.
    Choose(String),
    /// The contact sends anything.
    Send(Content),
    /// Time passes: `23h`, `1d 2h 30m`, or a number of seconds. What comes due meanwhile happens.
    #[serde(alias = "wait")]
    After(Pause),
    /// What should have come of the step before.
    Expect(Box<Expectation>),
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause(pub SignedDuration);

impl<'de> Deserialize<'de> for Pause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PauseVisitor)
    }
}

struct PauseVisitor;

impl Visitor<'_> for PauseVisitor {
    type Value = Pause;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a span of time such as 23h or 1d 2h 30m, or a number of seconds")
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Pause, E> {
        Ok(Pause(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))))
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Pause, E> {
        let seconds = u64::try_from(seconds).map_err(|_| E::custom("time does not run back"))?;
        self.visit_u64(seconds)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Pause, E> {
        let span: Span = text.parse().map_err(E::custom)?;
        let days = SpanRelativeTo::days_are_24_hours();
        let span = span.to_duration(days).map_err(E::custom)?;
        if span.is_negative() {
            return Err(E::custom("time does not run back"));
        }
        Ok(Pause(span))
    }
}

/// A text or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(one) => Ok(vec![one]),
        many => serde_json::from_value(many).map_err(D::Error::custom),
    }
}

/// What is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioProblem {
    /// JSON pointer into the scenario.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Scenario {
    /// Says whether a model has to play the contact or to judge: whoever has no answers.
    pub fn asks_people(&self) -> bool {
        self.customer.as_ref().is_some_and(|customer| customer.answers.is_empty())
            || self.judge.as_ref().is_some_and(|judge| judge.answers.is_empty())
    }

    /// Everything about the scenario that is out of bounds.
    pub fn problems(&self) -> Vec<ScenarioProblem> {
        let mut out = Vec::new();
        let mut require = |holds: bool, path: String, message: String| {
            if !holds {
                out.push(ScenarioProblem { path, message });
            }
        };
        for (path, count, max) in [
            ("/steps", self.steps.len(), SCENARIO_STEPS_MAX),
            ("/answers", self.answers.len(), ANSWERS_MAX),
            ("/replies", self.replies.len(), ANSWERS_MAX),
        ] {
            require(count <= max, path.to_owned(), format!("must be at most {max}"));
        }
        for (index, reply) in self.replies.iter().enumerate() {
            let is_status = (100..600).contains(&reply.status);
            require(is_status, format!("/replies/{index}/status"), "is not a status".to_owned());
        }
        let mut waited = 0_i64;
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Say(text) | Step::Press(text) | Step::Choose(text) => {
                    let fits = !text.trim().is_empty() && text.chars().count() <= TEXT_MAX_CHARS;
                    let bound = format!("must be 1 to {TEXT_MAX_CHARS} characters");
                    require(fits, format!("/steps/{index}"), bound);
                }
                Step::After(pause) => waited = waited.saturating_add(pause.0.as_secs()),
                Step::Send(_) | Step::Expect(_) => {}
            }
        }
        let too_long = "waits for more than a year in all".to_owned();
        require(waited <= WAIT_MAX_SECONDS, "/steps".to_owned(), too_long);
        if let Some(customer) = &self.customer {
            let fits = (1..=CUSTOMER_TURNS_MAX).contains(&customer.max_turns);
            let bound = format!("must be 1 to {CUSTOMER_TURNS_MAX}");
            require(fits, "/customer/max_turns".to_owned(), bound);
        }
        if let Some(judge) = &self.judge {
            let fits = (1..=CRITERIA_MAX).contains(&judge.criteria.len());
            require(fits, "/judge/criteria".to_owned(), format!("must be 1 to {CRITERIA_MAX}"));
        }
        out
    }
}
