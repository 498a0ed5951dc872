//! Knowledge bases, their sources, and what workers do with them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Chunk, ChunkId, Code, KnowledgeBase, KnowledgeBaseId, Page, PageRequest, Source,
    SourceId, SourceOrigin, SourceState, Timestamp, VECTOR_LEN_MAX, Words,
};
use justping_core::port::store::{
    ClaimOptions, KnowledgeFound, KnowledgeQuery, KnowledgeStore, SourceClaim, SourceHold,
    SourceNext, SourceReport, StoreError, StoreResult, Unembedded,
};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{
    count, from, get, get_count, get_doc, millis, parse_cursor, parse_doc, statements, to_doc,
};
use crate::knowledge::{Kept, REMOVED_AT_ONCE, count_words, joined, to_bytes, to_source};

statements! {
    INSERT_BASE = "INSERT INTO knowledge_bases \
            (business_id, id, last_place, last_vector, generation, chunks, doc) \
        SELECT $1, $2, 0, 0, 0, 0, $3 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1)";
    KNOWLEDGE_BASE = "SELECT doc FROM knowledge_bases WHERE business_id = $1 AND id = $2";
    BASE_TO_UPDATE = "SELECT doc FROM knowledge_bases WHERE business_id = $1 AND id = $2 FOR UPDATE";
    UPDATE_BASE = "UPDATE knowledge_bases SET doc = $3 WHERE business_id = $1 AND id = $2";
    /// Whoever reads a source now loses it.
    READ_ALL_AGAIN = "UPDATE sources SET due_at = $3, fence = fence + 1, attempts = 0, \
            updated_at = $3, state = $4 \
        WHERE business_id = $1 AND base_id = $2";
    BASE_HAS_SOURCES = "SELECT EXISTS (SELECT 1 FROM sources \
            WHERE business_id = $1 AND base_id = $2 LIMIT 1)";
    DELETE_BASE = "DELETE FROM knowledge_bases WHERE business_id = $1 AND id = $2";
    KNOWLEDGE_BASES = "SELECT doc FROM knowledge_bases \
        WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
    /// The lock of the base keeps it from going before its source is there.
    INSERT_SOURCE = "INSERT INTO sources \
            (business_id, id, base_id, due_at, fence, attempts, updated_at, state, doc) \
        SELECT $1, $2, $3, $4, 0, 0, $4, $5, $6 FROM knowledge_bases \
        WHERE business_id = $1 AND id = $3 RETURNING 1";
    INSERT_BODY = "INSERT INTO source_bodies (business_id, source_id, body) VALUES ($1, $2, $3)";
    SOURCE = "SELECT doc, state, updated_at FROM sources WHERE business_id = $1 AND id = $2";
    SOURCE_BODY = "SELECT body FROM source_bodies WHERE business_id = $1 AND source_id = $2";
    SOURCES = "SELECT doc, state, updated_at FROM sources \
        WHERE business_id = $1 AND base_id = $2 AND id >= $3 ORDER BY id LIMIT $4";
    READ_AGAIN = "UPDATE sources SET due_at = $3, fence = fence + 1, attempts = 0, updated_at = $3, \
            state = $4 \
        WHERE business_id = $1 AND id = $2 RETURNING doc, state, updated_at";
    CLAIM_SOURCES = "WITH due AS ( \
            SELECT business_id, id, due_at FROM sources WHERE due_at <= $1 \
            ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED) \
        UPDATE sources s SET due_at = $2, fence = s.fence + 1, \
            attempts = s.attempts + 1, updated_at = $1, state = $3 \
        FROM due v WHERE s.business_id = v.business_id AND s.id = v.id \
        RETURNING s.doc, s.state, s.updated_at, s.fence, s.attempts, \
            (SELECT b.doc FROM knowledge_bases b \
                WHERE b.business_id = s.business_id AND b.id = s.base_id), v.due_at";
    SOURCE_TO_DELETE = "SELECT b.id, b.number FROM sources s \
            CROSS JOIN LATERAL (SELECT * FROM knowledge_bases g \
                WHERE g.business_id = s.business_id AND g.id = s.base_id LIMIT 1 FOR UPDATE) b \
        WHERE s.business_id = $1 AND s.id = $2 FOR UPDATE OF s";
    DELETE_SOURCE = "DELETE FROM sources WHERE business_id = $1 AND id = $2";
    HELD = "SELECT b.id, b.number, b.last_place, b.last_vector FROM sources s \
            CROSS JOIN LATERAL (SELECT * FROM knowledge_bases g \
                WHERE g.business_id = s.business_id AND g.id = s.base_id LIMIT 1 FOR UPDATE) b \
        WHERE s.business_id = $1 AND s.id = $2 AND s.fence = $3 FOR UPDATE OF s";
    IS_HELD = "SELECT 1 FROM sources WHERE business_id = $1 AND id = $2 AND fence = $3";
    KNOWN_CHUNKS = "SELECT c.id, c.place, c.model FROM unnest($3::uuid[]) v (id) \
        CROSS JOIN LATERAL (SELECT * FROM chunks g \
            WHERE g.business_id = $1 AND g.source_id = $2 AND g.id = v.id LIMIT 1) c";
    ADD_CHUNKS = "INSERT INTO chunks \
            (business_id, base_id, place, source_id, id, round, ordinal, model, doc) \
        SELECT $1, $2, v.place, $3, v.id, $4, v.ordinal, NULL, v.doc \
        FROM unnest($5::bigint[], $6::uuid[], $7::bigint[], $8::text[]) v (place, id, ordinal, doc)";
    KEEP_KNOWN = "UPDATE chunks c SET round = $3, ordinal = v.ordinal, doc = v.doc \
        FROM unnest($4::uuid[], $5::bigint[], $6::text[]) v (id, ordinal, doc) \
        WHERE c.business_id = $1 AND c.source_id = $2 AND c.id = v.id";
    ADD_WORDS = "INSERT INTO chunk_words (business_id, base_id, place, words) \
        SELECT $1, $2, v.place, array_to_tsvector( \
            ARRAY(SELECT to_hex($3::bigint) || '_' || w FROM unnest(string_to_array(v.words, ' ')) w)) \
        FROM unnest($4::bigint[], $5::text[]) v (place, words)";
    ADD_TERMS = "INSERT INTO knowledge_terms AS t (business_id, base_id, word, chunks) \
        SELECT $1, $2, v.word, v.chunks FROM unnest($3::text[], $4::bigint[]) v (word, chunks) \
        ON CONFLICT (business_id, base_id, word) DO UPDATE SET chunks = t.chunks + excluded.chunks";
    GROW_BASE = "UPDATE knowledge_bases SET last_place = last_place + $3, chunks = chunks + $3 \
        WHERE business_id = $1 AND id = $2";
    OLD_CHUNKS = "SELECT place, doc FROM chunks \
        WHERE business_id = $1 AND source_id = $2 AND round <> $3 ORDER BY place LIMIT $4";
    REMOVE_CHUNKS = "DELETE FROM chunks \
        WHERE business_id = $1 AND base_id = $2 AND place = ANY($3)";
    REMOVE_VECTORS = "DELETE FROM knowledge_vectors \
        WHERE business_id = $1 AND base_id = $2 AND place = ANY($3)";
    REMOVE_WORDS = "DELETE FROM chunk_words \
        WHERE business_id = $1 AND base_id = $2 AND place = ANY($3)";
    REDUCE_TERMS = "UPDATE knowledge_terms t SET chunks = t.chunks - v.chunks \
        FROM unnest($3::text[], $4::bigint[]) v (word, chunks) \
        WHERE t.business_id = $1 AND t.base_id = $2 AND t.word = v.word";
    REMOVE_TERMS = "DELETE FROM knowledge_terms \
        WHERE business_id = $1 AND base_id = $2 AND word = ANY($3) AND chunks <= 0";
    SHRINK_BASE = "UPDATE knowledge_bases SET chunks = chunks - $3, generation = generation + 1 \
        WHERE business_id = $1 AND id = $2";
    UNEMBEDDED = "SELECT doc FROM chunks WHERE business_id = $1 AND source_id = $2 \
            AND model IS DISTINCT FROM $3 ORDER BY ordinal, id LIMIT $4";
    UNEMBEDDED_COUNT = "SELECT count(*) FROM chunks WHERE business_id = $1 AND source_id = $2 \
            AND model IS DISTINCT FROM $3";
    ADD_VECTORS = "INSERT INTO knowledge_vectors \
            (business_id, base_id, number, place, model, code, vector) \
        SELECT $1, $2, v.number, v.place, $3, v.code, v.vector \
        FROM unnest($4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[]) \
            v (number, place, code, vector)";
    NAME_MODEL = "UPDATE chunks SET model = $3 \
        WHERE business_id = $1 AND base_id = $2 AND place = ANY($4)";
    COUNT_VECTORS = "UPDATE knowledge_bases SET last_vector = last_vector + $3, \
            generation = generation + $4 \
        WHERE business_id = $1 AND id = $2";
    RECORD_SOURCE = "UPDATE sources SET state = $4, updated_at = $5, due_at = $6, \
            attempts = CASE WHEN $7 THEN 0 ELSE attempts END \
        WHERE business_id = $1 AND id = $2 AND fence = $3 RETURNING 1";
}

/// The base of a source that is held.
struct Base {
    id: Uuid,
    number: i64,
    last_place: i64,
    last_vector: i64,
}

fn stale() -> StoreError {
    StoreError::Stale("source")
}

#[async_trait]
impl KnowledgeStore for PostgresStore {
    async fn create_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<()> {
        let insert = query(INSERT_BASE).bind(base.business_id.uuid()).bind(base.id.uuid());
        let scope = Scope::Business(base.business_id);
        self.connections.insert(scope, insert.bind(to_doc(base)?), "business").await
    }

    async fn knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<KnowledgeBase> {
        let query = query(KNOWLEDGE_BASE).bind(business.uuid()).bind(id.uuid());
        let row =
            self.connections.read_one(Scope::Business(business), query, "knowledge base").await?;
        get_doc(&row, 0, "knowledge base")
    }

    async fn update_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<KnowledgeBase> {
        transaction!(self, Scope::Business(base.business_id), |write| update_base(write, base))
    }

    async fn delete_knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete_base(write, business, id))
    }

    async fn knowledge_bases(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<KnowledgeBase>> {
        let last = parse_cursor::<KnowledgeBaseId>(page.after.as_ref())?;
        let list = query(KNOWLEDGE_BASES).bind(business.uuid());
        let list = list.bind(from(last.map(KnowledgeBaseId::uuid))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "knowledge base"));
        let rows = rows.collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &KnowledgeBase| row.id.to_string()))
    }

    async fn create_source(&self, source: &Source, body: Option<&[u8]>) -> StoreResult<()> {
        if (source.origin == SourceOrigin::Upload) != body.is_some() {
            return Err(StoreError::Invalid("source"));
        }
        transaction!(self, Scope::Business(source.business_id), |write| create_source(
            write, source, body
        ))
    }

    async fn source(&self, business: BusinessId, id: SourceId) -> StoreResult<Source> {
        let query = query(SOURCE).bind(business.uuid()).bind(id.uuid());
        read_source(&self.connections.read_one(Scope::Business(business), query, "source").await?)
    }

    async fn source_body(&self, business: BusinessId, id: SourceId) -> StoreResult<Vec<u8>> {
        let query = query(SOURCE_BODY).bind(business.uuid()).bind(id.uuid());
        get(&self.connections.read_one(Scope::Business(business), query, "source body").await?, 0)
    }

    async fn sources(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        page: &PageRequest,
    ) -> StoreResult<Page<Source>> {
        let last = parse_cursor::<SourceId>(page.after.as_ref())?;
        self.knowledge_base(business, base).await?;
        let list = query(SOURCES).bind(business.uuid()).bind(base.uuid());
        let list = list.bind(from(last.map(SourceId::uuid))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let rows = rows.iter().map(read_source).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Source| row.id.to_string()))
    }

    async fn read_source_again(
        &self,
        business: BusinessId,
        id: SourceId,
        now: Timestamp,
    ) -> StoreResult<Source> {
        let again = query(READ_AGAIN).bind(business.uuid()).bind(id.uuid()).bind(millis(now));
        let again = again.bind(to_doc(&SourceState::Pending)?);
        let rows = self.connections.change(Scope::Business(business), again).await?;
        read_source(rows.first().ok_or(StoreError::NotFound("source"))?)
    }

    async fn delete_source(&self, business: BusinessId, id: SourceId) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete_source(write, business, id))
    }

    async fn claim_sources(&self, options: &ClaimOptions) -> StoreResult<Vec<SourceClaim>> {
        let claim = query(CLAIM_SOURCES)
            .bind(millis(options.now))
            .bind(millis(options.lease_until))
            .bind(to_doc(&SourceState::Reading)?)
            .bind(i64::from(options.limit));
        let rows = self.connections.change(Scope::System, claim).await?;
        if !rows.is_empty() {
            self.connections.changed();
        }
        let read = |row: &PgRow| Ok((get::<i64>(row, 6)?, read_claim(row)?));
        let mut claims = rows.iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        claims.sort_by_key(|(due_at, claim)| (*due_at, claim.source.id));
        Ok(claims.into_iter().map(|(_, claim)| claim).collect())
    }

    async fn keep_chunks(&self, hold: &SourceHold, chunks: &[Chunk]) -> StoreResult<()> {
        transaction!(self, Scope::Business(hold.business_id), |write| keep_chunks(
            write, hold, chunks
        ))
    }

    async fn drop_chunks(&self, hold: &SourceHold, limit: u32) -> StoreResult<u64> {
        transaction!(self, Scope::Business(hold.business_id), |write| drop_chunks(
            write, hold, limit
        ))
    }

    async fn unembedded_chunks(
        &self,
        hold: &SourceHold,
        model: &str,
        limit: u32,
    ) -> StoreResult<Unembedded> {
        let (business, source) = (hold.business_id.uuid(), hold.source_id.uuid());
        let held = query(IS_HELD).bind(business).bind(source).bind(count(hold.fence));
        let scope = Scope::Business(hold.business_id);
        if self.connections.read(scope, held).await?.is_empty() {
            return Err(stale());
        }
        let list = query(UNEMBEDDED).bind(business).bind(source).bind(model.to_owned());
        let rows = self.connections.read(scope, list.bind(i64::from(limit))).await?;
        let chunks = rows.iter().map(|row| get_doc(row, 0, "chunk")).collect::<StoreResult<_>>()?;
        let left = query(UNEMBEDDED_COUNT).bind(business).bind(source).bind(model.to_owned());
        let left = get_count(&self.connections.read_one(scope, left, "chunk").await?, 0)?;
        Ok(Unembedded { chunks, left })
    }

    async fn keep_vectors(
        &self,
        hold: &SourceHold,
        model: &str,
        vectors: &[(ChunkId, Vec<f32>)],
    ) -> StoreResult<()> {
        let fits = |(_, vector): &(ChunkId, Vec<f32>)| (1..=VECTOR_LEN_MAX).contains(&vector.len());
        if !vectors.iter().all(fits) {
            return Err(StoreError::Invalid("vector"));
        }
        transaction!(self, Scope::Business(hold.business_id), |write| keep_vectors(
            write, hold, model, vectors
        ))
    }

    async fn record_source(&self, hold: &SourceHold, report: &SourceReport) -> StoreResult<()> {
        let (due_at, is_done) = match report.next {
            SourceNext::Held(at) | SourceNext::Again(at) => (Some(at), false),
            SourceNext::Done(at) => (at, true),
        };
        let record = query(RECORD_SOURCE)
            .bind(hold.business_id.uuid())
            .bind(hold.source_id.uuid())
            .bind(count(hold.fence))
            .bind(to_doc(&report.state)?)
            .bind(millis(report.now))
            .bind(due_at.map(millis))
            .bind(is_done);
        let rows = self.connections.change(Scope::Business(hold.business_id), record).await?;
        rows.first().map(drop).ok_or_else(stale)
    }

    async fn search_knowledge(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        query: &KnowledgeQuery,
    ) -> StoreResult<KnowledgeFound> {
        self.find_knowledge(business, base, query).await
    }
}

fn read_source(row: &PgRow) -> StoreResult<Source> {
    to_source(get(row, 0)?, get(row, 1)?, get(row, 2)?)
}

fn read_claim(row: &PgRow) -> StoreResult<SourceClaim> {
    let source = read_source(row)?;
    let fence = get_count(row, 3)?;
    let hold = SourceHold { business_id: source.business_id, source_id: source.id, fence };
    let attempts = u32::try_from(get_count(row, 4)?).unwrap_or(u32::MAX);
    Ok(SourceClaim { source, base: get_doc(row, 5, "knowledge base")?, hold, attempts })
}

async fn update_base(write: &mut Write, base: &KnowledgeBase) -> StoreResult<KnowledgeBase> {
    let (business, id) = (base.business_id.uuid(), base.id.uuid());
    let rows = write.run(query(BASE_TO_UPDATE).bind(business).bind(id)).await?;
    let row = rows.first().ok_or(StoreError::NotFound("knowledge base"))?;
    let stored: KnowledgeBase = get_doc(row, 0, "knowledge base")?;
    if stored.revision != base.revision {
        return Err(StoreError::Stale("knowledge base"));
    }
    let created_at = stored.created_at;
    let base = KnowledgeBase { revision: base.revision + 1, created_at, ..base.clone() };
    if base.embedding_model != stored.embedding_model {
        let again = query(READ_ALL_AGAIN).bind(business).bind(id).bind(millis(base.updated_at));
        write.run(again.bind(to_doc(&SourceState::Pending)?)).await?;
    }
    write.run(query(UPDATE_BASE).bind(business).bind(id).bind(to_doc(&base)?)).await?;
    Ok(base)
}

async fn delete_base(
    write: &mut Write,
    business: BusinessId,
    id: KnowledgeBaseId,
) -> StoreResult<()> {
    let (business, id) = (business.uuid(), id.uuid());
    let rows = write.run(query(BASE_TO_UPDATE).bind(business).bind(id)).await?;
    rows.first().ok_or(StoreError::NotFound("knowledge base"))?;
    let used = write.run(query(BASE_HAS_SOURCES).bind(business).bind(id)).await?;
    if used.first().map(|row| get::<bool>(row, 0)).transpose()?.unwrap_or_default() {
        return Err(StoreError::Conflict("knowledge base"));
    }
    write.run(query(DELETE_BASE).bind(business).bind(id)).await.map(drop)
}

async fn create_source(write: &mut Write, source: &Source, body: Option<&[u8]>) -> StoreResult<()> {
    let (business, id) = (source.business_id.uuid(), source.id.uuid());
    let insert = query(INSERT_SOURCE)
        .bind(business)
        .bind(id)
        .bind(source.base_id.uuid())
        .bind(millis(source.updated_at))
        .bind(to_doc(&source.state)?)
        .bind(to_doc(source)?);
    if write.run(insert).await?.is_empty() {
        return Err(StoreError::NotFound("knowledge base"));
    }
    if let Some(body) = body {
        write.run(query(INSERT_BODY).bind(business).bind(id).bind(body.to_vec())).await?;
    }
    Ok(())
}

async fn delete_source(write: &mut Write, business: BusinessId, id: SourceId) -> StoreResult<()> {
    let found = query(SOURCE_TO_DELETE).bind(business.uuid()).bind(id.uuid());
    let rows = write.run(found).await?;
    let row = rows.first().ok_or(StoreError::NotFound("source"))?;
    let base = Base { id: get(row, 0)?, number: get(row, 1)?, last_place: 0, last_vector: 0 };
    // No fence is negative: all of its chunks are old.
    while remove(write, &base, business.uuid(), id.uuid(), -1, REMOVED_AT_ONCE).await? > 0 {}
    let delete = query(DELETE_SOURCE).bind(business.uuid()).bind(id.uuid());
    write.run(delete).await.map(drop)
}

async fn held(write: &mut Write, hold: &SourceHold) -> StoreResult<Base> {
    let held = query(HELD).bind(hold.business_id.uuid()).bind(hold.source_id.uuid());
    let rows = write.run(held.bind(count(hold.fence))).await?;
    let row = rows.first().ok_or_else(stale)?;
    let (last_place, last_vector) = (get(row, 2)?, get(row, 3)?);
    Ok(Base { id: get(row, 0)?, number: get(row, 1)?, last_place, last_vector })
}

/// Those of some chunks that are there: id, place, the model of the vector.
async fn known(
    write: &mut Write,
    hold: &SourceHold,
    ids: impl Iterator<Item = ChunkId>,
) -> StoreResult<Vec<(ChunkId, i64, Option<String>)>> {
    let ids: Vec<Uuid> = ids.map(ChunkId::uuid).collect();
    let known = query(KNOWN_CHUNKS).bind(hold.business_id.uuid()).bind(hold.source_id.uuid());
    let rows = write.run(known.bind(ids)).await?;
    let read = |row: &PgRow| Ok((ChunkId::from_uuid(get(row, 0)?), get(row, 1)?, get(row, 2)?));
    rows.iter().map(read).collect()
}

async fn keep_chunks(write: &mut Write, hold: &SourceHold, chunks: &[Chunk]) -> StoreResult<()> {
    let base = held(write, hold).await?;
    let there = known(write, hold, chunks.iter().map(|chunk| chunk.id)).await?;
    let there: BTreeSet<ChunkId> = there.into_iter().map(|(id, ..)| id).collect();
    let kept = Kept::of(chunks, there, base.last_place);
    add_chunks(write, hold, &base, &kept).await?;
    let (mut ids, mut ordinals, mut docs) = (vec![], vec![], vec![]);
    for chunk in kept.known.values() {
        ids.push(chunk.id.uuid());
        ordinals.push(i64::from(chunk.ordinal));
        docs.push(to_doc(chunk)?);
    }
    let known = query(KEEP_KNOWN).bind(hold.business_id.uuid()).bind(hold.source_id.uuid());
    write.run(known.bind(count(hold.fence)).bind(ids).bind(ordinals).bind(docs)).await.map(drop)
}

/// Adds the chunks that are new, and their words.
async fn add_chunks(
    write: &mut Write,
    hold: &SourceHold,
    base: &Base,
    kept: &Kept<'_>,
) -> StoreResult<()> {
    let business = hold.business_id.uuid();
    let (mut places, mut ids, mut ordinals) = (vec![], vec![], vec![]);
    let (mut docs, mut texts) = (vec![], vec![]);
    for (place, chunk, words) in &kept.new {
        places.push(*place);
        ids.push(chunk.id.uuid());
        ordinals.push(i64::from(chunk.ordinal));
        docs.push(to_doc(chunk)?);
        texts.push(joined(words));
    }
    if places.is_empty() {
        return Ok(());
    }
    let grow = query(GROW_BASE).bind(business).bind(base.id).bind(places.len() as i64);
    write.run(grow).await?;
    let add = query(ADD_CHUNKS).bind(business).bind(base.id).bind(hold.source_id.uuid());
    let add = add.bind(count(hold.fence)).bind(places.clone());
    write.run(add.bind(ids).bind(ordinals).bind(docs)).await?;
    let words = query(ADD_WORDS).bind(business).bind(base.id).bind(base.number);
    write.run(words.bind(places).bind(texts)).await?;
    let (words, chunks) = terms(kept.new.iter().map(|(_, _, words)| words));
    let add = query(ADD_TERMS).bind(business).bind(base.id).bind(words).bind(chunks);
    write.run(add).await.map(drop)
}

/// Words with the number of texts each is in, as two columns in the order of the words.
fn terms<'a>(texts: impl Iterator<Item = &'a Words>) -> (Vec<String>, Vec<i64>) {
    count_words(texts).into_iter().map(|(word, chunks)| (word.to_owned(), chunks)).unzip()
}

async fn drop_chunks(write: &mut Write, hold: &SourceHold, limit: u32) -> StoreResult<u64> {
    let base = held(write, hold).await?;
    let (business, source) = (hold.business_id.uuid(), hold.source_id.uuid());
    let round = count(hold.fence).unwrap_or(-1);
    remove(write, &base, business, source, round, limit).await
}

/// Removes chunks of a source that are of another round.
async fn remove(
    write: &mut Write,
    base: &Base,
    business: Uuid,
    source: Uuid,
    round: i64,
    limit: u32,
) -> StoreResult<u64> {
    let old = query(OLD_CHUNKS).bind(business).bind(source).bind(round).bind(i64::from(limit));
    let (mut places, mut words): (Vec<i64>, Vec<Words>) = (Vec::new(), Vec::new());
    for row in write.run(old).await? {
        places.push(get(&row, 0)?);
        words.push(parse_doc::<Chunk>(get(&row, 1)?, "chunk")?.words());
    }
    let removed = places.len();
    if removed > 0 {
        let (words, chunks) = terms(words.iter());
        for statement in [REMOVE_CHUNKS, REMOVE_VECTORS, REMOVE_WORDS] {
            write.run(query(statement).bind(business).bind(base.id).bind(places.clone())).await?;
        }
        let reduce = query(REDUCE_TERMS).bind(business).bind(base.id);
        write.run(reduce.bind(words.clone()).bind(chunks)).await?;
        write.run(query(REMOVE_TERMS).bind(business).bind(base.id).bind(words)).await?;
        let shrink = query(SHRINK_BASE).bind(business).bind(base.id).bind(removed as i64);
        write.run(shrink).await?;
    }
    Ok(removed as u64)
}

async fn keep_vectors(
    write: &mut Write,
    hold: &SourceHold,
    model: &str,
    vectors: &[(ChunkId, Vec<f32>)],
) -> StoreResult<()> {
    let base = held(write, hold).await?;
    let there = known(write, hold, vectors.iter().map(|(id, _)| *id)).await?;
    let business = hold.business_id.uuid();
    let (mut numbers, mut places, mut replaced) = (vec![], vec![], vec![]);
    let (mut codes, mut bytes) = (vec![], vec![]);
    for (id, vector) in vectors {
        let Some((_, place, had)) = there.iter().find(|(known, ..)| known == id) else { continue };
        if had.is_some() {
            replaced.push(*place);
        }
        numbers.push(base.last_vector + numbers.len() as i64 + 1);
        places.push(*place);
        codes.push(Code::of(vector).to_bytes());
        bytes.push(to_bytes(vector));
    }
    let count = query(COUNT_VECTORS).bind(business).bind(base.id).bind(numbers.len() as i64);
    write.run(count.bind(i64::from(!replaced.is_empty()))).await?;
    write.run(query(REMOVE_VECTORS).bind(business).bind(base.id).bind(replaced)).await?;
    let add = query(ADD_VECTORS).bind(business).bind(base.id).bind(model.to_owned());
    write.run(add.bind(numbers).bind(places.clone()).bind(codes).bind(bytes)).await?;
    let name = query(NAME_MODEL).bind(business).bind(base.id).bind(model.to_owned());
    write.run(name.bind(places)).await.map(drop)
}
