//! What an actor asks and what it is told.

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;

const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Insists on a status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Insists on a problem of RFC 9457's form with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let answer = self.expect(status);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
        let json = answer.json();
        assert_eq!(json["code"], code, "{json}");
        assert_eq!(json["status"], status, "{json}");
        assert_eq!(json["type"], format!("urn:justping:problem:{code}"));
        assert_eq!(json["request_id"].as_str(), answer.header("x-request-id"));
        for text in ["title", "detail"] {
            assert!(json[text].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        }
        json
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The `id` of what was created or read.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// Somebody who asks: with a token or without.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub name: &'static str,
    pub router: Router,
    pub token: Option<String>,
}

/// A request before it is sent.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    actor: &'a Actor,
    request: http::request::Builder,
    body: Body,
}

impl Actor {
    pub(crate) fn ask(&self, method: &str, path: &str) -> Asked<'_> {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        Asked { actor: self, request, body: Body::empty() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", &format!("/api/v1{path}")).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", &format!("/api/v1{path}")).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", &format!("/api/v1{path}")).json(&body).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", &format!("/api/v1{path}")).json(&body).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask("PATCH", &format!("/api/v1{path}")).json(&body).send().await
    }
}

impl Asked<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").bytes(body.to_string())
    }

    pub(crate) fn bytes(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.body(self.body).unwrap();
        let response = self.actor.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, ANSWER_MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }
}
