//! Lets a model talk with the contact.
//!
//! `talk` the node's steps · `round` what happens between a message and its answer: tools and the
//! calls that the step answers itself (`control`) · `memory` and `history` what is remembered ·
//! `prompt` what the model is told first.

mod control;
mod history;
mod memory;
mod prompt;
mod round;
mod talk;

use std::sync::Arc;

use justping_core::port::{AiProvider, BuiltNode, FlowNode, NodeConfigError, NodeDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};

use self::talk::Talk;
use super::prompt::TIMEOUT_MINUTES_MAX;
use super::{config, schema};
use crate::ai::AiHost;
use crate::check::code;

/// Answers given unless the node says otherwise.
const TURNS_DEFAULT: u32 = 20;
/// Most answers a node gives.
const TURNS_MAX: u32 = 200;
/// Answers of the model to one message, unless the node says otherwise: all but the last may call
/// tools.
const ANSWERS_DEFAULT: u32 = 8;
/// Most answers of the model to one message.
const ANSWERS_MAX: u32 = 30;
/// Most exit phrases, tools and other agents of a node.
const LIST_MAX: usize = 50;

/// Lets a model answer, turn by turn, until an exit condition is met.
///
/// Whatever a model wants done is done by one journaled call after another: a process that dies
/// meanwhile asks no model and calls no tool again whose answer is known.
#[derive(Debug)]
pub struct AiReply {
    host: Arc<AiHost>,
}

impl AiReply {
    /// Talks to models through `provider`, without tools and accounts.
    pub fn new(provider: Arc<dyn AiProvider>) -> Self {
        let mut host = AiHost::default();
        host.set_provider(provider);
        Self::with_host(Arc::new(host))
    }

    pub(crate) fn with_host(host: Arc<AiHost>) -> Self {
        Self { host }
    }
}

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    variable: Option<String>,
    #[serde(default)]
    begin: Begin,
    #[serde(default)]
    max_turns: Option<u32>,
    #[serde(default)]
    max_answers: Option<u32>,
    #[serde(default)]
    exit_phrases: Vec<String>,
    #[serde(default)]
    timeout_minutes: Option<u64>,
    #[serde(default)]
    hand_off: HandOff,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    transfers: Vec<Transfer>,
    #[serde(default)]
    max_transfers: Option<u32>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    max_output_tokens: Option<u32>,
}

/// What happens when the session arrives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Begin {
    /// The contact's newest text is answered.
    #[default]
    Reply,
    /// The contact is waited for.
    Wait,
}

/// Whether the model may give the conversation to people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandOff {
    #[default]
    Allowed,
    Never,
}

/// Another agent to whom the model may hand over: the exit `option:<id>` leads to it.
#[derive(Debug, Deserialize)]
struct Transfer {
    id: String,
    /// What it is for, for the model.
    description: String,
}

impl FlowNode for AiReply {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "ai_reply".to_owned(),
            title: "AI reply".to_owned(),
            summary: "Lets a model talk with the contact until an exit condition is met."
                .to_owned(),
            schema: schema::object(members(), &[]),
            exits: vec![
                schema::exit("next", "An exit phrase, or the last turn"),
                schema::exit("handoff", "The model hands off"),
                schema::exit("option:*", "The model hands over to another agent"),
                schema::exit("timeout", "No message in time"),
                schema::exit("budget", "A budget is used up"),
                schema::exit("error", "The model does not answer"),
            ],
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let prompt = config::template_if("/prompt", config.prompt.as_deref())?;
        if !self.host.has_provider() {
            return Err(config::no_provider());
        }
        for (at, tool) in config.tools.iter().enumerate() {
            if control::OWN.contains(&tool.as_str()) {
                let path = format!("/tools/{at}");
                return Err(NodeConfigError::new(path, format!("`{tool}` is the node's own")));
            }
        }
        for (at, transfer) in config.transfers.iter().enumerate() {
            if config.transfers.iter().take(at).any(|other| other.id == transfer.id) {
                return Err(config::duplicate(format!("/transfers/{at}/id"), &transfer.id));
            }
        }
        Ok(Box::new(Talk::new(Arc::clone(&self.host), prompt, config)))
    }
}

fn members() -> Value {
    let list = |title: &str, items: Value| json!({"type": "array", "title": title, "maxItems": LIST_MAX, "items": items});
    let transfer = json!({
        "id": schema::id("Id"),
        "title": {"type": "string", "title": "Title", "maxLength": 100},
        "description": {
            "type": "string", "title": "What it is for", "minLength": 1, "maxLength": 500
        }
    });
    json!({
        "prompt": schema::template("What the model is told, after the agent's instructions"),
        "variable": schema::variable("Save the last answer in"),
        "begin": {"title": "On arrival", "enum": ["reply", "wait"]},
        "max_turns": {
            "type": "integer", "title": "Most answers", "minimum": 1, "maximum": TURNS_MAX
        },
        "max_answers": {
            "type": "integer", "title": "Most answers of the model to one message, with tools",
            "minimum": 1, "maximum": ANSWERS_MAX
        },
        "exit_phrases": list(
            "Phrases that end the talk", json!({"type": "string", "minLength": 1, "maxLength": 200})
        ),
        "timeout_minutes": {
            "type": "integer", "title": "Minutes to wait for a message",
            "minimum": 1, "maximum": TIMEOUT_MINUTES_MAX
        },
        "hand_off": {"title": "Hand off to people", "enum": ["allowed", "never"]},
        "tools": list(
            "Tools the model may use", json!({"type": "string", "minLength": 1, "maxLength": 128})
        ),
        "transfers": list(
            "Agents the model may hand over to", schema::object(transfer, &["id", "description"])
        ),
        "max_transfers": {
            "type": "integer", "title": "Most transfers of a session", "minimum": 0, "maximum": 20
        },
        "model": schema::model(),
        "temperature": {"type": "number", "title": "Temperature", "minimum": 0, "maximum": 2},
        "max_output_tokens": {
            "type": "integer", "title": "Most tokens of an answer",
            "minimum": 1, "maximum": 100_000
        }
    })
}

/// What speaks against publishing a node that names these tools.
fn missing_tools(host: &AiHost, tools: &[String]) -> Vec<NodeConfigError> {
    let missing = |(at, tool): (usize, &String)| {
        let error =
            NodeConfigError::new(format!("/tools/{at}"), format!("there is no tool `{tool}`"));
        (!host.may_have_tool(tool)).then(|| error.with_code(code::MISSING_TOOL))
    };
    tools.iter().enumerate().filter_map(missing).collect()
}
