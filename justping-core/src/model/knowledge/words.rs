//! Which words of a question are looked up, and how much each says.

use std::collections::BTreeMap;

use crate::model::Words;

/// Most words of a question that are looked up.
pub const ASKED_WORDS_MAX: usize = 32;
/// Most chunks that the words looked up may be in, added up; the rarest words are looked up first, and
/// the first of them whatever it costs.
pub const POSTINGS_MAX: u64 = 16_384;

/// The words of a question that are looked up, with what each is worth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The words, those that say most first.
    pub words: Vec<(String, i64)>,
    /// What all words of the question are worth together, those that are nowhere included.
    pub worth: i64,
}

impl Asked {
    /// How much of the question a chunk answers whose words are worth `found` together: 0 to 1.
    pub fn share(&self, found: i64) -> f32 {
        if self.worth > 0 { (found as f64 / self.worth as f64) as f32 } else { 0.0 }
    }
}

/// Weighs the words of a question: `within` says in how many of `chunks` chunks each of them is.
///
/// What a word is worth is the weight that BM25 gives to rare words, in thousandths:
/// ln(1 + (chunks - within + ½) / (within + ½)). How often a word is in a chunk does not count, nor
/// how long the chunk is: chunks are of one size, and whole numbers add up alike on every store.
pub fn weigh(chunks: u64, question: &Words, within: &BTreeMap<String, u64>) -> Asked {
    let mut asked = Asked::default();
    let mut known: Vec<(&str, u64, i64)> = Vec::new();
    for word in question.iter() {
        let within = within.get(word).copied().unwrap_or_default();
        let rest = chunks.saturating_sub(within) as f64 + 0.5;
        let worth = ((1.0 + rest / (within as f64 + 0.5)).ln() * 1000.0).round() as i64;
        asked.worth = asked.worth.saturating_add(worth);
        if within > 0 {
            known.push((word, within, worth));
        }
    }
    known.sort_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(b.0)));
    let mut postings = 0;
    for (word, within, worth) in known.into_iter().take(ASKED_WORDS_MAX) {
        postings += within;
        if postings > POSTINGS_MAX && !asked.words.is_empty() {
            break;
        }
        asked.words.push((word.to_owned(), worth));
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str, chunks: u64, within: &[(&str, u64)]) -> Asked {
        let mut words = Words::default();
        words.add(text);
        weigh(chunks, &words, &within.iter().map(|(w, n)| ((*w).to_owned(), *n)).collect())
    }

    #[test]
    fn rare_words_say_more() {
        let asked = ask("the refund", 1_000, &[("the", 900), ("refund", 3)]);
        let words: Vec<&str> = asked.words.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["refund", "the"]);
        assert!(asked.words[0].1 > 10 * asked.words[1].1, "{asked:?}");
        assert_eq!(asked.worth, asked.words.iter().map(|(_, worth)| worth).sum::<i64>());
        assert!(asked.share(asked.words[0].1) > 0.9);
    }

    #[test]
    fn words_that_are_nowhere_count_against_an_answer() {
        let asked = ask("zebra refund", 1_000, &[("refund", 3)]);
        assert_eq!(asked.words.len(), 1);
        assert!(asked.share(asked.words[0].1) < 0.5);
        assert_eq!(ask("", 0, &[]).share(0), 0.0);
    }

    #[test]
    fn what_is_looked_up_is_bounded() {
        let common: Vec<(String, u64)> = (0..100).map(|n| (format!("w{n}"), 9_000)).collect();
        let within: Vec<(&str, u64)> = common.iter().map(|(w, n)| (w.as_str(), *n)).collect();
        let text: String = common.iter().map(|(w, _)| format!("{w} ")).collect();
        assert_eq!(ask(&text, 10_000, &within).words.len(), 1);
        let rare: Vec<(&str, u64)> = within.iter().map(|(w, _)| (*w, 2)).collect();
        assert_eq!(ask(&text, 10_000, &rare).words.len(), ASKED_WORDS_MAX);
        assert_eq!(ask("w1", 90_000, &[("w1", 90_000)]).words.len(), 1, "the first goes through");
    }
}
