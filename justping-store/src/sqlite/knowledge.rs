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
use sqlx::query;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::connection::Write;
use super::row::{
    Hex, after, batch, count, get, get_count, get_doc, millis, parse_cursor, parse_doc, statements,
    to_doc,
};
use crate::knowledge::{Kept, REMOVED_AT_ONCE, count_words, tagged, to_bytes, to_source};

statements! {
    INSERT_BASE = "INSERT INTO knowledge_bases (business_id, id, number, last_place, last_vector, \
            generation, chunks, doc) \
        SELECT $1, $2, (SELECT coalesce(max(number), 0) + 1 FROM knowledge_bases), 0, 0, 0, 0, $3 \
        WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1)";
    KNOWLEDGE_BASE = "SELECT doc FROM knowledge_bases WHERE business_id = $1 AND id = $2";
    BASE_TO_UPDATE = "BEGIN IMMEDIATE; \
        SELECT doc FROM knowledge_bases WHERE business_id = $1 AND id = $2";
    UPDATE_BASE = "UPDATE knowledge_bases SET doc = $3 WHERE business_id = $1 AND id = $2; COMMIT";
    /// Whoever reads a source now loses it.
    READ_ALL_AGAIN = "UPDATE sources SET due_at = $3, fence = fence + 1, attempts = 0, \
            updated_at = $3, state = $4 \
        WHERE business_id = $1 AND base_id = $2";
    BASE_TO_DELETE = "BEGIN IMMEDIATE; SELECT EXISTS (SELECT 1 FROM sources s \
            WHERE s.business_id = b.business_id AND s.base_id = b.id) \
        FROM knowledge_bases b WHERE b.business_id = $1 AND b.id = $2";
    DELETE_BASE = "DELETE FROM knowledge_bases WHERE business_id = $1 AND id = $2; COMMIT";
    KNOWLEDGE_BASES = "SELECT doc FROM knowledge_bases \
        WHERE business_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    INSERT_SOURCE = "BEGIN IMMEDIATE; INSERT INTO sources \
            (business_id, id, base_id, due_at, fence, attempts, updated_at, state, doc) \
        SELECT $1, $2, $3, $4, 0, 0, $4, $5, $6 \
        WHERE EXISTS (SELECT 1 FROM knowledge_bases WHERE business_id = $1 AND id = $3) \
        RETURNING 1";
    INSERT_BODY = "INSERT INTO source_bodies (business_id, source_id, body) \
        SELECT $1, $2, $3 WHERE $3 IS NOT NULL; COMMIT";
    SOURCE = "SELECT doc, state, updated_at FROM sources WHERE business_id = $1 AND id = $2";
    SOURCE_BODY = "SELECT body FROM source_bodies WHERE business_id = $1 AND source_id = $2";
    SOURCES = "SELECT doc, state, updated_at FROM sources \
        WHERE business_id = $1 AND base_id = $2 AND id > $3 ORDER BY id LIMIT $4";
    READ_AGAIN = "UPDATE sources SET due_at = $3, fence = fence + 1, attempts = 0, updated_at = $3, \
            state = $4 \
        WHERE business_id = $1 AND id = $2 RETURNING doc, state, updated_at";
    DUE_SOURCES = "BEGIN IMMEDIATE; SELECT s.doc, s.fence + 1, s.attempts + 1, b.doc FROM sources s \
            CROSS JOIN knowledge_bases b ON b.business_id = s.business_id AND b.id = s.base_id \
        WHERE s.due_at <= $1 ORDER BY s.due_at, s.id LIMIT $2";
    TAKE_SOURCES = "UPDATE sources SET due_at = $2, fence = fence + 1, attempts = attempts + 1, \
            updated_at = $1, state = $3 \
        FROM json_each($4) v \
        WHERE business_id = unhex(v.value ->> 0) AND sources.id = unhex(v.value ->> 1); \
        COMMIT";
    SOURCE_TO_DELETE = "BEGIN IMMEDIATE; SELECT b.id, b.number FROM sources s \
            CROSS JOIN knowledge_bases b ON b.business_id = s.business_id AND b.id = s.base_id \
        WHERE s.business_id = $1 AND s.id = $2";
    DELETE_SOURCE = "DELETE FROM sources WHERE business_id = $1 AND id = $2; COMMIT";
    HELD = "BEGIN IMMEDIATE; SELECT b.id, b.number, b.last_place, b.last_vector FROM sources s \
            CROSS JOIN knowledge_bases b ON b.business_id = s.business_id AND b.id = s.base_id \
        WHERE s.business_id = $1 AND s.id = $2 AND s.fence = $3";
    IS_HELD = "SELECT 1 FROM sources WHERE business_id = $1 AND id = $2 AND fence = $3";
    KNOWN_CHUNKS = "SELECT id, place, model FROM chunks WHERE business_id = $1 AND source_id = $2 \
            AND id IN (SELECT unhex(value) FROM json_each($3))";
    KEEP_CHUNKS = "INSERT INTO chunks \
            (business_id, base_id, place, source_id, id, round, ordinal, model, doc) \
        SELECT $1, $2, value ->> 0, $3, unhex(value ->> 1), $4, value ->> 2, NULL, value ->> 3 \
            FROM json_each($5); \
        UPDATE chunks SET round = $4, ordinal = v.value ->> 1, doc = v.value ->> 2 \
            FROM json_each($6) v \
            WHERE business_id = $1 AND source_id = $3 AND chunks.id = unhex(v.value ->> 0); \
        INSERT INTO chunk_words (rowid, words) SELECT value ->> 0, value ->> 1 \
            FROM json_each($7); \
        INSERT INTO knowledge_terms (business_id, base_id, word, chunks) \
            SELECT $1, $2, value ->> 0, value ->> 1 FROM json_each($8) WHERE true \
            ON CONFLICT (business_id, base_id, word) DO UPDATE SET chunks = chunks + excluded.chunks; \
        UPDATE knowledge_bases SET last_place = last_place + $9, chunks = chunks + $9 \
            WHERE business_id = $1 AND id = $2; \
        COMMIT";
    OLD_CHUNKS = "SELECT place, doc FROM chunks \
        WHERE business_id = $1 AND source_id = $2 AND round <> $3 ORDER BY place LIMIT $4";
    REMOVE_CHUNKS = "DELETE FROM chunks WHERE business_id = $1 AND base_id = $2 \
            AND place IN (SELECT value ->> 0 FROM json_each($3)); \
        DELETE FROM knowledge_vectors WHERE business_id = $1 AND base_id = $2 \
            AND place IN (SELECT value ->> 0 FROM json_each($3)); \
        DELETE FROM chunk_words WHERE rowid IN (SELECT value ->> 1 FROM json_each($3)); \
        UPDATE knowledge_terms SET chunks = chunks - (v.value ->> 1) FROM json_each($4) v \
            WHERE business_id = $1 AND base_id = $2 AND word = v.value ->> 0; \
        DELETE FROM knowledge_terms WHERE business_id = $1 AND base_id = $2 AND chunks <= 0 \
            AND word IN (SELECT value ->> 0 FROM json_each($4)); \
        UPDATE knowledge_bases SET chunks = chunks - $5, generation = generation + 1 \
            WHERE business_id = $1 AND id = $2";
    DONE = "COMMIT";
    UNEMBEDDED = "SELECT doc FROM chunks WHERE business_id = $1 AND source_id = $2 \
            AND model IS NOT $3 ORDER BY ordinal, id LIMIT $4";
    UNEMBEDDED_COUNT = "SELECT count(*) FROM chunks WHERE business_id = $1 AND source_id = $2 \
            AND model IS NOT $3";
    KEEP_VECTORS = "DELETE FROM knowledge_vectors WHERE business_id = $1 AND base_id = $2 \
            AND place IN (SELECT value FROM json_each($3)); \
        INSERT INTO knowledge_vectors \
            (business_id, base_id, number, place, model, code, vector) \
        SELECT $1, $2, value ->> 0, value ->> 1, $4, unhex(value ->> 2), unhex(value ->> 3) \
            FROM json_each($5); \
        UPDATE chunks SET model = $4 WHERE business_id = $1 AND base_id = $2 \
            AND place IN (SELECT value ->> 1 FROM json_each($5)); \
        UPDATE knowledge_bases SET last_vector = last_vector + $6, generation = generation + $7 \
            WHERE business_id = $1 AND id = $2; \
        COMMIT";
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

/// The row of a chunk in the index of words. A base has fewer than 2³² chunks.
pub(super) fn word_row(number: i64, place: i64) -> i64 {
    number << 32 | place
}

fn stale() -> StoreError {
    StoreError::Stale("source")
}

#[async_trait]
impl KnowledgeStore for SqliteStore {
    async fn create_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<()> {
        let insert = query(INSERT_BASE).bind(base.business_id.uuid()).bind(base.id.uuid());
        self.connections.insert(insert.bind(to_doc(base)?), "business").await
    }

    async fn knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<KnowledgeBase> {
        let query = query(KNOWLEDGE_BASE).bind(business.uuid()).bind(id.uuid());
        let row = self.connections.read_one(query, "knowledge base").await?;
        get_doc(&row, 0, "knowledge base")
    }

    async fn update_knowledge_base(&self, base: &KnowledgeBase) -> StoreResult<KnowledgeBase> {
        let mut write = self.connections.write().await?;
        let result = update_base(&mut write, base).await;
        write.settle(result).await
    }

    async fn delete_knowledge_base(
        &self,
        business: BusinessId,
        id: KnowledgeBaseId,
    ) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = delete_base(&mut write, business, id).await;
        write.settle(result).await
    }

    async fn knowledge_bases(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<KnowledgeBase>> {
        let from = parse_cursor::<KnowledgeBaseId>(page.after.as_ref())?;
        let list = query(KNOWLEDGE_BASES).bind(business.uuid());
        let list = list.bind(after(from.map(KnowledgeBaseId::uuid)));
        let rows = self.connections.read(list.bind(page.rows() as i64 + 1)).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "knowledge base"));
        let rows = rows.collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &KnowledgeBase| row.id.to_string()))
    }

    async fn create_source(&self, source: &Source, body: Option<&[u8]>) -> StoreResult<()> {
        if (source.origin == SourceOrigin::Upload) != body.is_some() {
            return Err(StoreError::Invalid("source"));
        }
        let mut write = self.connections.write().await?;
        let result = create_source(&mut write, source, body).await;
        write.settle(result).await
    }

    async fn source(&self, business: BusinessId, id: SourceId) -> StoreResult<Source> {
        let query = query(SOURCE).bind(business.uuid()).bind(id.uuid());
        read_source(&self.connections.read_one(query, "source").await?)
    }

    async fn source_body(&self, business: BusinessId, id: SourceId) -> StoreResult<Vec<u8>> {
        let query = query(SOURCE_BODY).bind(business.uuid()).bind(id.uuid());
        get(&self.connections.read_one(query, "source body").await?, 0)
    }

    async fn sources(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        page: &PageRequest,
    ) -> StoreResult<Page<Source>> {
        let from = parse_cursor::<SourceId>(page.after.as_ref())?;
        self.knowledge_base(business, base).await?;
        let list = query(SOURCES).bind(business.uuid()).bind(base.uuid());
        let list = list.bind(after(from.map(SourceId::uuid))).bind(page.rows() as i64 + 1);
        let rows = self.connections.read(list).await?;
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
        let rows = self.connections.change(again.bind(to_doc(&SourceState::Pending)?)).await?;
        read_source(rows.first().ok_or(StoreError::NotFound("source"))?)
    }

    async fn delete_source(&self, business: BusinessId, id: SourceId) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = delete_source(&mut write, business, id).await;
        write.settle(result).await
    }

    async fn claim_sources(&self, options: &ClaimOptions) -> StoreResult<Vec<SourceClaim>> {
        let mut write = self.connections.write().await?;
        let result = claim_sources(&mut write, options).await;
        write.settle(result).await
    }

    async fn keep_chunks(&self, hold: &SourceHold, chunks: &[Chunk]) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = keep_chunks(&mut write, hold, chunks).await;
        write.settle(result).await
    }

    async fn drop_chunks(&self, hold: &SourceHold, limit: u32) -> StoreResult<u64> {
        let mut write = self.connections.write().await?;
        let result = drop_chunks(&mut write, hold, limit).await;
        write.settle(result).await
    }

    async fn unembedded_chunks(
        &self,
        hold: &SourceHold,
        model: &str,
        limit: u32,
    ) -> StoreResult<Unembedded> {
        let (business, source) = (hold.business_id.uuid(), hold.source_id.uuid());
        let held = query(IS_HELD).bind(business).bind(source).bind(count(hold.fence));
        if self.connections.read(held).await?.is_empty() {
            return Err(stale());
        }
        let list = query(UNEMBEDDED).bind(business).bind(source).bind(model.to_owned());
        let rows = self.connections.read(list.bind(i64::from(limit))).await?;
        let chunks = rows.iter().map(|row| get_doc(row, 0, "chunk")).collect::<StoreResult<_>>()?;
        let left = query(UNEMBEDDED_COUNT).bind(business).bind(source).bind(model.to_owned());
        let left = get_count(&self.connections.read_one(left, "chunk").await?, 0)?;
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
        let mut write = self.connections.write().await?;
        let result = keep_vectors(&mut write, hold, model, vectors).await;
        write.settle(result).await
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
        let rows = self.connections.change(record).await?;
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

fn read_source(row: &SqliteRow) -> StoreResult<Source> {
    to_source(get(row, 0)?, get(row, 1)?, get(row, 2)?)
}

fn read_claim(row: &SqliteRow, now: Timestamp) -> StoreResult<SourceClaim> {
    let source: Source = get_doc(row, 0, "source")?;
    let source = Source { state: SourceState::Reading, updated_at: now, ..source };
    let fence = get_count(row, 1)?;
    let hold = SourceHold { business_id: source.business_id, source_id: source.id, fence };
    let attempts = u32::try_from(get_count(row, 2)?).unwrap_or(u32::MAX);
    Ok(SourceClaim { source, base: get_doc(row, 3, "knowledge base")?, hold, attempts })
}

async fn claim_sources(
    write: &mut Write<'_>,
    options: &ClaimOptions,
) -> StoreResult<Vec<SourceClaim>> {
    let due = query(DUE_SOURCES).bind(millis(options.now)).bind(i64::from(options.limit));
    let rows = write.begin(due).await?;
    let claims = rows.iter().map(|row| read_claim(row, options.now));
    let claims = claims.collect::<StoreResult<Vec<_>>>()?;
    let ids = claims
        .iter()
        .map(|SourceClaim { hold, .. }| (Hex(hold.business_id.uuid()), Hex(hold.source_id.uuid())));
    let ids: Vec<_> = ids.collect();
    let take = query(TAKE_SOURCES)
        .bind(millis(options.now))
        .bind(millis(options.lease_until))
        .bind(to_doc(&SourceState::Reading)?)
        .bind(batch(&ids)?);
    write.commit(take).await?;
    Ok(claims)
}

async fn update_base(write: &mut Write<'_>, base: &KnowledgeBase) -> StoreResult<KnowledgeBase> {
    let (business, id) = (base.business_id.uuid(), base.id.uuid());
    let rows = write.begin(query(BASE_TO_UPDATE).bind(business).bind(id)).await?;
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
    write.commit(query(UPDATE_BASE).bind(business).bind(id).bind(to_doc(&base)?)).await?;
    Ok(base)
}

async fn delete_base(
    write: &mut Write<'_>,
    business: BusinessId,
    id: KnowledgeBaseId,
) -> StoreResult<()> {
    let found = query(BASE_TO_DELETE).bind(business.uuid()).bind(id.uuid());
    let rows = write.begin(found).await?;
    let row = rows.first().ok_or(StoreError::NotFound("knowledge base"))?;
    if get::<bool>(row, 0)? {
        return Err(StoreError::Conflict("knowledge base"));
    }
    write.commit(query(DELETE_BASE).bind(business.uuid()).bind(id.uuid())).await.map(drop)
}

async fn create_source(
    write: &mut Write<'_>,
    source: &Source,
    body: Option<&[u8]>,
) -> StoreResult<()> {
    let (business, id) = (source.business_id.uuid(), source.id.uuid());
    let insert = query(INSERT_SOURCE)
        .bind(business)
        .bind(id)
        .bind(source.base_id.uuid())
        .bind(millis(source.updated_at))
        .bind(to_doc(&source.state)?)
        .bind(to_doc(source)?);
    if write.begin(insert).await?.is_empty() {
        return Err(StoreError::NotFound("knowledge base"));
    }
    let body = query(INSERT_BODY).bind(business).bind(id).bind(body.map(<[u8]>::to_vec));
    write.commit(body).await.map(drop)
}

async fn delete_source(
    write: &mut Write<'_>,
    business: BusinessId,
    id: SourceId,
) -> StoreResult<()> {
    let found = query(SOURCE_TO_DELETE).bind(business.uuid()).bind(id.uuid());
    let rows = write.begin(found).await?;
    let row = rows.first().ok_or(StoreError::NotFound("source"))?;
    let base = Base { id: get(row, 0)?, number: get(row, 1)?, last_place: 0, last_vector: 0 };
    // No fence is negative: all of its chunks are old.
    while remove(write, &base, business.uuid(), id.uuid(), -1, REMOVED_AT_ONCE).await? > 0 {}
    let delete = query(DELETE_SOURCE).bind(business.uuid()).bind(id.uuid());
    write.commit(delete).await.map(drop)
}

async fn held(write: &mut Write<'_>, hold: &SourceHold) -> StoreResult<Base> {
    let held = query(HELD).bind(hold.business_id.uuid()).bind(hold.source_id.uuid());
    let rows = write.begin(held.bind(count(hold.fence))).await?;
    let row = rows.first().ok_or_else(stale)?;
    let (last_place, last_vector) = (get(row, 2)?, get(row, 3)?);
    Ok(Base { id: get(row, 0)?, number: get(row, 1)?, last_place, last_vector })
}

/// Those of some chunks that are there: id, place, the model of the vector.
async fn known(
    write: &mut Write<'_>,
    hold: &SourceHold,
    ids: impl Iterator<Item = ChunkId>,
) -> StoreResult<Vec<(ChunkId, i64, Option<String>)>> {
    let ids: Vec<Hex> = ids.map(|id| Hex(id.uuid())).collect();
    let known = query(KNOWN_CHUNKS).bind(hold.business_id.uuid()).bind(hold.source_id.uuid());
    let rows = write.run(known.bind(batch(&ids)?)).await?;
    let read = |row: &SqliteRow| Ok((ChunkId::from_uuid(get(row, 0)?), get(row, 1)?, get(row, 2)?));
    rows.iter().map(read).collect()
}

async fn keep_chunks(
    write: &mut Write<'_>,
    hold: &SourceHold,
    chunks: &[Chunk],
) -> StoreResult<()> {
    let base = held(write, hold).await?;
    let there = known(write, hold, chunks.iter().map(|chunk| chunk.id)).await?;
    let there: BTreeSet<ChunkId> = there.into_iter().map(|(id, ..)| id).collect();
    let kept = Kept::of(chunks, there, base.last_place);
    let new = kept
        .new
        .iter()
        .map(|(place, chunk, _)| Ok((place, Hex(chunk.id.uuid()), chunk.ordinal, to_doc(chunk)?)));
    let new = new.collect::<StoreResult<Vec<_>>>()?;
    let known = kept.known.values();
    let known = known.map(|chunk| Ok((Hex(chunk.id.uuid()), chunk.ordinal, to_doc(chunk)?)));
    let known = known.collect::<StoreResult<Vec<_>>>()?;
    let words = kept.new.iter();
    let words =
        words.map(|(place, _, words)| (word_row(base.number, *place), tagged(base.number, words)));
    let words: Vec<_> = words.collect();
    let terms: Vec<_> =
        count_words(kept.new.iter().map(|(_, _, words)| words)).into_iter().collect();
    let keep = query(KEEP_CHUNKS)
        .bind(hold.business_id.uuid())
        .bind(base.id)
        .bind(hold.source_id.uuid())
        .bind(count(hold.fence))
        .bind(batch(&new)?)
        .bind(batch(&known)?)
        .bind(batch(&words)?)
        .bind(batch(&terms)?)
        .bind(new.len() as i64);
    write.commit(keep).await.map(drop)
}

async fn drop_chunks(write: &mut Write<'_>, hold: &SourceHold, limit: u32) -> StoreResult<u64> {
    let base = held(write, hold).await?;
    let (business, source) = (hold.business_id.uuid(), hold.source_id.uuid());
    let round = count(hold.fence).unwrap_or(-1);
    let dropped = remove(write, &base, business, source, round, limit).await?;
    write.commit(query(DONE)).await?;
    Ok(dropped)
}

/// Removes chunks of a source that are of another round.
async fn remove(
    write: &mut Write<'_>,
    base: &Base,
    business: Uuid,
    source: Uuid,
    round: i64,
    limit: u32,
) -> StoreResult<u64> {
    let old = query(OLD_CHUNKS).bind(business).bind(source).bind(round).bind(i64::from(limit));
    let (mut places, mut words): (Vec<(i64, i64)>, Vec<Words>) = (Vec::new(), Vec::new());
    for row in write.run(old).await? {
        let place = get(&row, 0)?;
        places.push((place, word_row(base.number, place)));
        words.push(parse_doc::<Chunk>(get(&row, 1)?, "chunk")?.words());
    }
    let removed = places.len();
    if removed > 0 {
        let terms: Vec<_> = count_words(words.iter()).into_iter().collect();
        let remove = query(REMOVE_CHUNKS).bind(business).bind(base.id).bind(batch(&places)?);
        write.run(remove.bind(batch(&terms)?).bind(removed as i64)).await?;
    }
    Ok(removed as u64)
}

async fn keep_vectors(
    write: &mut Write<'_>,
    hold: &SourceHold,
    model: &str,
    vectors: &[(ChunkId, Vec<f32>)],
) -> StoreResult<()> {
    let base = held(write, hold).await?;
    let there = known(write, hold, vectors.iter().map(|(id, _)| *id)).await?;
    let (mut rows, mut replaced) = (Vec::new(), Vec::new());
    for (id, vector) in vectors {
        let Some((_, place, had)) = there.iter().find(|(known, ..)| known == id) else { continue };
        if had.is_some() {
            replaced.push(*place);
        }
        let number = base.last_vector + rows.len() as i64 + 1;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        rows.push((number, *place, hex(&Code::of(vector).to_bytes()), hex(&to_bytes(vector))));
    }
    let keep = query(KEEP_VECTORS)
        .bind(hold.business_id.uuid())
        .bind(base.id)
        .bind(batch(&replaced)?)
        .bind(model.to_owned())
        .bind(batch(&rows)?)
        .bind(rows.len() as i64)
        .bind(i64::from(!replaced.is_empty()));
    write.commit(keep).await.map(drop)
}
