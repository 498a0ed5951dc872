//! Requests to the hosts of the manifest.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::bindings::capabilities::justping::plugin::http as wit;

pub use wit::{Error, Method};

/// A request.
///
/// ```no_run
/// # use justping_plugin::{Failure, http};
/// # fn ask() -> Result<(), Failure> {
/// let reply = http::Request::get("https://api.example.com/orders/17")
///     .secret("authorization", "Bearer ", "shop_token")
///     .timeout_ms(2_000)
///     .send()?;
/// if reply.is_success() {
///     let order: serde_json::Value = reply.json()?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Request(wit::Request);

impl Request {
    /// A request to an absolute URL, whose scheme, host and port are granted.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let url = url.into();
        Self(wit::Request { method, url, headers: Vec::new(), body: None, timeout_ms: None })
    }

    /// Reads.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url)
    }

    /// Creates, or anything else.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::Post, url)
    }

    /// Adds a header.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(name.into(), wit::HeaderValue::Text(value.into()))
    }

    /// Adds a header with a secret, which the platform puts in behind the prefix.
    pub fn secret(
        self,
        header: impl Into<String>,
        prefix: impl Into<String>,
        secret: impl Into<String>,
    ) -> Self {
        let value = wit::SecretValue { name: secret.into(), prefix: prefix.into() };
        self.with(header.into(), wit::HeaderValue::Secret(value))
    }

    /// Gives it a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// Gives it a body of JSON.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be written as JSON.
    pub fn json(self, body: &impl Serialize) -> Result<Self, Failure> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(body)?))
    }

    /// How long the platform waits, within the limit of the call.
    pub fn timeout_ms(mut self, timeout: u32) -> Self {
        self.0.timeout_ms = Some(timeout);
        self
    }

    fn with(mut self, name: String, value: wit::HeaderValue) -> Self {
        self.0.headers.push(wit::Header { name, value });
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// [`Error`] when there is no answer. An answer of any status is none.
    pub fn send(self) -> Result<Response, Error> {
        let wit::Response { status, headers, body } = wit::send(&self.0)?;
        Ok(Response { status, headers, body })
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers; names are lowercase.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header, by its lowercase name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Failure`] `invalid_json` when it is not, or something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(why) => Self::new("denied", why),
            Error::Invalid(why) => Self::new("invalid_request", why),
            Error::Timeout => {
                Self::new("timeout", "no answer in time").retry_after_ms(super::kv::RETRY_MS)
            }
            Error::TooLarge => Self::new("too_large", "the answer is too large"),
            Error::Failed(why) => Self::new("failed", why).retry_after_ms(super::kv::RETRY_MS),
        }
    }
}
