//! Several processes at once.

use std::collections::BTreeSet;

use justping_core::model::*;
use justping_core::port::store::*;
use uuid::Uuid;

use super::*;
use crate::tests::{at, business, channel, uuid};

/// Rounds of each race.
const ROUNDS: u128 = 12;
/// Stores that race.
const STORES: u128 = 4;

async fn settle(store: &PostgresStore) {
    let row = Business { id: business(1), name: "Acme".to_owned(), created_at: at(0) };
    store.create_business(&row).await.unwrap();
    store.create_channel(&channel(11, 1), &ChannelSecrets::new()).await.unwrap();
}

/// An inbound message whose ids are made of `n`.
fn accept(n: u128, reference: String, from: &[&str]) -> Accept {
    Accept {
        business_id: business(1),
        channel_id: ChannelId::from_uuid(uuid(11)),
        message: InboundMessage {
            provider_ref: reference,
            from: from.iter().map(|id| Identity::new(ChannelKind::MEMORY, *id)).collect(),
            name: None,
            content: Content::text("hello"),
            reply_to: None,
            sent_at: None,
        },
        owner: Owner::Bot,
        message_id: MessageId::from_uuid(uuid(n * 10 + 1)),
        contact_id: ContactId::from_uuid(uuid(n * 10 + 2)),
        conversation_id: ConversationId::from_uuid(uuid(n * 10 + 3)),
        now: at(0),
    }
}

/// Has a contact of its own write one message.
pub(super) async fn conversation(store: &PostgresStore, n: u128) {
    if n == 1 {
        settle(store).await;
    }
    store.accept(vec![accept(100 + n, format!("p{n}"), &[&format!("c{n}")])]).await.unwrap();
}

/// Has that contact write once more.
pub(super) async fn write_again(store: &PostgresStore, n: u128, reference: &str, now: Timestamp) {
    let accept = accept(9_000 + n, reference.to_owned(), &[&format!("c{n}")]);
    store.accept(vec![Accept { now, ..accept }]).await.unwrap();
}

/// Stores on one database, as processes have them.
async fn stores() -> (Scratch, Vec<PostgresStore>) {
    let scratch = scratch().await;
    settle(&scratch).await;
    let mut stores = Vec::new();
    for _ in 0..STORES {
        stores.push(PostgresStore::open(scratch.database.config()).await.unwrap());
    }
    (scratch, stores)
}

/// Lets every store accept a batch at the same time.
async fn accept_at_once(
    stores: &[PostgresStore],
    batch: impl Fn(u128) -> Vec<Accept>,
) -> Vec<Accepted> {
    let all = (0..).zip(stores).map(|(n, store)| store.accept(batch(n)));
    let mut accepted = Vec::new();
    for outcome in futures(all).await {
        accepted.extend(outcome.unwrap());
    }
    accepted
}

/// Runs futures at the same time.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (one, output) in &mut all {
            if output.is_none() {
                match one.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    all.into_iter().map(|(_, output)| output.unwrap()).collect()
}

#[tokio::test]
async fn one_new_contact_written_of_by_all_is_one_contact() {
    let (scratch, stores) = stores().await;
    for round in 0..ROUNDS {
        let ann = format!("ann{round}");
        let accepted = accept_at_once(&stores, |n| {
            let id = 1000 + round * STORES + n;
            vec![accept(id, format!("p{id}"), &[&ann, &format!("more{id}")])]
        })
        .await;
        let created = accepted.iter().filter(|one| {
            matches!(one, Accepted::New { contact_created: true, conversation_created: true, .. })
        });
        assert_eq!(created.count(), 1, "round {round}");
        let places: BTreeSet<u64> = accepted.iter().map(seq).collect();
        assert_eq!(places, (1..=STORES as u64).collect(), "round {round}");
        let contact = Identity::new(ChannelKind::MEMORY, &*ann);
        let contact = scratch.contact_by_identity(business(1), &contact).await.unwrap();
        assert_eq!(contact.identities.len() as u128, 1 + STORES);
    }
}

fn seq(accepted: &Accepted) -> u64 {
    match accepted {
        Accepted::New { message, .. } => message.seq,
        Accepted::Duplicate { seq, .. } => *seq,
    }
}

#[tokio::test]
async fn one_message_delivered_to_all_is_recorded_once() {
    let (scratch, stores) = stores().await;
    for round in 0..ROUNDS {
        let accepted = accept_at_once(&stores, |n| {
            let id = 1000 + round * STORES + n;
            // Two messages of two contacts, in an order that differs from store to store.
            let mut batch = vec![
                accept(id * 2, format!("a{round}"), &["ann"]),
                accept(id * 2 + 1, format!("b{round}"), &["bob"]),
            ];
            batch.rotate_left(usize::from(n % 2 == 1));
            batch
        })
        .await;
        let new = accepted.iter().filter(|one| matches!(one, Accepted::New { .. }));
        assert_eq!(new.count(), 2, "round {round}");
    }
    let everything = ConversationFilter::default();
    let page = scratch.conversations(business(1), &everything, &PageRequest::default()).await;
    let rows = page.unwrap().items;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| u128::from(row.last_seq) == ROUNDS), "{rows:?}");
    assert_eq!(events(&scratch).await, 4, "two contacts and two conversations");
}

async fn events(store: &PostgresStore) -> usize {
    store.events(business(1), &PageRequest::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn a_conversation_is_claimed_by_one() {
    let (scratch, stores) = stores().await;
    for n in 0..8 {
        conversation(&scratch, n + 2).await;
    }
    let options = ClaimOptions {
        worker: WorkerId::from_uuid(uuid(1)),
        now: at(0),
        lease_until: at(1000),
        limit: 3,
    };
    let mut claimed: Vec<Uuid> = Vec::new();
    for outcome in futures(stores.iter().map(|store| store.claim_turns(&options, None))).await {
        claimed.extend(outcome.unwrap().iter().map(|claim| claim.conversation.id.uuid()));
    }
    let rest = scratch.claim_turns(&ClaimOptions { limit: 100, ..options }, None).await.unwrap();
    claimed.extend(rest.iter().map(|claim| claim.conversation.id.uuid()));
    let different: BTreeSet<Uuid> = claimed.iter().copied().collect();
    assert_eq!((claimed.len(), different.len()), (8, 8));
}

/// Has a contact of its own write, and somebody answer: that is about to leave.
pub(super) async fn leaving(store: &PostgresStore, n: u128) -> ConversationId {
    conversation(store, n).await;
    let id = ConversationId::from_uuid(uuid((100 + n) * 10 + 3));
    let post = Post {
        business_id: business(1),
        conversation_id: id,
        message_id: MessageId::from_uuid(uuid(50_000 + n)),
        direction: Direction::Outbound,
        author: Author::System,
        content: Content::text("hi"),
        lane: Lane::Interactive,
        reply_to: None,
        provider_ref: None,
        once: None,
        owner: None,
        now: at(0),
    };
    store.post(vec![post]).await.unwrap().remove(0).unwrap();
    id
}

/// Claims everything that is to be sent.
pub(super) async fn claims(store: &PostgresStore) -> Vec<SendClaim> {
    let options = ClaimOptions {
        worker: WorkerId::from_uuid(uuid(1)),
        now: at(0),
        lease_until: at(1000),
        limit: 1_000,
    };
    store.claim_outbox(&options, &SendQuota::default(), at(2000)).await.unwrap()
}

pub(super) fn sent(claim: &SendClaim, reference: &str) -> SendRecord {
    SendRecord {
        business_id: business(1),
        conversation_id: claim.row.conversation_id,
        seq: claim.row.seq,
        fence: claim.fence,
        now: at(1),
        outcome: SendOutcome::Sent { provider_ref: Some(reference.to_owned()), changed: None },
    }
}

pub(super) fn delivered(reference: &str, key: Option<String>) -> StatusRecord {
    StatusRecord {
        business_id: business(1),
        channel_id: ChannelId::from_uuid(uuid(11)),
        update: StatusUpdate {
            key,
            provider_ref: reference.to_owned(),
            status: DeliveryStatus::Delivered,
            at: None,
            failure: None,
        },
        now: at(1),
    }
}

/// A status by the provider's name and the answer that brings the name, at the same time: whoever
/// is first, the message hears of it.
#[tokio::test]
async fn a_status_never_misses_the_answer_that_names_its_message() {
    let (scratch, stores) = stores().await;
    for round in 0..ROUNDS {
        let id = leaving(&scratch, 20 + round).await;
        let claim = claims(&scratch).await.remove(0);
        let reference = format!("wamid.{round}");
        let (sent, news) = (sent(&claim, &reference), delivered(&reference, None));
        let (sent, heard) =
            tokio::join!(stores[0].record_sends(vec![sent]), stores[1].record_statuses(vec![news]));
        sent.unwrap();
        heard.unwrap();
        let newest = PageRequest::first(1);
        let page = scratch.messages(business(1), id, MessageOrder::NewestFirst, &newest).await;
        assert_eq!(page.unwrap().items[0].status, DeliveryStatus::Delivered, "round {round}");
    }
}

/// Batches of answers and batches of news about the same messages, each in an order of its own:
/// none is lost to a deadlock, and nothing is left that would be sent again.
#[tokio::test]
async fn mark_sent_against_apply_status() {
    const MESSAGES: u128 = 40;
    let (scratch, stores) = stores().await;
    for round in 0..ROUNDS {
        let mut threads = Vec::new();
        for n in 0..MESSAGES {
            threads.push(leaving(&scratch, 1_000 + round * MESSAGES + n).await);
        }
        let claims = claims(&scratch).await;
        assert_eq!(claims.len() as u128, MESSAGES, "round {round}");
        let name = |claim: &SendClaim| format!("wamid.{}", claim.row.message_id);
        let answers: Vec<_> = claims.iter().map(|claim| sent(claim, &name(claim))).collect();
        let news: Vec<_> = claims
            .iter()
            .enumerate()
            // One half names our key, the other one only what the provider calls the message.
            .map(|(n, one)| delivered(&name(one), (n % 2 == 0).then(|| one.row.idempotency_key())))
            .collect();
        let reversed = |rows: &[StatusRecord]| rows.iter().rev().cloned().collect::<Vec<_>>();
        let (early, late) = answers.split_at(answers.len() / 2);
        let late = late.iter().rev().chain(early.iter().take(5)).cloned().collect();
        let (a, b, c, d) = tokio::join!(
            stores[0].record_sends(early.to_vec()),
            stores[1].record_sends(late),
            stores[2].record_statuses(news.clone()),
            stores[3].record_statuses(reversed(&news)),
        );
        a.unwrap();
        b.unwrap();
        c.unwrap();
        d.unwrap();
        for id in threads {
            let newest = PageRequest::first(1);
            let page = scratch.messages(business(1), id, MessageOrder::NewestFirst, &newest).await;
            assert_eq!(page.unwrap().items[0].status, DeliveryStatus::Delivered, "round {round}");
        }
        let again = ClaimOptions {
            worker: WorkerId::from_uuid(uuid(2)),
            now: at(5_000),
            lease_until: at(6_000),
            limit: 1_000,
        };
        assert_eq!(
            scratch.claim_outbox(&again, &SendQuota::default(), at(7_000)).await.unwrap(),
            [],
            "round {round}"
        );
    }
}

fn post(conversation_id: ConversationId, n: u128) -> Post {
    Post {
        business_id: business(1),
        conversation_id,
        message_id: MessageId::from_uuid(uuid(n)),
        direction: Direction::Outbound,
        author: Author::System,
        content: Content::text("hi"),
        lane: Lane::Interactive,
        reply_to: None,
        provider_ref: None,
        once: None,
        owner: None,
        now: at(0),
    }
}

/// A message is written while the one before it ends: whoever is first, it can leave afterwards.
#[tokio::test]
async fn a_message_behind_one_that_ends_is_never_stranded() {
    let (scratch, stores) = stores().await;
    conversation(&scratch, 20).await;
    let id = ConversationId::from_uuid(uuid(1203));
    scratch.post(vec![post(id, 50_000)]).await.unwrap();
    for round in 0..ROUNDS * 2 {
        let options = ClaimOptions {
            worker: WorkerId::from_uuid(uuid(1)),
            now: at(0),
            lease_until: at(1000),
            limit: 9,
        };
        let everything = SendQuota::default();
        let claims = scratch.claim_outbox(&options, &everything, at(2000)).await.unwrap();
        assert_eq!(claims.len(), 1, "round {round}");
        let sent = SendRecord {
            business_id: business(1),
            conversation_id: id,
            seq: claims[0].row.seq,
            fence: claims[0].fence,
            now: at(1),
            outcome: SendOutcome::Sent { provider_ref: None, changed: None },
        };
        let next = vec![post(id, 50_001 + round)];
        let (written, recorded) =
            tokio::join!(stores[0].post(next), stores[1].record_sends(vec![sent]));
        written.unwrap().remove(0).unwrap();
        assert_eq!(recorded.unwrap().len(), 1, "round {round}");
    }
}

/// A provider tells everybody at once what went past us, whatever conversation each takes it for: it
/// is written once.
#[tokio::test]
async fn what_went_past_us_is_written_once() {
    let (scratch, stores) = stores().await;
    let mut ids = Vec::new();
    for n in [20, 21] {
        conversation(&scratch, n).await;
        ids.push(ConversationId::from_uuid(uuid((100 + n) * 10 + 3)));
    }
    for round in 0..ROUNDS {
        let past = |n: u128| Post {
            direction: Direction::Note,
            provider_ref: Some(format!("past.{round}")),
            ..post(ids[usize::from(n.is_multiple_of(2))], 60_000 + round * STORES + n)
        };
        let all = (0..).zip(&stores).map(|(n, store)| store.post(vec![past(n)]));
        let outcomes: Vec<_> =
            futures(all).await.into_iter().map(|all| all.unwrap().remove(0)).collect();
        let again = Err(StoreError::Conflict("message"));
        let repeated = outcomes.iter().filter(|outcome| **outcome == again).count();
        assert_eq!(repeated, stores.len() - 1, "round {round}: {outcomes:?}");
    }
    let mut noted = 0;
    for id in ids {
        noted += scratch.conversation(business(1), id).await.unwrap().last_seq - 1;
    }
    assert_eq!(u128::from(noted), ROUNDS);
}

#[tokio::test]
async fn what_all_do_at_once_is_counted_once() {
    let (scratch, stores) = stores().await;
    for round in 0..ROUNDS {
        accept_at_once(&stores, |n| {
            let own = 5_000 + round * STORES + n;
            let hello = |id, name: String| accept(id, name, &[&format!("own{n}")]);
            vec![hello(own, format!("own{own}")), hello(own, format!("shared{round}"))]
        })
        .await;
    }
    let day = day_of(at(0));
    let filter = CounterFilter { from: day, to: day, channel_id: None };
    let received = u64::try_from(ROUNDS * (STORES + 1)).unwrap();
    for store in stores.iter().chain([&*scratch]) {
        let counters = store.counters(business(1), &filter).await.unwrap();
        let counted: Vec<_> = counters.iter().map(|row| (row.kind, row.count)).collect();
        let opened = (CounterKind::ConversationsOpened, u64::try_from(STORES).unwrap());
        assert_eq!(counted, [(CounterKind::Received, received), opened]);
    }
}
