//! Accounts of what models cost: entries add up, and budgets hold whoever asks at once.

use std::time::Duration;

use uuid::Uuid;

use crate::conformance::fixture::{World, assert_invalid, assert_not_found, at};
use crate::model::{
    AgentId, BudgetScope, BusinessCaps, BusinessId, Cap, ConversationId, Date, Spend, Timestamp,
    UsageCaps, UsageDay, UsageOwner, WorkerId, day_of,
};
use crate::port::Store;
use crate::port::store::{
    Retention, UPKEEP_LEASE, UpkeepOptions, UsageEntry, UsageFilter, UsageHold,
};

/// One day, in seconds.
const DAY_S: i64 = 24 * 60 * 60;
/// How long the holds of the checks last.
const HOLD_S: i64 = 60;

fn conversation(number: u64) -> ConversationId {
    ConversationId::from_uuid(Uuid::from_u128(u128::from(number)))
}

fn owner(world: &World<'_>) -> UsageOwner {
    UsageOwner {
        business_id: world.business,
        conversation_id: Some(conversation(1)),
        agent_id: Some(world.agent),
    }
}

fn spend(tokens: u64) -> Spend {
    Spend { calls: 1, input_tokens: tokens, output_tokens: 1, cached_tokens: 2, micros: tokens * 3 }
}

fn entry(world: &World<'_>, second: i64, model: &str, tokens: u64) -> UsageEntry {
    UsageEntry {
        hold: world.uuid(),
        owner: owner(world),
        at: at(second),
        model: model.to_owned(),
        spend: spend(tokens),
    }
}

fn hold(world: &World<'_>, second: i64, caps: UsageCaps) -> UsageHold {
    UsageHold {
        id: world.uuid(),
        owner: owner(world),
        at: at(second),
        until: later(at(second)),
        tokens: 10,
        micros: 30,
        caps,
    }
}

fn later(at: Timestamp) -> Timestamp {
    at.checked_add(Duration::from_secs(HOLD_S as u64)).unwrap()
}

fn tokens(cap: u64) -> Cap {
    Cap { tokens: Some(cap), micros: None }
}

fn all_days() -> UsageFilter {
    let (from, to) = (Date::constant(2026, 1, 1), Date::constant(2026, 12, 31));
    UsageFilter { from, to, agent_id: None }
}

async fn days(world: &World<'_>, filter: UsageFilter) -> Vec<UsageDay> {
    world.store.usage(world.business, &filter).await.unwrap()
}

/// What was used adds up by day, agent and model, and for the conversation.
pub async fn usage_adds_up(store: &dyn Store) {
    let world = World::new(store).await;
    let mine = owner(&world);
    assert_eq!(days(&world, all_days()).await, []);
    for (second, model, tokens) in [(0, "b", 5), (1, "a", 7), (2, "b", 11), (DAY_S, "a", 13)] {
        store.enter_usage(&entry(&world, second, model, tokens)).await.unwrap();
    }
    let nobody = UsageOwner { agent_id: None, ..mine };
    let strange = UsageEntry { owner: nobody, ..entry(&world, 3, "a", 17) };
    store.enter_usage(&strange).await.unwrap();
    let day = |second, agent_id, model: &str, spend| UsageDay {
        day: day_of(at(second)),
        agent_id,
        model: model.to_owned(),
        spend,
    };
    let agent = Some(world.agent);
    let expected = [
        day(0, None, "a", spend(17)),
        day(0, agent, "a", spend(7)),
        day(0, agent, "b", spend(5).and(&spend(11))),
        day(DAY_S, agent, "a", spend(13)),
    ];
    assert_eq!(days(&world, all_days()).await, expected);
    let ours = UsageFilter { agent_id: agent, ..all_days() };
    assert_eq!(days(&world, ours).await, expected[1..]);
    let first = UsageFilter { to: day_of(at(0)), ..all_days() };
    assert_eq!(days(&world, first).await, expected[..3]);
    let total = store.conversation_usage(world.business, conversation(1)).await.unwrap();
    assert_eq!((total.calls, total.input_tokens), (5, 5 + 7 + 11 + 13 + 17));
    assert_eq!((total.cached_tokens, total.micros), (10, 53 * 3));
    let none = UsageOwner { conversation_id: None, ..mine };
    let read = UsageEntry { owner: none, ..entry(&world, 3, "e", 19) };
    store.enter_usage(&read).await.unwrap();
    let days = days(&world, all_days()).await;
    assert!(days.iter().any(|day| day.model == "e" && day.spend.input_tokens == 19));
    for other in [conversation(2), ConversationId::from_uuid(Uuid::nil())] {
        assert_eq!(store.conversation_usage(world.business, other).await, Ok(Spend::default()));
    }
}

/// A business says what may be spent; another one says so for itself.
pub async fn business_caps_are_kept(store: &dyn Store) {
    let (world, other) = (World::new(store).await, World::new(store).await);
    assert_eq!(store.business_caps(world.business).await, Ok(BusinessCaps::default()));
    let money = Cap { tokens: None, micros: Some(u64::from(u32::MAX)) };
    for caps in [
        BusinessCaps { day: tokens(5), month: money },
        BusinessCaps { day: Cap::default(), month: tokens(0) },
    ] {
        store.set_business_caps(world.business, &caps).await.unwrap();
        assert_eq!(store.business_caps(world.business).await, Ok(caps));
    }
    assert_eq!(store.business_caps(other.business).await, Ok(BusinessCaps::default()));
    let nobody = BusinessId::from_uuid(world.uuid());
    assert_not_found(store.business_caps(nobody).await);
    assert_not_found(store.set_business_caps(nobody, &BusinessCaps::default()).await);
}

/// Days of usage go after their time, but not before the months they count for are over.
pub async fn upkeep_drops_days_of_usage(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    for day in 0..3 {
        for (world, model) in [(&world, "a"), (&world, "b"), (&rival, "a")] {
            store.enter_usage(&entry(world, day * DAY_S, model, 5)).await.unwrap();
        }
    }
    let worker = WorkerId::from_uuid(world.uuid());
    let take = store.take_lease(UPKEEP_LEASE, worker, at(0), at(400 * DAY_S)).await;
    let fence = take.unwrap().unwrap();
    let keep = Retention { usage: Some(Duration::from_secs(1)), ..Retention::default() };
    for (now, left) in [(62, 6), (63, 4), (64, 2), (65, 0)] {
        let now = at(now * DAY_S);
        let keep = keep.clone();
        let mut options = UpkeepOptions { fence, now, keep, limit: 2, after: None };
        while let Some(next) = store.upkeep(&options).await.unwrap().next {
            options.after = Some(next);
        }
        assert_eq!(days(&world, all_days()).await.len(), left, "{now}");
        assert_eq!(days(&rival, all_days()).await.len(), left / 2, "{now}");
    }
}

/// An answer is allowed until a budget is reached by what is spent, each in its own time.
pub async fn budgets_are_kept(store: &dyn Store) {
    let world = World::new(store).await;
    store.enter_usage(&entry(&world, 0, "m", 49)).await.unwrap();
    let cap = |scope: BudgetScope, cap: Cap| {
        let mut caps = UsageCaps::default();
        match scope {
            BudgetScope::Conversation => caps.conversation = cap,
            BudgetScope::AgentDay => caps.agent_day = cap,
            BudgetScope::AgentMonth => caps.agent_month = cap,
            BudgetScope::BusinessDay => caps.business_day = cap,
            BudgetScope::BusinessMonth => caps.business_month = cap,
        }
        caps
    };
    let ask = async |hold: UsageHold| {
        let exceeded = store.hold_usage(&hold).await.unwrap();
        let spend = Spend::default();
        let end =
            UsageEntry { hold: hold.id, owner: hold.owner, spend, ..entry(&world, 0, "m", 0) };
        store.enter_usage(&end).await.unwrap();
        exceeded
    };
    for scope in BudgetScope::ALL {
        let full = cap(scope, tokens(50));
        assert_eq!(ask(hold(&world, 1, full)).await, Some(scope), "{scope:?}");
        assert_eq!(ask(hold(&world, 1, cap(scope, tokens(51)))).await, None, "{scope:?}");
        let dear = Cap { tokens: None, micros: Some(49 * 3) };
        assert_eq!(ask(hold(&world, 1, cap(scope, dear))).await, Some(scope), "{scope:?}");
        let (day, month) = (DAY_S, 40 * DAY_S);
        let by_day = matches!(scope, BudgetScope::AgentDay | BudgetScope::BusinessDay);
        let for_ever = scope == BudgetScope::Conversation;
        assert_eq!(ask(hold(&world, day, full)).await.is_none(), by_day, "{scope:?}");
        assert_eq!(ask(hold(&world, month, full)).await.is_none(), !for_ever, "{scope:?}");
    }
    let mut other = hold(&world, 1, cap(BudgetScope::AgentDay, tokens(50)));
    other.owner.agent_id = Some(AgentId::from_uuid(world.uuid()));
    assert_eq!(ask(other).await, None, "another agent");
    let mut other = hold(&world, 1, cap(BudgetScope::Conversation, tokens(50)));
    other.owner.conversation_id = Some(ConversationId::from_uuid(world.uuid()));
    assert_eq!(ask(other).await, None, "another conversation");
}

/// An answer takes room while it is made; it gives it back with its entry, or when it is over.
pub async fn holds_take_room_while_they_last(store: &dyn Store) {
    let world = World::new(store).await;
    let caps = UsageCaps { conversation: tokens(20), ..UsageCaps::default() };
    let (first, second) = (hold(&world, 0, caps), hold(&world, 0, caps));
    assert_eq!(store.hold_usage(&first).await, Ok(None));
    assert_eq!(store.hold_usage(&second).await, Ok(None));
    let third = hold(&world, 0, caps);
    assert_eq!(store.hold_usage(&third).await, Ok(Some(BudgetScope::Conversation)));
    assert_eq!(store.hold_usage(&second).await, Ok(None), "it takes its own place again");
    let end = UsageEntry { hold: first.id, ..entry(&world, 1, "m", 3) };
    store.enter_usage(&end).await.unwrap();
    assert_eq!(store.hold_usage(&third).await, Ok(None), "four are spent, ten are held");
    let fourth = hold(&world, 1, caps);
    assert_eq!(store.hold_usage(&fourth).await, Ok(Some(BudgetScope::Conversation)));
    let late = hold(&world, HOLD_S, caps);
    assert_eq!(store.hold_usage(&late).await, Ok(None), "the others are over");
}

/// However many ask at once, no more is spent than the budget and one answer.
pub async fn budgets_hold_in_a_crowd(store: &dyn Store) {
    const CROWD: u64 = 24;
    let world = World::new(store).await;
    let caps = UsageCaps { business_day: tokens(95), ..UsageCaps::default() };
    let holds: Vec<UsageHold> = (0..CROWD)
        .map(|n| {
            let owner =
                UsageOwner { conversation_id: Some(conversation(n + 100)), ..owner(&world) };
            UsageHold { owner, ..hold(&world, 0, caps) }
        })
        .collect();
    let entries: Vec<UsageEntry> = holds
        .iter()
        .map(|hold| {
            let spend = Spend { input_tokens: hold.tokens, output_tokens: 0, ..spend(0) };
            UsageEntry { hold: hold.id, owner: hold.owner, spend, ..entry(&world, 0, "m", 0) }
        })
        .collect();
    let ask = async |(hold, entry): (&UsageHold, &UsageEntry)| {
        if store.hold_usage(hold).await.unwrap().is_none() {
            store.enter_usage(entry).await.unwrap();
        }
    };
    let mut crowd: Vec<_> = holds.iter().zip(&entries).map(|one| Box::pin(ask(one))).collect();
    std::future::poll_fn(|cx| {
        crowd.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if crowd.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    let spent = days(&world, all_days()).await;
    assert_eq!(spent.iter().map(|day| day.spend.tokens()).sum::<u64>(), 100);
    assert_eq!(spent[0].spend.calls, 10);
}

/// Days that make no sense are refused, and so is a business that does not exist.
pub async fn usage_of_nobody_is_refused(store: &dyn Store) {
    let world = World::new(store).await;
    let backwards = UsageFilter { to: Date::constant(2025, 1, 1), ..all_days() };
    assert_invalid(store.usage(world.business, &backwards).await);
    let business_id = BusinessId::from_uuid(world.uuid());
    let nobody = UsageOwner { business_id, ..owner(&world) };
    let hold = UsageHold { owner: nobody, ..hold(&world, 0, UsageCaps::default()) };
    assert_not_found(store.hold_usage(&hold).await);
    assert_not_found(
        store.enter_usage(&UsageEntry { owner: nobody, ..entry(&world, 0, "m", 1) }).await,
    );
    assert_eq!(store.usage(business_id, &all_days()).await, Ok(Vec::new()));
}

/// One business neither sees nor fills the accounts of another.
pub async fn foreign_usage_is_hidden(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    store.enter_usage(&entry(&theirs, 0, "m", 100)).await.unwrap();
    let caps =
        UsageCaps { business_day: tokens(1), conversation: tokens(1), ..UsageCaps::default() };
    assert_eq!(days(&ours, all_days()).await, []);
    let talk = conversation(1);
    assert_eq!(store.conversation_usage(ours.business, talk).await, Ok(Spend::default()));
    let mine = hold(&ours, 0, caps);
    assert_eq!(store.hold_usage(&mine).await, Ok(None));
    let foreign =
        UsageEntry { hold: mine.id, spend: Spend::default(), ..entry(&theirs, 0, "m", 0) };
    store.enter_usage(&foreign).await.unwrap();
    let again = hold(&ours, 0, caps);
    let full = store.hold_usage(&again).await.unwrap();
    assert_eq!(full, Some(BudgetScope::Conversation), "their entry ended no hold of ours");
}
