//! Subscribers of events: every plugin that runs and has one is a feed of its own.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Event, PluginId, PluginLevel, PluginLine, PluginLineKind, Timestamp,
};
use justping_core::port::store::StoreResult;
use justping_core::port::{ClockExt as _, EventSubscriber, FeedEvent, FeedName, SubscriberError};

use crate::contract::subscriber;
use crate::plugins::{Ask, Installed, Plugins};
use crate::{Export, millis};

/// How often a process looks which plugins there are to tell.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Businesses of one look at a time.
const BUSINESSES_PAGE: u32 = 1_000;
/// Most bytes of events that one call tells; what is left comes with the next.
const BATCH_MAX_BYTES: usize = 128 * 1024;

/// Tells plugins what happened.
///
/// Which plugins there are is looked up every [`LOOK_EVERY`] by [`run`](Self::run): a plugin that was
/// just enabled hears of what happens from the next look on.
#[derive(Debug, Clone)]
pub struct PluginSubscribers {
    plugins: Plugins,
    feeds: Arc<RwLock<Feeds>>,
}

type Feeds = HashMap<FeedName, Arc<Installed>>;

impl PluginSubscribers {
    /// Tells these plugins.
    pub fn new(plugins: Plugins) -> Self {
        Self { plugins, feeds: Arc::default() }
    }

    /// Looks which plugins there are.
    ///
    /// # Errors
    /// What the store says; then those known before go on.
    pub async fn look(&self) -> StoreResult<()> {
        let store = Arc::clone(&self.plugins.sandbox().ports().plugins);
        let (mut feeds, mut after) = (Feeds::new(), None);
        loop {
            let businesses = store.plugin_businesses(after, BUSINESSES_PAGE).await?;
            for business in &businesses {
                for installed in self.plugins.exporting(*business, Export::Subscriber).await? {
                    feeds.insert(plugin_feed(*business, installed.plugin.id), installed);
                }
            }
            after = businesses.last().copied();
            if businesses.len() < BUSINESSES_PAGE as usize {
                break;
            }
        }
        *self.feeds.write().unwrap_or_else(PoisonError::into_inner) = feeds;
        Ok(())
    }

    /// Looks again and again until `stop` comes.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        let every = u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(u64::MAX);
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "which plugins hear events is not known anew");
            }
            let clock = Arc::clone(&self.plugins.sandbox().ports().clock);
            let next = clock.after_ms(every);
            tokio::select! {
                () = &mut stop => return,
                () = clock.sleep_until(next) => {}
            }
        }
    }

    fn find(&self, feed: &FeedName) -> Option<Arc<Installed>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).get(feed).cloned()
    }

    fn now(&self) -> Timestamp {
        self.plugins.sandbox().ports().clock.now()
    }
}

/// The feed of a plugin. Who removes a plugin closes it.
pub fn plugin_feed(business_id: BusinessId, plugin: PluginId) -> FeedName {
    FeedName { business_id, name: format!("plugin.{plugin}") }
}

#[async_trait]
impl EventSubscriber for PluginSubscribers {
    fn feeds(&self) -> Vec<FeedName> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn wants(&self, feed: &FeedName, event: &Event) -> bool {
        let Some(installed) = self.find(feed) else { return false };
        let name = event_name(event);
        installed.inspection.events.iter().any(|interest| takes(interest, &name))
    }

    async fn handle(&self, feed: &FeedName, events: &[FeedEvent]) -> Result<(), SubscriberError> {
        let failed = |detail: String, retry_after| SubscriberError { detail, retry_after };
        // As it is now, not as it was at the last look.
        let Some(known) = self.find(feed) else {
            return Err(failed("the plugin is gone".to_owned(), None));
        };
        let found = self.plugins.installed(feed.business_id, &known.plugin.name).await;
        let installed = found.map_err(|error| failed(error.to_string(), None))?;
        for batch in batches(feed.business_id, events) {
            let first = batch.first().map(|event| event.id.clone()).unwrap_or_default();
            let ask = Ask {
                conversation_id: None,
                call_id: format!("{}/{first}", feed.name),
                now: self.now(),
            };
            let told = self.plugins.call(&installed, &ask, |sandbox, code, caller| async move {
                sandbox.handle_events(&code, caller, batch).await
            });
            told.await.map_err(|error| failed(error.to_string(), error.retry_after(self.now())))?;
        }
        Ok(())
    }

    async fn gave_up(&self, feed: &FeedName, event: &FeedEvent, detail: &str) {
        let Some(installed) = self.find(feed) else { return };
        let name = event_name(&event.event);
        self.plugins.sandbox().ports().lines.push(PluginLine {
            business_id: feed.business_id,
            plugin_id: installed.plugin.id,
            at: self.now(),
            kind: PluginLineKind::Failed,
            level: PluginLevel::Error,
            text: format!("event {} ({name}) was given up: {detail}", event.number),
            conversation_id: event.event.conversation_id,
        });
    }
}

/// Events in the contract's form, a few at a time.
fn batches(business: BusinessId, events: &[FeedEvent]) -> Vec<Vec<subscriber::Event>> {
    let mut batches: Vec<Vec<subscriber::Event>> = Vec::new();
    let mut bytes = usize::MAX;
    for FeedEvent { number, event } in events {
        let told = subscriber::Event {
            id: format!("{business}/{number}"),
            name: event_name(event),
            at: millis(event.at),
            // Events always become JSON.
            data: serde_json::to_string(event).unwrap_or_default(),
        };
        let size = told.data.len();
        match batches.last_mut() {
            Some(batch) if bytes.saturating_add(size) <= BATCH_MAX_BYTES => {
                bytes += size;
                batch.push(told);
            }
            _ => {
                bytes = size;
                batches.push(vec![told]);
            }
        }
    }
    batches
}

/// An event's name, as the API has it.
fn event_name(event: &Event) -> String {
    let body = serde_json::to_value(&event.body).unwrap_or_default();
    body.get("event").and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

/// Whether a name is among those an interest stands for.
fn takes(interest: &str, name: &str) -> bool {
    match interest.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => interest == name,
    }
}

#[cfg(test)]
mod tests {
    use justping_core::model::EventBody;
    use uuid::Uuid;

    use super::*;

    fn event(number: u64, bytes: usize) -> FeedEvent {
        let business_id = BusinessId::from_uuid(Uuid::nil());
        let body = EventBody::Custom { name: "a".to_owned(), data: "x".repeat(bytes).into() };
        let at = Timestamp::UNIX_EPOCH;
        FeedEvent { number, event: Event { business_id, conversation_id: None, at, body } }
    }

    #[test]
    fn interests_are_names_or_beginnings() {
        assert!(takes("flow.event", "flow.event") && takes("flow.*", "flow.event"));
        assert!(takes("*", "anything"));
        assert!(!takes("flow", "flow.event") && !takes("conversation.*", "flow.event"));
        assert_eq!(event_name(&event(1, 0).event), "flow.event");
    }

    #[test]
    fn batches_are_bounded_and_lose_nothing() {
        let sizes = [10, 100_000, 100_000, 200_000, 5, 5];
        let events: Vec<_> = (1..).zip(sizes).map(|(n, bytes)| event(n, bytes)).collect();
        let batches = batches(BusinessId::from_uuid(Uuid::nil()), &events);
        let lengths: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 1, 2]);
        let ids: Vec<&str> =
            batches.iter().flatten().filter_map(|event| event.id.rsplit('/').next()).collect();
        assert_eq!(ids, ["1", "2", "3", "4", "5", "6"]);
    }
}
