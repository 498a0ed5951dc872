//! Servers that speak OpenAI's chat completions or responses: OpenAI itself and the many that are
//! compatible.
//!
//! `config` what to talk to · `client` requests · `wire` pure mapping · `chat` and `responses` pure
//! folding of a streamed answer · `error` what a failure means.

mod chat;
mod client;
mod config;
mod error;
mod responses;
#[cfg(test)]
mod tests;
mod wire;

use async_trait::async_trait;
use justping_core::port::{AiError, AiProvider, ChatReply, ChatRequest, Embedded, OnDelta};

use self::client::Client;
pub use self::config::{OpenAiApi, OpenAiConfig, OpenAiConfigError, TokenLimit};

/// Most texts of one embedding request.
pub const EMBED_TEXTS_MAX: usize = 2_048;

/// Talks to an OpenAI-compatible server.
///
/// Answers are streamed; a server that answers in one piece all the same is understood too.
#[derive(Debug)]
pub struct OpenAiProvider {
    config: OpenAiConfig,
    client: Client,
}

impl OpenAiProvider {
    /// Checks the configuration; nothing is sent yet.
    ///
    /// # Errors
    /// [`OpenAiConfigError`] says what is wrong with it.
    pub fn new(config: OpenAiConfig) -> Result<Self, OpenAiConfigError> {
        let client = Client::new(&config)?;
        Ok(Self { config, client })
    }
}

#[async_trait]
impl AiProvider for OpenAiProvider {
    fn name(&self) -> &str {
        "openai"
    }

    fn models(&self, model: Option<&str>) -> Vec<String> {
        vec![model.unwrap_or(&self.config.model).to_owned()]
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        self.client.chat(&self.config, request, on_delta).await
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embedded, AiError> {
        if texts.is_empty() {
            return Ok(Embedded::default());
        }
        if texts.len() > EMBED_TEXTS_MAX {
            return Err(AiError::TooLong);
        }
        let body = wire::EmbedRequest { model, input: texts, encoding_format: "float" };
        let answer = self.client.embed(&body).await?;
        wire::embeddings(&answer, texts.len())
    }
}
