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
use crate::document::{KEYWORD_MAX_CHARS, KEYWORDS_MAX, KeywordMatch};
use crate::keyword::{Keywords, fold};

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
    how: KeywordMatch,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum On {
    #[default]
    Any,
    Keywords,
}

/// Decides which messages start a flow.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    /// `None` for any message.
    keywords: Option<Keywords>,
}

impl Matcher {
    /// Reads the `data` of a trigger.
    pub(crate) fn of(data: &Value) -> Self {
        let config = Config::deserialize(data).unwrap_or_default();
        let keywords =
            (config.on == On::Keywords).then(|| Keywords::new(&config.keywords, config.how));
        Self { keywords }
    }

    /// Says whether every message starts the flow.
    pub(crate) fn hears_all(&self) -> bool {
        self.keywords.is_none()
    }

    /// Says whether a message starts the flow.
    pub(crate) fn matches(&self, content: &Content) -> bool {
        self.keywords.as_ref().is_none_or(|keywords| keywords.are_in(&fold(content.plain())))
    }
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
