//! A flow is published while people are in the middle of it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use justping::agents::{Flows, replay_moved};
use justping::engine::{
    Fate, PublishError, PublishOptions, Published, SafetyReport, StrandedReason,
};
use justping::memory::MemoryStore;
use justping::model::{
    Content, Flow, FlowId, FlowVersionId, PageRequest, Session, SessionPolicy, SessionStatus,
    StrandedPolicy,
};
use justping::port::{FlowRuntime, Store, StoreError};
use justping::stage::Stage;
use justping::store::{MasterKey, SqliteConfig, SqliteStore};
use serde_json::{Value, json};

/// How many people are in the middle of the flow.
const PEOPLE: u64 = 50;

/// Asks for a name, then for a plan, at a node that is called `plan` and looks like this.
fn document(plan: &str, kind: &str, data: &Value, bye: &str) -> Value {
    let exit = match kind {
        "text" => "next",
        "input" => "reply",
        _ => "option:pro",
    };
    json!({
        "schema": "justping.flow/1",
        "variables": [{"name": "name"}, {"name": "source", "default": bye}],
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "ask", "type": "input", "data": {"prompt": "Name?", "variable": "name"}},
            {"id": plan, "type": kind, "data": data},
            {"id": "bye", "type": "text", "data": {"text": bye}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "ask"},
            {"id": "2", "source": "ask", "sourceHandle": "reply", "target": plan},
            {"id": "3", "source": plan, "sourceHandle": exit, "target": "bye"},
        ]
    })
}

fn plan(text: &str) -> Value {
    json!({"text": text, "options": [{"id": "pro", "title": "Pro"}, {"id": "free", "title": "Free"}],
        "timeout_minutes": 60})
}

fn first() -> Value {
    document("plan", "buttons", &plan("Plan, {{ name }}?"), "Bye {{ name }}.")
}

struct Scene {
    stage: Stage,
    flow: FlowId,
}

impl Scene {
    /// Everybody has given a name and is asked for a plan.
    async fn set(store: Arc<dyn Store>) -> Self {
        let stage = Stage::builder(Arc::new(Flows::new())).store(store);
        let stage = stage.open(&[first()]).await.unwrap();
        let page = PageRequest::default();
        let flow = stage.engine().store().flows(stage.business(), &page).await.unwrap().items;
        let scene = Self { flow: flow[0].id, stage };
        for person in 0..PEOPLE {
            let who = who(person);
            scene.stage.say(&who, "hi").await.unwrap();
            let asked = scene.say(person, &format!("P{person}")).await;
            assert_eq!(asked, [format!("Plan, P{person}?")]);
        }
        scene
    }

    async fn say(&self, person: u64, text: &str) -> Vec<String> {
        let said = self.stage.say(&who(person), text).await.unwrap();
        said.iter().map(|message| message.content.plain().to_owned()).collect()
    }

    async fn draft(&self, draft: Value) {
        let store = self.stage.engine().store();
        let flow = store.flow(self.stage.business(), self.flow).await.unwrap();
        store.update_flow(&Flow { draft, ..flow }).await.unwrap();
    }

    async fn report(&self, policy: SessionPolicy) -> SafetyReport {
        let options = PublishOptions { policy, ..PublishOptions::default() };
        let (business, engine) = (self.stage.business(), self.stage.engine());
        engine.safety_report(business, self.flow, &options).await.unwrap()
    }

    async fn publish(&self, policy: SessionPolicy) -> Published {
        let report = self.report(policy.clone()).await;
        let options = PublishOptions { policy, ..PublishOptions::default() };
        let (business, engine) = (self.stage.business(), self.stage.engine());
        let published = engine.publish(business, self.flow, &options).await.unwrap();
        assert_eq!(published.report, report, "the report before is the report of the act");
        published
    }

    async fn live(&self) -> Vec<(u32, u64)> {
        let store = self.stage.engine().store();
        let counts = store.live_counts(self.stage.business(), self.flow).await.unwrap();
        counts.iter().map(|count| (count.number, count.sessions)).collect()
    }

    async fn sessions(&self, person: u64) -> Vec<Session> {
        let sessions = self.stage.sessions(&who(person)).await.unwrap();
        sessions.into_iter().map(|(session, _)| session).collect()
    }

    /// Every session of everybody replays byte for byte.
    async fn replay(&self) {
        let store = self.stage.engine().store();
        let (business, page) = (self.stage.business(), PageRequest::default());
        let mut programs = HashMap::new();
        for version in store.flow_versions(business, self.flow, &page).await.unwrap().items {
            programs.insert(version.id, Flows::new().compile(&version.document).unwrap());
        }
        for person in 0..PEOPLE {
            for (session, trace) in self.stage.sessions(&who(person)).await.unwrap() {
                assert_eq!(trace.len(), session.steps as usize);
                let replayed = replay_moved(session.flow_version_id, &programs, trace);
                assert_eq!(replayed, Ok(()), "{}", session.id);
            }
        }
    }
}

fn who(person: u64) -> String {
    format!("person {person}")
}

fn migrate(nodes: &[(&str, &str)]) -> SessionPolicy {
    let nodes = nodes.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    SessionPolicy::Migrate { nodes, stranded: StrandedPolicy::Finish }
}

fn variables(session: &Session) -> Value {
    serde_json::from_str::<Value>(&session.state).unwrap()["v"].clone()
}

/// The stores that need no server, the second in this folder.
async fn stores(folder: &Path) -> Vec<Arc<dyn Store>> {
    let key = MasterKey::load_or_create(folder.join("master.key")).unwrap();
    let sqlite = SqliteStore::open(SqliteConfig::new(folder.join("justping.db"), key));
    vec![Arc::new(MemoryStore::new()), Arc::new(sqlite.await.unwrap())]
}

#[tokio::test]
async fn sessions_at_a_deleted_node_are_moved_to_the_node_named_for_it() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()).await {
        let scene = Scene::set(store).await;
        let list = json!({"text": "Choose, {{ name }}.", "button": "Plans",
            "sections": [{"options": [{"id": "pro", "title": "Pro"}]}]});
        scene.draft(document("choose", "list", &list, "Welcome {{ name }}.")).await;

        let report = scene.report(migrate(&[])).await;
        assert_eq!((report.live, report.stranded), (PEOPLE, PEOPLE));
        let group = &report.groups[0];
        let gone = Fate::Stranded { reason: StrandedReason::Gone, then: StrandedPolicy::Finish };
        assert_eq!(report.groups.len(), 1);
        assert_eq!((group.number, group.sessions, &group.fate), (1, PEOPLE, &gone));
        assert_eq!(group.node.as_deref(), Some("plan"));
        let page = PageRequest::default();
        let (store, business) = (scene.stage.engine().store(), scene.stage.business());
        let published = store.publications(business, scene.flow, &page).await.unwrap().items;
        assert_eq!(published.len(), 1, "a report publishes nothing");

        let published = scene.publish(migrate(&[("plan", "choose")])).await;
        assert_eq!(published.report.migrates, PEOPLE);
        let fate = Fate::Migrates { node: "choose".to_owned(), again: true };
        assert_eq!(published.report.groups[0].fate, fate);
        assert_eq!(scene.live().await, [(1, PEOPLE)], "nobody is written to before they speak");
        for person in 0..PEOPLE {
            assert_eq!(scene.say(person, "Pro").await, [format!("Choose, P{person}.")]);
            let sessions = scene.sessions(person).await;
            assert_eq!(sessions.len(), 1);
            assert_eq!(sessions[0].flow_version_id, published.version.id);
            assert_eq!(variables(&sessions[0])["name"], format!("P{person}"));
        }
        assert_eq!(scene.live().await, [(2, PEOPLE)]);
        for person in 0..PEOPLE {
            assert_eq!(scene.say(person, "Pro").await, [format!("Welcome P{person}.")]);
        }
        assert_eq!(scene.live().await, []);
        scene.replay().await;
    }
}

#[tokio::test]
async fn a_node_that_stayed_goes_on_without_a_word() {
    let scene = Scene::set(Arc::new(MemoryStore::new())).await;
    scene.draft(document("plan", "buttons", &plan("Plan, {{ name }}?"), "Later {{ name }}.")).await;
    let published = scene.publish(migrate(&[])).await;
    let fate = Fate::Migrates { node: "plan".to_owned(), again: false };
    assert_eq!(published.report.groups[0].fate, fate);
    assert_eq!(scene.say(0, "Pro").await, ["Later P0."]);
    let session = scene.sessions(0).await.remove(0);
    assert_eq!(session.status, SessionStatus::Completed);
    // What the session knew stays, defaults included.
    assert_eq!(variables(&session)["source"], "Bye {{ name }}.");
    // The timer of the old version comes due for a session that moves with it.
    scene.stage.advance(SignedDuration::from_hours(2)).await.unwrap();
    assert_eq!(scene.live().await, []);
    scene.replay().await;
}

#[tokio::test]
async fn a_node_that_changed_asks_again() {
    let scene = Scene::set(Arc::new(MemoryStore::new())).await;
    scene.draft(document("plan", "buttons", &plan("Which one, {{ name }}?"), "Bye.")).await;
    let fate = Fate::Migrates { node: "plan".to_owned(), again: true };
    assert_eq!(scene.publish(migrate(&[])).await.report.groups[0].fate, fate);
    assert_eq!(scene.say(7, "Pro").await, ["Which one, P7?"]);
    assert_eq!(scene.say(7, "Pro").await, ["Bye."]);
    // Two messages in one turn: the first one moves the session, the second one is heard there.
    for text in ["what?", "Pro"] {
        scene.stage.drop_in(&who(8), Content::text(text)).await.unwrap();
    }
    scene.stage.engine().settle().await.unwrap();
    let thread = scene.stage.thread(&who(8)).await.unwrap();
    let last: Vec<&str> = thread.iter().rev().take(2).map(|m| m.content.plain()).collect();
    assert_eq!(last, ["Bye.", "Which one, P8?"]);
    scene.replay().await;
}

#[tokio::test]
async fn sessions_finish_where_they_are_unless_told_otherwise() {
    let scene = Scene::set(Arc::new(MemoryStore::new())).await;
    scene.draft(document("other", "text", &json!({"text": "x"}), "New {{ name }}.")).await;
    let report = scene.publish(SessionPolicy::Finish).await.report;
    assert_eq!((report.live, report.finishes), (PEOPLE, PEOPLE));
    assert_eq!(scene.say(1, "Pro").await, ["Bye P1."]);
    assert_eq!(scene.say(1, "again").await, ["Name?"]);
    assert_eq!(scene.say(1, "Ada").await, ["x", "New Ada."]);
    scene.replay().await;
}

#[tokio::test]
async fn the_stranded_finish_begin_again_or_end_as_decided() {
    let others = document("plan", "input", &json!({"prompt": "?", "variable": "name"}), "New.");
    for (then, heard) in [
        (StrandedPolicy::Finish, "Bye P3."),
        (StrandedPolicy::Restart, "Name?"),
        (StrandedPolicy::End, "Name?"),
    ] {
        let scene = Scene::set(Arc::new(MemoryStore::new())).await;
        scene.draft(others.clone()).await;
        let policy = SessionPolicy::Migrate { nodes: BTreeMap::new(), stranded: then };
        let report = scene.publish(policy).await.report;
        let fate = Fate::Stranded { reason: StrandedReason::OtherType, then };
        assert_eq!((report.stranded, &report.groups[0].fate), (PEOPLE, &fate));
        assert_eq!(scene.say(3, "Pro").await, [heard]);
        scene.replay().await;
    }
}

#[tokio::test]
async fn sessions_begin_again() {
    let scene = Scene::set(Arc::new(MemoryStore::new())).await;
    scene.draft(document("plan", "text", &json!({"text": "Hello {{ name }}"}), "x")).await;
    assert_eq!(scene.publish(SessionPolicy::Restart).await.report.restarts, PEOPLE);
    assert_eq!(scene.say(4, "Pro").await, ["Name?"]);
    let sessions = scene.sessions(4).await;
    let standing: Vec<SessionStatus> = sessions.iter().map(|session| session.status).collect();
    assert_eq!(standing, [SessionStatus::Cancelled, SessionStatus::Waiting]);
    assert_eq!(scene.live().await, [(1, PEOPLE - 1), (2, 1)]);
    scene.replay().await;
}

#[tokio::test]
async fn sessions_end() {
    let scene = Scene::set(Arc::new(MemoryStore::new())).await;
    let mut quiet = first();
    quiet["nodes"][0]["data"] = json!({"on": "keywords", "keywords": ["begin"]});
    scene.draft(quiet).await;
    assert_eq!(scene.publish(SessionPolicy::End).await.report.ends, PEOPLE);
    assert_eq!(scene.say(5, "Pro").await, [""; 0], "nothing starts on this word");
    assert_eq!(scene.sessions(5).await[0].status, SessionStatus::Cancelled);
    assert_eq!(scene.say(6, "begin").await, ["Name?"]);
    // The reminders that were set come due and end their sessions without a word.
    let sent = scene.stage.advance(SignedDuration::from_hours(2)).await.unwrap();
    assert_eq!((sent, scene.live().await), (0, vec![(2, 1)]));
    scene.replay().await;
}

#[tokio::test]
async fn an_earlier_version_comes_back() {
    let scene = Scene::set(Arc::new(MemoryStore::new())).await;
    let (business, engine) = (scene.stage.business(), scene.stage.engine());
    let one = engine.store().flow(business, scene.flow).await.unwrap().published;
    scene.draft(document("choose", "buttons", &plan("Choose."), "Two.")).await;
    scene.publish(migrate(&[("plan", "choose")])).await;
    assert_eq!(scene.say(0, "x").await, ["Choose."]);
    let back = PublishOptions {
        policy: migrate(&[("choose", "plan")]),
        version: one,
        ..PublishOptions::default()
    };
    let published = engine.publish(business, scene.flow, &back).await.unwrap();
    assert_eq!(Some(published.version.id), one);
    assert_eq!((published.report.stays, published.report.migrates), (PEOPLE - 1, 1));
    assert_eq!(scene.say(0, "x").await, ["Plan, P0?"]);
    assert_eq!(scene.say(0, "Pro").await, ["Bye P0."]);
    assert_eq!(scene.say(1, "Pro").await, ["Bye P1."]);
    scene.replay().await;
}

#[tokio::test]
async fn what_cannot_be_published_changes_nothing() {
    let scene = Scene::set(Arc::new(MemoryStore::new())).await;
    let (business, engine) = (scene.stage.business(), scene.stage.engine());
    let publish = async |options: PublishOptions| {
        engine.publish(business, scene.flow, &options).await.unwrap_err()
    };
    let unknown = PublishOptions { policy: migrate(&[("plan", "none")]), ..Default::default() };
    assert_eq!(publish(unknown).await, PublishError::UnknownNode("none".to_owned()));
    let nodes = (0..3_000).map(|n| (n.to_string(), "plan".to_owned())).collect();
    let policy = SessionPolicy::Migrate { nodes, stranded: StrandedPolicy::Finish };
    let many = PublishOptions { policy, ..Default::default() };
    assert_eq!(publish(many).await, PublishError::TooManyNodes);
    let stale = PublishOptions { revision: Some(99), ..Default::default() };
    assert_eq!(publish(stale).await, PublishError::Store(StoreError::Stale("flow")));
    let missing = FlowVersionId::from_uuid(engine.ids().uuid());
    let missing = PublishOptions { version: Some(missing), ..Default::default() };
    let not_found = PublishError::Store(StoreError::NotFound("flow version"));
    assert_eq!(publish(missing).await, not_found);
    scene.draft(json!({"schema": "justping.flow/1", "nodes": []})).await;
    assert!(matches!(publish(PublishOptions::default()).await, PublishError::Invalid(_)));
    let page = PageRequest::default();
    let made = engine.store().publications(business, scene.flow, &page).await.unwrap().items;
    assert_eq!((made.len(), scene.live().await), (1, vec![(1, PEOPLE)]));
}

/// The same, with the plan asked for in a flow of its own.
fn called(limit: u32) -> Value {
    let mut document = first();
    document["nodes"][2] = json!({"id": "plan", "type": "call_flow", "data": {"flow": "plans", "inputs": {"n": limit.to_string()}}});
    document["edges"][2]["sourceHandle"] = json!("next");
    document["flows"] = json!({"plans": {
        "variables": [{"name": "n"}],
        "nodes": [{"id": "which", "type": "input", "data": {"prompt": "Plan, {{ n }}?", "variable": "n"}}],
        "edges": []
    }});
    document
}

#[tokio::test]
async fn a_session_inside_of_a_called_flow_needs_its_caller_as_it_was() {
    let flows = Arc::new(Flows::new());
    let stage = Stage::builder(flows).open(&[called(1)]).await.unwrap();
    let page = PageRequest::default();
    let flow = stage.engine().store().flows(stage.business(), &page).await.unwrap().items[0].id;
    let scene = Scene { stage, flow };
    for person in 0..PEOPLE {
        scene.say(person, "hi").await;
        assert_eq!(scene.say(person, "Ada").await, ["Plan, 1?"]);
    }
    scene.draft(called(2)).await;
    let report = scene.report(migrate(&[])).await;
    let reason = StrandedReason::CallerChanged;
    let fate = Fate::Stranded { reason, then: StrandedPolicy::Finish };
    assert_eq!((report.stranded, &report.groups[0].fate), (PEOPLE, &fate));
    assert_eq!(report.groups[0].node.as_deref(), Some("plans/which"));
    let mut same = called(1);
    same["nodes"][3]["data"]["text"] = json!("Later {{ name }}.");
    scene.draft(same).await;
    assert_eq!(scene.publish(migrate(&[])).await.report.migrates, PEOPLE);
    assert_eq!(scene.say(0, "Pro").await, ["Later Ada."]);
    scene.replay().await;
}
