//! Messages written outside a turn.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use justping_core::model::{
    BusinessId, ChannelId, Conversation, ConversationChange, ConversationId, Message, OutboxRow,
    Rollup,
};
use justping_core::port::store::{Post, StoreError, StoreResult, TurnCommitted};

use super::turn::check_directions;
use super::{Events, Received};

/// The conversations of a batch, and what is to be written about them.
#[derive(Default)]
pub(crate) struct PostDesk {
    conversations: HashMap<(BusinessId, ConversationId), Conversation>,
    /// What providers call messages that are there.
    known: HashSet<(ChannelId, String)>,
    /// References to be written.
    pub(crate) references: Vec<Received>,
    pub(crate) outbox: Vec<OutboxRow>,
    pub(crate) events: Events,
    pub(crate) counters: Rollup,
}

impl PostDesk {
    /// A conversation as it stands.
    pub(crate) fn add(&mut self, conversation: Conversation) {
        self.conversations.insert((conversation.business_id, conversation.id), conversation);
    }

    /// What the channels call the messages of a batch, in their order.
    pub(crate) fn named<'p>(
        &self,
        batch: &'p [Post],
    ) -> Vec<(BusinessId, ChannelId, Cow<'p, str>)> {
        let named = batch.iter().filter_map(|post| {
            let conversation = self.conversations.get(&(post.business_id, post.conversation_id))?;
            Some((post.business_id, conversation.channel_id, post.reference()?))
        });
        named.collect()
    }

    /// One of those, of a message that is there.
    pub(crate) fn add_known(&mut self, channel: ChannelId, provider_ref: &str) {
        self.known.insert((channel, provider_ref.to_owned()));
    }

    /// The conversations to be written.
    pub(crate) fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.values()
    }

    /// Appends a message; nothing happens when it is refused.
    pub(crate) fn post(&mut self, post: Post) -> StoreResult<TurnCommitted> {
        let key = (post.business_id, post.conversation_id);
        let conversation = self.conversations.get_mut(&key);
        let conversation = conversation.ok_or(StoreError::NotFound("conversation"))?;
        check_directions([post.direction])?;
        let reference = post.reference().map(Cow::into_owned);
        if let Some(reference) = &reference
            && !self.known.insert((conversation.channel_id, reference.clone()))
        {
            return Err(StoreError::Conflict("message"));
        }
        let before = conversation.status;
        let changed = post.owner.is_some_and(|owner| {
            conversation.apply(&ConversationChange::Assign { owner }, post.now)
        });
        self.counters.follow(Some(before), conversation, post.now);
        let message = Message {
            reply_to: post.reply_to,
            provider_ref: post.provider_ref,
            ..Message::written(
                post.message_id,
                conversation,
                post.direction,
                post.author,
                post.content,
                post.now,
            )
        };
        self.references.extend(reference.map(|name| Received::named(name, &message, conversation)));
        self.outbox.extend(OutboxRow::of(&message, conversation, post.lane, post.now));
        if changed {
            self.events.updated(conversation, post.now);
        }
        Ok(TurnCommitted { conversation: conversation.clone(), messages: vec![message] })
    }
}
