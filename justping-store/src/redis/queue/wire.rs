//! Items as Redis keeps them. What somebody else wrote there is left out.

use std::collections::HashMap;

use justping_core::model::{Lane, Timestamp};
use justping_core::port::{DeadItem, Delivery, ItemLease, QueueItem};
use redis::ScriptInvocation;

/// Parts a lease is written with in between.
const BETWEEN: char = '|';
/// Lane, entry, count, and the item's name, which may hold anything.
const PARTS: usize = 4;

/// Lane, entry, count, business, id, body, attempt.
pub(super) type Given = (u8, String, i64, String, String, Vec<u8>, u32);
/// Entry and fields.
pub(super) type DeadEntry = (String, HashMap<String, Vec<u8>>);

/// What a lease says.
pub(super) struct Held<'a> {
    lane: u8,
    entry: &'a str,
    count: i64,
    name: &'a str,
}

impl<'a> Held<'a> {
    pub(super) fn read(lease: &'a ItemLease) -> Option<Self> {
        let mut parts = lease.0.splitn(PARTS, BETWEEN);
        let (lane, entry, count) = (parts.next()?, parts.next()?, parts.next()?);
        let lane = lane.parse().ok().filter(|lane| lane_of(*lane).is_some())?;
        let count = count.parse().ok()?;
        Some(Self { lane, entry, count, name: parts.next()? })
    }

    /// Tells a script which entry it is and how often it had been given out.
    pub(super) fn tell(&self, invocation: &mut ScriptInvocation<'_>) {
        invocation.arg(self.lane).arg(self.entry).arg(self.count);
    }

    /// The same, and the item's name.
    pub(super) fn tell_all(&self, invocation: &mut ScriptInvocation<'_>) {
        self.tell(invocation);
        invocation.arg(self.name);
    }
}

/// The number of a lane in the scripts.
pub(super) fn lane(lane: Lane) -> u8 {
    lane.rank() + 1
}

fn lane_of(number: u8) -> Option<Lane> {
    let all = [Lane::Interactive, Lane::Transactional, Lane::Bulk];
    all.into_iter().find(|one| lane(*one) == number)
}

pub(super) fn delivery(given: Given) -> Option<Delivery> {
    let (lane, entry, count, business, id, body, attempt) = given;
    let lease = format!("{lane}{BETWEEN}{entry}{BETWEEN}{count}{BETWEEN}{business}:{id}");
    let lease = ItemLease(lease);
    let item = QueueItem { business_id: business.parse().ok()?, id, lane: lane_of(lane)?, body };
    Some(Delivery { item, attempt, lease })
}

pub(super) fn dead((_, mut fields): DeadEntry) -> Option<DeadItem> {
    let body = fields.remove("p")?;
    let mut text = |name| String::from_utf8(fields.remove(name)?).ok();
    let item = QueueItem {
        business_id: text("b")?.parse().ok()?,
        id: text("i")?,
        lane: lane_of(text("l")?.parse().ok()?)?,
        body,
    };
    let at = Timestamp::from_millisecond(text("t")?.parse().ok()?).ok()?;
    Some(DeadItem { item, reason: text("r")?, at })
}
