//! The web chat: one WebSocket a visitor.

mod bucket;
mod chat;

use std::sync::Arc;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use justping::channels::webchat::{PROVIDER, WebChatChannel, protocol};
use justping::model::{BusinessId, ChannelId};

use super::Problem;
use super::access::{AppState, Public};
use super::extract::Id;
use crate::app::App;
use chat::Chat;

/// Bytes of a socket's buffers. The usual ones cost 126 KiB a client, most of them idle.
const BUFFER_BYTES: usize = 4 * 1024;
/// Most bytes that wait for a client that does not read.
const UNSENT_MAX_BYTES: usize = 256 * 1024;

/// `/chat/{channel}/socket`.
pub fn routes() -> Router<AppState> {
    Router::new().route("/chat/{channel_id}/socket", get(connect))
}

async fn connect(
    Public(app): Public,
    Id(channel): Id<ChannelId>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    if app.is_stopping() {
        return Err(Problem::unavailable("the server is about to stop"));
    }
    let (business, channel) = open(&app, channel).await?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    // An origin that is no text is a strange one, not a missing one.
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("null"));
    if !channel.origin_allowed(origin, host) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "origin", "Origin not allowed")
            .detail("pages of this origin may not open the chat"));
    }
    let place = Arc::clone(app.sockets()).try_acquire_owned();
    let place = place.map_err(|_| Problem::unavailable("too many chats are open"))?;
    let upgrade = upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(UNSENT_MAX_BYTES)
        .max_message_size(protocol::FRAME_MAX)
        .max_frame_size(protocol::FRAME_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        Chat::new(app, business, channel, socket).run().await;
        drop(place);
    }))
}

/// Opens the channel; one that is missing, switched off or of another kind is not there.
async fn open(app: &App, id: ChannelId) -> Result<(BusinessId, WebChatChannel), Problem> {
    let config = app.store().find_channel(id).await?;
    if config.provider != PROVIDER || !config.enabled {
        return Err(Problem::not_found());
    }
    let secrets = app.store().channel_secrets(config.business_id, id).await?;
    let channel = WebChatChannel::open(&config, &secrets).map_err(|error| {
        tracing::error!(field = error.field, "a chat channel cannot be opened");
        Problem::unavailable("the channel is misconfigured")
    })?;
    Ok((config.business_id, channel))
}
