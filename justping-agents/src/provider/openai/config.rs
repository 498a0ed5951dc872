//! What to talk to.

use std::time::Duration;

use secrecy::SecretString;

/// Where OpenAI's own server is.
const OPENAI_URL: &str = "https://api.openai.com/v1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(300);

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// What the paths `/chat/completions`, `/responses` and `/embeddings` are added to, such as
    /// `https://api.openai.com/v1`.
    pub base_url: String,
    /// Sent as a bearer token; `None` for servers that ask for none.
    pub api_key: Option<SecretString>,
    /// The model of requests that name none.
    pub model: String,
    /// Which of its APIs answers chats.
    pub api: OpenAiApi,
    /// How a limit on the answer's tokens is said; the responses API has one way only.
    pub token_limit: TokenLimit,
    /// Longest time for a connection to open.
    pub connect_timeout: Duration,
    /// Longest silence of the server.
    pub idle_timeout: Duration,
    /// Longest time for a whole answer.
    pub timeout: Duration,
}

impl OpenAiConfig {
    /// OpenAI's own server.
    pub fn new(api_key: impl Into<SecretString>, model: impl Into<String>) -> Self {
        Self {
            base_url: OPENAI_URL.to_owned(),
            api_key: Some(api_key.into()),
            model: model.into(),
            api: OpenAiApi::default(),
            token_limit: TokenLimit::default(),
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            timeout: TOTAL_TIMEOUT,
        }
    }

    /// Another server that speaks the same protocol.
    #[must_use]
    pub fn at(self, base_url: impl Into<String>) -> Self {
        Self { base_url: base_url.into(), ..self }
    }
}

/// An API that answers chats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OpenAiApi {
    /// `/chat/completions`, which every compatible server has.
    #[default]
    ChatCompletions,
    /// `/responses`, OpenAI's newer one.
    Responses,
}

/// The member of a request that limits the answer's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenLimit {
    /// `max_completion_tokens`, which OpenAI's newer models insist on.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`, the only one many compatible servers know.
    MaxTokens,
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenAiConfigError {
    /// The base address is not a web address.
    #[error("the base address is not a web address")]
    BaseUrl,
    /// The key holds characters that no header may hold.
    #[error("the key is not one")]
    ApiKey,
    /// No model is named.
    #[error("a default model is needed")]
    Model,
    /// The HTTP client does not start.
    #[error("the client does not start: {0}")]
    Client(String),
}
