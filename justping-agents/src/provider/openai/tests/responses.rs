//! The responses API on a server that plays it.

use std::sync::Arc;

use justping_core::conformance::AiSubject;
use justping_core::port::{ChatMessage, ChatRequest, ChatRole, ToolCall, ToolSpec};
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::responses;
use super::super::{OpenAiApi, OpenAiConfig, OpenAiProvider};

fn stream(events: &[Value]) -> ResponseTemplate {
    let usage = json!({"input_tokens": 3, "output_tokens": 2});
    let end = json!({"type": "response.completed", "response": {
        "status": "completed", "model": "m", "usage": usage, "error": null
    }});
    let body: String =
        events.iter().chain([&end]).map(|event| format!("data: {event}\n\n")).collect();
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream; charset=utf-8")
}

fn look() -> ToolSpec {
    ToolSpec {
        name: "look".to_owned(),
        description: "Looks.".to_owned(),
        parameters: json!({"type": "object"}),
    }
}

fn request(model: &str, tools: Vec<ToolSpec>) -> ChatRequest {
    let messages = vec![ChatMessage::new(ChatRole::User, "hi")];
    ChatRequest { model: Some(model.to_owned()), messages, tools, ..ChatRequest::default() }
}

async fn subject() -> AiSubject {
    let server = MockServer::start().await;
    let text = |text: &str| json!({"type": "response.output_text.delta", "delta": text});
    let talk = stream(&[text("Hello "), text("you")]);
    let item = json!({"type": "function_call", "call_id": "c1", "name": "look", "arguments": ""});
    let call = stream(&[
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({
            "type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"
        }),
        json!({
            "type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{}"
        }),
    ]);
    for (model, answer) in [("talks", talk), ("calls", call)] {
        let body = body_partial_json(json!({"model": model, "stream": true, "store": false}));
        Mock::given(path("/responses")).and(body).respond_with(answer).mount(&server).await;
    }
    let data: Vec<Value> =
        (0..3).map(|index| json!({"index": index, "embedding": [0.5, 1]})).collect();
    let used = json!({"prompt_tokens": 3, "total_tokens": 3});
    let vectors = ResponseTemplate::new(200).set_body_json(json!({"data": data, "usage": used}));
    Mock::given(path("/embeddings")).respond_with(vectors).mount(&server).await;
    let config =
        OpenAiConfig { api: OpenAiApi::Responses, ..OpenAiConfig::new("k", "m").at(server.uri()) };
    AiSubject {
        provider: Arc::new(OpenAiProvider::new(config).unwrap()),
        request: request("talks", Vec::new()),
        tool_request: request("calls", vec![look()]),
        embedding_model: "small".to_owned(),
        guard: Box::new(server),
    }
}

mod contract {
    justping_core::ai_conformance!(async || super::subject().await);
}

#[test]
fn a_chat_with_tools_is_said_in_items() {
    let call = ToolCall { id: "c1".into(), name: "look".into(), arguments: "{\"a\":1}".to_owned() };
    let asked =
        ChatMessage { tool_calls: vec![call], ..ChatMessage::new(ChatRole::Assistant, "wait") };
    let told = ChatMessage {
        tool_call_id: Some("c1".to_owned()),
        ..ChatMessage::new(ChatRole::Tool, "found")
    };
    let closed = json!({
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false
    });
    let request = ChatRequest {
        messages: vec![
            ChatMessage::new(ChatRole::System, "Be kind."),
            ChatMessage::new(ChatRole::User, "hi"),
            asked,
            told,
        ],
        tools: vec![look()],
        response_schema: Some(closed.clone()),
        max_output_tokens: Some(1),
        temperature: Some(0.5),
        ..ChatRequest::default()
    };
    let format = json!({"type": "json_schema", "name": "answer", "schema": closed, "strict": true});
    let expected = json!({
        "model": "standard", "stream": true, "store": false, "temperature": 0.5,
        "max_output_tokens": 16,
        "text": {"format": format},
        "tools": [{
            "type": "function", "name": "look", "description": "Looks.",
            "parameters": {"type": "object"}, "strict": false
        }],
        "input": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "wait"},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"a\":1}"},
            {"type": "function_call_output", "call_id": "c1", "output": "found"}
        ]
    });
    assert_eq!(responses::request(&request, "standard"), expected);
    let open = ChatRequest { response_schema: Some(json!({"type": "object"})), ..request };
    let body = responses::request(&open, "standard");
    assert_eq!(body["text"]["format"]["strict"], false);
}
