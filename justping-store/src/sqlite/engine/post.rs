use std::collections::HashMap;

use justping_core::model::{
    BusinessId, Conversation, ConversationChange, ConversationId, Message, OutboxRow,
};
use justping_core::port::store::{Post, StoreError, StoreResult, TurnCommitted};
use sqlx::query;

use super::commit_turn::check_directions;
use super::write::{
    Events, conversation_row, insert_events, insert_messages, insert_outbox, message_row,
    outbox_row, rows, update_conversations,
};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, get_doc, statements};

statements! {
    POST_READ = "BEGIN IMMEDIATE; \
        SELECT n.doc FROM json_each($1) v CROSS JOIN conversations n \
            ON n.business_id = unhex(v.value ->> 0) AND n.id = unhex(v.value ->> 1)";
    POST_WRITE = concat!(
        update_conversations!("$1"), insert_messages!("$2"), insert_outbox!("$3"),
        insert_events!("$4"), "COMMIT"
    );
}

pub(super) async fn run(
    write: &mut Write<'_>,
    batch: Vec<Post>,
) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
    let keys =
        batch.iter().map(|post| (Hex(post.business_id.uuid()), Hex(post.conversation_id.uuid())));
    let mut desk = Desk::default();
    for row in write.begin(query(POST_READ).bind(rows(keys)?)).await? {
        let conversation: Conversation = get_doc(&row, 0, "conversation")?;
        desk.conversations.insert((conversation.business_id, conversation.id), conversation);
    }
    let outcomes: Vec<_> = batch.into_iter().map(|post| desk.post(post)).collect();
    write.commit(desk.writes(&outcomes)?).await?;
    Ok(outcomes)
}

/// The conversations of a batch, and what is to be written about them.
#[derive(Default)]
struct Desk {
    conversations: HashMap<(BusinessId, ConversationId), Conversation>,
    outbox: Vec<OutboxRow>,
    events: Events,
}

impl Desk {
    fn post(&mut self, post: Post) -> StoreResult<TurnCommitted> {
        let key = (post.business_id, post.conversation_id);
        let conversation = self.conversations.get_mut(&key);
        let conversation = conversation.ok_or(StoreError::NotFound("conversation"))?;
        check_directions([post.direction])?;
        let changed = post.owner.is_some_and(|owner| {
            conversation.apply(&ConversationChange::Assign { owner }, post.now)
        });
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

    fn writes(&self, outcomes: &[StoreResult<TurnCommitted>]) -> StoreResult<Bound> {
        let messages = outcomes.iter().flatten().flat_map(|outcome| &outcome.messages);
        Ok(query(POST_WRITE)
            .bind(rows(self.conversations.values().map(conversation_row))?)
            .bind(rows(messages.map(message_row))?)
            .bind(rows(self.outbox.iter().map(outbox_row))?)
            .bind(self.events.batch()?))
    }
}
