//! What news about sends does to messages, whichever way it comes.

use std::collections::{BTreeMap, HashMap};

use justping_core::model::{
    BusinessId, ChannelId, Content, ConversationId, DeliveryStatus, Failure, Message, Rollup,
    StatusUpdate, Timestamp,
};

/// News that may wait for its message. Beyond it the oldest is dropped: it is most likely about
/// messages that something else sent by the same account.
pub(crate) const PARKED_MAX: i64 = 100_000;

/// A message: its conversation and its place.
pub(crate) type Place = (ConversationId, u64);
/// A provider's name of a message.
pub(crate) type Reference = (ChannelId, String);

/// A row of the outbox that stays, and how.
pub(crate) struct Settled {
    /// Its business.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "the embedded store's keys need none")
    )]
    pub(crate) business: BusinessId,
    pub(crate) unknown: bool,
    pub(crate) due_at: i64,
    /// Whether the try is taken back.
    pub(crate) deferred: bool,
}

/// The message that a reference names.
pub(crate) struct Named {
    /// Its business.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "the embedded store's keys need none")
    )]
    pub(crate) business: BusinessId,
    /// Where it is.
    pub(crate) place: Place,
}

/// What is stored about the messages of a batch of news, and then what is to be written.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) messages: HashMap<(BusinessId, ConversationId, u64), (Message, bool)>,
    /// Sent messages by the provider's name.
    pub(crate) sent: HashMap<Reference, Place>,
    pub(crate) parked: HashMap<Reference, Vec<StatusUpdate>>,
    /// Rows of the outbox that are done.
    pub(crate) ended: Vec<(BusinessId, Place)>,
    pub(crate) settled: BTreeMap<Place, Settled>,
    pub(crate) counters: Rollup,
    named: Vec<(Reference, Named)>,
    unparked: Vec<Reference>,
    /// References whose waiting news has to be written.
    waiting: Vec<Reference>,
}

impl Delivery {
    /// Ends the row of a message and tells the message why; says whether that changed its status.
    pub(crate) fn finish(
        &mut self,
        (business, channel): (BusinessId, ChannelId),
        (id, seq): Place,
        news: (DeliveryStatus, Timestamp, Option<Failure>),
    ) -> bool {
        self.ended.push((business, (id, seq)));
        self.settled.remove(&(id, seq));
        self.hear((business, id, seq), channel, news)
    }

    /// Has a message say what left instead of it.
    pub(crate) fn rewrite(&mut self, business: BusinessId, (id, seq): Place, content: Content) {
        if let Some((message, changed)) = self.messages.get_mut(&(business, id, seq)) {
            message.content = content;
            *changed = true;
        }
    }

    fn hear(
        &mut self,
        key: (BusinessId, ConversationId, u64),
        channel: ChannelId,
        news: (DeliveryStatus, Timestamp, Option<Failure>),
    ) -> bool {
        self.messages.get_mut(&key).is_some_and(|(message, changed)| {
            let moved = self.counters.hear(channel, message, news);
            *changed |= moved;
            moved
        })
    }

    /// Learns the provider's name of a message and tells it the news that waited for that; says
    /// whether its status changed.
    pub(crate) fn name(
        &mut self,
        business: BusinessId,
        (id, seq): Place,
        reference: Reference,
    ) -> bool {
        let key = (business, id, seq);
        let Some((message, changed)) = self.messages.get_mut(&key) else { return false };
        if message.provider_ref.is_none() {
            message.provider_ref = Some(reference.1.clone());
            *changed = true;
        }
        if !self.sent.contains_key(&reference) {
            let named = Named { business, place: (id, seq) };
            self.named.push((reference.clone(), named));
            self.sent.insert(reference.clone(), (id, seq));
        }
        let channel = reference.0;
        let waited = self.parked.remove(&reference).unwrap_or_default();
        if !waited.is_empty() {
            self.unparked.push(reference);
        }
        let mut moved = false;
        for news in waited {
            if let Some(at) = news.at {
                moved |= self.hear(key, channel, (news.status, at, news.failure));
            }
        }
        moved
    }

    /// News that waits already; at most one a status counts.
    pub(crate) fn add_parked(&mut self, reference: Reference, update: StatusUpdate) {
        let waiting = self.parked.entry(reference).or_default();
        if waiting.iter().all(|known| known.status != update.status) {
            waiting.push(update);
        }
    }

    /// Keeps news until its reference is known, at most one a status.
    pub(crate) fn park(&mut self, reference: Reference, update: StatusUpdate) {
        let waiting = self.parked.entry(reference.clone()).or_default();
        if waiting.iter().all(|known| known.status != update.status) {
            waiting.push(update);
            self.waiting.push(reference);
        }
    }

    /// The message at a place.
    pub(crate) fn message(&self, business: BusinessId, (id, seq): Place) -> Option<&Message> {
        self.messages.get(&(business, id, seq)).map(|(message, _)| message)
    }

    /// Messages to be written.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Message> {
        self.messages.values().filter(|(_, changed)| *changed).map(|(message, _)| message)
    }

    /// References to be written.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&Reference, &Named)> {
        self.named.iter().map(|(reference, named)| (reference, named))
    }

    /// References whose waiting news was told.
    pub(crate) fn unparked(&self) -> &[Reference] {
        &self.unparked
    }

    /// News to be kept until its reference is known.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&Reference, &StatusUpdate)> {
        self.waiting.iter().flat_map(|reference| {
            let news = self.parked.get(reference).into_iter().flatten();
            news.map(move |update| (reference, update))
        })
    }
}
