//! Answers a question from a knowledge base, or says that it has no answer.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::{CallResult, Content, KnowledgeBaseId};
use justping_core::port::store::StoreError;
use justping_core::port::{
    BuiltNode, ChatRequest, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, PerformContext,
    Step, StepEvent,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::asking::{ask_for, usage};
use super::prompt::exit;
use super::{config, schema};
use crate::ai::{AiHost, BUDGET_CODE, Reply, Work};
use crate::check::code;
use crate::knowledge::{self, Answered, PASSAGES_MAX, Passage};
use crate::text::Template;

/// Passages that a model is shown unless the node says otherwise.
const PASSAGES_DEFAULT: u32 = 6;
/// Most bytes of a passage's text that are saved with a citation.
const QUOTE_MAX_BYTES: usize = 300;

/// Looks a question up and lets a model answer it from what was found, with citations.
///
/// The search is one journaled call, the model's answer another. Nothing that answers, a model that
/// finds no answer in the passages, and an answer that names no passage all leave by `no_answer`.
#[derive(Debug)]
pub(super) struct Knowledge {
    host: Arc<AiHost>,
}

impl Knowledge {
    pub(super) fn new(host: Arc<AiHost>) -> Self {
        Self { host }
    }
}

#[derive(Debug, Deserialize)]
struct Config {
    base: String,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    variable: Option<String>,
    #[serde(default)]
    citations_variable: Option<String>,
    #[serde(default)]
    say: Say,
    #[serde(default)]
    passages: Option<u32>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    max_output_tokens: Option<u32>,
}

/// What the contact is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Say {
    /// The answer.
    #[default]
    Answer,
    /// The answer, and below it the titles and addresses it rests on.
    AnswerWithSources,
    /// Nothing; the answer is saved only.
    Nothing,
}

impl FlowNode for Knowledge {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "knowledge".to_owned(),
            title: "Knowledge answer".to_owned(),
            summary: "Answers a question from a knowledge base, with citations.".to_owned(),
            schema: schema::object(members(), &["base"]),
            exits: vec![
                schema::exit("next", "Answered"),
                schema::exit("no_answer", "The knowledge base has no answer"),
                schema::exit("budget", "A budget is spent"),
                schema::exit("error", "The search or the model fails"),
            ],
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let no_base = |_| NodeConfigError::new("/base", "is not the id of a knowledge base");
        let base: KnowledgeBaseId = config.base.parse().map_err(no_base)?;
        let question = config::template_if("/question", config.question.as_deref())?;
        let prompt = config::template_if("/prompt", config.prompt.as_deref())?;
        if self.host.knowledge().is_none() || !self.host.has_provider() {
            let error = NodeConfigError::new("", "no knowledge or no AI provider is configured");
            return Err(error.with_code(code::MISSING_PROVIDER));
        }
        let host = Arc::clone(&self.host);
        Ok(Box::new(LookUp { host, base, question, prompt, config }))
    }
}

fn members() -> Value {
    json!({
        "base": {
            "type": "string", "title": "Knowledge base", "format": "knowledge_base", "maxLength": 64
        },
        "question": schema::template("Question; without one, the contact's newest text"),
        "prompt": schema::template("What the model is told, after the agent's instructions"),
        "variable": schema::variable("Save the answer in"),
        "citations_variable": schema::variable("Save the citations in"),
        "say": {"title": "Tell the contact", "enum": ["answer", "answer_with_sources", "nothing"]},
        "passages": {
            "type": "integer", "title": "Most passages the model is shown",
            "minimum": 1, "maximum": PASSAGES_MAX
        },
        "model": schema::model(),
        "max_output_tokens": {
            "type": "integer", "title": "Most tokens of an answer",
            "minimum": 1, "maximum": 100_000
        }
    })
}

#[derive(Debug)]
struct LookUp {
    host: Arc<AiHost>,
    base: KnowledgeBaseId,
    question: Option<Template>,
    prompt: Option<Template>,
    config: Config,
}

/// A search, outside the step. The model is asked as every AI node asks.
#[derive(Debug, Serialize, Deserialize)]
struct Search {
    base: KnowledgeBaseId,
    question: String,
    most: u32,
}

/// What the node remembers while it waits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "waits", rename_all = "snake_case")]
enum Memory {
    ForPassages { question: String, instructions: String },
    ForAnswer { passages: Vec<Passage> },
}

impl LookUp {
    fn begin(&self, cx: &mut NodeContext<'_>) -> Result<Step, Step> {
        let question = match &self.question {
            Some(question) => config::render(cx, question)?,
            None => cx.last_text.to_owned(),
        };
        let question = question.trim().to_owned();
        if question.is_empty() {
            return Ok(exit("no_answer"));
        }
        let prompt = config::render_if(cx, self.prompt.as_ref())?;
        let own = Some(cx.agent.instructions.trim()).filter(|text| !text.is_empty());
        let instructions: Vec<&str> = own.into_iter().chain(prompt.as_deref()).collect();
        let instructions = instructions.join("\n\n");
        let most = self.config.passages.unwrap_or(PASSAGES_DEFAULT);
        let search = Search { base: self.base, question: question.clone(), most };
        // Texts and numbers always become JSON.
        let input = serde_json::to_value(&search).unwrap_or_default();
        Ok(wait(cx, &Memory::ForPassages { question, instructions }, input))
    }

    fn found(
        &self,
        cx: &mut NodeContext<'_>,
        (question, instructions): (&str, &str),
        passages: Vec<Passage>,
    ) -> Step {
        if !passages.iter().any(Passage::answers) {
            return exit("no_answer");
        }
        // It asks once, so that only a message that may cost nothing is refused here.
        if !cx.agent.settings.budget.message.has_room(0, 0) {
            return exit("budget");
        }
        let request = ChatRequest {
            model: self.config.model.clone().or_else(|| cx.agent.model.clone()),
            max_output_tokens: self.config.max_output_tokens,
            ..knowledge::ask(instructions, question, &passages)
        };
        let input = Work::Ask(Box::new(ask_for(cx, request))).input();
        wait(cx, &Memory::ForAnswer { passages }, input)
    }

    fn said(&self, cx: &mut NodeContext<'_>, passages: &[Passage], reply: &Reply) -> Step {
        let told = usage(cx, reply);
        cx.effects.push(told);
        if reply.blocked {
            return failed("blocked");
        }
        match knowledge::read(&reply.text, passages) {
            Ok(Some(answered)) => self.answered(cx, &answered),
            Ok(None) => exit("no_answer"),
            Err(_) => failed("malformed"),
        }
    }

    fn answered(&self, cx: &mut NodeContext<'_>, answered: &Answered) -> Step {
        match self.config.say {
            Say::Answer => cx.send(Content::text(&answered.text)),
            Say::AnswerWithSources => {
                cx.send(Content::text(format!("{}\n\n{}", answered.text, sources(answered))));
            }
            Say::Nothing => {}
        }
        if let Some(variable) = &self.config.variable {
            cx.set(variable, Value::from(answered.text.as_str()));
        }
        if let Some(variable) = &self.config.citations_variable {
            let citations: Vec<Value> = answered.citations.iter().map(citation).collect();
            cx.set(variable, Value::from(citations));
        }
        exit("next")
    }
}

/// The sources that an answer rests on, a line each, each once.
fn sources(answered: &Answered) -> String {
    let mut lines: Vec<String> = Vec::new();
    for passage in &answered.citations {
        let line = match &passage.url {
            Some(url) => format!("{} – {url}", passage.title),
            None => passage.title.clone(),
        };
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn citation(passage: &Passage) -> Value {
    json!({
        "source": passage.source_id,
        "title": passage.title,
        "url": passage.url,
        "section": passage.section,
        "page": passage.page,
        "quote": shortened(&passage.text, QUOTE_MAX_BYTES)
    })
}

fn shortened(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

/// Waits for work. Texts and numbers always become JSON.
fn wait(cx: &mut NodeContext<'_>, memory: &Memory, input: Value) -> Step {
    *cx.local = serde_json::to_value(memory).unwrap_or_default();
    Step::Call { input }
}

fn failed(code: &str) -> Step {
    Step::Fail { reason: format!("no answer from the knowledge base: {code}") }
}

#[async_trait]
impl BuiltNode for LookUp {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.begin(cx))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        let StepEvent::CallDone { result, .. } = event else { return Step::Wait { until: None } };
        let Ok(memory) = Memory::deserialize(&*cx.local) else {
            return Step::Fail { reason: "what the node remembers cannot be read".to_owned() };
        };
        let value = match result {
            CallResult::Ok(value) => value,
            CallResult::Error { code, .. } if code == BUDGET_CODE => return exit("budget"),
            CallResult::Error { code, .. } => return failed(code),
        };
        match memory {
            Memory::ForPassages { question, instructions } => match Vec::deserialize(value) {
                Ok(passages) => self.found(cx, (&question, &instructions), passages),
                Err(_) => failed("malformed"),
            },
            Memory::ForAnswer { passages } => match Reply::deserialize(value) {
                Ok(reply) => self.said(cx, &passages, &reply),
                Err(_) => failed("malformed"),
            },
        }
    }

    async fn perform(&self, input: &Value, cx: &PerformContext<'_>) -> CallResult {
        let Ok(Search { base, question, most }) = Search::deserialize(input) else {
            return Work::perform(&self.host, input, cx).await;
        };
        let Some(knowledge) = self.host.knowledge() else {
            return refused("unavailable", "nothing can be looked up");
        };
        match knowledge.search(cx.scope.business_id, base, &question, most).await {
            Ok(passages) => to_result(&passages),
            Err(error) => search_refused(&error),
        }
    }

    fn exits(&self) -> Vec<String> {
        ["next", "no_answer", "budget", "error"].map(str::to_owned).to_vec()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        config::reads(self.question.iter().chain(&self.prompt))
    }

    fn writes(&self) -> Vec<String> {
        self.config.variable.iter().chain(&self.config.citations_variable).cloned().collect()
    }
}

fn to_result<T: Serialize>(value: &T) -> CallResult {
    match serde_json::to_value(value) {
        Ok(value) => CallResult::Ok(value),
        Err(_) => refused("malformed", "the result is not JSON"),
    }
}

fn search_refused(error: &knowledge::KnowledgeError) -> CallResult {
    let code = match error {
        knowledge::KnowledgeError::Store(StoreError::NotFound(_)) => "no_such_base",
        knowledge::KnowledgeError::Store(_) => "unavailable",
        knowledge::KnowledgeError::Embedding(error) => error.code(),
    };
    refused(code, &error.to_string())
}

fn refused(code: &str, detail: &str) -> CallResult {
    CallResult::Error { code: code.to_owned(), detail: detail.to_owned() }
}
