//! Numbers as people write them.

use serde_json::Value;

use super::AnswerProblem;

/// Blanks and apostrophes that set off groups of digits.
const GROUP_SIGNS: [char; 6] = [' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '’'];

/// Is a finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// Reads a trimmed text; the rules are those of [`AnswerKind::Number`](super::AnswerKind::Number).
pub(super) fn parse(text: &str) -> Result<Number, AnswerProblem> {
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = split(digits);
    let whole = ungroup(whole).ok_or(AnswerProblem::NotANumber)?;
    let digits_only = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if fraction.is_some_and(|fraction| !digits_only(fraction)) {
        return Err(AnswerProblem::NotANumber);
    }
    if fraction.is_none() && whole.is_empty() {
        return Err(AnswerProblem::NotANumber);
    }
    let sign = if negative { "-" } else { "" };
    if fraction.is_none_or(|fraction| fraction.bytes().all(|b| b == b'0'))
        && let Ok(int) = format!("{sign}{whole}").parse()
    {
        return Ok(Number::Int(int));
    }
    let plain = format!("{sign}0{whole}.{}", fraction.unwrap_or("0"));
    let float = plain.parse().ok().filter(|float: &f64| float.is_finite());
    float.map(Number::Float).ok_or(AnswerProblem::NotANumber)
}

/// Splits off the fraction at the decimal sign, if there is one.
fn split(digits: &str) -> (&str, Option<&str>) {
    let Some(at) = digits.rfind([',', '.']) else { return (digits, None) };
    let (whole, rest) = digits.split_at(at);
    let fraction = rest.get(1..).unwrap_or_default();
    let sign = rest.chars().next().unwrap_or('.');
    let repeats = whole.contains(sign);
    let alone = !whole.contains(|c: char| !c.is_ascii_digit());
    let grouped = (1..=3).contains(&whole.len()) && !whole.starts_with('0') && fraction.len() == 3;
    if repeats || (sign == ',' && alone && grouped) {
        (digits, None)
    } else {
        (whole, Some(fraction))
    }
}

/// Joins groups of digits; `None` when they are no groups.
fn ungroup(text: &str) -> Option<String> {
    let is_sign = |c: char| GROUP_SIGNS.contains(&c) || c == ',' || c == '.';
    if text.chars().any(|c| !is_sign(c) && !c.is_ascii_digit()) {
        return None;
    }
    let mut signs = text.chars().filter(|c| is_sign(*c));
    let first = signs.next();
    if signs.any(|sign| Some(sign) != first) {
        return None;
    }
    let groups: Vec<&str> = text.split(is_sign).collect();
    let ([head, middle @ .., last], true) = (groups.as_slice(), groups.len() > 1) else {
        return Some(text.to_owned());
    };
    let threes = middle.iter().all(|group| group.len() == 3);
    let indian = middle.iter().all(|group| group.len() == 2) && head.len() <= 2;
    let fits = (1..=3).contains(&head.len()) && last.len() == 3 && (threes || indian);
    fits.then(|| groups.concat())
}

impl Number {
    /// Checks the limits of the question.
    pub(super) fn within(
        self,
        min: Option<f64>,
        max: Option<f64>,
        integer: bool,
    ) -> Result<Value, AnswerProblem> {
        let (float, value) = match self {
            Self::Int(int) => (int as f64, Value::from(int)),
            Self::Float(_) if integer => return Err(AnswerProblem::NotAnInteger),
            Self::Float(float) => (float, Value::from(float)),
        };
        match (min, max) {
            (Some(min), _) if float < min => Err(AnswerProblem::TooSmall { min }),
            (_, Some(max)) if float > max => Err(AnswerProblem::TooLarge { max }),
            _ => Ok(value),
        }
    }
}
