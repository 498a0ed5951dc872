//! Reading what a contact typed where a flow asks for something.
//!
//! An [`AnswerKind`] turns a typed text into the JSON value a flow stores, or says in one word what
//! is wrong with it, so that the flow can ask again.

mod moment;
mod number;
mod rating;
#[cfg(test)]
mod tests;
mod web;

use std::str::FromStr;

use email_address::{EmailAddress, Options};
use phonenumber::Mode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::rating::RATING_MAX;

/// The longest text answer, in characters; longer ones are refused, not cut.
pub const MAX_TEXT_CHARS: usize = 4096;

/// The longest number or phone answer, in characters.
pub const MAX_NUMBER_CHARS: usize = 64;

/// The longest e-mail address, in bytes (RFC 5321).
pub const MAX_EMAIL_BYTES: usize = 254;

/// The longest address of a page, in characters.
pub const MAX_URL_CHARS: usize = 2048;

/// The longest date or time answer, in characters.
pub const MAX_MOMENT_CHARS: usize = 32;

/// Is what a flow expects a contact to type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum AnswerKind {
    /// Any text that is not blank; lengths in characters. Gives a string, line breaks kept.
    Text {
        /// The fewest characters; 1 without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<usize>,
        /// The most characters; [`MAX_TEXT_CHARS`] without it and at most that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<usize>,
    },
    /// A number as people write them. Gives a JSON integer when it is whole, else a float.
    ///
    /// Digits are ASCII, with an optional sign in front. Groups of digits are set off by blanks,
    /// apostrophes, commas or dots, in threes or as in India (`1,00,000`). When both `,` and `.`
    /// occur, the last is the decimal sign: `1,234.50`, `1.234,50`. One that repeats groups:
    /// `1,234,567`. A single one is the decimal sign (`12,5`, `0,234`), except that a single comma
    /// before exactly three digits groups: **`1,234` is 1234 and `1.234` is 1.234**. No exponents,
    /// currencies or percent signs.
    Number {
        /// The smallest value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        /// The largest value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
        /// Whether it has to be whole.
        #[serde(default)]
        integer: bool,
    },
    /// An e-mail address with a dot in its domain. Gives a string, the domain in lower case.
    Email {},
    /// A valid phone number. Gives a string in E.164 form, any extension left out.
    Phone {
        /// Where a number without country code is from, as ISO 3166 code (`IN`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default_region: Option<String>,
    },
    /// The address of a page: `http` or `https`, the scheme may be left out, the host is a name with
    /// a dot. Gives a string, as browsers write it.
    Url {},
    /// A day: `2026-12-31`, `31.12.2026`, or `31/12/2026` in the given order. The year has four
    /// digits. Gives a string such as `2026-12-31`.
    Date {
        /// Which of day and month stands first between slashes.
        #[serde(default)]
        order: DateOrder,
    },
    /// A time of day: `17:30`, `17.30`, `5:30 pm`, `5pm`. Gives a string such as `17:30`.
    Time {},
    /// So many points, as a number or as that many stars. Gives an integer.
    Rating {
        /// The most points; [`RATING_MAX`] without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
}

/// Which of day and month stands first where a date does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// `31/12/2026`.
    #[default]
    DayFirst,
    /// `12/31/2026`.
    MonthFirst,
}

/// Says what is wrong with an answer; never contains the answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum AnswerProblem {
    /// Nothing but blanks.
    #[error("answer is empty")]
    Empty,
    /// Fewer characters than asked for.
    #[error("answer is shorter than {min} characters")]
    TooShort {
        /// The fewest characters.
        min: usize,
    },
    /// More characters than allowed.
    #[error("answer is longer than {max} characters")]
    TooLong {
        /// The most characters.
        max: usize,
    },
    /// Not a number, or not a finite one.
    #[error("answer is not a number")]
    NotANumber,
    /// A number, but not a whole one that fits 64 bits.
    #[error("answer is not a whole number")]
    NotAnInteger,
    /// Below the minimum.
    #[error("answer is less than {min}")]
    TooSmall {
        /// The smallest value.
        min: f64,
    },
    /// Above the maximum.
    #[error("answer is more than {max}")]
    TooLarge {
        /// The largest value.
        max: f64,
    },
    /// Not an e-mail address.
    #[error("answer is not an e-mail address")]
    NotAnEmail,
    /// Not a valid phone number.
    #[error("answer is not a phone number")]
    NotAPhone,
    /// Not the address of a page.
    #[error("answer is not a web address")]
    NotAUrl,
    /// Not a day there is.
    #[error("answer is not a date")]
    NotADate,
    /// Not a time of day.
    #[error("answer is not a time")]
    NotATime,
    /// The flow names a default region that does not exist.
    #[error("default region is unknown")]
    UnknownRegion,
}

impl AnswerKind {
    /// Reads `text`; control characters (other than line breaks in texts) and blanks around it do
    /// not count.
    ///
    /// # Errors
    /// [`AnswerProblem`] says what to tell the contact.
    pub fn parse(&self, text: &str) -> Result<Value, AnswerProblem> {
        match self {
            Self::Text { min, max } => parse_text(text, min.unwrap_or(1), *max),
            Self::Number { min, max, integer } => {
                let number = number::parse(&plain(text, MAX_NUMBER_CHARS)?)?;
                number.within(*min, *max, *integer)
            }
            Self::Email {} => parse_email(&plain(text, MAX_EMAIL_BYTES)?),
            Self::Phone { default_region } => {
                parse_phone(&plain(text, MAX_NUMBER_CHARS)?, default_region.as_deref())
            }
            Self::Url {} => web::parse(&plain(text, MAX_URL_CHARS)?),
            Self::Date { order } => moment::date(&plain(text, MAX_MOMENT_CHARS)?, *order),
            Self::Time {} => moment::time(&plain(text, MAX_MOMENT_CHARS)?),
            Self::Rating { max } => {
                rating::parse(&plain(text, MAX_NUMBER_CHARS)?, max.unwrap_or(RATING_MAX))
            }
        }
    }
}

fn parse_text(text: &str, min: usize, max: Option<usize>) -> Result<Value, AnswerProblem> {
    let max = max.unwrap_or(MAX_TEXT_CHARS).min(MAX_TEXT_CHARS);
    let kept = clean(text, |c| c.is_control() && c != '\n', MAX_TEXT_CHARS)?;
    let length = kept.chars().count();
    if length < min {
        return Err(AnswerProblem::TooShort { min });
    }
    if length > max {
        return Err(AnswerProblem::TooLong { max });
    }
    Ok(Value::from(kept))
}

/// Cleans a one-line answer, also of the invisible marks that come with pasted numbers.
fn plain(text: &str, max: usize) -> Result<String, AnswerProblem> {
    let invisible = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
    let joiner = |c: char| matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}');
    clean(text, |c| c.is_control() || invisible(c) || joiner(c), max)
}

/// Drops characters and blanks around; copies no more than `max` allows.
fn clean(text: &str, drop: impl Fn(char) -> bool, max: usize) -> Result<String, AnswerProblem> {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || drop(c));
    let kept: String = trimmed.chars().filter(|c| !drop(*c)).take(max + 1).collect();
    if kept.is_empty() {
        return Err(AnswerProblem::Empty);
    }
    if kept.len() > max && kept.chars().count() > max {
        return Err(AnswerProblem::TooLong { max });
    }
    Ok(kept)
}

fn parse_email(text: &str) -> Result<Value, AnswerProblem> {
    let options = Options::default().with_required_tld().without_domain_literal();
    let address = EmailAddress::parse_with_options(text, options.without_display_text());
    let address = address.map_err(|_| AnswerProblem::NotAnEmail)?;
    if text.len() > MAX_EMAIL_BYTES {
        return Err(AnswerProblem::NotAnEmail);
    }
    Ok(Value::from(format!("{}@{}", address.local_part(), address.domain().to_lowercase())))
}

fn parse_phone(text: &str, region: Option<&str>) -> Result<Value, AnswerProblem> {
    let region = region
        .map(|region| phonenumber::country::Id::from_str(&region.to_ascii_uppercase()))
        .transpose()
        .map_err(|_| AnswerProblem::UnknownRegion)?;
    let text: String = text.chars().map(narrow).collect();
    // A number with its country code does not depend on the default; the parser disagrees at times.
    let region = region.filter(|_| !text.starts_with('+'));
    let number = phonenumber::parse(region, &text).map_err(|_| AnswerProblem::NotAPhone)?;
    if !number.is_valid() {
        return Err(AnswerProblem::NotAPhone);
    }
    Ok(Value::from(number.format().mode(Mode::E164).to_string()))
}

/// Turns full-width digits and plus signs into ASCII, as Japanese keyboards type them.
fn narrow(c: char) -> char {
    match c {
        '０'..='９' | '＋' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}
