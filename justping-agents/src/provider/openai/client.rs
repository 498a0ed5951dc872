//! Requests over HTTP.

use justping_core::port::{AiError, ChatReply, ChatRequest, OnDelta};
use justping_http::headers::AUTHORIZATION;
use justping_http::{ConfiguredUrl, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::chat::ChatFold;
use super::config::{OpenAiApi, OpenAiConfig, OpenAiConfigError};
use super::responses::{self, ResponseFold};
use super::{error, wire};
use crate::provider::link::{self, Link, Patience};

/// Most bytes of an answer with embeddings.
const EMBED_MAX_BYTES: usize = 128 * 1024 * 1024;

/// Sends requests to one server.
#[derive(Debug)]
pub(super) struct Client {
    link: Link,
    chat: ConfiguredUrl,
    responses: ConfiguredUrl,
    embeddings: ConfiguredUrl,
}

impl Client {
    pub(super) fn new(config: &OpenAiConfig) -> Result<Self, OpenAiConfigError> {
        if config.model.trim().is_empty() {
            return Err(OpenAiConfigError::Model);
        }
        let patience = Patience {
            connect: config.connect_timeout,
            idle: config.idle_timeout,
            total: config.timeout,
        };
        let bearer = config.api_key.as_ref().map(bearer).transpose()?;
        let headers = bearer.map(|value| (AUTHORIZATION, value)).into_iter().collect();
        let link = Link::new(patience, headers, error::of_status);
        let endpoint =
            |path| link::endpoint(&config.base_url, path).ok_or(OpenAiConfigError::BaseUrl);
        Ok(Self {
            link: link.map_err(OpenAiConfigError::Client)?,
            chat: endpoint("chat/completions")?,
            responses: endpoint("responses")?,
            embeddings: endpoint("embeddings")?,
        })
    }

    /// Asks for an answer and folds it while it arrives.
    pub(super) async fn chat(
        &self,
        config: &OpenAiConfig,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        match config.api {
            OpenAiApi::ChatCompletions => {
                let body = wire::chat_request(request, &config.model, config.token_limit);
                link::answer::<ChatFold>(self.link.post(&self.chat, &body).await?, on_delta).await
            }
            OpenAiApi::Responses => {
                let body = responses::request(request, &config.model);
                let response = self.link.post(&self.responses, &body).await?;
                link::answer::<ResponseFold>(response, on_delta).await
            }
        }
    }

    /// Asks for embeddings; gives the body of the answer.
    pub(super) async fn embed(&self, body: &wire::EmbedRequest<'_>) -> Result<Vec<u8>, AiError> {
        link::read(self.link.post(&self.embeddings, body).await?, EMBED_MAX_BYTES).await
    }
}

fn bearer(key: &SecretString) -> Result<HeaderValue, OpenAiConfigError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
        .map_err(|_| OpenAiConfigError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}
