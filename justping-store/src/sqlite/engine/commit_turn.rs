use std::collections::{BTreeMap, HashMap};

use justping_core::model::{
    BusinessId, Call, CallId, Contact, ContactId, Conversation, ConversationChange, ConversationId,
    Direction, Lane, Message, OutboxRow, Session, SessionId, SessionStatus, Timer, TimerId,
    Timestamp, TraceStep,
};
use justping_core::port::store::{StoreError, StoreResult, TurnCommit, TurnCommitted, TurnMessage};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::write::{
    Events, contact_row, conversation_row, insert_events, insert_messages, insert_outbox,
    message_row, outbox_row, rows, update_contacts, update_conversations,
};
use crate::sqlite::connection::{Bound, Write};
use crate::sqlite::row::{Hex, batch, get, get_count, get_doc, millis, parse_doc, statements};

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
        INSERT OR REPLACE INTO sessions (business_id, id, conversation_id, doc) \
            SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), value -> 3 \
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
        insert_events!("$13"), "COMMIT"
    );
}

/// Names a conversation.
type Key = (BusinessId, ConversationId);

pub(super) async fn run(
    write: &mut Write<'_>,
    batch: Vec<TurnCommit>,
) -> StoreResult<Vec<StoreResult<TurnCommitted>>> {
    let found = write.begin(read(&batch)?).await?;
    let mut ledger = Ledger::new(&found)?;
    let outcomes: Vec<_> = batch.into_iter().map(|commit| ledger.commit(commit)).collect();
    write.commit(ledger.writes()?).await?;
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

fn hex((business, id): Key) -> (Hex, Hex) {
    (Hex(business.uuid()), Hex(id.uuid()))
}

/// A conversation of the batch, as it stands and as it will be written.
struct Turn {
    fence: u64,
    leased: bool,
    conversation: Conversation,
    waiting: Option<Session>,
    /// Whether its commit went through, so that it is to be written.
    done: bool,
    clear_timers: bool,
    timers: BTreeMap<TimerId, Timer>,
    cancel_calls: bool,
    calls: BTreeMap<CallId, Call>,
}

/// What is stored about a batch of turns, and then what is to be written.
#[derive(Default)]
struct Ledger {
    turns: HashMap<Key, Turn>,
    contacts: HashMap<(BusinessId, ContactId), (Contact, bool)>,
    sessions: BTreeMap<(BusinessId, SessionId), Session>,
    session_owners: HashMap<(BusinessId, SessionId), ConversationId>,
    timer_owners: HashMap<TimerId, Key>,
    call_owners: HashMap<CallId, Key>,
    trace: Vec<(Key, SessionId, TraceStep)>,
    consumed: Vec<(Hex, Hex, i64)>,
    messages: Vec<Message>,
    outbox: Vec<OutboxRow>,
    events: Events,
}

impl Ledger {
    fn new(rows: &[SqliteRow]) -> StoreResult<Self> {
        let mut ledger = Self::default();
        for row in rows {
            match get::<i64>(row, 0)? {
                0 => ledger.add_turn(row)?,
                1 => {
                    let key =
                        (BusinessId::from_uuid(get(row, 1)?), SessionId::from_uuid(get(row, 2)?));
                    ledger.session_owners.insert(key, ConversationId::from_uuid(get(row, 3)?));
                }
                2 => {
                    let id = TimerId::from_uuid(get(row, 1)?);
                    ledger.timer_owners.insert(id, read_key(row)?);
                }
                _ => {
                    let id = CallId::from_uuid(get(row, 1)?);
                    ledger.call_owners.insert(id, read_key(row)?);
                }
            }
        }
        Ok(ledger)
    }

    fn add_turn(&mut self, row: &SqliteRow) -> StoreResult<()> {
        let conversation: Conversation = get_doc(row, 3, "conversation")?;
        let session: Option<&str> = get(row, 4)?;
        let waiting: Option<Session> = session.map(|doc| parse_doc(doc, "session")).transpose()?;
        if let Some(doc) = get::<Option<&str>>(row, 5)? {
            let key = (conversation.business_id, conversation.contact_id);
            self.contacts.insert(key, (parse_doc(doc, "contact")?, false));
        }
        let key = (conversation.business_id, conversation.id);
        let turn = Turn {
            fence: get_count(row, 1)?,
            leased: get(row, 2)?,
            conversation,
            waiting,
            done: false,
            clear_timers: false,
            timers: BTreeMap::new(),
            cancel_calls: false,
            calls: BTreeMap::new(),
        };
        self.turns.insert(key, turn);
        Ok(())
    }

    fn commit(&mut self, commit: TurnCommit) -> StoreResult<TurnCommitted> {
        let key = (commit.business_id, commit.conversation_id);
        self.check(&commit, key)?;
        let turn = self.turns.get_mut(&key).ok_or(StoreError::NotFound("conversation"))?;
        turn.done = true;
        turn.leased = false;
        for session in commit.sessions {
            turn.put_session(&session);
            self.session_owners.insert((key.0, session.id), key.1);
            self.sessions.insert((key.0, session.id), session);
        }
        self.trace.extend(commit.trace.into_iter().map(|(session, step)| (key, session, step)));
        turn.clear_timers = commit.clear_timers;
        turn.timers.extend(commit.timers.into_iter().map(|timer| (timer.id, timer)));
        turn.cancel_calls = commit.cancel_calls;
        turn.calls.extend(commit.calls.into_iter().map(|call| (call.id, call)));
        let changed = turn.change(&commit.changes, commit.now);
        if commit.changes.contains(&ConversationChange::Close)
            && let Some(session) = turn.close(commit.now)
        {
            self.sessions.insert((key.0, session.id), session);
        }
        if turn.clear_timers {
            self.timer_owners.retain(|_, owner| *owner != key);
        }
        if turn.cancel_calls {
            self.call_owners.retain(|_, owner| *owner != key);
        }
        self.timer_owners.extend(turn.timers.keys().map(|id| (*id, key)));
        self.call_owners.extend(turn.calls.keys().map(|id| (*id, key)));
        let contact = (key.0, turn.conversation.contact_id);
        if let Some((contact, changed)) =
            self.contacts.get_mut(&contact).filter(|_| !commit.contact.is_empty())
        {
            contact.apply(&commit.contact, commit.now);
            *changed = true;
        }
        let (business, id) = hex(key);
        self.consumed.extend(commit.consumed.into_iter().map(|seq| (business, id, seq)));
        let mut messages = Vec::with_capacity(commit.messages.len());
        for message in commit.messages {
            let message = write_message(&mut turn.conversation, message, commit.now);
            self.outbox.extend(message.1);
            messages.push(message.0);
        }
        self.messages.extend_from_slice(&messages);
        commit.events.into_iter().for_each(|event| self.events.push(event));
        if changed {
            self.events.updated(&turn.conversation, commit.now);
        }
        Ok(TurnCommitted { conversation: turn.conversation.clone(), messages })
    }

    /// Everything that can be wrong with a commit, before anything of it happens.
    fn check(&self, commit: &TurnCommit, key: Key) -> StoreResult<()> {
        let turn = self.turns.get(&key).ok_or(StoreError::NotFound("conversation"))?;
        if !turn.leased || turn.fence != commit.fence {
            return Err(StoreError::Stale("turn"));
        }
        if turn.conversation.revision != commit.revision {
            return Err(StoreError::Stale("conversation"));
        }
        let owner = |id: SessionId| self.session_owners.get(&(key.0, id)).copied();
        let fits = |session: &Session| {
            (session.business_id, session.conversation_id) == key
                && owner(session.id).is_none_or(|owner| owner == key.1)
        };
        if !commit.sessions.iter().all(fits) {
            return Err(StoreError::Invalid("session"));
        }
        let traced = |id: SessionId| {
            owner(id) == Some(key.1) || commit.sessions.iter().any(|session| session.id == id)
        };
        if !commit.trace.iter().all(|(session, _)| traced(*session)) {
            return Err(StoreError::Invalid("trace"));
        }
        let fits = |timer: &Timer| {
            (timer.business_id, timer.conversation_id) == key
                && self.timer_owners.get(&timer.id).is_none_or(|owner| *owner == key)
        };
        if !commit.timers.iter().all(fits) {
            return Err(StoreError::Invalid("timer"));
        }
        let fits = |call: &Call| {
            (call.business_id, call.conversation_id) == key
                && !self.call_owners.contains_key(&call.id)
        };
        if !commit.calls.iter().all(fits) {
            return Err(StoreError::Invalid("call"));
        }
        if !commit.events.iter().all(|event| event.business_id == key.0) {
            return Err(StoreError::Invalid("event"));
        }
        check_directions(commit.messages.iter().map(|message| message.direction))
    }

    fn writes(&self) -> StoreResult<Bound> {
        let turns: Vec<&Turn> = self.turns.values().filter(|turn| turn.done).collect();
        let keys = |wanted: fn(&Turn) -> bool| {
            rows(turns.iter().filter(|turn| wanted(turn)).map(|turn| hex(turn.key())))
        };
        let waiting = turns.iter().map(|turn| {
            let (business, id) = hex(turn.key());
            (business, id, turn.waiting.as_ref().map(|session| Hex(session.id.uuid())))
        });
        let trace = self.trace.iter().map(|((business, _), session, step)| {
            let place = (Hex(business.uuid()), Hex(session.uuid()), step.number);
            (place.0, place.1, place.2, &step.input, &step.effects, &step.state)
        });
        let contacts = self.contacts.values().filter(|(_, changed)| *changed);
        Ok(query(COMMIT_WRITE)
            .bind(rows(turns.iter().map(|turn| conversation_row(&turn.conversation)))?)
            .bind(rows(waiting)?)
            .bind(rows(self.sessions.values().map(session_row))?)
            .bind(rows(trace)?)
            .bind(keys(|turn| turn.clear_timers)?)
            .bind(rows(turns.iter().flat_map(|turn| turn.timers.values()).map(timer_row))?)
            .bind(keys(|turn| turn.cancel_calls)?)
            .bind(rows(turns.iter().flat_map(|turn| turn.calls.values()).map(call_row))?)
            .bind(batch(&self.consumed)?)
            .bind(rows(self.messages.iter().map(message_row))?)
            .bind(rows(self.outbox.iter().map(outbox_row))?)
            .bind(rows(contacts.map(|(contact, _)| contact_row(contact)))?)
            .bind(self.events.batch()?))
    }
}

impl Turn {
    fn key(&self) -> Key {
        (self.conversation.business_id, self.conversation.id)
    }

    /// Makes the session the waiting one, or no longer so.
    fn put_session(&mut self, session: &Session) {
        if session.status == SessionStatus::Waiting {
            self.waiting = Some(session.clone());
        } else if self.waiting.as_ref().is_some_and(|waiting| waiting.id == session.id) {
            self.waiting = None;
        }
    }

    /// Applies a turn's changes, which are one revision whatever their number; says whether any
    /// changed something.
    fn change(&mut self, changes: &[ConversationChange], now: Timestamp) -> bool {
        let revision = self.conversation.revision + 1;
        let mut changed = false;
        for change in changes {
            changed |= self.conversation.apply(change, now);
        }
        self.conversation.revision = revision;
        self.conversation.updated_at = now;
        changed
    }

    /// Cancels the waiting session with its timers and calls. Mail that came during the turn stays:
    /// nobody has read it yet.
    fn close(&mut self, now: Timestamp) -> Option<Session> {
        self.clear_timers = true;
        self.timers.clear();
        self.cancel_calls = true;
        self.calls.clear();
        let session = self.waiting.take()?;
        Some(Session { status: SessionStatus::Cancelled, updated_at: now, ..session })
    }
}

fn read_key(row: &SqliteRow) -> StoreResult<Key> {
    Ok((BusinessId::from_uuid(get(row, 2)?), ConversationId::from_uuid(get(row, 3)?)))
}

fn write_message(
    conversation: &mut Conversation,
    message: TurnMessage,
    now: Timestamp,
) -> (Message, Option<OutboxRow>) {
    let TurnMessage { id, direction, author, content, due_at } = message;
    let message = Message::written(id, conversation, direction, author, content, now);
    let row = OutboxRow::of(&message, conversation, Lane::Interactive, due_at);
    (message, row)
}

/// Only contacts write inbound messages, and those are accepted, not written.
pub(super) fn check_directions(directions: impl IntoIterator<Item = Direction>) -> StoreResult<()> {
    if directions.into_iter().any(|direction| direction == Direction::Inbound) {
        return Err(StoreError::Invalid("direction"));
    }
    Ok(())
}

/// A session as the statements take it.
pub(super) fn session_row(session: &Session) -> impl serde::Serialize {
    let (business, conversation) = hex((session.business_id, session.conversation_id));
    (business, Hex(session.id.uuid()), conversation, session)
}

fn timer_row(timer: &Timer) -> impl serde::Serialize {
    let (business, conversation) = hex((timer.business_id, timer.conversation_id));
    (Hex(timer.id.uuid()), business, conversation, millis(timer.due_at), timer)
}

fn call_row(call: &Call) -> impl serde::Serialize {
    let (business, conversation) = hex((call.business_id, call.conversation_id));
    (Hex(call.id.uuid()), business, conversation, millis(call.created_at), call)
}
