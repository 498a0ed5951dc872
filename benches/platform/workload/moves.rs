//! The store's own moves, driven without an engine: what a message costs the store, step by step.

use std::sync::Arc;
use std::time::Duration;

use justping::model::{
    Author, Business, BusinessId, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, ContactId,
    ContactPatch, Content, ConversationId, Direction, Identity, InboundMessage, Lane, MessageId,
    Owner, Timestamp, UnknownPolicy, WorkerId,
};
use justping::port::store::{
    Accept, Accepted, ClaimOptions, Post, SendOutcome, SendQuota, SendRecord, TurnClaim,
    TurnCommit, TurnMessage,
};
use justping::port::{Clock, IdSource, Store};
use justping::system::{SystemClock, SystemEntropy};

use crate::Outcome;
use crate::ours::{Engine, Opened, empty_store};
use crate::system::World;

/// How long a claim holds.
const LEASE: Duration = Duration::from_secs(60);
/// A text of the length that people write.
const TEXT: &str = "Thanks, you asked about the price of the blue one. We will answer soon.";

/// An open store with a business and a channel.
#[derive(Debug)]
pub(super) struct Bench {
    opened: Opened,
    ids: IdSource,
    clock: Arc<SystemClock>,
    business: BusinessId,
    channel: ChannelId,
    worker: WorkerId,
}

impl Bench {
    /// An empty store in a database.
    pub(super) async fn in_database(world: &World, engine: Engine) -> Outcome<Self> {
        let opened = empty_store(engine, &world.new_folder()?, world.postgres.as_ref()).await?;
        Self::over(opened).await
    }

    pub(super) async fn over(opened: Opened) -> Outcome<Self> {
        let clock = Arc::new(SystemClock::new());
        let ids = IdSource::new(Arc::clone(&clock) as _, Arc::new(SystemEntropy));
        let business = BusinessId::from_uuid(ids.uuid());
        let channel = ChannelId::from_uuid(ids.uuid());
        let worker = WorkerId::from_uuid(ids.uuid());
        let bench = Self { opened, ids, clock, business, channel, worker };
        let now = bench.clock.now();
        let store = bench.store();
        let name = "Bench".to_owned();
        store.create_business(&Business { id: business, name, created_at: now }).await?;
        let line = ChannelConfig {
            id: channel,
            business_id: business,
            provider: "memory".to_owned(),
            name: "Line".to_owned(),
            settings: serde_json::json!({}),
            agent_id: None,
            enabled: true,
            unknown_policy: UnknownPolicy::default(),
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        store.create_channel(&line, &ChannelSecrets::new()).await?;
        Ok(bench)
    }

    fn store(&self) -> &dyn Store {
        self.opened.store()
    }

    pub(super) async fn close(self) -> Outcome<()> {
        self.opened.close().await
    }

    /// Records one message of each contact in `contacts`; `wave` makes the references new.
    pub(super) async fn accept(
        &self,
        wave: usize,
        contacts: impl Iterator<Item = usize>,
        owner: Owner,
    ) -> Outcome<Vec<Accepted>> {
        let now = self.clock.now();
        let row = |contact: usize| Accept {
            business_id: self.business,
            channel_id: self.channel,
            message: InboundMessage {
                provider_ref: format!("wamid.{wave:08}.{contact:08}"),
                from: vec![Identity::new(ChannelKind::MEMORY, contact.to_string())],
                name: Some(format!("Customer {contact}")),
                content: Content::text(TEXT),
                reply_to: None,
                sent_at: None,
            },
            owner,
            message_id: MessageId::from_uuid(self.ids.uuid()),
            contact_id: ContactId::from_uuid(self.ids.uuid()),
            conversation_id: ConversationId::from_uuid(self.ids.uuid()),
            now,
        };
        Ok(self.store().accept(contacts.map(row).collect()).await?)
    }

    /// Puts one message into the outbox of each conversation.
    pub(super) async fn post(&self, accepted: &[Accepted]) -> Outcome<()> {
        let now = self.clock.now();
        let row = |one: &Accepted| Post {
            business_id: self.business,
            conversation_id: match one {
                Accepted::New { conversation, .. } => conversation.id,
                Accepted::Duplicate { conversation_id, .. } => *conversation_id,
            },
            message_id: MessageId::from_uuid(self.ids.uuid()),
            direction: Direction::Outbound,
            author: Author::System,
            content: Content::text(TEXT),
            lane: Lane::default(),
            reply_to: None,
            provider_ref: None,
            once: None,
            owner: None,
            now,
        };
        for posted in self.store().post(accepted.iter().map(row).collect()).await? {
            posted?;
        }
        Ok(())
    }

    /// Claims up to `limit` conversations with mail and answers each; gives how many.
    pub(super) async fn turn(&self, limit: u32) -> Outcome<usize> {
        let claims = self.store().claim_turns(&self.claim(limit)?, None).await?;
        let now = self.clock.now();
        let commits = claims.iter().map(|claim| self.reply(claim, now)).collect();
        for committed in self.store().commit_turns(commits).await? {
            committed?;
        }
        Ok(claims.len())
    }

    /// Claims up to `limit` messages and records them as sent; gives how many.
    pub(super) async fn send(&self, limit: u32) -> Outcome<usize> {
        let options = self.claim(limit)?;
        let claims =
            self.store().claim_outbox(&options, &SendQuota::default(), options.lease_until).await?;
        let now = self.clock.now();
        let record = |claim: &justping::port::store::SendClaim| SendRecord {
            business_id: self.business,
            conversation_id: claim.row.conversation_id,
            seq: claim.row.seq,
            fence: claim.fence,
            now,
            outcome: SendOutcome::Sent {
                provider_ref: Some(format!("out.{}.{}", claim.row.conversation_id, claim.row.seq)),
                changed: None,
            },
        };
        let sent = self.store().record_sends(claims.iter().map(record).collect()).await?;
        if sent.len() == claims.len() {
            return Ok(sent.len());
        }
        Err(format!("{} of {} sends were recorded", sent.len(), claims.len()).into())
    }

    fn claim(&self, limit: u32) -> Outcome<ClaimOptions> {
        let now = self.clock.now();
        Ok(ClaimOptions { worker: self.worker, now, lease_until: now.checked_add(LEASE)?, limit })
    }

    fn reply(&self, claim: &TurnClaim, now: Timestamp) -> TurnCommit {
        TurnCommit {
            business_id: self.business,
            conversation_id: claim.conversation.id,
            fence: claim.fence,
            revision: claim.conversation.revision,
            now,
            consumed: claim.entries.iter().map(|entry| entry.seq).collect(),
            sessions: Vec::new(),
            trace: Vec::new(),
            messages: vec![TurnMessage {
                id: MessageId::from_uuid(self.ids.uuid()),
                direction: Direction::Outbound,
                author: Author::System,
                content: Content::text(TEXT),
                due_at: now,
            }],
            clear_timers: false,
            timers: Vec::new(),
            cancel_calls: false,
            calls: Vec::new(),
            contact: ContactPatch::default(),
            changes: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// Whose CPU counts beside this process.
pub(super) fn watched(world: &World, engine: Engine) -> Vec<crate::process::Watched> {
    let postgres = world.postgres.as_ref().filter(|_| engine == Engine::Postgres);
    postgres.map(|postgres| postgres.watched()).into_iter().collect()
}

/// The name of our store in a database.
pub(super) fn name(engine: Engine) -> &'static str {
    crate::system::System::Ours(engine).name()
}
