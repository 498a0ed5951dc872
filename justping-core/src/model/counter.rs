use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    BusinessId, ChannelId, Conversation, ConversationStatus, Date, DeliveryStatus, Failure,
    Message, Timestamp,
};

/// What is counted.
///
/// Every message counts at most once for a kind. One that is known to be read was also delivered
/// and sent, whether or not anybody said so: what is counted does not depend on the order in which
/// news comes. A message that failed after it was sent counts for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterKind {
    /// Messages of contacts.
    Received,
    /// Messages that the provider accepted.
    Sent,
    /// Messages that reached the contact's device.
    Delivered,
    /// Messages that the contact saw.
    Read,
    /// Messages that will not arrive.
    Failed,
    /// Conversations that began, or were opened again.
    ConversationsOpened,
    /// Conversations that were closed.
    ConversationsClosed,
}

impl CounterKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Received,
        Self::Sent,
        Self::Delivered,
        Self::Read,
        Self::Failed,
        Self::ConversationsOpened,
        Self::ConversationsClosed,
    ];

    /// Its name in JSON and in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::ConversationsOpened => "conversations_opened",
            Self::ConversationsClosed => "conversations_closed",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How much of a kind there was on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counter {
    /// The day, in UTC.
    pub day: Date,
    /// What was counted.
    pub kind: CounterKind,
    /// How much, at least 1.
    pub count: u64,
}

/// Names a counter. Keys are ordered as their fields stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CounterKey {
    /// The business.
    pub business_id: BusinessId,
    /// The day, in UTC.
    pub day: Date,
    /// The channel.
    pub channel_id: ChannelId,
    /// What is counted.
    pub kind: CounterKind,
}

/// What a batch adds to the counters; every store counts by this, so that all agree.
///
/// The day of a message is that of the moment at which its timeline says that something happened.
/// A conversation counts on the day of the move that opened or closed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollup(pub(crate) BTreeMap<CounterKey, u64>);

impl Rollup {
    /// Counts a message that a contact wrote on a channel.
    pub fn receive(&mut self, channel: ChannelId, message: &Message) {
        self.add((message.business_id, channel), message.created_at, CounterKind::Received);
    }

    /// Tells a message of a channel news ([`Message::hear`]) and counts what it reached by that;
    /// `false` when the news changes nothing.
    pub fn hear(
        &mut self,
        channel: ChannelId,
        message: &mut Message,
        (news, at, failure): (DeliveryStatus, Timestamp, Option<Failure>),
    ) -> bool {
        let before = message.status;
        if !message.hear(news, at, failure) {
            return false;
        }
        for kind in reached(before, message.status) {
            self.add((message.business_id, channel), at, *kind);
        }
        true
    }

    /// Counts a conversation that a move opened or closed: where it stood before that, or `None`
    /// when it is new, and the conversation afterwards.
    pub fn follow(
        &mut self,
        before: Option<ConversationStatus>,
        conversation: &Conversation,
        at: Timestamp,
    ) {
        let live = |status| status != ConversationStatus::Closed;
        let kind = match (before.is_some_and(live), live(conversation.status)) {
            (false, true) => CounterKind::ConversationsOpened,
            (true, false) => CounterKind::ConversationsClosed,
            (true, true) | (false, false) => return,
        };
        self.add((conversation.business_id, conversation.channel_id), at, kind);
    }

    /// What is to be added, in the order of the keys: whoever locks counters in this order waits
    /// for others only one way.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (CounterKey, u64)> {
        self.0.iter().map(|(key, count)| (*key, *count))
    }

    fn add(
        &mut self,
        (business_id, channel_id): (BusinessId, ChannelId),
        at: Timestamp,
        kind: CounterKind,
    ) {
        let key = CounterKey { business_id, day: day_of(at), channel_id, kind };
        *self.0.entry(key).or_default() += 1;
    }
}

/// The day of a moment, in UTC.
pub fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// What a message reached by a move from one status to another, the steps it skipped included.
fn reached(before: DeliveryStatus, after: DeliveryStatus) -> &'static [CounterKind] {
    const STEPS: [CounterKind; 3] = [CounterKind::Sent, CounterKind::Delivered, CounterKind::Read];
    let step = |status| match status {
        DeliveryStatus::Received | DeliveryStatus::Queued | DeliveryStatus::Failed => 0,
        DeliveryStatus::Sent => 1,
        DeliveryStatus::Delivered => 2,
        DeliveryStatus::Read => 3,
    };
    match after {
        DeliveryStatus::Failed => &[CounterKind::Failed],
        _ => STEPS.get(step(before)..step(after)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::model::{
        Author, ContactId, Content, ConversationChange, ConversationId, Direction, MessageId, Owner,
    };
    use DeliveryStatus::{Delivered, Failed, Queued, Read, Received, Sent};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_603_600 + second).unwrap()
    }

    fn channel() -> ChannelId {
        ChannelId::from_uuid(Uuid::from_u128(2))
    }

    fn conversation() -> Conversation {
        let id = Uuid::from_u128(1);
        let (business, contact) = (BusinessId::from_uuid(id), ContactId::from_uuid(id));
        let id = ConversationId::from_uuid(id);
        Conversation::new(id, business, channel(), contact, Owner::Queue, at(0))
    }

    fn queued() -> Message {
        let (id, content) = (MessageId::from_uuid(Uuid::from_u128(3)), Content::text("hi"));
        let author = Author::System;
        Message::written(id, &mut conversation(), Direction::Outbound, author, content, at(0))
    }

    fn counted(rollup: &Rollup) -> Vec<(CounterKind, u64)> {
        rollup.rows().map(|(key, count)| (key.kind, count)).collect()
    }

    #[test]
    fn kinds_have_names() {
        for kind in CounterKind::ALL {
            assert_eq!(CounterKind::from_name(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(CounterKind::from_name("queued"), None);
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc() {
        let days = ["2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00Z", "1969-12-31T23:00:00Z"];
        let days = days.map(|moment| day_of(moment.parse().unwrap()).to_string());
        assert_eq!(days, ["2026-11-24", "2026-11-25", "1969-12-31"]);
    }

    #[test]
    fn a_failure_counts_beside_what_was_sent() {
        let (mut rollup, mut message) = (Rollup::default(), queued());
        for news in [Sent, Failed, Failed, Delivered] {
            rollup.hear(channel(), &mut message, (news, at(1), None));
        }
        assert_eq!(counted(&rollup), [(CounterKind::Sent, 1), (CounterKind::Failed, 1)]);
    }

    #[test]
    fn a_conversation_counts_when_it_opens_and_closes() {
        let (mut rollup, mut conversation) = (Rollup::default(), conversation());
        rollup.follow(None, &conversation, at(0));
        let assign = ConversationChange::Assign { owner: Owner::Bot };
        for change in [assign.clone(), ConversationChange::Close, ConversationChange::Close, assign]
        {
            let before = Some(conversation.status);
            conversation.apply(&change, at(1));
            rollup.follow(before, &conversation, at(1));
        }
        let expected =
            [(CounterKind::ConversationsOpened, 2), (CounterKind::ConversationsClosed, 1)];
        assert_eq!(counted(&rollup), expected);
    }

    proptest! {
        /// Whatever comes in whatever order: each kind counts once, by where the message ends.
        #[test]
        fn a_message_counts_for_what_it_reached(news in prop::collection::vec(
            prop::sample::select(vec![Received, Queued, Sent, Delivered, Read, Failed]), 0..12)) {
            let (mut rollup, mut message) = (Rollup::default(), queued());
            for next in news {
                rollup.hear(channel(), &mut message, (next, at(1), None));
            }
            let sent = message.timeline.sent_at.is_some();
            let expected: &[CounterKind] = match message.status {
                Received | Queued => &[],
                Sent => &[CounterKind::Sent],
                Delivered => &[CounterKind::Sent, CounterKind::Delivered],
                Read => &[CounterKind::Sent, CounterKind::Delivered, CounterKind::Read],
                Failed if sent => &[CounterKind::Sent, CounterKind::Failed],
                Failed => &[CounterKind::Failed],
            };
            let expected: Vec<_> = expected.iter().map(|kind| (*kind, 1)).collect();
            prop_assert_eq!(counted(&rollup), expected);
        }
    }
}
