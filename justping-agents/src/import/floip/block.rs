//! Kinds of blocks.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::expression::Test;
use super::place::{Cx, Place, Way, WayKind};
use crate::condition::Condition;
use crate::import::json::{at, list, number, objects, text, visible};
use crate::import::sketch::option_id;

/// What is said when nothing is.
const SILENCE: &str = " ";
/// What stands above options that have nothing above them.
const CHOOSE: &str = "Choose";
/// Most options of a choice and most cases of a switch.
const OPTIONS_MAX: usize = 50;

/// Converts one block.
pub(super) fn convert<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let kind = place.block.kind;
    if kind != "Core.SetContactProperty"
        && !list(place.block.config, "set_contact_property").is_empty()
    {
        let reason = "the contact's properties it sets on its way out are left out";
        cx.ledger.degraded(&place.block.path, &place.node, reason);
    }
    match kind {
        "MobilePrimitives.Message" => message(cx, place),
        "MobilePrimitives.SelectOneResponse" => choice(cx, place),
        "MobilePrimitives.SelectManyResponse" => {
            let reason = "one option can be chosen, not several";
            cx.ledger.degraded(&place.block.path, &place.node, reason);
            choice(cx, place);
        }
        "MobilePrimitives.NumericResponse" | "MobilePrimitives.OpenResponse" => input(cx, place),
        "Core.Case" => case(cx, place),
        "Core.RunFlow" => run(cx, place),
        "Core.Log" => {
            let words = cx.words(place.block, visible(place.block.config, "message"));
            cx.ledger.degraded(&place.block.path, &place.node, "a note; nothing is logged");
            cx.put(place, "note", json!({"text": words.unwrap_or_default()}));
            cx.pass_on(place);
        }
        "Core.SetContactProperty" => properties(cx, place),
        "Core.SetGroupMembership" => group(cx, place),
        other => {
            let reason = format!("blocks of the type `{other}` have no counterpart");
            cx.stand_in(place, &reason);
        }
    }
}

fn prompt<'s>(cx: &mut Cx<'s>, place: &Place<'s>) -> Option<String> {
    cx.words(place.block, visible(place.block.config, "prompt"))
}

fn message<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    match prompt(cx, place) {
        Some(text) => {
            cx.put(place, "text", json!({"text": text}));
            cx.pass_on(place);
        }
        None => cx.stand_in(place, "a message without text"),
    }
}

fn input<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let config = place.block.config;
    let mut data = Map::new();
    let words = prompt(cx, place).unwrap_or_else(|| SILENCE.to_owned());
    data.insert("prompt".to_owned(), Value::from(words));
    data.insert("variable".to_owned(), Value::from(cx.variable(place.block.name)));
    if place.block.kind.ends_with("NumericResponse") {
        data.insert("kind".to_owned(), Value::from("number"));
        let limits = (number(config, "validation_minimum"), number(config, "validation_maximum"));
        match limits {
            (Some(min), Some(max)) if min >= max => {
                let reason = "its limits leave no number, so any is taken";
                cx.ledger.degraded(&place.block.path, &place.node, reason);
            }
            (min, max) => {
                let limits = [("min", min), ("max", max)];
                let limits = limits.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
                data.extend(limits.map(|(name, limit)| (name.to_owned(), json!(limit))));
            }
        }
    }
    cx.put(place, "input", Value::from(data));
    let ways = cx.ways(place);
    let (good, bad): (Vec<Way>, Vec<Way>) =
        ways.into_iter().partition(|way| matches!(way.kind, WayKind::Test(_)));
    if good.is_empty() {
        // A block with nothing but a default leaves by it.
        for way in bad.iter().filter(|way| way.kind == WayKind::Default) {
            cx.connect(place, "reply", way);
        }
    }
    for way in &bad {
        cx.connect(place, "invalid", way);
    }
    answered(cx, place, "reply", &good);
}

/// Leads an answer on: at once when there is one way, by a switch when formulas decide.
fn answered<'s>(cx: &mut Cx<'s>, place: &Place<'s>, exit: &str, ways: &[Way]) {
    let variable = cx.variable(place.block.name);
    let whatever = json!({"field": variable, "op": "ne", "value": null});
    let always = |way: &&Way| match &way.kind {
        WayKind::Test(Test::Always(always)) => *always,
        WayKind::Test(Test::When(condition)) => *condition == whatever,
        WayKind::Default | WayKind::Error => false,
    };
    let open = ways.iter().take_while(|way| !always(way)).count();
    let Some(decided) = ways.get(..open).filter(|ways| !ways.is_empty()) else {
        if let Some(first) = ways.first() {
            cx.connect(place, exit, first);
        }
        for way in ways.iter().filter(|way| way.target.is_some()) {
            cx.ledger.otherwise(&way.path, "the way before it is always taken");
        }
        return;
    };
    let id = cx.sketch.graph.id(&format!("{}-switch", place.node));
    let beside = Place { node: id.clone(), ..place.clone() };
    switch(cx, &beside, decided, ways.get(open));
    cx.sketch.graph.edge(&place.node, exit, &id);
    for way in ways.iter().filter(|way| way.target.is_some()) {
        cx.ledger.otherwise(&way.path, "the way before it is always taken");
    }
}

/// Puts a switch of ways whose formulas decide.
fn switch<'s>(cx: &mut Cx<'s>, place: &Place<'s>, ways: &[Way], default: Option<&Way>) {
    let mut ids = HashSet::new();
    let mut cases = Vec::new();
    let mut exits = Vec::new();
    for way in ways.iter().take(OPTIONS_MAX) {
        let condition = match &way.kind {
            WayKind::Test(Test::When(condition)) => condition.clone(),
            WayKind::Test(Test::Always(true)) => json!({"all": []}),
            _ => json!({"any": []}),
        };
        let id = option_id(&mut ids, "case");
        exits.push((format!("option:{id}"), way));
        cases.push(json!({"id": id, "condition": condition}));
    }
    cx.put(place, "switch", json!({"cases": cases}));
    for (exit, way) in exits {
        cx.connect(place, &exit, way);
    }
    if let Some(way) = default {
        cx.connect(place, "default", way);
    }
}

fn case<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let ways = cx.ways(place);
    let (default, tests): (Vec<Way>, Vec<Way>) =
        ways.into_iter().partition(|way| way.kind == WayKind::Default);
    let sure = |way: &Way| way.kind == WayKind::Test(Test::Always(true));
    let open = tests.iter().position(sure).unwrap_or(tests.len());
    let fallback = tests.get(open).or(default.first());
    match tests.get(..open).filter(|tests| !tests.is_empty()) {
        Some(tests) => switch(cx, place, tests, fallback),
        None => {
            cx.put(place, "note", json!({"text": "Nothing is decided here."}));
            if let Some(way) = fallback {
                cx.connect(place, "next", way);
            }
        }
    }
    for way in default.iter().chain(&tests).filter(|way| way.target.is_some()) {
        cx.ledger.otherwise(&way.path, "the way before it is always taken");
    }
}

/// An option: its key, its words, its pointer.
type Offer = (String, String, String);

fn offers<'s>(cx: &mut Cx<'s>, place: &Place<'s>) -> Vec<Offer> {
    let base = place.block.config_path("choices");
    let mut found: Vec<(String, Option<&str>, String)> = Vec::new();
    match place.block.config.get("choices") {
        Some(Value::Object(map)) => {
            for (key, resource) in map {
                found.push((key.clone(), resource.as_str(), at(&base, key)));
            }
        }
        Some(Value::Array(_)) => {
            for (index, item) in objects(place.block.config, "choices") {
                let name = text(item, "name").unwrap_or_default().to_owned();
                found.push((name, text(item, "prompt"), at(&base, index)));
            }
        }
        _ => {}
    }
    let mut offers = Vec::new();
    for (key, resource, path) in found {
        if offers.len() == OPTIONS_MAX {
            cx.ledger.unsupported(&path, "more options than a choice has");
            continue;
        }
        let words = cx.words(place.block, resource);
        if words.is_none() {
            cx.ledger.degraded(&path, &place.node, "an option without words shows its name");
        }
        let words = words.unwrap_or_else(|| crate::import::template::literal(&key));
        if words.trim().is_empty() {
            cx.ledger.unsupported(&path, "an option without words");
        } else {
            offers.push((key, words, path));
        }
    }
    offers
}

fn choice<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let offers = offers(cx, place);
    if offers.is_empty() {
        cx.stand_in(place, "a choice without options");
        return;
    }
    let variable = cx.variable(place.block.name);
    let words = prompt(cx, place).unwrap_or_else(|| {
        let reason = "options need a text above them; one was added";
        cx.ledger.degraded(&place.block.path, &place.node, reason);
        CHOOSE.to_owned()
    });
    let mut ids = HashSet::new();
    let mut options = Vec::new();
    for (key, title, path) in &offers {
        let id = option_id(&mut ids, key);
        cx.ledger.imported(path, &format!("{}/option:{id}", place.node));
        options.push(json!({"id": id, "title": title}));
    }
    let data = json!({"text": words, "variable": variable, "options": options});
    cx.put(place, "buttons", data);
    let ways = cx.ways(place);
    let (tests, others): (Vec<Way>, Vec<Way>) =
        ways.into_iter().partition(|way| matches!(way.kind, WayKind::Test(_)));
    for (option, (key, title, _)) in options.iter().zip(&offers) {
        let id = option.get("id").and_then(Value::as_str).unwrap_or_default();
        let exit = format!("option:{id}");
        let answer = json!({ variable.as_str(): title });
        let named = json!({ variable.as_str(): key });
        let takes = |way: &&Way| holds(&way.kind, &answer) || holds(&way.kind, &named);
        let way = tests.iter().find(takes);
        let way = way.or_else(|| others.iter().find(|way| way.kind == WayKind::Default));
        if let Some((way, target)) = way.and_then(|way| Some((way, way.target.as_ref()?))) {
            cx.sketch.graph.edge(&place.node, &exit, target);
            cx.ledger.imported(&way.path, &format!("{}/{exit} → {target}", place.node));
        }
    }
    let rest = tests.iter().filter(|way| way.kind == WayKind::Test(Test::Always(true)));
    for way in rest.chain(&others) {
        cx.connect(place, "invalid", way);
    }
    for way in tests.iter().chain(&others).filter(|way| way.target.is_some()) {
        cx.ledger.otherwise(&way.path, "no option leads there");
    }
}

/// Whether a way is taken for an answer; fields other than the answer are unset.
fn holds(kind: &WayKind, answer: &Value) -> bool {
    match kind {
        WayKind::Test(Test::Always(always)) => *always,
        WayKind::Test(Test::When(condition)) => {
            Condition::compile(condition).is_ok_and(|condition| condition.eval(answer))
        }
        WayKind::Default | WayKind::Error => false,
    }
}

fn run<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let flow = visible(place.block.config, "flow_id").unwrap_or_default();
    if !cx.container.flows.iter().any(|other| other.key == flow) {
        cx.stand_in(place, &format!("the flow `{flow}` is not part of the container"));
        return;
    }
    cx.put(place, "call_flow", json!({"flow": flow}));
    cx.pass_on(place);
}

fn properties<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let base = place.block.config_path("set_contact_property");
    let mut fields = Map::new();
    for (index, one) in list(place.block.config, "set_contact_property").iter().enumerate() {
        if let Some(key) = visible(one, "property_key") {
            let value = text(one, "property_value").unwrap_or_default();
            let path = at(&at(&base, index), "property_value");
            let value = cx.text(place.block, &path, value);
            fields.insert(key.to_owned(), Value::from(value));
        }
    }
    if fields.is_empty() {
        cx.stand_in(place, "sets no property");
        return;
    }
    cx.put(place, "contact", json!({"fields": fields}));
    cx.pass_on(place);
}

fn group<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let config = place.block.config;
    let name = visible(config, "group_name").or_else(|| visible(config, "group_key"));
    let is_member = config.get("is_member").and_then(Value::as_bool);
    let (Some(name), Some(is_member)) = (name, is_member) else {
        cx.stand_in(place, "says neither which group nor whether to join it");
        return;
    };
    let list = if is_member { "add_tags" } else { "remove_tags" };
    cx.ledger.degraded(&place.block.path, &place.node, "a group is a tag of the contact");
    let tag = crate::import::template::literal(name);
    cx.put(place, "contact", json!({ list: [tag] }));
    cx.pass_on(place);
}
