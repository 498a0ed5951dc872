//! Extractors whose rejections are [`Problem`]s.

use std::str::FromStr;

use axum::RequestPartsExt;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use http::request::Parts;
use http::{HeaderMap, header};
use justping::model::{Cursor, PAGE_DEFAULT, PAGE_MAX, PageRequest};
use serde::de::DeserializeOwned;

use super::Problem;
use super::problem::FieldError;

/// Most bytes of a body under `/api/v1`.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Most characters of a cursor.
const CURSOR_MAX_CHARS: usize = 512;

/// The id in the path. A text that is no id of the kind is as missing as an unknown id.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Path(text) = parts.extract::<Path<String>>().await.map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// The query, read strictly: a parameter nobody knows is refused, not ignored.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        serde_urlencoded::from_str(parts.uri.query().unwrap_or_default())
            .map(Self)
            .map_err(|error| Problem::malformed(format!("the query is wrong: {error}")))
    }
}

/// Makes a page request of the two parameters every list has.
///
/// # Errors
/// 422 when a parameter is out of its bounds.
pub fn page(after: Option<String>, limit: Option<u32>) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::invalid_field("limit", format!("must be 1 to {PAGE_MAX}")));
    }
    if after.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_MAX_CHARS) {
        return Err(Problem::invalid_field("after", "is not a cursor of this list"));
    }
    Ok(PageRequest { after: after.map(Cursor), limit })
}

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let bytes = read_body(request.into_body(), BODY_MAX_BYTES).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out, which counts as `{}`.
#[derive(Debug, Clone, Copy)]
pub struct JsonOr<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonOr<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read_body(request.into_body(), BODY_MAX_BYTES).await?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        if !is_json {
            return Err(Problem::unsupported_media_type());
        }
        parse(&bytes).map(Self)
    }
}

/// A body of any kind, of at most `MAX` bytes.
#[derive(Debug, Clone)]
pub struct RawBody<const MAX: usize> {
    /// Its `Content-Type`, empty without one.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl<S: Send + Sync, const MAX: usize> FromRequest<S> for RawBody<MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.to_owned();
        Ok(Self { media_type, bytes: read_body(request.into_body(), MAX).await? })
    }
}

/// Reads a whole body of bounded size.
///
/// # Errors
/// 413 when it is larger, 400 when the peer stops in its middle.
pub async fn read_body(body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    to_bytes(body, max_bytes).await.map_err(|error| {
        let is_too_large = std::error::Error::source(&error)
            .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
        if is_too_large { Problem::too_large() } else { Problem::malformed("the body broke off") }
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Serde would take an array for an object: its fields in order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::malformed("the body must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = pointer(error.path());
        refuse(path, error.inner())
    })?;
    deserializer.end().map_err(|error| refuse(String::new(), &error))?;
    Ok(value)
}

fn refuse(path: String, error: &serde_json::Error) -> Problem {
    let field = FieldError::new(path, error.to_string());
    if error.is_data() {
        return Problem::invalid(vec![field]);
    }
    Problem::malformed("the body is not valid JSON").errors(vec![field])
}

/// The JSON pointer of a path.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                text.push('/');
                text.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}
