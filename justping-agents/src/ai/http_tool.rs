//! Tools that are requests to a server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use justping_core::port::{Tool, ToolContext, ToolError, ToolOutput, ToolSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fetch::{FetchError, FetchMethod, FetchRequest, Fetcher};

/// The longest wait for an answer, unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Tells a server that repeats of a request are the same request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What of an answer of JSON is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pick {
    /// The value at this JSON pointer, `null` where there is none.
    One(String),
    /// The values at these pointers, by name.
    Many(BTreeMap<String, String>),
}

impl Pick {
    /// Says whether every pointer is one, and there are at most so many.
    pub fn is_sound(&self, most: usize) -> bool {
        let is_pointer = |text: &String| text.is_empty() || text.starts_with('/');
        match self {
            Self::One(pointer) => is_pointer(pointer),
            Self::Many(pointers) => pointers.len() <= most && pointers.values().all(is_pointer),
        }
    }

    fn from(&self, answer: &Value) -> Value {
        let at = |pointer: &String| answer.pointer(pointer).cloned().unwrap_or_default();
        match self {
            Self::One(pointer) => at(pointer),
            Self::Many(pointers) => {
                pointers.iter().map(|(name, pointer)| (name.clone(), at(pointer))).collect()
            }
        }
    }
}

/// A request to a server, as a tool.
///
/// Arguments named in the address as `{name}` are put there, encoded; the others are members of the
/// query for `GET`, `HEAD` and `DELETE`, and members of a body of JSON otherwise. The answer is
/// somebody else's words. Every request that changes something carries an `Idempotency-Key` that
/// stays the same when a worker dies and another one asks again.
pub struct HttpTool {
    spec: ToolSpec,
    fetcher: Arc<dyn Fetcher>,
    method: FetchMethod,
    url: String,
    headers: Vec<(String, String)>,
    timeout: Duration,
    answer: Option<Pick>,
}

impl fmt::Debug for HttpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of headers are secrets.
        f.debug_struct("HttpTool").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl HttpTool {
    /// A `GET` of an address through `fetcher`.
    ///
    /// # Errors
    /// What the fetcher does not allow to be asked. The host of an address is written out: a `{name}`
    /// in it is refused as well.
    pub fn new(
        spec: ToolSpec,
        fetcher: Arc<dyn Fetcher>,
        url: impl Into<String>,
    ) -> Result<Self, FetchError> {
        let url = url.into();
        let path = url.split_once("://").and_then(|(_, rest)| rest.find(['/', '?']));
        let host = url.find("://").map(|at| at + 3 + path.unwrap_or(url.len()));
        let origin = url.get(..host.unwrap_or(url.len()).min(url.len())).unwrap_or_default();
        if origin.contains('{') {
            let detail = "the host of a tool's address must be written out".to_owned();
            return Err(FetchError::Refused { code: "bad_url", detail });
        }
        fetcher.check_url(origin)?;
        let (method, headers) = (FetchMethod::Get, Vec::new());
        Ok(Self { spec, fetcher, method, url, headers, timeout: TIMEOUT, answer: None })
    }

    /// Another method.
    #[must_use]
    pub fn with_method(self, method: FetchMethod) -> Self {
        Self { method, ..self }
    }

    /// A header of every request, such as `authorization`.
    ///
    /// # Errors
    /// What the fetcher does not allow to be sent.
    pub fn with_header(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, FetchError> {
        let name = name.into();
        self.fetcher.check_header(&name)?;
        self.headers.push((name, value.into()));
        Ok(self)
    }

    /// Another longest wait for an answer.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Tells only this of an answer of JSON; all of it with `None`, and of an answer that is none.
    #[must_use]
    pub fn with_answer(self, answer: Option<Pick>) -> Self {
        Self { answer, ..self }
    }

    /// What is told of an answer.
    fn told(&self, said: String) -> Value {
        match serde_json::from_str(&said) {
            Ok(value) => match &self.answer {
                Some(pick) => pick.from(&value),
                None => value,
            },
            Err(_) => Value::from(said),
        }
    }

    fn request(&self, arguments: &Value, cx: &ToolContext) -> Result<FetchRequest, ToolError> {
        let mut rest = arguments.as_object().cloned().unwrap_or_default();
        let mut url = self.url.clone();
        for (name, value) in arguments.as_object().into_iter().flatten() {
            let place = format!("{{{name}}}");
            if url.contains(&place) {
                url = url.replace(&place, &encoded(&text(value)));
                rest.remove(name);
            }
        }
        if has_dot_segment(&url) {
            let reason = "an argument that is part of the address holds dots only".to_owned();
            return Err(ToolError::Arguments(reason));
        }
        let has_body = self.method.has_body() && self.method != FetchMethod::Delete;
        if !has_body && !rest.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&query(&rest));
        }
        let mut headers = self.headers.clone();
        if has_body {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        if !self.method.is_idempotent() {
            headers.push((IDEMPOTENCY_KEY.to_owned(), cx.scope.call_id.to_string()));
        }
        let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let body = has_body.then(|| Value::Object(rest).to_string());
        Ok(FetchRequest { method: self.method, url, headers, body, timeout_ms })
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn query(members: &Map<String, Value>) -> String {
    let pair =
        |(name, value): (&String, &Value)| format!("{}={}", encoded(name), encoded(&text(value)));
    members.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Percent-encoding of all that RFC 3986 does not call unreserved: nothing that is put into an
/// address can leave its place.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// Says whether a path would step up or stay, which addresses mean by dots alone.
fn has_dot_segment(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| segment == "." || segment == "..")
}

#[async_trait]
impl Tool for HttpTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    async fn call(&self, arguments: &Value, cx: &ToolContext) -> Result<ToolOutput, ToolError> {
        let reply = self.fetcher.fetch(&self.request(arguments, cx)?).await;
        let reply = reply.map_err(|error| match error {
            FetchError::Refused { code, detail } => {
                ToolError::Refused { code: code.to_owned(), detail }
            }
            other => ToolError::Unavailable(other.to_string()),
        })?;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        match reply.status {
            200..300 => Ok(ToolOutput::foreign(self.told(said))),
            429 | 500.. => Err(ToolError::Unavailable(format!("status {}", reply.status))),
            status => Err(ToolError::Refused {
                code: format!("status_{status}"),
                detail: "the server refuses".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use justping_core::model::ContactId;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::fetch::ScriptedFetcher;
    use crate::play::quiet;

    fn tool(fetcher: &Arc<ScriptedFetcher>, url: &str) -> HttpTool {
        let spec = ToolSpec {
            name: "orders".to_owned(),
            description: "Finds orders.".to_owned(),
            parameters: json!({"type": "object"}),
        };
        HttpTool::new(spec, fetcher.clone(), url).unwrap()
    }

    async fn call(tool: &HttpTool, arguments: Value) -> Result<ToolOutput, ToolError> {
        let contact_id = ContactId::from_uuid(Uuid::nil());
        tool.call(&arguments, &ToolContext { scope: quiet().scope, contact_id }).await
    }

    #[tokio::test]
    async fn arguments_stay_in_their_place() {
        let fetcher = Arc::new(ScriptedFetcher::new());
        fetcher.then(200, r#"{"found":2}"#).then(200, "plain");
        let orders = tool(&fetcher, "https://shop.example/orders/{id}/lines");
        let arguments = json!({"id": "../a b?x", "page": 2, "q": "é&="});
        assert_eq!(call(&orders, arguments).await, Ok(ToolOutput::foreign(json!({"found": 2}))));
        let create =
            tool(&fetcher, "https://shop.example/orders?v=1").with_method(FetchMethod::Post);
        let create = create.with_header("x-team", "a").unwrap();
        assert_eq!(call(&create, json!({"n": 1})).await, Ok(ToolOutput::foreign("plain")));
        let requests = fetcher.requests();
        let url = "https://shop.example/orders/..%2Fa%20b%3Fx/lines?page=2&q=%C3%A9%26%3D";
        assert_eq!((requests[0].url.as_str(), &requests[0].body), (url, &None));
        assert_eq!(requests[1].url, "https://shop.example/orders?v=1");
        assert_eq!(requests[1].body.as_deref(), Some("{\"n\":1}"));
        let names: Vec<&str> = requests[1].headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x-team", "content-type", "idempotency-key"]);
    }

    #[tokio::test]
    async fn failures_have_meanings() {
        let fetcher = Arc::new(ScriptedFetcher::new());
        let path = tool(&fetcher, "https://shop.example/orders/{id}/lines");
        let dots = call(&path, json!({"id": ".."})).await.unwrap_err();
        assert_eq!(dots.code(), "invalid_arguments");
        fetcher.then(404, "no").then(503, "later").then_fail(FetchError::Timeout);
        let orders = tool(&fetcher, "https://shop.example/orders");
        let mut codes = Vec::new();
        for _ in 0..4 {
            codes.push(call(&orders, json!({})).await.unwrap_err().code().to_owned());
        }
        assert_eq!(codes, ["status_404", "unavailable", "unavailable", "unscripted"]);
    }

    #[test]
    fn the_host_is_written_out() {
        let fetcher = Arc::new(ScriptedFetcher::new());
        let spec = tool(&fetcher, "https://a.example/{x}").spec();
        for url in ["https://{host}/x", "{all}", "https://a.{x}"] {
            assert!(HttpTool::new(spec.clone(), fetcher.clone(), url).is_err(), "{url}");
        }
    }
}
