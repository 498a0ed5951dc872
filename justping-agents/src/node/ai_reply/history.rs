//! The newest part of a talk, and a summary of the rest.

use justping_core::port::{ChatMessage, ChatRole};
use serde::{Deserialize, Serialize};

/// Messages that are shown unless the agent says otherwise.
pub(super) const MESSAGES_DEFAULT: u32 = 20;
/// Most bytes of text that are shown.
pub(super) const BYTES_MAX: usize = 16 * 1024;
/// Messages that are summed up at once: a summary for each would cost too much.
const SUMMED_UP: usize = 8;
/// Most bytes that wait to be summed up.
const WAITING_MAX_BYTES: usize = 6 * 1024;
/// Most bytes of a summary.
const SUMMARY_MAX_BYTES: usize = 4 * 1024;

const SUMMARY_RULES: &str = "Sum up the talk below in at most 200 words, for the agent who goes on with it. Keep names, \
     numbers, wishes, promises and what is still open. Write only the summary.";

/// Messages of the contact and the model, oldest first, and what became of older ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Line>,
    /// No longer shown and not summed up yet.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<Line>,
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    summary: String,
}

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

fn weight(lines: &[Line]) -> usize {
    lines.iter().map(|line| line.text().len()).sum()
}

/// Takes the oldest lines out until no more than so many, and so many bytes, are left.
fn trim(lines: &mut Vec<Line>, messages_max: usize, bytes_max: usize) -> Vec<Line> {
    let mut bytes = weight(lines);
    let mut messages = lines.len();
    let gone = lines.iter().take_while(|line| {
        let too_much = messages > messages_max || bytes > bytes_max;
        messages -= 1;
        bytes -= line.text().len();
        too_much
    });
    let gone = gone.count();
    lines.drain(..gone).collect()
}

impl History {
    /// Adds what the contact wrote.
    pub(super) fn contact(&mut self, text: &str) {
        self.lines.push(Line::Contact(shortened(text, BYTES_MAX)));
    }

    /// Adds what the model answered.
    pub(super) fn model(&mut self, text: &str) {
        self.lines.push(Line::Model(shortened(text, BYTES_MAX)));
    }

    /// Keeps the newest messages; the others are forgotten, or wait to be summed up.
    pub(super) fn keep(&mut self, messages: u32, sums_up: bool) {
        let gone = trim(&mut self.lines, messages as usize, BYTES_MAX);
        if sums_up {
            self.waiting.extend(gone);
            // What never was summed up, because that failed, goes at last.
            trim(&mut self.waiting, usize::MAX, WAITING_MAX_BYTES);
        }
    }

    /// What a model is asked for a summary; `None` while too little waits for one.
    pub(super) fn to_sum_up(&self) -> Option<Vec<ChatMessage>> {
        let enough =
            self.waiting.len() >= SUMMED_UP || weight(&self.waiting) > WAITING_MAX_BYTES / 2;
        if !enough {
            return None;
        }
        let mut talk = String::new();
        if !self.summary.is_empty() {
            talk.push_str("Before: ");
            talk.push_str(&self.summary);
            talk.push('\n');
        }
        for line in &self.waiting {
            talk.push_str(match line {
                Line::Contact(_) => "Contact: ",
                Line::Model(_) => "Agent: ",
            });
            talk.push_str(line.text());
            talk.push('\n');
        }
        let system = ChatMessage::new(ChatRole::System, SUMMARY_RULES);
        Some(vec![system, ChatMessage::new(ChatRole::User, talk)])
    }

    /// The summary has come; without one, what waited for it is forgotten.
    pub(super) fn summed_up(&mut self, summary: Option<&str>) {
        self.waiting.clear();
        if let Some(summary) = summary {
            self.summary = shortened(summary.trim(), SUMMARY_MAX_BYTES);
        }
    }

    /// What became of older messages.
    pub(super) fn summary(&self) -> Option<&str> {
        Some(self.summary.as_str()).filter(|summary| !summary.is_empty())
    }

    /// What a model is shown.
    pub(super) fn messages(&self) -> impl Iterator<Item = ChatMessage> {
        // A summary that failed or is not due yet leaves a gap of a few messages; they are shown.
        self.waiting.iter().chain(&self.lines).map(|line| match line {
            Line::Contact(text) => ChatMessage::new(ChatRole::User, text),
            Line::Model(text) => ChatMessage::new(ChatRole::Assistant, text),
        })
    }
}

/// One message alone never exceeds what is kept.
fn shortened(text: &str, bytes: usize) -> String {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(history: &History) -> Vec<String> {
        history.messages().map(|message| message.text).collect()
    }

    #[test]
    fn the_oldest_messages_are_forgotten_first() {
        let mut history = History::default();
        for number in 0..50 {
            history.contact(&format!("m{number}"));
            history.keep(MESSAGES_DEFAULT, false);
        }
        assert_eq!(texts(&history).len(), MESSAGES_DEFAULT as usize);
        assert_eq!(texts(&history)[0], "m30");
        assert_eq!(history.to_sum_up(), None);
    }

    #[test]
    fn bytes_are_bounded() {
        let mut history = History::default();
        for _ in 0..4 {
            history.model(&"é".repeat(3_000));
            history.keep(MESSAGES_DEFAULT, false);
        }
        assert_eq!(texts(&history).len(), 2);
        history.contact(&"é".repeat(20_000));
        history.keep(MESSAGES_DEFAULT, false);
        assert_eq!(texts(&history).len(), 1);
        assert_eq!(texts(&history)[0].len(), BYTES_MAX);
    }

    #[test]
    fn what_is_no_longer_shown_is_summed_up_in_bundles() {
        let mut history = History::default();
        for number in 0..9 {
            history.contact(&format!("m{number}"));
            history.keep(2, true);
        }
        assert_eq!(history.to_sum_up(), None, "seven wait");
        assert_eq!(texts(&history).len(), 9, "and are shown as long");
        history.model("m9");
        history.keep(2, true);
        let asked = history.to_sum_up().unwrap();
        assert!(asked[1].text.starts_with("Contact: m0\n") && asked[1].text.ends_with("m7\n"));
        history.summed_up(Some(" all fine "));
        assert_eq!((history.summary(), texts(&history).len()), (Some("all fine"), 2));
        for number in 10..18 {
            history.contact(&format!("m{number}"));
            history.keep(2, true);
        }
        let asked = history.to_sum_up().unwrap();
        assert!(
            asked[1].text.starts_with("Before: all fine\nContact: m8\nAgent: m9\n"),
            "{asked:?}"
        );
        history.summed_up(None);
        assert_eq!((history.summary(), history.to_sum_up()), (Some("all fine"), None));
    }
}
