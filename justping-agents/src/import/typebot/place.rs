//! Blocks on their way into a document.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::rich;
use super::source::{Arrow, Block, Bot};
use crate::import::json::{at, objects};
use crate::import::ledger::Ledger;
use crate::import::sketch::{Sketch, Spot};
use crate::import::template;

/// Types of blocks that ask and have a text of their own here.
const QUESTIONS: [&str; 12] = [
    "file input",
    "payment input",
    "text input",
    "number input",
    "email input",
    "phone number input",
    "url input",
    "date input",
    "time input",
    "rating input",
    "choice input",
    "picture choice input",
];
/// Settings that only say how a page looks or what its test client does.
const LOOKS: [&str; 9] = [
    "labels",
    "isLong",
    "buttonLabel",
    "buttonType",
    "customIcon",
    "isNewTab",
    "variablesForTest",
    "isAdvancedConfig",
    "isCustomBody",
];

/// Everything at hand while blocks are converted.
#[derive(Debug)]
pub(super) struct Cx<'s> {
    pub(super) bot: &'s Bot<'s>,
    pub(super) sketch: Sketch,
    pub(super) ledger: Ledger,
    /// The start block that became the trigger.
    pub(super) started: Option<String>,
    /// Names by the ids of variables.
    variables: HashMap<&'s str, String>,
    declared: HashSet<&'s str>,
    /// The node each block begins with, by group.
    entries: Vec<Vec<String>>,
}

/// A block, and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Place<'s> {
    pub(super) block: &'s Block<'s>,
    /// The id of its node.
    pub(super) node: String,
    pub(super) spot: Spot,
    pub(super) title: &'s str,
    /// The bubble of text that became its question.
    pub(super) bubble: Option<&'s Block<'s>>,
    /// The node of the next block of its group.
    next: Option<String>,
}

impl<'s> Cx<'s> {
    pub(super) fn new(bot: &'s Bot<'s>, ledger: Ledger) -> Self {
        let mut cx = Self {
            bot,
            sketch: Sketch::default(),
            ledger,
            started: None,
            variables: HashMap::new(),
            declared: bot.variables.iter().map(|one| one.name.trim()).collect(),
            entries: Vec::new(),
        };
        cx.declare();
        let targets: HashSet<&str> = bot.edges.values().filter_map(|arrow| arrow.block).collect();
        let jumps = bot.groups.iter().flat_map(|group| &group.blocks);
        let jumps = jumps.filter_map(|block| block.option("blockId").and_then(Value::as_str));
        let targets: HashSet<&str> = targets.into_iter().chain(jumps).collect();
        for group in &bot.groups {
            let mut entries: Vec<String> =
                group.blocks.iter().map(|block| cx.sketch.graph.id(block.id)).collect();
            for (index, pair) in group.blocks.windows(2).enumerate() {
                let [bubble, question] = pair else { continue };
                let merges = bubble.kind == "text"
                    && bubble.outgoing.is_none()
                    && QUESTIONS.contains(&question.kind)
                    && !targets.contains(question.id)
                    && !rich::is_blank(bubble.json);
                let node = entries.get(index + 1).cloned();
                if let Some((entry, node)) = entries.get_mut(index).zip(node).filter(|_| merges) {
                    *entry = node;
                }
            }
            cx.entries.push(entries);
        }
        cx
    }

    fn declare(&mut self) {
        let bot = self.bot;
        self.sketch.names.keep(bot.variables.iter().map(|one| one.name.trim()));
        for one in &bot.variables {
            let name = self.sketch.names.of(one.name.trim());
            self.sketch.declare(&name, one.value.filter(|value| !value.is_null()).cloned());
            self.ledger.imported(&one.path, &name);
            if let Some(id) = one.id {
                self.variables.entry(id).or_insert(name);
            }
        }
    }

    /// Every block that gets a node, in order.
    pub(super) fn places(&self) -> Vec<Place<'s>> {
        let mut places = Vec::new();
        for (group, entries) in self.bot.groups.iter().zip(&self.entries) {
            for (index, (block, node)) in group.blocks.iter().zip(entries).enumerate() {
                let next = entries.get(index + 1).cloned();
                let before = index.checked_sub(1).and_then(|before| group.blocks.get(before));
                let merged = |at: usize| entries.get(at).is_some_and(|entry| entry == node);
                if merged(index + 1) {
                    continue;
                }
                let bubble = before.filter(|_| index.checked_sub(1).is_some_and(merged));
                let spot = group.spot.below(index);
                let (node, title) = (node.clone(), group.title);
                places.push(Place { block, node, spot, title, bubble, next });
            }
        }
        places
    }

    /// The node the first group begins with.
    pub(super) fn first_entry(&self) -> Option<String> {
        self.entries.iter().find_map(|entries| entries.first().cloned())
    }

    /// The node that a group, or a block in it, begins with.
    pub(super) fn entry(&self, group: Option<&str>, block: Option<&str>) -> Option<String> {
        let found = self.bot.groups.iter().zip(&self.entries);
        let mut found = found.filter(|(one, _)| group.is_none_or(|group| one.id == group));
        match block {
            Some(block) => found.find_map(|(one, entries)| {
                let at = one.blocks.iter().position(|other| other.id == block)?;
                entries.get(at).cloned()
            }),
            None => group.and_then(|_| found.next()?.1.first().cloned()),
        }
    }

    /// Connects an exit with what an edge leads to.
    pub(super) fn leave_by(&mut self, node: &str, exit: &str, edge: Option<&str>) {
        if let Some(target) = self.follow(node, edge) {
            self.sketch.graph.edge(node, exit, &target);
        }
    }

    /// Connects an exit with what comes after the block.
    pub(super) fn go_on(&mut self, place: &Place<'s>, exit: &str) {
        let target = match place.block.outgoing.filter(|edge| self.bot.edges.contains_key(edge)) {
            Some(edge) => self.follow(&place.node, Some(edge)),
            None => place.next.clone(),
        };
        if let Some(target) = target {
            self.sketch.graph.edge(&place.node, exit, &target);
        }
    }

    /// Connects the exit of an item with where it leads, or with what comes after the block.
    pub(super) fn go_on_by(&mut self, place: &Place<'s>, exit: &str, item: &Value) {
        let edge = item.get("outgoingEdgeId").and_then(Value::as_str);
        match edge.filter(|edge| self.bot.edges.contains_key(edge)) {
            Some(edge) => self.leave_by(&place.node, exit, Some(edge)),
            None => self.go_on(place, exit),
        }
    }

    /// Where an edge leads; says what became of it.
    fn follow(&mut self, node: &str, edge: Option<&str>) -> Option<String> {
        let arrow = self.bot.edges.get(edge?)?;
        let target = self.entry(arrow.group, arrow.block);
        match &target {
            Some(target) => self.ledger.imported(&arrow.path, &format!("{node} → {target}")),
            None => self.ledger.unsupported(&arrow.path, "leads to nothing"),
        }
        target
    }

    /// Says of an edge that nothing leaves by it, unless something was said before.
    pub(super) fn unused(&mut self, arrow: &Arrow<'_>) {
        self.ledger.otherwise(&arrow.path, "no block leaves by it");
    }

    /// What a variable with this id is called.
    pub(super) fn variable(&self, id: Option<&Value>) -> Option<String> {
        self.variables.get(id?.as_str()?).cloned()
    }

    /// Writes a text again; its variables get the names they have here.
    pub(super) fn text(&mut self, path: &str, text: &str) -> String {
        let Self { sketch, declared, .. } = self;
        let mut unknown = Vec::new();
        let written = template::write(text, &mut |code| {
            // `=` begins a script.
            if code.starts_with('=') || code.is_empty() {
                return None;
            }
            if !declared.contains(code) {
                unknown.push(code.to_owned());
            }
            Some(sketch.names.of(code))
        });
        for name in unknown {
            let here = self.sketch.names.of(&name);
            self.sketch.declare(&here, None);
            let reason = format!("the variable `{name}` is not declared; it is empty");
            self.ledger.degraded(path, &here, &reason);
        }
        for code in &written.kept {
            self.ledger.degraded(path, "text", &format!("`{code}` is written out as it is"));
        }
        if written.cut {
            self.ledger.degraded(path, "text", "too long; only the beginning is kept");
        }
        self.ledger.imported(path, "template");
        written.text
    }

    /// Adds the node of a block; one that cannot be is a note.
    pub(super) fn put(&mut self, place: &Place<'s>, kind: &str, data: Value) {
        let path = &place.block.path;
        match self.sketch.graph.node(&place.node, kind, data, place.spot) {
            Ok(()) => {
                self.ledger.imported(path, &place.node);
                if let Some(bubble) = place.bubble {
                    self.ledger.imported(&bubble.path, &place.node);
                }
            }
            Err(reason) => {
                self.ledger.unsupported(path, &reason);
                if let Some(bubble) = place.bubble {
                    self.ledger.unsupported(&bubble.path, &reason);
                }
            }
        }
    }

    /// Puts a note in place of a block and goes on after it.
    pub(super) fn stand_in(&mut self, place: &Place<'s>, reason: &str) {
        let text = format!("{}: {reason}", place.block.kind);
        self.sketch.graph.note(&place.node, &text, place.spot);
        self.ledger.unsupported(&place.block.path, reason);
        if let Some(bubble) = place.bubble {
            self.ledger.unsupported(&bubble.path, "its question is not supported");
        }
        for (index, item) in objects(place.block.json, "items") {
            let path = at(&at(&place.block.path, "items"), index);
            self.ledger.unsupported(&path, "its block is not supported");
            self.go_on_by(place, "next", item);
        }
        self.go_on(place, "next");
    }

    /// Says which settings of a block have no counterpart.
    pub(super) fn leftovers(&mut self, place: &Place<'s>, known: &[&str]) {
        let options = place.block.json.get("options").and_then(Value::as_object);
        let names = options.into_iter().flatten().filter(|(_, value)| !is_nothing(value));
        let names: Vec<&String> = names.map(|(name, _)| name).collect();
        for name in names {
            if !known.contains(&name.as_str()) && !LOOKS.contains(&name.as_str()) {
                let reason = format!("the setting `{name}` has no counterpart");
                self.ledger.degraded(&place.block.path, &place.node, &reason);
            }
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
