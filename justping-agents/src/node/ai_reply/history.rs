//! The newest part of a talk.

use justping_core::port::{ChatMessage, ChatRole};
use serde::{Deserialize, Serialize};

/// Most messages that are kept.
pub(super) const MESSAGES_MAX: usize = 20;
/// Most bytes of text that are kept.
pub(super) const BYTES_MAX: usize = 16 * 1024;

/// Messages of the contact and the model, oldest first; the oldest are forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct History(Vec<Line>);

/// One message, written as one member so that the state stays small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Line {
    #[serde(rename = "u")]
    Contact(String),
    #[serde(rename = "a")]
    Model(String),
}

impl Line {
    fn text(&self) -> &str {
        match self {
            Self::Contact(text) | Self::Model(text) => text,
        }
    }
}

impl History {
    /// Adds what the contact wrote.
    pub(super) fn contact(&mut self, text: &str) {
        self.push(Line::Contact(shortened(text)));
    }

    /// Adds what the model answered.
    pub(super) fn model(&mut self, text: &str) {
        self.push(Line::Model(shortened(text)));
    }

    fn push(&mut self, line: Line) {
        self.0.push(line);
        let mut bytes: usize = self.0.iter().map(|line| line.text().len()).sum();
        let mut messages = self.0.len();
        let forgotten = self.0.iter().take_while(|line| {
            let too_much = messages > MESSAGES_MAX || bytes > BYTES_MAX;
            messages -= 1;
            bytes -= line.text().len();
            too_much
        });
        let forgotten = forgotten.count();
        self.0.drain(..forgotten);
    }

    /// The chat a model is given.
    pub(super) fn messages(&self, system: &str) -> Vec<ChatMessage> {
        let system = (!system.is_empty()).then(|| ChatMessage::new(ChatRole::System, system));
        let lines = self.0.iter().map(|line| match line {
            Line::Contact(text) => ChatMessage::new(ChatRole::User, text),
            Line::Model(text) => ChatMessage::new(ChatRole::Assistant, text),
        });
        system.into_iter().chain(lines).collect()
    }
}

/// One message alone never exceeds what is kept.
fn shortened(text: &str) -> String {
    text.get(..text.floor_char_boundary(BYTES_MAX)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_messages_are_forgotten_first() {
        let mut history = History::default();
        for number in 0..50 {
            history.contact(&format!("m{number}"));
        }
        let messages = history.messages("");
        assert_eq!(messages.len(), MESSAGES_MAX);
        assert_eq!(messages[0].text, "m30");
    }

    #[test]
    fn bytes_are_bounded() {
        let mut history = History::default();
        for _ in 0..4 {
            history.model(&"é".repeat(3_000));
        }
        assert_eq!(history.messages("").len(), 2);
        history.contact(&"é".repeat(20_000));
        let messages = history.messages("be kind");
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].role, ChatRole::System);
        assert_eq!(messages[1].text.len(), BYTES_MAX);
    }
}
