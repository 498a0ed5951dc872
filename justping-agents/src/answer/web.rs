//! Addresses of pages.

use serde_json::Value;
use url::{Host, Url};

use super::AnswerProblem;

/// Reads an address; one without a scheme is taken for a page of the web.
pub(super) fn parse(text: &str) -> Result<Value, AnswerProblem> {
    if text.chars().any(char::is_whitespace) {
        return Err(AnswerProblem::NotAUrl);
    }
    let whole = text.contains("://");
    let url = if whole { Url::parse(text) } else { Url::parse(&format!("https://{text}")) };
    let url = url.map_err(|_| AnswerProblem::NotAUrl)?;
    let is_name = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.').contains('.'),
        _ => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none();
    if is_name && is_plain && ["http", "https"].contains(&url.scheme()) {
        Ok(Value::from(String::from(url)))
    } else {
        Err(AnswerProblem::NotAUrl)
    }
}
