//! A model that plays the contact.

use justping_core::model::{Content, Direction, Message};
use justping_core::port::{AiError, AiProvider, ChatMessage, ChatRequest, ChatRole};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::TEXT_MAX_CHARS;

/// Most turns of a played contact.
pub const CUSTOMER_TURNS_MAX: u32 = 50;
/// Turns of a played contact unless it is told how many.
const TURNS: u32 = 10;
/// Most tokens of what a played contact says.
const OUTPUT_TOKENS_MAX: u32 = 500;

/// A contact that a model plays, until it has reached its goal or gives up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// Who it is and how it behaves.
    pub persona: String,
    /// What it wants.
    pub goal: String,
    /// How often it speaks at most.
    #[serde(default = "turns")]
    pub max_turns: u32,
    /// The model that plays it; the provider's own unless given.
    #[serde(default)]
    pub model: Option<String>,
    /// What it does, in order, in place of a model: see `Deed`.
    #[serde(default)]
    pub answers: Vec<String>,
}

fn turns() -> u32 {
    TURNS
}

/// How a played contact ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomerEnd {
    /// Whether it says that it has reached its goal.
    pub reached: bool,
    /// How often it spoke.
    pub turns: u32,
    /// What it says about it.
    pub reason: Option<String>,
}

/// What a played contact does next: JSON, or a plain text that it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Deed {
    /// Says this.
    pub(super) say: Option<String>,
    /// Presses the option with this title.
    pub(super) press: Option<String>,
    /// Has reached its goal (`true`) or gives up (`false`).
    pub(super) done: Option<bool>,
    /// Why.
    pub(super) reason: Option<String>,
}

impl Deed {
    pub(super) fn read(text: &str) -> Self {
        let mut deed = serde_json::from_str(text)
            .unwrap_or_else(|_| Self { say: Some(text.to_owned()), ..Self::default() });
        for text in [&mut deed.say, &mut deed.press] {
            *text = text.take().map(|text| text.chars().take(TEXT_MAX_CHARS).collect());
            *text = text.take().filter(|text: &String| !text.trim().is_empty());
        }
        deed
    }
}

/// Asks the model what the contact does next.
pub(super) async fn next_deed(
    ai: &dyn AiProvider,
    persona: &Persona,
    thread: &[Message],
) -> Result<Deed, AiError> {
    let mut messages = vec![ChatMessage::new(ChatRole::System, instructions(persona))];
    messages.extend(thread.iter().filter_map(said));
    if thread.is_empty() {
        messages.push(ChatMessage::new(ChatRole::User, "(Nobody has said anything yet.)"));
    }
    let nullable = |kind: &str| json!({"type": [kind, "null"]});
    let schema = json!({
        "type": "object", "additionalProperties": false,
        "properties": {"say": nullable("string"), "press": nullable("string"),
            "done": nullable("boolean"), "reason": nullable("string")},
        "required": ["say", "press", "done", "reason"]
    });
    let request = ChatRequest {
        model: persona.model.clone(),
        messages,
        tools: Vec::new(),
        response_schema: Some(schema),
        max_output_tokens: Some(OUTPUT_TOKENS_MAX),
        temperature: None,
    };
    let reply = ai.chat(&request, &mut |_| {}).await?;
    Ok(Deed::read(&reply.text))
}

fn instructions(persona: &Persona) -> String {
    format!(
        "You play a customer who writes to a business in a chat. Stay in the role.\n\
         Who you are: {}\nWhat you want: {}\n\
         Answer with a JSON object: `say` is your next message, or `press` the title of a button \
         you press. Once you have what you want, set `done` to true; if it is hopeless, to false; \
         and give a `reason`.",
        persona.persona, persona.goal
    )
}

/// To the model that plays the contact, the contact is itself.
fn said(message: &Message) -> Option<ChatMessage> {
    let role = match message.direction {
        Direction::Inbound => ChatRole::Assistant,
        Direction::Outbound => ChatRole::User,
        Direction::Note => return None,
    };
    Some(ChatMessage::new(role, in_words(&message.content)))
}

/// What a message says, its options included.
pub(super) fn in_words(content: &Content) -> String {
    let titles = super::actor::options(content).map(|option| format!("[{}]", option.title));
    let titles: Vec<String> = titles.collect();
    if titles.is_empty() {
        return content.plain().to_owned();
    }
    format!("{} {}", content.plain(), titles.join(" "))
}
