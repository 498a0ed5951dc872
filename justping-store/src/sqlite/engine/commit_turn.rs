use std::collections::BTreeSet;

use justping_core::model::{
    BusinessId, Call, CallId, ConversationId, Session, SessionId, Timer, TimerId,
};
use justping_core::port::store::{StoreResult, TurnCommit, TurnCommitted};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::{
    add_counters, contact_row, conversation_row, counters, events, insert_events, insert_messages,
    insert_outbox, insert_places, message_row, outbox_row, place_row, rows, update_contacts,
    update_conversations,
};
use crate::decision::{Key, Ledger, Turn, named_groups};
use crate::document::live_column;
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::group::{around, move_groups};
use crate::sqlite::row::{Hex, get, get_count, get_doc, millis, parse_doc, statements};

statements! {
    /// The conversations of the batch (0), the owners of its sessions (1) and timers (2), and
    /// those of its calls that exist (3).
    COMMIT_READ = "BEGIN IMMEDIATE; \
        SELECT 0, n.fence, n.lease_until IS NOT NULL, n.doc, s.doc, \
            CASE WHEN v.value ->> 2 THEN c.doc END \
        FROM json_each($1) v \
            CROSS JOIN conversations n ON n.business_id = unhex(v.value ->> 0) \
                AND n.id = unhex(v.value ->> 1) \
            LEFT JOIN sessions s ON s.business_id = n.business_id AND s.id = n.session_id \
            LEFT JOIN contacts c ON c.business_id = n.business_id AND c.id = n.contact_id; \
        SELECT 1, s.business_id, s.id, s.conversation_id FROM json_each($2) v \
            CROSS JOIN sessions s ON s.business_id = unhex(v.value ->> 0) \
                AND s.id = unhex(v.value ->> 1); \
        SELECT 2, t.id, t.business_id, t.conversation_id FROM json_each($3) v \
            CROSS JOIN timers t ON t.id = unhex(v.value); \
        SELECT 3, l.id, l.business_id, l.conversation_id FROM json_each($4) v \
            CROSS JOIN calls l ON l.id = unhex(v.value)";
    COMMIT_WRITE = concat!(
        update_conversations!("$1"),
        "UPDATE conversations SET lease_until = NULL, session_id = unhex(v.value ->> 2) \
            FROM json_each($2) v \
            WHERE business_id = unhex(v.value ->> 0) AND conversations.id = unhex(v.value ->> 1); \
        INSERT OR REPLACE INTO sessions (business_id, id, conversation_id, doc, live) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), value -> 3, \
                value ->> 4 \
            FROM json_each($3); \
        INSERT OR REPLACE INTO trace_steps \
                (business_id, session_id, number, input, effects, state) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, \
                value ->> 4, value ->> 5 FROM json_each($4); \
        DELETE FROM timers WHERE (business_id, conversation_id) IN ( \
            SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each($5)); \
        INSERT OR REPLACE INTO timers (id, business_id, conversation_id, due_at, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), value ->> 3, \
                value -> 4 FROM json_each($6); \
        DELETE FROM calls WHERE (business_id, conversation_id) IN ( \
            SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each($7)); \
        INSERT INTO calls (id, business_id, conversation_id, created_at, available_at, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), value ->> 3, \
                value ->> 3, value -> 4 FROM json_each($8); \
        DELETE FROM mailbox WHERE seq IN ( \
            SELECT m.seq FROM json_each($9) v CROSS JOIN mailbox m ON m.seq = v.value ->> 2 \
            WHERE m.business_id = unhex(v.value ->> 0) \
                AND m.conversation_id = unhex(v.value ->> 1)); ",
        insert_messages!("$10"), insert_outbox!("$11"), update_contacts!("$12"),
        insert_events!("$13"), insert_places!("$14"), add_counters!("$15"), "COMMIT"
    );
}

pub(super) async fn run(
    write: &mut Write<'_>,
    batch: Vec<TurnCommit>,
) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
    let found = write.begin(read(&batch)?).await?;
    let mut ledger = read_ledger(&found)?;
    read_groups(write, &mut ledger, &batch).await?;
    let outcomes: Vec<_> = batch.into_iter().map(|commit| ledger.commit(commit)).collect();
    move_groups(write, &ledger.groups).await?;
    write.commit(writes(&ledger)?).await?;
    Ok(outcomes)
}

fn read(commits: &[TurnCommit]) -> StoreResult<Bound> {
    let conversations = commits.iter().map(|commit| {
        let (business, id) = hex((commit.business_id, commit.conversation_id));
        (business, id, !commit.contact.is_empty())
    });
    let sessions = commits.iter().flat_map(|commit| {
        let own = commit.sessions.iter().map(|session| session.id);
        let traced = commit.trace.iter().map(|(session, _)| *session);
        let business = Hex(commit.business_id.uuid());
        own.chain(traced).map(move |id| (business, Hex(id.uuid())))
    });
    let timers = commits.iter().flat_map(|commit| &commit.timers).map(|timer| Hex(timer.id.uuid()));
    let calls = commits.iter().flat_map(|commit| &commit.calls).map(|call| Hex(call.id.uuid()));
    Ok(query(COMMIT_READ)
        .bind(rows(conversations)?)
        .bind(rows(sessions)?)
        .bind(rows(timers)?)
        .bind(rows(calls)?))
}

/// Reads which groups the contacts are in that turns move between groups; no such turn, no statement.
async fn read_groups(
    write: &mut Write<'_>,
    ledger: &mut Ledger,
    commits: &[TurnCommit],
) -> StoreResult<()> {
    let moves: Vec<_> = commits.iter().filter(|commit| commit.contact.moves_groups()).collect();
    if moves.is_empty() {
        return Ok(());
    }
    let key = |commit: &&TurnCommit| (commit.business_id, commit.conversation_id);
    let contacts: BTreeSet<_> =
        moves.iter().filter_map(|commit| ledger.contact_of(key(commit))).collect();
    ledger.groups = around(write, contacts, named_groups(moves)).await?;
    Ok(())
}

fn hex((business, id): Key) -> (Hex, Hex) {
    (Hex(business.uuid()), Hex(id.uuid()))
}

fn read_ledger(rows: &[SqliteRow]) -> StoreResult<Ledger> {
    let mut ledger = Ledger::default();
    for row in rows {
        match get::<i64>(row, 0)? {
            0 => add_turn(&mut ledger, row)?,
            1 => {
                let key = (BusinessId::from_uuid(get(row, 1)?), SessionId::from_uuid(get(row, 2)?));
                ledger.add_session(key, ConversationId::from_uuid(get(row, 3)?));
            }
            2 => ledger.add_timer(TimerId::from_uuid(get(row, 1)?), read_key(row)?),
            _ => ledger.add_call(CallId::from_uuid(get(row, 1)?), read_key(row)?),
        }
    }
    Ok(ledger)
}

fn add_turn(ledger: &mut Ledger, row: &SqliteRow) -> StoreResult<()> {
    let session: Option<&str> = get(row, 4)?;
    let waiting = session.map(|doc| parse_doc(doc, "session")).transpose()?;
    if let Some(doc) = get::<Option<&str>>(row, 5)? {
        ledger.add_contact(parse_doc(doc, "contact")?);
    }
    let lease = (get_count(row, 1)?, get(row, 2)?);
    ledger.add_turn(lease, get_doc(row, 3, "conversation")?, waiting);
    Ok(())
}

fn read_key(row: &SqliteRow) -> StoreResult<Key> {
    Ok((BusinessId::from_uuid(get(row, 2)?), ConversationId::from_uuid(get(row, 3)?)))
}

fn writes(ledger: &Ledger) -> StoreResult<Bound> {
    let turns: Vec<&Turn> = ledger.turns().collect();
    let keys = |wanted: fn(&Turn) -> bool| {
        rows(turns.iter().filter(|turn| wanted(turn)).map(|turn| hex(turn.key())))
    };
    let waiting = turns.iter().map(|turn| {
        let (business, id) = hex(turn.key());
        (business, id, turn.waiting.as_ref().map(|session| Hex(session.id.uuid())))
    });
    let trace = ledger.trace.iter().map(|((business, _), session, step)| {
        let place = (Hex(business.uuid()), Hex(session.uuid()), step.number);
        (place.0, place.1, place.2, &step.input, &step.effects, &step.state)
    });
    let consumed = ledger.consumed.iter().map(|(key, seq)| (hex(*key), seq));
    let consumed = consumed.map(|((business, id), seq)| (business, id, seq));
    Ok(query(COMMIT_WRITE)
        .bind(rows(turns.iter().map(|turn| conversation_row(&turn.conversation)))?)
        .bind(rows(waiting)?)
        .bind(rows(ledger.sessions.values().map(session_row))?)
        .bind(rows(trace)?)
        .bind(keys(|turn| turn.clear_timers)?)
        .bind(rows(turns.iter().flat_map(|turn| turn.timers.values()).map(timer_row))?)
        .bind(keys(|turn| turn.cancel_calls)?)
        .bind(rows(turns.iter().flat_map(|turn| turn.calls.values()).map(call_row))?)
        .bind(rows(consumed)?)
        .bind(rows(ledger.messages.iter().map(message_row))?)
        .bind(rows(ledger.outbox.iter().map(outbox_row))?)
        .bind(rows(ledger.contacts().map(contact_row))?)
        .bind(events(&ledger.events)?)
        .bind(rows(ledger.messages.iter().map(place_row))?)
        .bind(counters(&ledger.counters)?))
}

/// A session as the statements take it.
pub(super) fn session_row(session: &Session) -> impl serde::Serialize {
    let (business, conversation) = hex((session.business_id, session.conversation_id));
    (business, Hex(session.id.uuid()), conversation, session, live_column(session))
}

fn timer_row(timer: &Timer) -> impl serde::Serialize {
    let (business, conversation) = hex((timer.business_id, timer.conversation_id));
    (Hex(timer.id.uuid()), business, conversation, millis(timer.due_at), timer)
}

fn call_row(call: &Call) -> impl serde::Serialize {
    let (business, conversation) = hex((call.business_id, call.conversation_id));
    (Hex(call.id.uuid()), business, conversation, millis(call.created_at), call)
}
