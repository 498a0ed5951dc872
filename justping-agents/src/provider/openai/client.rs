//! Requests over HTTP.

use std::error::Error;
use std::time::Duration;

use justping_core::port::{AiError, ChatReply, OnDelta};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use secrecy::ExposeSecret;
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
    http: reqwest::Client,
    chat: Url,
    embeddings: Url,
}

impl Client {
    pub(super) fn new(config: &OpenAiConfig) -> Result<Self, OpenAiConfigError> {
        if config.model.trim().is_empty() {
            return Err(OpenAiConfigError::Model);
        }
        Ok(Self {
            http: http(config)?,
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

    async fn post(&self, url: &Url, body: &(impl Serialize + Sync)) -> Result<Response, AiError> {
        let request = self.http.post(url.clone()).json(body);
        let response = request.send().await.map_err(|error| unavailable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = wished(response.headers());
        let body = read(response, ERROR_MAX_BYTES).await.unwrap_or_default();
        Err(error::of_status(status.as_u16(), after, &body))
    }
}

/// The one HTTP client: no redirects, so that the key goes nowhere but where it belongs.
fn http(config: &OpenAiConfig) -> Result<reqwest::Client, OpenAiConfigError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = &config.api_key {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
            .map_err(|_| OpenAiConfigError::ApiKey)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    // The first provider installed in a process wins; whichever it is will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("justping/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.idle_timeout)
        .timeout(config.timeout)
        .redirect(Policy::none())
        .build()
        .map_err(|error| OpenAiConfigError::Client(root_cause(&error)))
}

fn endpoint(base: &str, path: &str) -> Result<Url, OpenAiConfigError> {
    let url = Url::parse(&format!("{}/{path}", base.trim().trim_end_matches('/')))
        .map_err(|_| OpenAiConfigError::BaseUrl)?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_web && url.query().is_none() { Ok(url) } else { Err(OpenAiConfigError::BaseUrl) }
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

async fn read(mut response: Response, max: usize) -> Result<Vec<u8>, AiError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|_| cut())? {
        if body.len() + piece.len() > max {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
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

fn unavailable(error: &reqwest::Error) -> AiError {
    let detail =
        if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(error) };
    AiError::Unavailable { after: None, detail }
}

/// The innermost error: it names the trouble and, unlike the outer ones, no address.
fn root_cause(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn cut() -> AiError {
    AiError::Malformed("the answer ended in its middle".to_owned())
}

fn too_long() -> AiError {
    AiError::Malformed("the answer is too long".to_owned())
}
