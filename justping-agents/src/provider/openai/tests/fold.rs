#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]
use justping_core::port::{
    AiError, ChatMessage, ChatRequest, ChatRole, FinishReason, ToolCall, ToolSpec, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::chat::ChatFold;
use super::super::config::TokenLimit;
use super::super::wire;
use super::fold;
use crate::provider::link::Fold as _;

fn chunk(delta: Value, finish: Option<&str>) -> String {
    let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    format!("data: {}\n\n", json!({"model": "m", "choices": choices}))
}

#[test]
fn text_is_joined_and_usage_comes_last() {
    let usage = json!({"choices": [], "usage": {
        "prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}
    }});
    let stream = [
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(json!({"content": "Hé"}), None),
        chunk(json!({"content": "llo"}), None),
        chunk(json!({}), Some("stop")),
        format!("data: {usage}\n\n"),
        "data: [DONE]\n\n".to_owned(),
        "data: not looked at\n\n".to_owned(),
    ]
    .concat();
    let (deltas, reply) = fold(&[stream.as_bytes()]);
    let reply = reply.unwrap();
    assert_eq!(deltas, ["Hé", "llo"]);
    assert_eq!((reply.text.as_str(), reply.finish), ("Héllo", FinishReason::Stop));
    assert_eq!(
        reply.usage,
        Usage { input_tokens: 5, output_tokens: 2, cached_tokens: 3, cache_write_tokens: 0 }
    );
    assert_eq!(reply.model.as_deref(), Some("m"));
}

#[test]
fn calls_are_put_together_by_index_or_by_id() {
    let part = |part: Value| chunk(json!({"tool_calls": [part]}), None);
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    let indexed = [
        part(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}})),
        part(json!({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}})),
        part(json!({"index": 0, "function": {"arguments": "{}"}})),
        part(json!({"index": 1, "function": {"arguments": "}"}})),
        chunk(json!({}), Some("tool_calls")),
    ]
    .concat();
    let reply = fold(&[indexed.as_bytes()]).1.unwrap();
    assert_eq!(reply.tool_calls, [call("a", "f", "{}"), call("b", "g", "{}")]);
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    let by_id = [
        part(json!({"id": "a", "function": {"name": "f", "arguments": "{"}})),
        part(json!({"function": {"arguments": "}"}})),
        part(json!({"id": "b", "function": {"name": "g", "arguments": "{}"}})),
        chunk(json!({}), Some("tool_calls")),
    ]
    .concat();
    let reply = fold(&[by_id.as_bytes()]).1.unwrap();
    assert_eq!(reply.tool_calls, [call("a", "f", "{}"), call("b", "g", "{}")]);
}

#[test]
fn a_cut_stream_is_malformed() {
    let text = chunk(json!({"content": "half"}), None);
    for stream in ["", ": ping\n\n", &text, &format!("{text}data: {{\"choi")] {
        let (_, reply) = fold(&[stream.as_bytes()]);
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{stream}: {reply:?}");
    }
    let stopped = chunk(json!({"content": "all"}), Some("stop"));
    assert_eq!(fold(&[stopped.as_bytes()]).1.unwrap().text, "all");
    let done = format!("{text}data: [DONE]");
    assert_eq!(fold(&[done.as_bytes()]).1.unwrap().finish, FinishReason::Other);
}

#[test]
fn an_error_in_the_middle_ends_the_answer() {
    let error = json!({"error": {"type": "server_error", "message": "overloaded"}});
    let stream = format!("{}data: {error}\n\n", chunk(json!({"content": "x"}), None));
    let (deltas, reply) = fold(&[stream.as_bytes()]);
    assert_eq!(deltas, ["x"]);
    assert!(matches!(reply, Err(AiError::Unavailable { .. })), "{reply:?}");
}

#[test]
fn a_refusal_is_the_text_of_a_filtered_answer() {
    let stream = [chunk(json!({"refusal": "I cannot."}), None), chunk(json!({}), Some("stop"))];
    let reply = fold(&[stream.concat().as_bytes()]).1.unwrap();
    assert_eq!((reply.text.as_str(), reply.finish), ("I cannot.", FinishReason::Filtered));
}

#[test]
fn requests_have_the_protocol_s_form() {
    let call =
        ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{\"a\":1}".to_owned() };
    let request = ChatRequest {
        model: None,
        messages: vec![
            ChatMessage::new(ChatRole::System, "be kind"),
            ChatMessage::new(ChatRole::User, "hi"),
            ChatMessage { tool_calls: vec![call], ..ChatMessage::new(ChatRole::Assistant, "") },
            ChatMessage {
                tool_call_id: Some("c".to_owned()),
                ..ChatMessage::new(ChatRole::Tool, "42")
            },
        ],
        tools: vec![ToolSpec {
            name: "f".to_owned(),
            description: "does".to_owned(),
            parameters: json!({"type": "object"}),
        }],
        response_schema: Some(json!({"type": "object", "additionalProperties": false})),
        max_output_tokens: Some(9),
        temperature: Some(0.5),
    };
    let expected = json!({
        "model": "standard",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}
            ]},
            {"role": "tool", "content": "42", "tool_call_id": "c"}
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "tools": [{"type": "function", "function": {
            "name": "f", "description": "does", "parameters": {"type": "object"}
        }}],
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "answer", "strict": true,
            "schema": {"type": "object", "additionalProperties": false}
        }},
        "max_completion_tokens": 9,
        "temperature": 0.5
    });
    assert_eq!(wire::chat_request(&request, "standard", TokenLimit::default()), expected);
    let older = wire::chat_request(&request, "standard", TokenLimit::MaxTokens);
    assert_eq!((&older["max_tokens"], &older["max_completion_tokens"]), (&json!(9), &Value::Null));
}

#[test]
fn embeddings_are_put_in_order_and_counted() {
    let body = json!({"data": [
        {"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}
    ], "usage": {"prompt_tokens": 7, "total_tokens": 7}});
    let body = body.to_string();
    let embedded = wire::embeddings(body.as_bytes(), 2).unwrap();
    assert_eq!((embedded.input_tokens, embedded.vectors), (7, vec![vec![1.0], vec![2.0]]));
    assert!(wire::embeddings(body.as_bytes(), 3).is_err());
    assert!(wire::embeddings(b"{}", 0).is_err());
}

proptest! {
    #[test]
    fn no_stream_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = fold(&[&bytes]);
    }

    #[test]
    fn no_chunk_panics(json in "\\{\"choices\":\\[\\{(\"(delta|message|index)\":(null|1|\\{(\"tool_calls\":(null|\\[\\{\\}\\]))?\\}),?){0,3}\\}\\]\\}") {
        let stream = format!("data: {json}\n\n");
        let _ = fold(&[stream.as_bytes()]);
        let _ = ChatFold::whole(json.as_bytes(), &mut |_| {});
    }
}
