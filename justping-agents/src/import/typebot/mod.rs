//! Typebot exports, versions 3 to 6.
//!
//! `source` what is written · `place` blocks on their way · `message`, `question`, `choice`, `logic`,
//! `service` kinds of blocks · `compare` conditions · `formula` set-variable expressions · `rich` text.
//!
//! A group runs block by block; a block leaves by its own edge or goes on to the next of its group. A
//! bubble of text right before a question is the question's text.

mod choice;
mod compare;
mod formula;
mod logic;
mod message;
mod place;
mod question;
mod rich;
mod service;
mod source;

use serde_json::{Map, Value, json};

use self::place::{Cx, Place};
use self::source::{Bot, START};
use super::ImportError;
use super::report::Report;
use super::sketch::document;

/// The type of the event that starts a flow since version 6.
const START_EVENT: &str = "start";

/// Reads an export.
pub(super) fn import(source: &Value) -> Result<(Value, Report), ImportError> {
    let bot = Bot::read(source)?;
    let mut cx = Cx::new(&bot, bot.book(source));
    start(&mut cx);
    for place in cx.places() {
        block(&mut cx, &place);
    }
    for arrow in bot.edges.values() {
        cx.unused(arrow);
    }
    let Cx { sketch, mut ledger, .. } = cx;
    let (flow, notes) = sketch.write(bot.name);
    notes.into_iter().for_each(|note| ledger.note(note));
    Ok((document(flow, Map::new()), ledger.report()))
}

/// Puts the trigger: the start event, the first start block, or one before the first group.
fn start(cx: &mut Cx<'_>) {
    let bot = cx.bot;
    let events = bot.events.iter().filter(|event| event.kind == START_EVENT);
    let first = events.clone().next();
    let spot = first.map(|event| event.spot);
    let block = bot.groups.iter().flat_map(|group| {
        group
            .blocks
            .iter()
            .filter(|block| block.kind == START)
            .map(move |block| (group.spot, block))
    });
    let block = block.into_iter().next().filter(|_| first.is_none());
    let spot = spot.or(block.map(|(spot, _)| spot)).unwrap_or_default();
    let id = cx.sketch.graph.id("trigger");
    // A trigger without settings is always taken.
    let _ = cx.sketch.graph.node(&id, "trigger", json!({"on": "any"}), spot);
    if let Some(event) = first {
        cx.ledger.imported(&event.path, &id);
        cx.leave_by(&id, "next", event.outgoing);
    } else if let Some((_, block)) = block {
        cx.ledger.imported(&block.path, &id);
        cx.started = Some(block.path.clone());
        cx.leave_by(&id, "next", block.outgoing);
    } else {
        cx.ledger.note("the source does not say where it starts".to_owned());
        if let Some(entry) = cx.first_entry() {
            cx.sketch.graph.edge(&id, "next", &entry);
        }
    }
    for event in
        bot.events.iter().filter(|event| first.is_none_or(|first| first.path != event.path))
    {
        cx.ledger.unsupported(&event.path, "events other than the start have no counterpart");
    }
}

fn block<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    match place.block.kind {
        START => logic::start(cx, place),
        "text" => message::text(cx, place),
        "image" => message::media(cx, place, "image"),
        "audio" => message::media(cx, place, "audio"),
        "video" => message::video(cx, place),
        "embed" => message::link(cx, place, "what a page would show is sent as a link"),
        "text input" | "number input" | "email input" | "phone number input" | "url input"
        | "date input" | "time input" | "rating input" | "file input" | "payment input" => {
            question::ask(cx, place);
        }
        "choice input" => choice::buttons(cx, place),
        "picture choice input" => choice::pictures(cx, place),
        "Set variable" => formula::set(cx, place),
        "Condition" => compare::branch(cx, place),
        "Redirect" => message::link(cx, place, "a redirection is sent as a link"),
        "Jump" => logic::jump(cx, place),
        "Typebot link" => logic::link(cx, place),
        "AB test" => logic::split(cx, place),
        "Wait" => logic::wait(cx, place),
        "Webhook" => service::http(cx, place),
        "openai" | "OpenAI" => service::chat(cx, place),
        other => {
            let reason = format!("blocks of the type `{other}` have no counterpart");
            cx.stand_in(place, &reason);
        }
    }
}
