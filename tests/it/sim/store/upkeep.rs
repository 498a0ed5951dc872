use async_trait::async_trait;
use justping::model::{
    BudgetScope, BusinessCaps, BusinessId, Contact, ConversationId, Counter, Message, Page,
    PageRequest, SearchQuery, Spend, Timestamp, UsageDay, WorkerId,
};
use justping::port::store::{
    CounterFilter, CounterStore, FeedClaim, FeedOutcome, FeedStore, LeaseStore, MessageFilter,
    SearchIndex, UpkeepOptions, UpkeepReport, UpkeepStore, UsageEntry, UsageFilter, UsageHold,
    UsageStore,
};
use justping::port::{FeedName, StoreResult};

use super::SimStore;

#[async_trait]
impl LeaseStore for SimStore {
    async fn take_lease(
        &self,
        name: &str,
        worker: WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Option<u64>> {
        self.pass("take_lease", self.world.store.take_lease(name, worker, now, until)).await
    }

    async fn release_lease(&self, name: &str, fence: u64) -> StoreResult<()> {
        self.pass("release_lease", self.world.store.release_lease(name, fence)).await
    }
}

#[async_trait]
impl UpkeepStore for SimStore {
    async fn upkeep(&self, options: &UpkeepOptions) -> StoreResult<UpkeepReport> {
        self.pass("upkeep", self.world.store.upkeep(options)).await
    }
}

#[async_trait]
impl FeedStore for SimStore {
    async fn claim_feed(
        &self,
        feed: &FeedName,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> StoreResult<Option<FeedClaim>> {
        self.pass("claim_feed", self.world.store.claim_feed(feed, now, until, limit)).await
    }

    async fn record_feed(
        &self,
        feed: &FeedName,
        fence: u64,
        outcome: FeedOutcome,
    ) -> StoreResult<()> {
        self.pass("record_feed", self.world.store.record_feed(feed, fence, outcome)).await
    }

    async fn close_feed(&self, feed: &FeedName) -> StoreResult<()> {
        self.pass("close_feed", self.world.store.close_feed(feed)).await
    }
}

#[async_trait]
impl CounterStore for SimStore {
    async fn counters(
        &self,
        business: BusinessId,
        filter: &CounterFilter,
    ) -> StoreResult<Vec<Counter>> {
        self.pass("counters", self.world.store.counters(business, filter)).await
    }
}

#[async_trait]
impl UsageStore for SimStore {
    async fn hold_usage(&self, hold: &UsageHold) -> StoreResult<Option<BudgetScope>> {
        self.pass("hold_usage", self.world.store.hold_usage(hold)).await
    }

    async fn enter_usage(&self, entry: &UsageEntry) -> StoreResult<()> {
        self.pass("enter_usage", self.world.store.enter_usage(entry)).await
    }

    async fn business_caps(&self, business: BusinessId) -> StoreResult<BusinessCaps> {
        self.pass("business_caps", self.world.store.business_caps(business)).await
    }

    async fn set_business_caps(
        &self,
        business: BusinessId,
        caps: &BusinessCaps,
    ) -> StoreResult<()> {
        let work = self.world.store.set_business_caps(business, caps);
        self.pass("set_business_caps", work).await
    }

    async fn usage(
        &self,
        business: BusinessId,
        filter: &UsageFilter,
    ) -> StoreResult<Vec<UsageDay>> {
        self.pass("usage", self.world.store.usage(business, filter)).await
    }

    async fn conversation_usage(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Spend> {
        let work = self.world.store.conversation_usage(business, conversation);
        self.pass("conversation_usage", work).await
    }
}

#[async_trait]
impl SearchIndex for SimStore {
    async fn search_contacts(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        page: &PageRequest,
    ) -> StoreResult<Page<Contact>> {
        self.pass("search_contacts", self.world.store.search_contacts(business, query, page)).await
    }

    async fn search_messages(
        &self,
        business: BusinessId,
        query: &SearchQuery,
        filter: &MessageFilter,
        page: &PageRequest,
    ) -> StoreResult<Page<Message>> {
        let work = self.world.store.search_messages(business, query, filter, page);
        self.pass("search_messages", work).await
    }

    async fn index_due(&self, limit: u32) -> StoreResult<u64> {
        self.pass("index_due", self.world.store.index_due(limit)).await
    }

    async fn unindexed(&self) -> StoreResult<u64> {
        self.pass("unindexed", self.world.store.unindexed()).await
    }
}
