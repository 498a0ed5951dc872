//! Tools that a business has set up, on a real server: over streamable HTTP, by the guarded client,
//! as flows call them.

mod server;

use std::sync::Arc;

use justping_agents::Flows;
use justping_agents::ai::{StoredTools, ToolSettings, ToolSettingsError};
use justping_agents::fetch::ScriptedFetcher;
use justping_core::conformance::ToolSourceSubject;
use justping_core::memory::MemoryStore;
use justping_core::model::{
    Business, BusinessId, CallId, ContactId, ConversationId, SessionId, Timestamp, ToolConfig,
    ToolId, ToolSecrets,
};
use justping_core::port::store::{BusinessStore, ToolStore};
use justping_core::port::{CallScope, ToolContext, ToolError, ToolOutput, ToolSource};
use justping_http::{OpenClient, Policy};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use self::server::{Heard, Server, Shop};

/// Longer than anything here takes that is meant to be answered.
const PATIENCE_MS: u64 = 20_000;
/// How long a test waits for what is never answered; a call that is answered has to fit in.
const IMPATIENCE_MS: u64 = 3_000;

/// A business with a server of tools called `shop`.
struct Scene {
    store: Arc<MemoryStore>,
    shop: Shop,
    server: Server,
    tools: StoredTools,
    flows: Flows,
}

fn business(number: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(number))
}

fn token() -> ToolSecrets {
    [("token", "s3cret")].into_iter().collect()
}

/// A server at an address, as somebody writes it down.
fn written(url: &str, timeout_ms: u64) -> ToolConfig {
    ToolConfig {
        id: ToolId::from_uuid(Uuid::from_u128(7)),
        business_id: business(0),
        name: "shop".to_owned(),
        kind: ToolSettings::MCP.to_owned(),
        description: String::new(),
        settings: json!({
            "url": url, "timeout_ms": timeout_ms,
            "headers": {"authorization": "Bearer {secret:token}"}
        }),
        enabled: true,
        revision: 1,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// The tools of a store, with a client that may ask one address of this machine or none.
fn tools(store: &Arc<MemoryStore>, allowed: Option<&Server>) -> StoredTools {
    let except = allowed.map(|server| server.address).into_iter().collect();
    let client = OpenClient::new(Policy { except, ..Policy::default() });
    let fetcher = Arc::new(ScriptedFetcher::new());
    StoredTools::new(Arc::clone(store) as _, fetcher).with_mcp(client)
}

impl Scene {
    async fn new() -> Self {
        Self::waiting(PATIENCE_MS).await
    }

    async fn waiting(timeout_ms: u64) -> Self {
        let store = Arc::new(MemoryStore::new());
        for id in [business(0), business(1)] {
            let created_at = Timestamp::UNIX_EPOCH;
            let row = Business { id, name: "Acme".to_owned(), created_at };
            store.create_business(&row).await.unwrap();
        }
        let shop = Shop::new();
        let server = Server::open(&shop, "127.0.0.1:0").await;
        let tools = tools(&store, Some(&server));
        let mut tool = written(&format!("http://{}/mcp", server.address), timeout_ms);
        tools.learn(&mut tool, &token()).await.unwrap();
        store.create_tool(&tool, &token()).await.unwrap();
        let flows = Flows::new().with_tool_source(Arc::new(tools.clone()));
        Self { store, shop, server, tools, flows }
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<Value, ToolError> {
        call(&self.flows, name, arguments).await
    }

    /// The tool as it is stored.
    async fn stored(&self) -> ToolConfig {
        self.store.tool_by_name(business(0), "shop").await.unwrap()
    }

    async fn names(&self, number: u128) -> Vec<String> {
        let specs = self.flows.tools(business(number)).await.unwrap();
        specs.into_iter().map(|spec| spec.name).collect()
    }

    /// Learns anew what the server lists, and stores it.
    async fn refresh(&self) {
        let mut tool = self.stored().await;
        self.tools.learn(&mut tool, &token()).await.unwrap();
        self.store.update_tool(&tool, None).await.unwrap();
    }
}

/// Calls a tool as a flow of the business does: what comes back is somebody else's words.
async fn call(flows: &Flows, name: &str, arguments: Value) -> Result<Value, ToolError> {
    let scope = CallScope {
        business_id: business(0),
        conversation_id: ConversationId::from_uuid(Uuid::nil()),
        session_id: SessionId::from_uuid(Uuid::nil()),
        call_id: CallId::from_uuid(Uuid::nil()),
    };
    let cx = ToolContext { scope, contact_id: ContactId::from_uuid(Uuid::nil()) };
    let output = flows.call_tool(name, &arguments, &cx).await?;
    assert_eq!(output, ToolOutput::foreign(output.content.clone()));
    Ok(output.content)
}

fn found(order: u64) -> Value {
    json!({"given": {"order": order}, "state": "sent"})
}

mod contract {
    use super::*;

    async fn subject() -> ToolSourceSubject {
        let scene = Scene::new().await;
        ToolSourceSubject {
            source: Arc::new(scene.tools),
            business: business(0),
            stranger: business(1),
            guard: Box::new(scene.server),
        }
    }

    justping_core::tool_source_conformance!(subject);
}

#[tokio::test]
async fn what_a_server_lists_is_what_its_business_has() {
    let scene = Scene::new().await;
    let names = ["break", "find", "flood", "hold", "refuse"].map(|name| format!("shop__{name}"));
    assert_eq!(scene.names(0).await, names);
    assert_eq!(scene.names(1).await, Vec::<String>::new());
    let specs = scene.flows.tools(business(0)).await.unwrap();
    let find = specs.iter().find(|spec| spec.name == "shop__find").unwrap();
    assert_eq!(
        (&*find.description, &find.parameters["required"]),
        ("Does find.", &json!(["order"]))
    );
    assert_eq!(scene.shop.heard(), [], "to list is not to call");
    let off = ToolConfig { enabled: false, ..scene.stored().await };
    scene.store.update_tool(&off, None).await.unwrap();
    assert_eq!(scene.names(0).await, Vec::<String>::new());
    let gone = scene.call("shop__find", json!({"order": 1})).await.unwrap_err();
    assert_eq!(gone.code(), "unknown_tool");
}

#[tokio::test]
async fn a_call_carries_its_secrets_and_brings_data_back() {
    let scene = Scene::new().await;
    assert_eq!(scene.call("shop__find", json!({"order": 7})).await, Ok(found(7)));
    let heard = Heard {
        tool: "find".to_owned(),
        arguments: json!({"order": 7}),
        authorization: "Bearer s3cret".to_owned(),
    };
    assert_eq!(scene.shop.heard(), [heard]);
    let tool = scene.tools.tool(business(0), "shop__find").await.unwrap().unwrap();
    assert!(!format!("{tool:?} {:?}", scene.tools).contains("s3cret"));
}

#[tokio::test]
async fn what_goes_wrong_has_a_code() {
    let scene = Scene::new().await;
    let told = async |name: &str, arguments: Value| {
        let error = scene.call(name, arguments).await.unwrap_err();
        (error.code().to_owned(), error.to_string())
    };
    let words = |code: &str, detail: &str| (code.to_owned(), detail.to_owned());
    assert_eq!(told("shop__refuse", json!({})).await, words("tool_failed", "not on a Sunday"));
    assert_eq!(told("shop__break", json!({})).await, words("mcp_error", "it broke"));
    // More than the client reads of anybody.
    assert_eq!(told("shop__flood", json!({})).await.0, "unavailable");
    assert_eq!(told("shop__gone", json!({})).await.0, "unknown_tool");
    assert_eq!(scene.shop.heard().len(), 3);
    // What does not fit the stored schema is not sent at all.
    assert_eq!(told("shop__find", json!({"order": "seven"})).await.0, "invalid_arguments");
    assert_eq!(scene.shop.heard().len(), 3);
    assert_eq!(scene.call("shop__find", json!({"order": 1})).await, Ok(found(1)));
}

#[tokio::test]
async fn a_server_that_is_gone_is_asked_again_when_it_is_back() {
    let scene = Scene::new().await;
    let address = scene.server.address.to_string();
    assert_eq!(scene.call("shop__find", json!({"order": 1})).await, Ok(found(1)));
    let Scene { store, shop, server, tools, flows } = scene;
    server.stop().await;
    let gone = call(&flows, "shop__find", json!({"order": 2})).await.unwrap_err();
    assert_eq!(gone.code(), "unavailable", "{gone}");
    // What it listed is still what the business has.
    assert_eq!(flows.tools(business(0)).await.unwrap().len(), 5);
    let mut tool = store.tool_by_name(business(0), "shop").await.unwrap();
    let before = tool.clone();
    let problem = tools.learn(&mut tool, &token()).await.unwrap_err();
    assert_eq!(problem.path, "/settings/url");
    assert_eq!(tool, before, "what was learned stays");
    // It knows none of the sessions that it had.
    let server = Server::open(&shop, &address).await;
    assert_eq!(call(&flows, "shop__find", json!({"order": 3})).await, Ok(found(3)));
    server.stop().await;
    let server = Server::open(&shop, &address).await;
    assert_eq!(call(&flows, "shop__find", json!({"order": 4})).await, Ok(found(4)));
    let orders: Vec<Value> = shop.heard().into_iter().map(|heard| heard.arguments).collect();
    assert_eq!(orders, [1, 3, 4].map(|order| json!({"order": order})), "none came twice");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_changes_its_mind_changes_no_flow() {
    let scene = Scene::new().await;
    assert_eq!(scene.call("shop__find", json!({"order": 1})).await, Ok(found(1)));
    let number = json!({
        "type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"],
        "additionalProperties": false
    });
    scene.shop.lists([("find", number.clone()), ("repeat", json!({"type": "object"}))]);
    // The stored schema decides what may be sent, the server what it takes.
    let old = scene.call("shop__find", json!({"order": 2})).await.unwrap_err();
    assert_eq!(old.code(), "invalid_arguments");
    assert!(old.to_string().contains("order"), "{old}");
    let new = scene.call("shop__find", json!({"number": "2"})).await.unwrap_err();
    assert_eq!(new.code(), "invalid_arguments");
    assert_eq!(scene.shop.heard().len(), 2, "the second did not fit what is stored");
    let gone = scene.call("shop__refuse", json!({})).await.unwrap_err();
    assert_eq!((gone.code(), &*gone.to_string()), ("invalid_arguments", "no such tool"));
    let unheard_of = scene.call("shop__repeat", json!({})).await.unwrap_err();
    assert_eq!(unheard_of.code(), "unknown_tool");
    // Read again, the business has what the server lists now.
    scene.refresh().await;
    assert_eq!(scene.names(0).await, ["shop__find", "shop__repeat"]);
    let data = json!({"given": {"number": "2"}, "state": "sent"});
    assert_eq!(scene.call("shop__find", json!({"number": "2"})).await, Ok(data));
    assert_eq!(scene.call("shop__repeat", json!({"a": 1})).await, Ok(json!("{\"a\":1}")));
    assert_eq!(scene.call("shop__refuse", json!({})).await.unwrap_err().code(), "unknown_tool");
}

#[tokio::test]
async fn a_call_that_does_not_end_is_given_up_and_the_next_one_works() {
    let scene = Scene::waiting(IMPATIENCE_MS).await;
    assert_eq!(scene.call("shop__find", json!({"order": 1})).await, Ok(found(1)));
    let (held, late) = tokio::join!(scene.shop.holds(), scene.call("shop__hold", json!({})));
    let () = held;
    let late = late.unwrap_err();
    assert_eq!((late.code(), &*late.to_string()), ("unavailable", "the server took too long"));
    assert_eq!(scene.call("shop__find", json!({"order": 2})).await, Ok(found(2)));
}

/// The business' own time ends a call, however long another one under way may take.
#[tokio::test]
async fn a_call_that_hangs_holds_up_no_other() {
    let scene = Scene::new().await;
    let hung = scene.call("shop__hold", json!({}));
    let beside = async {
        scene.shop.holds().await;
        scene.call("shop__find", json!({"order": 1})).await
    };
    tokio::select! {
        _ = hung => panic!("it never ends"),
        beside = beside => assert_eq!(beside, Ok(found(1))),
    }
}

#[tokio::test]
async fn what_is_no_server_of_tools_is_not_learned() {
    let scene = Scene::new().await;
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let client = OpenClient::new(Policy { except: vec![address], ..Policy::default() });
    let deaf = scene.tools.clone().with_mcp(client);
    let mut tool = written(&format!("http://{address}/mcp"), 500);
    let before = tool.clone();
    let problem = deaf.learn(&mut tool, &token()).await.unwrap_err();
    assert_eq!(problem.path, "/settings/url");
    assert_eq!(tool, before);
    let nobody = ToolSecrets::new();
    let problem = scene.tools.learn(&mut tool, &nobody).await.unwrap_err();
    assert_eq!(problem.path, "/settings/headers/authorization");
    // A listing beyond all measure; allowing few makes it small enough.
    scene.shop.boasts(128, 4 * 1024);
    let mut tool = scene.stored().await;
    let learn = async |tool: &mut ToolConfig| -> Result<(), ToolSettingsError> {
        scene.tools.learn(tool, &token()).await
    };
    assert_eq!(learn(&mut tool).await.unwrap_err().path, "/settings/url");
    scene.shop.boasts(128, 1800);
    assert_eq!(learn(&mut tool).await.map_err(|e| (e.path, e.message)), Ok(()));
    scene.shop.boasts(1, 5 * 1024);
    learn(&mut tool).await.unwrap();
    assert_eq!(StoredTools::specs(&tool)[0].description.len(), 4 * 1024, "it is cut");
}

#[tokio::test]
async fn the_guard_goes_before_what_is_stored() {
    let scene = Scene::new().await;
    let strict = tools(&scene.store, None);
    let tool = scene.stored().await;
    assert_eq!(strict.check(&tool, &token()).unwrap_err().path, "/settings/url");
    let flows = Flows::new().with_tool_source(Arc::new(strict));
    let refused = call(&flows, "shop__find", json!({"order": 1})).await.unwrap_err();
    assert_eq!(refused.code(), "invalid_settings", "{refused}");
    assert_eq!(scene.shop.heard(), []);
}
