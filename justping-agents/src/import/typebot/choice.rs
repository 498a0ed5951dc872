//! Inputs that are answered by choosing.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::place::{Cx, Place};
use super::question;
use crate::import::json::{at, list, objects, plain, short, visible};
use crate::import::sketch::option_id;

/// Most options of a choice.
const OPTIONS_MAX: usize = 50;
/// The label that opens a list.
const OPEN: &str = "Choose";
/// Times to ask again: the source never stops asking.
const RETRIES: u64 = 20;

/// Asks with buttons.
pub(super) fn buttons<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let known = ["variableId", "isMultipleChoice", "dynamicVariableId", "retryMessageContent"];
    if let Some(list) = cx.variable(place.block.option("dynamicVariableId")) {
        cx.leftovers(place, &known);
        return dynamic(cx, place, &list);
    }
    let options = options(cx, place, "content", &["content"]);
    choose(cx, place, options, "buttons", &known);
}

/// Asks with a list; pictures are left out.
pub(super) fn pictures<'s>(cx: &mut Cx<'s>, place: &Place<'s>) {
    let known = ["variableId", "isMultipleChoice", "retryMessageContent"];
    let items = objects(place.block.json, "items");
    for (index, _) in items.filter(|(_, item)| visible(item, "pictureSrc").is_some()) {
        let path = at(&at(&place.block.path, "items"), index);
        cx.ledger.degraded(&path, &place.node, "shown without its picture");
    }
    let options = options(cx, place, "title", &["title", "description", "pictureSrc"]);
    choose(cx, place, options, "list", &known);
}

fn choose<'s>(
    cx: &mut Cx<'s>,
    place: &Place<'s>,
    options: Vec<(Value, usize)>,
    kind: &str,
    known: &[&str],
) {
    if options.is_empty() {
        cx.stand_in(place, "a choice without options");
        return;
    }
    let mut data = Map::new();
    data.insert("text".to_owned(), Value::from(wording(cx, place)));
    if place.block.option("isMultipleChoice") == Some(&Value::Bool(true)) {
        let reason = "one option can be chosen, not several";
        cx.ledger.degraded(&place.block.path, &place.node, reason);
    }
    if let Some(variable) = cx.variable(place.block.option("variableId")) {
        data.insert("variable".to_owned(), Value::from(variable));
    }
    data.insert("max_retries".to_owned(), Value::from(RETRIES));
    question::retry(cx, place, &mut data);
    let offered: Vec<Value> = options.iter().map(|(option, _)| option.clone()).collect();
    if kind == "list" {
        data.insert("button".to_owned(), Value::from(OPEN));
        data.insert("sections".to_owned(), json!([{"options": offered}]));
    } else {
        data.insert("options".to_owned(), Value::from(offered));
    }
    cx.leftovers(place, known);
    cx.put(place, kind, Value::from(data));
    let items = list(place.block.json, "items");
    for (option, index) in options {
        let id = option.get("id").and_then(Value::as_str).unwrap_or_default();
        if let Some(item) = items.get(index) {
            cx.go_on_by(place, &format!("option:{id}"), item);
        }
    }
}

/// The options with the places of their items; says what became of each item.
fn options<'s>(
    cx: &mut Cx<'s>,
    place: &Place<'s>,
    title: &str,
    members: &[&str],
) -> Vec<(Value, usize)> {
    let mut ids = HashSet::new();
    let mut options = Vec::new();
    for (index, item) in objects(place.block.json, "items") {
        let path = at(&at(&place.block.path, "items"), index);
        let words = item.get(title).and_then(plain).filter(|words| !words.trim().is_empty());
        let (Some(words), true) = (words, options.len() < OPTIONS_MAX) else {
            let reason = match options.len() < OPTIONS_MAX {
                true => "an option without words",
                false => "more options than a choice has",
            };
            cx.ledger.unsupported(&path, reason);
            continue;
        };
        let wanted = visible(item, "id").map_or_else(|| short(&words, 20), str::to_owned);
        let id = option_id(&mut ids, &wanted);
        let mut option = json!({"id": id, "title": cx.text(&at(&path, title), &words)});
        if members.contains(&"description")
            && let (Some(text), Value::Object(option)) = (visible(item, "description"), &mut option)
        {
            let text = cx.text(&at(&path, "description"), text);
            option.insert("description".to_owned(), Value::from(text));
        }
        let condition = item
            .get("displayCondition")
            .filter(|shown| shown.get("isEnabled").and_then(Value::as_bool) != Some(false));
        if condition.is_some_and(|shown| !shown.is_null()) {
            cx.ledger.degraded(&path, &place.node, "always shown; its condition is left out");
            let base = at(&at(&at(&path, "displayCondition"), "condition"), "comparisons");
            let condition = condition.and_then(|shown| shown.get("condition"));
            for (index, _) in condition.into_iter().flat_map(|one| objects(one, "comparisons")) {
                cx.ledger.unsupported(&at(&base, index), "the option is always shown");
            }
        }
        cx.ledger.imported(&path, &format!("{}/option:{id}", place.node));
        options.push((option, index));
    }
    options
}

/// The text above the options.
fn wording<'s>(cx: &mut Cx<'s>, place: &Place<'s>) -> String {
    question::prompt(cx, place).unwrap_or_else(|| {
        let reason = "options need a text above them; one was added";
        cx.ledger.degraded(&place.block.path, &place.node, reason);
        let title = place.title.trim();
        let title = if title.is_empty() { OPEN } else { title };
        crate::import::template::literal(title)
    })
}

/// Options out of a list: they are written under the text, and any answer is taken.
fn dynamic<'s>(cx: &mut Cx<'s>, place: &Place<'s>, list: &str) {
    let text = question::prompt(cx, place).unwrap_or_default();
    let lines =
        format!("{{% for item in {list} %}}\n{{{{ loop.index }}}}. {{{{ item }}}}{{% endfor %}}");
    let data = json!({
        "prompt": format!("{text}{lines}"),
        "variable": question::variable(cx, place),
        "max_retries": RETRIES
    });
    let reason = "the options of a list are written out; what is answered is saved unmatched";
    cx.ledger.degraded(&place.block.path, &place.node, reason);
    for (index, _) in objects(place.block.json, "items") {
        let path = at(&at(&place.block.path, "items"), index);
        cx.ledger.unsupported(&path, "the options come from a list");
    }
    cx.put(place, "input", data);
    cx.go_on(place, "reply");
}
