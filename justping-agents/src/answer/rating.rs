//! Points and stars.

use serde_json::Value;

use super::AnswerProblem;
use super::number;

/// The most points unless a flow says otherwise.
pub const RATING_MAX: u32 = 5;

/// What counts as a star.
const STARS: [char; 3] = ['*', '\u{2b50}', '\u{2605}'];
/// Joins to a star and says how it is drawn.
const VARIATION: char = '\u{fe0f}';

/// Reads points from 1 to `max`; `4/5` is 4 of 5.
pub(super) fn parse(text: &str, max: u32) -> Result<Value, AnswerProblem> {
    let bare: String = text.chars().filter(|c| *c != VARIATION && !c.is_whitespace()).collect();
    if !bare.is_empty() && bare.chars().all(|c| STARS.contains(&c)) {
        let stars = u32::try_from(bare.chars().count()).unwrap_or(u32::MAX);
        return within(f64::from(stars), max);
    }
    let points = match bare.split_once('/') {
        Some((points, of)) if of.parse() == Ok(max) => points,
        _ => &bare,
    };
    let number = number::parse(points)?.within(None, None, true)?;
    within(number.as_f64().ok_or(AnswerProblem::NotANumber)?, max)
}

fn within(points: f64, max: u32) -> Result<Value, AnswerProblem> {
    if points < 1.0 {
        return Err(AnswerProblem::TooSmall { min: 1.0 });
    }
    if points > f64::from(max) {
        return Err(AnswerProblem::TooLarge { max: f64::from(max) });
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let points = points as u32;
    Ok(Value::from(points))
}
