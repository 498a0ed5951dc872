use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::model::{BusinessId, ConversationId, Event, Topic};
use crate::port::{BusError, EventBus, Subscription};

/// Events that wait for one slow subscriber; beyond it the oldest are missed.
const BACKLOG_MAX: usize = 1_024;

/// A bus within one process: a bounded channel for each topic somebody listens to.
#[derive(Debug, Default)]
pub struct MemoryBus {
    topics: Arc<Topics>,
}

#[derive(Debug, Default)]
struct Topics {
    senders: Mutex<HashMap<Topic, Sender<Arc<Event>>>>,
}

impl Topics {
    fn senders(&self) -> MutexGuard<'_, HashMap<Topic, Sender<Arc<Event>>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryBus {
    /// A bus nobody listens to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands an event that others may hold as well to all present subscribers of its topics.
    pub fn share(&self, event: &Arc<Event>) {
        let senders = self.topics.senders();
        for topic in topics_of(event.business_id, event.conversation_id) {
            if let Some(sender) = senders.get(&topic) {
                // Fails only when the last listener is leaving: then nobody misses it.
                let _ = sender.send(Arc::clone(event));
            }
        }
    }

    /// Says whether somebody listens to events of this place.
    pub fn is_heard(&self, business: BusinessId, conversation: Option<ConversationId>) -> bool {
        let senders = self.topics.senders();
        topics_of(business, conversation).any(|topic| senders.contains_key(&topic))
    }

    /// How many topics somebody listens to.
    pub fn topics(&self) -> usize {
        self.topics.senders().len()
    }
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn publish(&self, events: Vec<Event>) {
        if self.topics() > 0 {
            events.into_iter().map(Arc::new).for_each(|event| self.share(&event));
        }
    }

    fn subscribe(&self, topic: Topic) -> Box<dyn Subscription> {
        let mut senders = self.topics.senders();
        let sender = senders.entry(topic).or_insert_with(|| channel(BACKLOG_MAX).0);
        let receiver = Some(sender.subscribe());
        Box::new(MemorySubscription { topic, receiver, topics: Arc::downgrade(&self.topics) })
    }
}

fn topics_of(
    business: BusinessId,
    conversation: Option<ConversationId>,
) -> impl Iterator<Item = Topic> {
    let conversation = conversation.map(|id| Topic::Conversation(business, id));
    conversation.into_iter().chain([Topic::Business(business)])
}

/// A listener; the last one of a topic takes the topic along.
#[derive(Debug)]
struct MemorySubscription {
    topic: Topic,
    /// Taken only when the subscription is dropped.
    receiver: Option<Receiver<Arc<Event>>>,
    topics: Weak<Topics>,
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next(&mut self) -> Result<Arc<Event>, BusError> {
        let receiver = self.receiver.as_mut().ok_or(BusError::Closed)?;
        receiver.recv().await.map_err(|error| match error {
            RecvError::Lagged(missed) => BusError::Missed(missed),
            RecvError::Closed => BusError::Closed,
        })
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        let Some(topics) = self.topics.upgrade() else { return };
        // Under the lock, so that of two who leave at once the second sees that it is the last.
        let mut senders = topics.senders();
        self.receiver = None;
        if senders.get(&self.topic).is_some_and(|sender| sender.receiver_count() == 0) {
            senders.remove(&self.topic);
        }
    }
}
