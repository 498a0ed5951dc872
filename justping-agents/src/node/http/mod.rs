//! Asks another server.
//!
//! `url` addresses whose host is fixed · `body` what is sent · `perform` asking, outside the step.

mod body;
mod perform;
mod url;

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::CallResult;
use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, PerformContext, Step,
    StepEvent,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::body::{Body, BodyConfig};
use self::perform::Answer;
use self::url::Address;
use super::prompt::exit;
use super::{config, schema};
use crate::check::code;
use crate::fetch::{FetchMethod, FetchRequest, Fetcher};
use crate::text::Template;

/// Most seconds to wait for an answer, repetitions included.
const TIMEOUT_SECONDS_MAX: u64 = 30;
/// Seconds to wait unless the node says otherwise.
const TIMEOUT_SECONDS_DEFAULT: u64 = 10;
/// Most headers, members of the query, fields of a form, and parts of an answer that are saved.
const FIELDS_MAX: usize = 20;
/// The lowest status that is an error, unless the node says otherwise.
const ERROR_FROM_DEFAULT: u16 = 400;
/// Most bytes of a body.
const BODY_MAX_BYTES: usize = 256 * 1024;
/// Tells a server that repeats of a request are the same request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const CONTENT_TYPE: &str = "content-type";

/// Asks another server and saves parts of its answer.
///
/// A worker that dies while it asks leaves the request to another one. So that a server can tell,
/// every `POST` and `PATCH` carries an `Idempotency-Key` that stays the same.
#[derive(Debug)]
pub struct Http {
    fetcher: Option<Arc<dyn Fetcher>>,
}

impl Http {
    /// Asks through `fetcher`.
    pub fn new(fetcher: Arc<dyn Fetcher>) -> Self {
        Self { fetcher: Some(fetcher) }
    }

    /// Describes itself and is reported wherever it is used.
    pub(super) fn without_fetcher() -> Self {
        Self { fetcher: None }
    }
}

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    method: FetchMethod,
    url: String,
    #[serde(default)]
    query: Vec<Field>,
    #[serde(default)]
    headers: Vec<Field>,
    #[serde(default)]
    body: Option<BodyConfig>,
    #[serde(default)]
    timeout_seconds: Option<u64>,
    #[serde(default)]
    error_from: Option<u16>,
    #[serde(flatten)]
    wanted: Wanted,
}

/// A name and the template of its value.
#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    value: String,
}

/// What of an answer is saved.
#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    status_variable: Option<String>,
    #[serde(default)]
    save: Vec<Save>,
    #[serde(default)]
    save_headers: Vec<SaveHeader>,
}

#[derive(Debug, Deserialize)]
struct Save {
    variable: String,
    /// JSON pointer into the body.
    pointer: String,
}

#[derive(Debug, Deserialize)]
struct SaveHeader {
    variable: String,
    header: String,
}

impl FlowNode for Http {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "http".to_owned(),
            title: "HTTP request".to_owned(),
            summary: "Asks another server and saves parts of its answer; messages meanwhile go \
                unheard."
                .to_owned(),
            schema: schema::object(members(), &["url"]),
            exits: vec![
                schema::exit("success", "The server answers"),
                schema::exit("error", "The server answers with an error, or cannot be asked"),
                schema::exit("timeout", "No answer in time"),
            ],
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let Some(fetcher) = self.fetcher.clone() else {
            let error = NodeConfigError::new("", "no HTTP client is configured");
            return Err(error.with_code(code::MISSING_PROVIDER));
        };
        if config.body.is_some() && !config.method.has_body() {
            return Err(NodeConfigError::new("/body", "a request of this method has no body"));
        }
        let timeout = config.timeout_seconds.unwrap_or(TIMEOUT_SECONDS_DEFAULT);
        Ok(Box::new(Request {
            method: config.method,
            address: Address::build(&config.url, &config.query)?,
            headers: fields("/headers", &config.headers)?,
            body: config.body.map(Body::build).transpose()?,
            timeout_ms: timeout.min(TIMEOUT_SECONDS_MAX).saturating_mul(1000),
            error_from: config.error_from.unwrap_or(ERROR_FROM_DEFAULT),
            wanted: config.wanted,
            has_timeout: false,
            fetcher,
        }))
    }
}

fn members() -> Value {
    let list = |title: &str, items: Value| json!({"type": "array", "title": title, "maxItems": FIELDS_MAX, "items": items});
    let pointer = json!({
        "type": "string", "title": "JSON pointer", "pattern": "^(/.*)?$", "maxLength": 500
    });
    let save = json!({"variable": schema::variable("Variable"), "pointer": pointer});
    let header = json!({"type": "string", "title": "Header", "minLength": 1, "maxLength": 100});
    let save_header = json!({"variable": schema::variable("Variable"), "header": header});
    json!({
        "method": {"title": "Method", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
        "url": schema::template_required("Address; its host is written out, values are encoded"),
        "query": list("Query", field()),
        "headers": list("Headers", field()),
        "body": body::schema(),
        "timeout_seconds": {
            "type": "integer", "title": "Seconds to wait for an answer",
            "minimum": 1, "maximum": TIMEOUT_SECONDS_MAX
        },
        "error_from": {
            "type": "integer", "title": "Lowest status that is an error (600: none is)",
            "minimum": 300, "maximum": 600
        },
        "status_variable": schema::variable("Save the status in"),
        "save": list("Save from the body", schema::object(save, &["variable", "pointer"])),
        "save_headers":
            list("Save from the headers", schema::object(save_header, &["variable", "header"]))
    })
}

/// The schema of a [`Field`].
fn field() -> Value {
    let name = json!({"type": "string", "title": "Name", "minLength": 1, "maxLength": 200});
    let members = json!({"name": name, "value": schema::template("Value")});
    schema::object(members, &["name", "value"])
}

/// Names with compiled values.
type Fields = Vec<(String, Template)>;

fn fields(path: &str, fields: &[Field]) -> Result<Fields, NodeConfigError> {
    let field = |(at, field): (usize, &Field)| {
        let value = config::template(&format!("{path}/{at}/value"), &field.value)?;
        Ok((field.name.clone(), value))
    };
    fields.iter().enumerate().map(field).collect()
}

#[derive(Debug)]
struct Request {
    fetcher: Arc<dyn Fetcher>,
    method: FetchMethod,
    address: Address,
    headers: Fields,
    body: Option<Body>,
    timeout_ms: u64,
    error_from: u16,
    wanted: Wanted,
    has_timeout: bool,
}

impl Request {
    fn ask(&self, cx: &mut NodeContext<'_>) -> Result<Step, Step> {
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        for (name, value) in &self.headers {
            headers.push((name.to_ascii_lowercase(), config::render(cx, value)?));
        }
        let mut add = |name: &str, value: String| {
            if !headers.iter().any(|(other, _)| other == name) {
                headers.push((name.to_owned(), value));
            }
        };
        let mut body = None;
        if let Some(template) = &self.body {
            let text = template.render(cx)?;
            if text.len() > BODY_MAX_BYTES {
                return Err(Step::Fail {
                    reason: "the body of the request is too long".to_owned(),
                });
            }
            add(CONTENT_TYPE, template.content_type().to_owned());
            body = Some(text);
        }
        if !self.method.is_idempotent() {
            add(IDEMPOTENCY_KEY, idempotency_key(cx));
        }
        let url = self.address.render(cx)?;
        let (method, timeout_ms) = (self.method, self.timeout_ms);
        let request = FetchRequest { method, url, headers, body, timeout_ms };
        // Texts and numbers always become JSON.
        Ok(Step::Call { input: serde_json::to_value(&request).unwrap_or_default() })
    }

    fn answered(&self, cx: &mut NodeContext<'_>, answer: Answer) -> Step {
        for (variable, value) in answer.values {
            cx.set(&variable, value);
        }
        if answer.status >= self.error_from {
            return Step::Fail { reason: format!("the server answered {}", answer.status) };
        }
        exit("success")
    }

    /// No answer: what would be saved is empty, so that nothing of an earlier answer is taken for it.
    fn unanswered(&self, cx: &mut NodeContext<'_>, code: &str) -> Step {
        for variable in self.wanted.variables() {
            cx.set(variable, Value::Null);
        }
        if code == "timeout" && self.has_timeout {
            return exit("timeout");
        }
        Step::Fail { reason: format!("the server did not answer: {code}") }
    }
}

impl Wanted {
    fn variables(&self) -> impl Iterator<Item = &String> {
        let saved = self.save.iter().map(|save| &save.variable);
        let headers = self.save_headers.iter().map(|save| &save.variable);
        self.status_variable.iter().chain(saved).chain(headers)
    }
}

#[async_trait]
impl BuiltNode for Request {
    fn connect(&mut self, exits: &[String]) {
        self.has_timeout = exits.iter().any(|exit| exit == "timeout");
    }

    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.ask(cx))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        match event {
            StepEvent::Message { .. } | StepEvent::Timer { .. } | StepEvent::Outside { .. } => {
                Step::Wait { until: None }
            }
            StepEvent::CallDone { result: CallResult::Ok(value), .. } => {
                match Answer::deserialize(value) {
                    Ok(answer) => self.answered(cx, answer),
                    Err(_) => self.unanswered(cx, "malformed"),
                }
            }
            StepEvent::CallDone { result: CallResult::Error { code, .. }, .. } => {
                self.unanswered(cx, code)
            }
        }
    }

    async fn perform(&self, input: &Value, _: &PerformContext<'_>) -> CallResult {
        match FetchRequest::deserialize(input) {
            Ok(request) => perform::ask(&*self.fetcher, &request, &self.wanted).await,
            Err(_) => perform::refused("unsupported", "the call's input cannot be read"),
        }
    }

    fn exits(&self) -> Vec<String> {
        ["success", "error", "timeout"].map(str::to_owned).to_vec()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn objections(&self) -> Vec<NodeConfigError> {
        let url = self.fetcher.check_url(self.address.origin()).err();
        let url = url.map(|error| {
            NodeConfigError::new("/url", error.to_string()).with_code(code::UNSAFE_URL)
        });
        let headers = self.headers.iter().enumerate().filter_map(|(at, (name, _))| {
            let error = self.fetcher.check_header(name).err()?;
            Some(NodeConfigError::new(format!("/headers/{at}/name"), error.to_string()))
        });
        url.into_iter().chain(headers).collect()
    }

    fn reads(&self) -> Vec<String> {
        let mut reads = config::reads(self.headers.iter().map(|(_, value)| value));
        reads.extend(self.address.reads());
        reads.extend(self.body.iter().flat_map(Body::reads));
        reads
    }

    fn writes(&self) -> Vec<String> {
        self.wanted.variables().cloned().collect()
    }
}

/// The same whenever this very request is sent, and told apart from all others.
fn idempotency_key(cx: &NodeContext<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(cx.contact.id.uuid().as_bytes());
    hash.update(cx.seed.to_be_bytes());
    hash.update(cx.node.as_bytes());
    hash.finalize().iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
