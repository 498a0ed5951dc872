use std::collections::{BTreeMap, BTreeSet};

use justping_core::model::{
    BusinessId, Call, CallId, Conversation, ConversationId, Session, SessionId, Timer, TimerId,
};
use justping_core::port::Loops;
use justping_core::port::store::{StoreResult, TurnCommit, TurnCommitted};
use sqlx::query;
use uuid::Uuid;

use super::write::{
    add_counters, bind_contacts, bind_conversations, bind_counters, bind_events, bind_messages,
    bind_outbox, conversations, insert_messages, insert_outbox, update_contacts, with_events,
};
use crate::decision::{Key, Ledger, Turn, named_groups};
use crate::document::live_column;
use crate::postgres::connection::{Bound, Write};
use crate::postgres::group::{around, move_groups};
use crate::postgres::row::{bytes, get, get_count, get_doc, millis, parse_doc, statements, to_doc};

statements! {
    TURNS_LOCK = "SELECT n.fence, n.lease_until IS NOT NULL, n.session_id, n.doc \
        FROM conversations n \
            JOIN unnest($1::uuid[], $2::uuid[]) v (b, id) ON n.business_id = v.b AND n.id = v.id \
        ORDER BY n.business_id, n.id FOR UPDATE OF n";
    /// Contacts that the turns change.
    TURN_PEOPLE_LOCK = "SELECT c.doc FROM contacts c \
            JOIN unnest($1::uuid[], $2::uuid[]) v (b, id) ON c.business_id = v.b AND c.id = v.id \
        ORDER BY c.business_id, c.id FOR UPDATE OF c";
    TURN_SESSIONS = "SELECT s.business_id, s.id, s.conversation_id, s.doc \
        FROM unnest($1::uuid[], $2::uuid[]) v (b, id) CROSS JOIN LATERAL ( \
            SELECT * FROM sessions s WHERE s.business_id = v.b AND s.id = v.id OFFSET 0) s";
    /// The owners of the batch's timers, and those of its calls that exist.
    TURN_OWNERS = "SELECT true, id, business_id, conversation_id FROM timers WHERE id = ANY($1) \
        UNION ALL \
        SELECT false, id, business_id, conversation_id FROM calls WHERE id = ANY($2)";
    /// It is a statement before the writes: those may set again what this one clears.
    TURN_CLEAR = "WITH gone AS ( \
            DELETE FROM timers t USING unnest($1::uuid[], $2::uuid[]) v (b, id) \
            WHERE t.business_id = v.b AND t.conversation_id = v.id) \
        DELETE FROM calls l USING unnest($3::uuid[], $4::uuid[]) v (b, id) \
            WHERE l.business_id = v.b AND l.conversation_id = v.id";
    COMMIT_WRITE = concat!(
        "WITH moved AS ( \
            UPDATE conversations t SET status = v.status, owner = v.owner, \
                last_message_at = v.last_message_at, doc = v.doc, lease_until = NULL, \
                session_id = w.session_id \
            FROM ", conversations!("$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9"), " \
                JOIN unnest($2::uuid[], $10::uuid[]) w (id, session_id) ON w.id = v.id \
            WHERE t.business_id = v.business_id AND t.id = v.id), \
        sat AS ( \
            INSERT INTO sessions (business_id, id, conversation_id, doc, live) \
            SELECT * FROM unnest($11::uuid[], $12::uuid[], $13::uuid[], $14::text[], $60::text[]) \
            ON CONFLICT (business_id, id) DO UPDATE \
                SET doc = excluded.doc, live = excluded.live), \
        traced AS ( \
            INSERT INTO trace_steps (business_id, session_id, number, input, effects, state) \
            SELECT * FROM unnest($15::uuid[], $16::uuid[], $17::bigint[], $18::bytea[], \
                $19::bytea[], $20::bytea[]) \
            ON CONFLICT (business_id, session_id, number) DO UPDATE SET \
                input = excluded.input, effects = excluded.effects, state = excluded.state), \
        timed AS ( \
            INSERT INTO timers (business_id, id, conversation_id, due_at, doc) \
            SELECT * FROM unnest($21::uuid[], $22::uuid[], $23::uuid[], $24::bigint[], $25::text[]) \
            ON CONFLICT (business_id, id) DO UPDATE \
                SET due_at = excluded.due_at, doc = excluded.doc), \
        called AS ( \
            INSERT INTO calls (business_id, id, conversation_id, created_at, available_at, doc) \
            SELECT v.b, v.id, v.c, v.at, v.at, v.doc \
            FROM unnest($26::uuid[], $27::uuid[], $28::uuid[], $29::bigint[], $30::text[]) \
                v (b, id, c, at, doc)), \
        consumed AS ( \
            DELETE FROM mailbox m USING unnest($31::uuid[], $32::uuid[], $33::bigint[]) v (b, c, s) \
            WHERE m.business_id = v.b AND m.conversation_id = v.c AND m.seq = v.s), \
        written AS (", insert_messages!("$34", "$35", "$36", "$37", "$38"), "), \
        queued AS (", insert_outbox!(
            "$39", "$40", "$41", "$42", "$43", "$44", "$45", "$46", "$47", "$48"), "), \
        learned AS (", update_contacts!("$49", "$50", "$51", "$52"), "), ",
        with_events!("$53", "$54"),
        ", tallied AS (", add_counters!("$55", "$56", "$57", "$58", "$59"), ") SELECT 1"
    );
}

pub(super) async fn run(
    write: &mut Write,
    batch: Vec<TurnCommit>,
) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
    let mut ledger = read(write, &batch).await?;
    let outcomes: Vec<_> = batch.into_iter().map(|commit| ledger.commit(commit)).collect();
    if outcomes.iter().any(Result::is_ok) {
        clear(write, &ledger).await?;
        move_groups(write, &ledger.groups).await?;
        write.run(writes(&ledger)?).await?;
    }
    Ok(outcomes)
}

/// What turns left to do.
pub(super) fn work(batch: &[TurnCommit]) -> Loops {
    let any = |loops: Loops, wanted: fn(&TurnCommit) -> bool| {
        if batch.iter().any(wanted) { loops } else { Loops::NONE }
    };
    any(Loops::SENDS, |commit| !commit.messages.is_empty())
        .and(any(Loops::CALLS, |commit| !commit.calls.is_empty()))
        .and(any(Loops::SCHEDULE, |commit| !commit.timers.is_empty()))
}

/// A conversation as it was locked.
struct Locked {
    lease: (u64, bool),
    waiting: Option<Uuid>,
    conversation: Conversation,
}

async fn read(write: &mut Write, commits: &[TurnCommit]) -> StoreResult<Ledger> {
    let keys: BTreeSet<(Uuid, Uuid)> =
        commits.iter().map(|one| (one.business_id.uuid(), one.conversation_id.uuid())).collect();
    let mut locked = Vec::with_capacity(keys.len());
    for row in write.run(bind_keys(TURNS_LOCK, keys)).await? {
        locked.push(Locked {
            lease: (get_count(&row, 0)?, get(&row, 1)?),
            waiting: get(&row, 2)?,
            conversation: get_doc(&row, 3, "conversation")?,
        });
    }
    let mut ledger = Ledger::default();
    read_people(write, &mut ledger, commits, &locked).await?;
    read_groups(write, &mut ledger, commits, &locked).await?;
    let mut waiting = read_sessions(write, &mut ledger, commits, &locked).await?;
    for Locked { lease, waiting: id, conversation } in locked {
        let session = id.and_then(|id| waiting.remove(&(conversation.business_id.uuid(), id)));
        ledger.add_turn(lease, conversation, session);
    }
    read_owners(write, &mut ledger, commits).await?;
    Ok(ledger)
}

fn bind_keys(sql: &'static str, keys: impl IntoIterator<Item = (Uuid, Uuid)>) -> Bound {
    let (businesses, ids): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    query(sql).bind(businesses).bind(ids)
}

async fn read_people(
    write: &mut Write,
    ledger: &mut Ledger,
    commits: &[TurnCommit],
    locked: &[Locked],
) -> StoreResult<()> {
    let changed: BTreeSet<Key> = commits
        .iter()
        .filter(|commit| !commit.contact.is_empty())
        .map(|commit| (commit.business_id, commit.conversation_id))
        .collect();
    let people: BTreeSet<(Uuid, Uuid)> = locked
        .iter()
        .map(|row| &row.conversation)
        .filter(|row| changed.contains(&(row.business_id, row.id)))
        .map(|row| (row.business_id.uuid(), row.contact_id.uuid()))
        .collect();
    if people.is_empty() {
        return Ok(());
    }
    for row in write.run(bind_keys(TURN_PEOPLE_LOCK, people)).await? {
        ledger.add_contact(get_doc(&row, 0, "contact")?);
    }
    Ok(())
}

/// Reads which groups the contacts are in that turns move between groups; no such turn, no statement.
async fn read_groups(
    write: &mut Write,
    ledger: &mut Ledger,
    commits: &[TurnCommit],
    locked: &[Locked],
) -> StoreResult<()> {
    let moves: Vec<_> = commits.iter().filter(|commit| commit.contact.moves_groups()).collect();
    if moves.is_empty() {
        return Ok(());
    }
    let moved: BTreeSet<Key> =
        moves.iter().map(|commit| (commit.business_id, commit.conversation_id)).collect();
    let conversations = locked.iter().map(|row| &row.conversation);
    let contacts: BTreeSet<_> = conversations
        .filter(|row| moved.contains(&(row.business_id, row.id)))
        .map(|row| (row.business_id, row.contact_id))
        .collect();
    ledger.groups = around(write, contacts, named_groups(moves)).await?;
    Ok(())
}

/// Reads whose the sessions of the batch are; returns those that wait.
async fn read_sessions(
    write: &mut Write,
    ledger: &mut Ledger,
    commits: &[TurnCommit],
    locked: &[Locked],
) -> StoreResult<BTreeMap<(Uuid, Uuid), Session>> {
    let named = commits.iter().flat_map(|commit| {
        let own = commit.sessions.iter().map(|session| session.id);
        let traced = commit.trace.iter().map(|(session, _)| *session);
        own.chain(traced).map(|id| (commit.business_id.uuid(), id.uuid()))
    });
    let ids: BTreeSet<(Uuid, Uuid)> = locked
        .iter()
        .filter_map(|row| Some((row.conversation.business_id.uuid(), row.waiting?)))
        .chain(named)
        .collect();
    let mut sessions = BTreeMap::new();
    if ids.is_empty() {
        return Ok(sessions);
    }
    let waiting: BTreeSet<Uuid> = locked.iter().filter_map(|row| row.waiting).collect();
    for row in write.run(bind_keys(TURN_SESSIONS, ids)).await? {
        let key: (Uuid, Uuid) = (get(&row, 0)?, get(&row, 1)?);
        let session = (BusinessId::from_uuid(key.0), SessionId::from_uuid(key.1));
        ledger.add_session(session, ConversationId::from_uuid(get(&row, 2)?));
        if waiting.contains(&key.1) {
            sessions.insert(key, parse_doc(get(&row, 3)?, "session")?);
        }
    }
    Ok(sessions)
}

async fn read_owners(
    write: &mut Write,
    ledger: &mut Ledger,
    commits: &[TurnCommit],
) -> StoreResult<()> {
    let timers = commits.iter().flat_map(|commit| &commit.timers).map(|timer| timer.id.uuid());
    let calls = commits.iter().flat_map(|commit| &commit.calls).map(|call| call.id.uuid());
    let (timers, calls): (Vec<Uuid>, Vec<Uuid>) = (timers.collect(), calls.collect());
    if timers.is_empty() && calls.is_empty() {
        return Ok(());
    }
    for row in write.run(query(TURN_OWNERS).bind(timers).bind(calls)).await? {
        let owner =
            (BusinessId::from_uuid(get(&row, 2)?), ConversationId::from_uuid(get(&row, 3)?));
        if get(&row, 0)? {
            ledger.add_timer(TimerId::from_uuid(get(&row, 1)?), owner);
        } else {
            ledger.add_call(CallId::from_uuid(get(&row, 1)?), owner);
        }
    }
    Ok(())
}

async fn clear(write: &mut Write, ledger: &Ledger) -> StoreResult<()> {
    let keys = |wanted: fn(&Turn) -> bool| -> (Vec<Uuid>, Vec<Uuid>) {
        let turns = ledger.turns().filter(|turn| wanted(turn)).map(Turn::key);
        turns.map(|(business, id)| (business.uuid(), id.uuid())).unzip()
    };
    let (timers, calls) = (keys(|turn| turn.clear_timers), keys(|turn| turn.cancel_calls));
    if timers.0.is_empty() && calls.0.is_empty() {
        return Ok(());
    }
    let clear = query(TURN_CLEAR).bind(timers.0).bind(timers.1).bind(calls.0).bind(calls.1);
    write.run(clear).await.map(drop)
}

fn writes(ledger: &Ledger) -> StoreResult<Bound> {
    let turns: Vec<&Turn> = ledger.turns().collect();
    let waiting = turns.iter().map(|turn| turn.waiting.as_ref().map(|one| one.id.uuid()));
    let waiting: Vec<Option<Uuid>> = waiting.collect();
    let conversations = turns.iter().map(|turn| &turn.conversation);
    let bound = bind_conversations(query(COMMIT_WRITE), conversations)?.bind(waiting);
    let bound = bind_sessions(bound, ledger.sessions.values())?;
    let bound = bind_trace(bound, ledger);
    let bound = bind_timers(bound, turns.iter().flat_map(|turn| turn.timers.values()))?;
    let bound = bind_calls(bound, turns.iter().flat_map(|turn| turn.calls.values()))?;
    let mut mail = (vec![], vec![], vec![]);
    for ((business, id), seq) in &ledger.consumed {
        mail.0.push(business.uuid());
        mail.1.push(id.uuid());
        mail.2.push(*seq);
    }
    let bound = bound.bind(mail.0).bind(mail.1).bind(mail.2);
    let bound = bind_messages(bound, ledger.messages.iter())?;
    let bound = bind_outbox(bound, ledger.outbox.iter())?;
    let bound = bind_events(bind_contacts(bound, ledger.contacts())?, &ledger.events)?;
    let live: Vec<Option<String>> = ledger.sessions.values().map(live_column).collect();
    Ok(bind_counters(bound, &ledger.counters).bind(live))
}

/// Binds sessions as four columns.
pub(super) fn bind_sessions<'a>(
    query: Bound,
    sessions: impl Iterator<Item = &'a Session>,
) -> StoreResult<Bound> {
    let mut columns = (vec![], vec![], vec![], vec![]);
    for session in sessions {
        columns.0.push(session.business_id.uuid());
        columns.1.push(session.id.uuid());
        columns.2.push(session.conversation_id.uuid());
        columns.3.push(to_doc(session)?);
    }
    Ok(query.bind(columns.0).bind(columns.1).bind(columns.2).bind(columns.3))
}

/// Binds steps as six columns; of one that was taken twice the last counts.
fn bind_trace(query: Bound, ledger: &Ledger) -> Bound {
    let steps: BTreeMap<_, _> = ledger
        .trace
        .iter()
        .map(|((business, _), session, step)| ((*business, *session, step.number), step))
        .collect();
    let (mut businesses, mut sessions, mut numbers) = (vec![], vec![], vec![]);
    let (mut inputs, mut effects, mut states) = (vec![], vec![], vec![]);
    for ((business, session, number), step) in steps {
        businesses.push(business.uuid());
        sessions.push(session.uuid());
        numbers.push(i64::from(number));
        inputs.push(bytes(&step.input));
        effects.push(bytes(&step.effects));
        states.push(bytes(&step.state));
    }
    let query = query.bind(businesses).bind(sessions).bind(numbers);
    query.bind(inputs).bind(effects).bind(states)
}

fn bind_timers<'a>(query: Bound, timers: impl Iterator<Item = &'a Timer>) -> StoreResult<Bound> {
    let mut columns = (vec![], vec![], vec![], vec![], vec![]);
    for timer in timers {
        columns.0.push(timer.business_id.uuid());
        columns.1.push(timer.id.uuid());
        columns.2.push(timer.conversation_id.uuid());
        columns.3.push(millis(timer.due_at));
        columns.4.push(to_doc(timer)?);
    }
    let query = query.bind(columns.0).bind(columns.1).bind(columns.2);
    Ok(query.bind(columns.3).bind(columns.4))
}

fn bind_calls<'a>(query: Bound, calls: impl Iterator<Item = &'a Call>) -> StoreResult<Bound> {
    let mut columns = (vec![], vec![], vec![], vec![], vec![]);
    for call in calls {
        columns.0.push(call.business_id.uuid());
        columns.1.push(call.id.uuid());
        columns.2.push(call.conversation_id.uuid());
        columns.3.push(millis(call.created_at));
        columns.4.push(to_doc(call)?);
    }
    let query = query.bind(columns.0).bind(columns.1).bind(columns.2);
    Ok(query.bind(columns.3).bind(columns.4))
}
