//! Where a flow starts, and on what.

use justping_core::model::Content;
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config;
use super::prompt::exit;
use super::schema;

/// Most keywords of a trigger.
const KEYWORDS_MAX: usize = 100;
/// Most characters of a keyword.
const KEYWORD_MAX_CHARS: usize = 200;

/// Where a flow starts.
#[derive(Debug)]
pub(super) struct Trigger;

impl FlowNode for Trigger {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: crate::check::TRIGGER.to_owned(),
            title: "Trigger".to_owned(),
            summary: "Starts the flow when a contact writes.".to_owned(),
            schema: schema::object(
                json!({
                    "on": {"title": "Starts on", "enum": ["any", "keywords"]},
                    "keywords": {
                        "type": "array", "title": "Keywords", "maxItems": KEYWORDS_MAX,
                        "items": {"type": "string", "minLength": 1, "maxLength": KEYWORD_MAX_CHARS}
                    },
                    "match": {"title": "Match", "enum": ["exact", "contains", "starts_with"]}
                }),
                &[],
            ),
            exits: vec![schema::exit("next", "Next")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let blank = |word: &String| fold(word).is_empty();
        if config.on == On::Keywords && config.keywords.is_empty() {
            return Err(NodeConfigError::new("/keywords", "at least one keyword is needed"));
        }
        if let Some(at) = config.keywords.iter().position(blank) {
            let path = format!("/keywords/{at}");
            return Err(NodeConfigError::new(path, "a keyword needs a visible character"));
        }
        Ok(Box::new(Start))
    }
}

/// Passes on: what starts the flow is decided before.
#[derive(Debug)]
struct Start;

impl BuiltNode for Start {
    fn enter(&self, _: &mut NodeContext<'_>) -> Step {
        exit("next")
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    on: On,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default, rename = "match")]
    how: How,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum On {
    #[default]
    Any,
    Keywords,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    #[default]
    Exact,
    Contains,
    StartsWith,
}

/// Decides which messages start a flow.
///
/// Case, blanks around and inside, and punctuation around do not count. Words are matched whole:
/// `hi` is in "oh, hi there" and not in "this". Scripts without spaces have no such borders.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    /// `None` for any message.
    keywords: Option<Vec<String>>,
    how: How,
}

impl Matcher {
    /// Reads the `data` of a trigger.
    pub(crate) fn of(data: &Value) -> Self {
        let config = Config::deserialize(data).unwrap_or_default();
        let keywords = (config.on == On::Keywords)
            .then(|| config.keywords.iter().map(|word| fold(word)).collect());
        Self { keywords, how: config.how }
    }

    /// Says whether a message starts the flow.
    pub(crate) fn matches(&self, content: &Content) -> bool {
        let Some(keywords) = &self.keywords else { return true };
        let text = fold(content.plain());
        keywords.iter().any(|word| match self.how {
            How::Exact => text == *word,
            How::StartsWith => text.starts_with(word) && border(&text, word.len()),
            How::Contains => text
                .match_indices(word.as_str())
                .any(|(at, _)| border(&text, at) && border(&text, at + word.len())),
        })
    }
}

/// Lower case, single blanks, no punctuation around; a text of nothing but punctuation is kept.
fn fold(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ").to_lowercase();
    let bare = text.trim_matches(|c: char| c.is_ascii_punctuation() || "¿¡…".contains(c)).trim();
    if bare.is_empty() { text } else { bare.to_owned() }
}

/// Says whether a word may end or begin at `at`: not between two letters of a script with case, and
/// not between digits.
fn border(text: &str, at: usize) -> bool {
    let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) else { return false };
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_lowercase() || c.is_numeric());
    !(joins(before.chars().next_back()) && joins(after.chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(how: &str, keyword: &str, text: &str) -> bool {
        let data = json!({"on": "keywords", "keywords": [keyword], "match": how});
        Matcher::of(&data).matches(&Content::text(text))
    }

    #[test]
    fn exact_ignores_case_blanks_and_punctuation() {
        for text in ["hi", " HI ", "Hi!", "¡hi!"] {
            assert!(matches("exact", "Hi", text), "{text}");
        }
        assert!(!matches("exact", "hi", "hi there"));
        assert!(matches("exact", "good  morning", "Good Morning"));
        assert!(matches("exact", "?", "?"));
    }

    #[test]
    fn words_are_whole() {
        assert!(matches("contains", "hi", "oh, hi there"));
        assert!(!matches("contains", "hi", "this"));
        assert!(!matches("contains", "12", "312"));
        assert!(matches("contains", "再见", "好的再见吧"));
        assert!(matches("starts_with", "book", "Book a table"));
        assert!(!matches("starts_with", "book", "booking"));
        assert!(!matches("starts_with", "book", "a book"));
    }

    #[test]
    fn any_message_matches_without_keywords() {
        let any = Matcher::of(&json!({}));
        assert!(any.matches(&Content::text("")));
        let location =
            Content::Location { latitude: 1.0, longitude: 2.0, name: None, address: None };
        assert!(any.matches(&location));
        assert!(!matches("contains", "hi", ""));
    }
}
