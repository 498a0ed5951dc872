//! How texts are searched: one rule for what a word is, whatever keeps the index.

use std::collections::BTreeSet;
use std::ops::Bound;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

use super::{Choice, Contact, Content};

/// Longest word, in characters; the rest of a longer one does not count, here and in a query.
pub const WORD_CHARS_MAX: usize = 40;
/// Most different words of one text.
pub const WORDS_MAX: usize = 2_048;
/// Most different words of one query; those that follow do not count.
pub const QUERY_WORDS_MAX: usize = 16;
/// Shortest last word of a query that stands for every word it begins.
pub const PREFIX_CHARS_MIN: usize = 2;

/// A class of a mark that joins letters instead of adorning one.
const VIRAMA: u8 = 9;
/// What may stand between the digits of a telephone number.
const DIALLING: &[char] = &[' ', '-', '(', ')', '.', '/', '\u{a0}'];

/// The different words of a text.
///
/// Case, accents, points and compatibility forms do not count: `Straße`, `STRASSE` and `strasse` are
/// one word, and so are `ﬁancé` and `fiance`. Letters and digits make words, everything else parts
/// them. Scripts without spaces (Han, Kana, Thai, Lao, Khmer, Burmese) have no words to cut at:
/// each character is one and so is each pair of neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(BTreeSet<String>);

impl Words {
    /// Takes in the words of a text, up to [`WORDS_MAX`] in all.
    pub fn add(&mut self, text: &str) {
        if self.0.len() < WORDS_MAX {
            split(text, &mut |run| {
                for word in run.written() {
                    if self.0.len() < WORDS_MAX {
                        self.0.insert(word);
                    }
                }
            });
        }
    }

    /// The words, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a word, as [`iter`](Self::iter) gives it, is among them.
    pub fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// Whether a query finds them.
    pub fn answer(&self, query: &SearchQuery) -> bool {
        !query.is_empty()
            && query.whole.iter().all(|word| self.0.contains(word))
            && query.start.iter().all(|start| self.begin(start))
    }

    /// Whether any word of a query is among them.
    pub fn meet(&self, query: &SearchQuery) -> bool {
        query.whole.iter().any(|word| self.0.contains(word))
            || query.start.iter().any(|start| self.begin(start))
    }

    fn begin(&self, start: &str) -> bool {
        let mut from = self.0.range::<str, _>((Bound::Included(start), Bound::Unbounded));
        from.next().is_some_and(|word| word.starts_with(start))
    }

    fn add_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add(text),
            Value::Number(number) => self.add(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.add_value(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.add_value(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn add_choice(&mut self, choice: &Choice) {
        self.add(&choice.title);
        self.add(choice.description.as_deref().unwrap_or_default());
    }
}

/// What somebody looks for: every word has to be there, and the last one may be the beginning of a
/// longer word. No character has another meaning than in a text.
///
/// A telephone number (`+49 (170) 123-456`) is one word, as addresses of contacts are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchQuery {
    whole: BTreeSet<String>,
    start: Option<String>,
}

impl SearchQuery {
    /// Reads what somebody typed.
    pub fn parse(text: &str) -> Self {
        let mut whole = BTreeSet::new();
        let mut last = None;
        let number = digits(text);
        split(number.as_deref().unwrap_or(text), &mut |run| {
            last = None;
            for word in run.asked() {
                if whole.len() < QUERY_WORDS_MAX {
                    whole.insert(word.clone());
                }
                last = Some(word).filter(|_| run.kind == Kind::Spaced);
            }
        });
        let opens = |word: &String| word.chars().count() >= PREFIX_CHARS_MIN && whole.remove(word);
        let start = last.filter(opens);
        Self { whole, start }
    }

    /// Whether it has no word; it then finds nothing.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.start.is_none()
    }

    /// The words that have to be there as they are, sorted.
    pub fn whole(&self) -> impl Iterator<Item = &str> {
        self.whole.iter().map(String::as_str)
    }

    /// What one further word has to begin with.
    pub fn start(&self) -> Option<&str> {
        self.start.as_deref()
    }
}

impl Contact {
    /// The words a contact is found by: its name, its addresses, its labels and the texts and
    /// numbers of its fields.
    pub fn words(&self) -> Words {
        let mut words = Words::default();
        words.add(self.name.as_deref().unwrap_or_default());
        self.identities.iter().for_each(|identity| words.add(&identity.id));
        self.tags.iter().for_each(|tag| words.add(tag));
        self.fields.values().for_each(|field| words.add_value(field));
        words
    }
}

impl Content {
    /// The words a message is found by: everything of it that a person reads.
    pub fn words(&self) -> Words {
        let mut words = Words::default();
        words.add(self.plain());
        match self {
            Self::Media { filename, .. } => words.add(filename.as_deref().unwrap_or_default()),
            Self::Buttons { header, footer, options, .. } => {
                words.add(header.as_deref().unwrap_or_default());
                words.add(footer.as_deref().unwrap_or_default());
                options.iter().for_each(|option| words.add_choice(option));
            }
            Self::List { button, sections, .. } => {
                words.add(button);
                for section in sections {
                    words.add(section.title.as_deref().unwrap_or_default());
                    section.options.iter().for_each(|option| words.add_choice(option));
                }
            }
            Self::Location { address, .. } => words.add(address.as_deref().unwrap_or_default()),
            Self::Contacts { contacts } => contacts.iter().for_each(|card| words.add_value(card)),
            Self::Template(template) => {
                template.parameters.iter().for_each(|parameter| words.add(&parameter.text));
            }
            Self::Email(mail) => {
                words.add(&mail.subject);
                mail.attachments.iter().for_each(|file| words.add(&file.name));
            }
            Self::Text { .. }
            | Self::Reply { .. }
            | Self::Reaction { .. }
            | Self::System { .. }
            | Self::Unsupported { .. } => {}
        }
        words
    }
}

/// The digits of a text that is a telephone number with its country.
fn digits(text: &str) -> Option<String> {
    let number = text.trim().strip_prefix('+')?;
    let allowed = |c: char| c.is_ascii_digit() || DIALLING.contains(&c);
    number.chars().all(allowed).then(|| number.chars().filter(char::is_ascii_digit).collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Written with spaces between words.
    Spaced,
    /// Written without.
    Dense,
}

/// Characters that follow each other and are of one kind.
struct Run {
    kind: Kind,
    chars: Vec<char>,
}

impl Run {
    fn word(chars: &[char]) -> String {
        chars.iter().take(WORD_CHARS_MAX).collect()
    }

    /// Its words as a text has them.
    fn written(&self) -> Vec<String> {
        match self.kind {
            Kind::Spaced => vec![Self::word(&self.chars)],
            Kind::Dense => {
                let pairs = self.chars.windows(2).map(Self::word);
                self.chars.iter().map(char::to_string).chain(pairs).collect()
            }
        }
    }

    /// Its words as a query asks for them: a pair says more than its characters.
    fn asked(&self) -> Vec<String> {
        match self.kind {
            Kind::Dense if self.chars.len() > 1 => self.chars.windows(2).map(Self::word).collect(),
            Kind::Dense | Kind::Spaced => vec![Self::word(&self.chars)],
        }
    }
}

/// Cuts a text into its runs, folded.
fn split(text: &str, take: &mut impl FnMut(Run)) {
    if text.is_ascii() {
        runs(text.chars().map(|c| c.to_ascii_lowercase()), take);
    } else {
        // Upper case first: some letters have a twin only there, as ß has in SS.
        let plain = text.nfkd().filter(|c| !is_adornment(*c));
        runs(plain.flat_map(char::to_uppercase).flat_map(char::to_lowercase), take);
    }
}

fn runs(text: impl Iterator<Item = char>, take: &mut impl FnMut(Run)) {
    let mut open: Option<Run> = None;
    for c in text {
        let kind = kind(c);
        match (&mut open, kind) {
            (Some(run), Some(kind)) if run.kind == kind => run.chars.push(c),
            (_, kind) => {
                let next = kind.map(|kind| Run { kind, chars: vec![c] });
                if let Some(done) = std::mem::replace(&mut open, next) {
                    take(done);
                }
            }
        }
    }
    if let Some(done) = open {
        take(done);
    }
}

/// Accents, points and tones; not the vowels of scripts that write them as marks.
fn is_adornment(c: char) -> bool {
    !c.is_ascii() && !matches!(canonical_combining_class(c), 0 | VIRAMA)
}

fn kind(c: char) -> Option<Kind> {
    if !c.is_alphanumeric() && (c.is_ascii() || !is_combining_mark(c)) {
        return None;
    }
    let dense = matches!(c,
        '\u{0e00}'..='\u{0eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}');
    Some(if dense { Kind::Dense } else { Kind::Spaced })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Words::default();
        words.add(text);
        words.iter().map(str::to_owned).collect()
    }

    fn finds(query: &str, text: &str) -> bool {
        let mut words = Words::default();
        words.add(text);
        words.answer(&SearchQuery::parse(query))
    }

    #[test]
    fn case_accents_and_forms_do_not_count() {
        for same in ["Straße", "STRASSE", "ｓｔｒａｓｓｅ", "stra\u{301}sse"] {
            assert_eq!(words(same), ["strasse"], "{same}");
        }
        assert_eq!(words("ﬁancé İstanbul ΟΔΟΣ οδος"), ["fiance", "istanbul", "οδοσ"]);
        assert_eq!(words("שָׁלוֹם"), words("שלום"));
    }

    #[test]
    fn whatever_is_no_letter_parts_words() {
        assert_eq!(
            words("Hi, ann@example.org! \u{0}x_y 3.14 \u{1f600}"),
            ["14", "3", "ann", "example", "hi", "org", "x", "y"]
        );
        assert!(words(" \u{0}\u{1f600}…").is_empty());
    }

    #[test]
    fn vowels_that_are_marks_stay() {
        assert_ne!(words("की"), words("का"));
        assert_eq!(words("नमस्ते दुनिया").len(), 2);
    }

    #[test]
    fn every_word_counts_and_the_last_may_be_a_beginning() {
        assert!(finds("order late", "my order 7 is late"));
        assert!(finds("order la", "my order 7 is late"));
        assert!(!finds("la order", "my order 7 is late"));
        assert!(finds("7 ORD", "my order 7 is late"));
        assert!(!finds("order early", "my order 7 is late"));
        assert!(!finds("", "anything"));
        assert!(!finds("…", "anything"));
        assert!(!finds("l", "late"), "one letter begins too much");
        assert!(finds("a", "a b"));
    }

    #[test]
    fn scripts_without_spaces_are_found_by_neighbours() {
        assert!(finds("東京", "私は東京都に住んでいます"));
        assert!(finds("住", "私は東京都に住んでいます"));
        assert!(!finds("京東", "私は東京都に住んでいます"));
        assert!(finds("กรุงเทพ", "ฉันอยู่กรุงเทพมหานคร"));
        assert!(finds("한국", "한국어 문서"), "Hangul is written with spaces");
        assert!(finds("東京 iphone", "iPhone15を東京で"));
    }

    #[test]
    fn a_telephone_number_is_one_word() {
        assert!(finds("+49 (170) 123-456", "491701234567"));
        assert!(finds("+49170", "491701234567"));
        assert!(!finds("+49 170 x", "491701234567"));
    }

    #[test]
    fn everything_is_bounded() {
        let long = "x".repeat(10_000);
        assert_eq!(words(&long), ["x".repeat(WORD_CHARS_MAX)]);
        assert!(finds(&long, &long));
        let many: String = (0..10_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(words(&many).len(), WORDS_MAX);
        let query = SearchQuery::parse(&many);
        assert_eq!(query.whole().count() + query.start().iter().count(), QUERY_WORDS_MAX);
    }

    #[test]
    fn what_a_person_reads_is_found() {
        let choice = Choice { id: "1".to_owned(), title: "Pear".to_owned(), description: None };
        let buttons = Content::Buttons {
            text: "Apples".to_owned(),
            header: Some("Fruit".to_owned()),
            footer: None,
            options: vec![choice],
        };
        let found: Vec<String> = buttons.words().iter().map(str::to_owned).collect();
        assert_eq!(found, ["apples", "fruit", "pear"]);
    }
}
