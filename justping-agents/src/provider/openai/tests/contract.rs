//! The provider keeps the contract of providers.

use std::sync::Arc;

use justping_core::conformance::AiSubject;
use justping_core::port::{ChatMessage, ChatRequest, ChatRole, ToolSpec};
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::{OpenAiConfig, OpenAiProvider};

fn stream(chunks: &[Value]) -> ResponseTemplate {
    let lines: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let body = format!("{lines}data: [DONE]\n\n");
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream")
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

fn request(model: &str, tools: Vec<ToolSpec>) -> ChatRequest {
    ChatRequest {
        model: Some(model.to_owned()),
        messages: vec![ChatMessage::new(ChatRole::User, "hi")],
        tools,
        response_schema: None,
        max_output_tokens: None,
        temperature: None,
    }
}

async fn subject() -> AiSubject {
    let server = MockServer::start().await;
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}});
    let text = stream(&[
        chunk(&json!({"role": "assistant", "content": ""}), None),
        chunk(&json!({"content": "Hello "}), None),
        chunk(&json!({"content": "you"}), None),
        chunk(&json!({}), Some("stop")),
        usage.clone(),
    ]);
    let begun = json!({"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}});
    let call = stream(&[
        chunk(&json!({"role": "assistant", "content": null, "tool_calls": [begun]}), None),
        chunk(&json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}), None),
        chunk(&json!({}), Some("tool_calls")),
        usage,
    ]);
    for (model, answer) in [("talks", text), ("calls", call)] {
        let body = body_partial_json(json!({"model": model}));
        Mock::given(path("/chat/completions")).and(body).respond_with(answer).mount(&server).await;
    }
    let data: Vec<Value> =
        (0..3).map(|index| json!({"index": index, "embedding": [0.5, 1]})).collect();
    let used = json!({"prompt_tokens": 3, "total_tokens": 3});
    let vectors = ResponseTemplate::new(200).set_body_json(json!({"data": data, "usage": used}));
    Mock::given(path("/embeddings")).respond_with(vectors).mount(&server).await;
    let tool = ToolSpec {
        name: "look".to_owned(),
        description: "Looks.".to_owned(),
        parameters: json!({"type": "object"}),
    };
    AiSubject {
        provider: Arc::new(
            OpenAiProvider::new(OpenAiConfig::new("k", "m").at(server.uri())).unwrap(),
        ),
        request: request("talks", Vec::new()),
        tool_request: request("calls", vec![tool]),
        embedding_model: "small".to_owned(),
        guard: Box::new(server),
    }
}

justping_core::ai_conformance!(async || subject().await);
