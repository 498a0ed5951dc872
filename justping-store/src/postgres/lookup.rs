//! Searching a knowledge base: in one transaction, on the primary, whose numbers of vectors the codes
//! in memory follow.

use std::collections::BTreeMap;

use justping_core::model::{
    BusinessId, CODE_CANDIDATES, Chunk, Code, KnowledgeBaseId, SourceId, weigh,
};
use justping_core::port::store::{
    KnowledgeFound, KnowledgeQuery, Meaning, StoreError, StoreResult,
};
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Scope, Write};
use super::row::{get, get_count, get_doc, statements};
use crate::knowledge::{CodeCache, CodeRow, by_likeness, from_bytes, to_hits};

statements! {
    BASE_STANDING = "SELECT generation, last_vector, chunks FROM knowledge_bases \
        WHERE business_id = $1 AND id = $2";
    TERMS = "SELECT word, chunks FROM knowledge_terms \
        WHERE business_id = $1 AND base_id = $2 AND word = ANY($3)";
    PLACES_OF_WORDS = "SELECT place, worth FROM justping_search_knowledge($1, $2, $3, $4, $5)";
    CODES = "SELECT number, place, code FROM knowledge_vectors \
        WHERE business_id = $1 AND base_id = $2 AND number > $3 AND model = $4 ORDER BY number";
    VECTORS = "SELECT place, vector FROM knowledge_vectors \
        WHERE business_id = $1 AND base_id = $2 AND place = ANY($3)";
    FOUND_CHUNKS = "SELECT place, source_id, doc FROM chunks \
        WHERE business_id = $1 AND base_id = $2 AND place = ANY($3)";
}

impl PostgresStore {
    pub(super) async fn find_knowledge(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        query: &KnowledgeQuery,
    ) -> StoreResult<KnowledgeFound> {
        let mut tries = 0;
        loop {
            let write = self.connections.begin(Scope::Business(business)).await?;
            let mut search = Search { write, business, base, codes: &self.codes };
            let found = search.find(query).await;
            if let Some(found) = search.write.settle(found, &mut tries).await? {
                return Ok(found);
            }
        }
    }
}

/// A search under way.
struct Search<'a> {
    write: Write,
    business: BusinessId,
    base: KnowledgeBaseId,
    codes: &'a CodeCache,
}

/// How a base stands when it is searched.
struct Standing {
    generation: i64,
    last_vector: i64,
    chunks: u64,
}

impl Search<'_> {
    async fn find(&mut self, query: &KnowledgeQuery) -> StoreResult<KnowledgeFound> {
        let by_words = self.by_words(query).await?;
        let by_meaning = match &query.meaning {
            Some(meaning) => self.by_meaning(meaning, query.hits()).await?,
            None => Vec::new(),
        };
        let places = by_words.iter().chain(&by_meaning).map(|(place, _)| *place).collect();
        let chunks = self.found_chunks(places).await?;
        Ok(KnowledgeFound {
            by_words: to_hits(&by_words, &chunks),
            by_meaning: to_hits(&by_meaning, &chunks),
        })
    }

    async fn standing(&mut self) -> StoreResult<Standing> {
        let standing = query(BASE_STANDING).bind(self.business.uuid()).bind(self.base.uuid());
        let rows = self.write.run(standing).await?;
        let row = rows.first().ok_or(StoreError::NotFound("knowledge base"))?;
        let (generation, last_vector) = (get(row, 0)?, get(row, 1)?);
        Ok(Standing { generation, last_vector, chunks: get_count(row, 2)? })
    }

    async fn by_words(&mut self, asked: &KnowledgeQuery) -> StoreResult<Vec<(i64, f32)>> {
        let (business, base) = (self.business.uuid(), self.base.uuid());
        let standing = self.standing().await?;
        let words: Vec<String> = asked.words.iter().map(str::to_owned).collect();
        let mut within = BTreeMap::new();
        for row in self.write.run(query(TERMS).bind(business).bind(base).bind(words)).await? {
            within.insert(get::<String>(&row, 0)?, get_count(&row, 1)?);
        }
        let weighed = weigh(standing.chunks, &asked.words, &within);
        if weighed.words.is_empty() {
            return Ok(Vec::new());
        }
        let (words, worths): (Vec<String>, Vec<i64>) = weighed.words.iter().cloned().unzip();
        let places = query(PLACES_OF_WORDS).bind(business).bind(base).bind(words).bind(worths);
        let rows = self.write.run(places.bind(asked.hits() as i64)).await?;
        rows.iter().map(|row| Ok((get(row, 0)?, weighed.share(get(row, 1)?)))).collect()
    }

    async fn by_meaning(&mut self, meaning: &Meaning, most: usize) -> StoreResult<Vec<(i64, f32)>> {
        let (business, base) = (self.business.uuid(), self.base.uuid());
        let key = (self.business, self.base, meaning.model.clone());
        let codes = loop {
            let standing = self.standing().await?;
            let known = self.codes.known(&key, standing.generation);
            let rows = if known < standing.last_vector {
                self.codes_after(&meaning.model, known).await?
            } else {
                Vec::new()
            };
            if let Some(codes) = self.codes.extend(&key, standing.generation, known, rows) {
                break codes;
            }
        };
        let order = codes.nearest(&Code::of(&meaning.vector), CODE_CANDIDATES);
        let vectors = query(VECTORS).bind(business).bind(base).bind(order.clone());
        let mut candidates = BTreeMap::new();
        for row in self.write.run(vectors).await? {
            candidates.insert(get(&row, 0)?, from_bytes(get(&row, 1)?));
        }
        Ok(by_likeness(&order, &candidates, &meaning.vector, most))
    }

    async fn codes_after(&mut self, model: &str, number: i64) -> StoreResult<Vec<CodeRow>> {
        let codes = query(CODES).bind(self.business.uuid()).bind(self.base.uuid());
        let rows = self.write.run(codes.bind(number).bind(model.to_owned())).await?;
        let code =
            |bytes| Code::from_bytes(bytes).ok_or_else(|| StoreError::Corrupt("a code".to_owned()));
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?, code(get(row, 2)?)?))).collect()
    }

    async fn found_chunks(
        &mut self,
        places: Vec<i64>,
    ) -> StoreResult<BTreeMap<i64, (SourceId, Chunk)>> {
        let chunks = query(FOUND_CHUNKS).bind(self.business.uuid()).bind(self.base.uuid());
        let mut found = BTreeMap::new();
        for row in self.write.run(chunks.bind(places)).await? {
            let source = SourceId::from_uuid(get::<Uuid>(&row, 1)?);
            found.insert(get(&row, 0)?, (source, get_doc(&row, 2, "chunk")?));
        }
        Ok(found)
    }
}
