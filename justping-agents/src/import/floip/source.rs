//! A container as it is written, and what the specification forbids.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::import::json::{at, list, objects, text, texts, visible};
use crate::import::ledger::Ledger;
use crate::import::report::ElementKind;
use crate::import::sketch::Spot;
use crate::import::{ImportError, Problem, valid};

/// A container.
#[derive(Debug)]
pub(super) struct Container<'s> {
    pub(super) flows: Vec<Flow<'s>>,
    /// The place of the flow that runs first.
    pub(super) first: usize,
    /// Texts by their ids: the pointer of a text and its values.
    pub(super) resources: HashMap<&'s str, (String, &'s Value)>,
    /// The pointer of every wording of a text, those of copies included.
    pub(super) wordings: Vec<Wording<'s>>,
    /// Whether it is a session's snapshot.
    pub(super) is_snapshot: bool,
}

/// A text in one language.
#[derive(Debug)]
pub(super) struct Wording<'s> {
    pub(super) path: String,
    /// The id of the text.
    pub(super) resource: Option<&'s str>,
    json: &'s Value,
}

/// A flow.
#[derive(Debug)]
pub(super) struct Flow<'s> {
    pub(super) key: &'s str,
    pub(super) name: Option<&'s str>,
    pub(super) first: Option<&'s str>,
    /// The language texts are taken in.
    pub(super) language: Option<&'s str>,
    pub(super) blocks: Vec<Block<'s>>,
}

/// A block.
#[derive(Debug)]
pub(super) struct Block<'s> {
    pub(super) uuid: &'s str,
    pub(super) name: &'s str,
    pub(super) kind: &'s str,
    pub(super) path: String,
    pub(super) spot: Spot,
    pub(super) json: &'s Value,
    pub(super) config: &'s Value,
}

impl Block<'_> {
    /// The pointer of a member of its configuration.
    pub(super) fn config_path(&self, name: &str) -> String {
        at(&at(&self.path, "config"), name)
    }
}

impl<'s> Container<'s> {
    /// Reads a container, a flow, or a snapshot.
    pub(super) fn read(source: &'s Value) -> Result<Self, ImportError> {
        let mut problems = Vec::new();
        if source.get("specification_version").is_some() {
            check_uuid(source, "uuid", "", &mut problems);
        }
        let mut resources = HashMap::new();
        let mut wordings = Vec::new();
        collect(source, "", &mut resources, &mut wordings);
        let mut flows = Vec::new();
        if source.get("blocks").is_some() {
            flows.extend(flow(source, "", &mut problems));
        } else if !source.get("flows").is_some_and(Value::is_array) {
            problems.push(Problem::new("/flows", "a container has a list of flows"));
        }
        let mut keys = HashSet::new();
        for (index, json) in list(source, "flows").iter().enumerate() {
            let path = at("/flows", index);
            collect(json, &path, &mut resources, &mut wordings);
            let Some(flow) = flow(json, &path, &mut problems) else { continue };
            if !keys.insert(flow.key) {
                problems.push(Problem::new(at(&path, "uuid"), "two flows have this id"));
            }
            flows.push(flow);
        }
        if flows.is_empty() && problems.is_empty() {
            problems.push(Problem::new("/flows", "a container has at least one flow"));
        }
        for block in flows.iter().flat_map(|flow| &flow.blocks) {
            check_resource(block, &resources, &mut problems);
        }
        valid(problems)?;
        let wanted = text(source, "first_flow_id");
        let first = flows.iter().position(|flow| Some(flow.key) == wanted).unwrap_or(0);
        let is_snapshot = source.get("interactions").is_some();
        Ok(Self { flows, first, resources, wordings, is_snapshot })
    }

    /// The ids of texts that are names of exits.
    pub(super) fn exit_labels(&self) -> HashSet<&'s str> {
        let blocks = self.flows.iter().flat_map(|flow| &flow.blocks);
        let exits = blocks.flat_map(|block| list(block.json, "exits"));
        exits.filter_map(|exit| text(exit, "label")).collect()
    }

    /// Books everything the container holds.
    pub(super) fn book(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for block in self.flows.iter().flat_map(|flow| &flow.blocks) {
            ledger.book(ElementKind::Block, block.path.clone(), Some(block.name));
            let choices = block.config_path("choices");
            match block.config.get("choices") {
                Some(Value::Object(map)) => map.keys().for_each(|key| {
                    ledger.book(ElementKind::Option, at(&choices, key), Some(key));
                }),
                Some(Value::Array(_)) => {
                    objects(block.config, "choices").for_each(|(index, item)| {
                        let name = text(item, "name");
                        ledger.book(ElementKind::Option, at(&choices, index), name);
                    });
                }
                _ => {}
            }
            let exits = at(&block.path, "exits");
            for (index, exit) in list(block.json, "exits").iter().enumerate() {
                let path = at(&exits, index);
                if visible(exit, "destination_block").is_some() {
                    ledger.book(ElementKind::Edge, path.clone(), exit_name(exit));
                }
                if visible(exit, "test").is_some() {
                    ledger.book(ElementKind::Expression, at(&path, "test"), None);
                }
            }
            texts(block.config, &at(&block.path, "config"), &mut |path, text| {
                if has_code(text) {
                    ledger.book(ElementKind::Expression, path.to_owned(), None);
                }
            });
        }
        for Wording { path, json: value, .. } in &self.wordings {
            ledger.book(ElementKind::Text, path.clone(), text(value, "language_id"));
            if text(value, "value").is_some_and(has_code) {
                ledger.book(ElementKind::Expression, at(path, "value"), None);
            }
        }
        ledger
    }
}

/// The name of an exit, in both spellings.
pub(super) fn exit_name(exit: &Value) -> Option<&str> {
    text(exit, "name").or_else(|| text(exit, "tag"))
}

/// Whether a text has a formula in it.
pub(super) fn has_code(text: &str) -> bool {
    super::words::codes(text).iter().any(|(_, is_code)| *is_code)
}

fn collect<'s>(
    json: &'s Value,
    path: &str,
    resources: &mut HashMap<&'s str, (String, &'s Value)>,
    wordings: &mut Vec<Wording<'s>>,
) {
    let path = at(path, "resources");
    for (index, resource) in list(json, "resources").iter().enumerate() {
        let values = at(&at(&path, index), "values");
        let resource_id = text(resource, "uuid");
        wordings.extend(objects(resource, "values").map(|(index, json)| Wording {
            path: at(&values, index),
            resource: resource_id,
            json,
        }));
        if let Some(uuid) = text(resource, "uuid") {
            resources.entry(uuid).or_insert_with(|| (at(&path, index), resource));
        }
    }
}

fn flow<'s>(json: &'s Value, path: &str, problems: &mut Vec<Problem>) -> Option<Flow<'s>> {
    let before = problems.len();
    check_uuid(json, "uuid", path, problems);
    if !json.get("blocks").is_some_and(Value::is_array) {
        problems.push(Problem::new(at(path, "blocks"), "a flow has a list of blocks"));
    }
    let base = at(path, "blocks");
    let mut blocks: Vec<Block<'s>> = Vec::new();
    let mut ids = HashSet::new();
    for (index, item) in list(json, "blocks").iter().enumerate() {
        let path = at(&base, index);
        if text(item, "uuid").is_some_and(|uuid| !ids.insert(uuid)) {
            problems.push(Problem::new(at(&path, "uuid"), "two blocks have this id"));
        }
        blocks.extend(block(item, path, problems));
    }
    let first = visible(json, "first_block_id");
    if first.is_some_and(|first| !ids.contains(first)) {
        problems.push(Problem::new(at(path, "first_block_id"), "there is no such block"));
    }
    let language = list(json, "languages").iter().find_map(|language| text(language, "id"));
    let key = text(json, "uuid").filter(|_| problems.len() == before)?;
    Some(Flow { key, name: text(json, "name"), first, language, blocks })
}

fn block<'s>(json: &'s Value, path: String, problems: &mut Vec<Problem>) -> Option<Block<'s>> {
    let mut need = |name: &str, message: &str| {
        let found = visible(json, name);
        if found.is_none() {
            problems.push(Problem::new(at(&path, name), message));
        }
        found
    };
    let uuid = need("uuid", "a block has an id");
    let kind = need("type", "a block has a type");
    let name = need("name", "a block has a name that is not blank");
    if !json.get("exits").is_none_or(|exits| exits.is_array() || exits.is_null()) {
        problems.push(Problem::new(at(&path, "exits"), "expected a list"));
        return None;
    }
    let (uuid, kind, name) = (uuid?, kind?, name?);
    let coordinates = json.get("ui_metadata").and_then(|ui| ui.get("canvas_coordinates"));
    let spot = Spot::of(coordinates).or_else(|| vendor_spot(json)).unwrap_or_default();
    let config = json.get("config").unwrap_or(&Value::Null);
    Some(Block { uuid, name, kind, path, spot, json, config })
}

/// Where older editors keep the place of a block.
fn vendor_spot(json: &Value) -> Option<Spot> {
    let ui = json.pointer("/vendor_metadata/floip/ui_metadata")?;
    Some(Spot { x: ui.get("xPosition")?.as_f64()?, y: ui.get("yPosition")?.as_f64()? })
}

fn check_uuid(json: &Value, name: &str, path: &str, problems: &mut Vec<Problem>) {
    let is_uuid = |text: &str| {
        text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
            && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
    };
    if !text(json, name).is_some_and(is_uuid) {
        problems.push(Problem::new(at(path, name), "expected a UUID"));
    }
}

/// A prompt names a text there is.
fn check_resource(
    block: &Block<'_>,
    resources: &HashMap<&str, (String, &Value)>,
    problems: &mut Vec<Problem>,
) {
    let prompt = visible(block.config, "prompt");
    if prompt.is_some_and(|prompt| !resources.contains_key(prompt)) {
        problems.push(Problem::new(block.config_path("prompt"), "there is no such resource"));
    }
}
