use justping_core::port::store::StoreResult;
use sqlx::query;

use super::write::{add_counters, bind_counters, bind_messages};
use crate::decision::{Delivery, PARKED_MAX};
use crate::postgres::connection::{Bound, Write};
use crate::postgres::row::{bytes, count, millis, statements, to_doc};

statements! {
    /// Makes those who deal with the same references wait for each other: news is parked for a
    /// reference or finds its message, but never misses it. The locks end with the transaction.
    LOCK_REFERENCES = "SELECT pg_advisory_xact_lock(v.key) \
        FROM (SELECT DISTINCT key FROM unnest($1::bigint[]) k (key) ORDER BY key) v";
    DELIVERY_WRITE = concat!(
        "WITH heard AS ( \
            UPDATE messages g SET doc = v.doc \
            FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[]) \
                v (b, c, s, at, doc) \
            WHERE g.business_id = v.b AND g.conversation_id = v.c AND g.seq = v.s \
                AND g.created_at = v.at), \
        ended AS ( \
            DELETE FROM outbox o USING unnest($6::uuid[], $7::uuid[], $8::bigint[]) v (b, c, s) \
            WHERE o.business_id = v.b AND o.conversation_id = v.c AND o.seq = v.s), \
        settled AS ( \
            UPDATE outbox o SET phase = 0, unknown = v.unknown, due_at = v.due_at, \
                attempts = o.attempts - v.deferred::int, lease_until = NULL \
            FROM unnest($9::uuid[], $10::uuid[], $11::bigint[], $12::bool[], $13::bigint[], \
                $14::bool[]) v (b, c, s, unknown, due_at, deferred) \
            WHERE o.business_id = v.b AND o.conversation_id = v.c AND o.seq = v.s), \
        tallied AS (", add_counters!("$21", "$22", "$23", "$24", "$25"), ") \
        INSERT INTO sent_refs (business_id, channel_id, provider_ref, conversation_id, seq, \
            created_at) \
        SELECT * FROM unnest($15::uuid[], $16::uuid[], $17::bytea[], $18::uuid[], $19::bigint[], \
            $20::bigint[]) \
        ON CONFLICT DO NOTHING"
    );
    UNPARK = "DELETE FROM parked_statuses p USING unnest($1::uuid[], $2::bytea[]) v (c, r) \
        WHERE p.channel_id = v.c AND p.provider_ref = v.r AND p.business_id IN ( \
            SELECT h.business_id FROM channels h WHERE h.id = v.c)";
    /// The business of a channel never changes.
    PARK = "INSERT INTO parked_statuses (business_id, channel_id, provider_ref, status, doc) \
        SELECT h.business_id, v.c, v.r, v.status, v.doc \
        FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[]) WITH ORDINALITY \
                v (c, r, status, doc, ord) JOIN channels h ON h.id = v.c \
        ORDER BY v.ord \
        ON CONFLICT DO NOTHING";
    TRIM_PARKED = "DELETE FROM parked_statuses \
        WHERE id <= (SELECT max(id) FROM parked_statuses) - $1";
}

/// A key for the lock of a reference (FNV-1a): the same in every process and every version. Two
/// references that share one only wait for each other.
pub(super) fn lock_key(reference: &str) -> i64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    reference.bytes().fold(BASIS, mix).cast_signed()
}

/// Locks the references of a batch.
pub(super) async fn lock<'a>(
    write: &mut Write,
    references: impl Iterator<Item = &'a str>,
) -> StoreResult<()> {
    let keys: Vec<i64> = references.map(lock_key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    write.run(query(LOCK_REFERENCES).bind(keys)).await.map(drop)
}

/// Writes what became of a batch of news.
pub(super) async fn writes(write: &mut Write, delivery: &Delivery) -> StoreResult<()> {
    write.run(changes(delivery)?).await?;
    let unparked: (Vec<_>, Vec<_>) =
        delivery.unparked().iter().map(|(channel, name)| (channel.uuid(), bytes(name))).unzip();
    if !unparked.0.is_empty() {
        write.run(query(UNPARK).bind(unparked.0).bind(unparked.1)).await?;
    }
    let mut waiting = (vec![], vec![], vec![], vec![]);
    for ((channel, name), update) in delivery.waiting() {
        waiting.0.push(channel.uuid());
        waiting.1.push(bytes(name));
        waiting.2.push(update.status.as_str());
        waiting.3.push(to_doc(update)?);
    }
    if !waiting.0.is_empty() {
        let park = query(PARK).bind(waiting.0).bind(waiting.1).bind(waiting.2).bind(waiting.3);
        write.run(park).await?;
        write.run(query(TRIM_PARKED).bind(PARKED_MAX)).await?;
    }
    Ok(())
}

fn changes(delivery: &Delivery) -> StoreResult<Bound> {
    let bound = bind_messages(query(DELIVERY_WRITE), delivery.changed())?;
    let mut ended = (vec![], vec![], vec![]);
    for (business, (id, seq)) in &delivery.ended {
        ended.0.push(business.uuid());
        ended.1.push(id.uuid());
        ended.2.push(count(*seq));
    }
    let bound = bound.bind(ended.0).bind(ended.1).bind(ended.2);
    let mut settled = (vec![], vec![], vec![], vec![], vec![], vec![]);
    for ((id, seq), row) in &delivery.settled {
        settled.0.push(row.business.uuid());
        settled.1.push(id.uuid());
        settled.2.push(count(*seq));
        settled.3.push(row.unknown);
        settled.4.push(row.due_at);
        settled.5.push(row.deferred);
    }
    let bound = bound.bind(settled.0).bind(settled.1).bind(settled.2);
    let bound = bound.bind(settled.3).bind(settled.4).bind(settled.5);
    let mut named = (vec![], vec![], vec![], vec![], vec![], vec![]);
    for ((channel, name), one) in delivery.named() {
        named.0.push(one.business.uuid());
        named.1.push(channel.uuid());
        named.2.push(bytes(name));
        named.3.push(one.place.0.uuid());
        named.4.push(count(one.place.1));
        let message = delivery.message(one.business, one.place);
        named.5.push(message.map(|message| millis(message.created_at)));
    }
    let bound = bound.bind(named.0).bind(named.1).bind(named.2);
    let bound = bound.bind(named.3).bind(named.4).bind(named.5);
    Ok(bind_counters(bound, &delivery.counters))
}
