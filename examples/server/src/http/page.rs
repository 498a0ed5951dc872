//! The built-in page and its files, compiled into the program.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use justping::model::{BusinessId, ChannelConfig, PageRequest};
use sha2::{Digest, Sha256};

use super::Problem;
use super::access::{AppState, Public};
use crate::app::App;

const INDEX: &str = include_str!("../../assets/index.html");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// The files the page needs: address, media type, content.
const FILES: [(&str, &str, &str); 5] = [
    ("/assets/chat.js", JAVASCRIPT, include_str!("../../assets/chat.js")),
    ("/assets/chat-model.js", JAVASCRIPT, include_str!("../../assets/chat-model.js")),
    ("/assets/chat.css", CSS, include_str!("../../assets/chat.css")),
    ("/assets/docs.css", CSS, include_str!("../../assets/docs.css")),
    ("/assets/favicon.svg", "image/svg+xml", include_str!("../../assets/favicon.svg")),
];

/// `/` and `/assets/…`.
pub(crate) fn routes() -> Router<AppState> {
    let mut router = Router::new().route("/", get(index));
    for (path, kind, content) in FILES {
        let tag = etag(content);
        let serve = move |_: Public, headers: HeaderMap| {
            let response = file(&headers, kind, content, &tag);
            async move { response }
        };
        router = router.route(path, get(serve));
    }
    router
}

fn etag(content: &str) -> HeaderValue {
    let digest = Sha256::digest(content.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// A file, or 304 to whoever has it.
fn file(
    asked: &HeaderMap,
    kind: &'static str,
    content: &'static str,
    tag: &HeaderValue,
) -> Response {
    let has_it = asked.get(header::IF_NONE_MATCH) == Some(tag);
    let mut response =
        if has_it { StatusCode::NOT_MODIFIED.into_response() } else { content.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, tag.clone());
    response
}

/// The page with the first web chat of the first business that has one.
async fn index(Public(app): Public) -> Result<Response, Problem> {
    let (channel, name) = match first_chat(&app).await? {
        Some((channel, name)) => (channel.id.to_string(), name),
        None => (String::new(), "JustPing".to_owned()),
    };
    let page = INDEX
        .replace("{{channel_id}}", &escape(&channel))
        .replace("{{business_name}}", &escape(&name));
    Ok(axum::response::Html(page).into_response())
}

async fn first_chat(app: &App) -> Result<Option<(ChannelConfig, String)>, Problem> {
    let businesses = app.store().businesses(&PageRequest::default()).await?;
    for business in businesses.items {
        if let Some(channel) = first_channel(app, business.id).await? {
            return Ok(Some((channel, business.name)));
        }
    }
    Ok(None)
}

async fn first_channel(app: &App, business: BusinessId) -> Result<Option<ChannelConfig>, Problem> {
    let channels = app.store().channels(business, &PageRequest::default()).await?;
    let is_chat = |channel: &ChannelConfig| channel.provider == "webchat" && channel.enabled;
    Ok(channels.items.into_iter().find(is_chat))
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}
