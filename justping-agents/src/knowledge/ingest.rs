//! The worker that reads sources.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use justping_core::model::{
    Chunk, SOURCE_BYTES_MAX, Source, SourceFormat, SourceOrigin, SourceState, Timestamp, WorkerId,
};
use justping_core::port::store::{
    ClaimOptions, KNOWLEDGE_BATCH_MAX, SourceClaim, SourceNext, SourceReport, StoreError,
    StoreResult,
};
use justping_core::port::{AiError, Clock, ClockExt, Store};
use tokio::sync::Notify;

use super::chunk::{CutOptions, cut};
use super::extract::{ExtractError, charset_of, extract, format_of};
use crate::ai::{EmbedError, Meter};
use crate::fetch::{FetchError, FetchMethod, FetchRequest, Fetcher};

/// Chunks of one request to an embedding model.
pub const EMBED_BATCH: u32 = 64;
/// How often a source is tried that fails for reasons that may pass.
pub const ATTEMPTS_MAX: u32 = 5;
/// How long a worker holds a source from one report to the next.
const LEASE: Duration = Duration::from_secs(120);
/// How often it is looked for sources that are due.
const POLL: Duration = Duration::from_secs(5);
/// The pause before a source is tried a second time; it doubles.
const BACKOFF: Duration = Duration::from_secs(30);
/// The longest that an address may take to answer, in milliseconds.
const FETCH_TIMEOUT_MS: u64 = 30_000;
/// Chunks that are kept or dropped at once: small, so that the store serves others in between.
const KEEP_BATCH: usize = 64;

const _: () =
    assert!(KEEP_BATCH <= KNOWLEDGE_BATCH_MAX && EMBED_BATCH as usize <= KNOWLEDGE_BATCH_MAX);

/// What a worker needs.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Where sources are.
    pub store: Arc<dyn Store>,
    /// Who tells the time.
    pub clock: Arc<dyn Clock>,
    /// Its name in leases.
    pub worker: WorkerId,
    /// Who makes vectors. Without it, sources are found by words alone.
    pub ai: Option<Meter>,
    /// Who asks addresses. Without it, sources with an address fail.
    pub fetcher: Option<Arc<dyn Fetcher>>,
}

/// Reads sources: one at a time, in steps that are stored, so that another worker goes on where one
/// died. What was read before is read again, which changes nothing; vectors are made for what has none.
#[derive(Debug, Clone)]
pub struct Ingest {
    reader: Reader,
    wake: Arc<Notify>,
}

/// Why a source was not read.
#[derive(Debug)]
enum Trouble {
    /// Somebody else has it, or the store does not answer: whoever takes it next goes on.
    Lost(StoreError),
    /// It may pass.
    Passing { code: String, detail: String },
    /// It will not.
    Lasting { code: String, detail: String },
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Lost(error)
    }
}

impl From<ExtractError> for Trouble {
    fn from(error: ExtractError) -> Self {
        Self::lasting(error.code(), error.to_string())
    }
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        let (code, detail) = (error.code().to_owned(), error.to_string());
        match error {
            FetchError::Refused { .. } => Self::Lasting { code, detail },
            FetchError::Timeout | FetchError::Failed { .. } => Self::Passing { code, detail },
        }
    }
}

impl From<AiError> for Trouble {
    fn from(error: AiError) -> Self {
        let (code, detail) = (error.code().to_owned(), error.to_string());
        match error {
            AiError::Unavailable { .. } | AiError::RateLimited { .. } | AiError::Malformed(_) => {
                Self::Passing { code, detail }
            }
            AiError::TooLong | AiError::Rejected { .. } | AiError::Unauthorized => {
                Self::Lasting { code, detail }
            }
        }
    }
}

impl From<EmbedError> for Trouble {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Ai(error) => error.into(),
            // Tomorrow is another day.
            EmbedError::Budget(_) | EmbedError::Accounts(_) => {
                Self::Passing { code: error.code().to_owned(), detail: error.to_string() }
            }
        }
    }
}

impl Trouble {
    fn lasting(code: &str, detail: impl Into<String>) -> Self {
        Self::Lasting { code: code.to_owned(), detail: detail.into() }
    }
}

impl Ingest {
    /// A worker. It does nothing before it is told to.
    pub fn new(reader: Reader) -> Self {
        Self { reader, wake: Arc::default() }
    }

    /// Says that there is something to read, so that [`run`](Self::run) looks at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Reads sources as they become due, until `shutdown` is ready. Any number of processes may.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        loop {
            let rest = match self.next().await {
                Ok(true) => continue,
                Ok(false) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "sources wait");
                    POLL
                }
            };
            let until = self.later(rest);
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = self.wake.notified() => {}
                () = self.reader.clock.sleep_until(until) => {}
            }
        }
    }

    /// Reads everything that is due; returns how many sources it took.
    ///
    /// # Errors
    /// The store's.
    pub async fn settle(&self) -> StoreResult<usize> {
        let mut taken = 0;
        while self.next().await? {
            taken += 1;
        }
        Ok(taken)
    }

    /// Takes a source and reads it; `false` when none is due.
    async fn next(&self) -> StoreResult<bool> {
        let now = self.reader.clock.now();
        let lease_until = self.later(LEASE);
        let options = ClaimOptions { worker: self.reader.worker, now, lease_until, limit: 1 };
        let Some(claim) = self.reader.store.claim_sources(&options).await?.pop() else {
            return Ok(false);
        };
        match self.read(&claim).await {
            Ok(chunks) => self.done(&claim, SourceState::Ready { chunks }).await?,
            Err(trouble) => self.trouble(&claim, trouble).await?,
        }
        Ok(true)
    }

    fn later(&self, time: Duration) -> Timestamp {
        self.reader.clock.after_ms(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    async fn done(&self, claim: &SourceClaim, state: SourceState) -> StoreResult<()> {
        let minutes = claim.source.refresh_minutes;
        let again = minutes.map(|minutes| self.later(Duration::from_secs(60 * u64::from(minutes))));
        self.record(claim, state, SourceNext::Done(again)).await
    }

    async fn record(
        &self,
        claim: &SourceClaim,
        state: SourceState,
        next: SourceNext,
    ) -> StoreResult<()> {
        let report = SourceReport { state, next, now: self.reader.clock.now() };
        match self.reader.store.record_source(&claim.hold, &report).await {
            // Whoever has it now says how far it is.
            Err(StoreError::Stale(_)) => Ok(()),
            other => other,
        }
    }

    async fn trouble(&self, claim: &SourceClaim, trouble: Trouble) -> StoreResult<()> {
        let again = claim.attempts < ATTEMPTS_MAX;
        match trouble {
            Trouble::Lost(StoreError::Stale(_)) => Ok(()),
            Trouble::Lost(error) => Err(error),
            Trouble::Passing { code, detail } if again => {
                tracing::debug!(code, detail, attempts = claim.attempts, "a source is tried again");
                let pause = BACKOFF.saturating_mul(1 << claim.attempts.saturating_sub(1).min(8));
                let next = SourceNext::Again(self.later(pause));
                self.record(claim, SourceState::Failed { code, detail }, next).await
            }
            Trouble::Passing { code, detail } | Trouble::Lasting { code, detail } => {
                self.done(claim, SourceState::Failed { code, detail }).await
            }
        }
    }

    /// Reads a source to its end; the number of its chunks.
    async fn read(&self, claim: &SourceClaim) -> Result<u32, Trouble> {
        let (format, bytes, charset) = self.bytes(&claim.source).await?;
        let read = tokio::task::spawn_blocking(move || {
            cut(&extract(format, &bytes, charset.as_deref())?, CutOptions::default())
        });
        let broken = |_| Trouble::lasting("malformed", "the file breaks its reader");
        let chunks = read.await.map_err(broken)??;
        let store = &self.reader.store;
        for batch in chunks.chunks(KEEP_BATCH) {
            self.hold(claim, SourceState::Reading).await?;
            store.keep_chunks(&claim.hold, batch).await?;
        }
        while store.drop_chunks(&claim.hold, KEEP_BATCH as u32).await? > 0 {}
        let total = chunks.len() as u32;
        if let (Some(ai), Some(model)) = (&self.reader.ai, &claim.base.embedding_model) {
            self.embed(claim, ai, model, total).await?;
        }
        Ok(total)
    }

    /// Makes vectors of what has none.
    async fn embed(
        &self,
        claim: &SourceClaim,
        ai: &Meter,
        model: &str,
        total: u32,
    ) -> Result<(), Trouble> {
        loop {
            let without =
                self.reader.store.unembedded_chunks(&claim.hold, model, EMBED_BATCH).await?;
            if without.chunks.is_empty() {
                return Ok(());
            }
            let done = u64::from(total).saturating_sub(without.left) as u32;
            self.hold(claim, SourceState::Embedding { done, total }).await?;
            let texts: Vec<String> = without.chunks.iter().map(Chunk::meaning).collect();
            let business = claim.base.business_id;
            let vectors = ai.embed(business, model, &texts).await?;
            if vectors.len() != texts.len() || vectors.iter().any(Vec::is_empty) {
                return Err(AiError::Malformed("not one vector a text".to_owned()).into());
            }
            let ids = without.chunks.iter().map(|chunk| chunk.id);
            let rows: Vec<_> = ids.zip(vectors).collect();
            match self.reader.store.keep_vectors(&claim.hold, model, &rows).await {
                Err(StoreError::Invalid(_)) => {
                    let detail = "the model's vectors are too long";
                    return Err(Trouble::lasting("vector_size", detail));
                }
                other => other?,
            }
        }
    }

    /// Says how far it is, and goes on holding the source.
    async fn hold(&self, claim: &SourceClaim, state: SourceState) -> Result<(), Trouble> {
        let next = SourceNext::Held(self.later(LEASE));
        let report = SourceReport { state, next, now: self.reader.clock.now() };
        Ok(self.reader.store.record_source(&claim.hold, &report).await?)
    }

    /// What a source is made of: its format, its bytes, and the encoding that was named with them.
    async fn bytes(
        &self,
        source: &Source,
    ) -> Result<(SourceFormat, Vec<u8>, Option<String>), Trouble> {
        match &source.origin {
            SourceOrigin::Upload => {
                let format = source.format.unwrap_or(SourceFormat::Text);
                let body = self.reader.store.source_body(source.business_id, source.id).await;
                match body {
                    Err(StoreError::NotFound(_)) => {
                        Err(Trouble::lasting("no_body", "the bytes of the source are not there"))
                    }
                    other => Ok((format, other?, None)),
                }
            }
            SourceOrigin::Url { url } => self.fetch(url, source.format).await,
        }
    }

    async fn fetch(
        &self,
        url: &str,
        format: Option<SourceFormat>,
    ) -> Result<(SourceFormat, Vec<u8>, Option<String>), Trouble> {
        let no_fetcher = || Trouble::lasting("no_fetcher", "this server asks no addresses");
        let fetcher = self.reader.fetcher.as_ref().ok_or_else(no_fetcher)?;
        let request = FetchRequest {
            method: FetchMethod::Get,
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            timeout_ms: FETCH_TIMEOUT_MS,
        };
        let reply = fetcher.fetch(&request).await?;
        match reply.status {
            200..=299 => {}
            status @ (408 | 425 | 429 | 500..=599) => {
                let (code, detail) = (format!("http_{status}"), format!("it answered {status}"));
                return Err(Trouble::Passing { code, detail });
            }
            status => {
                return Err(Trouble::lasting(
                    &format!("http_{status}"),
                    format!("it answered {status}"),
                ));
            }
        }
        if reply.body.len() > SOURCE_BYTES_MAX {
            return Err(ExtractError::TooLarge.into());
        }
        let mut headers = reply.headers.iter();
        let said = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let said = said.map_or("", |(_, value)| value.as_str());
        let unknown = || {
            Trouble::lasting("media_type", "the address gives a kind of file that cannot be read")
        };
        let format = format.or_else(|| format_of(said)).ok_or_else(unknown)?;
        Ok((format, reply.body, charset_of(said).map(str::to_owned)))
    }
}
