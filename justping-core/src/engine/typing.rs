//! Shows contacts that an answer is being written. Nothing depends on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::JustPing;
use crate::model::{EventBody, Typist};
use crate::port::store::TurnCommit;

/// Providers that are told at the same time; beyond it contacts just see no sign.
const UNDER_WAY_MAX: usize = 16;
/// How long a provider may take: later the answer itself is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// The places of those who tell providers.
#[derive(Debug)]
pub(super) struct Signs(Arc<Semaphore>);

impl Default for Signs {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNDER_WAY_MAX)))
    }
}

impl JustPing {
    /// Tells the provider, beside everything else, that the bot writes, if the turn said so. What
    /// providers show with it is that the contact's newest message was seen.
    pub(super) fn show_typing(&self, commit: &TurnCommit) {
        let by_bot = EventBody::is_typing_of_bot;
        if !commit.events.iter().any(|event| by_bot(&event.body)) {
            return;
        }
        let Ok(place) = Arc::clone(&self.inner.signs.0).try_acquire_owned() else { return };
        let (engine, business, conversation) =
            (self.clone(), commit.business_id, commit.conversation_id);
        tokio::spawn(async move {
            let told = tokio::time::timeout(PATIENCE, engine.mark_read(business, conversation));
            match told.await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(%conversation, %error, "no sign of typing"),
                Err(_) => tracing::debug!(%conversation, "no sign of typing: too slow"),
            }
            drop(place);
        });
    }
}

impl EventBody {
    /// Says whether the event tells that the bot writes.
    fn is_typing_of_bot(&self) -> bool {
        matches!(self, Self::TypingStarted { typist: Typist::Bot, .. })
    }
}
