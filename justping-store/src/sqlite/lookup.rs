//! Searching a knowledge base.

use std::collections::BTreeMap;

use justping_core::model::{
    BusinessId, CODE_CANDIDATES, Chunk, Code, KnowledgeBaseId, SourceId, weigh,
};
use justping_core::port::store::{
    KnowledgeFound, KnowledgeQuery, Meaning, StoreError, StoreResult,
};
use sqlx::query;
use uuid::Uuid;

use super::SqliteStore;
use super::row::{batch, get, get_count, get_doc, statements};
use crate::knowledge::{CodeRow, by_likeness, from_bytes, to_hits};

statements! {
    BASE_STANDING = "SELECT number, generation, last_vector, chunks FROM knowledge_bases \
        WHERE business_id = $1 AND id = $2";
    TERMS = "SELECT word, chunks FROM knowledge_terms WHERE business_id = $1 AND base_id = $2 \
            AND word IN (SELECT value FROM json_each($3))";
    /// A row is the base's number and, below it, the place.
    PLACES_OF_WORDS = "SELECT chunk_words.rowid & 4294967295, sum(a.value ->> 1) \
        FROM json_each($1) a CROSS JOIN chunk_words \
        WHERE chunk_words MATCH a.value ->> 0 \
        GROUP BY chunk_words.rowid ORDER BY 2 DESC, 1 LIMIT $2";
    CODES = "SELECT number, place, code FROM knowledge_vectors INDEXED BY knowledge_vectors_code \
        WHERE business_id = $1 AND base_id = $2 AND number > $3 AND model = $4 ORDER BY number";
    VECTORS = "SELECT place, vector FROM knowledge_vectors WHERE business_id = $1 AND base_id = $2 \
            AND place IN (SELECT value FROM json_each($3))";
    FOUND_CHUNKS = "SELECT place, source_id, doc FROM chunks \
        WHERE business_id = $1 AND base_id = $2 \
            AND place IN (SELECT value FROM json_each($3))";
}

/// How a base stands when it is searched.
struct Standing {
    number: i64,
    generation: i64,
    last_vector: i64,
    chunks: u64,
}

impl SqliteStore {
    pub(super) async fn find_knowledge(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        query: &KnowledgeQuery,
    ) -> StoreResult<KnowledgeFound> {
        let by_words = self.by_words(business, base, query).await?;
        let by_meaning = match &query.meaning {
            Some(meaning) => self.by_meaning(business, base, meaning, query.hits()).await?,
            None => Vec::new(),
        };
        let places: Vec<i64> =
            by_words.iter().chain(&by_meaning).map(|(place, _)| *place).collect();
        let chunks = self.found_chunks(business, base, &places).await?;
        Ok(KnowledgeFound {
            by_words: to_hits(&by_words, &chunks),
            by_meaning: to_hits(&by_meaning, &chunks),
        })
    }

    async fn standing(&self, business: BusinessId, base: KnowledgeBaseId) -> StoreResult<Standing> {
        let standing = query(BASE_STANDING).bind(business.uuid()).bind(base.uuid());
        let row = self.connections.read_one(standing, "knowledge base").await?;
        let (number, generation, last_vector) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
        Ok(Standing { number, generation, last_vector, chunks: get_count(&row, 3)? })
    }

    async fn by_words(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        asked: &KnowledgeQuery,
    ) -> StoreResult<Vec<(i64, f32)>> {
        let standing = self.standing(business, base).await?;
        let words: Vec<&str> = asked.words.iter().collect();
        let terms = query(TERMS).bind(business.uuid()).bind(base.uuid()).bind(batch(&words)?);
        let mut within = BTreeMap::new();
        for row in self.connections.read(terms).await? {
            within.insert(get::<String>(&row, 0)?, get_count(&row, 1)?);
        }
        let weighed = weigh(standing.chunks, &asked.words, &within);
        if weighed.words.is_empty() {
            return Ok(Vec::new());
        }
        let terms = weighed.words.iter();
        let terms = terms.map(|(word, worth)| (format!("\"{:x}_{word}\"", standing.number), worth));
        let terms: Vec<_> = terms.collect();
        let places = query(PLACES_OF_WORDS).bind(batch(&terms)?).bind(asked.hits() as i64);
        let rows = self.connections.read(places).await?;
        rows.iter().map(|row| Ok((get(row, 0)?, weighed.share(get(row, 1)?)))).collect()
    }

    async fn by_meaning(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        meaning: &Meaning,
        most: usize,
    ) -> StoreResult<Vec<(i64, f32)>> {
        let key = (business, base, meaning.model.clone());
        let codes = loop {
            let standing = self.standing(business, base).await?;
            let known = self.codes.known(&key, standing.generation);
            let rows = if known < standing.last_vector {
                self.codes_after(business, base, &meaning.model, known).await?
            } else {
                Vec::new()
            };
            if let Some(codes) = self.codes.extend(&key, standing.generation, known, rows) {
                break codes;
            }
        };
        let order = codes.nearest(&Code::of(&meaning.vector), CODE_CANDIDATES);
        let vectors = query(VECTORS).bind(business.uuid()).bind(base.uuid()).bind(batch(&order)?);
        let mut candidates = BTreeMap::new();
        for row in self.connections.read(vectors).await? {
            candidates.insert(get(&row, 0)?, from_bytes(get(&row, 1)?));
        }
        Ok(by_likeness(&order, &candidates, &meaning.vector, most))
    }

    async fn codes_after(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        model: &str,
        number: i64,
    ) -> StoreResult<Vec<CodeRow>> {
        let codes = query(CODES).bind(business.uuid()).bind(base.uuid());
        let rows = self.connections.read(codes.bind(number).bind(model.to_owned())).await?;
        let code =
            |bytes| Code::from_bytes(bytes).ok_or_else(|| StoreError::Corrupt("a code".to_owned()));
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?, code(get(row, 2)?)?))).collect()
    }

    async fn found_chunks(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        places: &[i64],
    ) -> StoreResult<BTreeMap<i64, (SourceId, Chunk)>> {
        let chunks = query(FOUND_CHUNKS).bind(business.uuid()).bind(base.uuid());
        let mut found = BTreeMap::new();
        for row in self.connections.read(chunks.bind(batch(places)?)).await? {
            let source = SourceId::from_uuid(get::<Uuid>(&row, 1)?);
            found.insert(get(&row, 0)?, (source, get_doc(&row, 2, "chunk")?));
        }
        Ok(found)
    }
}
