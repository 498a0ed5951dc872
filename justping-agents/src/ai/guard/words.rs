//! Blocked words and phrases.

/// Says whether a text holds one of the phrases, as whole words; case, blanks and punctuation do
/// not count. A phrase in a script that has no blanks between words counts anywhere.
pub fn says(text: &str, phrases: &[String]) -> bool {
    if phrases.is_empty() {
        return false;
    }
    let said = form(text);
    phrases.iter().any(|phrase| {
        let wanted = form(phrase);
        let is_blank = wanted.trim().is_empty();
        !is_blank && (said.contains(&wanted) || (unspaced(&wanted) && said.contains(wanted.trim())))
    })
}

/// The words in lower case, with a blank before, between and behind.
fn form(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(String::from(" "), |mut form, word| {
        form.push_str(word);
        form.push(' ');
        form
    })
}

/// Says whether a phrase is written without blanks between words: Chinese, Japanese, Thai.
fn unspaced(phrase: &str) -> bool {
    let is_unspaced = |c: char| matches!(c, '\u{0e00}'..='\u{0e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}');
    phrase.chars().any(is_unspaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_as_whole_words() {
        let phrases = ["medical advice", "Bitcoin", "保险"].map(str::to_owned);
        for text in ["Give me MEDICAL -- advice!", "bitcoin?", "我想问保险的事"] {
            assert!(says(text, &phrases), "{text}");
        }
        for text in ["medically advised", "bitcoins", "", "advice medical"] {
            assert!(!says(text, &phrases), "{text}");
        }
        assert!(!says("anything", &[" ".to_owned(), "!".to_owned()]));
    }
}
