//! The engine: turns what channels hear into stored facts, facts into decisions, decisions into
//! sends. It names no provider and no database; everything it does is a move of the store or a
//! call through a port.
//!
//! | room | job |
//! |---|---|
//! | `announce` | presence that is told on the bus |
//! | `batch` | group commit: many callers, one transaction |
//! | `inbox` | webhooks and inbound news → accepted facts |
//! | `decide` | one conversation's mail → everything a turn changes; pure |
//! | `turn` | leases conversations, decides, commits |
//! | `fate` | what becomes of live sessions when another version is published; pure |
//! | `dispatch` | leases sends, applies the policy, calls the channel |
//! | `feed` | stored events, told to subscribers |
//! | `hook` | what hooks say of messages, and what of it holds |
//! | `outside` | events from outside for sessions that wait for them |
//! | `echo` | what people sent past us |
//! | `pace` | how fast each channel goes: pauses, throttles, moments for a backlog |
//! | `places` | which sends are under way, by lane, business and channel, and whose turn is next |
//! | `call` | performs the work that nodes asked for |
//! | `publish` | reports before a publication, and publishes |
//! | `record` | sessions as they are looked at |
//! | `relay` | hints for other processes, through a queue |
//! | `upkeep` | one process prepares and clears up for all |
//! | `work` | the loops, the scheduler, shutdown |

mod announce;
mod batch;
mod builder;
mod call;
mod config;
mod correspondence;
mod decide;
mod dispatch;
mod echo;
mod error;
mod fate;
mod feed;
mod hook;
mod inbox;
mod mail;
mod operate;
mod outside;
mod pace;
mod places;
mod program;
mod publish;
mod record;
mod registry;
mod relay;
mod turn;
mod typing;
mod upkeep;
mod work;

#[cfg(test)]
mod crowd;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

pub use announce::AnnouncedPresence;
pub use builder::{BuildError, Builder};
pub use config::EngineConfig;
pub use error::{EngineError, PublishError, WebhookError};
pub use fate::{Fate, StrandedReason};
pub use feed::FEED_TRIES_MAX;
pub use inbox::WebhookReply;
pub use operate::SendMessage;
pub use outside::{OUTSIDE_DATA_MAX_BYTES, OUTSIDE_NAME_MAX_CHARS, OutsideError};
pub use publish::{
    FateGroup, POLICY_NODES_MAX, PublishOptions, Published, REPORT_GROUPS_MAX, SafetyReport,
};
pub use record::{RECORD_MAX_BYTES, SessionRecord};
pub use relay::{HINTS_MAX, Relay};
pub use work::Worked;

use tokio::sync::Notify;

use crate::model::{BusinessId, ConversationId, WorkerId};
use crate::policy::ResumeLinks;
use crate::port::store::{Accept, Accepted, SendRecord, StatusOutcome, StatusRecord, UpkeepReport};
use crate::port::{
    Clock, Entropy, EventBus, EventSubscriber, FlowRuntime, IdSource, Loops, MessageHook,
    RateLimiter, Store, WakeSource,
};

use batch::Batcher;
use pace::Paces;
use places::Places;
use program::Programs;
use registry::Registry;

/// The assembled platform. Cheap to clone; all clones are one.
///
/// It works when somebody works it: [`run`](Self::run) in a server, [`settle`](Self::settle) in a
/// test.
#[derive(Debug, Clone)]
pub struct JustPing {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    worker: WorkerId,
    store: Arc<dyn Store>,
    bus: Arc<dyn EventBus>,
    limiter: Arc<dyn RateLimiter>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    ids: IdSource,
    flows: Arc<dyn FlowRuntime>,
    registry: Registry,
    programs: Programs,
    accepts: Batcher<Accept, Accepted>,
    statuses: Batcher<StatusRecord, StatusOutcome>,
    results: Batcher<SendRecord, ()>,
    /// Last looks before messages leave.
    looks: Batcher<(BusinessId, ConversationId), Option<u64>>,
    config: EngineConfig,
    places: Arc<Places>,
    paces: Paces,
    running: call::Running,
    signs: typing::Signs,
    wake: Wake,
    upkept: Mutex<UpkeepReport>,
    wakes: Option<Arc<dyn WakeSource>>,
    links: Option<ResumeLinks>,
    hook: Option<Arc<dyn MessageHook>>,
    subscriber: Option<Arc<dyn EventSubscriber>>,
}

/// Tells the loops that there is something to do.
#[derive(Debug, Default)]
struct Wake {
    turns: Notify,
    sends: Notify,
    calls: Notify,
    schedule: Notify,
}

impl Wake {
    fn wake(&self, loops: Loops) {
        for (one, notify) in [
            (Loops::TURNS, &self.turns),
            (Loops::SENDS, &self.sends),
            (Loops::CALLS, &self.calls),
            (Loops::SCHEDULE, &self.schedule),
        ] {
            if loops.has(one) {
                notify.notify_one();
            }
        }
    }
}

impl JustPing {
    /// Starts an assembly.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where everything is remembered.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// How events spread.
    #[must_use]
    pub fn bus(&self) -> &Arc<dyn EventBus> {
        &self.inner.bus
    }

    /// Who tells the time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Where randomness comes from.
    #[must_use]
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.inner.entropy
    }

    /// Makes ids.
    #[must_use]
    pub fn ids(&self) -> &IdSource {
        &self.inner.ids
    }

    /// What runs flows.
    #[must_use]
    pub fn flows(&self) -> &Arc<dyn FlowRuntime> {
        &self.inner.flows
    }
}
