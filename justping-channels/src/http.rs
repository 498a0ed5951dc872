//! How the crate's requests are made.
//!
//! An answer is read up to a limit. What went wrong on the way is sorted by the only question a
//! sender has: can the request have left?

use std::time::Duration;

use justping_core::port::SendError;
use justping_http::{ConfiguredClient, ConfiguredOptions, ConfiguredRequest, HttpError};

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
pub(crate) fn client() -> Result<ConfiguredClient, String> {
    let options = ConfiguredOptions {
        connect_timeout: Some(CONNECT_TIMEOUT),
        pool_idle: Some(POOL_IDLE),
        pool_per_host: Some(POOL_PER_HOST),
        ..ConfiguredOptions::default()
    };
    ConfiguredClient::new(&options).map_err(|error| error.detail)
}

/// Sends a request, once, and reads the answer.
///
/// # Errors
/// [`SendError::Retry`] when no connection came about, so that nothing can have left;
/// [`SendError::Unknown`] when the request was under way and no answer came.
pub(crate) async fn exchange(request: ConfiguredRequest) -> Result<Answer, SendError> {
    let response = request.send().await.map_err(classify)?;
    let status = response.status();
    let retry_after = response.retry_after().map(|after| after.min(RETRY_AFTER_MAX));
    Ok(Answer { status, retry_after, body: response.read(ANSWER_MAX).await.ok() })
}

fn classify(error: HttpError) -> SendError {
    match error {
        HttpError::Connect { detail } => SendError::Retry { after: None, detail },
        HttpError::Broken { detail } => SendError::Unknown { detail },
        other => SendError::Unknown { detail: other.to_string() },
    }
}
