//! What templates and conditions can read.

use std::cell::OnceCell;

use justping_core::port::NodeContext;
use serde_json::{Value, json};

use crate::scope::Scope;

/// The session's variables, and `contact`, `agent`, `message` and `now`, made when first read.
#[derive(Debug)]
pub(super) struct Names<'a> {
    cx: &'a NodeContext<'a>,
    contact: OnceCell<Value>,
    agent: OnceCell<Value>,
    message: OnceCell<Value>,
    now: OnceCell<Value>,
}

impl<'a> Names<'a> {
    pub(super) fn of(cx: &'a NodeContext<'a>) -> Self {
        Self {
            cx,
            contact: OnceCell::new(),
            agent: OnceCell::new(),
            message: OnceCell::new(),
            now: OnceCell::new(),
        }
    }
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let cx = self.cx;
        let value = match name {
            "contact" => self.contact.get_or_init(|| written(cx.contact)),
            // Instructions are for models, not for contacts.
            "agent" => self.agent.get_or_init(|| json!({"name": cx.agent.name})),
            "message" => self.message.get_or_init(|| json!({"text": cx.last_text})),
            "now" => self.now.get_or_init(|| Value::from(cx.now.to_string())),
            _ => return cx.variables.get(name),
        };
        Some(value)
    }
}

/// Views have text keys only, so writing them does not fail.
fn written(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
