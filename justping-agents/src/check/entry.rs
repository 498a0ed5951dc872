//! Where a session may go on besides its edges: session words, intents and the way for errors.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::finding::{code, error};
use super::{Draft, read};
use crate::document::{INTENTS_MAX, Intent, KEYWORD_MAX_CHARS, KEYWORDS_MAX, is_id};
use crate::keyword::fold;

/// Reads the intents, and finds the targets of everything that has one.
pub(super) fn check(draft: &mut Draft, document: &Value) {
    let flows: HashSet<&str> = document
        .get("flows")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|flows| flows.keys().map(String::as_str))
        .collect();
    session_words(draft);
    if let Some(target) = draft.settings.on_error.clone()
        && !flows.contains(target.as_str())
    {
        root(draft, &target, "/settings/on_error");
    }
    let items = read::list(draft, document, "intents");
    if items.len() > INTENTS_MAX {
        let message = format!("a flow has at most {INTENTS_MAX} intents");
        draft.findings.push(error(code::TOO_LARGE, "/intents", message));
    }
    let mut ids = HashSet::new();
    for (at, item) in items.iter().enumerate().take(INTENTS_MAX) {
        let path = format!("/intents/{at}");
        match Intent::deserialize(item) {
            Err(reason) => {
                draft.findings.push(error(code::SCHEMA_INVALID, path, reason.to_string()));
            }
            Ok(intent) => {
                if !is_id(&intent.id) || !ids.insert(intent.id.clone()) {
                    let message = "an intent has an id of its own";
                    draft.findings.push(error(code::DUPLICATE_ID, format!("{path}/id"), message));
                }
                check_intent(draft, &intent, &flows, &path);
                draft.intents.push(intent);
            }
        }
    }
}

fn session_words(draft: &mut Draft) {
    let Some(words) = draft.settings.session_words.clone() else { return };
    if let Some(restart) = words.restart {
        keywords(draft, &restart.words, "/settings/session_words/restart/words");
        if let Some(node) = restart.node {
            root(draft, &node, "/settings/session_words/restart/node");
        }
    }
    if let Some(menu) = words.menu {
        keywords(draft, &menu.words, "/settings/session_words/menu/words");
        root(draft, &menu.node, "/settings/session_words/menu/node");
    }
}

fn check_intent(draft: &mut Draft, intent: &Intent, flows: &HashSet<&str>, path: &str) {
    keywords(draft, &intent.keywords, &format!("{path}/keywords"));
    match (&intent.node, &intent.flow) {
        (Some(node), None) => root(draft, node, &format!("{path}/node")),
        (None, Some(flow)) if flows.contains(flow.as_str()) => {}
        (None, Some(flow)) => {
            let message = format!("there is no flow `{flow}`");
            draft.findings.push(error(code::UNKNOWN_FLOW, format!("{path}/flow"), message));
        }
        _ => {
            let message = "an intent has a `node` or a `flow`";
            draft.findings.push(error(code::SCHEMA_INVALID, path, message));
        }
    }
}

fn keywords(draft: &mut Draft, words: &[String], path: &str) {
    if words.is_empty() || words.len() > KEYWORDS_MAX {
        let message = format!("1 to {KEYWORDS_MAX} keywords are needed");
        draft.findings.push(error(code::SCHEMA_INVALID, path, message));
    }
    for (at, word) in words.iter().enumerate().take(KEYWORDS_MAX) {
        if fold(word).is_empty() || word.chars().count() > KEYWORD_MAX_CHARS {
            let message = format!("a keyword has 1 to {KEYWORD_MAX_CHARS} visible characters");
            draft.findings.push(error(code::SCHEMA_INVALID, format!("{path}/{at}"), message));
        }
    }
}

/// Takes note of a node that something leads to.
fn root(draft: &mut Draft, node: &str, path: &str) {
    if let Some(at) = draft.ids.get(node) {
        draft.roots.push(*at);
    } else {
        let message = format!("there is no node `{node}` to go to");
        draft.findings.push(error(code::UNKNOWN_JUMP, path, message));
    }
}
