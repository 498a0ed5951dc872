//! `/api/docs`: the description of the API as a page, written once at the start. It needs no
//! script and nothing from other hosts.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use http::header;
use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

use super::access::{AppState, Public};

/// Methods in the order in which people look for them.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// `/api/docs` and `/api/openapi.json`.
pub(crate) fn routes(document: &OpenApi) -> Router<AppState> {
    let json = serde_json::to_value(document).unwrap_or_default();
    let page: Arc<str> = render(&json).into();
    let text: Arc<str> = json.to_string().into();
    let as_json = [(header::CONTENT_TYPE, "application/json")];
    Router::new()
        .route("/api/docs", get(move |_: Public| async move { Html(page.to_string()) }))
        .route(
            "/api/openapi.json",
            get(move |_: Public| async move { (as_json, text.to_string()) }),
        )
}

fn render(document: &Value) -> String {
    let mut page = Page::default();
    page.head();
    let text =
        |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    page.element("p", "lead", text("/info/description"));
    page.raw("<p>Every request carries <code>Authorization: Bearer jp_…</code>. ");
    page.raw("The same as data: <a href=\"/api/openapi.json\">openapi.json</a>.</p>");
    for tag in document.pointer("/tags").and_then(Value::as_array).into_iter().flatten() {
        page.tag(tag, document);
    }
    page.element("h2", "", "Schemas");
    for (name, schema) in entries(document.pointer("/components/schemas")) {
        page.schema(name, schema);
    }
    page.raw("</main></body></html>");
    page.0
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// A page being written. Text goes through [`Page::text`], which leaves no markup in it.
#[derive(Default)]
struct Page(String);

impl Page {
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                other => self.0.push(other),
            }
        }
    }

    fn element(&mut self, name: &str, class: &str, text: &str) {
        let _ = write!(self.0, "<{name} class=\"{class}\">");
        self.text(text);
        let _ = write!(self.0, "</{name}>");
    }

    fn head(&mut self) {
        self.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        self.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        self.raw("<meta name=\"color-scheme\" content=\"light dark\">");
        self.raw("<title>JustPing API</title>");
        self.raw("<link rel=\"icon\" href=\"/assets/favicon.svg\" type=\"image/svg+xml\">");
        self.raw("<link rel=\"stylesheet\" href=\"/assets/docs.css\"></head><body>");
        self.raw("<header><a href=\"/\">JustPing</a></header><main><h1>API</h1>");
    }

    fn tag(&mut self, tag: &Value, document: &Value) {
        let name = tag.get("name").and_then(Value::as_str).unwrap_or_default();
        self.element("h2", "", name);
        let description = tag.get("description").and_then(Value::as_str);
        self.element("p", "", description.unwrap_or_default());
        for (path, item) in entries(document.get("paths")) {
            for method in METHODS {
                let operation = item.get(method).filter(|operation| has_tag(operation, name));
                if let Some(operation) = operation {
                    self.operation(method, path, operation);
                }
            }
        }
    }

    fn operation(&mut self, method: &str, path: &str, operation: &Value) {
        let text = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
        self.raw("<details><summary>");
        self.element("span", &format!("method {method}"), &method.to_uppercase());
        self.element("code", "path", path);
        self.element("span", "what", text("summary"));
        self.raw("</summary>");
        self.element("p", "", text("description"));
        self.permissions(operation);
        self.parameters(operation);
        self.body(operation.pointer("/requestBody/content/application~1json/schema"));
        for (status, response) in entries(operation.get("responses")) {
            self.response(status, response);
        }
        self.raw("</details>");
    }

    fn permissions(&mut self, operation: &Value) {
        let scopes = operation.pointer("/security/0/api_key").and_then(Value::as_array);
        for scope in scopes.into_iter().flatten().filter_map(Value::as_str) {
            self.raw("<p>Permission: ");
            self.element("code", "", scope);
            self.raw("</p>");
        }
    }

    fn parameters(&mut self, operation: &Value) {
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let Some(parameters) = parameters.filter(|list| !list.is_empty()) else { return };
        self.raw("<table><tr><th>parameter</th><th>in</th><th></th></tr>");
        for parameter in parameters {
            self.raw("<tr>");
            for key in ["name", "in", "description"] {
                let text = parameter.get(key).and_then(Value::as_str).unwrap_or_default();
                self.element("td", "", text);
            }
            self.raw("</tr>");
        }
        self.raw("</table>");
    }

    fn body(&mut self, schema: Option<&Value>) {
        if let Some(schema) = schema {
            self.raw("<p>Body: ");
            self.kind(schema);
            self.raw("</p>");
        }
    }

    fn response(&mut self, status: &str, response: &Value) {
        self.raw("<p>");
        self.element("b", "", status);
        self.raw(" ");
        let contents = entries(response.get("content"));
        for schema in contents.filter_map(|(_, content)| content.get("schema")) {
            self.kind(schema);
        }
        self.raw("</p>");
    }

    /// The name of a schema, linked, or its type.
    fn kind(&mut self, schema: &Value) {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(name) = reference.and_then(|reference| reference.rsplit('/').next()) {
            self.raw("<a href=\"#");
            self.text(name);
            self.raw("\">");
            self.text(name);
            self.raw("</a>");
            return;
        }
        let kind = schema.get("type").map(ToString::to_string).unwrap_or_default();
        self.element("code", "", kind.trim_matches('"'));
    }

    fn schema(&mut self, name: &str, schema: &Value) {
        self.raw("<details id=\"");
        self.text(name);
        self.raw("\"><summary>");
        self.element("code", "path", name);
        let description = schema.get("description").and_then(Value::as_str);
        self.element("span", "what", description.unwrap_or_default());
        self.raw("</summary>");
        let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
        self.element("pre", "", &pretty);
        self.raw("</details>");
    }
}

fn has_tag(operation: &Value, name: &str) -> bool {
    let tags = operation.get("tags").and_then(Value::as_array);
    tags.into_iter().flatten().any(|tag| tag == name)
}
