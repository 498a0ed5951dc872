//! The one HTTP client of the crate.
//!
//! Redirects are not followed, so that credentials never travel to a place nobody configured, and
//! an answer is read up to a limit. What went wrong on the way is sorted by the only question a
//! sender has: can the request have left?

use std::error::Error;
use std::time::Duration;

use justping_core::port::SendError;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept for the next request. Short, because a request on a
/// connection that the other side is just closing has an unknown outcome.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// Idle connections kept per host.
const POOL_PER_HOST: usize = 32;
/// The largest answer that is read, in bytes.
const ANSWER_MAX: usize = 256 * 1024;
/// The longest wait a provider may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What `Retry-After` asked for, where it was given in seconds.
    pub(crate) retry_after: Option<Duration>,
    /// The body; `None` when it broke off or was larger than the limit.
    pub(crate) body: Option<Vec<u8>>,
}

/// Builds the client; it fails when the machine has no root certificates.
pub(crate) fn client() -> Result<Client, String> {
    // The first provider installed in a process wins; whichever it is will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("justping/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_PER_HOST)
        .redirect(Policy::none())
        .build()
        .map_err(|error| root_cause(&error))
}

/// Sends a request, once, and reads the answer.
///
/// # Errors
/// [`SendError::Retry`] when no connection came about, so that nothing can have left;
/// [`SendError::Unknown`] when the request was under way and no answer came.
pub(crate) async fn exchange(request: RequestBuilder) -> Result<Answer, SendError> {
    let response = request.send().await.map_err(|error| classify(&error))?;
    let status = response.status().as_u16();
    let retry_after = retry_after(&response);
    Ok(Answer { status, retry_after, body: read(response).await })
}

fn classify(error: &reqwest::Error) -> SendError {
    let detail = root_cause(error);
    if error.is_connect() || error.is_builder() {
        return SendError::Retry { after: None, detail };
    }
    let detail = if error.is_timeout() { "no answer in time".to_owned() } else { detail };
    SendError::Unknown { detail }
}

/// The innermost error: it names the trouble and, unlike the outer ones, no address.
fn root_cause(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > ANSWER_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}
