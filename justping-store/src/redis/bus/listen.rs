//! Hears what other processes tell.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use justping_core::model::Event;
use redis::RedisResult;
use redis::aio::{PubSubSink, PubSubStream};

use super::Shared;
use super::wire::{Heard, Place};

/// How long a connection may be silent before it is asked whether it still stands.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Listens until the bus is gone, and again whenever the connection broke.
pub(super) async fn listen(shared: Arc<Shared>) {
    loop {
        if let Err(error) = hear(&shared).await {
            tracing::debug!(%error, "events of other processes are not heard");
        }
        tokio::time::sleep(shared.link.breather()).await;
    }
}

/// Hears one connection to its end.
async fn hear(shared: &Shared) -> RedisResult<()> {
    let patience = shared.link.patience();
    let connect = async {
        let (mut sink, stream) = shared.link.client().get_async_pubsub().await?.split();
        sink.subscribe(&shared.channel).await?;
        RedisResult::Ok((sink, stream))
    };
    let (mut sink, mut stream) = within(patience, connect).await?;
    // Whatever was told before is missed by those who listened already.
    shared.miss();
    shared.listening.send_modify(|times| *times += 1);
    tracing::debug!("events of other processes are heard");
    while let Some(payload) = next(&mut sink, &mut stream, patience).await? {
        take(shared, &payload);
    }
    Ok(())
}

/// The next message; none when the connection is closed.
async fn next(
    sink: &mut PubSubSink,
    stream: &mut PubSubStream,
    patience: Duration,
) -> RedisResult<Option<Vec<u8>>> {
    loop {
        if let Ok(message) = tokio::time::timeout(SILENCE_MAX, stream.next()).await {
            return message.map(|message| message.get_payload()).transpose();
        }
        within(patience, sink.ping::<redis::Value>()).await?;
    }
}

async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| Err(late().into()))
}

fn take(shared: &Shared, payload: &[u8]) {
    let heard: Heard<'_> = match serde_json::from_slice(payload) {
        Ok(heard) => heard,
        Err(error) => return misread(shared, &error),
    };
    if heard.from == shared.own {
        return;
    }
    if heard.missed > 0 {
        shared.miss();
    }
    for event in heard.events {
        let place: Place = match serde_json::from_str(event.get()) {
            Ok(place) => place,
            Err(error) => return misread(shared, &error),
        };
        if !shared.local.is_heard(place.business_id, place.conversation_id) {
            continue;
        }
        match serde_json::from_str::<Event>(event.get()) {
            Ok(event) => shared.local.share(&Arc::new(event)),
            Err(error) => return misread(shared, &error),
        }
    }
}

/// An event of another version is an event that was missed: its truth is in the store.
fn misread(shared: &Shared, error: &serde_json::Error) {
    tracing::warn!(%error, "an event of another process cannot be read");
    shared.miss();
}
