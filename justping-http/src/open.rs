//! Requests to addresses that customers wrote.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, LOCATION};

use crate::address::is_public;
use crate::configured::bare;
use crate::destination::OpenUrl;
use crate::error::{HttpError, Refusal, StartError};
use crate::guard::{self, Judge};
use crate::header;
use crate::method::Method;
use crate::policy::Policy;
use crate::resolve::{GuardedResolver, SystemResolver};
use crate::response::Response;

/// Idle connections kept for each host: customers name many hosts, most of them once.
const POOL_PER_HOST: usize = 4;
/// How long an idle connection is kept.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Asks addresses that customers wrote, as far as its [`Policy`] allows. See the [crate](crate) for
/// what it guards against. Clones share their connections.
#[derive(Clone)]
pub struct OpenClient {
    policy: Arc<Policy>,
    judge: Judge,
    upstream: Arc<dyn Resolve>,
    client: Arc<OnceLock<reqwest::Client>>,
    script: Option<Arc<dyn Script>>,
}

/// Answers in place of the network, so that what is tried reaches nobody.
pub trait Script: Send + Sync + fmt::Debug + 'static {
    /// The answer to a request, which the policy allows as far as can be seen without the network.
    ///
    /// # Errors
    /// Whatever the network could meet.
    fn answer(&self, request: &OpenRequest) -> Result<Answer, HttpError>;
}

impl OpenClient {
    /// Prepares a client. It reads the machine's root certificates with the first request.
    pub fn new(policy: Policy) -> Self {
        Self::assemble(policy, Arc::new(SystemResolver), is_public)
    }

    /// Prepares a client that asks a script and never the network. The policy's rules hold, redirects
    /// are answers like any other.
    pub fn scripted(policy: Policy, script: Arc<dyn Script>) -> Self {
        Self { script: Some(script), ..Self::new(policy) }
    }

    pub(crate) fn assemble(policy: Policy, upstream: Arc<dyn Resolve>, judge: Judge) -> Self {
        Self { policy: Arc::new(policy), judge, upstream, client: Arc::default(), script: None }
    }

    fn client(&self) -> Result<&reqwest::Client, StartError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let resolver = GuardedResolver { upstream: Arc::clone(&self.upstream), judge: self.judge };
        let client = bare()
            .dns_resolver(Arc::new(resolver))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.policy.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_PER_HOST)
            .build()
            .map_err(|error| StartError::of(&error))?;
        Ok(self.client.get_or_init(|| client))
    }

    /// What it allows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Sends a request, once, follows redirects and reads the answer to its end.
    ///
    /// # Errors
    /// [`HttpError`]. With [`HttpError::Refused`] of the first address and [`HttpError::Connect`]
    /// nothing has left; behind a redirect the first server has been asked already.
    pub async fn send(&self, request: OpenRequest) -> Result<Answer, HttpError> {
        if request.body.as_ref().is_some_and(|body| body.len() > self.policy.request_max_bytes) {
            return Err(Refusal::BodySize.into());
        }
        let limit =
            request.timeout.map_or(self.policy.timeout, |time| time.min(self.policy.timeout));
        let answer = tokio::time::timeout(limit, self.follow(request)).await;
        answer.unwrap_or(Err(HttpError::Timeout))
    }

    async fn follow(&self, mut request: OpenRequest) -> Result<Answer, HttpError> {
        for _ in 0..=self.policy.redirects_max {
            guard::check(&self.policy, self.judge, &request.url)?;
            request.check_origin()?;
            if let Some(script) = &self.script {
                return script.answer(&request);
            }
            let response = self.once(&request).await?;
            match location(&response) {
                Some(location) => request = request.redirected(response.status(), location)?,
                None => return self.read(response).await,
            }
        }
        Err(HttpError::Redirects)
    }

    async fn once(&self, request: &OpenRequest) -> Result<Response, HttpError> {
        let mut builder = self
            .client()?
            .request(request.method.wire(), request.url.url().clone())
            .headers(request.headers.clone());
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        builder.send().await.map(Response).map_err(|error| HttpError::of(&error))
    }

    async fn read(&self, response: Response) -> Result<Answer, HttpError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.read(self.policy.response_max_bytes).await?;
        Ok(Answer { status, headers, body })
    }
}

impl fmt::Debug for OpenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenClient").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// A request before it is sent. `Debug` shows no path, no value of a header and no body.
#[derive(Clone)]
#[must_use = "a request that is not sent does nothing"]
pub struct OpenRequest {
    method: Method,
    url: OpenUrl,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    origins: Option<Arc<BTreeSet<String>>>,
}

impl OpenRequest {
    /// Begins a request.
    pub fn new(method: Method, url: OpenUrl) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None, timeout: None, origins: None }
    }

    /// Its method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Its address.
    pub fn url(&self) -> &OpenUrl {
        &self.url
    }

    /// Its headers, values of secrets too.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its body.
    pub fn content(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The bound of its time, where it has one of its own.
    pub fn patience(&self) -> Option<Duration> {
        self.timeout
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`Refusal::Header`], [`Refusal::HeaderName`], [`Refusal::HeaderSize`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Refusal> {
        header::append(&mut self.headers, name, value)?;
        Ok(self)
    }

    /// Sends a body; the client's policy bounds it.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// Bounds the time from the start to the end of the answer, within the policy's bound.
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: Some(time), ..self }
    }

    /// Asks these origins only, each as [`OpenUrl::origin`] writes it, wherever redirects lead. What
    /// is elsewhere is refused as [`Refusal::Host`].
    pub fn within(self, origins: Arc<BTreeSet<String>>) -> Self {
        Self { origins: Some(origins), ..self }
    }

    fn check_origin(&self) -> Result<(), Refusal> {
        let is_within = |origins: &Arc<BTreeSet<String>>| origins.contains(&self.url.origin());
        if self.origins.as_ref().is_none_or(is_within) { Ok(()) } else { Err(Refusal::Host) }
    }

    /// The request that a redirect asks for, as RFC 9110, section 15.4, and browsers have it.
    fn redirected(mut self, status: u16, location: &str) -> Result<Self, Refusal> {
        let url = self.url.join(location)?;
        if becomes_get(status, self.method) {
            self.method = Method::Get;
            self.body = None;
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                self.headers.remove(name);
            }
        }
        if !url.has_origin_of(&self.url) {
            header::drop_credentials(&mut self.headers);
        }
        Ok(Self { url, ..self })
    }
}

impl fmt::Debug for OpenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// An answer, read to its end. `Debug` shows neither headers nor body.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Where a redirect leads. One that does not say is an answer like any other.
fn location(response: &Response) -> Option<&str> {
    let is_redirect = matches!(response.status(), 301 | 302 | 303 | 307 | 308);
    response.headers().get(LOCATION).filter(|_| is_redirect)?.to_str().ok()
}

fn becomes_get(status: u16, method: Method) -> bool {
    match StatusCode::from_u16(status) {
        Ok(StatusCode::SEE_OTHER) => method != Method::Head,
        Ok(StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) => method == Method::Post,
        _ => false,
    }
}
