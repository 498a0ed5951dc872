//! Containers of the Flow Interoperability Project, flows of them, and snapshots of sessions.
//!
//! `source` what is written, and what the specification forbids · `expression` formulas · `words`
//! texts in languages · `place` blocks on their way · `block` kinds of blocks.
//!
//! The first flow becomes the document, the others the flows it calls.

mod block;
mod expression;
mod place;
mod source;
mod words;

use serde_json::{Map, Value, json};

use self::place::Cx;
use self::source::{Container, Flow};
use super::ImportError;
use super::ledger::Ledger;
use super::report::Report;
use super::sketch::document;

/// Reads a container.
pub(super) fn import(source: &Value) -> Result<(Value, Report), ImportError> {
    let container = Container::read(source)?;
    let mut ledger = container.book();
    let mut main = Map::new();
    let mut called = Map::new();
    for (index, flow) in container.flows.iter().enumerate() {
        let (converted, notes) = one(&container, flow, &mut ledger);
        notes.into_iter().for_each(|note| ledger.note(note));
        if index == container.first {
            main = converted;
        } else {
            called.insert(flow.key.to_owned(), Value::from(converted));
        }
    }
    let labels = container.exit_labels();
    for wording in &container.wordings {
        let is_label = wording.resource.is_some_and(|resource| labels.contains(resource));
        let reason = if is_label { "the name of an exit" } else { "no block says it" };
        ledger.otherwise(&wording.path, reason);
    }
    if container.is_snapshot {
        ledger
            .note("the contact and the answers of the snapshot are no part of the flow".to_owned());
    }
    Ok((document(main, called), ledger.report()))
}

fn one(
    container: &Container<'_>,
    flow: &Flow<'_>,
    ledger: &mut Ledger,
) -> (Map<String, Value>, Vec<String>) {
    let mut cx = Cx::new(container, flow, ledger);
    let trigger = cx.sketch.graph.id("trigger");
    let spot = flow.blocks.first().map(|block| block.spot).unwrap_or_default();
    // A trigger without settings is always taken.
    let _ = cx.sketch.graph.node(&trigger, "trigger", json!({"on": "any"}), spot.below(0));
    let first = flow.first.or_else(|| flow.blocks.first().map(|block| block.uuid));
    if let Some(entry) = first.and_then(|first| cx.entry(first)) {
        cx.sketch.graph.edge(&trigger, "next", &entry);
    }
    for place in cx.places() {
        block::convert(&mut cx, &place);
    }
    let Cx { sketch, .. } = cx;
    sketch.write(flow.name)
}
