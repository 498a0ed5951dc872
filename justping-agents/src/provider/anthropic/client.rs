//! Requests over HTTP.

use justping_core::port::{AiError, ChatReply, OnDelta};
use justping_http::{ConfiguredUrl, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::config::{AnthropicConfig, AnthropicConfigError};
use super::error;
use super::fold::MessageFold;
use crate::provider::link::{self, Link, Patience};

/// The version of the API that is spoken.
const VERSION: &str = "2023-06-01";

/// Sends requests to one server.
#[derive(Debug)]
pub(super) struct Client {
    link: Link,
    messages: ConfiguredUrl,
}

impl Client {
    pub(super) fn new(config: &AnthropicConfig) -> Result<Self, AnthropicConfigError> {
        if config.model.trim().is_empty() {
            return Err(AnthropicConfigError::Model);
        }
        let mut key = HeaderValue::from_str(config.api_key.expose_secret())
            .map_err(|_| AnthropicConfigError::ApiKey)?;
        key.set_sensitive(true);
        let headers = vec![
            (HeaderName::from_static("x-api-key"), key),
            (HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION)),
        ];
        let patience = Patience {
            connect: config.connect_timeout,
            idle: config.idle_timeout,
            total: config.timeout,
        };
        let link = Link::new(patience, headers, error::of_status);
        let messages = link::endpoint(&config.base_url, "messages");
        Ok(Self {
            link: link.map_err(AnthropicConfigError::Client)?,
            messages: messages.ok_or(AnthropicConfigError::BaseUrl)?,
        })
    }

    /// Asks for an answer and folds it while it arrives.
    pub(super) async fn chat(
        &self,
        body: &Value,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        let response = self.link.post(&self.messages, body).await?;
        link::answer::<MessageFold>(response, on_delta).await
    }
}
