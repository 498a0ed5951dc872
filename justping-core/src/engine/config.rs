use std::time::Duration;

use crate::policy::LaneShares;
use crate::port::store::Retention;

/// The engine's limits and patience. The defaults suit a server; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineConfig {
    /// How long a turn may hold a conversation before another worker may take it.
    pub turn_lease: Duration,
    /// How long a send may take before its outcome counts as unknown.
    pub send_lease: Duration,
    /// How long a call may take before another worker may do it again.
    pub call_lease: Duration,
    /// How long a hook may look at what one request brought, or at one message that leaves.
    pub hook_wait: Duration,
    /// How long a send of unknown outcome waits for a status before the channel's policy decides.
    pub unknown_wait: Duration,
    /// How often workers look for work that nobody told them about.
    pub poll: Duration,
    /// Conversations of one claim.
    pub turns_per_claim: u32,
    /// Sends under way at once: the places. At least one a lane.
    pub sends_max: u32,
    /// How the places are shared out between the lanes.
    pub lanes: LaneShares,
    /// Places that one business may have at once in a lane.
    pub sends_per_business: u32,
    /// Places that one channel may have at once in a lane: a provider that hangs takes no more.
    pub sends_per_channel: u32,
    /// Calls under way at once.
    pub calls_max: u32,
    /// Timers fired in one move.
    pub timers_per_move: u32,
    /// How often the search takes in what was written: what was found so far is about that old.
    pub index_every: Duration,
    /// Rows that the search takes in at once; until they are stored, nothing else is.
    pub rows_per_index: u32,
    /// How often subscribers are told what happened since.
    pub feed_every: Duration,
    /// How long a process may tell one batch before another one may.
    pub feed_lease: Duration,
    /// Most events that a subscriber is told at once.
    pub feed_batch: u32,
    /// How long the loops may finish what they began when they are told to stop.
    pub drain: Duration,
    /// How often the process that leads does the upkeep.
    pub upkeep_every: Duration,
    /// How long a process leads without a word before another one may.
    pub upkeep_lease: Duration,
    /// Rows of a kind that one move of the upkeep removes.
    pub upkeep_rows: u32,
    /// How long things are kept.
    pub retention: Retention,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            turn_lease: Duration::from_secs(30),
            send_lease: Duration::from_secs(60),
            call_lease: Duration::from_secs(120),
            hook_wait: Duration::from_secs(10),
            unknown_wait: Duration::from_secs(120),
            poll: Duration::from_secs(1),
            turns_per_claim: 64,
            sends_max: 128,
            lanes: LaneShares::default(),
            sends_per_business: 96,
            sends_per_channel: 48,
            calls_max: 32,
            timers_per_move: 500,
            index_every: Duration::from_secs(1),
            rows_per_index: 256,
            feed_every: Duration::from_secs(1),
            feed_lease: Duration::from_secs(30),
            feed_batch: 50,
            drain: Duration::from_secs(20),
            upkeep_every: Duration::from_secs(60 * 60),
            upkeep_lease: Duration::from_secs(60),
            upkeep_rows: 1_000,
            retention: Retention::default(),
        }
    }
}
