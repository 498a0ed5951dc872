//! Messages written outside a turn.

use std::collections::HashMap;

use justping_core::model::{
    BusinessId, Conversation, ConversationChange, ConversationId, Message, OutboxRow, Rollup,
};
use justping_core::port::store::{Post, StoreError, StoreResult, TurnCommitted};

use super::Events;
use super::turn::check_directions;

/// The conversations of a batch, and what is to be written about them.
#[derive(Default)]
pub(crate) struct PostDesk {
    conversations: HashMap<(BusinessId, ConversationId), Conversation>,
    pub(crate) outbox: Vec<OutboxRow>,
    pub(crate) events: Events,
    pub(crate) counters: Rollup,
}

impl PostDesk {
    /// A conversation as it stands.
    pub(crate) fn add(&mut self, conversation: Conversation) {
        self.conversations.insert((conversation.business_id, conversation.id), conversation);
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
        let before = conversation.status;
        let changed = post.owner.is_some_and(|owner| {
            conversation.apply(&ConversationChange::Assign { owner }, post.now)
        });
        self.counters.follow(Some(before), conversation, post.now);
        let message = Message {
            reply_to: post.reply_to,
            ..Message::written(
                post.message_id,
                conversation,
                post.direction,
                post.author,
                post.content,
                post.now,
            )
        };
        self.outbox.extend(OutboxRow::of(&message, conversation, post.lane, post.now));
        if changed {
            self.events.updated(conversation, post.now);
        }
        Ok(TurnCommitted { conversation: conversation.clone(), messages: vec![message] })
    }
}
