//! Widgets on their way into a document.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::liquid;
use super::source::{Flow, State};
use crate::import::ledger::Ledger;
use crate::import::sketch::{Sketch, Spot};
use crate::import::template;

/// Properties that say which channel carries a message; here it is the conversation's.
const ROUTING: [&str; 3] = ["service", "channel", "from"];
/// Events of a delivery that fails; a flow goes on without hearing of it.
const DELIVERY: [&str; 2] = ["failed", "deliveryFailure"];
/// The variable of the text that started the flow.
const FIRST_TEXT: &str = "first_text";

/// Everything at hand while widgets are converted.
#[derive(Debug)]
pub(super) struct Cx<'s> {
    pub(super) flow: &'s Flow<'s>,
    pub(super) sketch: Sketch,
    pub(super) ledger: Ledger,
    /// The id of the trigger.
    pub(super) trigger: String,
    entries: HashMap<&'s str, String>,
    /// Variables that some widget here sets.
    set: HashSet<String>,
    /// The source as text, to see what is mentioned anywhere.
    mentioned: String,
}

/// A widget, and the id of its node.
#[derive(Debug, Clone)]
pub(super) struct Place<'s> {
    pub(super) state: &'s State<'s>,
    pub(super) node: String,
}

/// What an expression is here.
enum Meaning {
    /// A path, known.
    Known(String),
    /// A path that nothing sets.
    Empty(String),
}

impl<'s> Cx<'s> {
    pub(super) fn new(source: &Value, flow: &'s Flow<'s>) -> Self {
        let mut sketch = Sketch::default();
        let start = flow.states.iter().find(|state| state.name == flow.initial);
        let start = start.filter(|state| state.kind == super::TRIGGER);
        let trigger = sketch.graph.id(start.map_or("Trigger", |state| state.name));
        let mut entries = HashMap::new();
        for state in flow.states.iter().filter(|state| start.is_none_or(|s| s.path != state.path)) {
            entries.insert(state.name, sketch.graph.id(state.name));
        }
        if let Some(start) = start {
            entries.insert(start.name, trigger.clone());
        }
        let (ledger, set) = (flow.book(source), HashSet::new());
        let mentioned = source.to_string();
        let mut cx = Self { flow, sketch, ledger, trigger, entries, set, mentioned };
        cx.declare();
        cx
    }

    /// Declares the variables that widgets set, so that they are known wherever they are read.
    fn declare(&mut self) {
        let states = self.flow.states.iter();
        let setters = states.filter(|state| state.kind == "set-variables");
        let keys: Vec<&str> = setters
            .flat_map(|state| crate::import::json::list(state.properties, "variables"))
            .filter_map(|variable| crate::import::json::text(variable, "key"))
            .collect();
        self.sketch.names.keep(keys.iter().copied());
        for key in keys {
            let name = self.sketch.names.of(key);
            self.sketch.declare(&name, None);
            self.set.insert(name);
        }
    }

    /// Every widget but the trigger, in order.
    pub(super) fn places(&self) -> Vec<Place<'s>> {
        let states = self.flow.states.iter();
        let node = |state: &'s State<'s>| {
            let node = self.entries.get(state.name).filter(|node| **node != self.trigger)?;
            Some(Place { state, node: node.clone() })
        };
        states.filter_map(node).collect()
    }

    /// The node of a widget.
    pub(super) fn entry(&self, name: &str) -> Option<String> {
        self.entries.get(name).cloned()
    }

    /// Whether the source mentions this text anywhere.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.mentioned.contains(text)
    }

    /// Lets the trigger lead to a node; what the first message said is kept if anything reads it.
    pub(super) fn begin(&mut self, target: &str) {
        let trigger = self.trigger.clone();
        if !self.mentions("trigger.message.Body") && !self.mentions("trigger.conversation.Body") {
            self.sketch.graph.edge(&trigger, "next", target);
            return;
        }
        let name = self.sketch.names.like("trigger.message.Body", FIRST_TEXT);
        self.sketch.declare(&name, None);
        let id = self.sketch.graph.id("first-text");
        let data = json!({"assignments": [{"variable": name, "text": "{{ message.text }}"}]});
        // Setting a text is always taken.
        let _ = self.sketch.graph.node(&id, "set", data, Spot::default());
        self.sketch.graph.edge(&trigger, "next", &id);
        self.sketch.graph.edge(&id, "next", target);
    }

    /// What a path of the source is called here.
    fn meaning(&mut self, path: &[&str]) -> Option<Meaning> {
        let (root, rest, is_known) = match path {
            ["flow", "variables", name, rest @ ..] => {
                let name = self.sketch.names.of(name);
                let known = self.set.contains(&name);
                (name, rest, known)
            }
            ["contact", "channel", "address"]
            | ["trigger", "message" | "conversation", "From" | "Author"] => {
                return Some(Meaning::Known("contact.address".to_owned()));
            }
            ["trigger", "message" | "conversation", "Body"] => {
                (self.sketch.names.like("trigger.message.Body", FIRST_TEXT), &[][..], true)
            }
            ["widgets", widget, "inbound", "Body"] => (self.reply(widget), &[][..], true),
            ["widgets", widget, "parsed", rest @ ..] => (self.answer(widget), rest, true),
            ["widgets", widget, "body"] => (self.answer(widget), &[][..], true),
            ["widgets", widget, "status_code"] => (self.status(widget), &[][..], true),
            ["flow" | "trigger", "data" | "request" | "parent" | "call", rest @ ..] => {
                let key = path.get(..2)?.join(".");
                (self.sketch.names.like(&key, &key.replace('.', "_")), rest, false)
            }
            [] => return None,
            _ => {
                let key = path.join(".");
                (self.sketch.names.like(&key, &key.replace('.', "_")), &[][..], false)
            }
        };
        self.sketch.declare(&root, None);
        let path = liquid::written(&root, rest);
        Some(if is_known { Meaning::Known(path) } else { Meaning::Empty(path) })
    }

    /// The variable of what a contact answers to a widget.
    pub(super) fn reply(&mut self, widget: &str) -> String {
        self.sketch.names.like(&format!("widgets.{widget}.inbound"), &format!("{widget}_reply"))
    }

    /// The variable of what a server answers to a widget.
    pub(super) fn answer(&mut self, widget: &str) -> String {
        self.sketch.names.like(&format!("widgets.{widget}.parsed"), &format!("{widget}_answer"))
    }

    /// The variable of the status a server answers with.
    pub(super) fn status(&mut self, widget: &str) -> String {
        self.sketch.names.like(&format!("widgets.{widget}.status"), &format!("{widget}_status"))
    }

    /// Writes a text again; what it reads gets the names it has here.
    pub(super) fn text(&mut self, path: &str, text: &str) -> String {
        let mut empty = Vec::new();
        let written = template::write(text, &mut |code| {
            let code = liquid::read(code)?;
            let meaning = match self.meaning(&code.path)? {
                Meaning::Known(path) => path,
                Meaning::Empty(path) => {
                    empty.push(code.path.join("."));
                    path
                }
            };
            Some(format!("{meaning}{}", code.filters))
        });
        for name in empty {
            let reason = format!("nothing sets `{name}` here; it is empty unless something does");
            self.ledger.degraded(path, "template", &reason);
        }
        for code in &written.kept {
            self.ledger.unsupported(path, &format!("`{code}` is written out as it is"));
        }
        if text.contains("{%") {
            self.ledger.unsupported(path, "tags of Liquid are written out as they are");
        }
        if written.cut {
            self.ledger.degraded(path, "text", "too long; only the beginning is kept");
        }
        self.ledger.imported(path, "template");
        written.text
    }

    /// The field that an expression reads; `None` when it is more than a path.
    pub(super) fn field(&mut self, path: &str, text: &str) -> Option<String> {
        let code = template::sole_code(text).and_then(liquid::read);
        let code = code.filter(|code| code.filters.is_empty())?;
        let field = match self.meaning(&code.path)? {
            Meaning::Known(field) => {
                self.ledger.imported(path, &field);
                field
            }
            Meaning::Empty(field) => {
                let name = code.path.join(".");
                let reason =
                    format!("nothing sets `{name}` here; it is empty unless something does");
                self.ledger.degraded(path, &field, &reason);
                field
            }
        };
        (!field.contains('[')).then_some(field)
    }

    /// Adds the node of a widget; one that cannot be is a note.
    pub(super) fn put(&mut self, place: &Place<'s>, kind: &str, data: Value) {
        match self.sketch.graph.node(&place.node, kind, data, place.state.spot) {
            Ok(()) => self.ledger.imported(&place.state.path, &place.node),
            Err(reason) => self.ledger.unsupported(&place.state.path, &reason),
        }
    }

    /// Connects the events with exits; events without one are reported.
    pub(super) fn leave(&mut self, place: &Place<'s>, exits: &[(&str, &str)]) {
        for exit in place.state.exits.iter().filter(|exit| exit.next.is_some()) {
            let Some((_, here)) = exits.iter().find(|(event, _)| *event == exit.event) else {
                let reason = match DELIVERY.contains(&exit.event) {
                    true => "a delivery that fails does not steer the flow".to_owned(),
                    false => format!("the event `{}` has no counterpart", exit.event),
                };
                self.ledger.otherwise(&exit.path, &reason);
                continue;
            };
            self.connect(place, exit.path.as_str(), here, exit.next);
        }
    }

    /// Connects one exit with a widget.
    pub(super) fn connect(
        &mut self,
        place: &Place<'s>,
        path: &str,
        exit: &str,
        next: Option<&str>,
    ) {
        let Some(next) = next else { return };
        match self.entry(next).filter(|target| *target != self.trigger) {
            Some(target) => {
                if self.sketch.graph.edge(&place.node, exit, &target) {
                    self.ledger.imported(path, &format!("{}/{exit} → {target}", place.node));
                } else {
                    self.ledger.unsupported(path, "another one leaves on the same event");
                }
            }
            None => self.ledger.unsupported(path, "leads to nothing"),
        }
    }

    /// Puts a note in place of a widget and goes on with its first transition.
    pub(super) fn stand_in(&mut self, place: &Place<'s>, reason: &str) {
        let text = format!("{}: {reason}", place.state.kind);
        self.sketch.graph.note(&place.node, &text, place.state.spot);
        self.ledger.unsupported(&place.state.path, reason);
        let mut is_first = true;
        for exit in &place.state.exits {
            let Some(target) = exit.next.and_then(|next| self.entry(next)) else { continue };
            if is_first && target != self.trigger {
                is_first = false;
                self.sketch.graph.edge(&place.node, "next", &target);
                let became = format!("{}/next → {target}", place.node);
                self.ledger.degraded(&exit.path, &became, "its widget is a note that passes on");
            }
        }
    }

    /// Says which properties of a widget have no counterpart, and what became of those that route.
    pub(super) fn leftovers(&mut self, place: &Place<'s>, known: &[&str]) {
        let properties = place.state.properties.as_object();
        for (name, value) in properties.into_iter().flatten() {
            let path = place.state.property_path(name);
            let name = name.as_str();
            let is_nothing = match value {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            if is_nothing || known.contains(&name) || name == "offset" {
                continue;
            }
            let text = value.as_str().unwrap_or_default();
            if ROUTING.contains(&name) || (name == "to" && text == "{{contact.channel.address}}") {
                self.ledger.imported(&path, "the conversation's channel");
            } else {
                let reason = format!("the property `{name}` has no counterpart");
                self.ledger.degraded(&place.state.path, &place.node, &reason);
            }
        }
    }
}
