//! Daily counters: each thing counts once, on its day, for its business and channel.

use std::time::Duration;

use jiff::SignedDuration;

use crate::conformance::fixture::{World, assert_invalid, assert_not_found, at, recount, sent_as};
use crate::model::{
    BusinessId, ChannelId, ConversationChange, Counter, CounterKind, Date, DeliveryStatus,
    Direction, Failure, FailureKind, Owner, Rollup, Timestamp, WorkerId, day_of,
};
use crate::port::Store;
use crate::port::store::{
    Accept, CounterFilter, Post, Retention, SendOutcome, StatusOutcome, StatusRecord, TurnCommit,
    UPKEEP_LEASE, UpkeepOptions,
};

use CounterKind::{ConversationsClosed, ConversationsOpened};
use DeliveryStatus::{Delivered, Failed, Queued, Read, Received, Sent};

/// One day, in seconds.
const DAY_S: i64 = 24 * 60 * 60;

/// The month of the checks.
fn month() -> CounterFilter {
    let (from, to) = (Date::constant(2026, 1, 1), Date::constant(2026, 1, 31));
    CounterFilter { from, to, channel_id: None }
}

async fn counters(world: &World<'_>) -> Vec<Counter> {
    world.store.counters(world.business, &month()).await.unwrap()
}

/// The counters of a business whose checks take one day.
async fn counted(world: &World<'_>) -> Vec<(CounterKind, u64)> {
    let counters = counters(world).await;
    assert!(counters.iter().all(|row| row.day == day_of(at(0))), "{counters:?}");
    counters.iter().map(|row| (row.kind, row.count)).collect()
}

/// What is counted of messages.
async fn messages(world: &World<'_>) -> Vec<(CounterKind, u64)> {
    let mut counted = counted(world).await;
    counted.retain(|(kind, _)| !matches!(kind, ConversationsOpened | ConversationsClosed));
    counted
}

/// Something that failed.
fn failure() -> Failure {
    Failure { kind: FailureKind::Rejected, code: None, detail: "no".to_owned() }
}

/// Accepted messages count once, however often and in however many batches they come.
pub async fn counters_know_no_duplicates(store: &dyn Store) {
    let world = World::new(store).await;
    assert_eq!(counters(&world).await, []);
    let hello = |reference: &str| world.hello("ann", reference);
    store.accept(vec![hello("m1"), hello("m2"), hello("m1"), hello("m3")]).await.unwrap();
    store.accept(vec![hello("m2"), hello("m4")]).await.unwrap();
    store.accept(vec![hello("m4")]).await.unwrap();
    assert_eq!(counted(&world).await, [(CounterKind::Received, 4), (ConversationsOpened, 1)]);
}

/// A message that goes its way counts at each step, and not again for what is repeated or old.
pub async fn counters_follow_a_message_forward(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.quiet("ann").await.id;
    world.posted(world.post(id, "hello")).await;
    let mut expected = vec![(CounterKind::Received, 1)];
    assert_eq!(messages(&world).await, expected, "what is only queued is not counted");
    let claim = world.sent(at(1), "p1").await;
    expected.push((CounterKind::Sent, 1));
    assert_eq!(messages(&world).await, expected);
    world.record(&claim, sent_as("p1")).await;
    let steps = [(Delivered, CounterKind::Delivered), (Read, CounterKind::Read)];
    for (status, kind) in steps {
        let twice = vec![world.news("p1", status), world.news("p1", status)];
        store.record_statuses(twice).await.unwrap();
        expected.push((kind, 1));
        assert_eq!(messages(&world).await, expected);
    }
    for status in [Read, Delivered, Sent, Failed, Queued, Received] {
        assert_eq!(world.hear(world.news("p1", status)).await, StatusOutcome::Unchanged);
    }
    assert_eq!(messages(&world).await, expected);
}

/// A message that was read was delivered and sent: news that comes in the wrong order counts the
/// same, and news that waited for its message counts when it is told.
pub async fn counters_include_skipped_steps(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.quiet("ann").await.id;
    let all = |n| {
        [CounterKind::Received, CounterKind::Sent, CounterKind::Delivered, CounterKind::Read]
            .into_iter()
            .zip([1, n, n, n])
            .collect::<Vec<_>>()
    };
    world.posted(world.post(id, "by key")).await;
    let claim = world.send_one(at(1)).await;
    let batch = [Read, Delivered, Sent].map(|status| world.keyed(&claim.row, "p1", status));
    store.record_statuses(batch.to_vec()).await.unwrap();
    assert_eq!(messages(&world).await, all(1));
    world.record(&claim, sent_as("p1")).await;
    assert_eq!(messages(&world).await, all(1), "the answer came late");

    world.posted(world.post(id, "by name")).await;
    let claim = world.send_one(at(2)).await;
    for status in [Read, Delivered, Read] {
        assert_eq!(world.hear(world.news("p2", status)).await, StatusOutcome::Parked);
    }
    assert_eq!(messages(&world).await, all(1), "news that waits is not counted");
    world.record(&claim, sent_as("p2")).await;
    assert_eq!(messages(&world).await, all(2));
}

/// What fails counts as failed, after it was sent as well as before; tries that end in another way
/// count nothing.
pub async fn counters_of_failures(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.quiet("ann").await.id;
    for text in ["a", "b"] {
        world.posted(world.post(id, text)).await;
    }
    for outcome in [SendOutcome::Retry { due_at: at(2) }, SendOutcome::Defer { due_at: at(2) }] {
        let claim = world.send_one(at(2)).await;
        world.record(&claim, outcome).await;
    }
    assert_eq!(messages(&world).await, [(CounterKind::Received, 1)]);
    let claim = world.send_one(at(2)).await;
    world.record(&claim, SendOutcome::Failed(failure())).await;
    world.record(&claim, SendOutcome::Failed(failure())).await;
    let expected = [(CounterKind::Received, 1), (CounterKind::Failed, 1)];
    assert_eq!(messages(&world).await, expected);

    world.sent(at(3), "p1").await;
    let mut news = world.news("p1", Failed);
    news.update.failure = Some(failure());
    world.hear(news).await;
    let expected = [(CounterKind::Received, 1), (CounterKind::Sent, 1), (CounterKind::Failed, 2)];
    assert_eq!(messages(&world).await, expected);
}

/// A conversation counts when it opens and when it closes, whoever does it.
pub async fn counters_of_conversations(store: &dyn Store) {
    let world = World::new(store).await;
    let standing = async || {
        let mut counted = counted(&world).await;
        counted.retain(|(kind, _)| *kind != CounterKind::Received);
        counted.into_iter().map(|(_, count)| count).collect::<Vec<_>>()
    };
    let claim = world.turn("ann").await;
    let id = claim.conversation.id;
    assert_eq!(standing().await, [1]);
    let close = vec![ConversationChange::Close];
    world.commit(TurnCommit { changes: close, ..world.done(&claim) }).await;
    assert_eq!(standing().await, [1, 1], "by a turn");
    let owner = Some(Owner::Member(world.member));
    world.posted(Post { owner, ..world.post(id, "one more thing") }).await;
    assert_eq!(standing().await, [2, 1], "by a post");
    for (change, expected) in [
        (ConversationChange::Reopen, [2, 1]),
        (ConversationChange::Close, [2, 2]),
        (ConversationChange::Close, [2, 2]),
        (ConversationChange::Reopen, [3, 2]),
        (ConversationChange::Assign { owner: Owner::Queue }, [3, 2]),
        (ConversationChange::Close, [3, 3]),
    ] {
        world.change(id, change.clone()).await;
        assert_eq!(standing().await, expected, "{change:?}");
    }
    world.arrive(world.hello("ann", "again")).await;
    assert_eq!(standing().await, [4, 3], "by a message");
    world.arrive(world.hello("ann", "and again")).await;
    assert_eq!(standing().await, [4, 3]);
}

/// What a move refuses is not counted, and neither are notes.
pub async fn counters_of_nothing(store: &dyn Store) {
    let world = World::new(store).await;
    let claim = world.turn("ann").await;
    let (id, before) = (claim.conversation.id, counters(&world).await);
    let changes = vec![ConversationChange::Close];
    let stale = TurnCommit { fence: claim.fence + 1, changes, ..world.done(&claim) };
    assert!(world.try_commit(stale).await.is_err());
    let unsent =
        Accept { channel_id: ChannelId::from_uuid(world.uuid()), ..world.hello("ann", "x") };
    assert_not_found(store.accept(vec![world.hello("ann", "y"), unsent]).await);
    world.posted(Post { direction: Direction::Note, ..world.post(id, "note") }).await;
    let inbound = Post { direction: Direction::Inbound, ..world.post(id, "forged") };
    assert_invalid(store.post(vec![inbound]).await.unwrap().remove(0));
    assert_eq!(counters(&world).await, before);
}

/// Counters are of a day in UTC and of a channel; rows come by day, then by kind.
pub async fn counters_are_of_days_and_channels(store: &dyn Store) {
    let world = World::new(store).await;
    let other = world.add_channel().await;
    // The checks begin at nine in the morning: 15 hours to midnight.
    let midnight = DAY_S - 9 * 60 * 60;
    for (reference, second, channel_id) in [
        ("m1", midnight - 1, world.channel),
        ("m2", midnight, world.channel),
        ("m3", midnight + DAY_S - 1, other),
        ("m4", midnight + DAY_S, other),
    ] {
        let hello = world.hello("ann", reference);
        world.accept(Accept { now: at(second), channel_id, ..hello }).await;
    }
    let days = |filter: CounterFilter| async move {
        let rows = store.counters(world.business, &filter).await.unwrap();
        assert!(rows.is_sorted_by_key(|row| (row.day, row.kind)), "{rows:?}");
        let received = rows.iter().filter(|row| row.kind == CounterKind::Received);
        received.map(|row| (row.day.day(), row.count)).collect::<Vec<_>>()
    };
    assert_eq!(days(month()).await, [(5, 1), (6, 2), (7, 1)]);
    let channel_id = Some(other);
    assert_eq!(days(CounterFilter { channel_id, ..month() }).await, [(6, 1), (7, 1)]);
    let (from, to) = (Date::constant(2026, 1, 6), Date::constant(2026, 1, 6));
    assert_eq!(days(CounterFilter { from, to, ..month() }).await, [(6, 2)]);
    assert_eq!(days(CounterFilter { from, to, channel_id }).await, [(6, 1)]);
}

/// News counts on the day of which it speaks, which is that of the message's timeline.
pub async fn counters_go_by_the_timeline(store: &dyn Store) {
    let world = World::new(store).await;
    let id = world.quiet("ann").await.id;
    world.posted(world.post(id, "hello")).await;
    world.sent(at(1), "p1").await;
    let mut news = world.news("p1", Delivered);
    (news.update.at, news.now) = (Some(at(2 * DAY_S)), at(5 * DAY_S));
    world.hear(news).await;
    world.hear(StatusRecord { now: at(6 * DAY_S), ..world.news("p1", Read) }).await;
    let counters = counters(&world).await;
    let days = counters.iter().skip_while(|row| row.kind != CounterKind::Sent);
    let days: Vec<_> =
        days.filter(|row| row.count == 1).map(|row| (row.day.day(), row.kind)).collect();
    let expected = [
        (5, CounterKind::Sent),
        (5, ConversationsOpened),
        (7, CounterKind::Delivered),
        (11, CounterKind::Read),
    ];
    assert_eq!(days, expected);
}

/// Days that go backwards, and too many of them, are refused.
pub async fn counters_of_too_many_days_are_refused(store: &dyn Store) {
    let world = World::new(store).await;
    let read = async |from, to| {
        let filter = CounterFilter { from, to, channel_id: None };
        store.counters(world.business, &filter).await
    };
    let day = Date::constant(2026, 1, 1);
    assert_eq!(read(day, Date::constant(2027, 1, 1)).await, Ok(Vec::new()));
    assert_invalid(read(day, Date::constant(2027, 1, 2)).await);
    assert_invalid(read(day, Date::constant(2025, 12, 31)).await);
    assert_invalid(read(Date::MIN, Date::MAX).await);
}

/// What happens at a business is counted nowhere else, and read by nobody else.
pub async fn foreign_counters_are_hidden(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    let batch = ["a1", "a2"].map(|reference| ours.hello("ann", reference));
    store.accept([batch.to_vec(), vec![theirs.hello("ann", "a1")]].concat()).await.unwrap();
    assert_eq!(messages(&ours).await, [(CounterKind::Received, 2)]);
    assert_eq!(messages(&theirs).await, [(CounterKind::Received, 1)]);
    let filter = CounterFilter { channel_id: Some(ours.channel), ..month() };
    assert_eq!(store.counters(theirs.business, &filter).await, Ok(Vec::new()));
    assert_eq!(store.counters(BusinessId::from_uuid(ours.uuid()), &month()).await, Ok(Vec::new()));
}

/// Moves that happen at the same time are all counted, in whichever order they name businesses.
pub async fn counters_survive_a_crowd(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    let batch = |n: usize| {
        let hello = |world: &World<'_>| world.hello(&format!("c{n}"), &format!("m{n}"));
        let mut rows = vec![hello(&ours), hello(&theirs), hello(&ours)];
        rows.rotate_left(n % 3);
        store.accept(rows)
    };
    let (a, b, c, d) = tokio::join!(batch(0), batch(1), batch(2), batch(3));
    for accepted in [a, b, c, d] {
        accepted.unwrap();
    }
    let expected = [(CounterKind::Received, 4), (ConversationsOpened, 4)];
    assert_eq!(counted(&ours).await, expected);
    assert_eq!(counted(&theirs).await, expected);
}

/// What is counted of messages is what the ledger holds of them.
pub async fn counters_are_what_the_ledger_holds(store: &dyn Store) {
    let world = World::new(store).await;
    let statuses = [Sent, Delivered, Read, Failed, Delivered, Sent];
    let mut held = Vec::new();
    for n in 0..12_usize {
        let who = format!("c{}", n % 5);
        let now = at(n as i64 * DAY_S / 4);
        let hello = Accept { now, owner: Owner::Queue, ..world.hello(&who, &format!("m{n}")) };
        let id = world.arrive(hello.clone()).await.id;
        world.accept(hello).await;
        world.posted(Post { now, ..world.post(id, "hello") }).await;
        let claim = world.send_one(now).await;
        let reference = format!("p{n}");
        if n % 3 != 0 {
            world.record(&claim, sent_as(&reference)).await;
        }
        for status in statuses.iter().cycle().skip(n).take(n % 4) {
            let news = world.keyed(&claim.row, &reference, *status);
            world.hear(StatusRecord { now: at((n as i64 + 1) * DAY_S / 2), ..news }).await;
        }
        world.record(&claim, sent_as(&reference)).await;
        held.push(id);
    }
    held.sort_unstable();
    held.dedup();
    let mut ledger = Rollup::default();
    for id in held {
        for message in world.messages(id).await {
            recount(&mut ledger, world.channel, &message);
        }
    }
    let expected =
        ledger.rows().map(|(key, count)| Counter { day: key.day, kind: key.kind, count });
    let mut counters = counters(&world).await;
    counters.retain(|row| row.kind != ConversationsOpened);
    assert_eq!(counters, expected.collect::<Vec<_>>());
}

/// The moment `days` after the checks begin.
fn on(days: i64) -> Timestamp {
    at(0).checked_add(SignedDuration::from_secs(days * DAY_S)).unwrap()
}

/// Counters go after their time, by whole days, whosever they are; the others stay.
pub async fn upkeep_drops_counters(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    for day in 0..4 {
        for world in [&world, &rival] {
            let hello = world.hello("ann", &format!("m{day}"));
            world.accept(Accept { now: on(day), ..hello }).await;
        }
    }
    let fence = store
        .take_lease(UPKEEP_LEASE, WorkerId::from_uuid(world.uuid()), on(10), on(11))
        .await
        .unwrap()
        .unwrap();
    let keep = Retention {
        counters: Some(Duration::from_secs(DAY_S.unsigned_abs() * 8)),
        ..Retention::default()
    };
    let mut options = UpkeepOptions { fence, now: on(10), keep, limit: 2, after: None };
    let mut dropped = 0;
    loop {
        let report = store.upkeep(&options).await.unwrap();
        dropped += report.counters;
        match report.next {
            Some(next) => options.after = Some(next),
            None => break,
        }
    }
    assert_eq!(dropped, 6, "two days of messages, and one of new conversations, twice");
    for world in [&world, &rival] {
        let left = counters(world).await;
        let days: Vec<_> = left.iter().map(|row| (row.day.day(), row.kind, row.count)).collect();
        assert_eq!(days, [(7, CounterKind::Received, 1), (8, CounterKind::Received, 1)]);
    }
}
