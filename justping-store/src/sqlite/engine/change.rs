use justping_core::model::{
    BusinessId, Conversation, ConversationChange, ConversationId, Rollup, Session, SessionStatus,
    Timestamp,
};
use justping_core::port::store::{StoreError, StoreResult};
use sqlx::query;

use super::commit_turn::session_row;
use super::write::{
    add_counters, conversation_row, counters, events, insert_events, rows, update_conversations,
};
use crate::decision::Events;
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{get, get_doc, parse_doc, statements};

statements! {
    CHANGE_READ = "BEGIN IMMEDIATE; \
        SELECT n.doc, s.doc FROM conversations n \
            LEFT JOIN sessions s ON s.business_id = n.business_id AND s.id = n.session_id \
        WHERE n.business_id = $1 AND n.id = $2";
    CHANGE_WRITE = concat!(
        update_conversations!("$1"), insert_events!("$2"), add_counters!("$3"), "COMMIT"
    );
    CLOSE_WRITE = concat!(
        update_conversations!("$1"), insert_events!("$2"),
        "UPDATE conversations SET session_id = NULL WHERE business_id = $3 AND id = $4; \
        UPDATE sessions SET doc = v.value -> 3, live = NULL FROM json_each($5) v \
            WHERE business_id = $3 AND sessions.id = unhex(v.value ->> 1); \
        DELETE FROM timers WHERE business_id = $3 AND conversation_id = $4; \
        DELETE FROM calls WHERE business_id = $3 AND conversation_id = $4; \
        DELETE FROM mailbox INDEXED BY mailbox_conversation \
            WHERE business_id = $3 AND conversation_id = $4; ",
        add_counters!("$6"), "COMMIT"
    );
}

/// Changes a conversation. Closing cancels the waiting session with its timers and calls and
/// empties the mailbox.
pub(in crate::sqlite) async fn run(
    write: &mut Write<'_>,
    (business, id): (BusinessId, ConversationId),
    change: &ConversationChange,
    now: Timestamp,
) -> StoreResult<Conversation> {
    let read = query(CHANGE_READ).bind(business.uuid()).bind(id.uuid());
    let found = write.begin(read).await?;
    let row = found.first().ok_or(StoreError::NotFound("conversation"))?;
    let mut conversation: Conversation = get_doc(row, 0, "conversation")?;
    let (mut news, mut counted) = (Events::default(), Rollup::default());
    let before = conversation.status;
    if conversation.apply(change, now) {
        news.updated(&conversation, now);
        counted.follow(Some(before), &conversation, now);
    }
    let conversations = rows([conversation_row(&conversation)])?;
    let bound = if *change == ConversationChange::Close {
        let session: Option<&str> = get(row, 1)?;
        let session = session.map(|doc| parse_doc(doc, "session")).transpose()?;
        close(&conversation, conversations, &news, session, now)?
    } else {
        query(CHANGE_WRITE).bind(conversations).bind(events(&news)?)
    };
    write.commit(bound.bind(counters(&counted)?)).await?;
    Ok(conversation)
}

fn close(
    conversation: &Conversation,
    conversations: String,
    news: &Events,
    waiting: Option<Session>,
    now: Timestamp,
) -> StoreResult<Bound> {
    let cancelled = waiting.map(|session| Session {
        status: SessionStatus::Cancelled,
        updated_at: now,
        ..session
    });
    Ok(query(CLOSE_WRITE)
        .bind(conversations)
        .bind(events(news)?)
        .bind(conversation.business_id.uuid())
        .bind(conversation.id.uuid())
        .bind(rows(cancelled.iter().map(session_row))?))
}
