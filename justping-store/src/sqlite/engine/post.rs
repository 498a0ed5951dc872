use justping_core::port::store::{Post, StoreResult, TurnCommitted};
use sqlx::query;

use super::write::{
    add_counters, conversation_row, counters, events, insert_events, insert_messages,
    insert_outbox, insert_places, message_row, outbox_row, place_row, rows, update_conversations,
};
use crate::decision::PostDesk;
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, count, get_doc, statements};

statements! {
    POST_READ = "BEGIN IMMEDIATE; \
        SELECT n.doc FROM json_each($1) v CROSS JOIN conversations n \
            ON n.business_id = unhex(v.value ->> 0) AND n.id = unhex(v.value ->> 1)";
    REFERENCE_READ = "SELECT 1 FROM received_refs WHERE channel_id = $1 AND provider_ref = $2";
    REFERENCE_WRITE = "INSERT OR ROLLBACK INTO received_refs \
        (channel_id, provider_ref, conversation_id, seq) VALUES ($1, $2, $3, $4)";
    POST_WRITE = concat!(
        update_conversations!("$1"), insert_messages!("$2"), insert_outbox!("$3"),
        insert_events!("$4"), insert_places!("$5"), add_counters!("$6"), "COMMIT"
    );
}

pub(super) async fn run(
    write: &mut Write<'_>,
    batch: Vec<Post>,
) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
    let keys =
        batch.iter().map(|post| (Hex(post.business_id.uuid()), Hex(post.conversation_id.uuid())));
    let mut desk = PostDesk::default();
    for row in write.begin(query(POST_READ).bind(rows(keys)?)).await? {
        desk.add(get_doc(&row, 0, "conversation")?);
    }
    for (_, channel, name) in desk.named(&batch) {
        let read = query(REFERENCE_READ).bind(channel.uuid()).bind(name.to_string());
        if !write.run(read).await?.is_empty() {
            desk.add_known(channel, &name);
        }
    }
    let outcomes: Vec<_> = batch.into_iter().map(|post| desk.post(post)).collect();
    for row in &desk.references {
        let name =
            query(REFERENCE_WRITE).bind(row.channel_id.uuid()).bind(row.provider_ref.clone());
        write.run(name.bind(row.conversation_id.uuid()).bind(count(row.seq))).await?;
    }
    write.commit(writes(&desk, &outcomes)?).await?;
    Ok(outcomes)
}

fn writes(desk: &PostDesk, outcomes: &[StoreResult<TurnCommitted>]) -> StoreResult<Bound> {
    let messages = outcomes.iter().flatten().flat_map(|outcome| &outcome.messages);
    Ok(query(POST_WRITE)
        .bind(rows(desk.conversations().map(conversation_row))?)
        .bind(rows(messages.clone().map(message_row))?)
        .bind(rows(desk.outbox.iter().map(outbox_row))?)
        .bind(events(&desk.events)?)
        .bind(rows(messages.map(place_row))?)
        .bind(counters(&desk.counters)?))
}
