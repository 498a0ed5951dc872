//! Errors in one form: RFC 9457 problems.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use justping::agents::knowledge::KnowledgeError;
use justping::engine::{EngineError, POLICY_NODES_MAX, PublishError};
use justping::plugins::package::{PackageFinding, VerifyError};
use justping::plugins::plugins::{Field, ManageError};
use justping::port::{Finding, SendError, Severity, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The header that carries the id of a request, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What a caller is asked to wait when the server cannot take its request now.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Something wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body, the name of a query parameter, or a place in a package.
    pub path: String,
    /// A sentence for people.
    pub message: String,
    /// What kind of thing is wrong, for programs, where that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Cow<'static, str>>,
}

impl FieldError {
    /// One without a code.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), code: None }
    }
}

/// An error as RFC 9457 has it.
///
/// As a response it travels without a body: the outermost layer writes the body, because only it
/// knows the id of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

/// The JSON of a [`Problem`].
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// A name for this kind of problem, made of its code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: &'a str,
    /// The kind of problem, for programs.
    pub code: &'a str,
    /// The id under which the server's log knows the request.
    pub request_id: &'a str,
    /// The parts of the request that are wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
}

impl Problem {
    /// A problem of a kind.
    pub fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status, code, title, detail: title.into(), errors: Vec::new(), retry_after: None }
    }

    /// Says what happened.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Names parts of the request that are wrong.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Asks the caller to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same for a missing id, a foreign id and a text that is no id: whoever asks learns
    /// nothing about other businesses.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found")
            .detail("there is no such resource")
    }

    /// No route has this path.
    pub fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_route", "No such address")
            .detail("nothing is served at this address")
    }

    /// The route does not take this method.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
            .detail("the address takes only the methods in the Allow header")
    }

    /// No or no live credentials.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized")
            .detail("a live API key is needed: Authorization: Bearer jp_…")
    }

    /// The credentials do not allow it.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden")
            .detail("the key's role does not allow this")
    }

    /// The request cannot be read at all.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "Malformed request").detail(detail)
    }

    /// The request can be read, but asks for something that is not allowed.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Invalid request")
            .detail("parts of the request are wrong; see errors")
            .errors(errors)
    }

    /// One part of the request is wrong.
    pub fn invalid_field(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(path, message)])
    }

    /// The body is too large.
    pub fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Body too large")
            .detail("the body is larger than this address takes")
    }

    /// The body is not JSON.
    pub fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "Unsupported media type",
        )
        .detail("the body must be application/json")
    }

    /// The operator switched plugins off.
    pub fn plugins_off() -> Self {
        Self::new(StatusCode::NOT_FOUND, "plugins_off", "No plugins here")
            .detail("this server runs no plugins")
    }

    /// Something broke here; the log has more under the id of the request.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
            .detail("something broke on the server; quote the request id when you report it")
    }

    /// Nobody can serve the request now.
    pub fn unavailable(detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later")
            .detail(detail)
            .retry_after(RETRY_AFTER)
    }

    /// The best description of a bare status, such as a framework's own rejection.
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_route(),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::unsupported_media_type(),
            status if status.is_client_error() => {
                Self { status, ..Self::malformed("the request cannot be understood") }
            }
            status => Self { status, ..Self::internal() },
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The kind of problem, for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The whole response, body included.
    pub fn render(&self, request_id: &str) -> Response {
        let body = ProblemBody {
            kind: format!("urn:justping:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            request_id,
            errors: &self.errors,
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, text).into_response();
        self.decorate(&mut response);
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    fn decorate(&self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::not_found(),
            StoreError::Conflict(what) => Self::new(StatusCode::CONFLICT, "conflict", "Conflict")
                .detail(format!("{what}: the request conflicts with what is stored")),
            StoreError::Stale(what) => {
                Self::new(StatusCode::CONFLICT, "stale", "Changed meanwhile")
                    .detail(format!("{what} has changed meanwhile: read it again"))
            }
            StoreError::Invalid(what) => Self::malformed(format!("invalid {what}")),
            StoreError::Unavailable(detail) => {
                tracing::warn!(detail, "the store is unavailable");
                Self::unavailable("the store is unavailable")
            }
            StoreError::Corrupt(detail) => {
                tracing::error!(detail, "stored data is corrupt");
                Self::internal()
            }
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let invalid = |message: &str| Self::invalid_field("/nodes", message);
        match error {
            PublishError::Store(error) => error.into(),
            PublishError::Invalid(findings) => invalid_flow(findings),
            PublishError::UnknownNode(node) => invalid(&format!("the flow has no node {node}")),
            PublishError::TooManyNodes => invalid(&format!("must be at most {POLICY_NODES_MAX}")),
        }
    }
}

/// The errors among the findings, as the errors of the request.
fn invalid_flow(findings: Vec<Finding>) -> Problem {
    let error = |f: Finding| FieldError {
        code: Some(f.code.into()),
        ..FieldError::new(format!("/draft{}", f.path), f.message)
    };
    let errors = findings.into_iter().filter(|f| f.severity == Severity::Error).map(error);
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_flow", "The flow has errors")
        .detail("the draft cannot be run; see errors")
        .errors(errors.collect())
}

impl From<KnowledgeError> for Problem {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Store(error) => error.into(),
            KnowledgeError::Embedding(error) => {
                Self::new(StatusCode::BAD_GATEWAY, "embedding", "The model refused")
                    .detail(format!("the question could not be embedded: {}", error.code()))
            }
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Refused(findings) => invalid_package(findings),
            VerifyError::Busy(reason) => {
                tracing::info!(reason, "a package waits for the compiler");
                Self::unavailable("the package is being compiled, or others are: send it again")
            }
        }
    }
}

/// The errors among the findings, as the errors of the request.
fn invalid_package(findings: Vec<PackageFinding>) -> Problem {
    let errors = findings.into_iter().filter(PackageFinding::is_error);
    let error = |f: PackageFinding| FieldError {
        path: f.at,
        message: f.message,
        code: Some(f.code.name().into()),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_package", "The package has errors")
        .detail("the package is not taken; see errors")
        .errors(errors.map(error).collect())
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Self {
        let conflict = |code, title| Self::new(StatusCode::CONFLICT, code, title);
        match error {
            ManageError::Package(error) => error.into(),
            ManageError::Store(error) => error.into(),
            ManageError::Fields(fields) => {
                let field = |field: Field| FieldError::new(field.path, field.message);
                Self::invalid(fields.into_iter().map(field).collect())
            }
            ManageError::TooMany => {
                conflict("too_many_plugins", "Too many plugins").detail(error.to_string())
            }
            ManageError::NoHistory => {
                conflict("no_history", "Nothing to go back to").detail(error.to_string())
            }
            ManageError::Blob(error) => {
                tracing::warn!(%error, "packages are unavailable");
                Self::unavailable("packages cannot be kept or read")
            }
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::UnknownProvider(_) => {
                Self::new(StatusCode::CONFLICT, "unknown_provider", "No such provider")
                    .detail("the channel's provider is not part of this server")
            }
            EngineError::Channel(error) => {
                Self::new(StatusCode::CONFLICT, "channel_misconfigured", "Channel misconfigured")
                    .detail(error.to_string())
            }
            EngineError::Disabled => {
                Self::new(StatusCode::CONFLICT, "channel_disabled", "Channel disabled")
                    .detail("the channel is switched off")
            }
            EngineError::Denied(kind) => {
                Self::new(StatusCode::CONFLICT, "denied", "Not allowed now")
                    .detail(format!("the message may not be sent: {kind:?}"))
            }
            EngineError::Provider(SendError::RateLimited { after }) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too fast")
                    .detail("the provider asks to wait")
                    .retry_after(after.unwrap_or(RETRY_AFTER))
            }
            EngineError::Provider(error) => {
                Self::new(StatusCode::BAD_GATEWAY, "provider", "The provider refused")
                    .detail(error.to_string())
            }
            EngineError::TooLarge => Self::new(StatusCode::CONFLICT, "too_large", "Too large")
                .detail("it is larger than what is given out at once"),
            EngineError::Overloaded => Self::unavailable("too much work is waiting"),
        }
    }
}
