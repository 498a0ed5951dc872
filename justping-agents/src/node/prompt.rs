//! Asking, asking again and giving up: what nodes that wait for an answer have in common.

use std::borrow::Cow;
use std::time::Duration;

use justping_core::model::Timestamp;
use justping_core::port::{NodeContext, Step};
use serde::Deserialize;
use serde_json::{Value, json};

/// Times to ask again unless the node says otherwise.
pub(super) const RETRIES_DEFAULT: u64 = 3;
/// Most times to ask again.
pub(super) const RETRIES_MAX: u64 = 20;
/// Longest wait for an answer: ninety days.
pub(super) const TIMEOUT_MINUTES_MAX: u64 = 90 * 24 * 60;

/// How long and how often to ask.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Patience {
    #[serde(default)]
    max_retries: Option<u64>,
    #[serde(default)]
    timeout_minutes: Option<u64>,
}

impl Patience {
    /// Waits for the first answer.
    pub(super) fn first(&self, cx: &mut NodeContext<'_>) -> Step {
        self.wait_after(cx, 0)
    }

    /// Counts a bad answer: `None` when it was one too many, else how to wait for the next. The
    /// timeout runs anew, because the contact is there.
    pub(super) fn again(&self, cx: &mut NodeContext<'_>) -> Option<Step> {
        let retries = cx.local.get("r").and_then(Value::as_u64).unwrap_or(0).saturating_add(1);
        (retries <= self.max_retries.unwrap_or(RETRIES_DEFAULT))
            .then(|| self.wait_after(cx, retries))
    }

    /// The time is over; a timer that was not asked for changes nothing.
    pub(super) fn over(&self, cx: &NodeContext<'_>) -> Step {
        if self.timeout_minutes.is_some() { exit("timeout") } else { Self::on(cx) }
    }

    /// Waits on, for the same moment as before.
    pub(super) fn on(cx: &NodeContext<'_>) -> Step {
        let due = cx.local.get("d").and_then(Value::as_i64);
        Step::Wait { until: due.and_then(|ms| Timestamp::from_millisecond(ms).ok()) }
    }

    /// The exits that asking adds.
    pub(super) fn exits(&self) -> impl Iterator<Item = String> {
        let timeout = self.timeout_minutes.map(|_| "timeout".to_owned());
        std::iter::once("invalid".to_owned()).chain(timeout)
    }

    fn wait_after(&self, cx: &mut NodeContext<'_>, retries: u64) -> Step {
        let until = self.timeout_minutes.and_then(|minutes| after(cx.now, minutes, 60));
        let due = until.map(Timestamp::as_millisecond);
        *cx.local = match (retries, due) {
            (0, None) => Value::Null,
            (0, Some(due)) => json!({"d": due}),
            (retries, None) => json!({"r": retries}),
            (retries, Some(due)) => json!({"r": retries, "d": due}),
        };
        Step::Wait { until }
    }
}

/// The moment some units of seconds later; `None` beyond the end of time.
pub(super) fn after(now: Timestamp, amount: u64, unit_seconds: u64) -> Option<Timestamp> {
    now.checked_add(Duration::from_secs(amount.saturating_mul(unit_seconds))).ok()
}

/// Leaves by an exit with a fixed name.
pub(super) fn exit(name: &'static str) -> Step {
    Step::Exit(Cow::Borrowed(name))
}
