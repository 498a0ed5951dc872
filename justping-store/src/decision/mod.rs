//! What the engine's moves decide, whatever the backend.
//!
//! A backend reads rows, hands them over as they stand, lets each item of a batch be decided, and
//! writes what came out. Nothing here touches a database.

mod delivery;
mod event;
mod group;
mod inbox;
mod line;
mod post;
mod queue;
mod send;
mod status;
mod turn;

/// The phases of an outbox row, as the partial indexes name them.
pub(crate) const WAITING: i64 = 0;
/// Due: claimable. A row behind another one of its conversation is in no line at all (phase 3, which
/// the tables themselves give it and take from it).
pub(crate) const READY: i64 = 1;

pub(crate) use delivery::{Delivery, PARKED_MAX};
pub(crate) use event::Events;
pub(crate) use group::Groups;
#[cfg(feature = "postgres")]
pub(crate) use inbox::Pair;
pub(crate) use inbox::{Change, Inbox, Plan, Received, Sender, adds, check, senders};
pub(crate) use line::{LineDesk, ReadySend, SendKey, TurnDesk, TurnKey, lane_wishes};
pub(crate) use post::PostDesk;
pub(crate) use queue::{next_due, queue_stats};
pub(crate) use send::{Parcel, SendDesk, reference};
pub(crate) use status::{StatusDesk, place_of_key};
pub(crate) use turn::{Key, Ledger, Turn, named_groups};
