use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Who says something in a chat with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// Instructions.
    System,
    /// The contact.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// One message of a chat with a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who says it.
    pub role: ChatRole,
    /// The text.
    pub text: String,
    /// The calls an assistant's message makes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    /// A message with nothing but text.
    pub fn new(role: ChatRole, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A function a model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// A call a model makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments: JSON text as the model wrote it, unchecked.
    pub arguments: String,
}

/// What a model is asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The model; `None` for the provider's default.
    pub model: Option<String>,
    /// The chat so far.
    pub messages: Vec<ChatMessage>,
    /// Functions it may call.
    #[serde(default)]
    pub tools: Vec<ToolSpec>,
    /// JSON Schema the answer must follow.
    #[serde(default)]
    pub response_schema: Option<serde_json::Value>,
    /// Most tokens of the answer.
    #[serde(default)]
    pub max_output_tokens: Option<u32>,
    /// 0 (always the same) to 2.
    #[serde(default)]
    pub temperature: Option<f64>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It said all.
    Stop,
    /// The answer was cut at its limit.
    Length,
    /// It wants tools to be called.
    ToolCalls,
    /// The provider withheld the answer.
    Filtered,
    /// The provider gave another reason.
    Other,
}

/// Tokens used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Read.
    pub input_tokens: u64,
    /// Written.
    pub output_tokens: u64,
    /// Of those read, taken from the provider's cache.
    pub cached_tokens: u64,
    /// Of those read, put into the provider's cache, which some charge for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatReply {
    /// The whole text.
    pub text: String,
    /// The calls it makes.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped.
    pub finish: FinishReason,
    /// Tokens used, as the provider counted them.
    #[serde(default)]
    pub usage: Usage,
    /// The model that answered.
    #[serde(default)]
    pub model: Option<String>,
}

/// Why a model did not answer, by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AiError {
    /// Try again, after this time if the provider named one.
    #[error("the provider is unavailable: {detail}")]
    Unavailable {
        /// The provider's wish.
        after: Option<Duration>,
        /// What happened.
        detail: String,
    },
    /// Too many requests.
    #[error("rate limited")]
    RateLimited {
        /// The provider's wish.
        after: Option<Duration>,
    },
    /// The chat does not fit the model.
    #[error("the request is too long for the model")]
    TooLong,
    /// The provider refuses the request.
    #[error("rejected ({code}): {reason}")]
    Rejected {
        /// The provider's code.
        code: String,
        /// Its reason.
        reason: String,
    },
    /// The credentials do not work.
    #[error("unauthorized")]
    Unauthorized,
    /// The answer is not in the provider's form, or ended in its middle.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
}

impl AiError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::RateLimited { .. } => "rate_limited",
            Self::TooLong => "too_long",
            Self::Rejected { .. } => "rejected",
            Self::Unauthorized => "unauthorized",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// Texts as vectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedded {
    /// One for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read, as the provider counted them.
    pub input_tokens: u64,
}

/// Hears the pieces of an answer while it is written.
pub type OnDelta<'a> = dyn FnMut(&str) + Send + 'a;

/// Talks to language models.
///
/// # Contract
/// - The pieces given to `on_delta`, joined, are the `text` of the reply, streamed or not.
/// - One call is one request; retries belong to the caller.
///
/// # Cancellation
/// Dropping the future ends the request.
#[async_trait]
pub trait AiProvider: Send + Sync + Debug + 'static {
    /// The provider's name, as traces tell it: that of OpenTelemetry's `gen_ai.provider.name` where
    /// there is one.
    fn name(&self) -> &str {
        "custom"
    }

    /// The models that may answer a request that names `model`, likeliest first: what an answer can
    /// cost is estimated by the dearest. Empty when nobody knows.
    fn models(&self, model: Option<&str>) -> Vec<String> {
        model.map(str::to_owned).into_iter().collect()
    }

    /// Asks a model and hands over its answer while it is written.
    ///
    /// # Errors
    /// [`AiError`], by what to do about it.
    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError>;

    /// Turns texts into vectors, one each, in order.
    ///
    /// # Errors
    /// [`AiError`], by what to do about it.
    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embedded, AiError>;
}
