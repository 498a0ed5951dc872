//! What is traced, by the names of OpenTelemetry.
//!
//! Source: OpenTelemetry, "Semantic conventions for generative AI", 1.41: "Inference", "Execute tool
//! span", and the registry of attributes `gen_ai.*`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use justping_core::memory::{AiReply, ScriptedAi};
use justping_core::port::{AiError, Tool, ToolContext, ToolError, ToolOutput, ToolSpec, Usage};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::Flows;
use crate::play::{Play, document, quiet};

/// Every attribute of the conventions that a span of ours may have.
const KNOWN: [&str; 21] = [
    "gen_ai.agent.id",
    "gen_ai.conversation.id",
    "gen_ai.input.messages",
    "gen_ai.operation.name",
    "gen_ai.output.messages",
    "gen_ai.provider.name",
    "gen_ai.request.max_tokens",
    "gen_ai.request.model",
    "gen_ai.request.temperature",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.model",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.id",
    "gen_ai.tool.call.result",
    "gen_ai.tool.description",
    "gen_ai.tool.name",
    "gen_ai.tool.type",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
];

type Fields = BTreeMap<&'static str, String>;

/// Keeps what spans say.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Opened>>>);

/// A span: its number, its name, its fields.
type Opened = (u64, &'static str, Fields);

struct Reading<'a>(&'a mut Fields);

impl Visit for Reading<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: tracing::Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Reading(&mut fields));
        self.0.lock().unwrap().push((id.into_u64(), attributes.metadata().name(), fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        let span = spans.iter_mut().rev().find(|(known, ..)| *known == id.into_u64());
        if let Some((_, _, fields)) = span {
            values.record(&mut Reading(fields));
        }
    }
}

impl Spans {
    /// The spans so far that are of generative AI.
    fn taken(&self) -> Vec<Fields> {
        let spans = self.0.lock().unwrap().clone();
        let ours =
            spans.into_iter().filter(|(_, name, _)| matches!(*name, "chat" | "execute_tool"));
        ours.map(|(_, _, fields)| fields).collect()
    }
}

/// Finds nothing, and says so.
#[derive(Debug)]
struct Finder;

#[async_trait]
impl Tool for Finder {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "find".to_owned(),
            description: "Finds a thing.".to_owned(),
            parameters: json!({"type": "object"}),
        }
    }

    async fn call(&self, arguments: &Value, _: &ToolContext) -> Result<ToolOutput, ToolError> {
        match arguments["thing"].as_str() {
            Some(thing) => Ok(ToolOutput::own(format!("no {thing}"))),
            None => Err(ToolError::Unavailable("away".to_owned())),
        }
    }
}

/// Plays a talk with one call of the tool, and gives the spans of it.
async fn spans_of(flows: Flows, ai: &Arc<ScriptedAi>, arguments: &str) -> Vec<Fields> {
    let spans = Spans::default();
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let usage =
        Usage { input_tokens: 40, output_tokens: 7, cached_tokens: 30, cache_write_tokens: 5 };
    let call = AiReply { usage: Some(usage), ..AiReply::call("find", arguments) };
    ai.then(call).then("Nothing.");
    let flows = flows.with_ai(ai.clone()).with_tool(Arc::new(Finder));
    let data = json!({
        "model": "small", "temperature": 0.5, "max_output_tokens": 100, "tools": ["find"]
    });
    let edges = json!([["start", "next", "ai"]]);
    let mut play = Play::with(&flows, &document(json!([["ai", "ai_reply", data]]), edges));
    play.say("where is my card 4111");
    for _ in 0..3 {
        play.perform().await;
    }
    let taken = spans.taken();
    for name in taken.iter().flat_map(BTreeMap::keys).filter(|name| name.starts_with("gen_ai.")) {
        assert!(KNOWN.contains(name), "{name} is no attribute of the conventions");
    }
    taken
}

#[track_caller]
fn assert_says(span: &Fields, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(span.get(name).map(String::as_str), Some(*value), "{name} of {span:?}");
    }
}

#[tokio::test]
async fn spans_are_named_as_the_conventions_name_them() {
    let ai = Arc::new(ScriptedAi::new());
    let spans = spans_of(Flows::new(), &ai, r#"{"thing":"card"}"#).await;
    let [asked, tool, answered] = spans.as_slice() else { panic!("three spans: {spans:?}") };
    let conversation = quiet().scope.conversation_id.to_string();
    assert_says(
        asked,
        &[
            ("otel.name", "chat small"),
            ("otel.kind", "client"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "scripted"),
            ("gen_ai.conversation.id", &conversation),
            ("gen_ai.request.model", "small"),
            ("gen_ai.request.temperature", "0.5"),
            ("gen_ai.request.max_tokens", "100"),
            ("gen_ai.response.model", "small"),
            ("gen_ai.response.finish_reasons", "tool_calls"),
            ("gen_ai.usage.input_tokens", "40"),
            ("gen_ai.usage.output_tokens", "7"),
            ("gen_ai.usage.cache_read.input_tokens", "30"),
            ("gen_ai.usage.cache_creation.input_tokens", "5"),
        ],
    );
    assert_says(
        tool,
        &[
            ("otel.name", "execute_tool find"),
            ("otel.kind", "internal"),
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "find"),
            ("gen_ai.tool.description", "Finds a thing."),
            ("gen_ai.tool.type", "function"),
            ("gen_ai.conversation.id", &conversation),
        ],
    );
    assert!(tool.contains_key("gen_ai.tool.call.id"));
    assert_says(answered, &[("gen_ai.response.finish_reasons", "stop")]);
    for span in &spans {
        assert!(!span.contains_key("error.type"), "{span:?}");
        let said = span.values().any(|value| value.contains("card"));
        assert!(!said, "what is said is not traced unless it is asked for: {span:?}");
    }
}

#[tokio::test]
async fn what_is_said_is_traced_where_it_is_asked_for() {
    let ai = Arc::new(ScriptedAi::new());
    let flows = Flows::new().with_traced_content();
    let spans = spans_of(flows, &ai, r#"{"thing":"card"}"#).await;
    assert!(spans[0]["gen_ai.input.messages"].contains("where is my card"));
    assert!(spans[0]["gen_ai.output.messages"].contains("find"));
    assert_eq!(spans[1]["gen_ai.tool.call.arguments"], r#"{"thing":"card"}"#);
    assert_eq!(spans[1]["gen_ai.tool.call.result"], "no card");
}

#[tokio::test(start_paused = true)]
async fn failures_have_a_type() {
    let ai = Arc::new(ScriptedAi::new());
    ai.then_fail(AiError::RateLimited { after: None });
    let spans = spans_of(Flows::new(), &ai, "{}").await;
    assert_says(&spans[0], &[("error.type", "rate_limited")]);
    assert!(!spans[0].contains_key("gen_ai.response.model"));
    let failed = spans.iter().find(|span| span["gen_ai.operation.name"] == "execute_tool");
    assert_says(failed.unwrap(), &[("error.type", "unavailable")]);
}
