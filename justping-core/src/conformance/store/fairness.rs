//! Whose turn it is: lanes, businesses, channels.

use crate::conformance::fixture::{World, at, sent_as};
use crate::model::{BusinessId, Lane};
use crate::policy::LaneQuota;
use crate::port::Store;
use crate::port::store::{Held, LaneStats, Post, SendClaim, SendOutcome, SendQuota};

/// Three businesses, by id.
async fn three(store: &dyn Store) -> [World<'_>; 3] {
    let mut worlds = [World::new(store).await, World::new(store).await, World::new(store).await];
    worlds.sort_by_key(|world| world.business);
    worlds
}

/// Lets `count` conversations of a business have one message each, ready to leave.
async fn queue(world: &World<'_>, name: &str, count: usize, lane: Lane, second: i64) {
    for n in 0..count {
        let text = format!("{name}{n}");
        let id = world.quiet(&format!("{lane:?} {text}")).await.id;
        world.posted(Post { lane, now: at(second), ..world.post(id, &text) }).await;
    }
}

async fn take(world: &World<'_>, limit: u32, quota: &SendQuota) -> Vec<SendClaim> {
    let options = world.options(at(10), limit);
    world.store.claim_outbox(&options, quota, at(1_000)).await.unwrap()
}

fn texts(claims: &[SendClaim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.message.content.plain()).collect()
}

/// One message of each business leaves in turn, whatever one of them has waiting.
pub async fn sends_take_turns_between_businesses(store: &dyn Store) {
    let [a, b, c] = three(store).await;
    queue(&a, "a", 7, Lane::Bulk, 1).await;
    queue(&b, "b", 2, Lane::Bulk, 3).await;
    queue(&c, "c", 1, Lane::Bulk, 2).await;
    let quota = SendQuota::default();
    assert_eq!(texts(&take(&a, 5, &quota).await), ["a0", "b0", "c0", "a1", "b1"]);
    let after = |business| SendQuota { after: [None, None, Some(business)], ..quota.clone() };
    queue(&c, "d", 1, Lane::Bulk, 4).await;
    assert_eq!(texts(&take(&a, 2, &after(b.business)).await), ["d0", "a2"]);
    assert_eq!(texts(&take(&a, 9, &after(a.business)).await), ["a3", "a4", "a5", "a6"]);
}

/// Of a lane a business never has more on its way than it may, and others take its places.
pub async fn sends_keep_to_the_bound_of_a_business(store: &dyn Store) {
    let [a, b, _] = three(store).await;
    queue(&a, "a", 4, Lane::Bulk, 1).await;
    queue(&a, "i", 2, Lane::Interactive, 1).await;
    queue(&b, "b", 2, Lane::Bulk, 2).await;
    let held = Held { lane: Lane::Bulk, business: a.business, channel: a.channel, count: 1 };
    let quota = SendQuota { per_business: 2, held: vec![held], ..SendQuota::default() };
    assert_eq!(texts(&take(&a, 9, &quota).await), ["i0", "i1", "a0", "b0", "b1"]);
    let quota = SendQuota { held: vec![Held { count: 2, ..held }], ..quota };
    assert_eq!(take(&a, 9, &quota).await, []);
    assert_eq!(texts(&take(&a, 9, &SendQuota::default()).await), ["a1", "a2", "a3"]);
}

/// A channel whose places are taken holds up no other channel of its business.
pub async fn sends_keep_to_the_bound_of_a_channel(store: &dyn Store) {
    let mut world = World::new(store).await;
    let slow = world.channel;
    queue(&world, "slow", 4, Lane::Bulk, 1).await;
    world.channel = world.add_channel().await;
    queue(&world, "fast", 3, Lane::Bulk, 2).await;
    let held = Held { lane: Lane::Bulk, business: world.business, channel: slow, count: 1 };
    let quota = SendQuota { per_channel: 2, held: vec![held], ..SendQuota::default() };
    assert_eq!(texts(&take(&world, 9, &quota).await), ["slow0", "fast0", "fast1"]);
    let quota = SendQuota { held: vec![Held { count: 2, ..held }], ..quota };
    assert_eq!(texts(&take(&world, 9, &quota).await), ["fast2"]);
}

/// Each lane gets what is reserved for it before any other borrows.
pub async fn sends_are_divided_between_lanes(store: &dyn Store) {
    let world = World::new(store).await;
    for (name, lane) in [("i", Lane::Interactive), ("t", Lane::Transactional), ("b", Lane::Bulk)] {
        queue(&world, name, 6, lane, 1).await;
    }
    let lanes = LaneQuota { reserved: [2, 1, 2], room: [9, 9, 9] };
    let quota = SendQuota { lanes, ..SendQuota::default() };
    let taken = take(&world, 6, &quota).await;
    assert_eq!(texts(&taken), ["i0", "i1", "i2", "t0", "b0", "b1"]);
    let lanes = LaneQuota { reserved: [0, 0, 9], room: [9, 3, 1] };
    let quota = SendQuota { lanes, ..quota };
    assert_eq!(texts(&take(&world, 9, &quota).await), ["i3", "i4", "i5", "t1", "t2", "b2"]);
    let lanes = LaneQuota { reserved: [9; 3], room: [0; 3] };
    assert_eq!(take(&world, 9, &SendQuota { lanes, ..quota }).await, []);
}

/// Messages that wait behind another one of their conversation are in nobody's way, and step up when
/// it is gone, however it went.
pub async fn sends_behind_others_stand_in_no_line(store: &dyn Store) {
    let world = World::new(store).await;
    let ann = world.quiet("ann").await.id;
    for n in 0..5 {
        world.posted(world.post(ann, &format!("ann{n}"))).await;
    }
    queue(&world, "bob", 1, Lane::Interactive, 2).await;
    let claims = take(&world, 2, &SendQuota::default()).await;
    assert_eq!(texts(&claims), ["ann0", "bob0"]);
    world.record(&claims[0], SendOutcome::Defer { due_at: at(500) }).await;
    assert_eq!(take(&world, 9, &SendQuota::default()).await, [], "they wait behind it");
    let stats = store.queue_stats(at(10)).await.unwrap();
    assert_eq!(stats.lanes[0], LaneStats::default());
    assert_eq!((stats.later, stats.sending), (1, 1));
    let options = world.options(at(500), 9);
    let claims = store.claim_outbox(&options, &SendQuota::default(), at(9_000)).await.unwrap();
    world.record(&claims[0], sent_as("p0")).await;
    assert_eq!(texts(&take(&world, 9, &SendQuota::default()).await), ["ann1"]);
}

/// One conversation of each business is taken in turn, whatever one of them has in its mailboxes.
pub async fn turns_go_round_the_businesses(store: &dyn Store) {
    let [a, b, c] = three(store).await;
    let arrive = async |world: &World<'_>, name: &'static str| {
        world.arrive(world.hello(name, name)).await;
        world.arrive(world.hello(name, &format!("{name} again"))).await;
    };
    for name in ["a0", "a1", "a2", "a3", "a4"] {
        arrive(&a, name).await;
    }
    for (world, name) in [(&c, "c0"), (&b, "b0"), (&b, "b1")] {
        arrive(world, name).await;
    }
    let claim = async |limit, after: Option<BusinessId>| {
        let claims = store.claim_turns(&a.options(at(0), limit), after).await.unwrap();
        let name = |claim: &crate::port::store::TurnClaim| claim.contact.identities[0].id.clone();
        claims.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(claim(4, None).await, ["a0", "b0", "c0", "a1"]);
    assert_eq!(claim(2, Some(a.business)).await, ["b1", "a2"]);
    assert_eq!(claim(9, Some(c.business)).await, ["a3", "a4"]);
    assert_eq!(claim(9, None).await, Vec::<String>::new());
}

/// Businesses whose mail cannot be taken now do not hide those behind them.
pub async fn turns_pass_over_what_is_taken(store: &dyn Store) {
    let [a, b, c] = three(store).await;
    a.turn("ann").await;
    b.arrive(b.hello("bob", "p1")).await;
    let claims = store.claim_turns(&b.options(at(0), 1), None).await.unwrap();
    assert_eq!(claims[0].conversation.business_id, b.business);
    c.arrive(c.hello("cem", "p1")).await;
    let claims = store.claim_turns(&c.options(at(0), 1), None).await.unwrap();
    assert_eq!(claims[0].conversation.business_id, c.business);
}

/// What is queued is counted, by lane as far as it is due.
pub async fn queues_are_counted(store: &dyn Store) {
    assert_eq!(store.queue_stats(at(0)).await, Ok(Default::default()));
    let world = World::new(store).await;
    queue(&world, "b", 3, Lane::Bulk, 4).await;
    queue(&world, "c", 1, Lane::Bulk, 2).await;
    queue(&world, "i", 2, Lane::Interactive, 5).await;
    world.arrive(world.hello("ann", "p1")).await;
    let stats = store.queue_stats(at(9)).await.unwrap();
    let lane = |due, oldest| LaneStats { due, oldest_due: Some(at(oldest)) };
    assert_eq!(stats.lanes, [lane(2, 5), LaneStats::default(), lane(4, 2)]);
    assert_eq!((stats.later, stats.sending, stats.mail), (0, 0, 1));
    let claims = take(&world, 3, &SendQuota::default()).await;
    world.record(&claims[0], SendOutcome::Retry { due_at: at(100) }).await;
    let stats = store.queue_stats(at(99)).await.unwrap();
    assert_eq!(stats.lanes, [LaneStats::default(), LaneStats::default(), lane(3, 4)]);
    assert_eq!((stats.later, stats.sending), (1, 2));
    let stats = store.queue_stats(at(100)).await.unwrap();
    assert_eq!(stats.lanes[0], lane(1, 100), "due, though no claim has seen it yet");
    assert_eq!(stats.later, 0);
}
