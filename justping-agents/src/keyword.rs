//! Looking for keywords in what contacts say.
//!
//! Case, blanks around and inside, and punctuation around do not count. Words are matched whole:
//! `hi` is in "oh, hi there" and not in "this". Scripts without spaces have no such borders.

use crate::document::KeywordMatch;

/// Keywords, ready to be looked for.
#[derive(Debug, Default)]
pub(crate) struct Keywords {
    words: Vec<String>,
    how: KeywordMatch,
}

impl Keywords {
    pub(crate) fn new(words: &[String], how: KeywordMatch) -> Self {
        Self { words: words.iter().map(|word| fold(word)).collect(), how }
    }

    /// Says whether one of them is in a [folded](fold) text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.words.iter().any(|word| match self.how {
            KeywordMatch::Exact => text == *word,
            KeywordMatch::StartsWith => text.starts_with(word) && border(text, word.len()),
            KeywordMatch::Contains => text
                .match_indices(word.as_str())
                .any(|(at, _)| border(text, at) && border(text, at + word.len())),
        })
    }
}

/// Lower case, single blanks, no punctuation around; a text of nothing but punctuation is kept.
pub(crate) fn fold(text: &str) -> String {
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
