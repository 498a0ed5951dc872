use justping_core::model::{Conversation, EventBody, Rollup};
use justping_core::port::store::{StoreError, StoreResult};
use sqlx::query;

use super::write::{
    add_counters, bind_conversations, bind_counters, bind_events, conversations, with_events,
};
use crate::decision::Events;
use crate::postgres::connection::Write;
use crate::postgres::row::{get, parse_doc, statements};

statements! {
    /// Two flags: whether the channel and the contact exist; then the conversation that they have,
    /// along the one index that has this order, however empty the table was.
    OPEN_READ = "SELECT EXISTS (SELECT 1 FROM channels WHERE business_id = $1 AND id = $2), \
        EXISTS (SELECT 1 FROM contacts WHERE business_id = $1 AND id = $3), \
        (SELECT n.doc FROM ( \
            SELECT contact_id, channel_id, doc FROM conversations \
            WHERE (business_id, contact_id, channel_id) >= ($1, $3, $2) AND business_id <= $1 \
            ORDER BY business_id, contact_id, channel_id LIMIT 1) n \
            WHERE n.contact_id = $3 AND n.channel_id = $2)";
    /// Somebody else's comes back as no row: then all of it is read again.
    OPEN_INSERT = concat!(
        "INSERT INTO conversations (business_id, id, channel_id, contact_id, status, owner, \
                last_message_at, not_before, doc) SELECT * FROM ",
        conversations!("$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9"),
        " ON CONFLICT (business_id, contact_id, channel_id) DO NOTHING RETURNING 1"
    );
    OPEN_NEWS = concat!(
        "WITH ", with_events!("$1", "$2"),
        ", tallied AS (", add_counters!("$3", "$4", "$5", "$6", "$7"), ") SELECT 1"
    );
}

/// Adds a conversation, unless the contact has one on the channel.
pub(in crate::postgres) async fn run(
    write: &mut Write,
    row: &Conversation,
) -> StoreResult<Conversation> {
    let read = query(OPEN_READ)
        .bind(row.business_id.uuid())
        .bind(row.channel_id.uuid())
        .bind(row.contact_id.uuid());
    let found = write.run(read).await?;
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
    let insert = bind_conversations(query(OPEN_INSERT), std::iter::once(row))?;
    if write.run(insert).await?.is_empty() {
        return Err(write.overtaken());
    }
    let (mut news, mut counted) = (Events::default(), Rollup::default());
    let body = EventBody::ConversationCreated { conversation: row.clone() };
    news.record(row.business_id, Some(row.id), row.created_at, body);
    counted.follow(None, row, row.created_at);
    write.run(bind_counters(bind_events(query(OPEN_NEWS), &news)?, &counted)).await?;
    Ok(row.clone())
}
