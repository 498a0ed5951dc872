//! Publishing while people are in the middle of a flow.

use serde_json::{Value, json};

use crate::platform::{Platform, echo};

/// A flow whose one session waits at `ask`, with the agent and the channel it runs on.
struct Scene {
    platform: Platform,
    flow: String,
    channel: String,
}

impl Scene {
    async fn set(platform: Platform) -> Self {
        let owner = &platform.owner;
        let flow = platform.flow(echo()).await;
        let agent = owner.post("/agents", json!({"name": "A", "flows": [&flow]})).await;
        let channel = platform.memory_channel(Some(&agent.expect(201).id())).await;
        platform.hear(&channel, "ann", "1", "hi").await;
        platform.settle().await;
        Self { platform, flow, channel }
    }

    fn path(&self, tail: &str) -> String {
        format!("/flows/{}{tail}", self.flow)
    }

    async fn draft(&self, draft: Value) {
        let now = self.platform.owner.get(&self.path("")).await.json();
        let update = json!({"name": "f", "draft": draft, "revision": now["revision"]});
        self.platform.owner.put(&self.path(""), update).await.expect(200);
    }

    async fn session(&self) -> Value {
        let conversation = self.platform.only_conversation().await;
        let path = format!("/conversations/{conversation}/sessions");
        self.platform.owner.get(&path).await.expect(200).json()["items"][0].clone()
    }
}

/// The flow with its question under another name.
fn renamed() -> Value {
    let text = echo().to_string();
    serde_json::from_str(&text.replace("\"ask\"", "\"question\"")).unwrap()
}

async fn a_report_tells_what_a_publication_does(platform: Platform) {
    let scene = Scene::set(platform).await;
    let owner = &scene.platform.owner;
    scene.draft(renamed()).await;

    let (report, publish) = (scene.path("/publish/report"), scene.path("/publish"));
    let told = owner.post(&report, json!({"policy": "migrate"})).await.expect(200).json();
    assert_eq!((&told["live"], &told["stranded"]), (&json!(1), &json!(1)), "{told}");
    let group = &told["groups"][0];
    assert_eq!((&group["node"], &group["number"]), (&json!("ask"), &json!(1)));
    assert_eq!((&group["reason"], &group["then"]), (&json!("gone"), &json!("finish")));
    let made = owner.get(&scene.path("/publications")).await.expect(200).json();
    assert_eq!(made["items"].as_array().unwrap().len(), 1, "a report publishes nothing");

    let policy = json!({"policy": "migrate", "nodes": {"ask": "question"}});
    let told = scene.platform.viewer.post(&report, policy.clone()).await.expect(200).json();
    assert_eq!((&told["migrates"], &told["groups"][0]["to"]), (&json!(1), &json!("question")));
    scene.platform.viewer.post(&publish, policy.clone()).await.problem(403, "forbidden");
    let published = owner.post(&publish, policy).await.expect(200).json();
    assert_eq!((&published["number"], &published["report"]), (&json!(2), &told));
    let made = owner.get(&scene.path("/publications")).await.expect(200).json();
    assert_eq!(made["items"][1]["nodes"]["ask"], "question", "{made}");
    assert_eq!(made["items"][1]["version_id"], published["id"]);

    let live = owner.get(&scene.path("/live")).await.expect(200).json();
    assert_eq!(live["items"][0]["number"], 1);
    let yet = owner.get(&scene.path("/live/report")).await.expect(200).json();
    assert_eq!(yet, told, "it is told until it is done");
    scene.platform.hear(&scene.channel, "ann", "2", "ping").await;
    scene.platform.settle().await;
    let session = scene.session().await;
    assert_eq!(session["flow_version_id"], published["id"]);
    let yet = owner.get(&scene.path("/live/report")).await.expect(200).json();
    assert_eq!((&yet["live"], &yet["stays"]), (&json!(1), &json!(1)), "{yet}");
    let version = published["id"].as_str().unwrap();
    let waiting = owner.get(&format!("/flow-versions/{version}/sessions")).await.expect(200).json();
    assert_eq!(waiting["items"][0]["id"], session["id"]);
    assert_eq!(waiting["items"][0]["position"], json!(["question"]));
}

async fn a_version_comes_back(platform: Platform) {
    let scene = Scene::set(platform).await;
    let owner = &scene.platform.owner;
    let first = owner.get(&scene.path("/versions")).await.json()["items"][0].clone();
    scene.draft(renamed()).await;
    owner.post(&scene.path("/publish"), json!({})).await.expect(200);
    let path = format!("/flow-versions/{}/publish", first["id"].as_str().unwrap());
    let told = owner.post(&format!("{path}/report"), json!({})).await.expect(200).json();
    assert_eq!(told["stays"], 1, "{told}");
    let back = owner.post(&path, json!({"policy": "restart"})).await.expect(200).json();
    assert_eq!((&back["id"], &back["number"]), (&first["id"], &json!(1)));
    assert_eq!(owner.get(&scene.path("")).await.json()["published"], first["id"]);
}

async fn a_policy_has_rules(platform: Platform) {
    let scene = Scene::set(platform).await;
    let owner = &scene.platform.owner;
    for body in [
        json!({"policy": "burn"}),
        json!({"nodes": {"a": "b"}}),
        json!({"policy": "end", "stranded": "end"}),
        json!({"policy": "migrate", "nodes": {"ask": "nowhere"}}),
        json!({"policy": "migrate", "nodes": ["ask"]}),
        json!({"wish": 1}),
    ] {
        owner.post(&scene.path("/publish/report"), body.clone()).await.problem(422, "invalid");
        owner.post(&scene.path("/publish"), body).await.problem(422, "invalid");
    }
    owner.post(&scene.path("/publish"), json!({"revision": 99})).await.problem(409, "stale");
    let bare =
        owner.ask("POST", &format!("/api/v1{}", scene.path("/publish"))).send().await.expect(200);
    assert_eq!(bare.json()["number"], 1, "a body may be left out");
}

async fn versions_are_compared(platform: Platform) {
    let scene = Scene::set(platform).await;
    let owner = &scene.platform.owner;
    let same = owner.get(&scene.path("/diff")).await.expect(200).json();
    assert_eq!(same["same"], true, "{same}");
    let mut draft = echo();
    draft["nodes"][2]["data"]["text"] = json!("Heard {{ said }}.");
    scene.draft(draft).await;
    let diff = owner.get(&scene.path("/diff")).await.expect(200).json();
    assert_eq!(diff["same"], false);
    assert_eq!(diff["nodes"]["changed"][0]["changes"][0]["path"], "/data/text", "{diff}");
    let version = owner.get(&scene.path("")).await.json()["published"].clone();
    let version = version.as_str().unwrap();
    let back = owner.get(&scene.path(&format!("/diff?from=draft&to={version}"))).await;
    let (there, back) = (&diff["nodes"]["changed"][0]["changes"][0], back.expect(200).json());
    assert_eq!(back["nodes"]["changed"][0]["changes"][0]["before"], there["after"]);
    for query in ["from=nothing", "to=", "from=con_0"] {
        owner.get(&scene.path(&format!("/diff?{query}"))).await.problem(404, "not_found");
    }
    let other = scene.platform.flow(echo()).await;
    let other = format!("/flows/{other}/diff?from={version}");
    owner.get(&other).await.problem(404, "not_found");
}

async fn a_session_replays_from_its_record(platform: Platform) {
    let scene = Scene::set(platform).await;
    let owner = &scene.platform.owner;
    scene.draft(renamed()).await;
    let policy = json!({"policy": "migrate", "nodes": {"ask": "question"}});
    owner.post(&scene.path("/publish"), policy).await.expect(200);
    scene.platform.hear(&scene.channel, "ann", "2", "ping").await;
    scene.platform.settle().await;
    let path = format!("/sessions/{}", scene.session().await["id"].as_str().unwrap());
    let replayed = owner.post(&format!("{path}/replay"), json!({})).await.expect(200).json();
    assert_eq!(replayed, json!({"same": true, "steps": 2, "difference": null}));
    let record = owner.get(&format!("{path}/record")).await.expect(200).json();
    assert_eq!(record["versions"].as_object().unwrap().len(), 2);
    assert!(record["steps"][0]["input"].is_string(), "no byte is lost");
    let record: justping::engine::SessionRecord = serde_json::from_value(record).unwrap();
    let flows = justping::agents::Flows::new();
    assert_eq!(justping::agents::replay_record(&flows, record), Ok(()));
}

on_every_store!(
    a_report_tells_what_a_publication_does,
    a_version_comes_back,
    a_policy_has_rules,
    versions_are_compared,
    a_session_replays_from_its_record,
);
