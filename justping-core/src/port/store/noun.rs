use std::fmt::Debug;

use async_trait::async_trait;

use super::{IdempotencyRecord, IdempotencyStart, StoreResult};
use crate::model::{
    Agent, AgentId, ApiKey, ApiKeyId, Business, BusinessId, ChannelConfig, ChannelId,
    ChannelSecrets, Contact, ContactId, ContactPatch, Conversation, ConversationChange,
    ConversationId, ConversationStatus, Event, Flow, FlowId, FlowVersion, FlowVersionId, Identity,
    LiveCount, Member, MemberId, Message, Owner, Page, PageRequest, Publication, Session,
    SessionId, SessionPolicy, Timestamp, TraceStep,
};

/// Businesses.
#[async_trait]
pub trait BusinessStore: Send + Sync + Debug + 'static {
    /// Adds a business.
    async fn create_business(&self, business: &Business) -> StoreResult<()>;

    /// Reads a business.
    async fn business(&self, id: BusinessId) -> StoreResult<Business>;

    /// Lists businesses by id. For operators only: the one list that is not inside a business.
    async fn businesses(&self, page: &PageRequest) -> StoreResult<Page<Business>>;
}

/// Members.
#[async_trait]
pub trait MemberStore: Send + Sync + Debug + 'static {
    /// Adds a member.
    async fn create_member(&self, member: &Member) -> StoreResult<()>;

    /// Reads a member.
    async fn member(&self, business: BusinessId, id: MemberId) -> StoreResult<Member>;

    /// Lists members by id.
    async fn members(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Member>>;
}

/// API keys.
#[async_trait]
pub trait ApiKeyStore: Send + Sync + Debug + 'static {
    /// Adds a key. [`Conflict`](super::StoreError::Conflict) when the digest is taken,
    /// [`NotFound`](super::StoreError::NotFound) when the business has no such member.
    async fn create_api_key(&self, key: &ApiKey) -> StoreResult<()>;

    /// Finds the live key with this SHA-256 of its token; revoked keys are not found. The one
    /// look-up that says which business a caller belongs to.
    async fn api_key_by_token(&self, token_sha256: &[u8; 32]) -> StoreResult<ApiKey>;

    /// Lists keys by id, revoked ones too.
    async fn api_keys(&self, business: BusinessId, page: &PageRequest)
    -> StoreResult<Page<ApiKey>>;

    /// Ends a key. Again is fine and keeps the first moment.
    async fn revoke_api_key(
        &self,
        business: BusinessId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> StoreResult<()>;
}

/// Channels and their secrets. Secrets go in and are read by the engine; no list shows them.
#[async_trait]
pub trait ChannelStore: Send + Sync + Debug + 'static {
    /// Adds a channel with its secrets. An agent it names exists in the business, here and in
    /// [`update_channel`](Self::update_channel), or the answer is
    /// [`NotFound`](super::StoreError::NotFound).
    async fn create_channel(
        &self,
        channel: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> StoreResult<()>;

    /// Reads a channel.
    async fn channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<ChannelConfig>;

    /// Finds the channel a public address names, whatever its business.
    async fn find_channel(&self, id: ChannelId) -> StoreResult<ChannelConfig>;

    /// Replaces a channel whose `revision` is still the stored one and returns it with the next.
    /// With `secrets`, those named are set and the others stay. `business_id`, `provider` and
    /// `created_at` never change.
    async fn update_channel(
        &self,
        channel: &ChannelConfig,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<ChannelConfig>;

    /// Removes a channel that has no conversations;
    /// [`Conflict`](super::StoreError::Conflict) when it has.
    async fn delete_channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<()>;

    /// Lists channels by id.
    async fn channels(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ChannelConfig>>;

    /// Opens the secrets of a channel. For adapters only.
    async fn channel_secrets(
        &self,
        business: BusinessId,
        id: ChannelId,
    ) -> StoreResult<ChannelSecrets>;
}

/// Contacts.
#[async_trait]
pub trait ContactStore: Send + Sync + Debug + 'static {
    /// Adds a contact. [`Conflict`](super::StoreError::Conflict) when an identity is taken.
    async fn create_contact(&self, contact: &Contact) -> StoreResult<()>;

    /// Reads a contact.
    async fn contact(&self, business: BusinessId, id: ContactId) -> StoreResult<Contact>;

    /// Finds the contact with an identity.
    async fn contact_by_identity(
        &self,
        business: BusinessId,
        identity: &Identity,
    ) -> StoreResult<Contact>;

    /// Changes a contact and returns it, and which groups it is in as
    /// [`GroupChange::asked`](super::GroupChange::asked) says.
    async fn patch_contact(
        &self,
        business: BusinessId,
        id: ContactId,
        patch: &ContactPatch,
        now: Timestamp,
    ) -> StoreResult<Contact>;

    /// Adds identities to the contact that has `known`. Identities that belong to another contact
    /// are left there.
    async fn link_identities(
        &self,
        business: BusinessId,
        known: &Identity,
        also: &[Identity],
        now: Timestamp,
    ) -> StoreResult<Contact>;

    /// Removes a contact that has no conversations;
    /// [`Conflict`](super::StoreError::Conflict) when it has.
    async fn delete_contact(&self, business: BusinessId, id: ContactId) -> StoreResult<()>;

    /// Lists contacts by id.
    async fn contacts(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>>;
}

/// Which conversations are wanted; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// In this status.
    pub status: Option<ConversationStatus>,
    /// With this owner.
    pub owner: Option<Owner>,
    /// On this channel.
    pub channel_id: Option<ChannelId>,
    /// With this contact.
    pub contact_id: Option<ContactId>,
}

/// Which way to page through messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageOrder {
    /// From the newest back; the cursor is the `seq` before which to go on.
    NewestFirst,
    /// From the oldest on; the cursor is the `seq` after which to go on.
    OldestFirst,
}

/// Conversations and their messages.
#[async_trait]
pub trait ConversationStore: Send + Sync + Debug + 'static {
    /// Reads a conversation.
    async fn conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
    ) -> StoreResult<Conversation>;

    /// Finds the conversation of a contact on a channel.
    async fn conversation_of(
        &self,
        business: BusinessId,
        channel: ChannelId,
        contact: ContactId,
    ) -> StoreResult<Conversation>;

    /// Adds a conversation before anything was said in it, as it is given, and returns it; where the
    /// contact has one on the channel, that one comes back as it is.
    /// [`NotFound`](super::StoreError::NotFound) when the business has no such channel or contact.
    async fn open_conversation(&self, conversation: &Conversation) -> StoreResult<Conversation>;

    /// Lists conversations, the one with the newest message first.
    async fn conversations(
        &self,
        business: BusinessId,
        filter: &ConversationFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Conversation>>;

    /// Changes a conversation ([`Conversation::apply`]) and returns it. Closing cancels a waiting
    /// session with its timers and calls and empties the mailbox.
    async fn change_conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
        change: &ConversationChange,
        now: Timestamp,
    ) -> StoreResult<Conversation>;

    /// Lists messages.
    async fn messages(
        &self,
        business: BusinessId,
        id: ConversationId,
        order: MessageOrder,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>>;
}

/// Agents.
#[async_trait]
pub trait AgentStore: Send + Sync + Debug + 'static {
    /// Adds an agent.
    async fn create_agent(&self, agent: &Agent) -> StoreResult<()>;

    /// Reads an agent.
    async fn agent(&self, business: BusinessId, id: AgentId) -> StoreResult<Agent>;

    /// Replaces an agent whose `revision` is still the stored one and returns it with the next.
    async fn update_agent(&self, agent: &Agent) -> StoreResult<Agent>;

    /// Removes an agent; channels that named it name none.
    async fn delete_agent(&self, business: BusinessId, id: AgentId) -> StoreResult<()>;

    /// Lists agents by id.
    async fn agents(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Agent>>;
}

/// Flows and their versions.
#[async_trait]
pub trait FlowStore: Send + Sync + Debug + 'static {
    /// Adds a flow.
    async fn create_flow(&self, flow: &Flow) -> StoreResult<()>;

    /// Reads a flow.
    async fn flow(&self, business: BusinessId, id: FlowId) -> StoreResult<Flow>;

    /// Replaces a flow's name and draft when its `revision` is still the stored one, and returns it
    /// with the next. `published` stays what it is.
    async fn update_flow(&self, flow: &Flow) -> StoreResult<Flow>;

    /// Removes a flow that was never published;
    /// [`Conflict`](super::StoreError::Conflict) when it was: its sessions need it.
    async fn delete_flow(&self, business: BusinessId, id: FlowId) -> StoreResult<()>;

    /// Lists flows by id.
    async fn flows(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Flow>>;

    /// Publishes a version: stores it with the next number and makes it the one new sessions run.
    /// A version of the same flow with the same `content_hash` is made current instead of stored
    /// twice, and returned. The flow keeps its revision: publishing does not disturb an edit.
    ///
    /// The decision is kept as the flow's next [`Publication`], made `now`.
    async fn publish_flow(
        &self,
        version: &FlowVersion,
        policy: &SessionPolicy,
        now: Timestamp,
    ) -> StoreResult<FlowVersion>;

    /// The newest publication of the flow that a version belongs to; `None` when it was published
    /// before publications were kept.
    async fn publication_for(
        &self,
        business: BusinessId,
        version: FlowVersionId,
    ) -> StoreResult<Option<Publication>>;

    /// Lists the publications of a flow by number.
    async fn publications(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<Publication>>;

    /// Reads a version.
    async fn flow_version(
        &self,
        business: BusinessId,
        id: FlowVersionId,
    ) -> StoreResult<FlowVersion>;

    /// Lists the versions of a flow by number.
    async fn flow_versions(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<FlowVersion>>;
}

/// Sessions and their traces; written by turns only.
#[async_trait]
pub trait SessionStore: Send + Sync + Debug + 'static {
    /// Reads a session.
    async fn session(&self, business: BusinessId, id: SessionId) -> StoreResult<Session>;

    /// Reads the session that waits in a conversation, if one does.
    async fn waiting_session(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Option<Session>>;

    /// Lists the sessions of a conversation by id.
    async fn sessions(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>>;

    /// Counts the sessions of a flow that wait, version by version, by number. Versions without one
    /// are left out.
    async fn live_counts(&self, business: BusinessId, flow: FlowId) -> StoreResult<Vec<LiveCount>>;

    /// Lists the sessions of a version that wait, by id.
    async fn live_sessions(
        &self,
        business: BusinessId,
        version: FlowVersionId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>>;

    /// Lists the steps of a session by number.
    async fn trace(
        &self,
        business: BusinessId,
        session: SessionId,
        page: &PageRequest,
    ) -> StoreResult<Page<TraceStep>>;
}

/// Stored events: `contact.created` and `conversation.created` of an accept, in this order,
/// `conversation.updated` whenever a conversation's owner, status or priority changed, and what
/// turns bring. Of `message.*` only what became no message is stored, `message.dropped`: messages
/// themselves are the record of the others.
#[async_trait]
pub trait EventStore: Send + Sync + Debug + 'static {
    /// Lists the events of a business in the order of their commits.
    async fn events(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Event>>;

    /// Records an event that no other move brings. One that is not stored
    /// ([`EventBody::is_stored`](crate::model::EventBody::is_stored)) is left out.
    async fn record_event(&self, event: &Event) -> StoreResult<()>;
}

/// Answers to requests that carried an idempotency key.
#[async_trait]
pub trait IdempotencyStore: Send + Sync + Debug + 'static {
    /// Starts a request under a key, or tells what became of it. A start older than
    /// `abandoned_before` counts as abandoned and starts anew.
    async fn start_request(
        &self,
        business: BusinessId,
        record: &IdempotencyRecord,
        abandoned_before: Timestamp,
    ) -> StoreResult<IdempotencyStart>;

    /// Stores the answer. [`NotFound`](super::StoreError::NotFound) when it was never started.
    async fn finish_request(
        &self,
        business: BusinessId,
        key: &str,
        status: u16,
        body: &str,
    ) -> StoreResult<()>;

    /// Forgets a request that was started and came to nothing. One that was answered stays.
    async fn forget_request(&self, business: BusinessId, key: &str) -> StoreResult<()>;

    /// Removes up to `limit` records made before `before`, of every business; returns how many.
    async fn expire_requests(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
}
