//! What the checks build on: a business with an agent and a channel, and short ways to say what
//! happens in it.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use crate::memory::ManualClock;
use crate::model::{
    Agent, AgentId, AgentSettings, ApiKey, ApiKeyId, Author, Business, BusinessId, Call, CallId,
    CallRequest, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, Contact, ContactId,
    ContactPatch, Content, Conversation, ConversationChange, ConversationId, Cursor,
    DeliveryStatus, Direction, Flow, FlowId, FlowVersion, FlowVersionId, Identity, InboundMessage,
    Lane, MailboxEvent, Member, MemberId, Message, MessageId, OutboxRow, Owner, Page, PageRequest,
    Role, Rollup, Session, SessionId, SessionPolicy, SessionStatus, StatusUpdate, Timeline, Timer,
    TimerId, Timestamp, TraceStep, UnknownPolicy, WorkerId,
};
use crate::port::store::{
    Accept, Accepted, ClaimOptions, MessageOrder, Post, SendClaim, SendOutcome, SendQuota,
    SendRecord, StatusOutcome, StatusRecord, TurnClaim, TurnCommit, TurnCommitted, TurnMessage,
};
use crate::port::{IdSource, Store, StoreError, StoreResult};
use crate::system::SystemEntropy;

/// The policy of publications that leave sessions alone.
pub const FINISH: SessionPolicy = SessionPolicy::Finish;

/// How long the leases of the checks hold, in seconds.
pub const LEASE_S: i64 = 30;

/// The moment `seconds` after the checks begin.
pub fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
    start.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// An identity of the kind the checks use.
pub fn identity(id: &str) -> Identity {
    Identity::new(ChannelKind::MEMORY, id)
}

/// Asserts that a request was refused because there is no such row.
pub fn assert_not_found<T: std::fmt::Debug>(result: StoreResult<T>) {
    assert!(matches!(result, Err(StoreError::NotFound(_))), "expected not found: {result:?}");
}

/// Asserts that a request was refused because it breaks a uniqueness rule.
pub fn assert_conflict<T: std::fmt::Debug>(result: StoreResult<T>) {
    assert!(matches!(result, Err(StoreError::Conflict(_))), "expected a conflict: {result:?}");
}

/// Asserts that a request was refused because somebody was faster.
pub fn assert_stale<T: std::fmt::Debug>(result: StoreResult<T>) {
    assert!(matches!(result, Err(StoreError::Stale(_))), "expected stale: {result:?}");
}

/// Asserts that a request was refused because it makes no sense.
pub fn assert_invalid<T: std::fmt::Debug>(result: StoreResult<T>) {
    assert!(matches!(result, Err(StoreError::Invalid(_))), "expected invalid: {result:?}");
}

/// The page after `page`, of one row.
pub fn next_one<T>(page: &Page<T>) -> PageRequest {
    PageRequest { after: Some(page.next.clone().expect("a further page")), limit: 1 }
}

/// A page that starts behind a text no list ever gave.
pub fn nonsense() -> PageRequest {
    PageRequest { after: Some(Cursor("\u{0}no cursor".to_owned())), limit: 10 }
}

/// Runs futures at the same time, as far as the store lets them.
pub async fn together<F: Future>(crowd: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut crowd: Vec<_> = crowd.map(Box::pin).collect();
    let mut results = Vec::new();
    std::future::poll_fn(|cx| {
        crowd.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(result) => {
                results.push(result);
                false
            }
            std::task::Poll::Pending => true,
        });
        if crowd.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    results
}

/// One business in a store, with an agent, a channel that names it, and a member.
#[derive(Debug)]
pub struct World<'a> {
    /// The store under test.
    pub store: &'a dyn Store,
    /// The business.
    pub business: BusinessId,
    /// Its member.
    pub member: MemberId,
    /// Its agent.
    pub agent: AgentId,
    /// Its channel.
    pub channel: ChannelId,
    ids: IdSource,
}

impl<'a> World<'a> {
    /// A new business in `store`.
    pub async fn new(store: &'a dyn Store) -> Self {
        let ids = IdSource::new(Arc::new(ManualClock::new(at(0))), Arc::new(SystemEntropy));
        let world = Self {
            store,
            business: BusinessId::from_uuid(ids.uuid()),
            member: MemberId::from_uuid(ids.uuid()),
            agent: AgentId::from_uuid(ids.uuid()),
            channel: ChannelId::from_uuid(ids.uuid()),
            ids,
        };
        let business = Business { id: world.business, name: "Acme".to_owned(), created_at: at(0) };
        store.create_business(&business).await.unwrap();
        store.create_member(&Member { id: world.member, ..world.new_member() }).await.unwrap();
        store.create_agent(&Agent { id: world.agent, ..world.new_agent() }).await.unwrap();
        let channel =
            ChannelConfig { id: world.channel, agent_id: Some(world.agent), ..world.new_channel() };
        store.create_channel(&channel, &ChannelSecrets::new()).await.unwrap();
        world
    }

    /// A fresh UUID, greater than those before.
    pub fn uuid(&self) -> Uuid {
        self.ids.uuid()
    }

    /// A member that is not stored yet.
    pub fn new_member(&self) -> Member {
        Member {
            id: MemberId::from_uuid(self.uuid()),
            business_id: self.business,
            name: "Mia".to_owned(),
            role: Role::Support,
            created_at: at(0),
        }
    }

    /// An API key of the member that is not stored yet.
    pub fn new_api_key(&self) -> ApiKey {
        let mut token_sha256 = [0; 32];
        token_sha256[..16].copy_from_slice(self.uuid().as_bytes());
        ApiKey {
            id: ApiKeyId::from_uuid(self.uuid()),
            business_id: self.business,
            member_id: self.member,
            name: "deploy".to_owned(),
            role: Role::Support,
            token_sha256,
            created_at: at(0),
            revoked_at: None,
        }
    }

    /// An agent that is not stored yet.
    pub fn new_agent(&self) -> Agent {
        Agent {
            id: AgentId::from_uuid(self.uuid()),
            business_id: self.business,
            name: "Ada".to_owned(),
            instructions: "Be kind.".to_owned(),
            model: Some("small".to_owned()),
            flows: Vec::new(),
            settings: AgentSettings::default(),
            revision: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    /// A channel without an agent that is not stored yet.
    pub fn new_channel(&self) -> ChannelConfig {
        ChannelConfig {
            id: ChannelId::from_uuid(self.uuid()),
            business_id: self.business,
            provider: "memory".to_owned(),
            name: "Support line".to_owned(),
            settings: json!({ "number": "+1 555 0100" }),
            agent_id: None,
            enabled: true,
            unknown_policy: UnknownPolicy::AtMostOnce,
            revision: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    /// Stores a further channel and returns its id.
    pub async fn add_channel(&self) -> ChannelId {
        let channel = self.new_channel();
        self.store.create_channel(&channel, &ChannelSecrets::new()).await.unwrap();
        channel.id
    }

    /// A contact with these identities that is not stored yet.
    pub fn new_contact(&self, identities: &[&str]) -> Contact {
        Contact {
            identities: identities.iter().copied().map(identity).collect(),
            ..Contact::new(ContactId::from_uuid(self.uuid()), self.business, at(0))
        }
    }

    /// Stores a contact with these identities.
    pub async fn add_contact(&self, identities: &[&str]) -> Contact {
        let contact = self.new_contact(identities);
        self.store.create_contact(&contact).await.unwrap();
        contact
    }

    /// A flow that is not stored yet.
    pub fn new_flow(&self) -> Flow {
        Flow {
            id: FlowId::from_uuid(self.uuid()),
            business_id: self.business,
            name: "Welcome".to_owned(),
            draft: json!({ "nodes": [] }),
            published: None,
            revision: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    /// A version of `flow` with a content of its own, not stored yet.
    pub fn new_version(&self, flow: FlowId, content: &str) -> FlowVersion {
        FlowVersion {
            id: FlowVersionId::from_uuid(self.uuid()),
            business_id: self.business,
            flow_id: flow,
            number: 0,
            content_hash: format!("hash of {content}"),
            document: json!({ "content": content }),
            created_at: at(0),
        }
    }

    /// A flow with a published version.
    pub async fn published(&self) -> FlowVersion {
        let flow = self.new_flow();
        self.store.create_flow(&flow).await.unwrap();
        self.store.publish_flow(&self.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap()
    }

    /// Something `who` writes for the bot: `reference` names the message at the provider.
    pub fn hello(&self, who: &str, reference: &str) -> Accept {
        Accept {
            business_id: self.business,
            channel_id: self.channel,
            message: InboundMessage {
                provider_ref: reference.to_owned(),
                from: vec![identity(who)],
                name: None,
                content: Content::text(format!("{who} says {reference}")),
                reply_to: None,
                sent_at: None,
            },
            owner: Owner::Bot,
            message_id: MessageId::from_uuid(self.uuid()),
            contact_id: ContactId::from_uuid(self.uuid()),
            conversation_id: ConversationId::from_uuid(self.uuid()),
            now: at(0),
        }
    }

    /// Accepts one message.
    pub async fn accept(&self, accept: Accept) -> Accepted {
        self.store.accept(vec![accept]).await.unwrap().remove(0)
    }

    /// Accepts one message that is new and returns its conversation.
    pub async fn arrive(&self, accept: Accept) -> Conversation {
        match self.accept(accept).await {
            Accepted::New { conversation, .. } => conversation,
            duplicate => panic!("expected a new message: {duplicate:?}"),
        }
    }

    /// A conversation that `who` opened and that nobody answers: its mailbox is empty.
    pub async fn quiet(&self, who: &str) -> Conversation {
        let accept = Accept { owner: Owner::Queue, ..self.hello(who, &format!("quiet {who}")) };
        self.arrive(accept).await
    }

    /// The conversation as it is stored.
    pub async fn conversation(&self, id: ConversationId) -> Conversation {
        self.store.conversation(self.business, id).await.unwrap()
    }

    /// Changes a conversation.
    pub async fn change(&self, id: ConversationId, change: ConversationChange) -> Conversation {
        self.store.change_conversation(self.business, id, &change, at(1)).await.unwrap()
    }

    /// All messages, oldest first.
    pub async fn messages(&self, id: ConversationId) -> Vec<Message> {
        let (order, page) = (MessageOrder::OldestFirst, PageRequest::first(200));
        self.store.messages(self.business, id, order, &page).await.unwrap().items
    }

    /// A claim by a worker of its own, for [`LEASE_S`] seconds.
    pub fn options(&self, now: Timestamp, limit: u32) -> ClaimOptions {
        let lease_until = now.checked_add(SignedDuration::from_secs(LEASE_S)).unwrap();
        ClaimOptions { worker: WorkerId::from_uuid(self.uuid()), now, lease_until, limit }
    }

    /// Claims turns.
    pub async fn claim(&self, now: Timestamp) -> Vec<TurnClaim> {
        self.store.claim_turns(&self.options(now, 100), None).await.unwrap()
    }

    /// Claims the one conversation that has mail.
    pub async fn claim_one(&self, now: Timestamp) -> TurnClaim {
        let mut claims = self.claim(now).await;
        assert_eq!(claims.len(), 1, "one conversation has mail");
        claims.remove(0)
    }

    /// `who` writes and a worker takes the conversation.
    pub async fn turn(&self, who: &str) -> TurnClaim {
        self.arrive(self.hello(who, &format!("turn {who}"))).await;
        self.claim_one(at(0)).await
    }

    /// A commit that consumes all of a claim's mail and does nothing else.
    pub fn done(&self, claim: &TurnClaim) -> TurnCommit {
        TurnCommit {
            business_id: self.business,
            conversation_id: claim.conversation.id,
            fence: claim.fence,
            revision: claim.conversation.revision,
            now: at(1),
            consumed: claim.entries.iter().map(|entry| entry.seq).collect(),
            sessions: Vec::new(),
            trace: Vec::new(),
            messages: Vec::new(),
            clear_timers: false,
            timers: Vec::new(),
            cancel_calls: false,
            calls: Vec::new(),
            contact: ContactPatch::default(),
            changes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Commits one turn.
    pub async fn try_commit(&self, commit: TurnCommit) -> StoreResult<TurnCommitted> {
        self.store.commit_turns(vec![commit]).await.unwrap().remove(0)
    }

    /// Commits one turn that goes through.
    pub async fn commit(&self, commit: TurnCommit) -> TurnCommitted {
        self.try_commit(commit).await.unwrap()
    }

    /// A message of a bot.
    pub fn say(&self, text: &str) -> TurnMessage {
        TurnMessage {
            id: MessageId::from_uuid(self.uuid()),
            direction: Direction::Outbound,
            author: Author::Bot(SessionId::from_uuid(self.uuid())),
            content: Content::text(text),
            due_at: at(1),
        }
    }

    /// A session of the claimed conversation.
    pub fn session(&self, claim: &TurnClaim, status: SessionStatus) -> Session {
        Session {
            id: SessionId::from_uuid(self.uuid()),
            business_id: self.business,
            conversation_id: claim.conversation.id,
            agent_id: self.agent,
            flow_version_id: FlowVersionId::from_uuid(self.uuid()),
            status,
            steps: 1,
            state: r#"{"node":"start"}"#.to_owned(),
            failure: None,
            created_at: at(1),
            updated_at: at(1),
        }
    }

    /// A step of a session.
    pub fn step(&self, number: u32) -> TraceStep {
        TraceStep {
            number,
            input: format!("input {number}"),
            effects: "[]".to_owned(),
            state: format!("state {number}"),
        }
    }

    /// A timer of a session.
    pub fn timer(&self, session: &Session, due_at: Timestamp) -> Timer {
        Timer {
            id: TimerId::from_uuid(self.uuid()),
            business_id: session.business_id,
            conversation_id: session.conversation_id,
            session_id: session.id,
            due_at,
            token: "no reply".to_owned(),
        }
    }

    /// A call of a session.
    pub fn call(&self, session: &Session) -> Call {
        Call {
            id: CallId::from_uuid(self.uuid()),
            business_id: session.business_id,
            conversation_id: session.conversation_id,
            session_id: session.id,
            flow_version_id: session.flow_version_id,
            request: CallRequest {
                node: "ask".to_owned(),
                token: "1".to_owned(),
                input: json!({ "url": "https://example.org" }),
            },
            attempts: 0,
            created_at: at(1),
        }
    }

    /// Runs a turn of `who` that leaves a session of a version behind.
    pub async fn session_of(
        &self,
        who: &str,
        version: FlowVersionId,
        status: SessionStatus,
    ) -> Session {
        let claim = self.turn(who).await;
        let session = self.session(&claim, status);
        let session = Session { flow_version_id: version, ..session };
        let commit = TurnCommit { sessions: vec![session.clone()], ..self.done(&claim) };
        self.commit(commit).await;
        session
    }

    /// Runs a turn of `who` that leaves a waiting session with a timer and a call behind.
    pub async fn waiting(&self, who: &str) -> Waiting {
        let claim = self.turn(who).await;
        let session = self.session(&claim, SessionStatus::Waiting);
        let (timer, call) = (self.timer(&session, at(100)), self.call(&session));
        let commit = TurnCommit {
            sessions: vec![session.clone()],
            timers: vec![timer.clone()],
            calls: vec![call.clone()],
            ..self.done(&claim)
        };
        let conversation = self.commit(commit).await.conversation;
        Waiting { conversation, session, timer, call }
    }

    /// A member's answer, leaving at once.
    pub fn post(&self, conversation: ConversationId, text: &str) -> Post {
        Post {
            business_id: self.business,
            conversation_id: conversation,
            message_id: MessageId::from_uuid(self.uuid()),
            direction: Direction::Outbound,
            author: Author::Member(self.member),
            content: Content::text(text),
            lane: Lane::Interactive,
            reply_to: None,
            provider_ref: None,
            once: None,
            owner: None,
            now: at(1),
        }
    }

    /// Posts one message and returns it.
    pub async fn posted(&self, post: Post) -> Message {
        let mut answers = self.store.post(vec![post]).await.unwrap();
        answers.remove(0).unwrap().messages.remove(0)
    }

    /// Claims sends; rows whose lease ran out become due again at `at(1000)`.
    pub async fn sends(&self, now: Timestamp) -> Vec<SendClaim> {
        self.store
            .claim_outbox(&self.options(now, 100), &SendQuota::default(), at(1_000))
            .await
            .unwrap()
    }

    /// Claims the one send that is due.
    pub async fn send_one(&self, now: Timestamp) -> SendClaim {
        let mut claims = self.sends(now).await;
        assert_eq!(claims.len(), 1, "one send is due");
        claims.remove(0)
    }

    /// How a claimed send ended.
    pub fn result(&self, claim: &SendClaim, outcome: SendOutcome) -> SendRecord {
        SendRecord {
            business_id: self.business,
            conversation_id: claim.row.conversation_id,
            seq: claim.row.seq,
            fence: claim.fence,
            now: at(2),
            outcome,
        }
    }

    /// Records how a claimed send ended.
    pub async fn record(&self, claim: &SendClaim, outcome: SendOutcome) -> Vec<Message> {
        self.store.record_sends(vec![self.result(claim, outcome)]).await.unwrap()
    }

    /// Sends the one message that is due; the provider calls it `reference`.
    pub async fn sent(&self, now: Timestamp, reference: &str) -> SendClaim {
        let claim = self.send_one(now).await;
        self.record(&claim, sent_as(reference)).await;
        claim
    }

    /// News of the provider's about the message it calls `reference`.
    pub fn news(&self, reference: &str, status: DeliveryStatus) -> StatusRecord {
        StatusRecord {
            business_id: self.business,
            channel_id: self.channel,
            update: StatusUpdate {
                provider_ref: reference.to_owned(),
                key: None,
                status,
                at: None,
                failure: None,
            },
            now: at(5),
        }
    }

    /// The same news, with our key.
    pub fn keyed(&self, row: &OutboxRow, reference: &str, status: DeliveryStatus) -> StatusRecord {
        let mut record = self.news(reference, status);
        record.update.key = Some(row.idempotency_key());
        record
    }

    /// Records one piece of news.
    pub async fn hear(&self, record: StatusRecord) -> StatusOutcome {
        self.store.record_statuses(vec![record]).await.unwrap().remove(0)
    }
}

/// What [`World::waiting`] left behind.
#[derive(Debug)]
pub struct Waiting {
    /// The conversation, its mailbox empty.
    pub conversation: Conversation,
    /// The session that waits.
    pub session: Session,
    /// Its timer, due at `at(100)`.
    pub timer: Timer,
    /// Its call.
    pub call: Call,
}

/// The provider took the message and calls it `reference`.
pub fn sent_as(reference: &str) -> SendOutcome {
    SendOutcome::Sent { provider_ref: Some(reference.to_owned()), changed: None }
}

/// The text of a message event.
pub fn text_of(event: &MailboxEvent) -> &str {
    match event {
        MailboxEvent::Message { content, .. } => content.plain(),
        other => panic!("expected a message: {other:?}"),
    }
}

/// Counts what the ledger holds of a message on a channel: its timeline again, step by step.
pub fn recount(counters: &mut Rollup, channel: ChannelId, message: &Message) {
    match message.direction {
        Direction::Note => {}
        Direction::Inbound => counters.receive(channel, message),
        Direction::Outbound => {
            let Timeline { sent_at, delivered_at, read_at, failed_at } = message.timeline;
            let mut again = Message { status: DeliveryStatus::Queued, ..message.clone() };
            for (status, at) in [
                (DeliveryStatus::Sent, sent_at),
                (DeliveryStatus::Delivered, delivered_at),
                (DeliveryStatus::Read, read_at),
                (DeliveryStatus::Failed, failed_at),
            ] {
                if let Some(at) = at {
                    counters.hear(channel, &mut again, (status, at, None));
                }
            }
        }
    }
}
