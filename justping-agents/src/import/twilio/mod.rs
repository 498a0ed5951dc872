//! Flow definitions of Twilio Studio.
//!
//! `source` what is written · `liquid` paths and filters · `place` widgets on their way · `message`,
//! `branch`, `service` kinds of widgets.
//!
//! A widget leaves by the transition of an event. Calls have no counterpart: what speaks and listens
//! on the telephone becomes a note.

mod branch;
mod liquid;
mod message;
mod place;
mod service;
mod source;

use serde_json::{Map, Value, json};

use self::place::{Cx, Place};
use self::source::Flow;
use super::ImportError;
use super::report::Report;
use super::sketch::document;

/// The type of the widget that starts a flow.
const TRIGGER: &str = "trigger";
/// The events that start a flow with a message.
const MESSAGES: [&str; 2] = ["incomingMessage", "incomingConversationMessage"];

/// Reads a flow definition.
pub(super) fn import(source: &Value) -> Result<(Value, Report), ImportError> {
    let flow = Flow::read(source)?;
    let mut cx = Cx::new(source, &flow);
    start(&mut cx);
    for place in cx.places() {
        widget(&mut cx, &place);
    }
    let name = flow.description;
    let Cx { sketch, mut ledger, .. } = cx;
    let (flow, notes) = sketch.write(name);
    notes.into_iter().for_each(|note| ledger.note(note));
    Ok((document(flow, Map::new()), ledger.report()))
}

/// Puts the trigger where the flow starts, and connects it with what starts on a message, or failing
/// that on something else.
fn start(cx: &mut Cx<'_>) {
    let flow = cx.flow;
    let first = flow.states.iter().find(|state| state.name == flow.initial);
    let first = first.or_else(|| flow.states.iter().find(|state| state.kind == TRIGGER));
    let spot = first.map(|state| state.spot).unwrap_or_default();
    let id = cx.trigger.clone();
    // A trigger without settings is always taken.
    let _ = cx.sketch.graph.node(&id, "trigger", json!({"on": "any"}), spot);
    let Some(first) = first else { return };
    if first.kind != TRIGGER {
        cx.ledger.note("the source starts without a trigger; one was added".to_owned());
        if let Some(entry) = cx.entry(first.name) {
            cx.begin(&entry);
        }
        return;
    }
    cx.ledger.imported(&first.path, &id);
    let rank =
        |event: &str| MESSAGES.iter().position(|one| *one == event).unwrap_or(MESSAGES.len());
    let mut exits: Vec<_> = first.exits.iter().filter(|exit| exit.next.is_some()).collect();
    exits.sort_by_key(|exit| (exit.event == "incomingCall", rank(exit.event)));
    let mut taken: Option<String> = None;
    for exit in exits {
        let Some(target) = exit.next.and_then(|next| cx.entry(next)) else {
            cx.ledger.unsupported(&exit.path, "leads to nothing");
            continue;
        };
        let is_message = MESSAGES.contains(&exit.event);
        match &taken {
            None => {
                cx.begin(&target);
                if is_message {
                    cx.ledger.imported(&exit.path, &format!("{id} → {target}"));
                } else {
                    let reason = format!("a message starts the flow, not `{}`", exit.event);
                    cx.ledger.degraded(&exit.path, &format!("{id} → {target}"), &reason);
                }
                taken = Some(target);
            }
            Some(taken) if *taken == target && is_message => {
                cx.ledger.imported(&exit.path, &format!("{id} → {target}"));
            }
            Some(_) => {
                let reason = format!("only a message starts the flow, not `{}`", exit.event);
                cx.ledger.unsupported(&exit.path, &reason);
            }
        }
    }
}

fn widget<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    match place.state.kind {
        TRIGGER => cx.stand_in(place, "a flow starts at one place"),
        "send-message" => message::send(cx, place),
        "send-and-wait-for-reply" => message::ask(cx, place),
        "split-based-on" => branch::split(cx, place),
        "set-variables" => branch::set(cx, place),
        "make-http-request" => service::http(cx, place),
        "run-function" => service::function(cx, place),
        "send-to-flex" | "enqueue-call" | "send-to-agent" => service::hand_off(cx, place),
        "say-play"
        | "gather-input-on-call"
        | "make-outgoing-call-v2"
        | "make-outgoing-call-v1"
        | "connect-call-to"
        | "record-call"
        | "record-voicemail"
        | "fork-stream"
        | "capture-payments" => {
            cx.stand_in(place, "telephone calls have no counterpart");
        }
        other => {
            let reason = format!("widgets of the type `{other}` have no counterpart");
            cx.stand_in(place, &reason);
        }
    }
}
