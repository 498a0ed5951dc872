use async_trait::async_trait;
use justping::model::{
    BusinessId, Chunk, ChunkId, KnowledgeBase, KnowledgeBaseId, Page, PageRequest, Source,
    SourceId, Timestamp,
};
use justping::port::StoreResult;
use justping::port::store::{
    ClaimOptions, KnowledgeFound, KnowledgeQuery, KnowledgeStore, SourceClaim, SourceHold,
    SourceReport, Unembedded,
};

use super::SimStore;

#[async_trait]
impl KnowledgeStore for SimStore {
    async fn create_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<()> {
        self.pass("create_knowledge_base", self.world.store.create_knowledge_base(base)).await
    }

    async fn knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<KnowledgeBase> {
        self.pass("knowledge_base", self.world.store.knowledge_base(business, id)).await
    }

    async fn update_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<KnowledgeBase> {
        self.pass("update_knowledge_base", self.world.store.update_knowledge_base(base)).await
    }

    async fn delete_knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<()> {
        self.pass("delete_knowledge_base", self.world.store.delete_knowledge_base(business, id))
            .await
    }

    async fn knowledge_bases(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<KnowledgeBase>> {
        self.pass("knowledge_bases", self.world.store.knowledge_bases(business, page)).await
    }

    async fn create_source(&self, source: &Source, body: Option<&[u8]>) -> StoreResult<()> {
        self.pass("create_source", self.world.store.create_source(source, body)).await
    }

    async fn source(&self, business: BusinessId, id: SourceId) -> StoreResult<Source> {
        self.pass("source", self.world.store.source(business, id)).await
    }

    async fn source_body(&self, business: BusinessId, id: SourceId) -> StoreResult<Vec<u8>> {
        self.pass("source_body", self.world.store.source_body(business, id)).await
    }

    async fn sources(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        page: &PageRequest,
    ) -> StoreResult<Page<Source>> {
        self.pass("sources", self.world.store.sources(business, base, page)).await
    }

    async fn read_source_again(
        &self,
        business: BusinessId,
        id: SourceId,
        now: Timestamp,
    ) -> StoreResult<Source> {
        self.pass("read_source_again", self.world.store.read_source_again(business, id, now)).await
    }

    async fn delete_source(&self, business: BusinessId, id: SourceId) -> StoreResult<()> {
        self.pass("delete_source", self.world.store.delete_source(business, id)).await
    }

    async fn claim_sources(&self, options: &ClaimOptions) -> StoreResult<Vec<SourceClaim>> {
        self.pass("claim_sources", self.world.store.claim_sources(options)).await
    }

    async fn keep_chunks(&self, hold: &SourceHold, chunks: &[Chunk]) -> StoreResult<()> {
        self.pass("keep_chunks", self.world.store.keep_chunks(hold, chunks)).await
    }

    async fn drop_chunks(&self, hold: &SourceHold, limit: u32) -> StoreResult<u64> {
        self.pass("drop_chunks", self.world.store.drop_chunks(hold, limit)).await
    }

    async fn unembedded_chunks(
        &self,
        hold: &SourceHold,
        model: &str,
        limit: u32,
    ) -> StoreResult<Unembedded> {
        self.pass("unembedded_chunks", self.world.store.unembedded_chunks(hold, model, limit)).await
    }

    async fn keep_vectors(
        &self,
        hold: &SourceHold,
        model: &str,
        vectors: &[(ChunkId, Vec<f32>)],
    ) -> StoreResult<()> {
        self.pass("keep_vectors", self.world.store.keep_vectors(hold, model, vectors)).await
    }

    async fn record_source(&self, hold: &SourceHold, report: &SourceReport) -> StoreResult<()> {
        self.pass("record_source", self.world.store.record_source(hold, report)).await
    }

    async fn search_knowledge(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        query: &KnowledgeQuery,
    ) -> StoreResult<KnowledgeFound> {
        self.pass("search_knowledge", self.world.store.search_knowledge(business, base, query))
            .await
    }
}
