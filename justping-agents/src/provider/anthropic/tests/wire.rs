use justping_core::port::{ChatMessage, ChatRequest, ChatRole, ToolCall, ToolSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::fold::MessageFold;
use super::super::wire;
use super::super::{AnthropicConfig, PromptCache};
use crate::provider::recorded::fold;

fn body(request: &ChatRequest, prompt_cache: PromptCache) -> Value {
    let config = AnthropicConfig { prompt_cache, ..AnthropicConfig::new("k", "standard") };
    wire::request(request, &config)
}

fn call() -> ChatMessage {
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: "look".to_owned(),
        arguments: arguments.to_owned(),
    };
    let tool_calls = vec![call("t1", "{\"a\":1}"), call("t2", "not JSON")];
    ChatMessage { tool_calls, ..ChatMessage::new(ChatRole::Assistant, "") }
}

fn result(id: &str) -> ChatMessage {
    let tool_call_id = Some(id.to_owned());
    ChatMessage { tool_call_id, ..ChatMessage::new(ChatRole::Tool, "found") }
}

#[test]
fn a_chat_with_tools_is_said_in_turns() {
    let request = ChatRequest {
        messages: vec![
            ChatMessage::new(ChatRole::System, "Be kind."),
            ChatMessage::new(ChatRole::User, "one"),
            ChatMessage::new(ChatRole::User, "two"),
            call(),
            result("t1"),
            result("t2"),
        ],
        tools: vec![ToolSpec {
            name: "look".to_owned(),
            description: "Looks.".to_owned(),
            parameters: json!({"type": "object"}),
        }],
        response_schema: Some(json!({"type": "object"})),
        temperature: Some(1.5),
        ..ChatRequest::default()
    };
    let body = body(&request, PromptCache::Instructions);
    let text = |text: &str| json!({"type": "text", "text": text});
    let used = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "look", "input": input});
    let told = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "found"});
    let expected = json!({
        "model": "standard", "max_tokens": 4096, "stream": true, "temperature": 1.0,
        "system": [{
            "type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}
        }],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "messages": [
            {"role": "user", "content": [text("one"), text("two")]},
            {"role": "assistant", "content": [used("t1", json!({"a": 1})), used("t2", json!({}))]},
            {"role": "user", "content": [told("t1"), told("t2")]}
        ]
    });
    assert_eq!(body, expected);
}

#[test]
fn the_contact_speaks_first_and_nobody_says_nothing() {
    let messages = vec![
        ChatMessage::new(ChatRole::Assistant, "Welcome!"),
        ChatMessage::new(ChatRole::User, " "),
    ];
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let body = body(&request, PromptCache::Off);
    let said =
        |role: &str, text: &str| json!({"role": role, "content": [{"type": "text", "text": text}]});
    let turns = json!([said("user", "…"), said("assistant", "Welcome!"), said("user", "…")]);
    assert_eq!(body["messages"], turns);
    assert!(!body.to_string().contains("cache_control"));
}

#[test]
fn a_long_talk_can_be_kept_as_a_whole() {
    let messages = vec![ChatMessage::new(ChatRole::User, "hi")];
    let request = ChatRequest { messages, ..ChatRequest::default() };
    let body = body(&request, PromptCache::Chat);
    assert_eq!(body["messages"][0]["content"][0]["cache_control"]["type"], "ephemeral");
}

proptest! {
    /// Whatever comes in whatever pieces: a reply or an error, the same for every cut.
    #[test]
    fn folding_is_total(
        lines in prop::collection::vec(prop::sample::select(vec![
            r#"{"type":"message_start","message":{"usage":{"input_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"é"}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"b"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"😀"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
            r#"{"type":"content_block_delta","index":9,"delta":null}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            r#"{"type":"message_stop"}"#,
            r#"{"type":"error"}"#,
            r#"{"type":7}"#,
            "not JSON",
        ]), 0..12),
        size in 1_usize..20,
    ) {
        let stream: String = lines.iter().map(|line| format!("data: {line}\n\n")).collect();
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
        let whole = fold::<MessageFold>(&[stream.as_bytes()]);
        prop_assert_eq!(&fold::<MessageFold>(&pieces), &whole);
        if let (deltas, Ok(reply)) = whole {
            prop_assert_eq!(deltas.concat(), reply.text);
        }
    }
}
