//! Conversations in which plugins decide.

use std::sync::Arc;

use async_trait::async_trait;
use justping::agents::{Flows, replay};
use justping::memory::{ManualClock, MemoryStore, ScriptedPlugins};
use justping::model::{ChannelSecrets, Grants, MessageId, PageRequest, PluginId};
use justping::plugins::blob::PackageBlobs;
use justping::plugins::plugins::NewPlugin;
use justping::plugins::testing::{self, Guest, manifest, package};
use justping::plugins::{
    LineSink, Messenger, MessengerError, PluginMessage, Plugins, PluginsConfig, Ports, Sandbox,
    SandboxConfig,
};
use justping::port::{FlowRuntime, PluginAsk, PluginNodes};
use justping::stage::Stage;
use serde_json::{Map, Value, json};
use uuid::Uuid;

#[derive(Debug)]
struct NoMessenger;

#[async_trait]
impl Messenger for NoMessenger {
    async fn send(&self, _: PluginMessage) -> Result<MessageId, MessengerError> {
        Err(MessengerError::Refused("nothing is sent here".to_owned()))
    }
}

struct Scene {
    stage: Stage,
    plugins: Plugins,
}

fn node(id: &str, name: &str, exits: &Value) -> Value {
    json!({"id": id, "type": "plugin", "data": {
        "plugin": "shop", "node": name, "exits": exits, "variable": id
    }})
}

fn text(id: &str, text: &str) -> Value {
    json!({"id": id, "type": "text", "data": {"text": text}})
}

fn edge(source: &str, exit: &str, target: &str) -> Value {
    json!({"id": format!("{source}-{exit}"), "source": source, "sourceHandle": exit, "target": target})
}

fn document(nodes: &[Value], edges: &[Value]) -> Value {
    let mut all = vec![json!({"id": "start", "type": "trigger"})];
    all.extend_from_slice(nodes);
    json!({"schema": "justping.flow/1", "nodes": all, "edges": edges})
}

/// Greets, counts two messages, and says what it learned.
fn greeting() -> Value {
    document(
        &[
            node("greeted", "greet", &json!(["next"])),
            node("counted", "count", &json!(["next"])),
            text("bye", "{{ greeted.length }} letters"),
            text("oops", "Sorry: {{ plugin_error }}"),
        ],
        &[
            edge("start", "next", "greeted"),
            edge("greeted", "next", "counted"),
            edge("greeted", "error", "oops"),
            edge("counted", "next", "bye"),
        ],
    )
}

impl Scene {
    async fn open(document: &Value) -> Self {
        let store = Arc::new(MemoryStore::new());
        let ports = Ports {
            plugins: Arc::clone(&store) as _,
            contacts: Arc::clone(&store) as _,
            http: justping::http::OpenClient::new(justping::http::Policy::default()),
            messenger: Arc::new(NoMessenger),
            clock: Arc::new(ManualClock::new("2026-01-05T09:00:00Z".parse().unwrap())),
            lines: LineSink::start(Arc::clone(&store) as _),
        };
        let sandbox = Sandbox::new(SandboxConfig::default(), ports).unwrap();
        let plugins = Plugins::new(sandbox, PackageBlobs::in_memory(), PluginsConfig::default());
        let flows = Flows::new().with_plugins(Arc::new(plugins.clone()));
        let documents = [document.clone()];
        let stage = Stage::builder(Arc::new(flows)).store(store).open(&documents).await.unwrap();
        Self { stage, plugins }
    }

    async fn install(&self, guest: &bytes::Bytes) {
        let package = package(&manifest("shop", "1.0.0", "\"nodes\"", ""), guest);
        let business = self.stage.business();
        let kept = self.plugins.keep(business, package).await.unwrap();
        let new = NewPlugin {
            id: PluginId::from_uuid(Uuid::from_u128(1)),
            digest: kept.release.digest,
            enabled: true,
            grants: Grants::default(),
            config: Map::new(),
            secrets: ChannelSecrets::new(),
            fail_open: true,
        };
        self.plugins.install(business, new, "Ada").await.unwrap();
    }

    async fn say(&self, contact: &str, words: &str) -> Vec<String> {
        let replies = self.stage.say(contact, words).await.unwrap();
        replies.into_iter().map(|reply| reply.content.plain().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_session_replays_without_its_plugin_and_a_pure_node_decides_the_same_again() {
    let scene = Scene::open(&greeting()).await;
    scene.install(&testing::counting_nodes()).await;
    assert_eq!(scene.say("ada", "Ada").await, ["Hello, Ada"]);
    assert!(scene.say("ada", "one").await.is_empty());
    assert_eq!(scene.say("ada", "two").await, ["3 letters"]);

    let (session, trace) = scene.stage.sessions("ada").await.unwrap().remove(0);
    let flows = Flows::new().with_plugins(Arc::new(ScriptedPlugins::new()));
    let program = flows.compile(&greeting()).unwrap();
    replay(&*program, trace.clone()).expect("the journal has what the plugin decided");

    // What was asked is in the trace, and so is what was decided: a pure node says it again.
    let steps: Vec<(Value, Value)> = trace
        .iter()
        .map(|step| {
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            (read(&step.input), read(&step.effects))
        })
        .collect();
    let asked = steps.iter().flat_map(|(_, effects)| effects.as_array().cloned().unwrap());
    let asked: Vec<Value> = asked.filter(|effect| effect["effect"] == "call").collect();
    assert_eq!(asked.len(), 4, "greet, and count entered and told of two messages");
    let mut compared = 0;
    for call in asked {
        let token = &call["request"]["token"];
        let (input, _) = steps.iter().find(|(i, _)| i["event"]["token"] == *token).unwrap();
        let ask: PluginAsk = serde_json::from_value(call["request"]["input"].clone()).unwrap();
        let scope = justping::port::CallScope {
            business_id: scene.stage.business(),
            conversation_id: session.conversation_id,
            session_id: session.id,
            call_id: justping::model::CallId::from_uuid(Uuid::nil()),
        };
        let again = scene.plugins.step(&ask, &scope).await.unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), input["event"]["result"]["ok"]);
        compared += 1;
    }
    assert_eq!(compared, 4);
}

#[tokio::test]
async fn a_plugin_that_breaks_or_is_not_there_leaves_the_conversation_going() {
    let scene = Scene::open(&greeting()).await;
    assert_eq!(scene.say("ada", "hi").await, ["Sorry: plugin_not_installed"]);
    let broken = Guest::new().node("greet", r#"{"type":"object"}"#, &["next"]).build();
    scene.install(&broken).await;
    for contact in ["b", "c", "d", "e", "f"] {
        assert_eq!(scene.say(contact, "hi").await, ["Sorry: trap"]);
    }
    // It is left alone now, and nobody waits for it.
    assert_eq!(scene.say("g", "hi").await, ["Sorry: paused"]);
    let page = PageRequest { after: None, limit: 50 };
    let plugins =
        scene.stage.engine().store().plugins(scene.stage.business(), &page).await.unwrap();
    assert_eq!(plugins.items.len(), 1);
}
