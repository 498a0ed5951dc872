//! What templates and conditions can read.

use std::cell::OnceCell;

use justping_core::port::NodeContext;
use serde_json::{Value, json};

use crate::scope::Scope;

/// The name of the session's link. A variable of the same name hides it.
pub(crate) const RESUME_URL: &str = "resume_url";

/// The session's variables, and `contact`, `agent`, `message`, `now` and the
/// session's link, made when first read.
#[derive(Debug)]
pub(super) struct Names<'a> {
    cx: &'a NodeContext<'a>,
    contact: OnceCell<Value>,
    agent: OnceCell<Value>,
    message: OnceCell<Value>,
    now: OnceCell<Value>,
    resume_url: OnceCell<Value>,
}

impl<'a> Names<'a> {
    pub(super) fn of(cx: &'a NodeContext<'a>) -> Self {
        Self {
            cx,
            contact: OnceCell::new(),
            agent: OnceCell::new(),
            message: OnceCell::new(),
            now: OnceCell::new(),
            resume_url: OnceCell::new(),
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
            RESUME_URL if !cx.variables.contains_key(RESUME_URL) => {
                let url = cx.resume_url?;
                self.resume_url.get_or_init(|| Value::from(url))
            }
            _ => return cx.variables.get(name),
        };
        Some(value)
    }
}

/// Views have text keys only, so writing them does not fail.
fn written(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
