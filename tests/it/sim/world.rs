use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use justping::memory::MemoryStore;
use justping::model::{BusinessId, ChannelId, ConversationId, Inbound, PAGE_MAX, PageRequest};
use justping::port::StoreResult;
use justping::port::store::{ConversationStore, MessageOrder};

use super::chance::Chance;
use super::clock::VirtualClock;
use super::gate::Gates;
use super::log::{Echo, Log};
use super::mutant::{Mutant, Mutation};
use super::network::{Delivery, Network};
use super::oracle::Oracle;
use super::plan::{Plan, ShopPlan};

/// How long a worker may hold a send: the engine's default.
pub(super) const SEND_LEASE: SignedDuration = SignedDuration::from_secs(60);

/// One business with its one channel.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    pub(super) business: BusinessId,
    pub(super) channel: ChannelId,
    pub(super) plan: ShopPlan,
}

/// Everything outside the processes: the store they share, the providers, the contacts, the oracle.
pub(super) struct World {
    chaos: Plan,
    calm: Plan,
    is_calm: AtomicBool,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) store: MemoryStore,
    pub(super) mutant: Mutant,
    pub(super) gates: Gates,
    log: Mutex<Log>,
    oracle: Mutex<Oracle>,
    network: Mutex<Network>,
    in_flight: Mutex<InFlight>,
}

/// How a webhook is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200: never again, unless the provider thinks otherwise.
    Accepted,
    /// 503: later again.
    Refused,
}

/// Webhooks that some process is working on, with its life.
#[derive(Debug, Default)]
struct InFlight {
    last: u64,
    deliveries: BTreeMap<u64, (u64, Delivery)>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("plan", &self.chaos).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(plan: Plan, mutation: Mutation, echo: Echo) -> Self {
        Self {
            calm: plan.calm(),
            is_calm: AtomicBool::new(false),
            clock: Arc::new(VirtualClock::new()),
            store: MemoryStore::new(),
            mutant: Mutant::new(mutation),
            gates: Gates::default(),
            log: Mutex::new(Log::new(echo)),
            oracle: Mutex::default(),
            network: Mutex::new(Network::new(plan.seed ^ 0x6e65_7477)),
            in_flight: Mutex::default(),
            chaos: plan,
        }
    }

    /// How bad the world is at the moment.
    pub(super) fn plan(&self) -> &Plan {
        if self.is_calm.load(Ordering::Relaxed) { &self.calm } else { &self.chaos }
    }

    /// The faults stop.
    pub(super) fn clear_up(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// The seed of something that is numbered.
    pub(super) fn seed_of(&self, number: u64) -> u64 {
        Chance::new(self.chaos.seed.wrapping_mul(0x1_0001).wrapping_add(number)).number()
    }

    pub(super) fn log(&self, what: fmt::Arguments<'_>) {
        locked(&self.log).write(format!("{:>10} {what}", self.clock.elapsed_ms()));
    }

    /// The digest of everything that was logged, and the end of it.
    pub(super) fn record(&self) -> (u64, String) {
        let log = locked(&self.log);
        (log.hash(), log.tail())
    }

    /// Lets the oracle see something.
    pub(super) fn watch<T>(&self, see: impl FnOnce(&mut Oracle) -> T) -> T {
        see(&mut locked(&self.oracle))
    }

    pub(super) fn network(&self) -> MutexGuard<'_, Network> {
        locked(&self.network)
    }

    /// The shop a channel belongs to.
    pub(super) fn shop_of(&self, channel: ChannelId) -> Option<usize> {
        self.watch(|oracle| oracle.shops.iter().position(|shop| shop.channel == channel))
    }

    /// Shows the oracle the messages of a conversation as they are read now.
    pub(super) async fn examine(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<()> {
        let page = PageRequest::first(PAGE_MAX);
        let order = MessageOrder::NewestFirst;
        let page = self.store.messages(business, conversation, order, &page).await?;
        let page = self.mutant.messages(page);
        self.watch(|oracle| oracle.read(&page.items));
        Ok(())
    }

    /// A process begins to work on a webhook; returns its number.
    pub(super) fn depart(&self, life: u64, delivery: Delivery) -> u64 {
        let mut in_flight = locked(&self.in_flight);
        in_flight.last += 1;
        let number = in_flight.last;
        in_flight.deliveries.insert(number, (life, delivery));
        number
    }

    /// A webhook was answered. What was not accepted comes again, and what was may too.
    pub(super) fn answered(&self, number: u64, answer: Answer) {
        let Some((life, delivery)) = locked(&self.in_flight).deliveries.remove(&number) else {
            return;
        };
        self.log(format_args!("p{life} webhook {number}: {answer:?}"));
        let mut network = self.network();
        if answer == Answer::Accepted {
            self.acknowledge(&delivery);
        }
        if answer == Answer::Refused || network.comes_twice(self.plan().duplicates) {
            network.repeat(self.clock.elapsed_ms(), delivery);
        }
    }

    fn acknowledge(&self, delivery: &Delivery) {
        self.watch(|oracle| {
            let channel = oracle.shops[delivery.shop].channel;
            for news in &delivery.news {
                if let Inbound::Message(message) = news {
                    oracle.acknowledged(channel, &message.provider_ref);
                }
            }
        });
    }

    /// The connections of a process that died break off: its webhooks come again.
    pub(super) fn hang_up(&self, life: u64) {
        let mut in_flight = locked(&self.in_flight);
        let broken = in_flight.deliveries.extract_if(.., |_, (owner, _)| *owner == life);
        let broken: Vec<Delivery> = broken.map(|(_, (_, delivery))| delivery).collect();
        let mut network = self.network();
        for delivery in broken {
            network.repeat(self.clock.elapsed_ms(), delivery);
        }
    }

    /// How many webhooks are being worked on.
    pub(super) fn in_flight(&self) -> usize {
        locked(&self.in_flight).deliveries.len()
    }
}
