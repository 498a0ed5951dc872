//! A business with a crowd of due messages and one with a message now and then.

use justping_core::model::*;
use justping_core::port::Store;
use justping_core::port::store::*;

use super::{at, business, channel, uuid};

/// Rows of one move while the queues are filled.
const BATCH: u128 = 250;
/// How often the quiet one writes.
const ROUNDS: u128 = 30;
/// Sends of one claim.
const LIMIT: u32 = 8;

fn conversation(owner: u128, n: u128) -> ConversationId {
    ConversationId::from_uuid(uuid(owner * 100_000_000 + n * 10 + 3))
}

/// The first words of a contact, whom nobody answers.
fn hello(owner: u128, n: u128) -> Accept {
    let id = owner * 100_000_000 + n * 10;
    Accept {
        business_id: business(owner),
        channel_id: ChannelId::from_uuid(uuid(10 + owner)),
        message: InboundMessage {
            provider_ref: format!("p{n}"),
            from: vec![Identity::new(ChannelKind::MEMORY, format!("c{n}"))],
            name: None,
            content: Content::text("hello"),
            reply_to: None,
            sent_at: None,
        },
        owner: Owner::Bot,
        message_id: MessageId::from_uuid(uuid(id + 1)),
        contact_id: ContactId::from_uuid(uuid(id + 2)),
        conversation_id: conversation(owner, n),
        now: at(0),
    }
}

fn offer(owner: u128, n: u128) -> Post {
    Post {
        business_id: business(owner),
        conversation_id: conversation(owner, n),
        message_id: MessageId::from_uuid(uuid(owner * 100_000_000 + n * 10 + 4)),
        direction: Direction::Outbound,
        author: Author::System,
        content: Content::text("offer"),
        lane: Lane::Bulk,
        reply_to: None,
        provider_ref: None,
        once: None,
        owner: None,
        now: at(1),
    }
}

async fn fill(store: &dyn Store, owner: u128, range: std::ops::Range<u128>) {
    for first in range.clone().step_by(BATCH as usize) {
        let batch = first..(first + BATCH).min(range.end);
        store.accept(batch.clone().map(|n| hello(owner, n)).collect()).await.unwrap();
        for posted in store.post(batch.map(|n| offer(owner, n)).collect()).await.unwrap() {
            posted.unwrap();
        }
    }
}

fn options(now: i64) -> ClaimOptions {
    ClaimOptions {
        worker: WorkerId::from_uuid(uuid(1)),
        now: at(now),
        lease_until: at(now + 1_000_000),
        limit: LIMIT,
    }
}

async fn settle_in(store: &dyn Store) {
    for owner in [1, 2] {
        let row = Business { id: business(owner), name: "Acme".to_owned(), created_at: at(0) };
        store.create_business(&row).await.unwrap();
        store.create_channel(&channel(10 + owner, owner), &ChannelSecrets::new()).await.unwrap();
    }
}

/// Whatever the one has due, the other one's message and mail are in the very next claim.
pub(crate) async fn check(store: &dyn Store, crowd: u128) {
    settle_in(store).await;
    fill(store, 1, 0..crowd).await;
    let mut quota = SendQuota::default();
    let mut turn = None;
    for round in 0..ROUNDS {
        fill(store, 2, round..round + 1).await;
        let now = 1_000 * (2 + i64::try_from(round).unwrap());
        let sends = store.claim_outbox(&options(now), &quota, at(100_000_000)).await.unwrap();
        assert_eq!(sends.len(), LIMIT as usize, "round {round}");
        let owners = sends.iter().map(|claim| claim.row.business_id);
        assert_eq!(owners.filter(|owner| *owner == business(2)).count(), 1, "round {round}");
        quota.after[2] = sends.last().map(|claim| claim.row.business_id);
        let record = |claim: &SendClaim| SendRecord {
            business_id: claim.row.business_id,
            conversation_id: claim.row.conversation_id,
            seq: claim.row.seq,
            fence: claim.fence,
            now: at(now),
            outcome: SendOutcome::Sent { provider_ref: None, changed: None },
        };
        store.record_sends(sends.iter().map(record).collect()).await.unwrap();

        let turns = store.claim_turns(&options(now), turn).await.unwrap();
        assert_eq!(turns.len(), LIMIT as usize, "round {round}");
        let quiet = conversation(2, round);
        assert!(turns.iter().any(|claim| claim.conversation.id == quiet), "round {round}");
        turn = turns.last().map(|claim| claim.conversation.business_id);
    }
    let stats = store.queue_stats(at(1_000_000)).await.unwrap();
    let sent = ROUNDS as u64 * u64::from(LIMIT);
    assert_eq!(stats.lanes[2].due, crowd as u64 + ROUNDS as u64 - sent);
}
