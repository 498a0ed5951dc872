//! A Typebot export as it is written: groups of blocks, arrows, variables.

use std::collections::HashMap;

use serde_json::Value;

use crate::import::json::{at, list, objects, text, texts};
use crate::import::ledger::Ledger;
use crate::import::report::ElementKind;
use crate::import::sketch::Spot;
use crate::import::{ImportError, Problem, valid};

/// The versions of exports that are read; a point may follow.
const VERSIONS: [&str; 4] = ["3", "4", "5", "6"];
/// Members whose texts are formulas whatever is in them.
const FORMULAS: [&str; 2] = ["expressionToEvaluate", "bodyPath"];
/// The type of the block that starts a flow before version 6.
pub(super) const START: &str = "start";
/// The type of the block that runs a script.
pub(super) const SCRIPT: &str = "Code";

/// An export.
#[derive(Debug)]
pub(super) struct Bot<'s> {
    pub(super) name: Option<&'s str>,
    pub(super) events: Vec<Event<'s>>,
    pub(super) groups: Vec<Group<'s>>,
    pub(super) edges: HashMap<&'s str, Arrow<'s>>,
    pub(super) variables: Vec<Named<'s>>,
}

/// Something that starts or interrupts the flow.
#[derive(Debug)]
pub(super) struct Event<'s> {
    pub(super) kind: &'s str,
    pub(super) path: String,
    pub(super) spot: Spot,
    pub(super) outgoing: Option<&'s str>,
}

/// Blocks that follow one another.
#[derive(Debug)]
pub(super) struct Group<'s> {
    pub(super) id: &'s str,
    pub(super) title: &'s str,
    pub(super) spot: Spot,
    pub(super) blocks: Vec<Block<'s>>,
}

/// One block.
#[derive(Debug)]
pub(super) struct Block<'s> {
    pub(super) id: &'s str,
    pub(super) kind: &'s str,
    pub(super) path: String,
    pub(super) json: &'s Value,
    /// The arrow it leaves by.
    pub(super) outgoing: Option<&'s str>,
}

/// Where an arrow leads.
#[derive(Debug)]
pub(super) struct Arrow<'s> {
    pub(super) path: String,
    pub(super) group: Option<&'s str>,
    pub(super) block: Option<&'s str>,
}

/// A variable.
#[derive(Debug)]
pub(super) struct Named<'s> {
    pub(super) path: String,
    pub(super) id: Option<&'s str>,
    pub(super) name: &'s str,
    pub(super) value: Option<&'s Value>,
}

impl Block<'_> {
    /// A member of its options.
    pub(super) fn option(&self, name: &str) -> Option<&Value> {
        self.json.get("options")?.get(name).filter(|value| !value.is_null())
    }

    /// The pointer of a member of its options.
    pub(super) fn option_path(&self, name: &str) -> String {
        at(&at(&self.path, "options"), name)
    }
}

impl<'s> Bot<'s> {
    /// Reads an export.
    pub(super) fn read(source: &'s Value) -> Result<Self, ImportError> {
        let mut problems = Vec::new();
        check_version(source, &mut problems);
        let bot = Self {
            name: text(source, "name"),
            events: items(source, "", "events", &mut problems, event),
            groups: items(source, "", "groups", &mut problems, |json, path, problems| {
                group(json, &path, problems)
            }),
            edges: items(source, "", "edges", &mut problems, |json, path, problems| {
                let id =
                    text(json, "id").or_else(|| wrong(problems, &path, "an edge has an id"))?;
                Some((id, arrow(json, path)))
            })
            .into_iter()
            .rev()
            .collect(),
            variables: items(source, "", "variables", &mut problems, |json, path, problems| {
                let name = text(json, "name");
                let name = name.or_else(|| wrong(problems, &path, "a variable has a name"))?;
                Some(Named { path, id: text(json, "id"), name, value: json.get("value") })
            }),
        };
        if source.get("groups").is_none() {
            problems.push(Problem::new("/groups", "a Typebot export has groups"));
        }
        valid(problems)?;
        Ok(bot)
    }

    /// Books everything the export holds.
    pub(super) fn book(&self, source: &Value) -> Ledger {
        let mut ledger = Ledger::default();
        for event in &self.events {
            ledger.book(ElementKind::Event, event.path.clone(), None);
        }
        for block in self.groups.iter().flat_map(|group| &group.blocks) {
            ledger.book(ElementKind::Block, block.path.clone(), Some(block.id));
            for (index, item) in objects(block.json, "items") {
                let path = at(&at(&block.path, "items"), index);
                ledger.book(ElementKind::Option, path, text(item, "id"));
            }
            conditions(block.json, &block.path, &mut ledger);
            texts(block.json, &block.path, &mut |path, text| {
                if is_expression(block, path, text) {
                    ledger.book(ElementKind::Expression, path.to_owned(), None);
                }
            });
        }
        for (index, edge) in list(source, "edges").iter().enumerate() {
            ledger.book(ElementKind::Edge, at("/edges", index), text(edge, "id"));
        }
        for variable in &self.variables {
            ledger.book(ElementKind::Variable, variable.path.clone(), Some(variable.name));
        }
        ledger
    }
}

fn is_expression(block: &Block<'_>, path: &str, text: &str) -> bool {
    let member = path.rsplit('/').next().unwrap_or_default();
    let formula = FORMULAS.contains(&member) || (block.kind == SCRIPT && member == "content");
    text.contains("{{") || text.contains("{%") || (formula && !text.is_empty())
}

/// Books the comparisons below a block.
fn conditions(value: &Value, path: &str, ledger: &mut Ledger) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                conditions(item, &at(path, index), ledger);
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                let path = at(path, name);
                if name == "comparisons" {
                    for (index, one) in objects(value, name) {
                        ledger.book(ElementKind::Condition, at(&path, index), text(one, "id"));
                    }
                }
                conditions(item, &path, ledger);
            }
        }
        _ => {}
    }
}

fn check_version(source: &Value, problems: &mut Vec<Problem>) {
    let version = match source.get("version") {
        None | Some(Value::Null) => return,
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(version)) => version.clone(),
        Some(_) => String::new(),
    };
    let major = version.split('.').next().unwrap_or_default();
    if !VERSIONS.contains(&major) {
        problems.push(Problem::new("/version", "exports of the versions 3 to 6 are read"));
    }
}

fn wrong<T>(problems: &mut Vec<Problem>, path: &str, message: &str) -> Option<T> {
    problems.push(Problem::new(path, message));
    None
}

/// Reads the items of a list; what is neither a list nor absent is a problem, and so is an item that
/// is no object.
fn items<'s, T>(
    source: &'s Value,
    path: &str,
    name: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(&'s Value, String, &mut Vec<Problem>) -> Option<T>,
) -> Vec<T> {
    let path = at(path, name);
    match source.get(name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => {
            let mut found = Vec::with_capacity(list.len());
            for (index, item) in list.iter().enumerate() {
                let path = at(&path, index);
                if item.is_object() {
                    found.extend(read(item, path, problems));
                } else {
                    problems.push(Problem::new(path, "expected an object"));
                }
            }
            found
        }
        Some(_) => {
            problems.push(Problem::new(path, "expected a list"));
            Vec::new()
        }
    }
}

fn event<'s>(json: &'s Value, path: String, problems: &mut Vec<Problem>) -> Option<Event<'s>> {
    let kind = text(json, "type").or_else(|| wrong(problems, &path, "an event has a type"))?;
    let spot = Spot::of(json.get("graphCoordinates")).unwrap_or_default();
    Some(Event { kind, path, spot, outgoing: text(json, "outgoingEdgeId") })
}

fn group<'s>(json: &'s Value, path: &str, problems: &mut Vec<Problem>) -> Option<Group<'s>> {
    let id = text(json, "id").or_else(|| wrong(problems, path, "a group has an id"))?;
    let blocks = items(json, path, "blocks", problems, |json, path, problems| {
        let kind = text(json, "type").or_else(|| wrong(problems, &path, "a block has a type"))?;
        let id = text(json, "id").unwrap_or_default();
        Some(Block { id, kind, path, json, outgoing: text(json, "outgoingEdgeId") })
    });
    let spot = Spot::of(json.get("graphCoordinates")).unwrap_or_default();
    Some(Group { id, title: text(json, "title").unwrap_or_default(), spot, blocks })
}

fn arrow(json: &Value, path: String) -> Arrow<'_> {
    let end = |name: &str| json.get("to").and_then(|to| text(to, name));
    Arrow { path, group: end("groupId"), block: end("blockId") }
}
