use justping_core::model::{Conversation, EventBody, Rollup};
use justping_core::port::store::{StoreError, StoreResult};
use sqlx::query;

use super::write::{add_counters, conversation_row, counters, events, insert_events, rows};
use crate::decision::Events;
use crate::sqlite::connection::Write;
use crate::sqlite::row::{get, parse_doc, statements};

statements! {
    /// Two flags: whether the channel and the contact exist; then the conversation that they have.
    OPEN_READ = "BEGIN IMMEDIATE; \
        SELECT EXISTS (SELECT 1 FROM channels WHERE business_id = $1 AND id = $2), \
            EXISTS (SELECT 1 FROM contacts WHERE business_id = $1 AND id = $3), \
            (SELECT doc FROM conversations \
                WHERE business_id = $1 AND contact_id = $3 AND channel_id = $2)";
    OPEN_WRITE = concat!(
        "INSERT OR ROLLBACK INTO conversations (business_id, id, channel_id, contact_id, status, \
                owner, last_message_at, not_before, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), \
                unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
                value -> 8 FROM json_each($1); ",
        insert_events!("$2"), add_counters!("$3"), "COMMIT"
    );
}

/// Adds a conversation, unless the contact has one on the channel.
pub(in crate::sqlite) async fn run(
    write: &mut Write<'_>,
    row: &Conversation,
) -> StoreResult<Conversation> {
    let read = query(OPEN_READ)
        .bind(row.business_id.uuid())
        .bind(row.channel_id.uuid())
        .bind(row.contact_id.uuid());
    let found = write.begin(read).await?;
    let found = found.first().ok_or(StoreError::NotFound("channel"))?;
    if !get::<bool>(found, 0)? {
        return Err(StoreError::NotFound("channel"));
    }
    if !get::<bool>(found, 1)? {
        return Err(StoreError::NotFound("contact"));
    }
    if let Some(doc) = get::<Option<&str>>(found, 2)? {
        return parse_doc(doc, "conversation");
    }
    let (mut news, mut counted) = (Events::default(), Rollup::default());
    let body = EventBody::ConversationCreated { conversation: row.clone() };
    news.record(row.business_id, Some(row.id), row.created_at, body);
    counted.follow(None, row, row.created_at);
    let bound = query(OPEN_WRITE).bind(rows([conversation_row(row)])?).bind(events(&news)?);
    write.commit(bound.bind(counters(&counted)?)).await?;
    Ok(row.clone())
}
