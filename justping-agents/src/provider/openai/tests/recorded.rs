//! Exchanges that others recorded, where the conformance folder is there.

use std::collections::BTreeMap;

use justping_core::port::{AiError, ChatReply, FinishReason};
use serde_json::Value;

use super::super::chat::ChatFold;
use super::super::responses::ResponseFold;
use super::super::{error, wire};
use super::fold;
use crate::provider::link::Fold as _;
use crate::provider::recorded::{self, Recorded, cuts_do_not_matter, exchanges, folder};

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
    cuts_do_not_matter::<ChatFold>(recorded);
}

/// Reads a recorded answer that came in one piece; `false` when it is not a chat completion.
fn whole(recorded: &Recorded) -> bool {
    let body: Value = serde_json::from_str(&recorded.body).unwrap_or_default();
    let mut text = String::new();
    let reply = ChatFold::whole(recorded.body.as_bytes(), &mut |delta| text.push_str(delta));
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
        let embedded = wire::embeddings(recorded.body.as_bytes(), data.len()).unwrap();
        assert_eq!(Some(embedded.input_tokens), body["usage"]["prompt_tokens"].as_u64());
        assert!(embedded.vectors.iter().all(|vector| !vector.is_empty()), "{}", recorded.name);
    }
}

/// What a response says by the plainest reading of its JSON.
#[derive(Debug, Default)]
struct Response {
    text: String,
    calls: Vec<[String; 3]>,
    finish: Option<FinishReason>,
    tokens: (u64, u64, u64),
}

impl Response {
    fn of(response: &Value) -> Self {
        let mut said = Self::default();
        let mut refused = false;
        for item in response["output"].as_array().into_iter().flatten() {
            for part in item["content"].as_array().into_iter().flatten() {
                refused |= part["refusal"].is_string();
                for name in ["text", "refusal"] {
                    said.text.push_str(part[name].as_str().unwrap_or_default());
                }
            }
            if item["type"] == "function_call" {
                let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                said.calls.push([text("call_id"), text("name"), text("arguments")]);
            }
        }
        let usage = &response["usage"];
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let cached = count(&usage["input_tokens_details"]["cached_tokens"]);
        said.tokens = (count(&usage["input_tokens"]), count(&usage["output_tokens"]), cached);
        said.finish = match response["status"].as_str().unwrap_or_default() {
            "completed" | "complete" | "" if refused => Some(FinishReason::Filtered),
            "completed" | "complete" | "" if !said.calls.is_empty() => {
                Some(FinishReason::ToolCalls)
            }
            "completed" | "complete" | "" => Some(FinishReason::Stop),
            "incomplete" => match response["incomplete_details"]["reason"].as_str() {
                Some("content_filter") => Some(FinishReason::Filtered),
                _ => Some(FinishReason::Length),
            },
            _ => None,
        };
        said
    }

    fn agrees_with(&self, reply: &ChatReply, name: &str) {
        assert_eq!(reply.text, self.text, "{name}");
        let calls = reply.tool_calls.iter();
        let calls = calls.map(|c| [c.id.clone(), c.name.clone(), c.arguments.clone()]);
        assert_eq!(calls.collect::<Vec<_>>(), self.calls, "{name}");
        let usage = &reply.usage;
        let tokens = (usage.input_tokens, usage.output_tokens, usage.cached_tokens);
        assert_eq!(tokens, self.tokens, "{name}");
        assert_eq!(Some(reply.finish), self.finish, "{name}");
    }
}

/// Folds a recorded stream of events and compares it with the whole response its last event holds.
fn response_streamed(recorded: &Recorded) -> &'static str {
    let lines = recorded.body.lines().filter_map(|line| line.strip_prefix("data:"));
    let events: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let ends = ["response.completed", "response.incomplete", "response.failed"];
    let is_end = |e: &&Value| ends.contains(&e["type"].as_str().unwrap_or_default());
    let last = events.iter().rfind(is_end);
    let (deltas, reply) = recorded::fold::<ResponseFold>(&[recorded.body.as_bytes()]);
    cuts_do_not_matter::<ResponseFold>(recorded);
    let Some(last) = last else {
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{}: {reply:?}", recorded.name);
        return "responses streamed, cut by the recorder";
    };
    let begun = recorded.body.contains("\"type\":\"response.created\"");
    let mut response = last["response"].clone();
    if response["output"].as_array().is_none_or(Vec::is_empty) {
        // Told item by item instead.
        let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
        response["output"] = done.map(|event| event["item"].clone()).collect();
    }
    let said = Response::of(&response);
    let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
    assert_eq!(deltas.concat(), reply.text, "{}", recorded.name);
    if !begun {
        return "responses streamed, taken up in their middle";
    }
    said.agrees_with(&reply, &recorded.name);
    response_cut_short(recorded);
    if reply.tool_calls.is_empty() { "responses streamed" } else { "responses streamed with tools" }
}

/// A stream that ends before its last event is no answer; an error event there means that error.
fn response_cut_short(recorded: &Recorded) {
    let Some(end) = recorded.body.find("event: response.completed") else { return };
    for at in (0..end).step_by(1 + end / 64) {
        let reply = recorded::fold::<ResponseFold>(&[&recorded.body.as_bytes()[..at]]).1;
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{}: {reply:?}", recorded.name);
    }
    let error = "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\
        \"message\":\"slow down\"}\n\n";
    let broken = format!("{}{error}", &recorded.body[..end]);
    let reply = recorded::fold::<ResponseFold>(&[broken.as_bytes()]).1;
    assert_eq!(reply, Err(AiError::RateLimited { after: None }), "{}", recorded.name);
}

fn response_whole(recorded: &Recorded) -> &'static str {
    let body: Value = serde_json::from_str(&recorded.body).unwrap_or_default();
    let mut text = String::new();
    let reply = ResponseFold::whole(recorded.body.as_bytes(), &mut |delta| text.push_str(delta));
    let said = Response::of(&body);
    if body["output"].is_null() || said.finish.is_none() {
        assert!(reply.is_err(), "{}: {reply:?}", recorded.name);
        return "not an answer";
    }
    let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
    said.agrees_with(&reply, &recorded.name);
    assert_eq!(text, reply.text, "{}", recorded.name);
    "responses whole"
}

fn refused(recorded: &Recorded) {
    let error = error::of_status(recorded.status, None, recorded.body.as_bytes());
    let code = if recorded.status == 401 { "unauthorized" } else { "rejected" };
    assert_eq!(error.code(), code, "{}", recorded.name);
}

#[test]
fn every_recorded_chat_is_understood() {
    let Some(folder) = folder("openai") else { return };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let folders = ["rig-cassettes", "pydantic-ai-cassettes", "genai-yakbak"];
    for recorded in exchanges(&folder, &folders) {
        let path = recorded.url.split('?').next().unwrap_or_default();
        let is_chat = path.contains("/chat/completions");
        let is_response = path.ends_with("/responses");
        let is_embedding = path.contains("/embeddings");
        let kind = if !is_chat && !is_response && !is_embedding {
            "skipped: another protocol"
        } else if recorded.status != 200 {
            refused(&recorded);
            "refused"
        } else if is_embedding {
            embeddings(&recorded);
            "embeddings"
        } else if is_response {
            if recorded.is_stream() {
                response_streamed(&recorded)
            } else {
                response_whole(&recorded)
            }
        } else if recorded.is_stream() {
            streamed(&recorded);
            "streamed"
        } else if whole(&recorded) {
            "whole"
        } else {
            "not an answer"
        };
        *counts.entry(kind).or_default() += 1;
    }
    println!("recorded exchanges of openai: {counts:?}");
    let at_least = |kind: &str, least| counts.get(kind).is_some_and(|count| *count >= least);
    assert!(at_least("streamed", 60) && at_least("whole", 90), "{counts:?}");
    assert!(at_least("responses streamed", 25), "{counts:?}");
    assert!(at_least("responses streamed with tools", 10), "{counts:?}");
    assert!(at_least("responses whole", 90), "{counts:?}");
}

#[test]
fn schemas_that_strict_output_takes_are_told_apart() {
    let Some(folder) = folder("openai") else { return };
    let text = std::fs::read_to_string(folder.join("schema/openai_generated_schema_cases.json"));
    let cases: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    for case in cases {
        assert!(!wire::is_strict(&case["input"]), "{}", case["name"]);
        assert!(wire::is_strict(&case["expected"]), "{}", case["name"]);
    }
    println!("schemas of strict output: {}", cases.len());
    assert!(!cases.is_empty());
}
