use std::collections::BTreeMap;

use async_trait::async_trait;

use super::table::{Table, cursor, page};
use super::{MemoryStore, State};
use crate::model::{
    BusinessId, CODE_CANDIDATES, Chunk, ChunkId, Code, Codes, KnowledgeBase, KnowledgeBaseId, Page,
    PageRequest, Source, SourceId, SourceOrigin, SourceState, Timestamp, VECTOR_LEN_MAX, likeness,
    weigh,
};
use crate::port::store::{
    ClaimOptions, KnowledgeFound, KnowledgeHit, KnowledgeQuery, KnowledgeStore, Meaning,
    SourceClaim, SourceHold, SourceNext, SourceReport, Unembedded,
};
use crate::port::{StoreError, StoreResult};

/// Everything businesses know.
#[derive(Debug)]
pub(super) struct Library {
    bases: Table<KnowledgeBaseId, BaseRow>,
    sources: Table<SourceId, SourceRow>,
}

#[derive(Debug)]
struct BaseRow {
    base: KnowledgeBase,
    /// The place of the newest chunk, and the number of the newest vector.
    last: (i64, i64),
    chunks: BTreeMap<i64, ChunkRow>,
    /// In how many chunks a word is.
    terms: BTreeMap<String, u64>,
    /// The places of chunks with a vector, in the order in which those were kept.
    vectors: BTreeMap<i64, i64>,
}

#[derive(Debug)]
struct ChunkRow {
    source: SourceId,
    /// The fence of whoever kept it last.
    round: u64,
    chunk: Chunk,
    vector: Option<VectorRow>,
}

#[derive(Debug)]
struct VectorRow {
    number: i64,
    meaning: Meaning,
}

#[derive(Debug)]
struct SourceRow {
    source: Source,
    body: Option<Vec<u8>>,
    /// From when on a worker may take it.
    due_at: Option<Timestamp>,
    fence: u64,
    attempts: u32,
}

impl Library {
    pub(super) fn new() -> Self {
        Self { bases: Table::new("knowledge base"), sources: Table::new("source") }
    }

    /// The source in somebody's hands, with its base.
    fn held(&mut self, hold: &SourceHold) -> StoreResult<(&mut SourceRow, &mut BaseRow)> {
        let stale = || StoreError::Stale("source");
        let source = self.sources.find_mut(hold.business_id, hold.source_id);
        let source = source.filter(|row| row.fence == hold.fence).ok_or_else(stale)?;
        let base = self.bases.find_mut(hold.business_id, source.source.base_id);
        Ok((source, base.ok_or_else(stale)?))
    }

    fn claim(&mut self, options: &ClaimOptions) -> Vec<SourceClaim> {
        let due = self.sources.values().filter_map(|row| {
            let due_at = row.due_at.filter(|due_at| *due_at <= options.now)?;
            Some((due_at, row.source.id, row.source.business_id))
        });
        let mut due: Vec<_> = due.collect();
        due.sort_unstable();
        let taken = due.into_iter().take(options.limit as usize);
        taken.filter_map(|(_, id, business)| self.take(business, id, options)).collect()
    }

    fn take(
        &mut self,
        business: BusinessId,
        id: SourceId,
        options: &ClaimOptions,
    ) -> Option<SourceClaim> {
        let row = self.sources.find_mut(business, id)?;
        let base = self.bases.find(business, row.source.base_id)?.base.clone();
        row.due_at = Some(options.lease_until);
        row.fence += 1;
        row.attempts += 1;
        row.source.state = SourceState::Reading;
        row.source.updated_at = options.now;
        let hold = SourceHold { business_id: business, source_id: id, fence: row.fence };
        Some(SourceClaim { source: row.source.clone(), base, hold, attempts: row.attempts })
    }
}

impl SourceRow {
    fn again(&mut self, now: Timestamp) {
        self.source.state = SourceState::Pending;
        self.source.updated_at = now;
        self.due_at = Some(now);
        self.fence += 1;
        self.attempts = 0;
    }
}

impl BaseRow {
    fn keep(&mut self, source: SourceId, round: u64, chunk: &Chunk) {
        let mut rows = self.chunks.values_mut();
        if let Some(row) = rows.find(|row| row.source == source && row.chunk.id == chunk.id) {
            row.round = round;
            row.chunk.clone_from(chunk);
            return;
        }
        for word in chunk.words().iter() {
            *self.terms.entry(word.to_owned()).or_default() += 1;
        }
        self.last.0 += 1;
        let row = ChunkRow { source, round, chunk: chunk.clone(), vector: None };
        self.chunks.insert(self.last.0, row);
    }

    fn remove(&mut self, place: i64) {
        let Some(row) = self.chunks.remove(&place) else { return };
        for word in row.chunk.words().iter() {
            if let Some(chunks) = self.terms.get_mut(word) {
                *chunks -= 1;
                if *chunks == 0 {
                    self.terms.remove(word);
                }
            }
        }
        if let Some(vector) = row.vector {
            self.vectors.remove(&vector.number);
        }
    }

    /// The first places whose chunks are wanted.
    fn places(&self, wanted: impl Fn(&ChunkRow) -> bool, limit: usize) -> Vec<i64> {
        let wanted = self.chunks.iter().filter(|(_, row)| wanted(row));
        wanted.map(|(place, _)| *place).take(limit).collect()
    }

    fn hit(&self, place: i64, score: f32) -> Option<KnowledgeHit> {
        let row = self.chunks.get(&place)?;
        Some(KnowledgeHit { chunk: row.chunk.clone(), source_id: row.source, score })
    }

    fn by_words(&self, query: &KnowledgeQuery) -> Vec<KnowledgeHit> {
        let asked = weigh(self.chunks.len() as u64, &query.words, &self.terms);
        let worth = |row: &ChunkRow| -> i64 {
            let words = row.chunk.words();
            let found = asked.words.iter().filter(|(word, _)| words.contains(word));
            found.map(|(_, worth)| worth).sum()
        };
        let found = self.chunks.iter().map(|(place, row)| (worth(row), *place));
        let mut found: Vec<(i64, i64)> = found.filter(|(worth, _)| *worth > 0).collect();
        found.sort_by_key(|(worth, place)| (-worth, *place));
        let best = found.into_iter().take(query.hits());
        best.filter_map(|(worth, place)| self.hit(place, asked.share(worth))).collect()
    }

    fn by_meaning(&self, asked: &Meaning, hits: usize) -> Vec<KnowledgeHit> {
        let vector = |place: i64| {
            let vector = self.chunks.get(&place)?.vector.as_ref()?;
            (vector.meaning.model == asked.model).then_some(&vector.meaning.vector)
        };
        let mut codes = Codes::default();
        for place in self.vectors.values() {
            if let Some(vector) = vector(*place) {
                codes.add(*place, &Code::of(vector));
            }
        }
        let places = codes.nearest(&Code::of(&asked.vector), CODE_CANDIDATES);
        let alike = |place| Some((likeness(vector(place)?, &asked.vector), place));
        let mut found: Vec<(f32, i64)> = places.into_iter().filter_map(alike).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.into_iter().take(hits).filter_map(|(score, place)| self.hit(place, score)).collect()
    }
}

impl State {
    fn create_base(&mut self, base: &KnowledgeBase) -> StoreResult<()> {
        self.business(base.business_id)?;
        let row = BaseRow {
            base: base.clone(),
            last: (0, 0),
            chunks: BTreeMap::new(),
            terms: BTreeMap::new(),
            vectors: BTreeMap::new(),
        };
        self.library.bases.add(base.business_id, base.id, row)
    }

    fn update_base(&mut self, base: &KnowledgeBase) -> StoreResult<KnowledgeBase> {
        let row = self.library.bases.get_mut(base.business_id, base.id)?;
        if row.base.revision != base.revision {
            return Err(StoreError::Stale("knowledge base"));
        }
        let created_at = row.base.created_at;
        let changes = row.base.embedding_model != base.embedding_model;
        row.base = KnowledgeBase { revision: base.revision + 1, created_at, ..base.clone() };
        let updated = row.base.clone();
        if changes {
            let rows = self.library.sources.rows_mut(base.business_id);
            rows.filter(|row| row.source.base_id == base.id)
                .for_each(|row| row.again(base.updated_at));
        }
        Ok(updated)
    }

    fn delete_base(&mut self, business: BusinessId, id: KnowledgeBaseId) -> StoreResult<()> {
        self.library.bases.get(business, id)?;
        if self.library.sources.rows_mut(business).any(|row| row.source.base_id == id) {
            return Err(StoreError::Conflict("knowledge base"));
        }
        self.library.bases.remove(business, id).map(drop)
    }

    fn create_source(&mut self, source: &Source, body: Option<&[u8]>) -> StoreResult<()> {
        if (source.origin == SourceOrigin::Upload) != body.is_some() {
            return Err(StoreError::Invalid("source"));
        }
        self.library.bases.get(source.business_id, source.base_id)?;
        let row = SourceRow {
            source: source.clone(),
            body: body.map(<[u8]>::to_vec),
            due_at: Some(source.updated_at),
            fence: 0,
            attempts: 0,
        };
        self.library.sources.add(source.business_id, source.id, row)
    }

    fn list_sources(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        request: &PageRequest,
    ) -> StoreResult<Page<Source>> {
        let after: Option<SourceId> = cursor(request)?;
        self.library.bases.get(business, base)?;
        let ids = self.library.sources.ids(business).filter(|id| after.is_none_or(|end| *id > end));
        let rows = ids.filter_map(|id| {
            let row = self.library.sources.find(business, id)?;
            (row.source.base_id == base).then(|| (id, row.source.clone()))
        });
        Ok(page(rows, request))
    }

    fn delete_source(&mut self, business: BusinessId, id: SourceId) -> StoreResult<()> {
        let row = self.library.sources.remove(business, id)?;
        let base = self.library.bases.get_mut(business, row.source.base_id)?;
        let places = base.places(|row| row.source == id, usize::MAX);
        places.into_iter().for_each(|place| base.remove(place));
        Ok(())
    }

    fn keep_chunks(&mut self, hold: &SourceHold, chunks: &[Chunk]) -> StoreResult<()> {
        let (_, base) = self.library.held(hold)?;
        chunks.iter().for_each(|chunk| base.keep(hold.source_id, hold.fence, chunk));
        Ok(())
    }

    fn drop_chunks(&mut self, hold: &SourceHold, limit: u32) -> StoreResult<u64> {
        let (_, base) = self.library.held(hold)?;
        let old = |row: &ChunkRow| row.source == hold.source_id && row.round != hold.fence;
        let places = base.places(old, limit as usize);
        let dropped = places.len() as u64;
        places.into_iter().for_each(|place| base.remove(place));
        Ok(dropped)
    }

    fn unembedded(
        &mut self,
        hold: &SourceHold,
        model: &str,
        limit: u32,
    ) -> StoreResult<Unembedded> {
        let (_, base) = self.library.held(hold)?;
        let wanted = |row: &&ChunkRow| {
            let known = row.vector.as_ref().is_some_and(|vector| vector.meaning.model == model);
            row.source == hold.source_id && !known
        };
        let rows = base.chunks.values().filter(wanted);
        let mut chunks: Vec<Chunk> = rows.map(|row| row.chunk.clone()).collect();
        chunks.sort_by_key(|chunk| (chunk.ordinal, chunk.id));
        let left = chunks.len() as u64;
        chunks.truncate(limit as usize);
        Ok(Unembedded { chunks, left })
    }

    fn keep_vectors(
        &mut self,
        hold: &SourceHold,
        model: &str,
        vectors: &[(ChunkId, Vec<f32>)],
    ) -> StoreResult<()> {
        let fits = |(_, vector): &(ChunkId, Vec<f32>)| (1..=VECTOR_LEN_MAX).contains(&vector.len());
        if !vectors.iter().all(fits) {
            return Err(StoreError::Invalid("vector"));
        }
        let (_, base) = self.library.held(hold)?;
        for (id, vector) in vectors {
            let own = |(_, row): &(&i64, &mut ChunkRow)| {
                row.source == hold.source_id && row.chunk.id == *id
            };
            let Some((place, row)) = base.chunks.iter_mut().find(own) else { continue };
            base.last.1 += 1;
            let meaning = Meaning { model: model.to_owned(), vector: vector.clone() };
            let new = VectorRow { number: base.last.1, meaning };
            if let Some(old) = row.vector.replace(new) {
                base.vectors.remove(&old.number);
            }
            base.vectors.insert(base.last.1, *place);
        }
        Ok(())
    }

    fn record_source(&mut self, hold: &SourceHold, report: &SourceReport) -> StoreResult<()> {
        let (row, _) = self.library.held(hold)?;
        row.source.state = report.state.clone();
        row.source.updated_at = report.now;
        (row.due_at, row.attempts) = match report.next {
            SourceNext::Held(until) => (Some(until), row.attempts),
            SourceNext::Done(at) => (at, 0),
            SourceNext::Again(at) => (Some(at), row.attempts),
        };
        Ok(())
    }
}

#[async_trait]
impl KnowledgeStore for MemoryStore {
    async fn create_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<()> {
        self.state().create_base(base)
    }

    async fn knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<KnowledgeBase> {
        self.state().library.bases.get(business, id).map(|row| row.base.clone())
    }

    async fn update_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<KnowledgeBase> {
        self.state().update_base(base)
    }

    async fn delete_knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<()> {
        self.state().delete_base(business, id)
    }

    async fn knowledge_bases(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<KnowledgeBase>> {
        self.state().library.bases.page(business, page, |row| row.base.clone())
    }

    async fn create_source(&self, source: &Source, body: Option<&[u8]>) -> StoreResult<()> {
        self.state().create_source(source, body)
    }

    async fn source(&self, business: BusinessId, id: SourceId) -> StoreResult<Source> {
        self.state().library.sources.get(business, id).map(|row| row.source.clone())
    }

    async fn source_body(&self, business: BusinessId, id: SourceId) -> StoreResult<Vec<u8>> {
        let state = self.state();
        let row = state.library.sources.get(business, id)?;
        row.body.clone().ok_or(StoreError::NotFound("source body"))
    }

    async fn sources(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        page: &PageRequest,
    ) -> StoreResult<Page<Source>> {
        self.state().list_sources(business, base, page)
    }

    async fn read_source_again(
        &self,
        business: BusinessId,
        id: SourceId,
        now: Timestamp,
    ) -> StoreResult<Source> {
        let mut state = self.state();
        let row = state.library.sources.get_mut(business, id)?;
        row.again(now);
        Ok(row.source.clone())
    }

    async fn delete_source(&self, business: BusinessId, id: SourceId) -> StoreResult<()> {
        self.state().delete_source(business, id)
    }

    async fn claim_sources(&self, options: &ClaimOptions) -> StoreResult<Vec<SourceClaim>> {
        Ok(self.state().library.claim(options))
    }

    async fn keep_chunks(&self, hold: &SourceHold, chunks: &[Chunk]) -> StoreResult<()> {
        self.state().keep_chunks(hold, chunks)
    }

    async fn drop_chunks(&self, hold: &SourceHold, limit: u32) -> StoreResult<u64> {
        self.state().drop_chunks(hold, limit)
    }

    async fn unembedded_chunks(
        &self,
        hold: &SourceHold,
        model: &str,
        limit: u32,
    ) -> StoreResult<Unembedded> {
        self.state().unembedded(hold, model, limit)
    }

    async fn keep_vectors(
        &self,
        hold: &SourceHold,
        model: &str,
        vectors: &[(ChunkId, Vec<f32>)],
    ) -> StoreResult<()> {
        self.state().keep_vectors(hold, model, vectors)
    }

    async fn record_source(&self, hold: &SourceHold, report: &SourceReport) -> StoreResult<()> {
        self.state().record_source(hold, report)
    }

    async fn search_knowledge(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        query: &KnowledgeQuery,
    ) -> StoreResult<KnowledgeFound> {
        let state = self.state();
        let base = state.library.bases.get(business, base)?;
        let by_meaning = query.meaning.as_ref();
        let by_meaning = by_meaning.map(|meaning| base.by_meaning(meaning, query.hits()));
        Ok(KnowledgeFound {
            by_words: base.by_words(query),
            by_meaning: by_meaning.unwrap_or_default(),
        })
    }
}
