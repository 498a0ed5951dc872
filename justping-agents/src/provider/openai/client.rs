//! Requests over HTTP.

use std::time::Duration;

use justping_core::port::{AiError, ChatReply, OnDelta};
use justping_http::headers::{AUTHORIZATION, CONTENT_TYPE};
use justping_http::{
    ConfiguredClient, ConfiguredOptions, ConfiguredUrl, HeaderMap, HeaderValue, HttpError, Method,
    Response,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use super::chat::ChatFold;
use super::config::{OpenAiConfig, OpenAiConfigError};
use super::sse::EventReader;
use super::{error, wire};

/// Most bytes of a whole answer, streamed or not.
const CHAT_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes of an answer with embeddings.
const EMBED_MAX_BYTES: usize = 128 * 1024 * 1024;
/// Most bytes of an answer that reports an error.
const ERROR_MAX_BYTES: usize = 64 * 1024;

/// Sends requests to one server.
#[derive(Debug)]
pub(super) struct Client {
    http: ConfiguredClient,
    authorization: Option<HeaderValue>,
    chat: ConfiguredUrl,
    embeddings: ConfiguredUrl,
}

impl Client {
    pub(super) fn new(config: &OpenAiConfig) -> Result<Self, OpenAiConfigError> {
        if config.model.trim().is_empty() {
            return Err(OpenAiConfigError::Model);
        }
        Ok(Self {
            http: http(config)?,
            authorization: config.api_key.as_ref().map(bearer).transpose()?,
            chat: endpoint(&config.base_url, "chat/completions")?,
            embeddings: endpoint(&config.base_url, "embeddings")?,
        })
    }

    /// Asks for an answer and folds it while it arrives.
    pub(super) async fn chat(
        &self,
        body: &Value,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        let response = self.post(&self.chat, body).await?;
        // A server may ignore the wish for a stream.
        if is_json(&response) {
            let body = read(response, CHAT_MAX_BYTES).await?;
            return wire::whole(&body, &mut |text| on_delta(text));
        }
        stream(response, on_delta).await
    }

    /// Asks for embeddings; gives the body of the answer.
    pub(super) async fn embed(&self, body: &wire::EmbedRequest<'_>) -> Result<Vec<u8>, AiError> {
        let response = self.post(&self.embeddings, body).await?;
        read(response, EMBED_MAX_BYTES).await
    }

    async fn post(
        &self,
        url: &ConfiguredUrl,
        body: &(impl Serialize + Sync),
    ) -> Result<Response, AiError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| AiError::Malformed(format!("the request is not JSON: {error}")))?;
        let mut request = self.http.request(Method::Post, url).json(body);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let after = wished(response.headers());
        let body = response.read(ERROR_MAX_BYTES).await.unwrap_or_default();
        Err(error::of_status(status, after, &body))
    }
}

fn http(config: &OpenAiConfig) -> Result<ConfiguredClient, OpenAiConfigError> {
    let options = ConfiguredOptions {
        connect_timeout: Some(config.connect_timeout),
        idle_timeout: Some(config.idle_timeout),
        timeout: Some(config.timeout),
        ..ConfiguredOptions::default()
    };
    ConfiguredClient::new(&options).map_err(|error| OpenAiConfigError::Client(error.detail))
}

fn bearer(key: &SecretString) -> Result<HeaderValue, OpenAiConfigError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
        .map_err(|_| OpenAiConfigError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}

fn endpoint(base: &str, path: &str) -> Result<ConfiguredUrl, OpenAiConfigError> {
    ConfiguredUrl::parse(&format!("{}/{path}", base.trim().trim_end_matches('/')))
        .ok()
        .filter(|url| url.url().query().is_none())
        .ok_or(OpenAiConfigError::BaseUrl)
}

async fn stream(mut response: Response, on_delta: &mut OnDelta<'_>) -> Result<ChatReply, AiError> {
    let mut reader = EventReader::default();
    let mut fold = ChatFold::default();
    let mut left = CHAT_MAX_BYTES;
    // A server may keep the connection open behind the last event.
    while !fold.is_done() {
        let Some(piece) = response.chunk().await.map_err(|_| cut())? else { break };
        left = left.checked_sub(piece.len()).ok_or_else(too_long)?;
        reader.push(&piece, &mut |data| fold.event(data, &mut |text| on_delta(text)))?;
    }
    reader.finish(&mut |data| fold.event(data, &mut |text| on_delta(text)))?;
    fold.finish()
}

async fn read(response: Response, max: usize) -> Result<Vec<u8>, AiError> {
    response.read(max).await.map_err(|error| match error {
        HttpError::TooLarge => too_long(),
        _ => cut(),
    })
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"))
}

/// The wait that the provider wishes for: in milliseconds by its own header, else in seconds.
fn wished(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"));
    Duration::try_from_secs_f64(seconds?).ok()
}

fn unavailable(error: HttpError) -> AiError {
    let detail = match error {
        HttpError::Connect { detail } | HttpError::Broken { detail } => detail,
        other => other.to_string(),
    };
    AiError::Unavailable { after: None, detail }
}

fn cut() -> AiError {
    AiError::Malformed("the answer ended in its middle".to_owned())
}

fn too_long() -> AiError {
    AiError::Malformed("the answer is too long".to_owned())
}
