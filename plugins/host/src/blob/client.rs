//! Services for objects, asked through the one client.

use std::time::Duration;

use async_trait::async_trait;
use http::{Method as Wire, Response};
use http_body_util::BodyExt as _;
use justping_http::{ConfiguredClient, ConfiguredOptions, ConfiguredUrl, HttpError, Method};
use object_store::client::{
    HttpClient, HttpConnector, HttpError as ServiceError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpService,
};
use object_store::{ClientOptions, RetryConfig};

use super::BLOB_MAX_BYTES;

/// Longest time for a connection to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence within an answer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time of one request: a package is at most 24 MiB.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How often a request is tried again: somebody waits for the answer.
const RETRIES: usize = 2;
/// For how long.
const RETRIES_TIMEOUT: Duration = Duration::from_secs(10);

/// How patient a service is asked.
pub(super) fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRIES_TIMEOUT, ..RetryConfig::default() }
}

/// Makes the client of a service. What the service's own options say of clients does not count.
#[derive(Debug, Clone, Copy)]
pub(super) struct OneClient;

impl HttpConnector for OneClient {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let options = ConfiguredOptions {
            connect_timeout: Some(CONNECT_TIMEOUT),
            idle_timeout: Some(IDLE_TIMEOUT),
            timeout: Some(TIMEOUT),
            ..ConfiguredOptions::default()
        };
        let client = ConfiguredClient::new(&options).map_err(|error| {
            object_store::Error::Generic { store: "client", source: Box::new(error) }
        })?;
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(ConfiguredClient);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, ServiceError> {
        let (parts, body) = request.into_parts();
        let url = ConfiguredUrl::parse(&parts.uri.to_string())
            .map_err(|error| ServiceError::new(HttpErrorKind::Request, error))?;
        let body = body.collect().await?.to_bytes();
        let mut asked = self.0.request(method(&parts.method), &url);
        for (name, value) in &parts.headers {
            asked = asked.header(name.clone(), value.clone());
        }
        let answer = asked.body(body).send().await.map_err(failed)?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let body = answer.read(BLOB_MAX_BYTES).await.map_err(failed)?;
        let decode = |error| ServiceError::new(HttpErrorKind::Decode, error);
        response.body(body.into()).map_err(decode)
    }
}

/// Services for objects use no other methods.
fn method(wire: &Wire) -> Method {
    match *wire {
        Wire::HEAD => Method::Head,
        Wire::POST => Method::Post,
        Wire::PUT => Method::Put,
        Wire::PATCH => Method::Patch,
        Wire::DELETE => Method::Delete,
        _ => Method::Get,
    }
}

fn failed(error: HttpError) -> ServiceError {
    let kind = match &error {
        HttpError::Connect { .. } => HttpErrorKind::Connect,
        HttpError::Timeout => HttpErrorKind::Timeout,
        HttpError::Broken { .. } => HttpErrorKind::Interrupted,
        HttpError::Refused(_) => HttpErrorKind::Request,
        _ => HttpErrorKind::Unknown,
    };
    ServiceError::new(kind, error)
}
