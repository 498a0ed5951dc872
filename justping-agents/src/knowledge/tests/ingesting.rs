//! Reading sources, whatever happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use justping_core::memory::{ManualClock, MemoryStore};
use justping_core::model::{
    Business, BusinessCaps, BusinessId, Cap, KnowledgeBase, KnowledgeBaseId, Source, SourceFormat,
    SourceId, SourceOrigin, SourceState, Timestamp, Words, WorkerId, day_of,
};
use justping_core::port::store::{
    BusinessStore, ClaimOptions, KnowledgeStore, UsageFilter, UsageStore,
};
use justping_core::port::{
    AiError, AiProvider, ChatReply, ChatRequest, Clock, Embedded, OnDelta, StoreError,
};
use uuid::Uuid;

use crate::ai::{Ledger, Meter};
use crate::fetch::{FetchError, FetchReply, FetchRequest, Fetcher};
use crate::knowledge::{ATTEMPTS_MAX, Ingest, Knowledge, Reader};

/// Embeds a text as the words it has: texts that share words are alike. It fails once its luck is out.
#[derive(Debug)]
struct WordAi {
    texts: AtomicUsize,
    luck: AtomicUsize,
}

impl WordAi {
    fn new() -> Arc<Self> {
        Arc::new(Self { texts: AtomicUsize::new(0), luck: AtomicUsize::new(usize::MAX) })
    }

    fn texts(&self) -> usize {
        self.texts.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl AiProvider for WordAi {
    async fn chat(&self, _: &ChatRequest, _: &mut OnDelta<'_>) -> Result<ChatReply, AiError> {
        Err(AiError::Unauthorized)
    }

    async fn embed(&self, _: &str, texts: &[String]) -> Result<Embedded, AiError> {
        let lucky = |luck: usize| luck.checked_sub(1);
        if self.luck.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lucky).is_err() {
            return Err(AiError::Unavailable { after: None, detail: "down".to_owned() });
        }
        self.texts.fetch_add(texts.len(), Ordering::SeqCst);
        let vectors = texts.iter().map(|text| vector(text)).collect();
        Ok(Embedded { vectors, input_tokens: 10 * texts.len() as u64 })
    }
}

fn vector(text: &str) -> Vec<f32> {
    let mut words = Words::default();
    words.add(text);
    let mut vector = vec![0.0; 4_096];
    for word in words.iter() {
        let at = word.bytes().fold(7usize, |at, byte| (at * 31 + usize::from(byte)) % 4_093);
        vector[at] += 1.0;
    }
    vector
}

/// Answers with what a test put there.
#[derive(Debug)]
struct Web(std::sync::Mutex<Result<FetchReply, FetchError>>);

impl Web {
    fn says(status: u16, kind: &str, body: &str) -> Result<FetchReply, FetchError> {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Ok(FetchReply { status, headers, body: body.as_bytes().to_vec() })
    }

    fn set(&self, reply: Result<FetchReply, FetchError>) {
        *self.0.lock().unwrap() = reply;
    }
}

#[async_trait]
impl Fetcher for Web {
    async fn fetch(&self, request: &FetchRequest) -> Result<FetchReply, FetchError> {
        assert_eq!(request.url, "https://shop.example/help");
        self.0.lock().unwrap().clone()
    }
}

struct Scene {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    ai: Arc<WordAi>,
    web: Arc<Web>,
    ingest: Ingest,
    knowledge: Knowledge,
    business: BusinessId,
    base: KnowledgeBaseId,
}

fn start() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().unwrap()
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::new(start()));
        let ai = WordAi::new();
        let web = Arc::new(Web(std::sync::Mutex::new(Err(FetchError::Timeout))));
        let business = BusinessId::from_uuid(Uuid::from_u128(1));
        let base = KnowledgeBase {
            id: KnowledgeBaseId::from_uuid(Uuid::from_u128(2)),
            business_id: business,
            name: "Help".to_owned(),
            description: String::new(),
            embedding_model: Some("words".to_owned()),
            revision: 1,
            created_at: start(),
            updated_at: start(),
        };
        let row = Business { id: business, name: "Acme".to_owned(), created_at: start() };
        store.create_business(&row).await.unwrap();
        store.create_knowledge_base(&base).await.unwrap();
        let ledger = Ledger::new(store.clone(), clock.clone());
        let embedder = Meter::new(ai.clone()).with_ledger(ledger);
        let reader = Reader {
            store: store.clone(),
            clock: clock.clone(),
            worker: WorkerId::from_uuid(Uuid::from_u128(3)),
            ai: Some(embedder.clone()),
            fetcher: Some(web.clone()),
        };
        let knowledge = Knowledge::new(store.clone()).with_ai(embedder);
        let base = base.id;
        Self { store, clock, ai, web, ingest: Ingest::new(reader), knowledge, business, base }
    }

    async fn add(&self, n: u128, text: Option<&str>) -> SourceId {
        let url = "https://shop.example/help".to_owned();
        let source = Source {
            id: SourceId::from_uuid(Uuid::from_u128(n)),
            business_id: self.business,
            base_id: self.base,
            title: format!("Source {n}"),
            origin: text.map_or(SourceOrigin::Url { url }, |_| SourceOrigin::Upload),
            format: text.map(|_| SourceFormat::Markdown),
            refresh_minutes: None,
            state: SourceState::Pending,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
        };
        self.store.create_source(&source, text.map(str::as_bytes)).await.unwrap();
        source.id
    }

    async fn state(&self, id: SourceId) -> SourceState {
        self.store.source(self.business, id).await.unwrap().state
    }

    async fn failure(&self, id: SourceId) -> String {
        match self.state(id).await {
            SourceState::Failed { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&self, question: &str) -> Vec<String> {
        let found = self.knowledge.search(self.business, self.base, question, 5).await.unwrap();
        let answers = found.into_iter().filter(|passage| passage.answers());
        answers.map(|passage| passage.text).collect()
    }
}

fn sections(count: usize) -> String {
    (0..count).map(|n| format!("# Topic {n}\n\nWord{n} is explained here.\n\n")).collect()
}

#[tokio::test]
async fn a_source_is_read_and_found_by_words_and_meaning() {
    let scene = Scene::new().await;
    let text =
        "# Returns\n\nYou can send parcels back within thirty days.\n\n# Hours\n\nWe open at nine.";
    let id = scene.add(10, Some(text)).await;
    assert_eq!(scene.ingest.settle().await, Ok(1));
    assert_eq!(scene.state(id).await, SourceState::Ready { chunks: 2 });
    let found = scene.knowledge.search(scene.business, scene.base, "when do you open?", 5).await;
    let found = found.unwrap();
    assert_eq!(found[0].text, "We open at nine.");
    assert_eq!((found[0].title.as_str(), found[0].section.as_str()), ("Source 10", "Hours"));
    assert!(found[0].share.is_some() && found[0].likeness.is_some(), "{found:?}");
    assert_eq!(scene.ask("zebra quantum").await, [""; 0]);
    assert_eq!(scene.ask("  ").await, [""; 0]);
    assert_eq!(scene.ingest.settle().await, Ok(0));
    let other = BusinessId::from_uuid(Uuid::from_u128(9));
    let foreign = scene.knowledge.search(other, scene.base, "open", 5).await;
    assert!(matches!(
        foreign,
        Err(crate::knowledge::KnowledgeError::Store(StoreError::NotFound(_)))
    ));
}

#[tokio::test]
async fn only_what_changed_is_embedded_again() {
    let scene = Scene::new().await;
    scene.web.set(Web::says(200, "text/markdown", &sections(100)));
    let id = scene.add(10, None).await;
    scene.ingest.settle().await.unwrap();
    assert_eq!(
        (scene.state(id).await, scene.ai.texts()),
        (SourceState::Ready { chunks: 100 }, 100)
    );
    scene.store.read_source_again(scene.business, id, scene.clock.now()).await.unwrap();
    scene.ingest.settle().await.unwrap();
    assert_eq!(scene.ai.texts(), 100, "nothing changed");
    let changed = sections(99).replace("Word7 is", "Word7 and zebras are");
    scene.web.set(Web::says(200, "text/markdown", &changed));
    scene.store.read_source_again(scene.business, id, scene.clock.now()).await.unwrap();
    scene.ingest.settle().await.unwrap();
    assert_eq!((scene.state(id).await, scene.ai.texts()), (SourceState::Ready { chunks: 99 }, 101));
    assert_eq!(scene.ask("zebras").await, ["Word7 and zebras are explained here."]);
    assert_eq!(scene.ask("word99").await, [""; 0], "what went is not found");
}

#[tokio::test]
async fn a_worker_that_dies_leaves_what_it_did() {
    let scene = Scene::new().await;
    let id = scene.add(10, Some(&sections(200))).await;
    scene.ai.luck.store(2, Ordering::SeqCst);
    scene.ingest.settle().await.unwrap();
    assert_eq!(scene.failure(id).await, "unavailable");
    assert_eq!(scene.ai.texts(), 128);
    assert_eq!(scene.ask("word150").await.len(), 1, "words are found meanwhile");
    // Another worker took it and died: nobody has it until its lease runs out.
    scene.clock.advance(SignedDuration::from_secs(30));
    let options = ClaimOptions {
        worker: WorkerId::from_uuid(Uuid::from_u128(4)),
        now: scene.clock.now(),
        lease_until: scene.clock.now() + SignedDuration::from_secs(60),
        limit: 1,
    };
    assert_eq!(scene.store.claim_sources(&options).await.unwrap().len(), 1);
    scene.ai.luck.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(scene.ingest.settle().await, Ok(0));
    scene.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(scene.ingest.settle().await, Ok(1));
    assert_eq!(scene.state(id).await, SourceState::Ready { chunks: 200 });
    assert_eq!(scene.ai.texts(), 200, "none was embedded twice");
}

#[tokio::test]
async fn trouble_that_passes_is_tried_again_and_not_for_ever() {
    let scene = Scene::new().await;
    let id = scene.add(10, None).await;
    for attempt in 1..=ATTEMPTS_MAX {
        assert_eq!(scene.ingest.settle().await, Ok(1), "{attempt}");
        assert_eq!(scene.failure(id).await, "timeout");
        scene.clock.advance(SignedDuration::from_hours(1));
    }
    assert_eq!(scene.ingest.settle().await, Ok(0));
    scene.web.set(Web::says(200, "text/html; charset=utf-8", "<h1>Help</h1><p>Ask us.</p>"));
    scene.store.read_source_again(scene.business, id, scene.clock.now()).await.unwrap();
    scene.ingest.settle().await.unwrap();
    assert_eq!(scene.state(id).await, SourceState::Ready { chunks: 1 });
}

#[tokio::test]
async fn trouble_that_lasts_says_what_it_is() {
    let scene = Scene::new().await;
    let refused = || FetchError::Refused { code: "private_address", detail: "no".to_owned() };
    for (n, reply, code) in [
        (10, Err(refused()), "private_address"),
        (11, Web::says(404, "text/html", "gone"), "http_404"),
        (12, Web::says(200, "image/png", "x"), "media_type"),
        (13, Web::says(200, "text/html", "<script></script>"), "empty"),
        (14, Web::says(200, "application/pdf", "no pdf"), "malformed"),
    ] {
        scene.web.set(reply);
        let id = scene.add(n, None).await;
        assert_eq!(scene.ingest.settle().await, Ok(1));
        assert_eq!(scene.failure(id).await, code);
        assert_eq!(scene.ingest.settle().await, Ok(0));
    }
}

#[tokio::test]
async fn a_page_is_read_again_when_it_is_time() {
    let scene = Scene::new().await;
    scene.web.set(Web::says(200, "text/plain", "Old prices."));
    let id = scene.add(10, None).await;
    let source = scene.store.source(scene.business, id).await.unwrap();
    scene.store.delete_source(scene.business, id).await.unwrap();
    let source = Source { refresh_minutes: Some(60), ..source };
    scene.store.create_source(&source, None).await.unwrap();
    scene.ingest.settle().await.unwrap();
    scene.web.set(Web::says(200, "text/plain", "New prices."));
    assert_eq!(scene.ingest.settle().await, Ok(0));
    assert_eq!(scene.ask("prices").await, ["Old prices."]);
    scene.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(scene.ingest.settle().await, Ok(1));
    assert_eq!(scene.ask("prices").await, ["New prices."]);
}

#[tokio::test]
async fn without_a_model_words_are_enough() {
    let scene = Scene::new().await;
    let reader = Reader {
        store: scene.store.clone(),
        clock: scene.clock.clone(),
        worker: WorkerId::from_uuid(Uuid::from_u128(5)),
        ai: None,
        fetcher: None,
    };
    let (id, web) = (scene.add(10, Some("We open at nine.")).await, scene.add(11, None).await);
    let plain = Ingest::new(reader);
    assert_eq!(plain.settle().await, Ok(2));
    assert_eq!(scene.state(id).await, SourceState::Ready { chunks: 1 });
    assert_eq!(scene.failure(web).await, "no_fetcher");
    let found = Knowledge::new(scene.store.clone());
    let found = found.search(scene.business, scene.base, "open at nine", 3).await.unwrap();
    assert!(found[0].answers() && found[0].likeness.is_none(), "{found:?}");
}

#[tokio::test]
async fn the_worker_runs_until_it_is_told_to_stop() {
    let scene = Scene::new().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ingest = scene.ingest.clone();
    let running = tokio::spawn(async move { ingest.run(async { drop(stopped.await) }).await });
    let id = scene.add(10, Some("We open at nine.")).await;
    scene.ingest.wake();
    while scene.state(id).await != (SourceState::Ready { chunks: 1 }) {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn vectors_are_accounted_for_and_keep_the_budget() {
    let scene = Scene::new().await;
    let read = scene.add(10, Some("We open at nine.")).await;
    assert_eq!(scene.ingest.settle().await, Ok(1));
    assert_eq!(scene.state(read).await, SourceState::Ready { chunks: 1 });
    assert_eq!(scene.ask("nine").await, ["We open at nine."]);
    let today = day_of(scene.clock.now());
    let filter = UsageFilter { from: today, to: today, agent_id: None };
    let days = scene.store.usage(scene.business, &filter).await.unwrap();
    let [day] = days.as_slice() else { panic!("one model on one day: {days:?}") };
    assert_eq!((day.model.as_str(), day.agent_id), ("words", None));
    assert_eq!((day.spend.calls, day.spend.input_tokens), (2, 20), "a source and a question");

    let nothing = Cap { tokens: Some(0), micros: None };
    let caps = BusinessCaps { day: nothing, ..BusinessCaps::default() };
    scene.store.set_business_caps(scene.business, &caps).await.unwrap();
    let before = scene.ai.texts();
    assert_eq!(scene.ask("nine").await, ["We open at nine."], "words cost nothing");
    let late = scene.add(11, Some("We close at six.")).await;
    for _ in 0..ATTEMPTS_MAX {
        scene.ingest.settle().await.unwrap();
        scene.clock.advance(SignedDuration::from_hours(1));
    }
    assert_eq!(scene.failure(late).await, "budget");
    assert_eq!(scene.ai.texts(), before, "no model was asked");
}
