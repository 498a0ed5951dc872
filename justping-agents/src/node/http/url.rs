//! Addresses whose host is fixed and whose values are encoded.

use justping_core::port::{NodeConfigError, NodeContext, Step};
use serde_json::{Map, Value};

use super::{Field, Fields, fields};
use crate::check::code;
use crate::node::config;
use crate::node::names::Names;
use crate::scope::Scope;
use crate::text::Template;

/// How a dot looks when it is encoded; addresses take it for a dot all the same.
const ENCODED_DOT: &str = "%2e";

/// An address with variables. Its scheme and host have none, so nobody who fills a variable chooses
/// whom the server asks; values are percent-encoded, so none leaves its place in path or query.
#[derive(Debug)]
pub(super) struct Address {
    template: Template,
    query: Fields,
    origin: String,
}

impl Address {
    pub(super) fn build(url: &str, query: &[Field]) -> Result<Self, NodeConfigError> {
        let unsafe_url =
            |reason: &str| Err(NodeConfigError::new("/url", reason).with_code(code::UNSAFE_URL));
        let url = url.trim();
        let template = config::template("/url", url)?;
        let Some(origin) = origin(url) else {
            return unsafe_url("the address must begin with http:// or https:// and a host");
        };
        if origin.contains('{') {
            return unsafe_url("the host must be written out: who fills a variable may be anybody");
        }
        Ok(Self { template, query: fields("/query", query)?, origin: format!("{origin}/") })
    }

    /// Whom it asks, whatever its variables hold.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn render(&self, cx: &NodeContext<'_>) -> Result<String, Step> {
        let scope = encoded_names(&Names::of(cx), &self.template);
        let url = self.template.render(&scope);
        let mut url = url.map_err(|reason| Step::Fail { reason: reason.to_string() })?;
        url.truncate(url.find('#').unwrap_or(url.len()));
        if has_dot_segment(&url) {
            return Err(Step::Fail {
                reason: "the path of the address holds dots only".to_owned(),
            });
        }
        for (name, value) in &self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            push_pair(&mut url, name, &config::render(cx, value)?);
        }
        Ok(url)
    }

    pub(super) fn reads(&self) -> Vec<String> {
        config::reads(self.query.iter().map(|(_, value)| value).chain([&self.template]))
    }
}

/// Scheme, host and port: what stands before the path.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let end = scheme.len() + "://".len() + host;
    url.get(..end).filter(|_| host > 0)
}

/// What the template reads, percent-encoded.
fn encoded_names(names: &Names<'_>, template: &Template) -> Map<String, Value> {
    let roots = template.variables().filter_map(|path| path.split('.').next());
    let value = |root: &str| Some((root.to_owned(), encoded(names.get(root)?)));
    roots.filter_map(value).collect()
}

fn encoded(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let mut encoded = String::with_capacity(text.len());
            push_encoded(&mut encoded, text);
            Value::String(encoded)
        }
        Value::Array(items) => items.iter().map(encoded).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), encoded(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Adds `name=value`, as queries and forms have it.
pub(super) fn push_pair(text: &mut String, name: &str, value: &str) {
    push_encoded(text, name);
    text.push('=');
    push_encoded(text, value);
}

fn push_encoded(text: &mut String, value: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |half: u8| char::from(DIGITS.get(usize::from(half)).copied().unwrap_or(b'0'));
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// A segment of one or two dots leads to another place.
fn has_dot_segment(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default().to_ascii_lowercase();
    path.replace(ENCODED_DOT, ".").split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_ends_before_the_path() {
        assert_eq!(origin("https://a.example/{{ x }}"), Some("https://a.example"));
        assert_eq!(origin("https://a.example:80?q={{ x }}"), Some("https://a.example:80"));
        assert_eq!(origin("https://a.example{{ x }}/"), Some("https://a.example{{ x }}"));
        for none in ["", "a.example/x", "https:///x", "/x"] {
            assert_eq!(origin(none), None, "{none}");
        }
    }

    #[test]
    fn values_are_encoded_to_the_last_member() {
        let value = serde_json::json!({"a": ["é/?&=#%", 1, null], "b c": "A-z_0.~"});
        let expected =
            serde_json::json!({"a": ["%C3%A9%2F%3F%26%3D%23%25", 1, null], "b c": "A-z_0.~"});
        assert_eq!(encoded(&value), expected);
    }

    #[test]
    fn dot_segments_are_seen_however_they_are_written() {
        for url in ["https://a/..", "https://a/./b", "https://a/%2E%2e/b", "https://a/.%2e?x"] {
            assert!(has_dot_segment(url), "{url}");
        }
        for url in ["https://a/...", "https://a/a.b/..c", "https://a/?q=/../"] {
            assert!(!has_dot_segment(url), "{url}");
        }
    }
}
