//! The laws that can be judged only at the end, when nothing is left to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use justping::agents::{Flows, replay};
use justping::conformance::fixture::recount;
use justping::memory::ScriptedAi;
use justping::model::{
    Author, BusinessId, ChannelKind, Conversation, ConversationStatus, Counter, CounterKey,
    CounterKind, DeliveryStatus, Direction, Event, EventBody, FailureKind, Identity, Message,
    OutboxRow, Owner, PAGE_MAX, Page, PageRequest, Priority, Rollup, Session, SessionId,
    SessionStatus, TraceStep, UnknownPolicy, day_of,
};
use justping::port::store::{
    ContactStore, ConversationFilter, ConversationStore, CounterFilter, CounterStore, EventStore,
    FlowStore, MessageOrder, SessionStore,
};
use justping::port::{Clock, Effect, FlowRuntime, StoreResult};

use super::clock::VirtualClock;
use super::law::Law;
use super::network::LATE_FAILURE;
use super::oracle::{Oracle, Wish};
use super::store::SimStore;
use super::world::{Shop, World};

/// Reads everything there is and holds it against the oracle.
pub(super) async fn audit(world: &Arc<World>) {
    let store = SimStore::bare(world);
    let shops = world.watch(|oracle| oracle.shops.clone());
    for shop in &shops {
        let filter = ConversationFilter::default();
        let read = async |page| store.conversations(shop.business, &filter, &page).await;
        let conversations = all(read).await;
        let events = all(async |page| store.events(shop.business, &page).await).await;
        let mut thread = Vec::new();
        for conversation in &conversations {
            let order = MessageOrder::OldestFirst;
            let read =
                async |page| store.messages(shop.business, conversation.id, order, &page).await;
            let messages = all(read).await;
            world.watch(|oracle| oracle.read(&messages));
            counters(world, conversation, &messages);
            sessions(world, &store, conversation, &messages, &events).await;
            transitions(world, conversation, &events);
            thread.extend(messages);
        }
        world.watch(|oracle| ledger(oracle, shop, &thread));
        ends(world, shop, &thread);
        wishes(world, &store, shop).await;
        counted(world, &store, shop, (&conversations, &thread)).await;
    }
    world.watch(mail);
}

async fn all<T>(read: impl AsyncFn(PageRequest) -> StoreResult<Page<T>>) -> Vec<T> {
    let mut request = PageRequest::first(PAGE_MAX);
    let mut rows = Vec::new();
    loop {
        let page = read(request.clone()).await.unwrap();
        rows.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return rows,
        }
    }
}

/// I7: what a conversation says of itself is what its messages say.
fn counters(world: &World, conversation: &Conversation, messages: &[Message]) {
    world.watch(|oracle| {
        let gapless = messages.iter().zip(1_u64..).all(|(message, seq)| message.seq == seq);
        let counted = conversation.last_seq == messages.len() as u64;
        let id = conversation.id;
        oracle.check(Law::Counters, gapless && counted, || {
            format!("{id} counts {} of {}", conversation.last_seq, messages.len())
        });
        let outbound = messages.iter().find(|message| message.direction == Direction::Outbound);
        let first = outbound.map(|message| message.created_at);
        oracle.check(Law::Counters, conversation.first_reply_at == first, || {
            format!("{id} first replied at {:?}, not {first:?}", conversation.first_reply_at)
        });
        let own = messages.iter().all(|message| message.business_id == conversation.business_id);
        oracle.check(Law::Tenant, own, || format!("{id} holds a message of another business"));
    });
}

/// I7: what the moves counted, day by day, is what the ledger holds.
async fn counted(
    world: &World,
    store: &SimStore,
    shop: &Shop,
    (conversations, thread): (&[Conversation], &[Message]),
) {
    let (from, to) = (day_of(VirtualClock::start()), day_of(world.clock.now()));
    let filter = CounterFilter { from, to, channel_id: Some(shop.channel) };
    let counters = store.counters(shop.business, &filter).await.unwrap();
    let (found, standing): (Vec<Counter>, Vec<Counter>) =
        counters.into_iter().partition(|row| row.kind < CounterKind::ConversationsOpened);
    let mut ledger = Rollup::default();
    thread.iter().for_each(|message| recount(&mut ledger, shop.channel, message));
    let row = |(key, count): (CounterKey, u64)| Counter { day: key.day, kind: key.kind, count };
    let held: Vec<Counter> = ledger.rows().map(row).collect();
    let sum =
        |kind| -> u64 { standing.iter().filter(|row| row.kind == kind).map(|row| row.count).sum() };
    let (opened, closed) =
        (sum(CounterKind::ConversationsOpened), sum(CounterKind::ConversationsClosed));
    let live = conversations.iter().filter(|row| row.status != ConversationStatus::Closed).count();
    world.watch(|oracle| {
        oracle.check(Law::Counters, found == held, || {
            format!("{found:?} were counted, the ledger holds {held:?}")
        });
        oracle.check(Law::Counters, opened == closed + live as u64, || {
            format!("{opened} were opened and {closed} closed, {live} are open")
        });
    });
}

/// What contacts wrote is in the ledger of their shop, each once, and nothing else.
fn ledger(oracle: &mut Oracle, shop: &Shop, thread: &[Message]) {
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    for message in thread.iter().filter(|message| message.direction == Direction::Inbound) {
        *found.entry(message.provider_ref.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let mut faults = Vec::new();
    for ((channel, reference), written) in &oracle.written {
        if *channel != shop.channel {
            continue;
        }
        match found.remove(reference.as_str()) {
            Some(1) if written.acknowledged => {}
            times => faults.push(format!("{reference} is there {times:?} times")),
        }
    }
    faults.extend(found.keys().map(|reference| format!("nobody wrote {reference}")));
    faults.into_iter().for_each(|fault| oracle.accuse(Law::Once, fault));
}

/// I1 and I2: every message that was to go out has one end, and that end is what happened.
fn ends(world: &World, shop: &Shop, thread: &[Message]) {
    let outbound: Vec<&Message> =
        thread.iter().filter(|message| message.direction == Direction::Outbound).collect();
    world.watch(|oracle| {
        let asked = oracle.rows.values().filter(|row| row.business == shop.business).count();
        oracle.check(Law::Truth, asked == outbound.len(), || {
            format!("{asked} messages were to go out, {} are there", outbound.len())
        });
    });
    for message in outbound {
        let queued = message.status == DeliveryStatus::Queued;
        let (id, status) = (message.id, message.status);
        world.watch(|oracle| {
            oracle.check(Law::Terminal, !queued, || format!("{id} never came to an end"));
        });
        if let Err(why) = truth(world, shop, message) {
            let detail = format!("{id} is {status:?} {:?}, but {why}", message.failure);
            world.watch(|oracle| oracle.accuse(Law::Truth, detail));
        }
    }
}

fn truth(world: &World, shop: &Shop, message: &Message) -> Result<(), String> {
    let key = OutboxRow::key(message.conversation_id, message.seq);
    let effects = world.watch(|oracle| oracle.rows.get(&key).map_or(0, |row| row.effects));
    let told = world.network().told.get(&key).cloned().unwrap_or_default();
    let was_told = |status: DeliveryStatus| {
        let told = told.contains(status.as_str());
        told.then_some(()).ok_or_else(|| format!("the provider told only {told:?}"))
    };
    match message.status {
        DeliveryStatus::Sent if effects == 0 => Err("it never left".to_owned()),
        DeliveryStatus::Queued | DeliveryStatus::Received | DeliveryStatus::Sent => Ok(()),
        status @ (DeliveryStatus::Delivered | DeliveryStatus::Read) => was_told(status),
        status @ DeliveryStatus::Failed => {
            let failure = message.failure.as_ref().ok_or("nobody says why")?;
            if failure.code.as_deref() == Some(LATE_FAILURE) {
                return was_told(status);
            }
            let doubtful = failure.kind == FailureKind::UnknownOutcome
                || shop.plan.policy == UnknownPolicy::AtLeastOnce;
            if effects > 0 && !doubtful { Err("it left".to_owned()) } else { Ok(()) }
        }
    }
}

/// I4: what the contacts wished last is what the store knows.
async fn wishes(world: &World, store: &SimStore, shop: &Shop) {
    let wishes = world.watch(|oracle| oracle.wishes.clone());
    for ((business, contact), (wish, reference)) in wishes {
        if business != shop.business {
            continue;
        }
        let identity = Identity::new(ChannelKind::MEMORY, contact.as_str());
        let known = store.contact_by_identity(business, &identity).await.unwrap();
        let silent = known.opted_out.contains(&ChannelKind::MEMORY);
        world.watch(|oracle| {
            oracle.check(Law::Silence, silent == (wish == Wish::Silence), || {
                format!("{contact} wished {wish:?} in {reference}, silent is {silent}")
            });
        });
    }
}

/// What a conversation is to its listeners. One turn may close it and open it again, which shows in
/// its generation only.
type Standing = (Owner, ConversationStatus, Priority, u64);

fn standing(conversation: &Conversation) -> Standing {
    let Conversation { owner, status, priority, generation, .. } = conversation;
    (*owner, *status, *priority, *generation)
}

/// I8: the stored events of a conversation are its transitions, and lead to what it is.
fn transitions(world: &World, conversation: &Conversation, events: &[Event]) {
    let mut last: Option<Standing> = None;
    let mut faults = Vec::new();
    let (mut contacts, id) = (0, conversation.id);
    for event in events {
        match &event.body {
            EventBody::ContactCreated { contact_id } => {
                contacts += u32::from(*contact_id == conversation.contact_id);
            }
            EventBody::ConversationCreated { conversation } if conversation.id == id => {
                let before = last.replace(standing(conversation));
                faults.extend(before.map(|_| format!("{id} was created twice")));
            }
            EventBody::ConversationUpdated { conversation } if conversation.id == id => {
                let before = last.replace(standing(conversation));
                if before.is_none() || before == last {
                    faults.push(format!("{id} went from {before:?} to {last:?}"));
                }
            }
            _ => {}
        }
    }
    if last != Some(standing(conversation)) || contacts != 1 {
        faults.push(format!("the events of {id} end at {last:?} with {contacts} contacts"));
    }
    world.watch(|oracle| faults.into_iter().for_each(|why| oracle.accuse(Law::Events, why)));
}

/// Every session is what its trace says, and the ledger holds what it decided.
async fn sessions(
    world: &World,
    store: &SimStore,
    conversation: &Conversation,
    messages: &[Message],
    events: &[Event],
) {
    let business = conversation.business_id;
    let sessions = all(async |page| store.sessions(business, conversation.id, &page).await).await;
    for session in sessions {
        let steps = all(async |page| store.trace(business, session.id, &page).await).await;
        let said = messages.iter().filter(|one| one.author == Author::Bot(session.id)).count();
        let decided = steps.iter().map(sends).sum::<usize>();
        let played = again(store, business, &session, steps).await;
        world.watch(|oracle| {
            let id = session.id;
            oracle.check(Law::Replay, played.is_ok(), || format!("{id}: {played:?}"));
            oracle.check(Law::Replay, said >= decided, || {
                format!("{id} decided {decided} messages, {said} are there")
            });
            let told = told(events, id);
            let silent = told.is_empty()
                && matches!(session.status, SessionStatus::Waiting | SessionStatus::Cancelled);
            oracle.check(Law::Events, silent || told == [session.status], || {
                format!("{id} is {:?}, its events say {told:?}", session.status)
            });
        });
    }
}

/// The messages a step decided.
fn sends(step: &TraceStep) -> usize {
    let effects: Vec<Effect> = serde_json::from_str(&step.effects).unwrap();
    effects.iter().filter(|effect| matches!(effect, Effect::Send { .. })).count()
}

/// Where the events say that a session went.
fn told(events: &[Event], id: SessionId) -> Vec<SessionStatus> {
    let of = |event: &Event| match event.body {
        EventBody::SessionStatus { session_id, status } if session_id == id => Some(status),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

async fn again(
    store: &SimStore,
    business: BusinessId,
    session: &Session,
    steps: Vec<TraceStep>,
) -> Result<(), String> {
    let version = store.flow_version(business, session.flow_version_id).await.unwrap();
    let flows = Flows::new().with_ai(Arc::new(ScriptedAi::new()));
    let program = flows.compile(&version.document).unwrap();
    if steps.len() != session.steps as usize {
        return Err(format!("{} steps of {}", steps.len(), session.steps));
    }
    let ends_there = steps.last().is_none_or(|step| step.state == session.state);
    replay(&*program, steps).map_err(|error| error.to_string())?;
    ends_there.then_some(()).ok_or_else(|| "the state is not that of its last step".to_owned())
}

/// Every mail that a bot had to deal with was dealt with once, unless somebody closed it away.
fn mail(oracle: &mut Oracle) {
    let good = |consumed: u32, dropped: bool| consumed == 1 || (consumed == 0 && dropped);
    let bad = oracle.mail.iter().find(|(_, mail)| !good(mail.consumed, mail.dropped));
    if let Some((id, mail)) = bad {
        let detail = format!("the mail {id} was dealt with {} times", mail.consumed);
        oracle.accuse(Law::Consumed, detail);
    }
}
