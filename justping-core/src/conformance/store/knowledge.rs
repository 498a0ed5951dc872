//! Knowledge bases: who reads a source, what is kept of it, and what is found.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::conformance::fixture::{
    LEASE_S, World, assert_conflict, assert_invalid, assert_not_found, assert_stale, at, next_one,
    nonsense,
};
use crate::conformance::store::search::HOSTILE;
use crate::memory::MemoryStore;
use crate::model::{
    Business, BusinessId, CODE_CANDIDATES, Chunk, ChunkId, KnowledgeBase, KnowledgeBaseId,
    PageRequest, Source, SourceFormat, SourceId, SourceOrigin, SourceState, VECTOR_LEN_MAX, Words,
    WorkerId,
};
use crate::port::Store;
use crate::port::store::{
    BusinessStore, ClaimOptions, KNOWLEDGE_HITS_MAX, KnowledgeFound, KnowledgeHit, KnowledgeQuery,
    Meaning, SourceClaim, SourceHold, SourceNext, SourceReport,
};

const MODEL: &str = "small";

impl World<'_> {
    fn new_base(&self) -> KnowledgeBase {
        KnowledgeBase {
            id: KnowledgeBaseId::from_uuid(self.uuid()),
            business_id: self.business,
            name: "Help ✓".to_owned(),
            description: "What customers ask".to_owned(),
            embedding_model: Some(MODEL.to_owned()),
            revision: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    async fn base(&self) -> KnowledgeBase {
        let base = self.new_base();
        self.store.create_knowledge_base(&base).await.unwrap();
        base
    }

    fn new_source(&self, base: &KnowledgeBase) -> Source {
        Source {
            id: SourceId::from_uuid(self.uuid()),
            business_id: self.business,
            base_id: base.id,
            title: "Returns".to_owned(),
            origin: SourceOrigin::Upload,
            format: Some(SourceFormat::Text),
            refresh_minutes: None,
            state: SourceState::Pending,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    async fn source(&self, base: &KnowledgeBase) -> Source {
        let source = self.new_source(base);
        self.store.create_source(&source, Some(b"text")).await.unwrap();
        source
    }

    async fn claims(&self, seconds: i64, limit: u32) -> Vec<SourceClaim> {
        let options = ClaimOptions {
            worker: WorkerId::from_uuid(self.uuid()),
            now: at(seconds),
            lease_until: at(seconds + LEASE_S),
            limit,
        };
        self.store.claim_sources(&options).await.unwrap()
    }

    /// A new source of a base, in the hands of a worker.
    async fn held(&self, base: &KnowledgeBase) -> SourceHold {
        let source = self.source(base).await;
        let claims = self.claims(1, 100).await;
        claims.iter().find(|claim| claim.source.id == source.id).expect("it is due").hold
    }

    async fn keep(&self, hold: &SourceHold, chunks: &[Chunk]) {
        self.store.keep_chunks(hold, chunks).await.unwrap();
    }

    async fn let_go(&self, hold: &SourceHold, next: SourceNext) {
        let state = SourceState::Ready { chunks: 3 };
        let report = SourceReport { state, next, now: at(5) };
        self.store.record_source(hold, &report).await.unwrap();
    }

    async fn ask(&self, base: KnowledgeBaseId, question: &str) -> Vec<KnowledgeHit> {
        let query = asked(question, None);
        self.store.search_knowledge(self.business, base, &query).await.unwrap().by_words
    }

    async fn mean(&self, base: KnowledgeBaseId, vector: &[f32]) -> Vec<KnowledgeHit> {
        let query = asked("", Some(vector));
        self.store.search_knowledge(self.business, base, &query).await.unwrap().by_meaning
    }
}

fn asked(question: &str, vector: Option<&[f32]>) -> KnowledgeQuery {
    let mut words = Words::default();
    words.add(question);
    let meaning = vector.map(|vector| Meaning { model: MODEL.to_owned(), vector: vector.to_vec() });
    KnowledgeQuery { words, meaning, limit: 50 }
}

fn chunk(ordinal: u32, text: &str) -> Chunk {
    let id = text.bytes().fold(7u128, |id, byte| id.wrapping_mul(1_000_003) ^ u128::from(byte));
    Chunk {
        id: ChunkId::from_uuid(Uuid::from_u128(id)),
        ordinal,
        section: "Shop › Returns".to_owned(),
        page: Some(ordinal + 1),
        text: text.to_owned(),
    }
}

fn texts(hits: &[KnowledgeHit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.chunk.text.as_str()).collect()
}

/// A base is read, listed and changed as it was written.
pub async fn knowledge_base_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.new_base();
    assert_not_found(store.knowledge_base(world.business, base.id).await);
    store.create_knowledge_base(&base).await.unwrap();
    assert_conflict(store.create_knowledge_base(&base).await);
    assert_eq!(store.knowledge_base(world.business, base.id).await, Ok(base.clone()));
    let other = world.base().await;
    let first = store.knowledge_bases(world.business, &PageRequest::first(1)).await.unwrap();
    assert_eq!(first.items, [base]);
    let second = store.knowledge_bases(world.business, &next_one(&first)).await.unwrap();
    assert_eq!((second.items, second.next), (vec![other.clone()], None));
    assert_invalid(store.knowledge_bases(world.business, &nonsense()).await);
    let business_id = BusinessId::from_uuid(world.uuid());
    assert_not_found(
        store.create_knowledge_base(&KnowledgeBase { business_id, ..world.new_base() }).await,
    );
    assert_not_found(store.update_knowledge_base(&world.new_base()).await);
}

/// Of two changes of one revision one goes through.
pub async fn knowledge_base_update_checks_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let changed = KnowledgeBase { name: "New".to_owned(), created_at: at(9), ..base.clone() };
    let updated = store.update_knowledge_base(&changed).await.unwrap();
    assert_eq!(updated, KnowledgeBase { revision: 2, created_at: at(0), ..changed.clone() });
    assert_stale(store.update_knowledge_base(&changed).await);
    assert_eq!(store.knowledge_base(world.business, base.id).await, Ok(updated));
}

/// With another embedding model every source of the base is read again, and no other.
pub async fn knowledge_base_of_another_model_is_read_again(store: &dyn Store) {
    let world = World::new(store).await;
    let (base, other) = (world.base().await, world.base().await);
    let (ours, theirs) = (world.held(&base).await, world.held(&other).await);
    world.let_go(&ours, SourceNext::Done(None)).await;
    world.let_go(&theirs, SourceNext::Done(None)).await;
    let renamed = KnowledgeBase { name: "New".to_owned(), updated_at: at(8), ..base };
    let renamed = store.update_knowledge_base(&renamed).await.unwrap();
    assert_eq!(world.claims(9, 9).await, []);
    let changed = KnowledgeBase { embedding_model: Some("large".to_owned()), ..renamed };
    let changed = store.update_knowledge_base(&changed).await.unwrap();
    let source = store.source(world.business, ours.source_id).await.unwrap();
    assert_eq!((source.state, source.updated_at), (SourceState::Pending, at(8)));
    let claims = world.claims(9, 9).await;
    assert_eq!(claims.len(), 1);
    assert_eq!((claims[0].source.id, &claims[0].base), (ours.source_id, &changed));
    assert_stale(store.keep_chunks(&ours, &[]).await);
}

/// A base goes once it has no sources.
pub async fn knowledge_base_delete_refuses_while_used(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let source = world.source(&base).await;
    assert_conflict(store.delete_knowledge_base(world.business, base.id).await);
    store.delete_source(world.business, source.id).await.unwrap();
    store.delete_knowledge_base(world.business, base.id).await.unwrap();
    assert_not_found(store.knowledge_base(world.business, base.id).await);
    assert_not_found(store.delete_knowledge_base(world.business, base.id).await);
    let query = asked("x", None);
    assert_not_found(store.search_knowledge(world.business, base.id, &query).await);
}

/// A source is read as it was created, its bytes too.
pub async fn source_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let source = world.new_source(&base);
    assert_invalid(store.create_source(&source, None).await);
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    store.create_source(&source, Some(&bytes)).await.unwrap();
    assert_conflict(store.create_source(&source, Some(&bytes)).await);
    assert_eq!(store.source(world.business, source.id).await, Ok(source.clone()));
    assert_eq!(store.source_body(world.business, source.id).await, Ok(bytes));
    let url = "https://example.org/faq".to_owned();
    let origin = SourceOrigin::Url { url };
    let web = Source { origin, refresh_minutes: Some(60), ..world.new_source(&base) };
    assert_invalid(store.create_source(&web, Some(b"x")).await);
    store.create_source(&web, None).await.unwrap();
    assert_eq!(store.source(world.business, web.id).await, Ok(web.clone()));
    assert_not_found(store.source_body(world.business, web.id).await);
    let nowhere = Source { base_id: world.new_base().id, ..world.new_source(&base) };
    assert_not_found(store.create_source(&nowhere, Some(b"x")).await);
    assert_not_found(store.source(world.business, nowhere.id).await);
}

/// The sources of a base are listed by id, a page at a time, without those of others.
pub async fn sources_are_listed_by_id(store: &dyn Store) {
    let world = World::new(store).await;
    let (base, other) = (world.base().await, world.base().await);
    let one = world.source(&base).await;
    world.source(&other).await;
    let two = world.source(&base).await;
    let first = store.sources(world.business, base.id, &PageRequest::first(1)).await.unwrap();
    assert_eq!(first.items, [one]);
    let second = store.sources(world.business, base.id, &next_one(&first)).await.unwrap();
    assert_eq!((second.items, second.next), (vec![two], None));
    assert_invalid(store.sources(world.business, base.id, &nonsense()).await);
    let missing = world.new_base().id;
    assert_not_found(store.sources(world.business, missing, &PageRequest::default()).await);
}

/// A source is in one worker's hands until its lease runs out.
pub async fn source_claim_is_exclusive(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let source = world.source(&base).await;
    let claims = world.claims(1, 9).await;
    assert_eq!(claims.len(), 1);
    let claim = &claims[0];
    assert_eq!((claim.source.id, &claim.base, claim.attempts), (source.id, &base, 1));
    assert_eq!((&claim.source.state, claim.source.updated_at), (&SourceState::Reading, at(1)));
    assert_eq!(store.source(world.business, source.id).await, Ok(claim.source.clone()));
    assert_eq!(world.claims(LEASE_S, 9).await, []);
    store.keep_chunks(&claim.hold, &[chunk(0, "still mine")]).await.unwrap();
    let next = world.claims(1 + LEASE_S, 9).await.remove(0);
    assert_eq!(next.attempts, 2);
    assert!(next.hold.fence > claim.hold.fence);
    assert_stale(store.keep_chunks(&claim.hold, &[]).await);
}

/// Those that wait longest are taken first, of all businesses.
pub async fn source_claim_takes_the_longest_due_first(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let (ours, theirs) = (world.base().await, rival.base().await);
    let late = Source { updated_at: at(3), ..world.new_source(&ours) };
    let early = Source { updated_at: at(2), ..rival.new_source(&theirs) };
    let later = Source { updated_at: at(20), ..world.new_source(&ours) };
    for source in [&late, &early, &later] {
        store.create_source(source, Some(b"x")).await.unwrap();
    }
    let taken = |claims: Vec<SourceClaim>| -> Vec<SourceId> {
        claims.iter().map(|claim| claim.source.id).collect()
    };
    assert_eq!(taken(world.claims(9, 1).await), [early.id]);
    assert_eq!(taken(world.claims(9, 9).await), [late.id]);
    assert_eq!(taken(world.claims(20, 9).await), [later.id]);
}

/// No move of an old fence, or of a source that is gone, changes anything.
pub async fn source_moves_need_the_fence(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    world.keep(&hold, &[chunk(0, "apples")]).await;
    let gone = SourceHold { source_id: SourceId::from_uuid(world.uuid()), ..hold };
    let report =
        SourceReport { state: SourceState::Pending, next: SourceNext::Done(None), now: at(9) };
    for old in [SourceHold { fence: hold.fence + 1, ..hold }, gone] {
        assert_stale(store.keep_chunks(&old, &[chunk(0, "pears")]).await);
        assert_stale(store.drop_chunks(&old, 9).await);
        assert_stale(store.unembedded_chunks(&old, MODEL, 9).await);
        let vectors = [(chunk(0, "apples").id, vec![1.0])];
        assert_stale(store.keep_vectors(&old, MODEL, &vectors).await);
        assert_stale(store.record_source(&old, &report).await);
    }
    assert_eq!(world.ask(base.id, "pears").await, []);
    assert_eq!(store.unembedded_chunks(&hold, MODEL, 9).await.unwrap().left, 1);
    let source = store.source(world.business, hold.source_id).await.unwrap();
    assert_eq!(source.state, SourceState::Reading);
}

/// Whoever reads a source when it is to be read anew loses it, and it is due at once.
pub async fn source_read_again_overtakes(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let source = store.read_source_again(world.business, hold.source_id, at(3)).await.unwrap();
    assert_eq!((&source.state, source.updated_at), (&SourceState::Pending, at(3)));
    assert_eq!(store.source(world.business, source.id).await, Ok(source.clone()));
    assert_stale(store.keep_chunks(&hold, &[]).await);
    let claim = world.claims(3, 9).await.remove(0);
    assert_eq!((claim.source.id, claim.attempts), (source.id, 1));
    let missing = SourceId::from_uuid(world.uuid());
    assert_not_found(store.read_source_again(world.business, missing, at(3)).await);
}

/// A report says how far a source is and who may take it next.
pub async fn source_reports_are_taken_down(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let state = SourceState::Embedding { done: 3, total: 9 };
    let next = SourceNext::Held(at(100));
    store
        .record_source(&hold, &SourceReport { state: state.clone(), next, now: at(4) })
        .await
        .unwrap();
    let source = store.source(world.business, hold.source_id).await.unwrap();
    assert_eq!((source.state, source.updated_at), (state, at(4)));
    assert_eq!(world.claims(99, 9).await, []);
    world.let_go(&hold, SourceNext::Again(at(50))).await;
    assert_eq!(world.claims(49, 9).await, []);
    let again = world.claims(50, 9).await.remove(0);
    assert_eq!(again.attempts, 2);
    world.let_go(&again.hold, SourceNext::Done(Some(at(500)))).await;
    assert_eq!(world.claims(499, 9).await, []);
    let later = world.claims(500, 9).await.remove(0);
    assert_eq!(later.attempts, 1);
    world.let_go(&later.hold, SourceNext::Done(None)).await;
    assert_eq!(world.claims(9_999, 9).await, []);
    let source = store.source(world.business, hold.source_id).await.unwrap();
    assert_eq!(source.state, SourceState::Ready { chunks: 3 });
}

/// Chunks with any word of a question are found, those that answer more of it first.
pub async fn chunks_are_found_by_words(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let chunks = [
        chunk(0, "You may send the parcel back within 30 days."),
        chunk(1, "The refund of a parcel takes five days."),
        chunk(2, "Straße 7 is where the parcel shop is."),
        chunk(3, "東京にも店があります"),
    ];
    world.keep(&hold, &chunks).await;
    let found = world.ask(base.id, "How long does the refund of my parcel take?").await;
    assert_eq!(found[0].chunk, chunks[1]);
    assert_eq!(found[0].source_id, hold.source_id);
    assert!(found[0].score > found[1].score && found[0].score < 1.0, "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(texts(&world.ask(base.id, "STRASSE").await), [chunks[2].text.as_str()]);
    assert_eq!(texts(&world.ask(base.id, "東京").await), [chunks[3].text.as_str()]);
    let all = world.ask(base.id, "returns").await;
    assert_eq!(all.iter().map(|hit| hit.chunk.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(all.iter().all(|hit| hit.score == 1.0), "the heading is said by all: {all:?}");
    assert_eq!(world.ask(base.id, "zebra").await, []);
    let one = KnowledgeQuery { limit: 0, ..asked("parcel", None) };
    let one = store.search_knowledge(world.business, base.id, &one).await.unwrap();
    assert_eq!(one.by_words.len(), 1, "a limit has bounds");
}

/// A question is words, whatever characters it has.
pub async fn knowledge_takes_any_question_for_words(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let hostile: Vec<Chunk> =
        HOSTILE.iter().zip(0..).map(|(text, at)| chunk(at, &format!("{text} ann {at}"))).collect();
    world.keep(&hold, &hostile).await;
    for question in HOSTILE {
        let found = world.ask(base.id, question).await;
        let named = question.contains("ann");
        assert_eq!(found.len() == hostile.len(), named, "{question:?}: {}", found.len());
    }
}

/// What is kept again keeps its vector; what is new has none.
pub async fn chunks_kept_again_keep_their_vector(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let (old, same) = (chunk(0, "old words"), chunk(1, "same words"));
    world.keep(&hold, &[old.clone(), same.clone()]).await;
    world.keep(&hold, &[old.clone(), same.clone()]).await;
    let without = store.unembedded_chunks(&hold, MODEL, 1).await.unwrap();
    assert_eq!((without.chunks, without.left), (vec![old.clone()], 2));
    let vectors = [(old.id, vec![1.0, 0.0]), (same.id, vec![0.0, 1.0])];
    store.keep_vectors(&hold, MODEL, &vectors).await.unwrap();
    assert_eq!(store.unembedded_chunks(&hold, MODEL, 9).await.unwrap().left, 0);
    assert_eq!(store.unembedded_chunks(&hold, "large", 9).await.unwrap().left, 2);
    world.let_go(&hold, SourceNext::Done(Some(at(6)))).await;

    let again = world.claims(6, 9).await.remove(0).hold;
    let (moved, new) = (Chunk { ordinal: 0, ..same.clone() }, chunk(1, "new words"));
    world.keep(&again, &[moved.clone(), new.clone()]).await;
    let without = store.unembedded_chunks(&again, MODEL, 9).await.unwrap();
    assert_eq!((without.chunks, without.left), (vec![new], 1));
    assert_eq!(world.ask(base.id, "words").await.len(), 3, "old and new are found meanwhile");
    assert_eq!(store.drop_chunks(&again, 9).await, Ok(1));
    assert_eq!(store.drop_chunks(&again, 9).await, Ok(0));
    assert_eq!(world.ask(base.id, "old").await, []);
    let found = world.mean(base.id, &[0.0, 1.0]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].chunk, found[0].score), (&moved, 1.0));
}

/// Chunks are dropped as many at a time as one wishes, and count no longer.
pub async fn chunks_are_dropped_in_steps(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let chunks: Vec<Chunk> = (0..7).map(|n| chunk(n, &format!("common n{n}"))).collect();
    world.keep(&hold, &chunks).await;
    world.let_go(&hold, SourceNext::Done(Some(at(6)))).await;
    let again = world.claims(6, 9).await.remove(0).hold;
    let scores = |hits: Vec<KnowledgeHit>| hits.iter().map(|hit| hit.score).collect::<Vec<_>>();
    world.keep(&again, &chunks[..2]).await;
    for left in [3, 3, 0] {
        let dropped = store.drop_chunks(&again, 3).await.unwrap();
        assert!(dropped <= 3 && (left > 0) == (dropped > 0), "{dropped}");
    }
    assert_eq!(texts(&world.ask(base.id, "common").await), ["common n0", "common n1"]);
    let fresh = world.base().await;
    let hold = world.held(&fresh).await;
    world.keep(&hold, &chunks[..2]).await;
    let question = "common n1 zebra";
    assert_eq!(
        scores(world.ask(base.id, question).await),
        scores(world.ask(fresh.id, question).await),
        "what went weighs nothing"
    );
}

/// Chunks are found by what they mean, the most alike first, and the first kept among equals.
pub async fn chunks_are_found_by_meaning(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let chunks: Vec<Chunk> = (0..4).map(|n| chunk(n, &format!("c{n}"))).collect();
    world.keep(&hold, &chunks).await;
    assert_eq!(world.mean(base.id, &[1.0, 0.0]).await, []);
    let vectors = [
        (chunks[2].id, vec![1.0, 0.1]),
        (chunks[0].id, vec![-1.0, 0.0]),
        (chunks[3].id, vec![0.5, 0.5]),
        (ChunkId::from_uuid(world.uuid()), vec![1.0, 0.0]),
    ];
    store.keep_vectors(&hold, MODEL, &vectors).await.unwrap();
    assert_eq!(texts(&world.mean(base.id, &[1.0, 0.0]).await), ["c2", "c3", "c0"]);
    store.keep_vectors(&hold, MODEL, &[(chunks[1].id, vec![1.0, 0.1])]).await.unwrap();
    let found = world.mean(base.id, &[2.0, 0.0]).await;
    assert_eq!(texts(&found), ["c2", "c1", "c3", "c0"]);
    assert!(found[0].score > 0.99 && found[3].score == -1.0, "{found:?}");
    let both = asked("c3", Some(&[1.0, 0.0]));
    let both = store.search_knowledge(world.business, base.id, &both).await.unwrap();
    assert_eq!((texts(&both.by_words), both.by_meaning.len()), (vec!["c3"], 4));
}

/// A vector meets those of its own model and length only, and one of another model takes its place.
pub async fn vectors_are_of_one_model(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let hold = world.held(&base).await;
    let (a, b) = (chunk(0, "a"), chunk(1, "b"));
    world.keep(&hold, &[a.clone(), b.clone()]).await;
    let vectors = [(a.id, vec![1.0, 0.0]), (b.id, vec![0.0, 1.0])];
    store.keep_vectors(&hold, MODEL, &vectors).await.unwrap();
    let large = |vector: &[f32]| Meaning { model: "large".to_owned(), vector: vector.to_vec() };
    let query = KnowledgeQuery { meaning: Some(large(&[1.0, 0.0])), ..asked("", None) };
    let found = store.search_knowledge(world.business, base.id, &query).await.unwrap();
    assert_eq!(found, KnowledgeFound::default());
    let hits = world.mean(base.id, &[1.0, 0.0, 0.0]).await;
    assert!(hits.iter().all(|hit| hit.score == 0.0), "of another length: {hits:?}");
    store.keep_vectors(&hold, "large", &[(a.id, vec![1.0, 0.0])]).await.unwrap();
    let found = store.search_knowledge(world.business, base.id, &query).await.unwrap();
    assert_eq!(texts(&found.by_meaning), ["a"]);
    assert_eq!(texts(&world.mean(base.id, &[1.0, 0.0]).await), ["b"]);
    for bad in [vec![], vec![0.5; VECTOR_LEN_MAX + 1]] {
        assert_invalid(store.keep_vectors(&hold, MODEL, &[(a.id, bad)]).await);
    }
    store.keep_vectors(&hold, MODEL, &[(b.id, vec![0.5; VECTOR_LEN_MAX])]).await.unwrap();
}

/// With a source everything goes that was found of it.
pub async fn source_delete_takes_what_was_found(store: &dyn Store) {
    let world = World::new(store).await;
    let base = world.base().await;
    let (one, two) = (world.held(&base).await, world.held(&base).await);
    let shared = chunk(0, "shared words");
    for hold in [&one, &two] {
        world.keep(hold, std::slice::from_ref(&shared)).await;
        store.keep_vectors(hold, MODEL, &[(shared.id, vec![1.0, 0.0])]).await.unwrap();
    }
    assert_eq!(world.ask(base.id, "shared").await.len(), 2);
    assert_eq!(world.mean(base.id, &[1.0, 0.0]).await.len(), 2);
    store.delete_source(world.business, one.source_id).await.unwrap();
    assert_not_found(store.source(world.business, one.source_id).await);
    assert_not_found(store.source_body(world.business, one.source_id).await);
    assert_not_found(store.delete_source(world.business, one.source_id).await);
    assert_stale(store.keep_chunks(&one, &[]).await);
    for left in [world.ask(base.id, "shared").await, world.mean(base.id, &[1.0, 0.0]).await] {
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].source_id, two.source_id);
    }
    assert_eq!(world.claims(9_999, 9).await.len(), 1);
}

/// What another business knows is neither read, searched, changed nor removed.
pub async fn foreign_knowledge_is_hidden(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    let base = ours.base().await;
    let hold = ours.held(&base).await;
    let secret = chunk(0, "secret recipe");
    ours.keep(&hold, std::slice::from_ref(&secret)).await;
    store.keep_vectors(&hold, MODEL, &[(secret.id, vec![1.0, 0.0])]).await.unwrap();
    let (thief, source) = (theirs.business, hold.source_id);
    assert_not_found(store.knowledge_base(thief, base.id).await);
    let stolen = KnowledgeBase { business_id: thief, ..base.clone() };
    assert_not_found(store.update_knowledge_base(&stolen).await);
    assert_not_found(store.delete_knowledge_base(thief, base.id).await);
    assert_eq!(store.knowledge_bases(thief, &PageRequest::default()).await.unwrap().items, []);
    assert_not_found(store.source(thief, source).await);
    assert_not_found(store.source_body(thief, source).await);
    assert_not_found(store.sources(thief, base.id, &PageRequest::default()).await);
    assert_not_found(store.read_source_again(thief, source, at(9)).await);
    assert_not_found(store.delete_source(thief, source).await);
    let planted = Source { business_id: thief, ..theirs.new_source(&base) };
    assert_not_found(store.create_source(&planted, Some(b"x")).await);
    let query = asked("secret", Some(&[1.0, 0.0]));
    assert_not_found(store.search_knowledge(thief, base.id, &query).await);
    let foreign = SourceHold { business_id: thief, ..hold };
    assert_stale(store.keep_chunks(&foreign, std::slice::from_ref(&secret)).await);
    assert_stale(store.drop_chunks(&foreign, 9).await);
    let own = theirs.base().await;
    let found = store.search_knowledge(thief, own.id, &query).await.unwrap();
    assert_eq!(found, KnowledgeFound::default());
    let found = store.search_knowledge(ours.business, base.id, &query).await.unwrap();
    assert_eq!((found.by_words.len(), found.by_meaning.len()), (1, 1));
}

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..64).map(|_| self.below(2_001) as f32 / 1_000.0 - 1.0).collect()
    }

    fn text(&mut self) -> String {
        let words = 3 + self.below(9);
        (0..words).map(|_| format!("w{} ", self.below(40) * self.below(40) / 40)).collect()
    }
}

/// Among many chunks, more than are compared one by one, what is found is what the store in memory
/// finds, to the last place and score, while sources come, change and go.
pub async fn knowledge_agrees_with_the_store_in_memory(store: &dyn Store) {
    let world = World::new(store).await;
    let model = MemoryStore::new();
    let business = Business { id: world.business, name: "Acme".to_owned(), created_at: at(0) };
    BusinessStore::create_business(&model, &business).await.unwrap();
    let stores: [&dyn Store; 2] = [store, &model];
    let base = world.new_base();
    let sources: Vec<Source> = (0..4).map(|_| world.new_source(&base)).collect();
    for store in stores {
        store.create_knowledge_base(&base).await.unwrap();
        for source in &sources {
            store.create_source(source, Some(b"x")).await.unwrap();
        }
    }
    let mut chance = Chance(88_172_645_463_325_252);
    for round in 1..=3 {
        let now = round * 100;
        for source in &sources {
            let len = 60 + chance.below(80);
            let all: BTreeSet<String> = (0..len).map(|_| chance.text()).collect();
            let chunks: Vec<Chunk> = all.iter().zip(0..).map(|(t, at)| chunk(at, t)).collect();
            let vectors: Vec<(ChunkId, Vec<f32>)> =
                chunks.iter().map(|chunk| (chunk.id, chance.vector())).collect();
            for store in stores {
                let hold = claim_one(store, source.id, now).await;
                store.keep_chunks(&hold, &chunks).await.unwrap();
                while store.drop_chunks(&hold, 50).await.unwrap() > 0 {}
                store.keep_vectors(&hold, MODEL, &vectors).await.unwrap();
                let state = SourceState::Ready { chunks: chunks.len() as u32 };
                let next = SourceNext::Done(Some(at(now + 100)));
                let report = SourceReport { state, next, now: at(now) };
                store.record_source(&hold, &report).await.unwrap();
            }
        }
        let vectors = sources.len() * 60;
        assert!(round > 1 || vectors * 2 > CODE_CANDIDATES, "too few to leave any out");
        for _ in 0..20 {
            let query = KnowledgeQuery {
                limit: KNOWLEDGE_HITS_MAX,
                ..asked(&chance.text(), Some(&chance.vector()))
            };
            let [found, expected] =
                stores.map(|store| store.search_knowledge(world.business, base.id, &query));
            let (found, expected) = (found.await.unwrap(), expected.await.unwrap());
            assert!(!expected.by_words.is_empty() && expected.by_meaning.len() == 100);
            assert_eq!(found, expected);
        }
        for store in stores {
            let gone = sources[round as usize].id;
            store.delete_source(world.business, gone).await.unwrap();
            let again = Source { updated_at: at(now + 100), ..sources[round as usize].clone() };
            store.create_source(&again, Some(b"x")).await.unwrap();
        }
    }
}

async fn claim_one(store: &dyn Store, source: SourceId, now: i64) -> SourceHold {
    let options = ClaimOptions {
        worker: WorkerId::from_uuid(source.uuid()),
        now: at(now),
        lease_until: at(now + LEASE_S),
        limit: 1,
    };
    let claim = store.claim_sources(&options).await.unwrap().remove(0);
    assert_eq!(claim.source.id, source, "sources are due by id");
    claim.hold
}
