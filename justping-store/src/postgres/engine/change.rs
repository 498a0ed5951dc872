use justping_core::model::{
    BusinessId, Conversation, ConversationChange, ConversationId, Rollup, Session, SessionStatus,
    Timestamp,
};
use justping_core::port::store::{StoreError, StoreResult};
use sqlx::query;

use super::commit_turn::bind_sessions;
use super::write::{
    add_counters, bind_conversations, bind_counters, bind_events, update_conversations, with_events,
};
use crate::decision::Events;
use crate::postgres::connection::Write;
use crate::postgres::row::{get, get_doc, statements};

statements! {
    CHANGE_LOCK = "SELECT doc, session_id FROM conversations \
        WHERE business_id = $1 AND id = $2 FOR UPDATE";
    WAITING_SESSION = "SELECT doc FROM sessions WHERE business_id = $1 AND id = $2";
    CHANGE_WRITE = concat!(
        "WITH moved AS (", update_conversations!(
            "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9"), "), ",
        with_events!("$10", "$11"),
        ", tallied AS (", add_counters!("$12", "$13", "$14", "$15", "$16"), ") SELECT 1"
    );
    END_SESSION = "UPDATE sessions s SET doc = v.doc, live = NULL \
        FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) v (b, id, c, doc) \
        WHERE s.business_id = v.b AND s.id = v.id";
    CLOSE_WRITE = "WITH freed AS ( \
            UPDATE conversations SET session_id = NULL WHERE business_id = $1 AND id = $2), \
        untimed AS (DELETE FROM timers WHERE business_id = $1 AND conversation_id = $2), \
        uncalled AS (DELETE FROM calls WHERE business_id = $1 AND conversation_id = $2) \
        DELETE FROM mailbox WHERE business_id = $1 AND conversation_id = $2";
}

/// Changes a conversation. Closing cancels the waiting session with its timers and calls and
/// empties the mailbox.
pub(in crate::postgres) async fn run(
    write: &mut Write,
    (business, id): (BusinessId, ConversationId),
    change: &ConversationChange,
    now: Timestamp,
) -> StoreResult<Conversation> {
    let rows = write.run(query(CHANGE_LOCK).bind(business.uuid()).bind(id.uuid())).await?;
    let row = rows.first().ok_or(StoreError::NotFound("conversation"))?;
    let mut conversation: Conversation = get_doc(row, 0, "conversation")?;
    let (mut news, mut counted) = (Events::default(), Rollup::default());
    let before = conversation.status;
    if conversation.apply(change, now) {
        news.updated(&conversation, now);
        counted.follow(Some(before), &conversation, now);
    }
    if *change == ConversationChange::Close {
        close(write, (business, id), get(row, 1)?, now).await?;
    }
    let bound = bind_conversations(query(CHANGE_WRITE), std::iter::once(&conversation))?;
    write.run(bind_counters(bind_events(bound, &news)?, &counted)).await?;
    Ok(conversation)
}

async fn close(
    write: &mut Write,
    (business, id): (BusinessId, ConversationId),
    waiting: Option<uuid::Uuid>,
    now: Timestamp,
) -> StoreResult<()> {
    if let Some(waiting) = waiting {
        let find = query(WAITING_SESSION).bind(business.uuid()).bind(waiting);
        let mut cancelled = Vec::new();
        for row in write.run(find).await? {
            let session: Session = get_doc(&row, 0, "session")?;
            let status = SessionStatus::Cancelled;
            cancelled.push(Session { status, updated_at: now, ..session });
        }
        write.run(bind_sessions(query(END_SESSION), cancelled.iter())?).await?;
    }
    let close = query(CLOSE_WRITE).bind(business.uuid()).bind(id.uuid());
    write.run(close).await.map(drop)
}
