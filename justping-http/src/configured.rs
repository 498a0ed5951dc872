//! Requests to servers that the operator configured.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect;

use crate::destination::ConfiguredUrl;
use crate::error::{HttpError, StartError};
use crate::method::Method;
use crate::response::Response;

/// Says who asks.
pub(crate) const USER_AGENT: &str = concat!("justping/", env!("CARGO_PKG_VERSION"));

/// How patient a client is, and how many connections it keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfiguredOptions {
    /// Longest time for a connection to open.
    pub connect_timeout: Option<Duration>,
    /// Longest silence within an answer.
    pub idle_timeout: Option<Duration>,
    /// Longest time from the start to the end of an answer, unless the request says otherwise.
    pub timeout: Option<Duration>,
    /// How long an idle connection is kept.
    pub pool_idle: Option<Duration>,
    /// Idle connections kept for each host.
    pub pool_per_host: Option<usize>,
}

/// Asks servers that the operator configured. Follows no redirect, so that credentials never travel
/// to a place nobody configured. Clones share their connections.
#[derive(Debug, Clone)]
pub struct ConfiguredClient(reqwest::Client);

impl ConfiguredClient {
    /// Starts a client. Connects to nothing.
    ///
    /// # Errors
    /// [`StartError`] when the machine has no root certificates.
    pub fn new(options: &ConfiguredOptions) -> Result<Self, StartError> {
        let mut builder = bare().redirect(redirect::Policy::none());
        if let Some(time) = options.connect_timeout {
            builder = builder.connect_timeout(time);
        }
        if let Some(time) = options.idle_timeout {
            builder = builder.read_timeout(time);
        }
        if let Some(time) = options.timeout {
            builder = builder.timeout(time);
        }
        if let Some(time) = options.pool_idle {
            builder = builder.pool_idle_timeout(time);
        }
        if let Some(most) = options.pool_per_host {
            builder = builder.pool_max_idle_per_host(most);
        }
        builder.build().map(Self).map_err(|error| StartError::of(&error))
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: &ConfiguredUrl) -> ConfiguredRequest {
        ConfiguredRequest(self.0.request(method.wire(), url.url().clone()))
    }
}

/// A request before it is sent.
#[derive(Debug)]
#[must_use = "a request that is not sent does nothing"]
pub struct ConfiguredRequest(reqwest::RequestBuilder);

impl ConfiguredRequest {
    /// Adds a header.
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self(self.0.header(name, value))
    }

    /// Sends a body of written JSON.
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self(self.0.header(CONTENT_TYPE, json).body(body.into()))
    }

    /// Sends these bytes as the body.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self(self.0.body(body.into()))
    }

    /// Bounds the time from the start to the end of the answer.
    pub fn timeout(self, time: Duration) -> Self {
        Self(self.0.timeout(time))
    }

    /// Sends it, once, and waits for the answer's head.
    ///
    /// # Errors
    /// [`HttpError::Connect`] when nothing can have left, [`HttpError::Timeout`] and
    /// [`HttpError::Broken`] when it may have.
    pub async fn send(self) -> Result<Response, HttpError> {
        self.0.send().await.map(Response).map_err(|error| HttpError::of(&error))
    }
}

/// What every client begins with.
pub(crate) fn bare() -> reqwest::ClientBuilder {
    // The first provider installed in a process wins; whichever it is will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().user_agent(USER_AGENT)
}
