//! Requests over HTTP: a body of JSON out, a stream of events or one piece of JSON back.

use std::time::Duration;

use justping_core::port::{AiError, ChatReply, OnDelta};
use justping_http::headers::CONTENT_TYPE;
use justping_http::{
    ConfiguredClient, ConfiguredOptions, ConfiguredUrl, HeaderMap, HeaderName, HeaderValue,
    HttpError, Method, Response,
};
use serde::Serialize;

use super::sse::EventReader;

/// Most bytes of a whole answer, streamed or not.
pub(super) const CHAT_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes of an answer that reports an error.
const ERROR_MAX_BYTES: usize = 64 * 1024;
/// Most bytes of text and arguments of one answer.
pub(super) const ANSWER_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Most calls of one answer.
pub(super) const CALLS_MAX: usize = 128;
/// The longest wait a provider may wish for.
const AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// Most bytes of a provider's reason that are kept.
const REASON_MAX_BYTES: usize = 300;

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// For a connection to open.
    pub(super) connect: Duration,
    /// While it is silent.
    pub(super) idle: Duration,
    /// For a whole answer.
    pub(super) total: Duration,
}

/// What a status other than success means: the status, the wait the server wishes for, the body.
pub(super) type OfStatus = fn(u16, Option<Duration>, &[u8]) -> AiError;

/// Sends requests with the same headers.
#[derive(Debug)]
pub(super) struct Link {
    http: ConfiguredClient,
    headers: Vec<(HeaderName, HeaderValue)>,
    of_status: OfStatus,
}

impl Link {
    /// The error says why the client does not start.
    pub(super) fn new(
        patience: Patience,
        headers: Vec<(HeaderName, HeaderValue)>,
        of_status: OfStatus,
    ) -> Result<Self, String> {
        let options = ConfiguredOptions {
            connect_timeout: Some(patience.connect),
            idle_timeout: Some(patience.idle),
            timeout: Some(patience.total),
            ..ConfiguredOptions::default()
        };
        let http = ConfiguredClient::new(&options).map_err(|error| error.detail)?;
        Ok(Self { http, headers, of_status })
    }

    /// Sends a body; gives an answer whose status is success.
    pub(super) async fn post(
        &self,
        url: &ConfiguredUrl,
        body: &(impl Serialize + Sync),
    ) -> Result<Response, AiError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| AiError::Malformed(format!("the request is not JSON: {error}")))?;
        let mut request = self.http.request(Method::Post, url).json(body);
        for (name, value) in &self.headers {
            request = request.header(name.clone(), value.clone());
        }
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let after = wished(response.headers());
        let body = response.read(ERROR_MAX_BYTES).await.unwrap_or_default();
        Err((self.of_status)(status, after, &body))
    }
}

/// A path below a base address, which has no query.
pub(super) fn endpoint(base: &str, path: &str) -> Option<ConfiguredUrl> {
    ConfiguredUrl::parse(&format!("{}/{path}", base.trim().trim_end_matches('/')))
        .ok()
        .filter(|url| url.url().query().is_none())
}

/// An answer as far as it has arrived.
pub(super) trait Fold: Default + Send {
    /// Takes the data of one event.
    fn event(&mut self, data: &str, on_delta: &mut dyn FnMut(&str)) -> Result<(), AiError>;

    /// Says whether the last event has come.
    fn is_done(&self) -> bool;

    /// The stream is over.
    fn finish(self) -> Result<ChatReply, AiError>;

    /// Reads an answer that came in one piece.
    fn whole(body: &[u8], on_delta: &mut dyn FnMut(&str)) -> Result<ChatReply, AiError>;
}

/// Folds an answer while it arrives. A server may ignore the wish for a stream.
pub(super) async fn answer<F: Fold>(
    response: Response,
    on_delta: &mut OnDelta<'_>,
) -> Result<ChatReply, AiError> {
    if is_json(&response) {
        let body = read(response, CHAT_MAX_BYTES).await?;
        return F::whole(&body, &mut |text| on_delta(text));
    }
    stream::<F>(response, on_delta).await
}

async fn stream<F: Fold>(
    mut response: Response,
    on_delta: &mut OnDelta<'_>,
) -> Result<ChatReply, AiError> {
    let mut reader = EventReader::default();
    let mut fold = F::default();
    let mut left = CHAT_MAX_BYTES;
    // A server may keep the connection open behind the last event.
    while !fold.is_done() {
        let Some(piece) = response.chunk().await.map_err(|_| cut())? else { break };
        left = left.checked_sub(piece.len()).ok_or_else(too_long)?;
        reader.push(&piece, &mut |data| fold.event(data, &mut |text| on_delta(text)))?;
    }
    reader.finish(&mut |data| fold.event(data, &mut |text| on_delta(text)))?;
    fold.finish()
}

/// Reads the body of an answer.
pub(super) async fn read(response: Response, max: usize) -> Result<Vec<u8>, AiError> {
    response.read(max).await.map_err(|error| match error {
        HttpError::TooLarge => too_long(),
        _ => cut(),
    })
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"))
}

/// The wait that the provider wishes for: in milliseconds by its own header, else in seconds.
fn wished(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"));
    Duration::try_from_secs_f64(seconds?).ok().map(|after| after.min(AFTER_MAX))
}

fn unavailable(error: HttpError) -> AiError {
    let detail = match error {
        HttpError::Connect { detail } | HttpError::Broken { detail } => detail,
        other => other.to_string(),
    };
    AiError::Unavailable { after: None, detail }
}

/// The stream was cut: neither a reason to stop nor its last event came.
pub(super) fn cut() -> AiError {
    AiError::Malformed("the answer ended in its middle".to_owned())
}

pub(super) fn too_long() -> AiError {
    AiError::Malformed("the answer is too long".to_owned())
}

/// A provider's reason, shortened.
pub(super) fn reason(message: &str) -> String {
    let end = message.floor_char_boundary(REASON_MAX_BYTES);
    message.get(..end).unwrap_or_default().to_owned()
}
