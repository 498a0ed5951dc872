use std::fmt::Debug;

use async_trait::async_trait;

use super::{ClaimOptions, StoreResult};
use crate::model::{
    BusinessId, Chunk, ChunkId, KnowledgeBase, KnowledgeBaseId, Page, PageRequest, Source,
    SourceId, SourceState, Timestamp, Words,
};

/// Most hits of each kind that a search gives.
pub const KNOWLEDGE_HITS_MAX: u32 = 100;
/// Most chunks or vectors of one move.
pub const KNOWLEDGE_BATCH_MAX: usize = 256;

/// A source in the hands of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceClaim {
    /// The source.
    pub source: Source,
    /// The base it belongs to.
    pub base: KnowledgeBase,
    /// What every move of the worker names.
    pub hold: SourceHold,
    /// How often it was taken since it last went well, this time included.
    pub attempts: u32,
}

/// Proves that a source is still in the hands of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceHold {
    /// The business.
    pub business_id: BusinessId,
    /// The source.
    pub source_id: SourceId,
    /// Raised whenever somebody takes the source, and when it is to be read anew.
    pub fence: u64,
}

/// What becomes of a source that a worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceNext {
    /// The worker goes on until this moment.
    Held(Timestamp),
    /// The worker is done; it is read again at this moment, if at all.
    Done(Option<Timestamp>),
    /// It did not work this time; it may be taken again from this moment on.
    Again(Timestamp),
}

/// News of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// How far it is.
    pub state: SourceState,
    /// What becomes of it.
    pub next: SourceNext,
    /// The moment.
    pub now: Timestamp,
}

/// Chunks that have no vector of a model yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unembedded {
    /// The first of them, in the order of the source.
    pub chunks: Vec<Chunk>,
    /// How many there are.
    pub left: u64,
}

/// What is looked for in a knowledge base.
#[derive(Debug, Clone, PartialEq)]
pub struct KnowledgeQuery {
    /// The words of the question; any of them may be in a chunk.
    pub words: Words,
    /// What the question means, where there is a model that says so.
    pub meaning: Option<Meaning>,
    /// Most hits of each kind, at most [`KNOWLEDGE_HITS_MAX`].
    pub limit: u32,
}

/// A question as a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// The model that made it; it meets vectors of the same one only.
    pub model: String,
    /// The vector.
    pub vector: Vec<f32>,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct KnowledgeHit {
    /// The chunk.
    pub chunk: Chunk,
    /// Its source.
    pub source_id: SourceId,
    /// How good it is: by words [`Asked::share`](crate::model::Asked::share), by meaning
    /// [`likeness`](crate::model::likeness).
    pub score: f32,
}

/// What was found, the best first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnowledgeFound {
    /// By its words.
    pub by_words: Vec<KnowledgeHit>,
    /// By its meaning.
    pub by_meaning: Vec<KnowledgeHit>,
}

/// Knowledge bases, their sources, and the chunks that are searched.
///
/// # Contract
/// - A source is read by one worker at a time: it takes it under a lease, and each of its moves
///   names the fence of its claim. A move with an old fence, or of a source that is gone, changes
///   nothing and is [`Stale`](super::StoreError::Stale).
/// - A chunk is in its source once. One that is there already keeps its vector.
/// - What is kept is found from then on. While a source is read again, its old chunks are found beside
///   the new ones until [`drop_chunks`](Self::drop_chunks).
/// - Words are those of [`Chunk::words`]; they are weighed by [`weigh`](crate::model::weigh). Vectors
///   are compared by [`likeness`](crate::model::likeness); of more than
///   [`CODE_CANDIDATES`](crate::model::CODE_CANDIDATES), those whose [`Code`](crate::model::Code)s are
///   nearest.
///
/// # Ordering and idempotency
/// Hits come by score, and among equals those kept first. Every move can be made again.
#[async_trait]
pub trait KnowledgeStore: Send + Sync + Debug + 'static {
    /// Adds a base.
    async fn create_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<()>;

    /// Reads a base.
    async fn knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<KnowledgeBase>;

    /// Replaces a base whose `revision` is still the stored one and returns it with the next. With
    /// another embedding model, all its sources are to be read again.
    async fn update_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<KnowledgeBase>;

    /// Removes a base. [`Conflict`](super::StoreError::Conflict) while it has sources.
    async fn delete_knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<()>;

    /// Lists bases by id.
    async fn knowledge_bases(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<KnowledgeBase>>;

    /// Adds a source, to be read as soon as a worker has time: with its bytes if it is an upload, and
    /// only then, else [`Invalid`](super::StoreError::Invalid).
    async fn create_source(&self, source: &Source, body: Option<&[u8]>) -> StoreResult<()>;

    /// Reads a source.
    async fn source(&self, business: BusinessId, id: SourceId) -> StoreResult<Source>;

    /// Reads the bytes of an upload.
    async fn source_body(&self, business: BusinessId, id: SourceId) -> StoreResult<Vec<u8>>;

    /// Lists the sources of a base by id.
    async fn sources(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        page: &PageRequest,
    ) -> StoreResult<Page<Source>>;

    /// Has a source read anew, whoever is reading it now.
    async fn read_source_again(
        &self,
        business: BusinessId,
        id: SourceId,
        now: Timestamp,
    ) -> StoreResult<Source>;

    /// Removes a source and all that is found of it.
    async fn delete_source(&self, business: BusinessId, id: SourceId) -> StoreResult<()>;

    /// Takes sources of any business that are due, the longest due first.
    async fn claim_sources(&self, options: &ClaimOptions) -> StoreResult<Vec<SourceClaim>>;

    /// Keeps chunks of the source, at most [`KNOWLEDGE_BATCH_MAX`].
    async fn keep_chunks(&self, hold: &SourceHold, chunks: &[Chunk]) -> StoreResult<()>;

    /// Drops chunks that were not kept under this hold, at most `limit`; returns how many it dropped.
    async fn drop_chunks(&self, hold: &SourceHold, limit: u32) -> StoreResult<u64>;

    /// The first chunks of the source without a vector of a model, at most `limit`.
    async fn unembedded_chunks(
        &self,
        hold: &SourceHold,
        model: &str,
        limit: u32,
    ) -> StoreResult<Unembedded>;

    /// Keeps vectors of chunks, at most [`KNOWLEDGE_BATCH_MAX`]; each replaces one of another model.
    /// Chunks that are not there are left out; a vector that is empty or longer than
    /// [`VECTOR_LEN_MAX`](crate::model::VECTOR_LEN_MAX) is [`Invalid`](super::StoreError::Invalid).
    async fn keep_vectors(
        &self,
        hold: &SourceHold,
        model: &str,
        vectors: &[(ChunkId, Vec<f32>)],
    ) -> StoreResult<()>;

    /// Takes down how far a source is, and goes on holding it or lets it go.
    async fn record_source(&self, hold: &SourceHold, report: &SourceReport) -> StoreResult<()>;

    /// Finds chunks of a base.
    async fn search_knowledge(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        query: &KnowledgeQuery,
    ) -> StoreResult<KnowledgeFound>;
}

impl KnowledgeQuery {
    /// The number of hits within its bounds.
    pub fn hits(&self) -> usize {
        self.limit.clamp(1, KNOWLEDGE_HITS_MAX) as usize
    }
}
