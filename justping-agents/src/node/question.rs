//! One question to a model about a text, whose answer is given to the flow and never to the contact.

use std::sync::Arc;

use justping_core::model::CallResult;
use justping_core::port::{
    ChatMessage, ChatRequest, ChatRole, ExitDescriptor, NodeConfigError, NodeContext,
    NodeDescriptor, Step, StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asking::{ask_for, usage};
use super::prompt::exit;
use super::{config, schema};
use crate::ai::{AiHost, BUDGET_CODE, Reply, Work};
use crate::text::Template;

/// What every node with a question may say.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

/// A node with a question, as it is described.
pub(super) struct Described {
    /// Its type.
    pub(super) kind: &'static str,
    /// Its name, for people.
    pub(super) title: &'static str,
    /// What it has a model do, in half a sentence.
    pub(super) does: &'static str,
    /// What the text is for.
    pub(super) text: &'static str,
    /// Its settings besides those of every question, and the one it needs.
    pub(super) members: Value,
    pub(super) needs: &'static str,
    /// Where answers lead.
    pub(super) exits: [ExitDescriptor; 2],
}

impl Described {
    pub(super) fn descriptor(self) -> NodeDescriptor {
        let title = format!("{}; the contact's newest unless given", self.text);
        let asked = json!({"text": schema::template(&title), "model": schema::model()});
        let failures = [
            schema::exit("budget", "A budget is used up"),
            schema::exit("error", "The model does not answer"),
        ];
        NodeDescriptor {
            kind: self.kind.to_owned(),
            title: self.title.to_owned(),
            summary: format!("{}; messages meanwhile go unheard.", self.does),
            schema: schema::object(schema::merged(asked, self.members), &[self.needs]),
            exits: self.exits.into_iter().chain(failures).collect(),
            suspends: true,
            calls: true,
        }
    }
}

/// A question, within the budget of a message.
#[derive(Debug)]
pub(super) struct Question {
    host: Arc<AiHost>,
    text: Option<Template>,
    model: Option<String>,
    has_budget_exit: bool,
}

impl Question {
    /// Reads what a node says of its question.
    pub(super) fn of(host: &Arc<AiHost>, asked: Asked) -> Result<Self, NodeConfigError> {
        if !host.has_provider() {
            return Err(config::no_provider());
        }
        let text = config::template_if("/text", asked.text.as_deref())?;
        Ok(Self { host: Arc::clone(host), text, model: asked.model, has_budget_exit: false })
    }

    /// The template of the text, if one is given.
    pub(super) fn template(&self) -> Option<&Template> {
        self.text.as_ref()
    }

    /// The text it is about; `None` when nothing is said.
    pub(super) fn text(&self, cx: &NodeContext<'_>) -> Result<Option<String>, Step> {
        let text = config::render_if(cx, self.text.as_ref())?;
        let text = text.unwrap_or_else(|| cx.last_text.to_owned());
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    /// Asks about a text: what to do with it, and the JSON Schema of the answer.
    pub(super) fn ask_about(
        &self,
        cx: &mut NodeContext<'_>,
        text: String,
        rules: String,
        schema: Value,
    ) -> Step {
        let request = ChatRequest {
            messages: vec![
                ChatMessage::new(ChatRole::System, rules),
                ChatMessage::new(ChatRole::User, text),
            ],
            response_schema: Some(schema),
            temperature: Some(0.0),
            ..ChatRequest::default()
        };
        self.ask(cx, request)
    }

    pub(super) fn host(&self) -> &AiHost {
        &self.host
    }

    pub(super) fn connect(&mut self, exits: &[String]) {
        self.has_budget_exit = exits.iter().any(|exit| exit == "budget");
    }

    /// Asks, within the budget of the message. What was asked is remembered, as an answer out of shape
    /// may be mended, and what was spent so far.
    fn ask(&self, cx: &mut NodeContext<'_>, request: ChatRequest) -> Step {
        let model = self.model.clone().or_else(|| cx.agent.model.clone());
        let request = ChatRequest { model, ..request };
        let (tokens, micros) = spent(cx);
        if !cx.agent.settings.budget.message.has_room(tokens, micros) {
            return self.over_budget("the budget of the message is used up");
        }
        *cx.local = json!({"q": request, "s": [tokens, micros]});
        let ask = ask_for(cx, request);
        Step::Call { input: Work::Ask(Box::new(ask)).input() }
    }

    /// The answer's text, once it is there; else how to go on.
    pub(super) fn answer(
        &self,
        cx: &mut NodeContext<'_>,
        event: &StepEvent,
    ) -> Result<String, Step> {
        let result = match event {
            StepEvent::Message { .. } | StepEvent::Timer { .. } | StepEvent::Outside { .. } => {
                return Err(Step::Wait { until: None });
            }
            StepEvent::CallDone { result, .. } => result,
        };
        let failed =
            |code: &str| Step::Fail { reason: format!("the model did not answer: {code}") };
        match result {
            CallResult::Ok(value) => {
                let reply = Reply::deserialize(value).map_err(|_| failed("malformed"))?;
                cx.effects.push(usage(cx, &reply));
                spend(cx, &reply);
                if reply.blocked { Err(failed("blocked")) } else { Ok(reply.text) }
            }
            CallResult::Error { code, .. } if code == BUDGET_CODE => {
                Err(self.over_budget("the model did not answer: budget"))
            }
            CallResult::Error { code, .. } => Err(failed(code)),
        }
    }

    fn over_budget(&self, reason: &str) -> Step {
        if self.has_budget_exit {
            return exit("budget");
        }
        Step::Fail { reason: reason.to_owned() }
    }

    /// Tells the model what is wrong with its answer and asks again, once.
    pub(super) fn mend(&self, cx: &mut NodeContext<'_>, answer: &str, problem: &str) -> Step {
        let asked = cx.local.get("q").and_then(|asked| ChatRequest::deserialize(asked).ok());
        let mended = cx.local.get("m").is_some();
        let Some(mut request) = asked.filter(|_| !mended) else {
            return Step::Fail { reason: "the model's answer is out of shape".to_owned() };
        };
        request.messages.push(ChatMessage::new(ChatRole::Assistant, answer));
        let again = format!("That is out of shape: {problem}. Answer again.");
        request.messages.push(ChatMessage::new(ChatRole::User, again));
        let step = self.ask(cx, request);
        if let Value::Object(memory) = &mut *cx.local {
            memory.insert("m".to_owned(), Value::Bool(true));
        }
        step
    }
}

/// Tokens and money that answers to this message took so far.
fn spent(cx: &NodeContext<'_>) -> (u64, u64) {
    let spent = cx.local.get("s").and_then(|spent| <(u64, u64)>::deserialize(spent).ok());
    spent.unwrap_or_default()
}

/// Counts what an answer took.
fn spend(cx: &mut NodeContext<'_>, reply: &Reply) {
    let (tokens, micros) = spent(cx);
    let took = reply.usage.input_tokens.saturating_add(reply.usage.output_tokens);
    if let Value::Object(memory) = &mut *cx.local {
        let sum = json!([tokens.saturating_add(took), micros.saturating_add(reply.micros)]);
        memory.insert("s".to_owned(), sum);
    }
}
