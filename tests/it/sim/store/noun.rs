use async_trait::async_trait;
use justping::model::{
    Agent, AgentId, ApiKey, ApiKeyId, Business, BusinessId, ChannelConfig, ChannelId,
    ChannelSecrets, Contact, ContactId, ContactPatch, Conversation, ConversationChange,
    ConversationId, Event, Flow, FlowId, FlowVersion, FlowVersionId, Identity, LiveCount, Member,
    MemberId, Message, Page, PageRequest, Publication, Session, SessionId, SessionPolicy,
    Timestamp, TraceStep,
};
use justping::port::StoreResult;
use justping::port::store::{
    AgentStore, ApiKeyStore, BusinessStore, ChannelStore, ContactStore, ConversationFilter,
    ConversationStore, EventStore, FlowStore, IdempotencyRecord, IdempotencyStart,
    IdempotencyStore, MemberStore, MessageOrder, SessionStore,
};

use super::SimStore;

#[async_trait]
impl BusinessStore for SimStore {
    async fn create_business(&self, business: &Business) -> StoreResult<()> {
        self.pass("create_business", self.world.store.create_business(business)).await
    }

    async fn business(&self, id: BusinessId) -> StoreResult<Business> {
        self.pass("business", self.world.store.business(id)).await
    }

    async fn businesses(&self, page: &PageRequest) -> StoreResult<Page<Business>> {
        self.pass("businesses", self.world.store.businesses(page)).await
    }
}

#[async_trait]
impl MemberStore for SimStore {
    async fn create_member(&self, member: &Member) -> StoreResult<()> {
        self.pass("create_member", self.world.store.create_member(member)).await
    }

    async fn member(&self, business: BusinessId, id: MemberId) -> StoreResult<Member> {
        self.pass("member", self.world.store.member(business, id)).await
    }

    async fn members(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Member>> {
        self.pass("members", self.world.store.members(business, page)).await
    }
}

#[async_trait]
impl ApiKeyStore for SimStore {
    async fn create_api_key(&self, key: &ApiKey) -> StoreResult<()> {
        self.pass("create_api_key", self.world.store.create_api_key(key)).await
    }

    async fn api_key_by_token(&self, token_sha256: &[u8; 32]) -> StoreResult<ApiKey> {
        self.pass("api_key_by_token", self.world.store.api_key_by_token(token_sha256)).await
    }

    async fn api_keys(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ApiKey>> {
        self.pass("api_keys", self.world.store.api_keys(business, page)).await
    }

    async fn revoke_api_key(
        &self,
        business: BusinessId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.pass("revoke_api_key", self.world.store.revoke_api_key(business, id, at)).await
    }
}

#[async_trait]
impl ChannelStore for SimStore {
    async fn create_channel(
        &self,
        channel: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> StoreResult<()> {
        self.pass("create_channel", self.world.store.create_channel(channel, secrets)).await
    }

    async fn channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<ChannelConfig> {
        self.pass("channel", self.world.store.channel(business, id)).await
    }

    async fn find_channel(&self, id: ChannelId) -> StoreResult<ChannelConfig> {
        self.pass("find_channel", self.world.store.find_channel(id)).await
    }

    async fn update_channel(
        &self,
        channel: &ChannelConfig,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<ChannelConfig> {
        self.pass("update_channel", self.world.store.update_channel(channel, secrets)).await
    }

    async fn delete_channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<()> {
        self.pass("delete_channel", self.world.store.delete_channel(business, id)).await
    }

    async fn channels(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ChannelConfig>> {
        self.pass("channels", self.world.store.channels(business, page)).await
    }

    async fn channel_secrets(
        &self,
        business: BusinessId,
        id: ChannelId,
    ) -> StoreResult<ChannelSecrets> {
        self.pass("channel_secrets", self.world.store.channel_secrets(business, id)).await
    }
}

#[async_trait]
impl ContactStore for SimStore {
    async fn create_contact(&self, contact: &Contact) -> StoreResult<()> {
        self.pass("create_contact", self.world.store.create_contact(contact)).await
    }

    async fn contact(&self, business: BusinessId, id: ContactId) -> StoreResult<Contact> {
        self.pass("contact", self.world.store.contact(business, id)).await
    }

    async fn contact_by_identity(
        &self,
        business: BusinessId,
        identity: &Identity,
    ) -> StoreResult<Contact> {
        self.pass("contact_by_identity", self.world.store.contact_by_identity(business, identity))
            .await
    }

    async fn patch_contact(
        &self,
        business: BusinessId,
        id: ContactId,
        patch: &ContactPatch,
        now: Timestamp,
    ) -> StoreResult<Contact> {
        self.pass("patch_contact", self.world.store.patch_contact(business, id, patch, now)).await
    }

    async fn link_identities(
        &self,
        business: BusinessId,
        known: &Identity,
        also: &[Identity],
        now: Timestamp,
    ) -> StoreResult<Contact> {
        self.pass("link_identities", self.world.store.link_identities(business, known, also, now))
            .await
    }

    async fn delete_contact(&self, business: BusinessId, id: ContactId) -> StoreResult<()> {
        self.pass("delete_contact", self.world.store.delete_contact(business, id)).await
    }

    async fn contacts(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        self.pass("contacts", self.world.store.contacts(business, page)).await
    }
}

#[async_trait]
impl ConversationStore for SimStore {
    async fn conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
    ) -> StoreResult<Conversation> {
        let work = async {
            let conversation = self.world.store.conversation(business, id).await?;
            if let Some(life) = &self.life {
                self.world
                    .watch(|oracle| oracle.looked(life.number, id, Some(conversation.generation)));
            }
            Ok(conversation)
        };
        self.pass("conversation", work).await
    }

    async fn conversation_of(
        &self,
        business: BusinessId,
        channel: ChannelId,
        contact: ContactId,
    ) -> StoreResult<Conversation> {
        self.pass("conversation_of", self.world.store.conversation_of(business, channel, contact))
            .await
    }

    async fn open_conversation(&self, conversation: &Conversation) -> StoreResult<Conversation> {
        self.pass("open_conversation", self.world.store.open_conversation(conversation)).await
    }

    async fn conversations(
        &self,
        business: BusinessId,
        filter: &ConversationFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Conversation>> {
        self.pass("conversations", self.world.store.conversations(business, filter, page)).await
    }

    async fn change_conversation(
        &self,
        business: BusinessId,
        id: ConversationId,
        change: &ConversationChange,
        now: Timestamp,
    ) -> StoreResult<Conversation> {
        let work = async {
            let store = &self.world.store;
            let conversation = store.change_conversation(business, id, change, now).await?;
            self.world.watch(|oracle| oracle.changed(&conversation, change));
            Ok(conversation)
        };
        self.pass("change_conversation", work).await
    }

    async fn messages(
        &self,
        business: BusinessId,
        id: ConversationId,
        order: MessageOrder,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        let work = async {
            let page = self.world.store.messages(business, id, order, page).await?;
            Ok(self.world.mutant.messages(page))
        };
        self.pass("messages", work).await
    }
}

#[async_trait]
impl AgentStore for SimStore {
    async fn create_agent(&self, agent: &Agent) -> StoreResult<()> {
        self.pass("create_agent", self.world.store.create_agent(agent)).await
    }

    async fn agent(&self, business: BusinessId, id: AgentId) -> StoreResult<Agent> {
        self.pass("agent", self.world.store.agent(business, id)).await
    }

    async fn update_agent(&self, agent: &Agent) -> StoreResult<Agent> {
        self.pass("update_agent", self.world.store.update_agent(agent)).await
    }

    async fn delete_agent(&self, business: BusinessId, id: AgentId) -> StoreResult<()> {
        self.pass("delete_agent", self.world.store.delete_agent(business, id)).await
    }

    async fn agents(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Agent>> {
        self.pass("agents", self.world.store.agents(business, page)).await
    }
}

#[async_trait]
impl FlowStore for SimStore {
    async fn create_flow(&self, flow: &Flow) -> StoreResult<()> {
        self.pass("create_flow", self.world.store.create_flow(flow)).await
    }

    async fn flow(&self, business: BusinessId, id: FlowId) -> StoreResult<Flow> {
        self.pass("flow", self.world.store.flow(business, id)).await
    }

    async fn update_flow(&self, flow: &Flow) -> StoreResult<Flow> {
        self.pass("update_flow", self.world.store.update_flow(flow)).await
    }

    async fn delete_flow(&self, business: BusinessId, id: FlowId) -> StoreResult<()> {
        self.pass("delete_flow", self.world.store.delete_flow(business, id)).await
    }

    async fn flows(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Flow>> {
        self.pass("flows", self.world.store.flows(business, page)).await
    }

    async fn publish_flow(
        &self,
        version: &FlowVersion,
        policy: &SessionPolicy,
        now: Timestamp,
    ) -> StoreResult<FlowVersion> {
        self.pass("publish_flow", self.world.store.publish_flow(version, policy, now)).await
    }

    async fn publication_for(
        &self,
        business: BusinessId,
        version: FlowVersionId,
    ) -> StoreResult<Option<Publication>> {
        self.pass("publication_for", self.world.store.publication_for(business, version)).await
    }

    async fn publications(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<Publication>> {
        self.pass("publications", self.world.store.publications(business, flow, page)).await
    }

    async fn flow_version(
        &self,
        business: BusinessId,
        id: FlowVersionId,
    ) -> StoreResult<FlowVersion> {
        self.pass("flow_version", self.world.store.flow_version(business, id)).await
    }

    async fn flow_versions(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<FlowVersion>> {
        self.pass("flow_versions", self.world.store.flow_versions(business, flow, page)).await
    }
}

#[async_trait]
impl SessionStore for SimStore {
    async fn session(&self, business: BusinessId, id: SessionId) -> StoreResult<Session> {
        self.pass("session", self.world.store.session(business, id)).await
    }

    async fn waiting_session(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Option<Session>> {
        let work = self.world.store.waiting_session(business, conversation);
        self.pass("waiting_session", work).await
    }

    async fn sessions(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        self.pass("sessions", self.world.store.sessions(business, conversation, page)).await
    }

    async fn live_counts(&self, business: BusinessId, flow: FlowId) -> StoreResult<Vec<LiveCount>> {
        self.pass("live_counts", self.world.store.live_counts(business, flow)).await
    }

    async fn live_sessions(
        &self,
        business: BusinessId,
        version: FlowVersionId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        self.pass("live_sessions", self.world.store.live_sessions(business, version, page)).await
    }

    async fn trace(
        &self,
        business: BusinessId,
        session: SessionId,
        page: &PageRequest,
    ) -> StoreResult<Page<TraceStep>> {
        self.pass("trace", self.world.store.trace(business, session, page)).await
    }
}

#[async_trait]
impl EventStore for SimStore {
    async fn events(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Event>> {
        self.pass("events", self.world.store.events(business, page)).await
    }

    async fn record_event(&self, event: &Event) -> StoreResult<()> {
        self.pass("record_event", self.world.store.record_event(event)).await
    }
}

#[async_trait]
impl IdempotencyStore for SimStore {
    async fn start_request(
        &self,
        business: BusinessId,
        record: &IdempotencyRecord,
        abandoned_before: Timestamp,
    ) -> StoreResult<IdempotencyStart> {
        self.pass(
            "start_request",
            self.world.store.start_request(business, record, abandoned_before),
        )
        .await
    }

    async fn finish_request(
        &self,
        business: BusinessId,
        key: &str,
        status: u16,
        body: &str,
    ) -> StoreResult<()> {
        self.pass("finish_request", self.world.store.finish_request(business, key, status, body))
            .await
    }

    async fn forget_request(&self, business: BusinessId, key: &str) -> StoreResult<()> {
        self.pass("forget_request", self.world.store.forget_request(business, key)).await
    }

    async fn expire_requests(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.pass("expire_requests", self.world.store.expire_requests(before, limit)).await
    }
}
