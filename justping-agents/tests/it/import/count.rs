//! Counts what a source holds, without the importers' help.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use justping_agents::Flows;
use justping_agents::fetch::ScriptedFetcher;
use justping_agents::import::{ElementKind, Format, Import};
use justping_core::memory::ScriptedAi;
use justping_core::port::{Finding, Severity};
use serde_json::Value;

/// Every node, with a model and a client that answer nothing.
pub(crate) fn flows() -> &'static Flows {
    static FLOWS: OnceLock<Flows> = OnceLock::new();
    FLOWS.get_or_init(|| {
        Flows::new()
            .with_ai(Arc::new(ScriptedAi::new()))
            .with_http(Arc::new(ScriptedFetcher::new()))
    })
}

/// How many elements of each kind.
pub(super) type Held = BTreeMap<ElementKind, usize>;

fn add(held: &mut Held, kind: ElementKind, count: usize) {
    if count > 0 {
        *held.entry(kind).or_default() += count;
    }
}

fn items<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    value[name].as_array().into_iter().flatten().filter(|item| item.is_object()).collect()
}

/// Texts below a value, with the name of the member they are in.
fn texts(value: &Value, name: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((name.to_owned(), text.clone())),
        Value::Array(list) => list.iter().for_each(|item| texts(item, "", found)),
        Value::Object(map) => map.iter().for_each(|(key, item)| texts(item, key, found)),
        _ => {}
    }
}

/// Items of all lists with this name below a value.
fn below(value: &Value, name: &str) -> usize {
    match value {
        Value::Array(list) => list.iter().map(|item| below(item, name)).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| {
                let here = if key == name { items(value, name).len() } else { 0 };
                here + below(item, name)
            })
            .sum(),
        _ => 0,
    }
}

/// What a source holds.
pub(super) fn held(format: Format, source: &Value) -> Held {
    let mut held = Held::new();
    match format {
        Format::Typebot => typebot(source, &mut held),
        Format::Twilio => twilio(source, &mut held),
        Format::Floip => floip(source, &mut held),
    }
    held
}

fn typebot(source: &Value, held: &mut Held) {
    add(held, ElementKind::Event, items(source, "events").len());
    add(held, ElementKind::Edge, items(source, "edges").len());
    add(held, ElementKind::Variable, items(source, "variables").len());
    for block in items(source, "groups").into_iter().flat_map(|group| items(group, "blocks")) {
        add(held, ElementKind::Block, 1);
        add(held, ElementKind::Option, items(block, "items").len());
        add(held, ElementKind::Condition, below(block, "comparisons"));
        let mut found = Vec::new();
        texts(block, "", &mut found);
        let script = block["type"] == "Code";
        let formula = |(name, text): &&(String, String)| {
            let named = ["expressionToEvaluate", "bodyPath"].contains(&name.as_str());
            let is_code = named || (script && name == "content");
            text.contains("{{") || text.contains("{%") || (is_code && !text.is_empty())
        };
        add(held, ElementKind::Expression, found.iter().filter(formula).count());
    }
}

fn twilio(source: &Value, held: &mut Held) {
    for state in items(source, "states") {
        add(held, ElementKind::Block, 1);
        for exit in items(state, "transitions") {
            let leads = exit["next"].as_str().is_some_and(|next| !next.is_empty());
            add(held, ElementKind::Edge, usize::from(leads));
            add(held, ElementKind::Condition, items(exit, "conditions").len());
        }
        if state["type"] == "set-variables" {
            let variables = items(&state["properties"], "variables").len();
            add(held, ElementKind::Variable, variables);
        }
        let mut found = Vec::new();
        texts(state, "", &mut found);
        let code = found.iter().filter(|(_, text)| text.contains("{{") || text.contains("{%"));
        add(held, ElementKind::Expression, code.count());
    }
}

fn floip(source: &Value, held: &mut Held) {
    let has_code = |text: &str| {
        let code =
            regex::Regex::new(r"(^|[^@])@(\(|(contact|flow|block|channel|date)\.[A-Za-z0-9_])");
        code.unwrap().is_match(text)
    };
    let flows = match source.get("blocks") {
        Some(_) => vec![source],
        None => items(source, "flows"),
    };
    let mut texts_of = Vec::from_iter(source.get("flows").map(|_| source));
    for flow in flows {
        texts_of.push(flow);
        for block in items(flow, "blocks") {
            add(held, ElementKind::Block, 1);
            let choices = &block["config"]["choices"];
            let choices = choices.as_object().map(|map| map.len());
            let choices = choices.unwrap_or_else(|| items(&block["config"], "choices").len());
            add(held, ElementKind::Option, choices);
            for exit in items(block, "exits") {
                let says = |name: &str| exit[name].as_str().is_some_and(|s| !s.trim().is_empty());
                add(held, ElementKind::Edge, usize::from(says("destination_block")));
                add(held, ElementKind::Expression, usize::from(says("test")));
            }
            let mut found = Vec::new();
            let mut config = block["config"].clone();
            if let Some(config) = config.as_object_mut() {
                // The values of choices are names of texts.
                config.retain(|name, value| name != "choices" || !value.is_object());
            }
            texts(&config, "", &mut found);
            let code = found.iter().filter(|(_, text)| has_code(text));
            add(held, ElementKind::Expression, code.count());
        }
    }
    for resource in texts_of.into_iter().flat_map(|holder| items(holder, "resources")) {
        for value in items(resource, "values") {
            add(held, ElementKind::Text, 1);
            let code = value["value"].as_str().is_some_and(has_code);
            add(held, ElementKind::Expression, usize::from(code));
        }
    }
}

/// Everything the source holds stands in the report once, and says what became of it.
pub(super) fn assert_nothing_lost(name: &str, source: &Value, import: &Import) {
    let counts = import.report.counts();
    let told: Held = counts.iter().map(|(kind, counts)| (*kind, counts.total())).collect();
    assert_eq!(told, held(import.format, source), "{name}");
    let report = &import.report;
    let mut paths = std::collections::HashSet::new();
    for element in report.imported.iter().chain(&report.degraded).chain(&report.unsupported) {
        assert!(paths.insert(&element.path), "{name}: {} twice", element.path);
        assert!(source.pointer(&element.path).is_some(), "{name}: {}", element.path);
    }
    for element in &report.imported {
        assert!(element.reason.is_none() && element.became.is_some(), "{name}: {element:?}");
    }
    for element in report.degraded.iter().chain(&report.unsupported) {
        assert!(element.reason.is_some(), "{name}: {element:?}");
    }
}

/// Says whether a finding is an error of the import rather than the source's own: a flow that never
/// waits and leads back to itself is its author's.
pub(super) fn is_broken(finding: &Finding) -> bool {
    finding.severity == Severity::Error && finding.code != "endless_cycle"
}
