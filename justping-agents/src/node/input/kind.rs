//! The kinds of answers a question can want.

use justping_core::model::{Content, MediaKind, Signal};
use justping_core::port::{Fit, NodeConfigError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::{AnswerKind, AnswerProblem, DateOrder};

/// The events that tell how a payment goes; their data is the answer.
pub(super) const PAYMENT_EVENTS: &str = "payment.*";
/// The payment was made.
const PAID: &str = "payment.succeeded";
/// The payment was not made, and may be tried again.
const NOT_PAID: [&str; 3] = ["payment.failed", "payment.canceled", "payment.expired"];
/// Most points of a rating.
const POINTS_MAX: f64 = 100.0;

/// What a document says about the answer.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    integer: bool,
    #[serde(default)]
    default_region: Option<String>,
    #[serde(default)]
    date_order: DateOrder,
    #[serde(default)]
    accept: Vec<MediaKind>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Text,
    Number,
    Email,
    Phone,
    Url,
    Date,
    Time,
    Rating,
    File,
    Location,
    Payment,
}

/// The members of the schema.
pub(super) fn schema() -> Value {
    json!({
        "kind": {"title": "Kind", "enum": [
            "text", "number", "email", "phone", "url", "date", "time", "rating", "file",
            "location", "payment"
        ]},
        "min": {"type": "number", "title": "Least number, or fewest characters"},
        "max": {"type": "number", "title": "Greatest number, or most characters or points"},
        "integer": {"type": "boolean", "title": "Whole numbers only"},
        "default_region": {
            "type": "string", "title": "Country of numbers without country code",
            "pattern": "^[A-Za-z]{2}$"
        },
        "date_order": {"title": "What stands first in 1/2/2026", "enum": ["day_first", "month_first"]},
        "accept": {
            "type": "array", "title": "Kinds of files; any without it", "uniqueItems": true,
            "items": {"enum": ["image", "audio", "video", "document", "sticker"]}
        }
    })
}

/// An answer of a kind.
#[derive(Debug)]
pub(super) enum Answer {
    /// Words.
    Typed(AnswerKind),
    /// A file of one of these kinds; of any when there are none.
    File(Vec<MediaKind>),
    /// A place.
    Location,
    /// An event that tells of a payment.
    Payment,
}

/// How a payment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paid {
    Yes,
    No,
    NotYet,
}

impl Wanted {
    /// Puts the kind together and refuses limits nothing can meet.
    pub(super) fn answer(&self) -> Result<Answer, NodeConfigError> {
        if self.min.zip(self.max).is_some_and(|(min, max)| min > max) {
            return Err(NodeConfigError::new("/max", "the greatest is less than the least"));
        }
        let kind = match self.kind {
            Kind::Text => AnswerKind::Text {
                min: whole("/min", self.min, f64::from(u32::MAX))?,
                max: whole("/max", self.max, f64::from(u32::MAX))?,
            },
            Kind::Number => {
                AnswerKind::Number { min: self.min, max: self.max, integer: self.integer }
            }
            Kind::Email => AnswerKind::Email {},
            Kind::Phone => AnswerKind::Phone { default_region: self.default_region.clone() },
            Kind::Url => AnswerKind::Url {},
            Kind::Date => AnswerKind::Date { order: self.date_order },
            Kind::Time => AnswerKind::Time {},
            Kind::Rating => {
                let max = whole("/max", self.max, POINTS_MAX)?;
                AnswerKind::Rating { max: max.and_then(|max| u32::try_from(max).ok()) }
            }
            Kind::File => return Ok(Answer::File(self.accept.clone())),
            Kind::Location => return Ok(Answer::Location),
            Kind::Payment => return Ok(Answer::Payment),
        };
        if kind.parse("0") == Err(AnswerProblem::UnknownRegion) {
            return Err(NodeConfigError::new("/default_region", "there is no such country"));
        }
        Ok(Answer::Typed(kind))
    }
}

/// A whole number that is not negative and not too large.
fn whole(path: &str, value: Option<f64>, most: f64) -> Result<Option<usize>, NodeConfigError> {
    match value {
        Some(number) if number < 0.0 || number.fract() != 0.0 || number > most => {
            Err(NodeConfigError::new(path, format!("must be whole and 0 to {most}")))
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        other => Ok(other.map(|number| number as usize)),
    }
}

impl Answer {
    /// Whether it comes from outside and not from the contact.
    pub(super) fn is_outside(&self) -> bool {
        matches!(self, Self::Payment)
    }

    /// The value of a message, if it is an answer.
    pub(super) fn read(&self, content: &Content) -> Option<Value> {
        match self {
            Self::Typed(kind) => kind.parse(content.plain()).ok(),
            Self::File(kinds) => file(content, kinds),
            Self::Location => location(content),
            Self::Payment => None,
        }
    }

    /// What an event says about a payment; `None` when it is about something else.
    pub(super) fn paid(&self, signal: &Signal) -> Option<Paid> {
        let (Self::Payment, Signal::Name(name)) = (self, signal) else { return None };
        name.starts_with("payment.").then(|| match name.as_str() {
            PAID => Paid::Yes,
            other if NOT_PAID.contains(&other) => Paid::No,
            _ => Paid::NotYet,
        })
    }

    /// How well a message fits.
    pub(super) fn fits(&self, content: &Content) -> Fit {
        match (self, self.read(content)) {
            (_, None) => Fit::Other,
            (Self::Typed(AnswerKind::Text { .. }), Some(_)) => Fit::Free,
            (_, Some(_)) => Fit::Exact,
        }
    }
}

/// The members of a file, as a message carries them.
fn file(content: &Content, kinds: &[MediaKind]) -> Option<Value> {
    match content {
        Content::Media { kind, .. } if kinds.is_empty() || kinds.contains(kind) => {
            let mut value = serde_json::to_value(content).ok()?;
            value.as_object_mut()?.remove("type");
            Some(value)
        }
        _ => None,
    }
}

/// A place that was sent, or its coordinates: degrees north and east.
fn location(content: &Content) -> Option<Value> {
    let (latitude, longitude, more) = match content {
        Content::Location { latitude, longitude, name, address } => {
            (*latitude, *longitude, [("name", name.clone()), ("address", address.clone())])
        }
        other => {
            let (north, east) = other.plain().split_once(',')?;
            let degrees = |text: &str| text.trim().parse::<f64>().ok();
            (degrees(north)?, degrees(east)?, [("name", None), ("address", None)])
        }
    };
    let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    let mut place = Map::new();
    place.insert("latitude".to_owned(), json!(latitude));
    place.insert("longitude".to_owned(), json!(longitude));
    for (name, value) in more {
        place.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    }
    on_earth.then_some(Value::Object(place))
}
