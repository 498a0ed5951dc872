//! Finding passages.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use justping_core::model::{BusinessId, KnowledgeBaseId, SourceId, SourceOrigin, Words};
use justping_core::port::store::{KnowledgeQuery, Meaning, StoreError};
use justping_core::port::{AiError, Store};
use serde::{Deserialize, Serialize};

use super::fuse::{Ranked, fuse};
use crate::ai::{EmbedError, Meter};

/// Most characters of a question that count.
pub const QUESTION_MAX_CHARS: usize = 2_000;
/// A passage whose words answer less than this of a question, and that is not alike either, is no
/// answer.
pub const SHARE_MIN: f32 = 0.1;
/// A passage that is less alike than this, and whose words do not answer either, is no answer.
pub const LIKENESS_MIN: f32 = 0.4;
/// Hits of each kind that are merged for each passage that is wanted.
const HITS_PER_PASSAGE: u32 = 4;

/// Why nothing could be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnowledgeError {
    /// The store did not answer, or there is no such base.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model did not turn the question into a vector.
    #[error("the question could not be embedded: {0}")]
    Embedding(#[from] EmbedError),
}

/// A part of a source, as people and models are shown it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The source.
    pub source_id: SourceId,
    /// The source's title.
    pub title: String,
    /// The source's address, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The headings it stands under.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub section: String,
    /// The page or the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// What it says.
    pub text: String,
    /// How much of the question its words answer, 0 to 1, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f32>,
    /// How alike its meaning is, -1 to 1, if it was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likeness: Option<f32>,
}

impl Passage {
    /// Says whether it may answer the question at all.
    pub fn answers(&self) -> bool {
        self.share.is_some_and(|share| share >= SHARE_MIN)
            || self.likeness.is_some_and(|likeness| likeness >= LIKENESS_MIN)
    }
}

/// What businesses know, to be asked. Clones share everything.
#[derive(Debug, Clone)]
pub struct Knowledge {
    store: Arc<dyn Store>,
    ai: Option<Meter>,
    only: Option<BusinessId>,
}

impl Knowledge {
    /// Looks bases up in `store`, by words alone.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, ai: None, only: None }
    }

    /// Lets questions be turned into vectors, for bases that have an embedding model.
    #[must_use]
    pub fn with_ai(self, ai: Meter) -> Self {
        Self { ai: Some(ai), ..self }
    }

    /// Searches the bases of one business, whoever asks: for a sandbox, whose business is none.
    #[must_use]
    pub fn only(self, business: BusinessId) -> Self {
        Self { only: Some(business), ..self }
    }

    /// The passages of a base that say most about a question, at most `most`, whether or not they
    /// [answer](Passage::answers) it.
    ///
    /// # Errors
    /// [`KnowledgeError`].
    pub async fn search(
        &self,
        business: BusinessId,
        base: KnowledgeBaseId,
        question: &str,
        most: u32,
    ) -> Result<Vec<Passage>, KnowledgeError> {
        let business = self.only.unwrap_or(business);
        let question = question.trim();
        let cut =
            question.char_indices().nth(QUESTION_MAX_CHARS).map_or(question.len(), |(at, _)| at);
        let question = question.get(..cut).unwrap_or_default();
        let row = self.store.knowledge_base(business, base).await?;
        if question.is_empty() {
            return Ok(Vec::new());
        }
        let mut words = Words::default();
        words.add(question);
        let meaning = self.meaning(business, row.embedding_model.as_deref(), question).await?;
        let limit = most.saturating_mul(HITS_PER_PASSAGE);
        let query = KnowledgeQuery { words, meaning, limit };
        let mut ranked = fuse(self.store.search_knowledge(business, base, &query).await?);
        ranked.truncate(most as usize);
        self.passages(business, ranked).await
    }

    /// The question as a vector, where the base and this process have a model that answers now.
    async fn meaning(
        &self,
        business: BusinessId,
        model: Option<&str>,
        question: &str,
    ) -> Result<Option<Meaning>, KnowledgeError> {
        let (Some(ai), Some(model)) = (&self.ai, model) else { return Ok(None) };
        let mut vectors = match ai.embed(business, model, &[question.to_owned()]).await {
            // Words are better than nothing, and cost nothing.
            Err(
                EmbedError::Ai(AiError::Unavailable { .. } | AiError::RateLimited { .. })
                | EmbedError::Budget(_)
                | EmbedError::Accounts(_),
            ) => return Ok(None),
            other => other?,
        };
        let missing = || AiError::Malformed("no vector".to_owned());
        let vector = vectors
            .pop()
            .filter(|vector| !vector.is_empty())
            .ok_or_else(missing)
            .map_err(EmbedError::Ai)?;
        Ok(Some(Meaning { model: model.to_owned(), vector }))
    }

    async fn passages(
        &self,
        business: BusinessId,
        ranked: Vec<Ranked>,
    ) -> Result<Vec<Passage>, KnowledgeError> {
        let mut sources = BTreeMap::new();
        let mut passages = Vec::with_capacity(ranked.len());
        for Ranked { hit, share, likeness, .. } in ranked {
            let source = match sources.entry(hit.source_id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => match self.store.source(business, hit.source_id).await {
                    Ok(source) => place.insert(source),
                    // It went since it was found.
                    Err(StoreError::NotFound(_)) => continue,
                    Err(error) => return Err(error.into()),
                },
            };
            let url = match &source.origin {
                SourceOrigin::Url { url } => Some(url.clone()),
                SourceOrigin::Upload => None,
            };
            let (source_id, title) = (source.id, source.title.clone());
            let (section, page, text) = (hit.chunk.section, hit.chunk.page, hit.chunk.text);
            passages.push(Passage { source_id, title, url, section, page, text, share, likeness });
        }
        Ok(passages)
    }
}
