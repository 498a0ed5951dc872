//! What to talk to.

use std::time::Duration;

use secrecy::SecretString;

/// Where Anthropic's own server is.
const ANTHROPIC_URL: &str = "https://api.anthropic.com/v1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(300);
/// Most tokens of an answer unless a request says otherwise; the API wants a number.
const OUTPUT_TOKENS: u32 = 4_096;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct AnthropicConfig {
    /// What the path `/messages` is added to, such as `https://api.anthropic.com/v1`.
    pub base_url: String,
    /// Sent as `x-api-key`.
    pub api_key: SecretString,
    /// The model of requests that name none.
    pub model: String,
    /// Most tokens of answers to requests that set no limit.
    pub max_output_tokens: u32,
    /// What the provider may keep for the next request.
    pub prompt_cache: PromptCache,
    /// Longest time for a connection to open.
    pub connect_timeout: Duration,
    /// Longest silence of the server.
    pub idle_timeout: Duration,
    /// Longest time for a whole answer.
    pub timeout: Duration,
}

impl AnthropicConfig {
    /// Anthropic's own server.
    pub fn new(api_key: impl Into<SecretString>, model: impl Into<String>) -> Self {
        Self {
            base_url: ANTHROPIC_URL.to_owned(),
            api_key: api_key.into(),
            model: model.into(),
            max_output_tokens: OUTPUT_TOKENS,
            prompt_cache: PromptCache::default(),
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

/// What the provider is asked to keep for the next request: writing costs a little more, reading
/// much less. Prompts that are too short for its cache are not kept whatever is asked.
///
/// Source: Anthropic's documentation, "Prompt caching".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PromptCache {
    /// Nothing.
    Off,
    /// Tools and instructions, which are the same for every contact.
    #[default]
    Instructions,
    /// The whole chat too, for long talks that go on within minutes.
    Chat,
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnthropicConfigError {
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
