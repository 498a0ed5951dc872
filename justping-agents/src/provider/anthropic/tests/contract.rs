//! The provider keeps the contract of providers, except that it has no embeddings.

use std::sync::Arc;

use justping_core::conformance::{AiSubject, ai};
use justping_core::port::{AiError, ChatMessage, ChatRequest, ChatRole, Embedded, ToolSpec};
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::{AnthropicConfig, AnthropicProvider};

fn stream(blocks: &[Value], reason: &str) -> ResponseTemplate {
    let start = json!({"type": "message_start", "message": {
        "model": "m", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}
    }});
    let end = json!({
        "type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}
    });
    let events = [&[start][..], blocks, &[end, json!({"type": "message_stop"})]].concat();
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream; charset=utf-8")
}

fn request(model: &str, tools: Vec<ToolSpec>) -> ChatRequest {
    let messages = vec![ChatMessage::new(ChatRole::User, "hi")];
    ChatRequest { model: Some(model.to_owned()), messages, tools, ..ChatRequest::default() }
}

async fn subject() -> AiSubject {
    let server = MockServer::start().await;
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let begin =
        |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let text = [
        begin(json!({"type": "text", "text": ""})),
        json!({"type": "ping"}),
        delta(json!({"type": "text_delta", "text": "Hello "})),
        delta(json!({"type": "text_delta", "text": "you"})),
    ];
    let call = [
        begin(json!({"type": "tool_use", "id": "t1", "name": "look", "input": {}})),
        delta(json!({"type": "input_json_delta", "partial_json": ""})),
        delta(json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(json!({"type": "input_json_delta", "partial_json": "1}"})),
    ];
    for (model, answer) in
        [("talks", stream(&text, "end_turn")), ("calls", stream(&call, "tool_use"))]
    {
        let body = body_partial_json(json!({"model": model, "stream": true}));
        Mock::given(path("/messages")).and(body).respond_with(answer).mount(&server).await;
    }
    let tool = ToolSpec {
        name: "look".to_owned(),
        description: "Looks.".to_owned(),
        parameters: json!({"type": "object"}),
    };
    let config = AnthropicConfig::new("k", "m").at(server.uri());
    AiSubject {
        provider: Arc::new(AnthropicProvider::new(config).unwrap()),
        request: request("talks", Vec::new()),
        tool_request: request("calls", vec![tool]),
        embedding_model: "none".to_owned(),
        guard: Box::new(server),
    }
}

#[tokio::test]
async fn the_contract_of_providers_is_kept() {
    let subject = subject().await;
    ai::pieces_make_the_text(&subject).await;
    ai::provider_answers_again(&subject).await;
    ai::tools_are_called_by_name(&subject).await;
    ai::tokens_are_counted(&subject).await;
    ai::request_can_be_given_up(&subject).await;
}

#[tokio::test]
async fn there_are_no_embeddings() {
    let subject = subject().await;
    assert_eq!(subject.provider.embed("m", &[]).await, Ok(Embedded::default()));
    let refused = subject.provider.embed("m", &["a".to_owned()]).await;
    assert!(matches!(refused, Err(AiError::Rejected { code, .. }) if code == "unsupported"));
}
