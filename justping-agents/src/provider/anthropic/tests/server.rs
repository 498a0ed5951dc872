use std::time::Duration;

use justping_core::port::{AiError, AiProvider, ChatMessage, ChatReply, ChatRequest, ChatRole};
use serde_json::json;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::{AnthropicConfig, AnthropicConfigError, AnthropicProvider};

async fn answer(template: ResponseTemplate) -> (String, Result<ChatReply, AiError>) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v1/messages"))
        .and(header("x-api-key", "sk-ant"))
        .and(header("anthropic-version", "2023-06-01"))
        .respond_with(template)
        .expect(1)
        .mount(&server)
        .await;
    let config = AnthropicConfig::new("sk-ant", "standard").at(format!("{}/v1/", server.uri()));
    let request = ChatRequest {
        messages: vec![ChatMessage::new(ChatRole::User, "hi")],
        ..ChatRequest::default()
    };
    let mut text = String::new();
    let provider = AnthropicProvider::new(config).unwrap();
    let reply = provider.chat(&request, &mut |delta| text.push_str(delta)).await;
    (text, reply)
}

fn error(status: u16, kind: &str, message: &str) -> ResponseTemplate {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    ResponseTemplate::new(status).set_body_json(body)
}

#[tokio::test]
async fn an_answer_in_one_piece_is_understood() {
    let body = json!({
        "model": "m", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1}
    });
    let (text, reply) = answer(ResponseTemplate::new(200).set_body_json(body)).await;
    assert_eq!((text.as_str(), reply.unwrap().text.as_str()), ("Hello", "Hello"));
}

#[tokio::test]
async fn failures_have_meanings() {
    let of = async |template| answer(template).await.1.unwrap_err();
    assert_eq!(of(error(401, "authentication_error", "")).await, AiError::Unauthorized);
    assert_eq!(of(error(403, "permission_error", "")).await, AiError::Unauthorized);
    assert_eq!(of(error(413, "request_too_large", "")).await, AiError::TooLong);
    let long = "prompt is too long: 250000 tokens > 200000 maximum";
    assert_eq!(of(error(400, "invalid_request_error", long)).await, AiError::TooLong);
    assert_eq!(of(error(400, "invalid_request_error", "no")).await.code(), "rejected");
    let after = Some(Duration::from_secs(12));
    let limited = error(429, "rate_limit_error", "").insert_header("retry-after", "12");
    assert_eq!(of(limited).await, AiError::RateLimited { after });
    let detail = "status 529".to_owned();
    let overloaded = error(529, "overloaded_error", "Overloaded");
    assert_eq!(of(overloaded).await, AiError::Unavailable { after: None, detail });
    let html = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    assert_eq!(of(html).await.code(), "malformed");
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let problem = |config: AnthropicConfig| AnthropicProvider::new(config).err();
    let good = || AnthropicConfig::new("k", "m");
    assert_eq!(problem(good()), None);
    for url in ["", "api.anthropic.com", "ftp://x/", "https://x/?a=b"] {
        assert_eq!(problem(good().at(url)), Some(AnthropicConfigError::BaseUrl), "{url}");
    }
    assert_eq!(problem(AnthropicConfig::new("a\nb", "m")), Some(AnthropicConfigError::ApiKey));
    assert_eq!(problem(AnthropicConfig::new("k", " ")), Some(AnthropicConfigError::Model));
    let provider = AnthropicProvider::new(AnthropicConfig::new("sk-1", "m"));
    assert!(!format!("{provider:?}").contains("sk-1"));
}
