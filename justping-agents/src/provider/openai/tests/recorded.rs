//! Exchanges that others recorded, where the conformance folder is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use justping_core::port::{AiError, ChatReply, FinishReason};
use serde::Deserialize;
use serde_json::Value;

use super::super::{error, wire};
use super::fold;

/// One recorded answer.
struct Recorded {
    name: String,
    url: String,
    status: u16,
    body: String,
}

fn folder() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let folder = std::env::var_os("JUSTPING_CONFORMANCE_DIR").map_or(own, PathBuf::from);
    let folder = folder.join("openai");
    if !folder.is_dir() {
        println!("no recorded exchanges: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Every answer in a file of one of the three formats.
fn read(path: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.display().to_string();
    if path.extension().is_some_and(|e| e == "txt") {
        let url = if name.contains("openai_resp") { "/responses" } else { "" };
        let url = if name.contains("/minimax_") { "/messages" } else { url };
        let url = if url.is_empty() { "/chat/completions" } else { url };
        return vec![Recorded { name, url: url.to_owned(), status: 200, body: text }];
    }
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    let documents = documents.map(|document| Value::deserialize(document).unwrap());
    documents.flat_map(|document| exchanges(&name, &document)).collect()
}

fn exchanges(name: &str, document: &Value) -> Vec<Recorded> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    if let Some(then) = document.get("then") {
        return vec![Recorded {
            name: name.to_owned(),
            url: text(&document["when"]["path"]),
            status: then["status"].as_u64().unwrap() as u16,
            body: text(&then["body"]),
        }];
    }
    let interactions = document["interactions"].as_array().unwrap().iter();
    let recorded = interactions.map(|one| {
        let response = &one["response"];
        let body = match &response["parsed_body"] {
            Value::Null => text(&response["body"]["string"]),
            body => body.to_string(),
        };
        Recorded {
            name: name.to_owned(),
            url: text(&one["request"]["uri"]),
            status: response["status"]["code"].as_u64().unwrap() as u16,
            body,
        }
    });
    recorded.collect()
}

/// What a chat says by the plainest reading of its JSON.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    calls: BTreeMap<u64, [String; 3]>,
    finish: Option<String>,
    refused: bool,
    tokens: (u64, u64),
}

impl Said {
    fn add(&mut self, completion: &Value) {
        let choices = completion["choices"].as_array().into_iter().flatten();
        for choice in choices.filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            let delta = choice.get("delta").unwrap_or(&choice["message"]);
            for member in ["content", "refusal"] {
                self.text.push_str(delta[member].as_str().unwrap_or_default());
            }
            self.refused |= delta["refusal"].as_str().is_some_and(|text| !text.is_empty());
            for (at, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
                let index = call["index"].as_u64().unwrap_or(at as u64);
                let slot = self.calls.entry(index).or_default();
                let function = &call["function"];
                let parts = [&call["id"], &function["name"], &function["arguments"]];
                for (slot, part) in slot.iter_mut().zip(parts) {
                    slot.push_str(part.as_str().unwrap_or_default());
                }
            }
            if let Some(reason) = choice["finish_reason"].as_str() {
                self.finish = Some(reason.to_owned());
            }
        }
        if let Some(usage) = completion["usage"].as_object() {
            let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
            self.tokens = (count("prompt_tokens"), count("completion_tokens"));
        }
    }

    fn agrees_with(&self, reply: &ChatReply, name: &str) {
        assert_eq!(reply.text, self.text, "{name}");
        let calls = reply.tool_calls.iter();
        let calls = calls.map(|c| [c.id.clone(), c.name.clone(), c.arguments.clone()]);
        assert_eq!(calls.collect::<Vec<_>>(), self.calls.values().cloned().collect::<Vec<_>>());
        assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), self.tokens, "{name}");
        let finish = match self.finish.as_deref() {
            _ if self.refused => FinishReason::Filtered,
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some("tool_calls") => FinishReason::ToolCalls,
            Some("content_filter") => FinishReason::Filtered,
            _ => FinishReason::Other,
        };
        assert_eq!(reply.finish, finish, "{name}");
    }
}

/// Folds a recorded stream whole and byte by byte.
fn streamed(recorded: &Recorded) {
    let mut said = Said::default();
    let lines = recorded.body.lines().filter_map(|line| line.strip_prefix("data: "));
    for line in lines.filter(|line| *line != "[DONE]") {
        said.add(&serde_json::from_str(line).unwrap());
    }
    let bytes = recorded.body.as_bytes();
    let (deltas, reply) = fold(&[bytes]);
    let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
    said.agrees_with(&reply, &recorded.name);
    assert_eq!(deltas.concat(), reply.text, "{}", recorded.name);
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(fold(&pieces), (deltas, Ok(reply)), "{}", recorded.name);
}

/// Reads a recorded answer that came in one piece; `false` when it is not a chat completion.
fn whole(recorded: &Recorded) -> bool {
    let body: Value = serde_json::from_str(&recorded.body).unwrap_or_default();
    let mut text = String::new();
    let reply = wire::whole(recorded.body.as_bytes(), &mut |delta| text.push_str(delta));
    if body["choices"].is_null() {
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{}: {reply:?}", recorded.name);
        return false;
    }
    let mut said = Said::default();
    said.add(&body);
    let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
    said.agrees_with(&reply, &recorded.name);
    assert_eq!(text, reply.text, "{}", recorded.name);
    true
}

fn embeddings(recorded: &Recorded) {
    let body: Value = serde_json::from_str(&recorded.body).unwrap();
    let data = body["data"].as_array().unwrap();
    if data.iter().all(|one| one["embedding"].is_array()) {
        let vectors = wire::embeddings(recorded.body.as_bytes(), data.len()).unwrap();
        assert!(vectors.iter().all(|vector| !vector.is_empty()), "{}", recorded.name);
    }
}

#[test]
fn every_recorded_chat_is_understood() {
    let Some(folder) = folder() else { return };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let folders = ["rig-cassettes", "pydantic-ai-cassettes", "genai-yakbak"];
    for path in folders.iter().flat_map(|name| files(&folder.join(name))) {
        for recorded in read(&path) {
            let is_embedding = recorded.url.contains("/embeddings");
            let kind = if !is_embedding && !recorded.url.contains("/chat/completions") {
                "skipped: another protocol"
            } else if recorded.status != 200 {
                let error = error::of_status(recorded.status, None, recorded.body.as_bytes());
                assert_eq!(error.code(), "rejected", "{}", recorded.name);
                "refused"
            } else if is_embedding {
                embeddings(&recorded);
                "embeddings"
            } else if recorded.body.starts_with("data:") {
                streamed(&recorded);
                "streamed"
            } else if whole(&recorded) {
                "whole"
            } else {
                "not an answer"
            };
            *counts.entry(kind).or_default() += 1;
        }
    }
    println!("recorded exchanges: {counts:?}");
    assert!(counts.get("streamed").is_some_and(|count| *count >= 60), "{counts:?}");
    assert!(counts.get("whole").is_some_and(|count| *count >= 90), "{counts:?}");
}
