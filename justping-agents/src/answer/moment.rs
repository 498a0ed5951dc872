//! Days and times of day.

use jiff::civil::{Date, Time};
use serde_json::Value;

use super::{AnswerProblem, DateOrder};

/// Reads a day.
pub(super) fn date(text: &str, order: DateOrder) -> Result<Value, AnswerProblem> {
    let separator = ['-', '.', '/'].into_iter().find(|c| text.contains(*c));
    let separator = separator.ok_or(AnswerProblem::NotADate)?;
    let mut parts = text.split(separator).map(|part| digits(part, 4));
    let (Some(Some(a)), Some(Some(b)), Some(Some(c)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(AnswerProblem::NotADate);
    };
    let (year, month, day) = match (separator, order) {
        ('-', _) => (a, b, c),
        ('/', DateOrder::MonthFirst) => (c, a, b),
        _ => (c, b, a),
    };
    let small = |number: i16| i8::try_from(number).map_err(|_| AnswerProblem::NotADate);
    // A year of two digits could be of two centuries.
    if year < 1000 {
        return Err(AnswerProblem::NotADate);
    }
    let date = Date::new(year, small(month)?, small(day)?);
    date.map(|date| Value::from(date.to_string())).map_err(|_| AnswerProblem::NotADate)
}

/// Reads a time of day.
pub(super) fn time(text: &str) -> Result<Value, AnswerProblem> {
    let text = text.to_lowercase();
    let (clock, half) = match text.trim_end_matches('.').replace("a.m", "am").replace("p.m", "pm") {
        text if text.ends_with("am") => (cut(&text), Some(0)),
        text if text.ends_with("pm") => (cut(&text), Some(12)),
        text => (text, None),
    };
    let mut parts = clock.split([':', '.']).map(|part| digits(part.trim(), 2));
    let (hour, minute) = match (parts.next(), parts.next(), parts.next(), half) {
        (Some(Some(hour)), Some(Some(minute)), None, _) => (hour, minute),
        (Some(Some(hour)), None, None, Some(_)) => (hour, 0),
        _ => return Err(AnswerProblem::NotATime),
    };
    let hour = match half {
        None => hour,
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return Err(AnswerProblem::NotATime),
    };
    let small = |number: i16| i8::try_from(number).map_err(|_| AnswerProblem::NotATime);
    let time =
        Time::new(small(hour)?, small(minute)?, 0, 0).map_err(|_| AnswerProblem::NotATime)?;
    Ok(Value::from(format!("{:02}:{:02}", time.hour(), time.minute())))
}

/// The text without the last two letters.
fn cut(text: &str) -> String {
    text.get(..text.len().saturating_sub(2)).unwrap_or_default().trim().to_owned()
}

/// A number of so many ASCII digits at most.
fn digits(text: &str, most: usize) -> Option<i16> {
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}
