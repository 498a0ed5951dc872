//! The people of the simulation: contacts who write, members who step in, and a provider that talks
//! nonsense now and then.

use std::sync::Arc;

use justping::JustPing;
use justping::engine::SendMessage;
use justping::memory::{MemoryChannel, MemoryProvider};
use justping::model::{
    Author, ChannelKind, Content, ConversationChange, DeliveryStatus, Direction, Identity, Inbound,
    InboundMessage, MemberId, OutboxRow, Owner, Priority, StatusUpdate,
};
use justping::port::{HttpMethod, WebhookRequest};

use super::chance::Chance;
use super::flow::KEYWORD;
use super::network::Delivery;
use super::oracle::{Wish, Written};
use super::process::Process;
use super::world::{Answer, World};

/// The secret of every channel.
pub(super) const SECRET: &str = "simulated";

/// Some contact writes one message or a few at once.
pub(super) fn write(world: &World, chance: &Chance) {
    let shop = chance.place(2);
    let contact = contact(shop, chance.below(world.plan().contacts));
    let burst = if chance.percent(20) { 2 + chance.below(3) } else { 1 };
    let news: Vec<Inbound> =
        (0..burst).map(|_| Inbound::Message(message(world, shop, &contact, chance))).collect();
    let now = world.clock.elapsed_ms();
    let mut network = world.network();
    if chance.percent(50) {
        return network.post(now + chance.below(500), Delivery { shop, news });
    }
    for one in news {
        network.post(now + chance.below(5_000), Delivery { shop, news: vec![one] });
    }
}

/// The first contact of both shops is the same person to the eye.
fn contact(shop: usize, number: u64) -> String {
    match number {
        0 => "ann".to_owned(),
        number => format!("{}-{number}", ["bob", "eve"][shop]),
    }
}

fn message(world: &World, shop: usize, contact: &str, chance: &Chance) -> InboundMessage {
    let pressed = world.network().button(shop, contact, chance);
    let (content, wish) = match chance.below(20) {
        0 | 1 => (Content::text("STOP"), Some(Wish::Silence)),
        2 | 3 => (Content::text("start"), Some(Wish::Speech)),
        4..=8 => (Content::text(KEYWORD), None),
        9..=13 => (pressed.unwrap_or_else(|| Content::text("Yes")), None),
        14 => {
            let (name, address) = (None, None);
            (Content::Location { latitude: 1.0, longitude: 2.0, name, address }, None)
        }
        _ => (Content::text(chance.pick(&["hi", "12 Main Street", "who are you?"])), None),
    };
    let provider_ref = world.watch(|oracle| {
        let provider_ref = format!("in-{}", oracle.written.len());
        let key = (oracle.shops[shop].channel, provider_ref.clone());
        let contact = contact.to_owned();
        let written = Written { contact, wish, acknowledged: false, place: None };
        oracle.written.insert(key, written);
        provider_ref
    });
    world.log(format_args!("{provider_ref}: {contact} of {shop} writes {:?}", content.plain()));
    InboundMessage {
        provider_ref,
        from: vec![Identity::new(ChannelKind::MEMORY, contact)],
        name: Some(format!("{contact} of {shop}")),
        content,
        reply_to: None,
        sent_at: None,
    }
}

/// A provider tells of messages that nobody sent, or that another business did.
pub(super) fn nonsense(world: &World, chance: &Chance) {
    let shop = chance.place(2);
    let foreign = world.watch(|oracle| {
        let business = oracle.shops[1 - shop].business;
        let mut rows = oracle.rows.values().filter(|row| row.business == business);
        let at = chance.place(rows.clone().count());
        rows.nth(at).map(|row| OutboxRow::key(row.conversation, row.seq))
    });
    let status = chance.pick(&[DeliveryStatus::Read, DeliveryStatus::Failed]);
    let ghost = Inbound::Status(StatusUpdate {
        provider_ref: "ghost".to_owned(),
        key: foreign,
        status,
        at: None,
        failure: None,
    });
    let strange = Inbound::Unsupported { kind: "strange".to_owned(), raw: serde_json::Value::Null };
    let delivery = Delivery { shop, news: vec![ghost, strange] };
    world.network().post(world.clock.elapsed_ms(), delivery);
}

/// A process gets a webhook; whether it is answered decides whether it comes again.
pub(super) fn deliver(world: &Arc<World>, process: &mut Process, delivery: Delivery) {
    let number = world.depart(process.life.number, delivery.clone());
    let (engine, world) = (process.engine.clone(), Arc::clone(world));
    process.serve(async move {
        let channel = world.watch(|oracle| oracle.shops[delivery.shop].channel);
        let body = MemoryChannel::webhook(&delivery.news);
        let headers = [(MemoryProvider::HEADER.to_owned(), SECRET.to_owned())];
        let request =
            WebhookRequest { method: HttpMethod::Post, query: &[], headers: &headers, body: &body };
        let answer = match engine.webhook(channel, &request).await {
            Ok(_) => Answer::Accepted,
            Err(_) => Answer::Refused,
        };
        world.answered(number, answer);
    });
}

/// A member does something with one of the conversations.
pub(super) fn step_in(world: &Arc<World>, process: &mut Process, chance: &Chance) {
    let known = world.watch(|oracle| {
        let at = chance.place(oracle.conversations.len());
        oracle.conversations.iter().nth(at).map(|(id, (business, _))| (*business, *id))
    });
    let Some((business, conversation)) = known else { return };
    let engine = process.engine.clone();
    let member = MemberId::from_uuid(engine.ids().uuid());
    let deed = deed(member, chance);
    world.log(format_args!("p{} member: {deed:?}", process.life.number));
    process.serve(async move {
        // A member sees the error and shrugs.
        let _ = act(&engine, business, conversation, deed).await;
    });
}

/// What a member does.
#[derive(Debug)]
enum Deed {
    Write(SendMessage),
    Change(ConversationChange),
}

fn deed(member: MemberId, chance: &Chance) -> Deed {
    let says = |direction| {
        Deed::Write(SendMessage {
            author: Author::Member(member),
            content: Content::text("A person here."),
            direction,
            reply_to: None,
        })
    };
    let gives = |owner| Deed::Change(ConversationChange::Assign { owner });
    match chance.below(12) {
        0..=2 => says(Direction::Outbound),
        3 => says(Direction::Note),
        4..=6 => gives(Owner::Bot),
        7 => gives(Owner::Queue),
        8 => gives(Owner::Member(member)),
        9 => Deed::Change(ConversationChange::Close),
        10 => Deed::Change(ConversationChange::Reopen),
        _ => Deed::Change(ConversationChange::SetPriority { priority: Priority::Urgent }),
    }
}

async fn act(
    engine: &JustPing,
    business: justping::model::BusinessId,
    conversation: justping::model::ConversationId,
    deed: Deed,
) -> Result<(), justping::EngineError> {
    match deed {
        Deed::Write(message) => drop(engine.send(business, conversation, message).await?),
        Deed::Change(change) => {
            engine.change_conversation(business, conversation, &change).await?;
        }
    }
    Ok(())
}
