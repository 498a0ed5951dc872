//! What is traced, in the names of OpenTelemetry's conventions for generative AI.
//!
//! The conventions are still in development; all of their names are in this file. Written against
//! the attributes of semantic conventions 1.41 (`gen_ai.*`). What is said is only recorded where
//! the process asks for it. Finish reasons are a list there, which a field of a span cannot be: there
//! is one, as a text.

use justping_core::port::{ChatReply, ChatRequest, FinishReason, PerformContext, ToolSpec};
use tracing::{Span, field, info_span};

/// A model is asked.
pub(super) fn chat(provider: &str, request: &ChatRequest, cx: &PerformContext<'_>) -> Span {
    let span = info_span!(
        "chat",
        otel.name = field::Empty,
        otel.kind = "client",
        "gen_ai.operation.name" = "chat",
        "gen_ai.provider.name" = provider,
        "gen_ai.conversation.id" = %cx.scope.conversation_id,
        "gen_ai.request.model" = field::Empty,
        "gen_ai.request.max_tokens" = field::Empty,
        "gen_ai.request.temperature" = field::Empty,
        "gen_ai.agent.id" = field::Empty,
        "gen_ai.response.model" = field::Empty,
        "gen_ai.response.finish_reasons" = field::Empty,
        "gen_ai.usage.input_tokens" = field::Empty,
        "gen_ai.usage.output_tokens" = field::Empty,
        "gen_ai.usage.cache_read.input_tokens" = field::Empty,
        "gen_ai.usage.cache_creation.input_tokens" = field::Empty,
        "gen_ai.input.messages" = field::Empty,
        "gen_ai.output.messages" = field::Empty,
        "justping.prompt" = field::Empty,
        "error.type" = field::Empty,
    );
    match &request.model {
        Some(model) => {
            span.record("otel.name", format_args!("chat {model}"));
            span.record("gen_ai.request.model", model.as_str());
        }
        None => drop(span.record("otel.name", "chat")),
    }
    if let Some(tokens) = request.max_output_tokens {
        span.record("gen_ai.request.max_tokens", tokens);
    }
    if let Some(temperature) = request.temperature {
        span.record("gen_ai.request.temperature", temperature);
    }
    span
}

/// For which agent, and by which of its prompts.
pub(super) fn agent(span: &Span, agent: Option<impl std::fmt::Display>, prompt: Option<&str>) {
    if let Some(agent) = agent {
        span.record("gen_ai.agent.id", field::display(agent));
    }
    if let Some(prompt) = prompt {
        span.record("justping.prompt", prompt);
    }
}

/// It answered.
pub(super) fn answered(span: &Span, reply: &ChatReply) {
    if let Some(model) = &reply.model {
        span.record("gen_ai.response.model", model.as_str());
    }
    span.record("gen_ai.response.finish_reasons", reason(reply.finish));
    span.record("gen_ai.usage.input_tokens", reply.usage.input_tokens);
    span.record("gen_ai.usage.output_tokens", reply.usage.output_tokens);
    span.record("gen_ai.usage.cache_read.input_tokens", reply.usage.cached_tokens);
    span.record("gen_ai.usage.cache_creation.input_tokens", reply.usage.cache_write_tokens);
}

/// What was said, as the provider saw it.
pub(super) fn said(span: &Span, request: &ChatRequest, reply: Option<&ChatReply>) {
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    span.record("gen_ai.input.messages", json(serde_json::to_string(&request.messages)));
    if let Some(reply) = reply {
        span.record("gen_ai.output.messages", json(serde_json::to_string(reply)));
    }
}

/// A tool is called.
pub(super) fn tool(spec: &ToolSpec, cx: &PerformContext<'_>) -> Span {
    let ToolSpec { name, description, .. } = spec;
    info_span!(
        "execute_tool",
        otel.name = format_args!("execute_tool {name}"),
        otel.kind = "internal",
        "gen_ai.operation.name" = "execute_tool",
        "gen_ai.tool.name" = name.as_str(),
        "gen_ai.tool.description" = description.as_str(),
        "gen_ai.tool.type" = "function",
        "gen_ai.tool.call.id" = %cx.scope.call_id,
        "gen_ai.conversation.id" = %cx.scope.conversation_id,
        "gen_ai.tool.call.arguments" = field::Empty,
        "gen_ai.tool.call.result" = field::Empty,
        "error.type" = field::Empty,
    )
}

/// With which arguments.
pub(super) fn tool_arguments(span: &Span, arguments: &str) {
    span.record("gen_ai.tool.call.arguments", arguments);
}

/// With which result.
pub(super) fn tool_result(span: &Span, result: &str) {
    span.record("gen_ai.tool.call.result", result);
}

/// It failed.
pub(super) fn failed(span: &Span, code: &str) {
    span.record("error.type", code);
}

fn reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Filtered => "content_filter",
        FinishReason::Other => "other",
    }
}
