//! A whole conversation in memory: a flow, a message in, the reply printed.
//!
//! `cargo run --example quickstart`

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::sync::Arc;

use justping::agents::Flows;
use justping::stage::Stage;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flow = json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "name", "type": "input", "data": {
                "kind": "text", "prompt": "Hi! What is your name?", "variable": "name"}},
            {"id": "plan", "type": "buttons", "data": {
                "text": "Nice to meet you, {{ name }}. What are you here for?",
                "options": [{"id": "buy", "title": "Buy"}, {"id": "help", "title": "Get help"}]}},
            {"id": "bought", "type": "text", "data": {"text": "Great, {{ name }}: to the shop!"}},
            {"id": "people", "type": "handoff", "data": {"note": "{{ name }} needs help"}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "name"},
            {"id": "2", "source": "name", "sourceHandle": "reply", "target": "plan"},
            {"id": "3", "source": "plan", "sourceHandle": "option:buy", "target": "bought"},
            {"id": "4", "source": "plan", "sourceHandle": "option:help", "target": "people"},
        ],
    });
    let stage = Stage::builder(Arc::new(Flows::new())).open(&[flow]).await?;
    for line in ["hello", "Ada", "Buy"] {
        println!("contact: {line}");
        for reply in stage.say("ada", line).await? {
            println!("agent:   {}", reply.content.plain());
        }
    }
    Ok(())
}
