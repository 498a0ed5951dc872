use std::time::Duration;

use justping_core::port::{
    AiError, AiProvider, ChatMessage, ChatReply, ChatRequest, ChatRole, Embedded,
};
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::{OpenAiConfig, OpenAiConfigError, OpenAiProvider};

fn provider(server: &MockServer) -> OpenAiProvider {
    let config = OpenAiConfig::new("sk-secret", "standard").at(format!("{}/v1/", server.uri()));
    OpenAiProvider::new(config).unwrap()
}

fn request() -> ChatRequest {
    ChatRequest {
        model: None,
        messages: vec![ChatMessage::new(ChatRole::User, "hi")],
        tools: Vec::new(),
        response_schema: None,
        max_output_tokens: None,
        temperature: None,
    }
}

async fn answer(template: ResponseTemplate) -> (String, Result<ChatReply, AiError>) {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .and(header("authorization", "Bearer sk-secret"))
        .and(body_partial_json(json!({"model": "standard", "stream": true})))
        .respond_with(template)
        .expect(1)
        .mount(&server)
        .await;
    let mut text = String::new();
    let reply = provider(&server).chat(&request(), &mut |delta| text.push_str(delta)).await;
    (text, reply)
}

const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\
    \"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn stream(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream; charset=utf-8")
}

#[tokio::test]
async fn answers_are_read_streamed_or_whole() {
    let (text, reply) = answer(stream(STREAM)).await;
    assert_eq!((text.as_str(), reply.unwrap().text.as_str()), ("Hello", "Hello"));
    let message = json!({"role": "assistant", "content": "Hello"});
    let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let (text, reply) = answer(ResponseTemplate::new(200).set_body_json(body)).await;
    assert_eq!((text.as_str(), reply.unwrap().text.as_str()), ("Hello", "Hello"));
}

#[tokio::test]
async fn failures_have_meanings() {
    let error = |status: u16, code: &str| {
        let body = json!({"error": {"code": code, "message": "m"}});
        ResponseTemplate::new(status).set_body_json(body)
    };
    assert_eq!(answer(error(401, "x")).await.1, Err(AiError::Unauthorized));
    assert_eq!(answer(error(400, "context_length_exceeded")).await.1, Err(AiError::TooLong));
    let after = Some(Duration::from_millis(1_500));
    let limited = error(429, "rate_limit_exceeded").insert_header("retry-after-ms", "1500");
    assert_eq!(answer(limited).await.1, Err(AiError::RateLimited { after }));
    let after = Some(Duration::from_secs(3));
    let down = error(503, "x").insert_header("Retry-After", "3");
    let detail = "status 503".to_owned();
    assert_eq!(answer(down).await.1, Err(AiError::Unavailable { after, detail }));
}

#[tokio::test]
async fn what_is_no_answer_is_malformed() {
    let html = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    let empty = ResponseTemplate::new(200).set_body_json(json!({}));
    let none = ResponseTemplate::new(200).set_body_json(json!({"choices": []}));
    let cut = STREAM.split("data: [DONE]").next().unwrap().replace("\"stop\"", "null");
    for template in [html, empty, none, stream(&cut)] {
        let reply = answer(template).await.1;
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{reply:?}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let template = ResponseTemplate::new(307).insert_header("Location", "http://127.0.0.1:9/");
    assert!(matches!(answer(template).await.1, Err(AiError::Rejected { .. })));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let server = MockServer::start().await;
    let provider = provider(&server);
    drop(server);
    let closed = OpenAiConfig::new("k", "m").at("http://127.0.0.1:9/v1");
    let reply = OpenAiProvider::new(closed).unwrap().chat(&request(), &mut |_| {}).await;
    assert!(matches!(reply, Err(AiError::Unavailable { .. })), "{reply:?}");
    drop(provider);
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = MockServer::start().await;
    let slow = stream(STREAM).set_delay(Duration::from_secs(60));
    Mock::given(method("POST")).respond_with(slow).mount(&server).await;
    let config = OpenAiConfig {
        idle_timeout: Duration::from_millis(50),
        ..OpenAiConfig::new("k", "m").at(server.uri())
    };
    let reply = OpenAiProvider::new(config).unwrap().chat(&request(), &mut |_| {}).await;
    let detail = "no answer in time".to_owned();
    assert_eq!(reply, Err(AiError::Unavailable { after: None, detail }));
}

#[tokio::test]
async fn embeddings_come_in_the_order_of_the_texts() {
    let server = MockServer::start().await;
    let data: Vec<Value> =
        (0..2).rev().map(|n| json!({"index": n, "embedding": [f64::from(n)]})).collect();
    Mock::given(path("/v1/embeddings"))
        .and(body_partial_json(json!({"model": "small", "input": ["a", "b"]})))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"data": data})))
        .mount(&server)
        .await;
    let provider = provider(&server);
    let texts = ["a".to_owned(), "b".to_owned()];
    assert_eq!(provider.embed("small", &texts).await.unwrap().vectors, [[0.0], [1.0]]);
    assert_eq!(provider.embed("small", &[]).await.unwrap(), Embedded::default());
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let problem = |config: OpenAiConfig| OpenAiProvider::new(config).err();
    let good = || OpenAiConfig::new("k", "m");
    assert_eq!(problem(good()), None);
    assert_eq!(problem(OpenAiConfig { api_key: None, ..good() }), None);
    for url in ["", "api.openai.com", "ftp://x/", "https://x/?a=b"] {
        assert_eq!(problem(good().at(url)), Some(OpenAiConfigError::BaseUrl), "{url}");
    }
    assert_eq!(problem(OpenAiConfig::new("a\nb", "m")), Some(OpenAiConfigError::ApiKey));
    assert_eq!(problem(OpenAiConfig::new("k", " ")), Some(OpenAiConfigError::Model));
    assert!(!format!("{:?}", OpenAiProvider::new(OpenAiConfig::new("sk-1", "m"))).contains("sk-1"));
}
