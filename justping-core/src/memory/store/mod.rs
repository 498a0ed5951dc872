//! The store in memory: one mutex around plain data. It forgets everything when it is dropped, and
//! is otherwise the executable description of what every store does.
//!
//! | file | holds |
//! |---|---|
//! | `table`, `queue`, `line`, `thread` | how rows are kept: by business, by due moment, by whose turn it is, by conversation |
//! | `inbox`, `turn`, `outbox`, `status`, `timer`, `call` | the engine's moves |
//! | `upkeep` | leases, and what goes |
//! | `directory`, `channel`, `contact`, `conversation`, `agent`, `flow`, `group`, `session`, `event`, `counter`, `idempotency`, `search`, `knowledge`, `plugin`, `feed`, `tool` | the nouns |

mod agent;
mod call;
mod channel;
mod contact;
mod conversation;
mod counter;
mod directory;
mod engine;
mod event;
mod feed;
mod flow;
mod group;
mod idempotency;
mod inbox;
mod knowledge;
mod line;
mod outbox;
mod plugin;
mod queue;
mod search;
mod session;
mod status;
mod table;
mod thread;
mod timer;
mod tool;
mod turn;
mod upkeep;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::call::Calls;
use self::channel::ChannelRow;
use self::contact::Contacts;
use self::event::Events;
use self::feed::Feed;
use self::flow::FlowRow;
use self::group::Groups;
use self::idempotency::Requests;
use self::knowledge::Library;
use self::line::Lines;
use self::outbox::Outbox;
use self::plugin::Shelf;
use self::search::Index;
use self::session::Run;
use self::status::References;
use self::table::Table;
use self::thread::Thread;
use self::timer::Timers;
use self::tool::ToolRow;
use self::upkeep::Leases;
use self::usage::Accounts;
use crate::model::{
    Agent, AgentId, ApiKey, ApiKeyId, Business, BusinessId, ChannelId, ContactId, ConversationId,
    FlowId, FlowVersion, FlowVersionId, Member, MemberId, Rollup, SessionId, Timestamp, ToolId,
};
use crate::port::{FeedName, StoreError, StoreResult};

/// A store that lives as long as the process. Implements all of [`Store`](crate::port::Store).
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { state: Mutex::new(State::new()) }
    }

    /// The one lock. It is never held across an await, and a move checks everything before it
    /// changes anything, so that each is a transaction.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Names a conversation.
type Key = (BusinessId, ConversationId);

#[derive(Debug)]
struct State {
    businesses: BTreeMap<BusinessId, Business>,
    members: Table<MemberId, Member>,
    api_keys: Table<ApiKeyId, ApiKey>,
    tokens: BTreeMap<[u8; 32], (BusinessId, ApiKeyId)>,
    agents: Table<AgentId, Agent>,
    flows: Table<FlowId, FlowRow>,
    versions: Table<FlowVersionId, FlowVersion>,
    channels: Table<ChannelId, ChannelRow>,
    /// Which business a channel belongs to, for public addresses.
    channel_owners: BTreeMap<ChannelId, BusinessId>,
    contacts: Contacts,
    groups: Groups,
    threads: Table<ConversationId, Thread>,
    /// The conversation of a contact on a channel.
    pairs: BTreeMap<(BusinessId, ChannelId, ContactId), ConversationId>,
    /// Conversations by their newest message.
    recency: BTreeMap<BusinessId, BTreeSet<(Timestamp, ConversationId)>>,
    sessions: Table<SessionId, Run>,
    references: References,
    /// The place of the newest mail of all.
    last_mail: i64,
    /// Conversations with mail, by their oldest.
    turns: Lines<BusinessId, i64, Key>,
    outbox: Outbox,
    timers: Timers,
    calls: Calls,
    events: BTreeMap<BusinessId, Events>,
    counters: Rollup,
    accounts: Accounts,
    tools: Table<ToolId, ToolRow>,
    requests: Requests,
    leases: Leases,
    index: Index,
    library: Library,
    plugins: Shelf,
    feeds: BTreeMap<FeedName, Feed>,
}

impl State {
    fn new() -> Self {
        Self {
            businesses: BTreeMap::new(),
            members: Table::new("member"),
            api_keys: Table::new("api key"),
            tokens: BTreeMap::new(),
            agents: Table::new("agent"),
            flows: Table::new("flow"),
            versions: Table::new("flow version"),
            channels: Table::new("channel"),
            channel_owners: BTreeMap::new(),
            contacts: Contacts::new(),
            groups: Groups::new(),
            threads: Table::new("conversation"),
            pairs: BTreeMap::new(),
            recency: BTreeMap::new(),
            sessions: Table::new("session"),
            references: References::default(),
            last_mail: 0,
            turns: Lines::default(),
            outbox: Outbox::default(),
            timers: Timers::default(),
            calls: Calls::default(),
            events: BTreeMap::new(),
            counters: Rollup::default(),
            accounts: Accounts::default(),
            tools: Table::new("tool"),
            requests: Requests::default(),
            leases: Leases::default(),
            index: Index::default(),
            library: Library::new(),
            plugins: Shelf::new(),
            feeds: BTreeMap::new(),
        }
    }

    fn business(&self, id: BusinessId) -> StoreResult<&Business> {
        self.businesses.get(&id).ok_or(StoreError::NotFound("business"))
    }

    fn next_due(&self) -> Option<Timestamp> {
        let moments = [
            self.turns.next_due(),
            self.outbox.next_due(),
            self.timers.next_due(),
            self.calls.next_due(),
        ];
        moments.into_iter().flatten().min()
    }
}
