//! A flow definition as it is written: states with transitions.

use std::collections::HashSet;

use serde_json::Value;

use crate::import::json::{at, list, objects, text, texts};
use crate::import::ledger::Ledger;
use crate::import::report::ElementKind;
use crate::import::sketch::Spot;
use crate::import::{ImportError, Problem, valid};

/// A flow definition.
#[derive(Debug)]
pub(super) struct Flow<'s> {
    pub(super) description: Option<&'s str>,
    pub(super) initial: &'s str,
    pub(super) states: Vec<State<'s>>,
}

/// A widget.
#[derive(Debug)]
pub(super) struct State<'s> {
    pub(super) name: &'s str,
    pub(super) kind: &'s str,
    pub(super) path: String,
    pub(super) spot: Spot,
    pub(super) properties: &'s Value,
    pub(super) exits: Vec<Exit<'s>>,
}

/// A transition.
#[derive(Debug)]
pub(super) struct Exit<'s> {
    pub(super) event: &'s str,
    pub(super) next: Option<&'s str>,
    pub(super) path: String,
    pub(super) json: &'s Value,
}

impl State<'_> {
    /// The pointer of a property.
    pub(super) fn property_path(&self, name: &str) -> String {
        at(&at(&self.path, "properties"), name)
    }
}

impl<'s> Flow<'s> {
    /// Reads a definition.
    pub(super) fn read(source: &'s Value) -> Result<Self, ImportError> {
        let mut problems = Vec::new();
        if !source.get("states").is_some_and(Value::is_array) {
            problems.push(Problem::new("/states", "a flow definition has a list of states"));
        }
        let initial = text(source, "initial_state").unwrap_or_else(|| {
            problems.push(Problem::new("/initial_state", "expected the name of a state"));
            ""
        });
        let mut names = HashSet::new();
        let mut states = Vec::new();
        for (index, json) in list(source, "states").iter().enumerate() {
            let path = at("/states", index);
            let (Some(name), Some(kind)) = (text(json, "name"), text(json, "type")) else {
                problems.push(Problem::new(path, "a state has a name and a type"));
                continue;
            };
            if !names.insert(name) {
                problems.push(Problem::new(at(&path, "name"), "two states have this name"));
            }
            let exits = exits(json, &path, &mut problems);
            let properties = json.get("properties").unwrap_or(&Value::Null);
            let spot = Spot::of(properties.get("offset")).unwrap_or_default();
            states.push(State { name, kind, path, spot, properties, exits });
        }
        if !states.is_empty() && !names.contains(initial) {
            problems.push(Problem::new("/initial_state", "there is no such state"));
        }
        valid(problems)?;
        Ok(Self { description: text(source, "description"), initial, states })
    }

    /// Books everything the definition holds.
    pub(super) fn book(&self, source: &Value) -> Ledger {
        let mut ledger = Ledger::default();
        let states = list(source, "states");
        for (index, state) in self.states.iter().enumerate() {
            ledger.book(ElementKind::Block, state.path.clone(), Some(state.name));
            for exit in &state.exits {
                if exit.next.is_some() {
                    ledger.book(ElementKind::Edge, exit.path.clone(), Some(exit.event));
                }
                for (index, _) in objects(exit.json, "conditions") {
                    let path = at(&at(&exit.path, "conditions"), index);
                    ledger.book(ElementKind::Condition, path, None);
                }
            }
            if state.kind == "set-variables" {
                for (index, variable) in objects(state.properties, "variables") {
                    let path = at(&state.property_path("variables"), index);
                    ledger.book(ElementKind::Variable, path, text(variable, "key"));
                }
            }
            let Some(json) = states.get(index) else { continue };
            texts(json, &state.path, &mut |path, text| {
                if text.contains("{{") || text.contains("{%") {
                    ledger.book(ElementKind::Expression, path.to_owned(), None);
                }
            });
        }
        ledger
    }
}

fn exits<'s>(json: &'s Value, path: &str, problems: &mut Vec<Problem>) -> Vec<Exit<'s>> {
    let path = at(path, "transitions");
    let mut exits = Vec::new();
    match json.get("transitions") {
        None | Some(Value::Null | Value::Array(_)) => {}
        Some(_) => problems.push(Problem::new(path.clone(), "expected a list")),
    }
    for (index, json) in list(json, "transitions").iter().enumerate() {
        let path = at(&path, index);
        match text(json, "event") {
            Some(event) => {
                let next = text(json, "next").filter(|next| !next.is_empty());
                exits.push(Exit { event, next, path, json });
            }
            None => problems.push(Problem::new(path, "a transition has an event")),
        }
    }
    exits
}
