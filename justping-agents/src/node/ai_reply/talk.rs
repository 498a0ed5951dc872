//! The node's steps.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::{CallResult, Content, Timestamp};
use justping_core::port::{
    BuiltNode, ChatRequest, Effect, Fit, NodeConfigError, NodeContext, PerformContext, Step,
    StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::history::MESSAGES_DEFAULT;
use super::memory::{Memory, Out};
use super::round::{HAND_OFF_VARIABLE, REASON_VARIABLE, TRANSFER_VARIABLE};
use super::{ANSWERS_DEFAULT, Begin, Config, HandOff, TURNS_DEFAULT, missing_tools, prompt};
use crate::ai::guard::says;
use crate::ai::{AiHost, BUDGET_CODE, Reply, Work};
use crate::node::asking::{BLOCKED_REPLY, ask_for, usage};
use crate::node::config;
use crate::node::prompt::{after, exit};
use crate::text::Template;

/// Tells that something blocked was asked or said.
const BLOCKED_EVENT: &str = "ai.blocked";

#[derive(Debug)]
pub(super) struct Talk {
    pub(super) host: Arc<AiHost>,
    pub(super) prompt: Option<Template>,
    phrases: Vec<String>,
    pub(super) config: Config,
    has_budget_exit: bool,
}

/// How phrases are compared: case, blanks and punctuation around do not count.
fn phrase_form(text: &str) -> String {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    text.trim_matches(|c: char| c.is_ascii_punctuation() || c == ' ').to_owned()
}

impl Talk {
    pub(super) fn new(host: Arc<AiHost>, prompt: Option<Template>, config: Config) -> Self {
        let phrases = config.exit_phrases.iter().map(|phrase| phrase_form(phrase)).collect();
        Self { host, prompt, phrases, config, has_budget_exit: false }
    }

    /// Has the model go on.
    pub(super) fn ask(&self, cx: &mut NodeContext<'_>, mut memory: Memory) -> Result<Step, Step> {
        let settings = &cx.agent.settings;
        if !memory.round.has_room(settings.budget.message) {
            return Ok(self.over_budget("message"));
        }
        let shown = settings.memory.messages.unwrap_or(MESSAGES_DEFAULT);
        memory.history.keep(shown, settings.memory.summary);
        if let Some(messages) = memory.history.to_sum_up() {
            let request = ChatRequest { messages, ..self.request(cx) };
            return Ok(self.send_out(cx, memory, Out::Summary, ask_for(cx, request)));
        }
        let system = prompt::system(self, cx, &memory)?;
        let last = memory.round.answers.saturating_add(1) >= self.max_answers();
        // The last answer must be one: without tools there is nothing else a model can do.
        let own = if last { Vec::new() } else { prompt::own_tools(self, cx) };
        let round = memory.round.messages.iter().cloned();
        let messages = config::system_message(&system)
            .into_iter()
            .chain(memory.history.messages())
            .chain(round)
            .collect();
        let request = ChatRequest { messages, tools: own, ..self.request(cx) };
        let mut ask = ask_for(cx, request);
        ask.tools = if last { Vec::new() } else { prompt::tools(self, cx) };
        ask.shown = true;
        Ok(self.send_out(cx, memory, Out::Model, ask))
    }

    pub(super) fn max_answers(&self) -> u32 {
        self.config.max_answers.unwrap_or(ANSWERS_DEFAULT)
    }

    fn request(&self, cx: &NodeContext<'_>) -> ChatRequest {
        ChatRequest {
            model: self.config.model.clone().or_else(|| cx.agent.model.clone()),
            max_output_tokens: self
                .config
                .max_output_tokens
                .or(cx.agent.settings.max_output_tokens),
            temperature: self.config.temperature.or(cx.agent.settings.temperature),
            ..ChatRequest::default()
        }
    }

    fn send_out(
        &self,
        cx: &mut NodeContext<'_>,
        memory: Memory,
        out: Out,
        ask: crate::ai::Ask,
    ) -> Step {
        Self::call(cx, memory, out, &Work::Ask(Box::new(ask)))
    }

    /// Asks for work and remembers what is on its way.
    pub(super) fn call(
        cx: &mut NodeContext<'_>,
        mut memory: Memory,
        out: Out,
        work: &Work,
    ) -> Step {
        memory.out = Some(out);
        memory.due = None;
        memory.save(cx);
        Step::Call { input: work.input() }
    }

    fn listen(&self, cx: &mut NodeContext<'_>, mut memory: Memory) -> Step {
        let until = self.config.timeout_minutes.and_then(|minutes| after(cx.now, minutes, 60));
        memory.out = None;
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
        if says(text, &cx.agent.settings.guard.blocked_topics) {
            return Ok(self.refuse(cx, memory));
        }
        memory.hear(text);
        self.ask(cx, memory)
    }

    /// Answers what no model is asked about.
    fn refuse(&self, cx: &mut NodeContext<'_>, mut memory: Memory) -> Step {
        let reply = blocked(cx, "topic");
        memory.close_round("");
        cx.send(Content::text(reply));
        self.turn(cx, memory)
    }

    /// What the model answered has come.
    fn answered(&self, cx: &mut NodeContext<'_>, mut memory: Memory, reply: Reply) -> Step {
        cx.effects.push(usage(cx, &reply));
        memory.round.spend(&reply);
        memory.round.answers = memory.round.answers.saturating_add(1);
        if reply.blocked {
            let reply = blocked(cx, "answer");
            return self.say(cx, memory, &reply);
        }
        if reply.calls.is_empty() {
            return self.say(cx, memory, reply.text.trim());
        }
        config::step(self.take_calls(cx, memory, reply))
    }

    /// The answer is complete.
    fn say(&self, cx: &mut NodeContext<'_>, mut memory: Memory, text: &str) -> Step {
        self.send(cx, text);
        memory.close_round(text);
        self.turn(cx, memory)
    }

    /// Sends what the model says.
    pub(super) fn send(&self, cx: &mut NodeContext<'_>, text: &str) {
        if !text.is_empty() {
            cx.send(Content::text(text));
            if let Some(variable) = &self.config.variable {
                cx.set(variable, Value::from(text));
            }
        }
    }

    /// A turn is over.
    fn turn(&self, cx: &mut NodeContext<'_>, mut memory: Memory) -> Step {
        memory.turns = memory.turns.saturating_add(1);
        if memory.turns >= self.config.max_turns.unwrap_or(TURNS_DEFAULT) {
            return exit("next");
        }
        self.listen(cx, memory)
    }

    /// Work came back.
    fn done(&self, cx: &mut NodeContext<'_>, mut memory: Memory, result: &CallResult) -> Step {
        let Some(out) = memory.out.take() else { return Self::stay(&memory) };
        match (out, result) {
            (Out::Model, CallResult::Ok(value)) => match Reply::deserialize(value) {
                Ok(reply) => self.answered(cx, memory, reply),
                Err(_) => failed("malformed"),
            },
            (Out::Summary, CallResult::Ok(value)) => {
                let reply = Reply::deserialize(value).ok();
                if let Some(reply) = &reply {
                    cx.effects.push(usage(cx, reply));
                    memory.round.spend(reply);
                }
                memory.history.summed_up(reply.as_ref().map(|reply| reply.text.as_str()));
                config::step(self.ask(cx, memory))
            }
            (Out::Tool, result) => config::step(self.take_result(cx, memory, result)),
            (_, CallResult::Error { code, .. }) if code == BUDGET_CODE => {
                self.over_budget("conversation, the agent or the business")
            }
            // A talk goes on without a summary.
            (Out::Summary, CallResult::Error { .. }) => {
                memory.history.summed_up(None);
                config::step(self.ask(cx, memory))
            }
            (Out::Model, CallResult::Error { code, .. }) => failed(code),
        }
    }

    fn over_budget(&self, whose: &str) -> Step {
        if self.has_budget_exit {
            return exit("budget");
        }
        Step::Fail { reason: format!("the budget of the {whose} is used up") }
    }
}

/// What the contact is told instead of what is blocked.
fn blocked(cx: &mut NodeContext<'_>, what: &str) -> String {
    let data = json!({"node": cx.node, "what": what});
    cx.effects.push(Effect::Emit { name: BLOCKED_EVENT.to_owned(), data });
    let reply = cx.agent.settings.guard.blocked_reply.as_deref();
    reply.unwrap_or(BLOCKED_REPLY).to_owned()
}

fn failed(code: &str) -> Step {
    Step::Fail { reason: format!("the model did not answer: {code}") }
}

#[async_trait]
impl BuiltNode for Talk {
    fn connect(&mut self, exits: &[String]) {
        self.has_budget_exit = exits.iter().any(|exit| exit == "budget");
    }

    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        let memory = Memory::default();
        if self.config.begin == Begin::Wait || cx.last_text.trim().is_empty() {
            return self.listen(cx, memory);
        }
        let text = cx.last_text;
        if says(text, &cx.agent.settings.guard.blocked_topics) {
            return self.refuse(cx, memory);
        }
        let mut memory = memory;
        memory.hear(text);
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
            StepEvent::CallDone { result, .. } => self.done(cx, memory, result),
        }
    }

    /// Everything said is for the model, so what the flow has words for goes first.
    fn fits(&self, _: &NodeContext<'_>, content: &Content) -> Fit {
        if self.ends_on(content.plain()) { Fit::Exact } else { Fit::Other }
    }

    /// Asks again what an interruption cut off. A tool that was at work is not called again, as it
    /// may have done its work.
    fn again(&self, cx: &mut NodeContext<'_>) -> Step {
        match Memory::load(cx) {
            Some(mut memory) if memory.out.is_some() => {
                memory.round.give_up("given up, because the talk was interrupted");
                config::step(self.ask(cx, memory))
            }
            memory => self.listen(cx, memory.unwrap_or_default()),
        }
    }

    /// The model has to know of the newer message before it answers.
    fn drops_call(&self) -> bool {
        true
    }

    async fn perform(&self, input: &Value, cx: &PerformContext<'_>) -> CallResult {
        Work::perform(&self.host, input, cx).await
    }

    fn exits(&self) -> Vec<String> {
        let timeout = self.config.timeout_minutes.map(|_| "timeout");
        let hand_off = (self.config.hand_off == HandOff::Allowed).then_some("handoff");
        let fixed = ["next", "error", "budget"].into_iter().chain(hand_off).chain(timeout);
        let transfers = self.config.transfers.iter().map(|one| format!("option:{}", one.id));
        fixed.map(str::to_owned).chain(transfers).collect()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn objections(&self) -> Vec<NodeConfigError> {
        missing_tools(&self.host, &self.config.tools)
    }

    fn tools(&self) -> Vec<String> {
        self.config.tools.clone()
    }

    fn reads(&self) -> Vec<String> {
        config::reads(&self.prompt)
    }

    fn writes(&self) -> Vec<String> {
        let hands_off = self.config.hand_off == HandOff::Allowed;
        let hand_off = [REASON_VARIABLE, HAND_OFF_VARIABLE].into_iter().filter(|_| hands_off);
        let transfer = (!self.config.transfers.is_empty()).then_some(TRANSFER_VARIABLE);
        let fixed = hand_off.chain(transfer).map(str::to_owned);
        self.config.variable.iter().cloned().chain(fixed).collect()
    }
}
