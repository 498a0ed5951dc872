//! What the settings of a tool say.

use std::collections::{BTreeMap, BTreeSet};

use justping_core::model::{ToolConfig, ToolSecrets};
use justping_core::port::ToolSpec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::ai::http_tool::Pick;
use crate::fetch::FetchMethod;

/// Most headers of a tool.
const HEADERS_MAX: usize = 20;
/// Most bytes of a header's value, its secrets left out.
const HEADER_MAX_BYTES: usize = 2_048;
/// Most bytes of an address.
const URL_MAX_BYTES: usize = 2_048;
/// Most bytes of a schema.
const SCHEMA_MAX_BYTES: usize = 16 * 1024;
/// Most values that are picked from an answer.
const PICKS_MAX: usize = 50;
/// The longest a tool may be waited for.
pub const TOOL_TIMEOUT_MAX_MS: u64 = 25_000;
/// What stands before the name of a secret in a header's value: `Bearer {secret:token}`.
const SECRET_START: &str = "{secret:";

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ToolSettingsError {
    /// JSON pointer into the tool, such as `/settings/url`.
    pub path: String,
    /// What is wrong, for people.
    pub message: String,
}

impl ToolSettingsError {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// What kinds of tools there are, with their settings.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolSettings {
    /// `http`: one request to a server.
    Http(HttpToolSettings),
    /// `mcp`: a server with tools of its own.
    Mcp(McpToolSettings),
}

/// One request to a server.
///
/// Arguments named in the address as `{name}` are put there; the others go into the query of `GET`,
/// `HEAD` and `DELETE`, and into a body of JSON otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpToolSettings {
    /// `GET` unless given.
    #[serde(default)]
    pub method: FetchMethod,
    /// The address, its host written out.
    pub url: String,
    /// Headers of every request; `{secret:name}` in a value is a secret of the tool.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON Schema of the arguments, an object's; no arguments unless given.
    #[serde(default = "no_arguments")]
    pub parameters: Value,
    /// What of an answer of JSON is told: a JSON pointer, or pointers by name. All of it, unless
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Pick>,
    /// The longest wait for an answer, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
}

/// A server that speaks the Model Context Protocol over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpToolSettings {
    /// Where it is.
    pub url: String,
    /// Headers of every request; `{secret:name}` in a value is a secret of the tool.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The only tools that may be used, by the server's own names; all, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<BTreeSet<String>>,
    /// The longest wait for an answer, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// The tools as the server last listed them, which nobody else writes.
    #[serde(default)]
    pub tools: Vec<ToolSpec>,
}

fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

fn timeout_ms() -> u64 {
    15_000
}

impl ToolSettings {
    /// The name of the kind of tools that are a request.
    pub const HTTP: &str = "http";
    /// The name of the kind of tools that are a server.
    pub const MCP: &str = "mcp";

    /// Reads the settings of a tool and looks them over, as far as that needs no secret.
    ///
    /// # Errors
    /// [`ToolSettingsError`] with the first that makes no sense.
    pub fn read(tool: &ToolConfig) -> Result<Self, ToolSettingsError> {
        if !ToolConfig::is_name(&tool.name) {
            let message = "a lowercase letter, then lowercase letters, digits and single `_`";
            return Err(ToolSettingsError::new("/name", message));
        }
        let settings = match tool.kind.as_str() {
            Self::HTTP => Self::Http(parse(&tool.settings)?),
            Self::MCP => Self::Mcp(parse(&tool.settings)?),
            _ => return Err(ToolSettingsError::new("/kind", "there is no such kind of tool")),
        };
        settings.check()?;
        Ok(settings)
    }

    /// Where it asks.
    pub fn url(&self) -> &str {
        match self {
            Self::Http(http) => &http.url,
            Self::Mcp(mcp) => &mcp.url,
        }
    }

    /// The scheme, host and port it asks; `None` for an address that is none.
    pub fn origin(&self) -> Option<String> {
        Some(Url::parse(self.url()).ok()?.origin().ascii_serialization())
    }

    fn headers(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Http(http) => &http.headers,
            Self::Mcp(mcp) => &mcp.headers,
        }
    }

    fn timeout_ms(&self) -> u64 {
        match self {
            Self::Http(http) => http.timeout_ms,
            Self::Mcp(mcp) => mcp.timeout_ms,
        }
    }

    fn check(&self) -> Result<(), ToolSettingsError> {
        let wrong = |path: &str, message: String| Err(ToolSettingsError::new(path, message));
        if self.url().len() > URL_MAX_BYTES {
            return wrong("/settings/url", format!("must be at most {URL_MAX_BYTES} bytes"));
        }
        if !(1..=TOOL_TIMEOUT_MAX_MS).contains(&self.timeout_ms()) {
            return wrong("/settings/timeout_ms", format!("must be 1 to {TOOL_TIMEOUT_MAX_MS}"));
        }
        let long = |value: &String| value.len() > HEADER_MAX_BYTES;
        if self.headers().len() > HEADERS_MAX || self.headers().values().any(long) {
            let most = format!("must be at most {HEADERS_MAX}, of {HEADER_MAX_BYTES} bytes each");
            return wrong("/settings/headers", most);
        }
        match self {
            Self::Http(http) => http.check(),
            Self::Mcp(_) => Ok(()),
        }
    }

    /// The headers with their secrets.
    pub(super) fn filled(
        &self,
        secrets: &ToolSecrets,
    ) -> Result<Vec<(String, String)>, ToolSettingsError> {
        let filled = self.headers().iter().map(|(name, value)| {
            let missing = |secret: &str| {
                let message = format!("there is no secret `{secret}`");
                ToolSettingsError::new(format!("/settings/headers/{name}"), message)
            };
            Ok((name.clone(), fill(value, secrets).map_err(missing)?))
        });
        filled.collect()
    }
}

impl HttpToolSettings {
    fn check(&self) -> Result<(), ToolSettingsError> {
        let wrong = |path: &str, message: &str| Err(ToolSettingsError::new(path, message));
        let schema = "/settings/parameters";
        if self.parameters.get("type") != Some(&json!("object")) {
            return wrong(schema, "the schema must be that of an object");
        }
        if self.parameters.to_string().len() > SCHEMA_MAX_BYTES {
            return wrong(schema, &format!("must be at most {SCHEMA_MAX_BYTES} bytes"));
        }
        if let Err(problem) = jsonschema::validator_for(&self.parameters) {
            return wrong(schema, &format!("is no JSON Schema: {problem}"));
        }
        match &self.answer {
            Some(pick) if !pick.is_sound(PICKS_MAX) => wrong(
                "/settings/answer",
                &format!("must be a JSON pointer, or at most {PICKS_MAX} of them by name"),
            ),
            _ => Ok(()),
        }
    }
}

fn parse<T: DeserializeOwned>(settings: &Value) -> Result<T, ToolSettingsError> {
    let read = T::deserialize(settings);
    read.map_err(|problem| ToolSettingsError::new("/settings", problem.to_string()))
}

/// Puts secrets in their places; the name of one that is not there otherwise.
fn fill<'v>(value: &'v str, secrets: &ToolSecrets) -> Result<String, &'v str> {
    let mut filled = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once(SECRET_START) {
        let (name, after) = after.split_once('}').ok_or(after)?;
        filled.push_str(before);
        filled.push_str(secrets.get(name).ok_or(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_put_in_their_places() {
        let secrets: ToolSecrets = [("a", "1"), ("b", "{secret:a}")].into_iter().collect();
        assert_eq!(fill("x {secret:a}-{secret:b}.", &secrets).as_deref(), Ok("x 1-{secret:a}."));
        assert_eq!(fill("plain", &secrets).as_deref(), Ok("plain"));
        assert_eq!(fill("{secret:c}", &secrets), Err("c"));
        assert_eq!(fill("{secret:a", &secrets), Err("a"));
    }

    proptest! {
        #[test]
        fn any_value_is_filled_or_refused(value in "(\\{secret:|[a-c}{: ]){0,12}") {
            let secrets: ToolSecrets = [("a", "1")].into_iter().collect();
            let _ = fill(&value, &secrets);
        }
    }
}
