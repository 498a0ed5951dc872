//! Exchanges that others recorded, where the conformance folder is there.

use std::collections::BTreeMap;

use justping_core::port::{AiError, ChatReply, FinishReason};
use serde_json::Value;

use super::super::error;
use super::super::fold::MessageFold;
use crate::provider::link::Fold as _;
use crate::provider::recorded::{Recorded, cuts_do_not_matter, exchanges, fold, folder};

/// What a message says by the plainest reading of its JSON.
#[derive(Debug, Default, PartialEq)]
struct Said {
    blocks: BTreeMap<u64, Value>,
    json: BTreeMap<u64, String>,
    stop_reason: Option<String>,
    tokens: BTreeMap<String, u64>,
}

impl Said {
    fn message(&mut self, message: &Value) {
        for (at, block) in message["content"].as_array().into_iter().flatten().enumerate() {
            self.blocks.insert(at as u64, block.clone());
        }
        self.reason(message);
        self.usage(message);
    }

    fn reason(&mut self, from: &Value) {
        if let Some(reason) = from["stop_reason"].as_str() {
            self.stop_reason = Some(reason.to_owned());
        }
    }

    fn usage(&mut self, from: &Value) {
        for (name, count) in from["usage"].as_object().into_iter().flatten() {
            if let Some(count) = count.as_u64() {
                self.tokens.insert(name.clone(), count);
            }
        }
    }

    fn event(&mut self, event: &Value) {
        let index = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.message(&event["message"]),
            "content_block_start" => {
                self.blocks.insert(index, event["content_block"].clone());
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                if let Some(more) = delta["text"].as_str() {
                    let text = self.blocks[&index]["text"].as_str().unwrap_or_default();
                    let text = format!("{text}{more}");
                    self.blocks.get_mut(&index).unwrap()["text"] = Value::from(text);
                }
                let json = delta["partial_json"].as_str().unwrap_or_default();
                self.json.entry(index).or_default().push_str(json);
            }
            "message_delta" => {
                self.reason(&event["delta"]);
                self.usage(event);
            }
            _ => {}
        }
    }

    fn agrees_with(&self, reply: &ChatReply, name: &str) {
        let of = |kind: &str| {
            let kind = kind.to_owned();
            self.blocks.iter().filter(move |(_, block)| block["type"] == kind.as_str())
        };
        let text: String =
            of("text").map(|(_, b)| b["text"].as_str().unwrap_or_default()).collect();
        assert_eq!(reply.text, text, "{name}");
        let calls = of("tool_use").map(|(index, block)| {
            let json = self.json.get(index).filter(|json| !json.is_empty());
            // Arguments that were cut at the limit of tokens stay as they came.
            let input = json.map_or_else(
                || block["input"].clone(),
                |json| serde_json::from_str(json).unwrap_or_else(|_| Value::from(json.as_str())),
            );
            (block["id"].as_str().unwrap().to_owned(), block["name"].to_string(), input)
        });
        let found = reply.tool_calls.iter().map(|call| {
            let input = serde_json::from_str(&call.arguments);
            let input = input.unwrap_or_else(|_| Value::from(call.arguments.as_str()));
            (call.id.clone(), Value::from(call.name.as_str()).to_string(), input)
        });
        assert_eq!(found.collect::<Vec<_>>(), calls.collect::<Vec<_>>(), "{name}");
        let tokens = |name: &str| self.tokens.get(name).copied().unwrap_or_default();
        let cached = tokens("cache_read_input_tokens");
        let written = tokens("cache_creation_input_tokens");
        assert_eq!(reply.usage.cached_tokens, cached, "{name}");
        assert_eq!(reply.usage.cache_write_tokens, written, "{name}");
        assert_eq!(reply.usage.input_tokens, tokens("input_tokens") + cached + written, "{name}");
        assert_eq!(reply.usage.output_tokens, tokens("output_tokens"), "{name}");
        let finish = match self.stop_reason.as_deref() {
            Some("end_turn" | "stop_sequence") => FinishReason::Stop,
            Some("max_tokens") => FinishReason::Length,
            Some("tool_use") => FinishReason::ToolCalls,
            Some("refusal") => FinishReason::Filtered,
            _ => FinishReason::Other,
        };
        assert_eq!(reply.finish, finish, "{name}");
    }
}

fn streamed(recorded: &Recorded) -> bool {
    let mut said = Said::default();
    for line in recorded.body.lines().filter_map(|line| line.strip_prefix("data:")) {
        if line.trim() != "[DONE]" {
            said.event(&serde_json::from_str(line).unwrap());
        }
    }
    let (deltas, reply) = fold::<MessageFold>(&[recorded.body.as_bytes()]);
    let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
    said.agrees_with(&reply, &recorded.name);
    assert_eq!(deltas.concat(), reply.text, "{}", recorded.name);
    cuts_do_not_matter::<MessageFold>(recorded);
    cut_short(recorded);
    !reply.tool_calls.is_empty()
}

/// A stream that ends before the reason to stop came is no answer, wherever it ends; with an error
/// event there it means that error.
fn cut_short(recorded: &Recorded) {
    let Some(end) = recorded.body.find("event: message_delta") else { return };
    for at in (0..end).step_by(1 + end / 64) {
        let reply = fold::<MessageFold>(&[&recorded.body.as_bytes()[..at]]).1;
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{}: {reply:?}", recorded.name);
    }
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\
        \"message\":\"Overloaded\"}}\n\n";
    let broken = format!("{}{error}", &recorded.body[..end]);
    let reply = fold::<MessageFold>(&[broken.as_bytes()]).1;
    let detail = "overloaded_error".to_owned();
    assert_eq!(reply, Err(AiError::Unavailable { after: None, detail }), "{}", recorded.name);
}

fn whole(recorded: &Recorded) -> &'static str {
    let body: Value = serde_json::from_str(&recorded.body).unwrap_or_default();
    let mut text = String::new();
    let reply = MessageFold::whole(recorded.body.as_bytes(), &mut |delta| text.push_str(delta));
    if !body["content"].is_array() {
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{}: {reply:?}", recorded.name);
        return "not an answer";
    }
    let mut said = Said::default();
    said.message(&body);
    let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
    said.agrees_with(&reply, &recorded.name);
    assert_eq!(text, reply.text, "{}", recorded.name);
    "whole"
}

#[test]
fn every_recorded_message_is_understood() {
    let Some(folder) = folder("anthropic") else { return };
    let folders = ["rig-cassettes", "pydantic-ai-cassettes", "genai-yakbak", "sdk-fixtures"];
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for recorded in exchanges(&folder, &folders) {
        let path = recorded.url.split('?').next().unwrap_or_default();
        let kind = if !path.ends_with("/messages") {
            "skipped: another protocol"
        } else if recorded.status != 200 {
            let error = error::of_status(recorded.status, None, recorded.body.as_bytes());
            let code = match recorded.status {
                401 => "unauthorized",
                429 => "rate_limited",
                _ => "rejected",
            };
            assert_eq!(error.code(), code, "{}", recorded.name);
            "refused"
        } else if recorded.is_stream() {
            if streamed(&recorded) { "streamed with tools" } else { "streamed" }
        } else {
            whole(&recorded)
        };
        *counts.entry(kind).or_default() += 1;
    }
    println!("recorded exchanges of anthropic: {counts:?}");
    assert!(counts.get("streamed").is_some_and(|count| *count >= 70), "{counts:?}");
    assert!(counts.get("streamed with tools").is_some_and(|count| *count >= 20), "{counts:?}");
    assert!(counts.get("whole").is_some_and(|count| *count >= 200), "{counts:?}");
}
