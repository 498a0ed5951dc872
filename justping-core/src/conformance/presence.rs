//! The contract of [`Presence`]: run it with
//! [`presence_conformance!`](crate::presence_conformance).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::clock::Pass;
use crate::model::{BusinessId, ContactId, ConversationId, MemberId, Typist};
use crate::port::{Change, Presence};

/// Presence under test.
pub struct PresenceSubject {
    /// It knows of nobody.
    pub presence: Arc<dyn Presence>,
    /// Lets time pass on its clock: moves it, or really waits.
    pub pass: Pass,
}

impl fmt::Debug for PresenceSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceSubject").field("presence", &self.presence).finish_non_exhaustive()
    }
}

/// Longer than a check takes.
const LONG: Duration = Duration::from_secs(600);
/// So short that a check can wait for its end.
const SHORT: Duration = Duration::from_millis(20);
/// Past the end of what is short.
const AFTER: Duration = Duration::from_millis(40);

fn business(n: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(n))
}

fn member(n: u128) -> MemberId {
    MemberId::from_uuid(Uuid::from_u128(n))
}

fn conversation(n: u128) -> ConversationId {
    ConversationId::from_uuid(Uuid::from_u128(n))
}

fn typist(n: u128) -> Typist {
    Typist::Member(member(n))
}

/// A member is here from its arrival until it leaves, in the order of ids.
pub async fn member_is_here_until_it_leaves(subject: &PresenceSubject) {
    let (presence, ours) = (&subject.presence, business(1));
    assert_eq!(presence.members(ours).await, Ok(vec![]));
    for n in [3, 1, 2] {
        assert_eq!(presence.arrive(ours, member(n), LONG).await, Ok(Change::Changed));
    }
    assert_eq!(presence.members(ours).await, Ok(vec![member(1), member(2), member(3)]));
    assert_eq!(presence.leave(ours, member(2)).await, Ok(Change::Changed));
    assert_eq!(presence.members(ours).await, Ok(vec![member(1), member(3)]));
}

/// Saying it again is no news, and neither is leaving when one is not here.
pub async fn repeating_is_no_news(subject: &PresenceSubject) {
    let (presence, ours) = (&subject.presence, business(1));
    assert_eq!(presence.leave(ours, member(1)).await, Ok(Change::Unchanged));
    assert_eq!(presence.arrive(ours, member(1), LONG).await, Ok(Change::Changed));
    assert_eq!(presence.arrive(ours, member(1), LONG).await, Ok(Change::Unchanged));
    assert_eq!(presence.leave(ours, member(1)).await, Ok(Change::Changed));
    assert_eq!(presence.leave(ours, member(1)).await, Ok(Change::Unchanged));
}

/// Who says nothing more is gone when its time is over, and coming back is news.
pub async fn presence_runs_out(subject: &PresenceSubject) {
    let (presence, ours) = (&subject.presence, business(1));
    presence.arrive(ours, member(1), SHORT).await.unwrap();
    presence.arrive(ours, member(2), LONG).await.unwrap();
    (subject.pass)(AFTER).await;
    assert_eq!(presence.members(ours).await, Ok(vec![member(2)]));
    assert_eq!(presence.leave(ours, member(1)).await, Ok(Change::Unchanged));
    assert_eq!(presence.arrive(ours, member(1), LONG).await, Ok(Change::Changed));
}

/// The last word counts: a heartbeat makes it longer.
pub async fn heartbeat_keeps_a_member_here(subject: &PresenceSubject) {
    let (presence, ours) = (&subject.presence, business(1));
    presence.arrive(ours, member(1), SHORT).await.unwrap();
    presence.arrive(ours, member(1), LONG).await.unwrap();
    (subject.pass)(AFTER).await;
    assert_eq!(presence.members(ours).await, Ok(vec![member(1)]));
}

/// Nobody is present in another business or conversation.
pub async fn rooms_are_apart(subject: &PresenceSubject) {
    let presence = &subject.presence;
    presence.arrive(business(1), member(1), LONG).await.unwrap();
    presence.start_typing(business(1), conversation(1), typist(1), LONG).await.unwrap();
    assert_eq!(presence.members(business(2)).await, Ok(vec![]));
    for (business, conversation) in [(business(2), conversation(1)), (business(1), conversation(2))]
    {
        assert_eq!(presence.typists(business, conversation).await, Ok(vec![]));
        let stopped = presence.stop_typing(business, conversation, typist(1)).await;
        assert_eq!(stopped, Ok(Change::Unchanged));
    }
    assert_eq!(presence.leave(business(2), member(1)).await, Ok(Change::Unchanged));
    assert_eq!(presence.members(business(1)).await, Ok(vec![member(1)]));
    assert_eq!(presence.typists(business(1), conversation(1)).await, Ok(vec![typist(1)]));
}

/// Members and contacts write, stop, and stop by themselves.
pub async fn typing_begins_and_ends(subject: &PresenceSubject) {
    let (presence, ours, talk) = (&subject.presence, business(1), conversation(1));
    let contact = Typist::Contact(ContactId::from_uuid(Uuid::from_u128(1)));
    let start = |typist, ttl| presence.start_typing(ours, talk, typist, ttl);
    assert_eq!(start(contact, LONG).await, Ok(Change::Changed));
    assert_eq!(start(typist(1), LONG).await, Ok(Change::Changed));
    assert_eq!(start(typist(1), LONG).await, Ok(Change::Unchanged));
    assert_eq!(presence.typists(ours, talk).await, Ok(vec![typist(1), contact]));
    assert_eq!(presence.stop_typing(ours, talk, typist(1)).await, Ok(Change::Changed));
    assert_eq!(presence.typists(ours, talk).await, Ok(vec![contact]));
    assert_eq!(start(contact, SHORT).await, Ok(Change::Unchanged), "the last word counts");
    (subject.pass)(AFTER).await;
    assert_eq!(presence.typists(ours, talk).await, Ok(vec![]));
    assert_eq!(presence.members(ours).await, Ok(vec![]), "who writes need not be here");
}

/// How many checks there are.
pub const CHECKS: usize = 6;

/// Turns the contract of presence into tests; the factory gives a
/// [`PresenceSubject`](crate::conformance::PresenceSubject).
#[macro_export]
macro_rules! presence_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { presence, $factory, subject => &subject, [
            member_is_here_until_it_leaves
            repeating_is_no_news
            presence_runs_out
            heartbeat_keeps_a_member_here
            rooms_are_apart
            typing_begins_and_ends
        ] }
    };
}
