use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::batch::Batcher;
use super::call::Running;
use super::pace::Paces;
use super::program::Programs;
use super::registry::Registry;
use super::typing::Signs;
use super::{EngineConfig, Inner, JustPing, Wake, dispatch};
use crate::memory::{MemoryBus, MemoryLimiter, MemoryStore};
use crate::model::WorkerId;
use crate::policy::ResumeLinks;
use crate::port::{
    ChannelProvider, Clock, Entropy, EventBus, EventSubscriber, FlowRuntime, IdSource, MessageHook,
    RateLimiter, Store, WakeSource,
};
use crate::system::{SystemClock, SystemEntropy};

/// What is missing or contradictory in an assembly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Flows cannot run without something that runs them.
    #[error("no flow runtime: give one with `flows`")]
    NoFlows,
    /// Two providers have one name.
    #[error("two providers are called {0}")]
    DuplicateProvider(String),
}

/// Assembles a [`JustPing`]. Everything but the flow runtime has a default: memory store, memory
/// bus, memory limiter, the system's clock and entropy, no channels.
#[derive(Debug, Default)]
pub struct Builder {
    store: Option<Arc<dyn Store>>,
    bus: Option<Arc<dyn EventBus>>,
    limiter: Option<Arc<dyn RateLimiter>>,
    clock: Option<Arc<dyn Clock>>,
    entropy: Option<Arc<dyn Entropy>>,
    flows: Option<Arc<dyn FlowRuntime>>,
    providers: Vec<Arc<dyn ChannelProvider>>,
    wakes: Option<Arc<dyn WakeSource>>,
    links: Option<ResumeLinks>,
    hook: Option<Arc<dyn MessageHook>>,
    subscriber: Option<Arc<dyn EventSubscriber>>,
    config: EngineConfig,
}

impl Builder {
    /// Where everything is remembered; without it, in memory.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// How events spread; without it, within the process.
    #[must_use]
    pub fn bus(mut self, bus: Arc<dyn EventBus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Who counts sends; without it, the process alone.
    #[must_use]
    pub fn limiter(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// Who tells the time; without it, the system.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where randomness comes from; without it, the system.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = Some(entropy);
        self
    }

    /// What runs flows.
    #[must_use]
    pub fn flows(mut self, flows: Arc<dyn FlowRuntime>) -> Self {
        self.flows = Some(flows);
        self
    }

    /// Adds a provider of channels.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn ChannelProvider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// Who tells of work that other processes left; without it, the next poll finds it.
    #[must_use]
    pub fn wakes(mut self, wakes: Arc<dyn WakeSource>) -> Self {
        self.wakes = Some(wakes);
        self
    }

    /// How links to sessions are made and verified; without it, flows have none.
    #[must_use]
    pub fn links(mut self, links: ResumeLinks) -> Self {
        self.links = Some(links);
        self
    }

    /// Who looks at messages on their way; without it, nobody.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn MessageHook>) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Who hears what happened, at least once and in order; without it, nobody does.
    #[must_use]
    pub fn subscriber(mut self, subscriber: Arc<dyn EventSubscriber>) -> Self {
        self.subscriber = Some(subscriber);
        self
    }

    /// Limits and patience.
    #[must_use]
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Puts it together. Starts nothing: see [`JustPing::run`].
    ///
    /// # Errors
    /// [`BuildError`] when something is missing or contradictory.
    pub fn build(self) -> Result<JustPing, BuildError> {
        let flows = self.flows.ok_or(BuildError::NoFlows)?;
        let mut providers = HashMap::new();
        for provider in self.providers {
            let name = provider.name().to_owned();
            if providers.insert(name.clone(), provider).is_some() {
                return Err(BuildError::DuplicateProvider(name));
            }
        }
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let entropy = self.entropy.unwrap_or_else(|| Arc::new(SystemEntropy));
        let limiter =
            self.limiter.unwrap_or_else(|| Arc::new(MemoryLimiter::new(Arc::clone(&clock))));
        let ids = IdSource::new(Arc::clone(&clock), Arc::clone(&entropy));
        let worker = WorkerId::from_uuid(ids.uuid());
        let bus = self.bus.unwrap_or_else(|| Arc::new(MemoryBus::new()));
        let told = Arc::clone(&bus);
        let [a, b, c, d] = std::array::from_fn(|_| Arc::clone(&store));
        let inner = Inner {
            worker,
            registry: Registry::new(providers, Arc::clone(&store), Arc::clone(&clock)),
            programs: Programs::new(Arc::clone(&flows), Arc::clone(&store)),
            accepts: Batcher::new(move |rows| {
                let store = Arc::clone(&a);
                async move { store.accept(rows).await }
            }),
            statuses: Batcher::new(move |rows| {
                let store = Arc::clone(&b);
                async move { store.record_statuses(rows).await }
            }),
            results: Batcher::new(move |rows| {
                let (store, bus) = (Arc::clone(&c), Arc::clone(&told));
                async move { dispatch::record(&*store, &*bus, rows).await }
            }),
            looks: Batcher::new(move |conversations| {
                let store = Arc::clone(&d);
                async move { store.generations(&conversations).await }
            }),
            store,
            bus,
            limiter,
            clock,
            entropy,
            ids,
            flows,
            config: self.config,
            places: Arc::default(),
            paces: Paces::default(),
            running: Running::default(),
            signs: Signs::default(),
            wake: Wake::default(),
            upkept: Mutex::default(),
            wakes: self.wakes,
            links: self.links,
            hook: self.hook,
            subscriber: self.subscriber,
        };
        Ok(JustPing { inner: Arc::new(inner) })
    }
}
