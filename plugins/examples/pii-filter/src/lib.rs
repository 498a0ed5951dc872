//! A hook that masks card numbers: what customers write loses them before it is stored.

use justping_plugin::{Contact, Failure, Hook, Message, Verdict, text};

/// Digits of a card number, as ISO/IEC 7812 has them.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;
/// Digits at the end that stay.
const KEPT_DIGITS: usize = 4;

/// Masks card numbers in texts.
struct Mask;

impl Hook for Mask {
    fn before_send(message: &Message, _: &Contact) -> Result<Verdict, Failure> {
        Ok(verdict(message))
    }

    fn after_receive(message: &Message) -> Result<Verdict, Failure> {
        Ok(verdict(message))
    }
}

/// Only texts are changed: what has buttons or media goes on as it is.
fn verdict(message: &Message) -> Verdict {
    let is_text = message.content.get("type").is_some_and(|kind| kind == "text");
    match masked(&message.text) {
        Some(clean) if is_text => Verdict::Change(text(clean)),
        _ => Verdict::Pass,
    }
}

/// The text with its card numbers masked, if it has any.
fn masked(text: &str) -> Option<String> {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        clean.push_str(before);
        let (run, after) = from.split_at(run_length(from));
        // What begins with a plus is a phone number, whatever its check says.
        if is_card(run) && !before.ends_with('+') {
            clean.push_str(&mask(run));
            found = true;
        } else {
            clean.push_str(run);
        }
        rest = after;
    }
    clean.push_str(rest);
    found.then_some(clean)
}

/// Bytes of the digits that a text begins with, single spaces and hyphens between them included.
fn run_length(text: &str) -> usize {
    let mut end = 0;
    let mut gap = false;
    for (at, c) in text.char_indices() {
        match c {
            '0'..='9' => (end, gap) = (at + 1, false),
            ' ' | '-' if !gap => gap = true,
            _ => break,
        }
    }
    end
}

/// Whether digits are as many as a card number's and pass its check, which Luhn invented.
fn is_card(run: &str) -> bool {
    let digits: Vec<u32> = run.chars().filter_map(|c| c.to_digit(10)).collect();
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { doubled(*digit) } else { *digit })
        .sum();
    CARD_DIGITS.contains(&digits.len()) && sum.is_multiple_of(10)
}

fn mask(run: &str) -> String {
    let digits = run.chars().filter(char::is_ascii_digit).count();
    let mut seen = 0;
    let hide = |c: char| {
        seen += usize::from(c.is_ascii_digit());
        if c.is_ascii_digit() && seen + KEPT_DIGITS <= digits { '•' } else { c }
    };
    run.chars().map(hide).collect()
}

justping_plugin::export_hook!(Mask);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_masked_and_other_numbers_are_not() {
        let clean = masked("My card is 4111 1111 1111 1111, thanks").unwrap();
        assert_eq!(clean, "My card is •••• •••• •••• 1111, thanks");
        assert_eq!(masked("5500-0000-0000-0004").as_deref(), Some("••••-••••-••••-0004"));
        for other in
            ["", "order 4111 1111 1111 1112", "+49 151 12345678", "é1–2", "1".repeat(40).as_str()]
        {
            assert_eq!(masked(other), None, "{other}");
        }
    }
}
