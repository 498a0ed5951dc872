//! Months of messages that come and go, and two who think that they lead.

use std::time::Duration;

use jiff::ToSpan;
use jiff::tz::TimeZone;
use justping_core::model::*;
use justping_core::port::store::*;
use sqlx::Row;

use super::race;
use super::*;
use crate::tests::{at, business, uuid};

/// 2024-03-20: four months after the conversations of these tests.
fn later() -> Timestamp {
    let start = at(0).to_zoned(TimeZone::UTC);
    start.checked_add(4.months().days(6)).unwrap().timestamp()
}

/// Messages are kept for sixty days.
fn options(fence: u64) -> UpkeepOptions {
    let mut keep = Retention::default();
    keep.messages = Some(Duration::from_secs(60 * 24 * 60 * 60));
    UpkeepOptions { fence, now: later(), keep, limit: 100, after: None }
}

async fn lead(store: &PostgresStore, who: u128, now: Timestamp) -> Option<u64> {
    let until = now + jiff::SignedDuration::from_secs(60);
    store.take_lease(UPKEEP_LEASE, WorkerId::from_uuid(uuid(who)), now, until).await.unwrap()
}

async fn partitions(scratch: &Scratch) -> Vec<String> {
    let mut plain = server::plain(&scratch.database.name).await;
    let rows = sqlx::query(upkeep::PARTITIONS).fetch_all(&mut plain).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn messages(store: &PostgresStore, id: ConversationId) -> Vec<Message> {
    let all = PageRequest::first(50);
    store.messages(business(1), id, MessageOrder::OldestFirst, &all).await.unwrap().items
}

/// Everything that waits for a bot is claimed and thrown away.
async fn empty_mailboxes(store: &PostgresStore) {
    let now = at(0);
    let claim = ClaimOptions {
        worker: WorkerId::from_uuid(uuid(9)),
        now,
        lease_until: at(1_000),
        limit: 100,
    };
    for claim in store.claim_turns(&claim, None).await.unwrap() {
        let close = ConversationChange::Close;
        store.change_conversation(business(1), claim.conversation.id, &close, now).await.unwrap();
    }
}

#[tokio::test]
async fn a_month_is_put_aside_and_nothing_else_breaks() {
    let scratch = scratch().await;
    let id = race::leaving(&scratch, 1).await;
    let other = race::leaving(&scratch, 2).await;
    scratch.make_partitions(at(0)).await.unwrap();
    let claims = race::claims(&scratch).await;
    for claim in &claims {
        let name = format!("wamid.{}", claim.row.conversation_id);
        scratch.record_sends(vec![race::sent(claim, &name)]).await.unwrap();
    }
    empty_mailboxes(&scratch).await;
    assert_eq!(messages(&scratch, id).await.len(), 2);

    let fence = lead(&scratch, 1, later()).await.unwrap();
    let report = scratch.upkeep(&options(fence)).await.unwrap();
    // November and December go, March to June are prepared.
    assert_eq!((report.months_detached, report.months_held), (2, 0), "{report:?}");
    assert_eq!(report.months_made, 4, "{report:?}");
    assert!(!partitions(&scratch).await.contains(&"messages_2023_11".to_owned()));
    assert_eq!(messages(&scratch, id).await, [], "what was put aside is not read");

    // The table is still there for whoever wants it.
    let mut admin = server::admin(&scratch.database.name).await;
    let aside = sqlx::query("SELECT count(*) FROM messages_2023_11");
    assert_eq!(aside.fetch_one(&mut admin).await.unwrap().get::<i64, _>(0), 4);

    // News of a message in it, a repeated message, lists, claims, what comes next.
    let name = format!("wamid.{id}");
    let by_name = race::delivered(&name, None);
    let by_key = race::delivered(&name, Some(claims[0].row.idempotency_key()));
    for news in [by_name, by_key] {
        let outcome = scratch.record_statuses(vec![news]).await.unwrap().remove(0);
        assert!(!matches!(outcome, StatusOutcome::Applied { .. }), "{outcome:?}");
    }
    assert_eq!(scratch.conversation(business(1), other).await.unwrap().last_seq, 2);
    assert_eq!(race::claims(&scratch).await, []);
    race::write_again(&scratch, 2, "again", later()).await;
    assert_eq!(messages(&scratch, other).await.iter().map(|one| one.seq).collect::<Vec<_>>(), [3]);
    let report = scratch.upkeep(&options(fence)).await.unwrap();
    assert_eq!((report.months_detached, report.months_made), (0, 0), "{report:?}");
}

#[tokio::test]
async fn a_month_with_work_in_it_stays() {
    let scratch = scratch().await;
    let id = race::leaving(&scratch, 1).await;
    scratch.make_partitions(at(0)).await.unwrap();
    let fence = lead(&scratch, 1, later()).await.unwrap();
    let held = scratch.upkeep(&options(fence)).await.unwrap();
    // December has nothing in it.
    assert_eq!((held.months_detached, held.months_held), (1, 1), "a row of the outbox");
    let claim = race::claims(&scratch).await.remove(0);
    scratch.record_sends(vec![race::sent(&claim, "wamid.1")]).await.unwrap();
    let held = scratch.upkeep(&options(fence)).await.unwrap();
    assert_eq!((held.months_detached, held.months_held), (0, 1), "an entry of the mailbox");
    assert_eq!(messages(&scratch, id).await.len(), 2);
    empty_mailboxes(&scratch).await;
    let gone = scratch.upkeep(&options(fence)).await.unwrap();
    assert_eq!((gone.months_detached, gone.months_held), (1, 0));
}

/// Two that lead at the same time: one slept past its lease, or its clock is wrong.
#[tokio::test]
async fn two_leaders_do_it_once_and_the_older_one_nothing() {
    let scratch = scratch().await;
    race::conversation(&scratch, 1).await;
    scratch.make_partitions(at(0)).await.unwrap();
    empty_mailboxes(&scratch).await;
    let other = PostgresStore::open(scratch.database.config()).await.unwrap();
    let zombie = lead(&scratch, 1, at(0)).await.unwrap();
    assert_eq!(lead(&other, 2, at(0)).await, None, "one leads");
    let leader = lead(&other, 2, later()).await.unwrap();
    let before = partitions(&scratch).await;
    assert_eq!(scratch.upkeep(&options(zombie)).await, Err(StoreError::Stale("lease")));
    assert_eq!(partitions(&scratch).await, before, "the older one changes nothing");

    let options = options(leader);
    let (a, b) = tokio::join!(scratch.upkeep(&options), other.upkeep(&options));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.months_detached + b.months_detached, 2);
    assert_eq!(a.months_made + b.months_made, 4);
}
