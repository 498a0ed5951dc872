//! Requests to granted hosts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use justping_core::model::Capability;
use justping_http::{Answer, HeaderMap, HttpError, Method, OpenRequest, OpenUrl, Refusal};

use super::CallState;
use super::secret::Secret;
use crate::contract::bindings::justping::plugin::http::{
    self as wire, Error, HeaderValue, Host, Request, Response,
};
use crate::contract::bindings::justping::plugin::secrets;

/// Most headers of an answer that a guest is told.
const ANSWER_HEADERS_MAX: usize = 64;
/// Most bytes of their names and values together.
const ANSWER_HEADERS_MAX_BYTES: usize = 16 * 1024;
/// How long before the call's own end a request ends, so that the guest can still answer.
const MARGIN: Duration = Duration::from_millis(50);
/// What stands in an answer where a secret stood.
const REDACTED: &[u8] = b"[secret]";
/// Shorter secrets are not looked for in answers: they would be found everywhere.
const REDACTED_MIN_BYTES: usize = 6;

impl Host for CallState {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Error>> {
        if !self.access(Capability::Http)? {
            return Ok(Err(Error::Denied("http is not granted".to_owned())));
        }
        let mut used = Vec::new();
        let request = match self.request(request, &mut used).await? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let client = self.ports.http.clone();
        let answer = self.outside(async move { client.send(request).await }).await;
        Ok(match answer {
            Some(Ok(answer)) => Ok(told(answer, &used)),
            Some(Err(error)) => Err(self.failed(&error)),
            None => Err(Error::Failed("the platform is closing".to_owned())),
        })
    }
}

impl CallState {
    /// Makes a request of what the guest asked for; the secrets in it are noted in `used`.
    async fn request(
        &mut self,
        asked: Request,
        used: &mut Vec<Secret>,
    ) -> wasmtime::Result<Result<OpenRequest, Error>> {
        let url = match OpenUrl::parse(&asked.url) {
            Ok(url) => url,
            Err(refusal) => return Ok(Err(invalid(refusal))),
        };
        let origins = Arc::new(granted(&self.caller.grants.hosts));
        if !origins.contains(&url.origin()) {
            return Ok(Err(self.refuse_host(&url.origin())));
        }
        let mut request = OpenRequest::new(method(asked.method), url)
            .within(origins)
            .timeout(self.time_for_request(asked.timeout_ms));
        for header in asked.headers {
            let value = match header.value {
                HeaderValue::Text(text) => text,
                HeaderValue::Secret(secret) => {
                    if !self.access(Capability::Secrets)? {
                        return Ok(Err(Error::Denied("secrets is not granted".to_owned())));
                    }
                    match self.find_secret(&secret.name).await {
                        Ok(found) => {
                            let value = format!("{}{}", secret.prefix, found.expose());
                            used.push(found);
                            value
                        }
                        Err(error) => return Ok(Err(no_secret(error))),
                    }
                }
            };
            request = match request.header(&header.name, &value) {
                Ok(request) => request,
                Err(refusal) => return Ok(Err(invalid(refusal))),
            };
        }
        Ok(Ok(match asked.body {
            Some(body) => request.body(body),
            None => request,
        }))
    }

    fn time_for_request(&self, asked_ms: Option<u32>) -> Duration {
        let left = self.caller.limits.wall.saturating_sub(self.started.elapsed());
        let left = left.saturating_sub(MARGIN);
        asked_ms.map_or(left, |ms| Duration::from_millis(u64::from(ms)).min(left))
    }

    fn refuse_host(&mut self, origin: &str) -> Error {
        // Once a call: a guest that tries many does not fill the log.
        if !self.is_host_denied {
            self.is_host_denied = true;
            self.deny(&format!("http to {origin} is not granted"));
        }
        Error::Denied(format!("{origin} is not granted"))
    }

    fn failed(&mut self, error: &HttpError) -> Error {
        match error {
            HttpError::Refused(Refusal::Host) => self.refuse_host("where it was redirected"),
            HttpError::Refused(
                refusal @ (Refusal::Address | Refusal::LocalName | Refusal::Port),
            ) => {
                if !self.is_host_denied {
                    self.is_host_denied = true;
                    self.deny(&format!("http: {refusal}"));
                }
                Error::Denied(refusal.to_string())
            }
            HttpError::Refused(refusal) => invalid(*refusal),
            HttpError::Timeout => Error::Timeout,
            HttpError::TooLarge => Error::TooLarge,
            HttpError::Start(_)
            | HttpError::Connect { .. }
            | HttpError::Broken { .. }
            | HttpError::Redirects => Error::Failed(error.to_string()),
        }
    }
}

/// The granted origins, as addresses are compared with them.
fn granted(hosts: &BTreeSet<String>) -> BTreeSet<String> {
    hosts.iter().filter_map(|host| OpenUrl::parse(host).ok()).map(|url| url.origin()).collect()
}

fn method(method: wire::Method) -> Method {
    match method {
        wire::Method::Get => Method::Get,
        wire::Method::Head => Method::Head,
        wire::Method::Post => Method::Post,
        wire::Method::Put => Method::Put,
        wire::Method::Patch => Method::Patch,
        wire::Method::Delete => Method::Delete,
    }
}

fn invalid(refusal: Refusal) -> Error {
    Error::Invalid(refusal.to_string())
}

fn no_secret(error: secrets::Error) -> Error {
    Error::Denied(match error {
        secrets::Error::Denied => "secrets is not granted".to_owned(),
        secrets::Error::Missing(why) => why,
    })
}

/// An answer as guests are told it: without the secrets of its request, should a server repeat them.
fn told(answer: Answer, used: &[Secret]) -> Response {
    let secrets: Vec<&[u8]> = used
        .iter()
        .map(|secret| secret.expose().as_bytes())
        .filter(|secret| secret.len() >= REDACTED_MIN_BYTES)
        .collect();
    let mut response =
        Response { status: answer.status, headers: headers(&answer.headers), body: answer.body };
    for secret in secrets {
        response.body = redacted(response.body, secret);
        for (_, value) in &mut response.headers {
            let bytes = redacted(std::mem::take(value).into_bytes(), secret);
            *value = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    response
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut left = ANSWER_HEADERS_MAX_BYTES;
    let mut told = Vec::new();
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        let Some(rest) = left.checked_sub(name.as_str().len() + value.len()) else { break };
        if told.len() == ANSWER_HEADERS_MAX {
            break;
        }
        left = rest;
        told.push((name.as_str().to_owned(), value.to_owned()));
    }
    told
}

fn redacted(text: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    if !text.windows(secret.len()).any(|part| part == secret) {
        return text;
    }
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(secret) {
            clean.extend_from_slice(REDACTED);
            rest = after;
        } else {
            clean.push(*first);
            rest = behind;
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_matches_as_an_origin() {
        let hosts = ["https://API.example.com", "https://a.example:8443/x", "nonsense"];
        let origins = granted(&hosts.map(str::to_owned).into());
        assert_eq!(
            origins.into_iter().collect::<Vec<_>>(),
            ["https://a.example:8443", "https://api.example.com"]
        );
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands() {
        let clean = redacted(b"a s3cret s3crets3cre".to_vec(), b"s3cret");
        assert_eq!(clean, b"a [secret] [secret]s3cre");
    }
}
