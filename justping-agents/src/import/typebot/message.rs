//! Bubbles: what is said and shown.

use serde_json::{Value, json};

use super::place::{Cx, Place};
use super::rich;
use super::source::Block;
use crate::import::json::{at, visible};

/// The text of a bubble; says what its style lost.
pub(super) fn bubble<'s>(cx: &mut Cx<'s>, block: &'s Block<'s>, node: &str) -> String {
    let plain = rich::plain(block.json, &block.path);
    let mut out = String::new();
    for (path, text) in plain.pieces {
        match path {
            Some(path) => out.push_str(&cx.text(&path, &text)),
            None => out.push_str(&text),
        }
    }
    if plain.styled {
        cx.ledger.degraded(&block.path, node, "bold, italic and the like are plain");
    }
    out
}

/// Says something.
pub(super) fn text<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let text = bubble(cx, place.block, &place.node);
    if text.trim().is_empty() {
        cx.stand_in(place, "a bubble without text");
        return;
    }
    cx.put(place, "text", json!({"text": text}));
    cx.go_on(place, "next");
}

/// The address of what is shown, with its pointer.
fn address<'s>(cx: &mut Cx<'s>, place: &Place<'s>) -> Option<String> {
    let (holder, name) = match place.block.json.get("content") {
        Some(content) => (content, "content"),
        None => (place.block.json.get("options")?, "options"),
    };
    let url = visible(holder, "url")?;
    let path = at(&at(&place.block.path, name), "url");
    Some(cx.text(&path, url))
}

/// Shows a picture or a sound.
pub(super) fn media<'s>(cx: &mut Cx<'s>, place: &Place<'s>, kind: &str) {
    let Some(url) = address(cx, place) else {
        cx.stand_in(place, "nothing is shown: the address is missing");
        return;
    };
    let click = place.block.json.get("content").and_then(|content| content.get("clickLink"));
    if click.is_some_and(|click| !click.is_null()) {
        cx.ledger.degraded(&place.block.path, &place.node, "a press on it leads nowhere");
    }
    cx.put(place, "media", json!({"kind": kind, "url": url}));
    cx.go_on(place, "next");
}

/// Shows a video, or the link of one that lives elsewhere.
pub(super) fn video<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let kind = place.block.json.get("content").and_then(|content| content.get("type"));
    match kind.and_then(Value::as_str) {
        None | Some("url") => media(cx, place, "video"),
        Some(_) => link(cx, place, "the video of another site is sent as a link"),
    }
}

/// Sends an address as text.
pub(super) fn link<'s>(cx: &mut Cx<'s>, place: &Place<'s>, reason: &str) {
    let Some(url) = address(cx, place) else {
        cx.stand_in(place, "the address is missing");
        return;
    };
    cx.ledger.degraded(&place.block.path, &place.node, reason);
    cx.put(place, "text", json!({"text": url}));
    cx.go_on(place, "next");
}
