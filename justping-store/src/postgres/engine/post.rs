use std::collections::BTreeSet;

use justping_core::port::store::{Post, StoreResult, TurnCommitted};
use sqlx::query;

use super::write::{
    add_counters, bind_conversations, bind_counters, bind_events, bind_messages, bind_outbox,
    insert_messages, insert_outbox, update_conversations, with_events,
};
use crate::decision::PostDesk;
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{get_doc, statements};

statements! {
    POST_LOCK = "SELECT n.doc FROM conversations n \
            JOIN unnest($1::uuid[], $2::uuid[]) v (b, id) ON n.business_id = v.b AND n.id = v.id \
        ORDER BY n.business_id, n.id FOR UPDATE OF n";
    POST_WRITE = concat!(
        "WITH moved AS (", update_conversations!(
            "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9"), "), \
        written AS (", insert_messages!("$10", "$11", "$12", "$13", "$14"), "), \
        queued AS (", insert_outbox!(
            "$15", "$16", "$17", "$18", "$19", "$20", "$21", "$22", "$23", "$24"), "), ",
        with_events!("$25", "$26"),
        ", tallied AS (", add_counters!("$27", "$28", "$29", "$30", "$31"), ") SELECT 1"
    );
}

pub(super) async fn run(
    write: &mut Write,
    batch: Vec<Post>,
) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
    let keys: BTreeSet<_> =
        batch.iter().map(|post| (post.business_id.uuid(), post.conversation_id.uuid())).collect();
    let columns: (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let mut desk = PostDesk::default();
    for row in write.run(query(POST_LOCK).bind(columns.0).bind(columns.1)).await? {
        desk.add(get_doc(&row, 0, "conversation")?);
    }
    let outcomes: Vec<_> = batch.into_iter().map(|post| desk.post(post)).collect();
    write.run(writes(&desk, &outcomes)?).await?;
    Ok(outcomes)
}

fn writes(desk: &PostDesk, outcomes: &[StoreResult<TurnCommitted>]) -> StoreResult<Bound> {
    let messages = outcomes.iter().flatten().flat_map(|outcome| &outcome.messages);
    let bound = bind_conversations(query(POST_WRITE), desk.conversations())?;
    let bound = bind_messages(bound, messages)?;
    let bound = bind_events(bind_outbox(bound, desk.outbox.iter())?, &desk.events)?;
    Ok(bind_counters(bound, &desk.counters))
}
