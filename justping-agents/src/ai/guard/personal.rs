//! Finding personal data in text.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use justping_core::model::PersonalData;
use regex::Regex;

/// Digits of a payment card. Source: ISO/IEC 7812-1.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Digits of a phone number. Source: ITU-T E.164; shorter ones are likelier something else.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// Characters of an account number. Source: ISO 13616.
const IBAN_CHARS: std::ops::RangeInclusive<usize> = 15..=34;

/// Personal data in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: PersonalData,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// The pattern of a kind; what it finds is checked closer.
struct Pattern {
    kind: PersonalData,
    regex: Regex,
    check: fn(&str) -> bool,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let pattern =
        |kind, regex: &str, check| Regex::new(regex).map(|regex| Pattern { kind, regex, check });
    // That each can be compiled is a test.
    let patterns = [
        pattern(
            PersonalData::Email,
            r"[\p{L}\p{N}._%+'-]+@[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?)+",
            |_| true,
        ),
        pattern(PersonalData::Iban, r"\b[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{1,4}){3,8}\b", is_iban),
        pattern(PersonalData::Card, r"\b\d(?:[ -]?\d){12,18}\b", is_card),
        pattern(
            PersonalData::Phone,
            r"(?:\+|\b00|\b0|\(|\b)\d(?:[ ()./-]{0,2}\d){6,14}\b",
            is_phone,
        ),
    ];
    patterns.into_iter().flatten().collect()
});

/// Finds personal data of some kinds; nothing overlaps, and it comes in the order of the text.
pub fn find(text: &str, kinds: &BTreeSet<PersonalData>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for pattern in PATTERNS.iter().filter(|pattern| kinds.contains(&pattern.kind)) {
        for one in pattern.regex.find_iter(text).filter(|one| (pattern.check)(one.as_str())) {
            let range = one.range();
            let free =
                |other: &Found| range.end <= other.range.start || other.range.end <= range.start;
            if found.iter().all(free) {
                found.push(Found { kind: pattern.kind, range });
            }
        }
    }
    found.sort_by_key(|one| one.range.start);
    found
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> {
    text.chars().filter_map(|c| c.to_digit(10))
}

/// Checks the last digit (Luhn). Source: ISO/IEC 7812-1, annex B.
fn is_card(text: &str) -> bool {
    let count = digits(text).count();
    let sum: u32 = digits(text)
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    CARD_DIGITS.contains(&count) && sum.is_multiple_of(10) && digits(text).any(|digit| digit != 0)
}

/// Checks the number as ISO 7064 says: moved by four characters, it leaves 1 when divided by 97.
fn is_iban(text: &str) -> bool {
    let chars: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    if !IBAN_CHARS.contains(&chars.len()) {
        return false;
    }
    let (head, tail) = chars.split_at(4);
    let rest = tail.iter().chain(head).fold(0, |rest, value| match value {
        0..=9 => (rest * 10 + value) % 97,
        value => (rest * 100 + value) % 97,
    });
    rest == 1
}

/// Tells phone numbers from other numbers by how they begin or are divided. Dates and plain
/// amounts are none.
fn is_phone(text: &str) -> bool {
    let count = digits(text).count();
    if !PHONE_DIGITS.contains(&count) || is_date(text) {
        return false;
    }
    let groups = text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty());
    let is_grouped = groups.clone().count() >= 3 && groups.clone().all(|group| group.len() <= 4);
    text.starts_with(['+', '(', '0']) || (count >= 10 && is_grouped)
}

/// Says whether a text begins with a day, such as 2026-11-25 or 25.11.2026.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '.', '/', ' ']).collect();
    let is = |part: &str, max: u32| part.len() <= 2 && part.parse().is_ok_and(|n: u32| n <= max);
    let year = |part: &str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
    match parts.as_slice() {
        [a, b, c, ..] => (year(a) && is(b, 12) && is(c, 31)) || (is(a, 31) && is(b, 31) && year(c)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> BTreeSet<PersonalData> {
        PersonalData::ALL.into()
    }

    fn found(text: &str) -> Vec<(PersonalData, &str)> {
        find(text, &all()).into_iter().map(|one| (one.kind, &text[one.range])).collect()
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(PATTERNS.len(), PersonalData::ALL.len());
    }

    #[test]
    fn personal_data_is_found() {
        use PersonalData::{Card, Email, Iban, Phone};
        let cases = [
            ("write to ada.b+x@mail.example.co.uk.", Email, "ada.b+x@mail.example.co.uk"),
            ("jürgen@müller.de", Email, "jürgen@müller.de"),
            ("card 4242 4242 4242 4242 please", Card, "4242 4242 4242 4242"),
            ("378282246310005", Card, "378282246310005"),
            ("IBAN DE89 3704 0044 0532 0130 00.", Iban, "DE89 3704 0044 0532 0130 00"),
            ("gb29nwbk60161331926819", Iban, "gb29nwbk60161331926819"),
            ("call +49 151 23456789!", Phone, "+49 151 23456789"),
            ("call (415) 555-0132 now", Phone, "(415) 555-0132"),
            ("or 415-555-0132", Phone, "415-555-0132"),
            ("0171/1234567", Phone, "0171/1234567"),
        ];
        for (text, kind, data) in cases {
            assert_eq!(found(text), [(kind, data)], "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not() {
        for text in [
            "order 4242424242424243",
            "on 2026-11-25 10:30",
            "25.11.2026",
            "100 200",
            "1234567",
            "DE88 3704 0044 0532 0130 00 is no account",
            "12345678 pieces",
            "a@b",
            "3.14159265",
            "",
        ] {
            let numbers: Vec<_> =
                found(text).into_iter().filter(|(kind, _)| *kind != PersonalData::Phone).collect();
            assert_eq!(numbers, [], "{text}");
        }
        for text in ["on 2026-11-25 10:30", "25.11.2026", "12345678 pieces", "3.14159265"] {
            assert_eq!(found(text), [], "{text}");
        }
        assert_eq!(find("ada@mail.example", &[PersonalData::Card].into()), []);
    }
}
