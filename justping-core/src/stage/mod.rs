//! A whole platform on a table: one business, one channel, a mailbox, one agent, everything in memory, and a
//! clock that moves when told. Flows are tried here, tests are written here, and nothing leaves.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use uuid::Uuid;

use crate::engine::{BuildError, EngineConfig, EngineError, JustPing, PublishError};
use crate::memory::{ManualClock, MemoryProvider, MemoryStore, SeededEntropy};
use crate::model::{
    Agent, AgentId, AgentSettings, Business, BusinessId, ChannelConfig, ChannelId, ChannelKind,
    ChannelSecrets, Content, Conversation, Direction, Flow, FlowId, Identity, Inbound,
    InboundMessage, Message, PAGE_MAX, PageRequest, Session, Timestamp, TraceStep, UnknownPolicy,
};
use crate::policy::ResumeLinks;
use crate::port::store::MessageOrder;
use crate::port::{
    Capabilities, Clock, EventSubscriber, FlowRuntime, MessageHook, Store, StoreError,
};

/// When the clock of a stage starts unless told otherwise: 2026-01-05T09:00:00Z, a Monday morning.
const START: i64 = 1_767_603_600_000;
/// The id of a stage's mailbox: a draw would change what comes after it.
const MAILBOX: u128 = 0x6d61_696c;
/// Moments at which something came due before [`Stage::advance`] gives up.
const MOMENTS_MAX: usize = 1_000_000;

/// Why a stage could not be set or played on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StageError {
    /// The assembly is incomplete.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The flow has errors.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The engine refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets a [`Stage`].
#[derive(Debug)]
pub struct StageBuilder {
    flows: Arc<dyn FlowRuntime>,
    store: Arc<dyn Store>,
    provider: Arc<MemoryProvider>,
    start: Timestamp,
    clock: Option<Arc<ManualClock>>,
    seed: u64,
    config: EngineConfig,
    links: Option<ResumeLinks>,
    hook: Option<Arc<dyn MessageHook>>,
    subscriber: Option<Arc<dyn EventSubscriber>>,
    instructions: String,
    model: Option<String>,
}

impl StageBuilder {
    /// Remembers in this store instead of a new one in memory.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = store;
        self
    }

    /// Gives the channel these capabilities.
    #[must_use]
    pub fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.provider = Arc::new(MemoryProvider::with_capabilities(capabilities));
        self
    }

    /// Starts the clock at this moment.
    #[must_use]
    pub fn start(mut self, start: Timestamp) -> Self {
        self.start = start;
        self
    }

    /// Runs on this clock, moved on to the start: what stands around the stage may share it.
    #[must_use]
    pub fn clock(mut self, clock: Arc<ManualClock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes other ids and other chance.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets flows have links to their sessions.
    #[must_use]
    pub fn links(mut self, links: ResumeLinks) -> Self {
        self.links = Some(links);
        self
    }

    /// Lets this look at messages on their way.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn MessageHook>) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Tells this what happens.
    #[must_use]
    pub fn subscriber(mut self, subscriber: Arc<dyn EventSubscriber>) -> Self {
        self.subscriber = Some(subscriber);
        self
    }

    /// Gives the engine these limits.
    #[must_use]
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Tells the agent this first.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = instructions.into();
        self
    }

    /// Lets the agent use this model.
    #[must_use]
    pub fn model(mut self, model: Option<String>) -> Self {
        self.model = model;
        self
    }

    /// Publishes the documents as the agent's flows, in this order, and opens the stage.
    ///
    /// # Errors
    /// [`StageError::Publish`] with all findings when a document has errors.
    pub async fn open(self, documents: &[Value]) -> Result<Stage, StageError> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(ManualClock::new(self.start)));
        clock.set(self.start);
        let mut builder = JustPing::builder();
        if let Some(links) = self.links {
            builder = builder.links(links);
        }
        if let Some(hook) = self.hook {
            builder = builder.hook(hook);
        }
        if let Some(subscriber) = self.subscriber {
            builder = builder.subscriber(subscriber);
        }
        let mail = Arc::new(MemoryProvider::of_mail());
        let engine = builder
            .store(self.store)
            .provider(Arc::clone(&self.provider) as _)
            .provider(Arc::clone(&mail) as _)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .entropy(Arc::new(SeededEntropy::new(self.seed)))
            .flows(self.flows)
            .config(self.config)
            .build()?;
        let id = || engine.ids().uuid();
        let stage = Stage {
            business: BusinessId::from_uuid(id()),
            channel: ChannelId::from_uuid(id()),
            agent: AgentId::from_uuid(id()),
            clock,
            mailbox: ChannelId::from_uuid(Uuid::from_u128(MAILBOX)),
            mail,
            provider: self.provider,
            heard: Arc::default(),
            engine,
        };
        stage.furnish(documents, self.instructions, self.model).await?;
        Ok(stage)
    }
}

/// A platform in memory with one channel, on which contacts are known by a name.
#[derive(Debug, Clone)]
pub struct Stage {
    engine: JustPing,
    clock: Arc<ManualClock>,
    provider: Arc<MemoryProvider>,
    mail: Arc<MemoryProvider>,
    business: BusinessId,
    channel: ChannelId,
    mailbox: ChannelId,
    agent: AgentId,
    heard: Arc<std::sync::atomic::AtomicU64>,
}

impl Stage {
    /// Starts to set a stage for flows of this runtime.
    #[must_use]
    pub fn builder(flows: Arc<dyn FlowRuntime>) -> StageBuilder {
        StageBuilder {
            flows,
            store: Arc::new(MemoryStore::new()),
            provider: Arc::new(MemoryProvider::new()),
            start: Timestamp::from_millisecond(START).unwrap_or(Timestamp::UNIX_EPOCH),
            clock: None,
            seed: 1,
            config: EngineConfig::default(),
            links: None,
            hook: None,
            subscriber: None,
            instructions: String::new(),
            model: None,
        }
    }

    async fn furnish(
        &self,
        documents: &[Value],
        instructions: String,
        model: Option<String>,
    ) -> Result<(), StageError> {
        let (store, now) = (self.engine.store(), self.clock.now());
        let business_id = self.business;
        let name = || "stage".to_owned();
        store.create_business(&Business { id: business_id, name: name(), created_at: now }).await?;
        let mut flows = Vec::with_capacity(documents.len());
        for document in documents {
            let id = FlowId::from_uuid(self.engine.ids().uuid());
            let flow = Flow {
                id,
                business_id,
                name: name(),
                draft: document.clone(),
                published: None,
                revision: 1,
                created_at: now,
                updated_at: now,
            };
            store.create_flow(&flow).await?;
            self.engine.publish_flow(business_id, id).await?;
            flows.push(id);
        }
        let agent = Agent {
            id: self.agent,
            business_id,
            name: name(),
            instructions,
            model,
            flows,
            settings: AgentSettings::default(),
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        store.create_agent(&agent).await?;
        let channel = |id, provider: &str, agent_id| ChannelConfig {
            id,
            business_id,
            provider: provider.to_owned(),
            name: name(),
            settings: Value::Object(serde_json::Map::new()),
            agent_id,
            enabled: true,
            unknown_policy: UnknownPolicy::AtMostOnce,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        let secrets = ChannelSecrets::from_iter([(MemoryProvider::SECRET, "stage")]);
        let talk = channel(self.channel, MemoryProvider::NAME, Some(self.agent));
        store.create_channel(&talk, &secrets).await?;
        let mailbox = channel(self.mailbox, MemoryProvider::MAIL_NAME, None);
        Ok(store.create_channel(&mailbox, &secrets).await?)
    }

    /// The platform.
    #[must_use]
    pub fn engine(&self) -> &JustPing {
        &self.engine
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// The channel's provider, to script its answers and to see what it was given.
    #[must_use]
    pub fn provider(&self) -> &Arc<MemoryProvider> {
        &self.provider
    }

    /// The business.
    #[must_use]
    pub fn business(&self) -> BusinessId {
        self.business
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// The mailbox: the business's one channel of e-mail, which people answer.
    #[must_use]
    pub fn mailbox(&self) -> ChannelId {
        self.mailbox
    }

    /// The provider of the mailbox.
    #[must_use]
    pub fn mail(&self) -> &Arc<MemoryProvider> {
        &self.mail
    }

    /// The agent.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// A contact writes a text; everything that follows at once happens. Returns the replies.
    ///
    /// # Errors
    /// [`StageError`] when the engine or the store refuses.
    pub async fn say(&self, contact: &str, text: &str) -> Result<Vec<Message>, StageError> {
        self.hear(contact, Content::text(text)).await
    }

    /// A contact writes anything; everything that follows at once happens. Returns the replies.
    ///
    /// # Errors
    /// [`StageError`] when the engine or the store refuses.
    pub async fn hear(&self, contact: &str, content: Content) -> Result<Vec<Message>, StageError> {
        let before = self.last_seq(contact).await?;
        self.drop_in(contact, content).await?;
        self.engine.settle().await?;
        self.replies_after(contact, before).await
    }

    /// A contact writes anything, and nothing is done about it yet.
    ///
    /// # Errors
    /// [`StageError`] when the engine or the store refuses.
    pub async fn drop_in(&self, contact: &str, content: Content) -> Result<(), StageError> {
        let number = self.heard.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let message = InboundMessage {
            provider_ref: format!("in-{number}"),
            from: vec![Identity::new(ChannelKind::MEMORY, contact)],
            name: None,
            content,
            reply_to: None,
            sent_at: None,
        };
        self.engine.receive(self.business, self.channel, vec![Inbound::Message(message)]).await?;
        Ok(())
    }

    /// Time passes: every moment at which something comes due is visited in order. Returns how many
    /// messages left meanwhile.
    ///
    /// # Errors
    /// [`StageError`] when the engine or the store refuses, or when work comes due for ever.
    pub async fn advance(&self, span: SignedDuration) -> Result<u64, StageError> {
        let end = self.clock.now().checked_add(span).unwrap_or(Timestamp::MAX);
        let channel = self.provider.channel(self.channel);
        let before = channel.taken();
        for _ in 0..MOMENTS_MAX {
            self.engine.settle().await?;
            match self.engine.store().next_due(self.clock.now()).await? {
                Some(due) if due <= end && due > self.clock.now() => self.clock.set(due),
                _ => {
                    self.clock.set(end);
                    self.engine.settle().await?;
                    return Ok(channel.taken() - before);
                }
            }
        }
        Err(EngineError::Overloaded.into())
    }

    /// The conversation with a contact, if they ever wrote.
    ///
    /// # Errors
    /// [`StageError`] when the store refuses.
    pub async fn conversation(&self, contact: &str) -> Result<Option<Conversation>, StageError> {
        let identity = Identity::new(ChannelKind::MEMORY, contact);
        let store = self.engine.store();
        let known = match store.contact_by_identity(self.business, &identity).await {
            Ok(known) => known,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match store.conversation_of(self.business, self.channel, known.id).await {
            Ok(conversation) => Ok(Some(conversation)),
            // A contact may be known before it writes.
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The whole thread with a contact, oldest first.
    ///
    /// # Errors
    /// [`StageError`] when the store refuses.
    pub async fn thread(&self, contact: &str) -> Result<Vec<Message>, StageError> {
        let Some(conversation) = self.conversation(contact).await? else { return Ok(Vec::new()) };
        let mut page = PageRequest::first(PAGE_MAX);
        let mut thread = Vec::new();
        loop {
            let order = MessageOrder::OldestFirst;
            let store = self.engine.store();
            let read = store.messages(self.business, conversation.id, order, &page).await?;
            thread.extend(read.items);
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(thread),
            }
        }
    }

    /// The sessions of a contact with their traces, oldest first; at most one page of each.
    ///
    /// # Errors
    /// [`StageError`] when the store refuses.
    pub async fn sessions(
        &self,
        contact: &str,
    ) -> Result<Vec<(Session, Vec<TraceStep>)>, StageError> {
        let Some(conversation) = self.conversation(contact).await? else { return Ok(Vec::new()) };
        let (store, page) = (self.engine.store(), PageRequest::first(PAGE_MAX));
        let mut out = Vec::new();
        for session in store.sessions(self.business, conversation.id, &page).await?.items {
            let trace = store.trace(self.business, session.id, &page).await?.items;
            out.push((session, trace));
        }
        Ok(out)
    }

    async fn last_seq(&self, contact: &str) -> Result<u64, StageError> {
        Ok(self.conversation(contact).await?.map_or(0, |conversation| conversation.last_seq))
    }

    async fn replies_after(&self, contact: &str, seq: u64) -> Result<Vec<Message>, StageError> {
        let mut thread = self.thread(contact).await?;
        thread.retain(|m| m.seq > seq && m.direction == Direction::Outbound);
        Ok(thread)
    }
}
