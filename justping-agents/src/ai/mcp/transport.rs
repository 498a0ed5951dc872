//! Messages over the guarded HTTP client.
//!
//! Source: Model Context Protocol, "Transports", "Streamable HTTP". Answers are read to their end,
//! bounded in time and size; a stream that the server opens by itself is not asked for, as nothing
//! here waits for what it could say.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use justping_http::{
    Answer, HeaderName, HeaderValue, HttpError, Method, OpenClient, OpenRequest, OpenUrl,
};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Error as SseError, Sse};

use crate::provider::sse::EventReader;

const SESSION_HEADER: &str = "mcp-session-id";

type Failure = StreamableHttpError<HttpError>;
type Events = Pin<Box<dyn Stream<Item = Result<Sse, SseError>> + Send>>;

/// Sends messages through the guarded client. It is not shown: headers hold secrets.
#[derive(Clone)]
pub(super) struct GuardedTransport {
    client: OpenClient,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

impl GuardedTransport {
    pub(super) fn new(
        client: OpenClient,
        headers: Vec<(String, String)>,
        timeout: Duration,
    ) -> Self {
        Self { client, headers, timeout }
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        session: Option<&str>,
        more: &HashMap<HeaderName, HeaderValue>,
        body: Option<String>,
    ) -> Result<Answer, Failure> {
        let refused = |refusal| Failure::Client(HttpError::Refused(refusal));
        let url = OpenUrl::parse(uri).map_err(refused)?;
        let mut request = OpenRequest::new(method, url).timeout(self.timeout);
        let mut headers = vec![
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
        ];
        headers.extend(session.map(|session| (SESSION_HEADER, session)));
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let more =
            more.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        for (name, value) in headers.into_iter().chain(own).chain(more) {
            request = request.header(name, value).map_err(refused)?;
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        self.client.send(request).await.map_err(Failure::Client)
    }
}

/// The message that answers: the whole body, or one of its events.
fn message(answer: &Answer) -> Result<Option<ServerJsonRpcMessage>, Failure> {
    let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream")) {
        if answer.body.is_empty() {
            return Ok(None);
        }
        return Ok(Some(serde_json::from_slice(&answer.body)?));
    }
    let mut found = None;
    let mut reader = EventReader::default();
    let mut take = |data: &str| {
        // Notices of the server come on the same stream; they answer nothing.
        let message = serde_json::from_str::<ServerJsonRpcMessage>(data).ok();
        let answers = |message: &ServerJsonRpcMessage| {
            matches!(message, ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))
        };
        if found.is_none() {
            found = message.filter(answers);
        }
        Ok(())
    };
    let read = reader.push(&answer.body, &mut take).and_then(|()| reader.finish(&mut take));
    match read {
        Ok(()) => Ok(found),
        Err(_) => Err(Failure::UnexpectedServerResponse("an event is too long".into())),
    }
}

impl StreamableHttpClient for GuardedTransport {
    type Error = HttpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let awaited = matches!(message, ClientJsonRpcMessage::Request(_));
        let body = serde_json::to_string(&message)?;
        let session = session_id.as_deref();
        let answer = self.send(Method::Post, &uri, session, &custom_headers, Some(body)).await?;
        match answer.status {
            202 | 204 => return Ok(StreamableHttpPostResponse::Accepted),
            404 if session.is_some() => return Err(Failure::SessionExpired),
            status if !(200..300).contains(&status) => {
                let reason = format!("status {status}");
                return Err(Failure::UnexpectedServerResponse(reason.into()));
            }
            _ => {}
        }
        let session = answer.headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok());
        let session = session.map(str::to_owned);
        match self::message(&answer)? {
            Some(message) => Ok(StreamableHttpPostResponse::Json(message, session)),
            None if awaited => Err(Failure::UnexpectedEndOfStream),
            None => Ok(StreamableHttpPostResponse::Accepted),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let session = Some(&*session_id);
        self.send(Method::Delete, &uri, session, &custom_headers, None).await.map(|_| ())
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        _: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Events, Failure> {
        Err(Failure::ServerDoesNotSupportSse)
    }
}
