//! Servers that answer from a script.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use justping::agents::scenario::ServerReply;
use justping::http::{Answer, HeaderMap, HttpError, OpenRequest, Script};
use serde_json::{Map, Value, json};

/// Answers in order, and remembers what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    replies: Mutex<VecDeque<ServerReply>>,
    asked: Mutex<Vec<Value>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Servers {
    pub(crate) fn new(replies: &[ServerReply]) -> Self {
        Self { replies: Mutex::new(replies.iter().cloned().collect()), asked: Mutex::default() }
    }

    /// Adds an answer.
    pub(crate) fn then(&self, reply: ServerReply) {
        held(&self.replies).push_back(reply);
    }

    /// What it was asked since it was looked at.
    pub(crate) fn take_asked(&self) -> Vec<Value> {
        std::mem::take(&mut held(&self.asked))
    }
}

impl Script for Servers {
    fn answer(&self, request: &OpenRequest) -> Result<Answer, HttpError> {
        held(&self.asked).push(shown(request));
        let Some(ServerReply { status, body }) = held(&self.replies).pop_front() else {
            return Err(HttpError::Timeout);
        };
        let body = match body {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Answer { status, headers: HeaderMap::new(), body: body.into_bytes() })
    }
}

/// A request as scenarios write it.
fn shown(request: &OpenRequest) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        headers.insert(name.as_str().to_owned(), text(value.as_bytes()).into());
    }
    let body = request
        .content()
        .map(|body| serde_json::from_slice(body).unwrap_or_else(|_| Value::String(text(body))));
    json!({
        "method": request.method().name(),
        "url": request.url().text(),
        "headers": headers,
        "body": body
    })
}
