//! Anthropic's Messages API.
//!
//! `config` what to talk to · `client` requests · `wire` pure mapping · `fold` pure folding of a
//! streamed answer · `error` what a failure means.

mod client;
mod config;
mod error;
mod fold;
#[cfg(test)]
mod tests;
mod wire;

use async_trait::async_trait;
use justping_core::port::{AiError, AiProvider, ChatReply, ChatRequest, Embedded, OnDelta};

use self::client::Client;
pub use self::config::{AnthropicConfig, AnthropicConfigError, PromptCache};

/// Talks to Anthropic's models.
///
/// Answers are streamed; a server that answers in one piece all the same is understood too. There
/// are no embeddings: [`embed`](AiProvider::embed) refuses with the code `unsupported`.
#[derive(Debug)]
pub struct AnthropicProvider {
    config: AnthropicConfig,
    client: Client,
}

impl AnthropicProvider {
    /// Checks the configuration; nothing is sent yet.
    ///
    /// # Errors
    /// [`AnthropicConfigError`] says what is wrong with it.
    pub fn new(config: AnthropicConfig) -> Result<Self, AnthropicConfigError> {
        let client = Client::new(&config)?;
        Ok(Self { config, client })
    }
}

#[async_trait]
impl AiProvider for AnthropicProvider {
    fn name(&self) -> &str {
        "anthropic"
    }

    fn models(&self, model: Option<&str>) -> Vec<String> {
        vec![model.unwrap_or(&self.config.model).to_owned()]
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        self.client.chat(&wire::request(request, &self.config), on_delta).await
    }

    async fn embed(&self, _: &str, texts: &[String]) -> Result<Embedded, AiError> {
        if texts.is_empty() {
            return Ok(Embedded::default());
        }
        let reason = "the provider has no embeddings".to_owned();
        Err(AiError::Rejected { code: "unsupported".to_owned(), reason })
    }
}
