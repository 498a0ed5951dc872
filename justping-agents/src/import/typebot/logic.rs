//! Where the flow goes.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::place::{Cx, Place};
use crate::import::json::{at, number, objects, text};
use crate::import::sketch::option_id;

/// The name by which a bot calls itself.
const ITSELF: &str = "current";
/// The longest wait: a year.
const SECONDS_MAX: f64 = 365.0 * 24.0 * 60.0 * 60.0;

/// A start block: the first is the trigger already; another one passes on.
pub(super) fn start<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    if cx.started.as_ref() != Some(&place.block.path) {
        cx.stand_in(place, "a flow starts at one place");
    }
}

/// Goes on at another group.
pub(super) fn jump<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let text = |name: &str| place.block.option(name).and_then(Value::as_str);
    let Some(target) = cx.entry(text("groupId"), text("blockId")) else {
        cx.stand_in(place, "leads to nothing");
        return;
    };
    cx.leftovers(place, &["groupId", "blockId"]);
    cx.put(place, "jump", json!({"node": target}));
}

/// Goes on in another bot. One that is the bot itself is a jump; others are not in the export.
pub(super) fn link<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let text = |name: &str| place.block.option(name).and_then(Value::as_str);
    let bot = text("typebotId").unwrap_or_default();
    let target = cx.entry(text("groupId"), None).filter(|_| bot == ITSELF);
    let Some(target) = target else {
        cx.stand_in(place, &format!("the bot `{bot}` is not part of the export"));
        return;
    };
    cx.leftovers(place, &["typebotId", "groupId", "mergeResults"]);
    cx.put(place, "jump", json!({"node": target}));
}

/// Goes one of two ways by chance.
pub(super) fn split<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let items: Vec<(usize, &Value)> = objects(place.block.json, "items").collect();
    if items.is_empty() {
        cx.stand_in(place, "a test without arms");
        return;
    }
    let share = place.block.option("aPercent").and_then(Value::as_f64);
    let first = share.unwrap_or(50.0).clamp(0.0, 100.0).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let first = first as u64;
    let mut ids = HashSet::new();
    let mut arms = Vec::new();
    for (index, item) in items {
        let path = at(&at(&place.block.path, "items"), index);
        let id = option_id(&mut ids, text(item, "path").unwrap_or("arm"));
        let weight = if text(item, "path") == Some("a") { first } else { 100 - first };
        arms.push(json!({"id": id, "weight": weight}));
        cx.ledger.imported(&path, &format!("{}/option:{id}", place.node));
        cx.go_on_by(place, &format!("option:{id}"), item);
    }
    cx.leftovers(place, &["aPercent"]);
    cx.put(place, "split", json!({"arms": arms}));
}

/// Lets time pass.
pub(super) fn wait<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let options = place.block.json.get("options");
    let seconds = options.and_then(|options| number(options, "secondsToWaitFor"));
    let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= SECONDS_MAX) else {
        cx.stand_in(place, "waits for no time that is written out");
        return;
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let seconds = seconds.ceil() as u64;
    cx.leftovers(place, &["secondsToWaitFor", "shouldPause"]);
    cx.put(place, "wait", json!({"amount": seconds, "unit": "seconds"}));
    cx.go_on(place, "next");
}
