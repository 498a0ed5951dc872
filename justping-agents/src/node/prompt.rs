//! Asking, reminding, asking again and giving up: what nodes that wait for an answer have in common.

use std::borrow::Cow;
use std::time::Duration;

use justping_core::model::Timestamp;
use justping_core::port::{NodeConfigError, NodeContext, Step};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::config;
use crate::check::code;
use crate::text::Template;

/// Times to ask again unless the node says otherwise.
pub(super) const RETRIES_DEFAULT: u64 = 3;
/// Most times to ask again.
pub(super) const RETRIES_MAX: u64 = 20;
/// Longest wait for an answer: ninety days.
pub(super) const TIMEOUT_MINUTES_MAX: u64 = 90 * 24 * 60;
/// Most reminders of a node.
pub(super) const FOLLOW_UPS_MAX: usize = 10;

/// How long and how often to ask.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Patience {
    #[serde(default)]
    max_retries: Option<u64>,
    #[serde(default)]
    timeout_minutes: Option<u64>,
    #[serde(default)]
    follow_ups: Vec<FollowUp>,
}

/// A reminder, so many minutes after the question.
#[derive(Debug, Deserialize)]
struct FollowUp {
    after_minutes: u64,
    /// Or why it is no template.
    #[serde(deserialize_with = "compiled")]
    text: Result<Template, String>,
}

/// Reads a text; that it is no template is told with its place by [`Patience::check`].
fn compiled<'de, D: Deserializer<'de>>(source: D) -> Result<Result<Template, String>, D::Error> {
    let text: Cow<'de, str> = Deserialize::deserialize(source)?;
    Ok(Template::compile(&text).map_err(|reason| reason.to_string()))
}

/// How often it asked again, in what a node remembers.
const RETRIES: &str = "r";
/// When the timeout comes, in milliseconds since 1970.
const DUE: &str = "d";
/// When the next reminder is due, likewise.
const NEXT: &str = "w";
/// When it asked, likewise; only kept for reminders.
const ASKED: &str = "q";
/// Reminders that were sent or passed by.
const REMINDED: &str = "f";

impl Patience {
    /// Refuses reminders that nobody would get.
    pub(super) fn check(&self) -> Result<(), NodeConfigError> {
        let mut last = 0;
        for (at, follow_up) in self.follow_ups.iter().enumerate() {
            if let Err(reason) = &follow_up.text {
                let error = NodeConfigError::new(format!("/follow_ups/{at}/text"), reason.as_str());
                return Err(error.with_code(code::INVALID_TEMPLATE));
            }
            let path = format!("/follow_ups/{at}/after_minutes");
            if follow_up.after_minutes <= last {
                return Err(NodeConfigError::new(path, "each reminder comes after the one before"));
            }
            last = follow_up.after_minutes;
            if self.timeout_minutes.is_some_and(|timeout| timeout <= last) {
                return Err(NodeConfigError::new(path, "a reminder comes before the timeout"));
            }
        }
        Ok(())
    }

    /// Waits for the first answer.
    pub(super) fn first(&self, cx: &mut NodeContext<'_>) -> Step {
        self.wait_after(cx, 0)
    }

    /// Counts a bad answer: `None` when it was one too many, else how to wait for the next. The
    /// timeout and the reminders run anew, because the contact is there.
    pub(super) fn again(&self, cx: &mut NodeContext<'_>) -> Option<Step> {
        let retries = number(cx, RETRIES).unwrap_or(0).saturating_add(1);
        (retries <= self.max_retries.unwrap_or(RETRIES_DEFAULT))
            .then(|| self.wait_after(cx, retries))
    }

    /// A moment it waited for has come: the newest reminder that is due goes out, or the time is
    /// over. A timer that was not asked for changes nothing.
    pub(super) fn over(&self, cx: &mut NodeContext<'_>) -> Step {
        let due = cx.local.get(DUE).and_then(Value::as_i64);
        let in_time = due.is_some_and(|due| due > cx.now.as_millisecond());
        if self.timeout_minutes.is_some() && !(in_time && self.reminds()) {
            return exit("timeout");
        }
        let reminded = self.reminded(cx);
        let next = self.moments(cx).skip(reminded);
        let due = next.take_while(|moment| *moment <= cx.now).count();
        let left = self.follow_ups.get(reminded..).unwrap_or_default();
        let reminder = due.checked_sub(1).and_then(|at| left.get(at)?.text.as_ref().ok());
        if let Some(text) = reminder {
            if let Err(failed) = config::say(cx, text) {
                return failed;
            }
            if let Some(local) = cx.local.as_object_mut() {
                local.insert(REMINDED.to_owned(), Value::from(reminded + due));
            }
        }
        self.wait_on(cx)
    }

    /// Waits on, for the same moment as before.
    pub(super) fn on(cx: &NodeContext<'_>) -> Step {
        Step::Wait { until: moment(cx, NEXT).or_else(|| moment(cx, DUE)) }
    }

    /// The exits that asking adds.
    pub(super) fn exits(&self) -> impl Iterator<Item = String> {
        let timeout = self.timeout_exit().map(str::to_owned);
        std::iter::once("invalid".to_owned()).chain(timeout)
    }

    /// The exit for no answer, if there is a time for one.
    pub(super) fn timeout_exit(&self) -> Option<&'static str> {
        self.timeout_minutes.map(|_| "timeout")
    }

    /// The texts of its reminders.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        self.follow_ups.iter().filter_map(|follow_up| follow_up.text.as_ref().ok())
    }

    fn reminds(&self) -> bool {
        !self.follow_ups.is_empty()
    }

    fn wait_after(&self, cx: &mut NodeContext<'_>, retries: u64) -> Step {
        let until = self.timeout_minutes.and_then(|minutes| after(cx.now, minutes, 60));
        let mut local = Map::new();
        if retries > 0 {
            local.insert(RETRIES.to_owned(), Value::from(retries));
        }
        if let Some(due) = until {
            local.insert(DUE.to_owned(), Value::from(due.as_millisecond()));
        }
        if self.reminds() {
            local.insert(ASKED.to_owned(), Value::from(cx.now.as_millisecond()));
        }
        *cx.local = if local.is_empty() { Value::Null } else { Value::Object(local) };
        self.wait_on(cx)
    }

    /// Waits for the next reminder, or for the end.
    fn wait_on(&self, cx: &mut NodeContext<'_>) -> Step {
        if !self.reminds() {
            return Self::on(cx);
        }
        let next = self.moments(cx).nth(self.reminded(cx));
        if let Some(local) = cx.local.as_object_mut() {
            let _ = match next.map(|moment| Value::from(moment.as_millisecond())) {
                Some(moment) => local.insert(NEXT.to_owned(), moment),
                None => local.remove(NEXT),
            };
        }
        Self::on(cx)
    }

    fn reminded(&self, cx: &NodeContext<'_>) -> usize {
        let reminded = number(cx, REMINDED).and_then(|count| usize::try_from(count).ok());
        reminded.unwrap_or(0).min(self.follow_ups.len())
    }

    /// When each reminder is due.
    fn moments(&self, cx: &NodeContext<'_>) -> impl Iterator<Item = Timestamp> {
        let asked = moment(cx, ASKED);
        self.follow_ups.iter().filter_map(move |one| after(asked?, one.after_minutes, 60))
    }
}

fn number(cx: &NodeContext<'_>, name: &str) -> Option<u64> {
    cx.local.get(name).and_then(Value::as_u64)
}

fn moment(cx: &NodeContext<'_>, name: &str) -> Option<Timestamp> {
    let millis = cx.local.get(name).and_then(Value::as_i64)?;
    Timestamp::from_millisecond(millis).ok()
}

/// The moment some units of seconds later; `None` beyond the end of time.
pub(super) fn after(now: Timestamp, amount: u64, unit_seconds: u64) -> Option<Timestamp> {
    now.checked_add(Duration::from_secs(amount.saturating_mul(unit_seconds))).ok()
}

/// Leaves by an exit with a fixed name.
pub(super) fn exit(name: &'static str) -> Step {
    Step::Exit(Cow::Borrowed(name))
}
