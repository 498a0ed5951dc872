//! Lets a model talk with the contact.

mod history;
mod perform;

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::{CallResult, Content, Timestamp};
use justping_core::port::{
    AiProvider, BuiltNode, ChatRequest, Effect, Fit, FlowNode, NodeConfigError, NodeContext,
    NodeDescriptor, PerformContext, Step, StepEvent,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::history::History;
use self::perform::Answer;
use super::prompt::{TIMEOUT_MINUTES_MAX, after, exit};
use super::{config, schema};
use crate::check::code;
use crate::text::Template;

/// Answers given unless the node says otherwise.
const TURNS_DEFAULT: u32 = 20;
/// Most answers a node gives.
const TURNS_MAX: u32 = 200;
/// Most exit phrases of a node.
const PHRASES_MAX: usize = 50;
/// Where the model's reason for a hand-off is saved.
const REASON_VARIABLE: &str = "handoff_reason";
/// The event that tells what an answer took.
const USAGE_EVENT: &str = "ai.usage";

/// Lets a model answer, turn by turn, until an exit condition is met.
#[derive(Debug)]
pub struct AiReply {
    provider: Option<Arc<dyn AiProvider>>,
}

impl AiReply {
    /// Talks to models through `provider`.
    pub fn new(provider: Arc<dyn AiProvider>) -> Self {
        Self { provider: Some(provider) }
    }

    /// Describes itself and is reported wherever it is used.
    pub(super) fn without_provider() -> Self {
        Self { provider: None }
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
    exit_phrases: Vec<String>,
    #[serde(default)]
    timeout_minutes: Option<u64>,
    #[serde(default)]
    hand_off: HandOff,
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
                schema::exit("timeout", "No message in time"),
                schema::exit("error", "The model does not answer"),
            ],
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let prompt = config::template_if("/prompt", config.prompt.as_deref())?;
        let Some(provider) = self.provider.clone() else {
            let error = NodeConfigError::new("", "no AI provider is configured");
            return Err(error.with_code(code::MISSING_PROVIDER));
        };
        let phrases = config.exit_phrases.iter().map(|phrase| phrase_form(phrase)).collect();
        Ok(Box::new(Talk { provider, prompt, phrases, config }))
    }
}

fn members() -> Value {
    json!({
        "prompt": schema::template("What the model is told, after the agent's instructions"),
        "variable": schema::variable("Save the last answer in"),
        "begin": {"title": "On arrival", "enum": ["reply", "wait"]},
        "max_turns": {
            "type": "integer", "title": "Most answers", "minimum": 1, "maximum": TURNS_MAX
        },
        "exit_phrases": {
            "type": "array", "title": "Phrases that end the talk", "maxItems": PHRASES_MAX,
            "items": {"type": "string", "minLength": 1, "maxLength": 200}
        },
        "timeout_minutes": {
            "type": "integer", "title": "Minutes to wait for a message",
            "minimum": 1, "maximum": TIMEOUT_MINUTES_MAX
        },
        "hand_off": {"title": "Hand off to people", "enum": ["allowed", "never"]},
        "model": {"type": "string", "title": "Model", "minLength": 1, "maxLength": 200},
        "temperature": {"type": "number", "title": "Temperature", "minimum": 0, "maximum": 2},
        "max_output_tokens": {
            "type": "integer", "title": "Most tokens of an answer",
            "minimum": 1, "maximum": 100_000
        }
    })
}

/// How phrases are compared: case, blanks and punctuation around do not count.
fn phrase_form(text: &str) -> String {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    text.trim_matches(|c: char| c.is_ascii_punctuation() || c == ' ').to_owned()
}

#[derive(Debug)]
struct Talk {
    provider: Arc<dyn AiProvider>,
    prompt: Option<Template>,
    phrases: Vec<String>,
    config: Config,
}

/// What the node remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// The talk.
    #[serde(rename = "h", default)]
    history: History,
    /// Answers given.
    #[serde(rename = "n", default)]
    turns: u32,
    /// When the wait ends, in milliseconds since 1970.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    due: Option<i64>,
    /// Whether an answer is on its way.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    asked: bool,
}

impl Memory {
    fn load(cx: &NodeContext<'_>) -> Option<Self> {
        match &*cx.local {
            Value::Null => Some(Self::default()),
            memory => Self::deserialize(memory).ok(),
        }
    }

    fn save(&self, cx: &mut NodeContext<'_>) {
        // Nothing in it fails to be JSON.
        *cx.local = serde_json::to_value(self).unwrap_or_default();
    }
}

impl Talk {
    /// Asks the model to go on.
    fn ask(&self, cx: &mut NodeContext<'_>, mut memory: Memory) -> Result<Step, Step> {
        let prompt = config::render_if(cx, self.prompt.as_ref())?;
        let instructions = Some(cx.agent.instructions.trim()).filter(|text| !text.is_empty());
        let system: Vec<&str> = instructions.into_iter().chain(prompt.as_deref()).collect();
        let tools = match self.config.hand_off {
            HandOff::Allowed => vec![perform::hand_off_tool()],
            HandOff::Never => Vec::new(),
        };
        let request = ChatRequest {
            model: self.config.model.clone().or_else(|| cx.agent.model.clone()),
            messages: memory.history.messages(&system.join("\n\n")),
            tools,
            response_schema: None,
            max_output_tokens: self.config.max_output_tokens,
            temperature: self.config.temperature,
        };
        memory.asked = true;
        memory.due = None;
        memory.save(cx);
        // Texts and numbers always become JSON.
        Ok(Step::Call { input: serde_json::to_value(&request).unwrap_or_default() })
    }

    fn listen(&self, cx: &mut NodeContext<'_>, mut memory: Memory) -> Step {
        let until = self.config.timeout_minutes.and_then(|minutes| after(cx.now, minutes, 60));
        memory.asked = false;
        memory.due = until.map(Timestamp::as_millisecond);
        memory.save(cx);
        Step::Wait { until }
    }

    /// Stays as it is: a file without a caption says nothing to a model.
    fn stay(memory: &Memory) -> Step {
        Step::Wait { until: memory.due.and_then(|ms| Timestamp::from_millisecond(ms).ok()) }
    }

    fn ends_on(&self, text: &str) -> bool {
        let said = phrase_form(text);
        !said.is_empty() && self.phrases.contains(&said)
    }

    fn hear(&self, cx: &mut NodeContext<'_>, mut memory: Memory, text: &str) -> Result<Step, Step> {
        if text.trim().is_empty() {
            return Ok(Self::stay(&memory));
        }
        if self.ends_on(text) {
            return Ok(exit("next"));
        }
        memory.history.contact(text);
        self.ask(cx, memory)
    }

    fn answered(&self, cx: &mut NodeContext<'_>, mut memory: Memory, answer: Answer) -> Step {
        cx.effects.push(Effect::Emit { name: USAGE_EVENT.to_owned(), data: answer.usage(cx.node) });
        let text = answer.text.trim();
        if !text.is_empty() {
            cx.send(Content::text(text));
            memory.history.model(text);
            if let Some(variable) = &self.config.variable {
                cx.set(variable, Value::from(text));
            }
        }
        if let Some(reason) = answer.hand_off.filter(|_| self.config.hand_off == HandOff::Allowed) {
            cx.set(REASON_VARIABLE, Value::from(reason));
            return exit("handoff");
        }
        memory.turns = memory.turns.saturating_add(1);
        if memory.turns >= self.config.max_turns.unwrap_or(TURNS_DEFAULT) {
            return exit("next");
        }
        self.listen(cx, memory)
    }
}

#[async_trait]
impl BuiltNode for Talk {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        let mut memory = Memory::default();
        if self.config.begin == Begin::Wait || cx.last_text.trim().is_empty() {
            return self.listen(cx, memory);
        }
        memory.history.contact(cx.last_text);
        config::step(self.ask(cx, memory))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        let Some(memory) = Memory::load(cx) else {
            return Step::Fail { reason: "what the node remembers cannot be read".to_owned() };
        };
        match event {
            StepEvent::Message { content } => config::step(self.hear(cx, memory, content.plain())),
            StepEvent::Timer { .. } if self.config.timeout_minutes.is_some() => exit("timeout"),
            StepEvent::Timer { .. } | StepEvent::Outside { .. } => Self::stay(&memory),
            StepEvent::CallDone { .. } if !memory.asked => Self::stay(&memory),
            StepEvent::CallDone { result: CallResult::Ok(value), .. } => {
                match Answer::deserialize(value) {
                    Ok(answer) => self.answered(cx, memory, answer),
                    Err(_) => failed("malformed"),
                }
            }
            StepEvent::CallDone { result: CallResult::Error { code, .. }, .. } => failed(code),
        }
    }

    /// Everything said is for the model, so what the flow has words for goes first.
    fn fits(&self, _: &NodeContext<'_>, content: &Content) -> Fit {
        if self.ends_on(content.plain()) { Fit::Exact } else { Fit::Other }
    }

    /// Asks again what an interruption cut off.
    fn again(&self, cx: &mut NodeContext<'_>) -> Step {
        match Memory::load(cx) {
            Some(memory) if memory.asked => config::step(self.ask(cx, memory)),
            memory => self.listen(cx, memory.unwrap_or_default()),
        }
    }

    /// The model has to know of the newer message before it answers.
    fn drops_call(&self) -> bool {
        true
    }

    async fn perform(&self, input: &Value, cx: &PerformContext<'_>) -> CallResult {
        match ChatRequest::deserialize(input) {
            Ok(request) => perform::ask(&*self.provider, &request, cx.on_delta).await,
            Err(_) => CallResult::Error {
                code: "unsupported".to_owned(),
                detail: "the call's input cannot be read".to_owned(),
            },
        }
    }

    fn exits(&self) -> Vec<String> {
        let timeout = self.config.timeout_minutes.map(|_| "timeout");
        let hand_off = (self.config.hand_off == HandOff::Allowed).then_some("handoff");
        ["next", "error"].into_iter().chain(hand_off).chain(timeout).map(str::to_owned).collect()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        config::reads(&self.prompt)
    }

    fn writes(&self) -> Vec<String> {
        let reason = (self.config.hand_off == HandOff::Allowed).then(|| REASON_VARIABLE.to_owned());
        self.config.variable.iter().cloned().chain(reason).collect()
    }
}

fn failed(code: &str) -> Step {
    Step::Fail { reason: format!("the model did not answer: {code}") }
}
