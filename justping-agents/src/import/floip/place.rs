//! Blocks on their way into a document.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::expression::{self, Test};
use super::source::{Block, Container, Flow, exit_name};
use super::words;
use crate::condition::Condition;
use crate::import::json::{at, list, text, visible};
use crate::import::ledger::Ledger;
use crate::import::sketch::Sketch;
use crate::import::template;
use crate::text::Template;

/// Modes whose texts are read, not heard.
const READABLE: [&str; 5] = ["TEXT", "SMS", "USSD", "RICH_MESSAGING", "OFFLINE"];

/// Everything at hand while blocks of one flow are converted.
#[derive(Debug)]
pub(super) struct Cx<'s> {
    pub(super) container: &'s Container<'s>,
    pub(super) flow: &'s Flow<'s>,
    pub(super) sketch: Sketch,
    pub(super) ledger: &'s mut Ledger,
    entries: HashMap<&'s str, String>,
    /// Names of blocks that ask.
    asked: HashSet<&'s str>,
}

/// A block, and the id of its node.
#[derive(Debug, Clone)]
pub(super) struct Place<'s> {
    pub(super) block: &'s Block<'s>,
    pub(super) node: String,
}

/// A way out of a block.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) path: String,
    /// Where it leads; `None` ends the flow.
    pub(super) target: Option<String>,
    pub(super) kind: WayKind,
}

/// When a way out is taken.
#[derive(Debug, PartialEq)]
pub(super) enum WayKind {
    /// When nothing else fits.
    Default,
    /// When the answer is no good.
    Error,
    /// When its formula says so.
    Test(Test),
}

impl<'s> Cx<'s> {
    pub(super) fn new(
        container: &'s Container<'s>,
        flow: &'s Flow<'s>,
        ledger: &'s mut Ledger,
    ) -> Self {
        let mut sketch = Sketch::default();
        let asks = |block: &&'s Block<'s>| block.kind.ends_with("Response");
        let asked: HashSet<&str> =
            flow.blocks.iter().filter(asks).map(|block| block.name).collect();
        sketch.names.keep(asked.iter().copied());
        let ids = flow.blocks.iter();
        let entries = ids.map(|block| (block.uuid, sketch.graph.id(block.uuid))).collect();
        Self { container, flow, sketch, ledger, entries, asked }
    }

    /// Every block, in order.
    pub(super) fn places(&self) -> Vec<Place<'s>> {
        let place = |block: &'s Block<'s>| {
            Some(Place { block, node: self.entries.get(block.uuid)?.clone() })
        };
        self.flow.blocks.iter().filter_map(place).collect()
    }

    /// The node of a block.
    pub(super) fn entry(&self, uuid: &str) -> Option<String> {
        self.entries.get(uuid).cloned()
    }

    /// The variable of what a block is answered.
    pub(super) fn variable(&mut self, block: &str) -> String {
        let name = self.sketch.names.of(block);
        self.sketch.declare(&name, None);
        name
    }

    /// What a path is called here.
    fn field(&mut self, block: &Block<'_>, path: &str) -> Option<String> {
        let names: Vec<&str> = path.split('.').collect();
        match names.as_slice() {
            ["block", "value"] | ["block"] => Some(self.variable(block.name)),
            ["flow", name] | ["flow", name, "value"] => Some(self.variable(name)),
            ["contact", "name"] => Some("contact.name".to_owned()),
            ["contact", "groups"] => Some("contact.tags".to_owned()),
            ["contact", name] => Some(format!("contact.fields.{name}")),
            _ => None,
        }
    }

    /// The ways out of a block, in order.
    pub(super) fn ways(&mut self, place: &Place<'s>) -> Vec<Way> {
        let base = at(&place.block.path, "exits");
        let exits = list(place.block.json, "exits").iter().enumerate();
        exits.map(|(index, exit)| self.way(place, exit, at(&base, index))).collect()
    }

    fn way(&mut self, place: &Place<'s>, exit: &Value, path: String) -> Way {
        let target = visible(exit, "destination_block");
        let found = target.and_then(|target| self.entry(target));
        if target.is_some() && found.is_none() {
            self.ledger.unsupported(&path, "leads to a block that does not exist");
        }
        let name = exit_name(exit).unwrap_or_default();
        let formula = visible(exit, "test");
        let kind = match formula {
            _ if exit.get("default") == Some(&Value::Bool(true)) => {
                if formula.is_some() {
                    let reason = "taken when nothing else fits, whatever the formula";
                    self.ledger.degraded(&at(&path, "test"), name, reason);
                }
                WayKind::Default
            }
            None if name.eq_ignore_ascii_case("error") => WayKind::Error,
            None => WayKind::Test(Test::Always(true)),
            Some(formula) => WayKind::Test(self.test(place, formula, &at(&path, "test"))),
        };
        Way { path, target: found, kind }
    }

    fn test(&mut self, place: &Place<'s>, formula: &str, path: &str) -> Test {
        let mut unknown = Vec::new();
        let test = expression::test(formula, &mut |field| {
            let found = self.field(place.block, field);
            if let Some(name) = field.strip_prefix("flow.").and_then(|rest| rest.split('.').next())
                && !self.asked.contains(name)
            {
                unknown.push(name.to_owned());
            }
            found
        });
        let test = test.and_then(|test| match &test {
            Test::When(condition) => match Condition::compile(condition) {
                Ok(_) => Ok(test),
                Err(error) => Err(error.to_string()),
            },
            Test::Always(_) => Ok(test),
        });
        match test {
            Ok(test) => {
                for name in unknown {
                    let reason = format!("no block called `{name}` asks anything");
                    self.ledger.degraded(path, "condition", &reason);
                }
                self.ledger.imported(path, "condition");
                test
            }
            Err(reason) => {
                self.ledger.unsupported(path, &format!("{reason}: it never holds"));
                Test::Always(false)
            }
        }
    }

    /// Connects an exit with where a way leads.
    pub(super) fn connect(&mut self, place: &Place<'s>, exit: &str, way: &Way) {
        let Some(target) = &way.target else { return };
        if self.sketch.graph.edge(&place.node, exit, target) {
            self.ledger.imported(&way.path, &format!("{}/{exit} → {target}", place.node));
        } else {
            self.ledger.otherwise(&way.path, "another one leaves the same way");
        }
    }

    /// The words of a resource in the flow's language; says what became of its other wordings.
    pub(super) fn words(&mut self, block: &Block<'_>, resource: Option<&str>) -> Option<String> {
        let (path, resource) = self.container.resources.get(resource?)?.clone();
        let base = at(&path, "values");
        let values = list(resource, "values");
        let fits = |value: &&Value| {
            let is_text = text(value, "content_type").is_none_or(|kind| kind == "TEXT");
            let modes = list(value, "modes");
            let readable =
                |mode: &Value| mode.as_str().is_some_and(|mode| READABLE.contains(&mode));
            is_text && (modes.is_empty() || modes.iter().any(readable))
        };
        let speaks = |value: &&Value| {
            self.flow.language.is_none_or(|language| text(value, "language_id") == Some(language))
        };
        let readable = || values.iter().enumerate().filter(|(_, value)| fits(value));
        let chosen = readable().find(|(_, value)| speaks(value)).or_else(|| readable().next());
        for index in 0..values.len() {
            if chosen.is_none_or(|(one, _)| one != index) {
                let reason = "another language, or to be heard";
                self.ledger.unsupported(&at(&base, index), reason);
            }
        }
        let (index, value) = chosen?;
        let path = at(&base, index);
        let words = self.text(block, &at(&path, "value"), text(value, "value")?);
        self.ledger.imported(&path, block.uuid);
        Some(words).filter(|words| !words.trim().is_empty())
    }

    /// Writes a text again; what it reads gets the names it has here.
    pub(super) fn text(&mut self, block: &Block<'_>, path: &str, text: &str) -> String {
        let mut out = String::new();
        for (piece, is_code) in words::codes(text) {
            let field = words::path(piece).filter(|_| is_code);
            match field.and_then(|field| self.field(block, field)) {
                Some(field) => {
                    out.push_str("{{ ");
                    out.push_str(&field);
                    out.push_str(" }}");
                }
                None if is_code => {
                    let reason = format!("`@{piece}` is written out as it is");
                    self.ledger.unsupported(path, &reason);
                    out.push('@');
                    out.push_str(&template::literal(piece));
                }
                None => out.push_str(&template::literal(piece)),
            }
        }
        if Template::compile(&out).is_err() {
            let reason = "too long, or its formulas are not understood";
            self.ledger.degraded(path, "text", reason);
            out = template::write(text, &mut |_| None).text;
        }
        self.ledger.imported(path, "template");
        out
    }

    /// Adds the node of a block; one that cannot be is a note.
    pub(super) fn put(&mut self, place: &Place<'s>, kind: &str, data: Value) {
        match self.sketch.graph.node(&place.node, kind, data, place.block.spot) {
            Ok(()) => self.ledger.imported(&place.block.path, &place.node),
            Err(reason) => self.ledger.unsupported(&place.block.path, &reason),
        }
    }

    /// Puts a note in place of a block and goes on by its first way.
    pub(super) fn stand_in(&mut self, place: &Place<'s>, reason: &str) {
        let text = format!("{}: {reason}", place.block.kind);
        self.sketch.graph.note(&place.node, &text, place.block.spot);
        self.ledger.unsupported(&place.block.path, reason);
        self.pass_on(place);
    }

    /// Leaves a block that does not decide by its first way; others are reported.
    pub(super) fn pass_on(&mut self, place: &Place<'s>) {
        let ways = self.ways(place);
        let open = |way: &&Way| way.kind != WayKind::Test(Test::Always(false));
        let taken = ways.iter().filter(open).find(|way| way.target.is_some());
        if let Some(way) = taken {
            self.connect(place, "next", way);
        }
        for way in ways.iter().filter(|way| way.target.is_some()) {
            self.ledger.otherwise(&way.path, "nothing decides for this way out");
        }
    }
}
