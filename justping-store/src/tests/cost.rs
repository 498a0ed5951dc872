//! What a claim costs, however much is due.

use std::time::Instant;

use justping_core::model::*;
use justping_core::port::Store;
use justping_core::port::store::*;

use super::{at, business, channel, uuid};

fn accept(n: u128, owner: u128) -> Accept {
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
        message_id: MessageId::from_uuid(uuid(n * 10 + 1_000_001)),
        contact_id: ContactId::from_uuid(uuid(n * 10 + 1_000_002)),
        conversation_id: ConversationId::from_uuid(uuid(n * 10 + 1_000_003)),
        now: at(0),
    }
}

fn post(n: u128, owner: u128) -> Post {
    Post {
        business_id: business(owner),
        conversation_id: ConversationId::from_uuid(uuid(n * 10 + 1_000_003)),
        message_id: MessageId::from_uuid(uuid(n * 10 + 1_000_004)),
        direction: Direction::Outbound,
        author: Author::System,
        content: Content::text("offer"),
        lane: Lane::Bulk,
        reply_to: None,
        owner: None,
        now: at(i64::try_from(n).unwrap_or(0) / 1000),
    }
}

pub(crate) async fn report(store: &dyn Store, label: &str) {
    for owner in [1, 2] {
        let row = Business { id: business(owner), name: "Acme".to_owned(), created_at: at(0) };
        store.create_business(&row).await.unwrap();
        store.create_channel(&channel(10 + owner, owner), &ChannelSecrets::new()).await.unwrap();
    }
    let mut filled = 0u128;
    for size in [100u128, 10_000, 100_000] {
        while filled < size {
            let end = (filled + 250).min(size);
            store.accept((filled..end).map(|n| accept(n, 1)).collect()).await.unwrap();
            for posted in store.post((filled..end).map(|n| post(n, 1)).collect()).await.unwrap() {
                posted.unwrap();
            }
            filled = end;
        }
        for limit in [1u32, 32] {
            let options = |n: i64| ClaimOptions {
                worker: WorkerId::from_uuid(uuid(1)),
                now: at(1_000_000 + n),
                lease_until: at(100_000_000),
                limit,
            };
            let mut micros = Vec::new();
            let mut claimed = 0;
            for n in 0..(if limit == 1 { 30 } else { 2 }) {
                let start = Instant::now();
                let claims = store
                    .claim_outbox(&options(n), &SendQuota::default(), at(200_000_000))
                    .await
                    .unwrap();
                micros.push(start.elapsed().as_micros());
                claimed += claims.len();
                let records = claims.iter().map(|claim| SendRecord {
                    business_id: claim.row.business_id,
                    conversation_id: claim.row.conversation_id,
                    seq: claim.row.seq,
                    fence: claim.fence,
                    now: at(1_000_000),
                    outcome: SendOutcome::Defer { due_at: at(0) },
                });
                store.record_sends(records.collect()).await.unwrap();
            }
            micros.sort_unstable();
            println!(
                "{label} outbox rows {size} limit {limit}: claimed {claimed} median {} us, max {} us",
                micros[micros.len() / 2],
                micros[micros.len() - 1]
            );
        }
        for limit in [1u32, 32] {
            let mut micros = Vec::new();
            let mut claimed = 0;
            for n in 0..(if limit == 1 { 30 } else { 2 }) {
                let options = ClaimOptions {
                    worker: WorkerId::from_uuid(uuid(1)),
                    now: at(1_000_000 + n),
                    lease_until: at(100_000_000),
                    limit,
                };
                let start = Instant::now();
                let claims = store.claim_turns(&options, None).await.unwrap();
                micros.push(start.elapsed().as_micros());
                claimed += claims.len();
                let releases: Vec<_> = claims
                    .iter()
                    .map(|claim| TurnRelease {
                        business_id: claim.conversation.business_id,
                        conversation_id: claim.conversation.id,
                        fence: claim.fence,
                        not_before: at(0),
                    })
                    .collect();
                store.release_turns(&releases).await.unwrap();
            }
            micros.sort_unstable();
            println!(
                "{label} turns {size} limit {limit}: claimed {claimed} median {} us, max {} us",
                micros[micros.len() / 2],
                micros[micros.len() - 1]
            );
        }
    }
}
