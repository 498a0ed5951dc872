//! F15: one business has far more to send than there are places for, and the customers of another
//! one are answered as ever.

use std::sync::Arc;
use std::time::Duration;

use justping::memory::SeededEntropy;
use justping::model::{
    Author, Business, BusinessId, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, ContactId,
    Content, Conversation, ConversationId, Direction, Identity, InboundMessage, Lane, MessageId,
    Owner, UnknownPolicy,
};
use justping::port::store::{Accept, Accepted, Post};
use justping::port::{Clock, IdSource, Store};
use justping::store::postgres::PostgresStore;
use justping::system::SystemClock;
use justping_store::testing::Database;
use serde_json::json;
use tokio::time::timeout;

use super::scene::{Cast, Scene};
use super::{PATIENCE, database, seed, size};
use crate::graph::Graph;
use crate::provider::{APP_SECRET, phone};

/// The numbers of the business that floods: each of them has a bound of its own.
const FLOOD_PHONE_IDS: [&str; 2] = ["106540352242924", "106540352242925"];
/// The contacts of the flood are counted from here: nobody else's.
const LOUD_FROM: usize = 600_000;
/// Rows of one move while the queue is filled.
const BATCH: usize = 500;
/// The provider is slow, so that the flood takes all places it can get.
const LATENCY: Duration = Duration::from_millis(250);
/// Sends of it that are made before anybody else writes: by then it has the places it can get.
const HEAD_START: usize = 200;
/// Sends of the flood that may begin between a customer's message and its answer. They come at a
/// few hundred a second; who waited in line would wait for thousands.
const MEANWHILE_MAX: usize = 600;

/// The business that floods, which writes to the store itself: nobody may send that much by hand.
struct Neighbour {
    store: Arc<dyn Store>,
    ids: IdSource,
    business: BusinessId,
    channels: Vec<ChannelId>,
}

impl Neighbour {
    async fn open(database: &Database, graph: &Graph, seed: u64) -> Self {
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(database.config()).await.unwrap());
        let ids = IdSource::new(Arc::new(SystemClock::new()), Arc::new(SeededEntropy::new(seed)));
        let business = BusinessId::from_uuid(ids.uuid());
        let created_at = SystemClock::new().now();
        let row = Business { id: business, name: "Loud".to_owned(), created_at };
        store.create_business(&row).await.unwrap();
        let mut neighbour = Self { store, ids, business, channels: Vec::new() };
        for phone_id in FLOOD_PHONE_IDS {
            neighbour.add_channel(graph, phone_id).await;
        }
        neighbour
    }

    async fn add_channel(&mut self, graph: &Graph, phone_id: &str) {
        let (id, now) = (ChannelId::from_uuid(self.ids.uuid()), SystemClock::new().now());
        let row = ChannelConfig {
            id,
            business_id: self.business,
            provider: "whatsapp".to_owned(),
            name: "Line".to_owned(),
            settings: json!({
                "phone_number_id": phone_id,
                "base_url": graph.base,
                "messages_per_second": 1_000,
            }),
            agent_id: None,
            enabled: true,
            unknown_policy: UnknownPolicy::AtMostOnce,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        let mut secrets = ChannelSecrets::new();
        for (name, text) in
            [("access_token", "t"), ("app_secret", APP_SECRET), ("verify_token", "v")]
        {
            secrets.insert(name, text);
        }
        self.store.create_channel(&row, &secrets).await.unwrap();
        self.channels.push(id);
    }

    /// Has contacts, each with one message of a campaign that is due.
    async fn flood(&self, count: usize) {
        for first in (0..count).step_by(BATCH) {
            let accepts = (first..count.min(first + BATCH)).map(|contact| self.hello(contact));
            let accepted = self.store.accept(accepts.collect()).await.unwrap();
            let posts = accepted.iter().map(|accepted| match accepted {
                Accepted::New { conversation, .. } => self.news(conversation),
                Accepted::Duplicate { .. } => panic!("each is new"),
            });
            for posted in self.store.post(posts.collect()).await.unwrap() {
                posted.unwrap();
            }
        }
    }

    fn hello(&self, contact: usize) -> Accept {
        let from = phone(LOUD_FROM + contact);
        Accept {
            business_id: self.business,
            channel_id: self.channels[contact % self.channels.len()],
            message: InboundMessage {
                provider_ref: format!("wamid.LOUD{contact}"),
                from: vec![Identity::new(ChannelKind::WHATSAPP, from)],
                name: None,
                content: Content::text("hi"),
                reply_to: None,
                sent_at: None,
            },
            owner: Owner::Queue,
            message_id: MessageId::from_uuid(self.ids.uuid()),
            contact_id: ContactId::from_uuid(self.ids.uuid()),
            conversation_id: ConversationId::from_uuid(self.ids.uuid()),
            now: SystemClock::new().now(),
        }
    }

    fn news(&self, conversation: &Conversation) -> Post {
        Post {
            business_id: self.business,
            conversation_id: conversation.id,
            message_id: MessageId::from_uuid(self.ids.uuid()),
            direction: Direction::Outbound,
            author: Author::System,
            content: Content::text("news"),
            lane: Lane::Bulk,
            reply_to: None,
            provider_ref: None,
            once: None,
            owner: None,
            now: SystemClock::new().now(),
        }
    }
}

/// How many messages of the flood were sent.
fn flooded(graph: &Graph) -> usize {
    let effects = graph.effects();
    effects.iter().filter(|sent| FLOOD_PHONE_IDS.contains(&sent.from.as_str())).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_floods_is_not_noticed() {
    let (flood, customers) = (size(2_500, 20_000), size(8, 100));
    let seed = seed(0xf15);
    let database = database().await;
    let mut scene = Scene::open(Cast { workers: 0, ..Cast::usual(database.url(), 0, seed) }).await;
    scene.graph.answers_after(LATENCY);
    let neighbour = Neighbour::open(&database, &scene.graph, seed).await;
    neighbour.flood(flood).await;
    scene.add_workers(1).await;
    timeout(PATIENCE, scene.graph.asked(HEAD_START)).await.expect("the flood begins");
    let mut held = scene.graph.under_way();

    let (mut most, mut slowest) = (0, Duration::ZERO);
    for _ in 0..customers {
        let before = flooded(&scene.graph);
        slowest = slowest.max(scene.probe().await);
        most = most.max(flooded(&scene.graph) - before);
        held = held.min(scene.graph.under_way());
    }
    let sent = flooded(&scene.graph);
    println!("at most {most} of the flood before an answer, the slowest of which took {slowest:?}");
    println!("{sent} of {flood} sent meanwhile, at least {held} under way");
    assert!(sent > 0 && sent < flood, "the flood was not under way all the time: {sent}");
    assert!(most <= MEANWHILE_MAX, "{most} of the flood before an answer");
}
