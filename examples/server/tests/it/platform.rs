//! A platform under test: on every store, with a clock that is moved by hand, and typed actors.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use justping::JustPing;
use justping::agents::Flows;
use justping::agents::ai::StoredTools;
use justping::agents::fetch::ScriptedFetcher;
use justping::channels::smtp::SmtpProvider;
use justping::channels::webchat::{TOKEN_SECRET, WebChatProvider};
use justping::channels::whatsapp::WhatsAppProvider;
use justping::http::Policy;
use justping::memory::{ManualClock, MemoryProvider, MemoryStore, SeededEntropy};
use justping::model::{
    ApiKey, ApiKeyId, Business, BusinessId, ChannelId, ChannelKind, Content, Identity, Inbound,
    InboundMessage, Member, MemberId, Role, Timestamp,
};
use justping::plugins::blob::PackageBlobs;
use justping::plugins::{Plugins, PluginsConfig, SandboxConfig};
use justping::policy::{RESUME_KEY_MIN_BYTES, ResumeLinks};
use justping::port::Store;
use justping::store::envelope::MasterKey;
use justping::store::postgres::PostgresStore;
use justping::store::sqlite::{SqliteConfig, SqliteStore};
use justping_server::app::App;
use justping_server::plugin::Opened;
use justping_server::{http, token};
use justping_store::testing::Database;
use serde_json::{Value, json};

use crate::answer::Actor;

/// Runs each test on every store.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn on_memory() {
                super::$name(crate::platform::Platform::on_memory().await).await;
            }

            #[tokio::test]
            async fn on_sqlite() {
                super::$name(crate::platform::Platform::on_sqlite().await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$name(crate::platform::Platform::on_postgres().await).await;
            }
        }
    )*};
}

/// 2026-01-05T09:00:00Z.
const START_MS: i64 = 1_767_603_600_000;

/// The whole server without its listener.
#[derive(Debug)]
pub(crate) struct Platform {
    pub app: Arc<App>,
    pub router: Router,
    pub clock: Arc<ManualClock>,
    pub provider: Arc<MemoryProvider>,
    pub business: BusinessId,
    pub anonymous: Actor,
    pub owner: Actor,
    pub support: Actor,
    pub viewer: Actor,
    /// The owner of another business.
    pub stranger: Actor,
    plugins: Option<Opened>,
    _place: Place,
}

/// Where the store is, for as long as the platform lives.
#[derive(Debug)]
#[expect(dead_code, reason = "held so that it goes with the platform")]
pub(crate) enum Place {
    Memory,
    Folder(tempfile::TempDir),
    Database(Database),
}

impl Platform {
    pub(crate) async fn on_memory() -> Self {
        Self::empty_on_memory().await.staffed().await
    }

    pub(crate) async fn on_sqlite() -> Self {
        Self::empty_on_sqlite().await.staffed().await
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::empty_on_postgres().await.staffed().await
    }

    /// One of each, without any business.
    pub(crate) async fn empty_on_each() -> [Self; 3] {
        [
            Self::empty_on_memory().await,
            Self::empty_on_sqlite().await,
            Self::empty_on_postgres().await,
        ]
    }

    pub(crate) async fn empty_on_memory() -> Self {
        Self::on(Arc::new(MemoryStore::new()), Place::Memory)
    }

    pub(crate) async fn empty_on_postgres() -> Self {
        let database = Database::new().await;
        let store = PostgresStore::open(database.config()).await.unwrap();
        Self::on(Arc::new(store), Place::Database(database))
    }

    pub(crate) async fn empty_on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = MasterKey::load_or_create(folder.path().join("master.key")).unwrap();
        let config = SqliteConfig::new(folder.path().join("justping.db"), key);
        let store = SqliteStore::open(config).await.unwrap();
        Self::on(Arc::new(store), Place::Folder(folder))
    }

    /// Adds two businesses with their people.
    async fn staffed(mut self) -> Self {
        let (business, [owner, support, viewer]) = staff(&self.app, "Ours").await;
        let (_, [stranger, ..]) = staff(&self.app, "Theirs").await;
        self.business = business;
        self.owner.token = Some(owner);
        self.support.token = Some(support);
        self.viewer.token = Some(viewer);
        self.stranger.token = Some(stranger);
        self
    }

    /// Another engine over the same store, with these flows.
    pub(crate) fn engine(&self, flows: Flows) -> JustPing {
        JustPing::builder()
            .store(Arc::clone(self.jp().store()))
            .clock(Arc::clone(&self.clock) as _)
            .entropy(Arc::new(SeededEntropy::new(10)))
            .provider(Arc::clone(&self.provider) as _)
            .flows(Arc::new(flows))
            .links(links())
            .build()
            .unwrap()
    }

    /// The same with plugins, whose packages are in memory, and with tools that ask nobody.
    pub(crate) fn plugged(self) -> Self {
        let store = Arc::clone(self.jp().store());
        let store_of_tools = Arc::clone(&store);
        let parts = (&store, Arc::clone(&self.clock) as _, Policy::default());
        let (sandbox, blobs) = (SandboxConfig::default(), PackageBlobs::in_memory());
        let opened = Opened::with(sandbox, blobs, PluginsConfig::default(), parts).unwrap();
        let flows = opened.join_flows(Flows::new());
        let jp = opened
            .join(JustPing::builder())
            .store(store)
            .clock(Arc::clone(&self.clock) as _)
            .entropy(Arc::new(SeededEntropy::new(9)))
            .provider(Arc::clone(&self.provider) as _)
            .flows(Arc::new(flows.clone()))
            .links(links())
            .build()
            .unwrap();
        opened.connect(&jp);
        let tools = StoredTools::new(store_of_tools, Arc::new(ScriptedFetcher::new()));
        let app = App::new(jp, flows).tooled(tools);
        let mut platform = self.served(app.with_plugins(Some(opened.plugins.clone())));
        platform.plugins = Some(opened);
        platform
    }

    /// The same with channels of e-mail, which may have their server at this address.
    pub(crate) fn mailing(self, address: SocketAddr) -> Self {
        let flows = Flows::new();
        let mail = SmtpProvider::new(Arc::clone(&self.clock) as _).allowing([address]);
        let jp = JustPing::builder()
            .store(Arc::clone(self.jp().store()))
            .clock(Arc::clone(&self.clock) as _)
            .entropy(Arc::new(SeededEntropy::new(11)))
            .provider(Arc::clone(&self.provider) as _)
            .provider(Arc::new(WebChatProvider::new()))
            .provider(Arc::new(mail))
            .flows(Arc::new(flows.clone()))
            .links(links())
            .build()
            .unwrap();
        self.served(App::new(jp, flows))
    }

    /// The same behind another application over the same store.
    fn served(mut self, app: App) -> Self {
        self.app = Arc::new(app);
        self.router = http::router(&self.app);
        let actors = [
            &mut self.anonymous,
            &mut self.owner,
            &mut self.support,
            &mut self.viewer,
            &mut self.stranger,
        ];
        for actor in actors {
            actor.router = self.router.clone();
        }
        self
    }

    /// The plugins, of which there are some after [`plugged`](Self::plugged).
    pub(crate) fn plugins(&self) -> &Plugins {
        &self.plugins.as_ref().unwrap().plugins
    }

    fn on(store: Arc<dyn Store>, place: Place) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millisecond(START_MS).unwrap()));
        let provider = Arc::new(MemoryProvider::new());
        let flows = Flows::new();
        let jp = JustPing::builder()
            .store(store)
            .clock(Arc::clone(&clock) as _)
            .entropy(Arc::new(SeededEntropy::new(7)))
            .provider(Arc::clone(&provider) as _)
            .provider(Arc::new(WebChatProvider::new()))
            .provider(Arc::new(WhatsAppProvider::new()))
            .flows(Arc::new(flows.clone()))
            .links(links())
            .build()
            .unwrap();
        let app = Arc::new(App::new(jp, flows));
        let router = http::router(&app);
        let actor = |name| Actor { name, router: router.clone(), token: None };
        Self {
            anonymous: actor("anonymous"),
            owner: actor("owner"),
            support: actor("support"),
            viewer: actor("viewer"),
            stranger: actor("stranger"),
            app,
            router,
            clock,
            provider,
            business: BusinessId::from_uuid(uuid::Uuid::nil()),
            plugins: None,
            _place: place,
        }
    }

    /// The owner, served by another process over the same store: it shares no bus with this one.
    pub(crate) fn another_process(&self) -> Actor {
        let flows = Flows::new();
        let jp = JustPing::builder()
            .store(Arc::clone(self.jp().store()))
            .clock(Arc::clone(&self.clock) as _)
            .entropy(Arc::new(SeededEntropy::new(8)))
            .provider(Arc::new(WebChatProvider::new()))
            .flows(Arc::new(flows.clone()))
            .links(links())
            .build()
            .unwrap();
        let router = http::router(&Arc::new(App::new(jp, flows)));
        Actor { router, ..self.owner.clone() }
    }

    pub(crate) fn jp(&self) -> &JustPing {
        self.app.jp()
    }

    /// Does everything that is due.
    pub(crate) async fn settle(&self) {
        self.jp().settle().await.unwrap();
    }

    /// Creates a flow, publishes it, and gives its id.
    pub(crate) async fn flow(&self, draft: Value) -> String {
        let flow = self.owner.post("/flows", json!({"name": "flow", "draft": draft})).await;
        let id = flow.expect(201).id();
        self.owner.post(&format!("/flows/{id}/publish"), json!({})).await.expect(200);
        id
    }

    /// Creates an agent that echoes, and gives its id.
    pub(crate) async fn echo_agent(&self) -> String {
        let flow = self.flow(echo()).await;
        let agent = self.owner.post("/agents", json!({"name": "Echo", "flows": [flow]})).await;
        agent.expect(201).id()
    }

    /// Creates a channel that leads nowhere, and gives its id.
    pub(crate) async fn memory_channel(&self, agent: Option<&str>) -> String {
        let body = json!({
            "provider": MemoryProvider::NAME, "name": "Memory", "agent_id": agent,
            "secrets": {(MemoryProvider::SECRET): "s"},
        });
        self.owner.post("/channels", body).await.expect(201).id()
    }

    /// Creates a web chat, and gives its id.
    pub(crate) async fn web_chat(&self, agent: Option<&str>) -> String {
        let body = json!({
            "provider": "webchat", "name": "Chat", "agent_id": agent,
            "secrets": {(TOKEN_SECRET): "0123456789abcdef0123456789abcdef"},
        });
        self.owner.post("/channels", body).await.expect(201).id()
    }

    /// A contact writes on a memory channel.
    pub(crate) async fn hear(&self, channel: &str, contact: &str, reference: &str, text: &str) {
        let message = InboundMessage {
            provider_ref: reference.to_owned(),
            from: vec![Identity::new(ChannelKind::MEMORY, contact)],
            name: Some(contact.to_owned()),
            content: Content::text(text),
            reply_to: None,
            sent_at: None,
        };
        let channel: ChannelId = channel.parse().unwrap();
        let news = vec![Inbound::Message(message)];
        self.jp().receive(self.business, channel, news).await.unwrap();
    }

    /// The id of the only conversation.
    pub(crate) async fn only_conversation(&self) -> String {
        let page = self.owner.get("/conversations").await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{page}");
        items[0]["id"].as_str().unwrap().to_owned()
    }
}

/// A business with an owner, a supporter and a viewer, and their tokens.
async fn staff(app: &App, name: &str) -> (BusinessId, [String; 3]) {
    let (store, now) = (app.store(), app.now());
    let business_id = BusinessId::from_uuid(app.ids().uuid());
    let business = Business { id: business_id, name: name.to_owned(), created_at: now };
    store.create_business(&business).await.unwrap();
    let mut tokens = Vec::new();
    for role in [Role::Owner, Role::Support, Role::Viewer] {
        let id = MemberId::from_uuid(app.ids().uuid());
        let member = Member { id, business_id, name: format!("{role:?}"), role, created_at: now };
        store.create_member(&member).await.unwrap();
        let token = token::mint(&**app.jp().entropy());
        let key = ApiKey {
            id: ApiKeyId::from_uuid(app.ids().uuid()),
            business_id,
            member_id: id,
            name: format!("{role:?}"),
            role,
            token_sha256: token::digest(&token),
            created_at: now,
            revoked_at: None,
        };
        store.create_api_key(&key).await.unwrap();
        tokens.push(token);
    }
    (business_id, tokens.try_into().unwrap())
}

/// Links that every process of a platform makes and verifies alike.
fn links() -> ResumeLinks {
    let base = format!("https://chat.example{}", http::RESUME_PATH);
    ResumeLinks::new(base, vec![7; RESUME_KEY_MIN_BYTES]).unwrap()
}

/// A flow that says everything back.
pub(crate) fn echo() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": {}},
            {"id": "ask", "type": "input", "data": {"prompt": "Say something.", "variable": "said"}},
            {"id": "echo", "type": "text", "data": {"text": "You said {{ said }}."}},
        ],
        "edges": [
            {"id": "e1", "source": "start", "target": "ask"},
            {"id": "e2", "source": "ask", "sourceHandle": "reply", "target": "echo"},
            {"id": "e3", "source": "echo", "target": "ask"},
        ],
    })
}
