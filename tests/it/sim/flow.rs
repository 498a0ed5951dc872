//! What the bots of the simulation do.

use serde_json::{Value, json};

/// What starts [`order`].
pub(super) const KEYWORD: &str = "order";

/// Buttons, a question, a wait that a message interrupts, people and an end that closes.
pub(super) fn order() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {
                "on": "keywords", "keywords": [KEYWORD], "match": "starts_with"}},
            {"id": "sure", "type": "buttons", "data": {
                "text": "Shall it be sent, {{ contact.name }}?", "timeout_minutes": 10,
                "options": [
                    {"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"},
                    {"id": "ask", "title": "A person"}]}},
            {"id": "where", "type": "input", "data": {
                "prompt": "Where to?", "variable": "place", "timeout_minutes": 60}},
            {"id": "noted", "type": "text", "data": {"text": "To {{ place }}, then."}},
            {"id": "later", "type": "wait", "data": {"amount": 2, "unit": "hours"}},
            {"id": "did", "type": "text", "data": {"text": "Did it come to {{ place }}?"}},
            {"id": "soon", "type": "text", "data": {"text": "It will come."}},
            {"id": "bye", "type": "text", "data": {"text": "Another time."}},
            {"id": "close", "type": "close"},
            {"id": "people", "type": "handoff", "data": {"note": "Wants a person."}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "sure"},
            {"id": "2", "source": "sure", "sourceHandle": "option:yes", "target": "where"},
            {"id": "3", "source": "sure", "sourceHandle": "option:no", "target": "bye"},
            {"id": "4", "source": "sure", "sourceHandle": "option:ask", "target": "people"},
            {"id": "5", "source": "sure", "sourceHandle": "timeout", "target": "bye"},
            {"id": "6", "source": "where", "sourceHandle": "reply", "target": "noted"},
            {"id": "7", "source": "where", "sourceHandle": "timeout", "target": "bye"},
            {"id": "8", "source": "noted", "target": "later"},
            {"id": "9", "source": "later", "target": "did"},
            {"id": "10", "source": "later", "sourceHandle": "interrupted", "target": "soon"},
            {"id": "11", "source": "bye", "target": "close"},
        ],
    })
}

/// A model talks, is waited for, and after two days the contact hears once more.
pub(super) fn chat() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "hello", "type": "text", "data": {"text": "Hello, {{ contact.name }}!"}},
            {"id": "talk", "type": "ai_reply", "data": {
                "prompt": "Be brief.", "max_turns": 3, "timeout_minutes": 30}},
            {"id": "more", "type": "wait", "data": {"amount": 2, "unit": "days"}},
            {"id": "again", "type": "text", "data": {"text": "Anything else?"}},
            {"id": "sorry", "type": "text", "data": {"text": "A person will answer."}},
            {"id": "people", "type": "handoff"},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "hello"},
            {"id": "2", "source": "hello", "target": "talk"},
            {"id": "3", "source": "talk", "sourceHandle": "next", "target": "more"},
            {"id": "4", "source": "talk", "sourceHandle": "timeout", "target": "more"},
            {"id": "5", "source": "talk", "sourceHandle": "error", "target": "sorry"},
            {"id": "6", "source": "more", "target": "again"},
            {"id": "7", "source": "sorry", "target": "people"},
        ],
    })
}
