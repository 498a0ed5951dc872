use std::collections::BTreeSet;

use justping_core::port::store::{Post, StoreResult, TurnCommitted};
use sqlx::query;

use super::write::{
    add_counters, bind_conversations, bind_counters, bind_events, bind_messages, bind_outbox,
    bind_references, insert_messages, insert_outbox, insert_references, update_conversations,
    with_events,
};
use crate::decision::{PostDesk, Received};
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{bytes, get_doc, get_index, statements};

statements! {
    POST_LOCK = "SELECT n.doc FROM conversations n \
            JOIN unnest($1::uuid[], $2::uuid[]) v (b, id) ON n.business_id = v.b AND n.id = v.id \
        ORDER BY n.business_id, n.id FOR UPDATE OF n";
    /// The places of the references that are known.
    REFERENCES_READ = "SELECT v.ord \
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY \
                v (business_id, channel_id, provider_ref, ord) \
            CROSS JOIN LATERAL ( \
                SELECT 1 FROM received_refs x \
                WHERE x.business_id = v.business_id AND x.channel_id = v.channel_id \
                    AND x.provider_ref = v.provider_ref LIMIT 1) r";
    REFERENCES_WRITE = insert_references!("$1", "$2", "$3", "$4", "$5", "$6");
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
    read_references(write, &mut desk, &batch).await?;
    let outcomes: Vec<_> = batch.into_iter().map(|post| desk.post(post)).collect();
    write_references(write, &desk.references).await?;
    write.run(writes(&desk, &outcomes)?).await?;
    Ok(outcomes)
}

/// Reads which references of a batch are known; the conversations are locked by then.
async fn read_references(
    write: &mut Write,
    desk: &mut PostDesk,
    batch: &[Post],
) -> StoreResult<()> {
    let named = desk.named(batch);
    if named.is_empty() {
        return Ok(());
    }
    let mut columns = (vec![], vec![], vec![]);
    for (business, channel, name) in &named {
        columns.0.push(business.uuid());
        columns.1.push(channel.uuid());
        columns.2.push(bytes(name));
    }
    let read = query(REFERENCES_READ).bind(columns.0).bind(columns.1).bind(columns.2);
    for row in write.run(read).await? {
        if let Some((_, channel, name)) = named.get(get_index(&row, 0)?) {
            desk.add_known(*channel, name);
        }
    }
    Ok(())
}

/// Another conversation may have got a reference meanwhile: then all of it is read again.
async fn write_references(write: &mut Write, references: &[Received]) -> StoreResult<()> {
    if references.is_empty() {
        return Ok(());
    }
    let (bound, moments) = bind_references(query(REFERENCES_WRITE), references);
    match write.run(bound.bind(moments)).await?.len() == references.len() {
        true => Ok(()),
        false => Err(write.overtaken()),
    }
}

fn writes(desk: &PostDesk, outcomes: &[StoreResult<TurnCommitted>]) -> StoreResult<Bound> {
    let messages = outcomes.iter().flatten().flat_map(|outcome| &outcome.messages);
    let bound = bind_conversations(query(POST_WRITE), desk.conversations())?;
    let bound = bind_messages(bound, messages)?;
    let bound = bind_events(bind_outbox(bound, desk.outbox.iter())?, &desk.events)?;
    Ok(bind_counters(bound, &desk.counters))
}
