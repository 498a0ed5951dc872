//! Saying and asking.

use serde_json::{Map, Value, json};

use super::place::{Cx, Place};
use crate::import::json::{number, visible};

/// Longest wait for an answer, in minutes: ninety days.
const TIMEOUT_MINUTES_MAX: f64 = 90.0 * 24.0 * 60.0;
/// What is said when nothing is.
const SILENCE: &str = " ";

/// Sends a message.
pub(super) fn send<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let Some(body) = visible(place.state.properties, "body") else {
        cx.stand_in(place, "a message without text");
        return;
    };
    let text = cx.text(&place.state.property_path("body"), body);
    cx.leftovers(place, &["body"]);
    cx.put(place, "text", json!({"text": text}));
    cx.leave(place, &[("sent", "next")]);
}

/// Sends a message and waits for the answer.
pub(super) fn ask<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let properties = place.state.properties;
    let body = visible(properties, "body");
    let prompt = body.map(|body| cx.text(&place.state.property_path("body"), body));
    let variable = cx.reply(place.state.name);
    cx.sketch.declare(&variable, None);
    let mut data = Map::new();
    data.insert("prompt".to_owned(), Value::from(prompt.unwrap_or_else(|| SILENCE.to_owned())));
    data.insert("variable".to_owned(), Value::from(variable));
    if let Some(seconds) = number(properties, "timeout").filter(|seconds| *seconds > 0.0) {
        let minutes = (seconds / 60.0).ceil().min(TIMEOUT_MINUTES_MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "limited")]
        data.insert("timeout_minutes".to_owned(), Value::from(minutes as u64));
        if seconds % 60.0 > 0.0 {
            let reason = "the timeout is rounded up to a minute";
            cx.ledger.degraded(&place.state.path, &place.node, reason);
        }
    }
    let waits = data.contains_key("timeout_minutes");
    cx.leftovers(place, &["body", "timeout"]);
    cx.put(place, "input", Value::from(data));
    let exits: &[(&str, &str)] = match waits {
        true => &[("incomingMessage", "reply"), ("timeout", "timeout")],
        false => &[("incomingMessage", "reply")],
    };
    cx.leave(place, exits);
}
