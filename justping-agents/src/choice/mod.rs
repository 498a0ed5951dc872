//! Matching what a contact wrote to the options of a choice.
//!
//! People answer a list with its button, its words, its number or the start of a word. The rules, in
//! order; the first that finds an option decides:
//!
//! 1. the exact id (a pressed button sends it);
//! 2. the exact title, ignoring case, blanks around it and how many are inside;
//! 3. the same with punctuation around both dropped: "Yes!" is "Yes";
//! 4. the number of the option from 1: "2", "2.", "2)", "#2";
//! 5. the start of one title only, of [`MIN_PREFIX_CHARS`] characters or more.
//!
//! A rule that finds several options ends in [`Match::Ambiguous`]; so does a number that also begins
//! the title of another option ("2" to "2 nights", "3 nights" could mean either).

#[cfg(test)]
mod tests;

/// The shortest start of a title that counts, in characters.
pub const MIN_PREFIX_CHARS: usize = 3;

/// Longer replies, in bytes, match no option.
pub const MAX_REPLY_BYTES: usize = 1024;

/// The most digits of an option number.
const MAX_NUMBER_DIGITS: usize = 4;

/// Punctuation beyond ASCII that people type around words.
const PUNCTUATION: &str = "¿¡«»‹›“”„‟‘’‚‛…–—·•、。！？，：；「」『』（）．";

/// Is an option as far as matching goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRef<'a> {
    /// The id a pressed button sends.
    pub id: &'a str,
    /// The words the contact sees.
    pub title: &'a str,
}

/// Says which option a reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The option at this index.
    One(usize),
    /// None of them.
    None,
    /// More than one, equally well.
    Ambiguous,
}

/// Finds the option that `reply` means, by the rules of this module.
pub fn match_option(options: &[OptionRef<'_>], reply: &str) -> Match {
    if reply.len() > MAX_REPLY_BYTES {
        return Match::None;
    }
    let folded = fold(reply);
    let bare = strip(&folded);
    if bare.is_empty() && folded.is_empty() {
        return Match::None;
    }
    let titles: Vec<String> = options.iter().map(|option| fold(option.title)).collect();
    let by_id = only(options, |option| option.id == reply.trim());
    let by_title = only(&titles, |title| *title == folded);
    let by_words = only(&titles, |title| !bare.is_empty() && strip(title) == bare);
    let rules = [by_id, by_title, by_words, by_number(&titles, &folded), by_start(&titles, bare)];
    rules.into_iter().find(|found| *found != Match::None).unwrap_or(Match::None)
}

/// Finds the items that satisfy `is_it`.
fn only<T>(items: &[T], is_it: impl Fn(&T) -> bool) -> Match {
    let mut found = items.iter().enumerate().filter(|(_, item)| is_it(item));
    match (found.next(), found.next()) {
        (None, _) => Match::None,
        (Some((index, _)), None) => Match::One(index),
        (Some(_), Some(_)) => Match::Ambiguous,
    }
}

fn by_number(titles: &[String], reply: &str) -> Match {
    let digits = reply.strip_prefix('#').unwrap_or(reply).trim_start();
    let digits = digits.strip_suffix(['.', ')']).unwrap_or(digits).trim_end();
    let is_number = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= MAX_NUMBER_DIGITS;
    let number = digits.parse::<usize>().ok().filter(|_| is_number);
    let Some(index) = number.and_then(|n| n.checked_sub(1)).filter(|i| *i < titles.len()) else {
        return Match::None;
    };
    let begins = |title: &String| strip(title).split_whitespace().next() == Some(digits);
    let elsewhere = titles.iter().enumerate().any(|(i, title)| i != index && begins(title));
    if elsewhere { Match::Ambiguous } else { Match::One(index) }
}

fn by_start(titles: &[String], reply: &str) -> Match {
    if reply.chars().take(MIN_PREFIX_CHARS).count() < MIN_PREFIX_CHARS {
        return Match::None;
    }
    only(titles, |title| strip(title).starts_with(reply))
}

/// Folds case (through upper case, so that `ß` is `ss` and all sigmas are one) and blanks.
fn fold(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
        })
        .collect();
    words.join(" ")
}

/// Drops punctuation and blanks around a folded text.
fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_punctuation() || c == ' ' || PUNCTUATION.contains(c))
}
