//! Plugins over the API: uploaded, installed, changed, upgraded, and what is said of them.

use bytes::Bytes;
use jiff::SignedDuration;
use justping::plugins::Ask;
use justping::plugins::package::{SecretKey, sign};
use justping::plugins::sandbox::ToolAsk;
use justping::port::Clock as _;
use justping_plugins::testing::{Guest, archive, manifest, package};
use serde_json::{Value, json};

use crate::answer::{Actor, Answer};
use crate::platform::Platform;

const OBJECT: &str = r#"{"type":"object"}"#;

/// A plugin with a tool that keeps values and knows the time, and a node.
fn guest() -> Bytes {
    let schema = r#"{"type":"object","properties":{"limit":{"type":"integer"}},"additionalProperties":false}"#;
    let guest = Guest::new().tool("echo", OBJECT).node("lookup", schema, &["found", "missing"]);
    guest.with_kv().with_clock().build()
}

/// A release that asks for these capabilities.
pub(crate) fn release(version: &str, names: &[&str]) -> Bytes {
    package(&text(version, names), &guest())
}

fn text(version: &str, names: &[&str]) -> String {
    let ask = |name: &&str| format!("[[capabilities]]\nname = \"{name}\"\nreason = \"r\"\n");
    let asks: String = names.iter().map(ask).collect();
    let more = format!(
        "{asks}[[capabilities]]\nname = \"secrets\"\nreason = \"r\"\nnames = [\"token\"]\n\
         [config]\ntype = \"object\"\nproperties = {{ shop = {{ type = \"string\" }} }}\n"
    );
    manifest("orders", version, r#""nodes", "tools""#, &more)
}

async fn upload(actor: &Actor, package: &Bytes) -> Answer {
    let path = "/api/v1/plugins/packages";
    let ask = actor.ask("POST", path).header("content-type", "application/octet-stream");
    ask.bytes(package.clone()).send().await
}

/// Uploads a release and gives its digest.
pub(crate) async fn uploaded(platform: &Platform, package: &Bytes) -> String {
    let release = upload(&platform.owner, package).await.expect(201).json();
    release["digest"].as_str().unwrap().to_owned()
}

/// Calls the plugin's tool.
async fn call(platform: &Platform, arguments: &str) -> Result<String, String> {
    let plugins = platform.plugins();
    let found = plugins.installed(platform.business, "orders").await;
    let installed = found.map_err(|error| error.code().to_owned())?;
    let ask = Ask { conversation_id: None, call_id: "call".to_owned(), now: platform.clock.now() };
    let tool = ToolAsk {
        contact_id: String::new(),
        tool: "echo".to_owned(),
        arguments: arguments.to_owned(),
    };
    let work = |sandbox: justping::plugins::Sandbox, code, caller| async move {
        sandbox.call_tool(&code, caller, tool).await
    };
    plugins.call(&installed, &ask, work).await.map_err(|error| error.code().to_owned())
}

fn paths(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| error["path"].as_str().unwrap()).collect()
}

async fn packages_are_verified_and_kept_once(platform: Platform) {
    let platform = platform.plugged();
    let good = release("1.0.0", &["kv", "clock"]);
    let first = upload(&platform.owner, &good).await.expect(201).json();
    assert_eq!((&first["name"], &first["version"]), (&json!("orders"), &json!("1.0.0")));
    assert_eq!(first["requested"]["capabilities"], json!(["kv", "secrets", "clock"]));
    assert_eq!(first["inspection"]["imports"], json!(["kv", "clock"]));
    assert_eq!(first["inspection"]["findings"][0]["code"], "capability_unused");
    let again = upload(&platform.owner, &good).await.expect(200).json();
    assert_eq!(again, first);
    let path = format!("/plugins/packages/{}", first["digest"].as_str().unwrap());
    assert_eq!(platform.viewer.get(&path).await.expect(200).json(), first);
    platform.stranger.get(&path).await.problem(404, "not_found");
    let bad = release("2.0.0", &["kv"]);
    let problem = upload(&platform.owner, &bad).await.problem(422, "invalid_package");
    let error = &problem["errors"][0];
    assert_eq!(
        (&error["code"], &error["path"]),
        (&json!("import_undeclared"), &json!("plugin.wasm"))
    );
    let noise = upload(&platform.owner, &Bytes::from_static(b"noise")).await;
    assert_eq!(paths(&noise.problem(422, "invalid_package")), [""]);
    let large = Bytes::from(vec![0; 9 * 1024 * 1024]);
    upload(&platform.owner, &large).await.problem(413, "too_large");
    for (package, ok) in [(&good, true), (&bad, false)] {
        let ask = platform.owner.ask("POST", "/api/v1/plugins/packages/verify");
        let said = ask.bytes(package.clone()).send().await.expect(200).json();
        assert_eq!(said["ok"], ok);
        assert!(!said["findings"].as_array().unwrap().is_empty());
        assert_eq!(said["inspection"].is_object(), ok);
    }
    upload(&platform.support, &good).await.problem(403, "forbidden");
    let key = SecretKey::from_seed([3; 32]);
    let signed = sign(&archive(&text("1.0.0", &["kv", "clock"]), &guest()), &key);
    let signed = upload(&platform.owner, &signed.write().unwrap().into()).await.expect(201).json();
    assert_eq!(signed["signer"], key.public().to_string());
}

async fn a_plugin_is_installed_within_its_requests(platform: Platform) {
    let platform = platform.plugged();
    let owner = &platform.owner;
    let digest = uploaded(&platform, &release("1.0.0", &["kv", "clock"])).await;
    let wrong = json!({
        "digest": digest, "config": {"shop": 7}, "secrets": {"other": "s"},
        "grants": {"capabilities": ["kv", "messaging"], "hosts": ["https://a.example"]},
    });
    let problem = owner.post("/plugins", wrong).await.problem(422, "invalid");
    let expected = ["/grants/capabilities", "/grants/hosts", "/config/shop", "/secrets/other"];
    assert_eq!(paths(&problem), expected);
    let unknown = owner.post("/plugins", json!({"digest": "0"})).await.problem(422, "invalid");
    assert_eq!(paths(&unknown), ["/digest"]);
    let new = json!({
        "digest": digest, "enabled": true, "config": {"shop": "a"}, "secrets": {"token": "s3cret"},
        "grants": {"capabilities": ["kv"]},
    });
    platform.stranger.post("/plugins", new.clone()).await.problem(422, "invalid");
    let plugin = owner.post("/plugins", new.clone()).await.expect(201).json();
    assert!(!plugin.to_string().contains("s3cret"));
    assert_eq!(plugin["secrets"], json!(["token"]));
    assert_eq!(plugin["effective_grants"]["capabilities"], json!(["kv"]));
    assert_eq!(plugin["pending_grants"]["capabilities"], json!(["secrets", "clock"]));
    assert_eq!((&plugin["version"], &plugin["fail_open"]), (&json!("1.0.0"), &json!(false)));
    owner.post("/plugins", new).await.problem(409, "conflict");
    let id = plugin["id"].as_str().unwrap();
    let path = format!("/plugins/{id}");
    assert_eq!(platform.viewer.get(&path).await.expect(200).json(), plugin);
    assert_eq!(platform.viewer.get("/plugins").await.expect(200).json()["items"], json!([plugin]));
    platform.stranger.get(&path).await.problem(404, "not_found");
    platform.stranger.patch(&path, json!({"enabled": false})).await.problem(404, "not_found");
    assert_eq!(call(&platform, "{}").await.as_deref(), Ok("{}"));
    owner.delete(&path).await.expect(204);
    owner.get(&path).await.problem(404, "not_found");
    assert_eq!(call(&platform, "{}").await, Err("not_installed".to_owned()));
}

async fn a_change_takes_effect_at_once_and_leaves_a_line(platform: Platform) {
    let platform = platform.plugged();
    let owner = &platform.owner;
    let digest = uploaded(&platform, &release("1.0.0", &["kv", "clock"])).await;
    let new = json!({"digest": digest, "config": {}});
    let path = format!("/plugins/{}", owner.post("/plugins", new).await.expect(201).id());
    assert_eq!(call(&platform, "{}").await, Err("disabled".to_owned()));
    let on = json!({"enabled": true, "fail_open": true, "revision": 1});
    let plugin = owner.patch(&path, on.clone()).await.expect(200).json();
    assert_eq!((&plugin["enabled"], &plugin["fail_open"]), (&json!(true), &json!(true)));
    owner.patch(&path, on).await.problem(409, "stale");
    assert_eq!(call(&platform, "{}").await.as_deref(), Ok("{}"));
    let grant = json!({"grants": {"capabilities": ["kv"]}, "config": {"shop": "b"}, "secrets": {"token": "x"}});
    let plugin = owner.patch(&path, grant).await.expect(200).json();
    assert_eq!(plugin["config"], json!({"shop": "b"}));
    assert_eq!(plugin["secrets"], json!(["token"]));
    let more = json!({"grants": {"capabilities": ["contacts"]}});
    owner.patch(&path, more).await.problem(422, "invalid");
    owner.patch(&path, json!({"grant": {}})).await.problem(422, "invalid");
    let changed = owner.get(&format!("{path}/logs?kind=changed")).await.expect(200).json();
    let texts: Vec<&str> = changed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("Owner ("), "{texts:?}");
    assert!(texts[0].ends_with("): granted kv; configured; given the secrets token"), "{texts:?}");
    assert!(texts[1].contains("switched on; messages go on when it fails"), "{texts:?}");
    assert!(texts[2].contains("installed orders 1.0.0"), "{texts:?}");
    owner.get(&format!("{path}/logs?kind=none")).await.problem(400, "malformed");
    platform.stranger.get(&format!("{path}/logs")).await.problem(404, "not_found");
}

async fn an_upgrade_keeps_what_is_granted_and_a_rollback_brings_back_the_code(platform: Platform) {
    let platform = platform.plugged();
    let owner = &platform.owner;
    let one = uploaded(&platform, &release("1.0.0", &["kv", "clock"])).await;
    platform.clock.advance(SignedDuration::from_secs(1));
    let two = uploaded(&platform, &release("2.0.0", &["kv", "clock", "contacts"])).await;
    let grants = json!({"capabilities": ["kv", "clock"]});
    let new = json!({"digest": one, "enabled": true, "grants": grants});
    let path = format!("/plugins/{}", owner.post("/plugins", new).await.expect(201).id());
    let upgrade = format!("{path}/upgrade");
    owner.post(&upgrade, json!({"digest": one})).await.problem(422, "invalid");
    owner.post(&upgrade, json!({"digest": two, "revision": 9})).await.problem(409, "stale");
    let plugin = owner.post(&upgrade, json!({"digest": two})).await.expect(200).json();
    assert_eq!((&plugin["version"], &plugin["history"]), (&json!("2.0.0"), &json!([one])));
    assert_eq!(plugin["grants"]["capabilities"], json!(["kv", "clock"]));
    assert_eq!(plugin["pending_grants"]["capabilities"], json!(["secrets", "contacts"]));
    assert_eq!(call(&platform, "{}").await.as_deref(), Ok("{}"));
    let releases = platform.viewer.get(&format!("{path}/releases")).await.expect(200).json();
    let versions: Vec<&Value> =
        releases["items"].as_array().unwrap().iter().map(|release| &release["version"]).collect();
    assert_eq!(versions, [&json!("2.0.0"), &json!("1.0.0")]);
    let back = owner.post(&format!("{path}/rollback"), json!({})).await.expect(200).json();
    assert_eq!((&back["digest"], &back["history"]), (&json!(one), &json!([])));
    owner.post(&format!("{path}/rollback"), json!({})).await.problem(409, "no_history");
    platform.support.post(&upgrade, json!({"digest": two})).await.problem(403, "forbidden");
}

async fn what_a_plugin_does_is_told(platform: Platform) {
    let platform = platform.plugged();
    let owner = &platform.owner;
    let digest = uploaded(&platform, &release("1.0.0", &["kv", "clock"])).await;
    let new = json!({"digest": digest, "enabled": true});
    let path = format!("/plugins/{}", owner.post("/plugins", new).await.expect(201).id());
    call(&platform, "{}").await.unwrap();
    for _ in 0..5 {
        assert_eq!(call(&platform, "!").await, Err("trap".to_owned()));
    }
    assert_eq!(call(&platform, "{}").await, Err("paused".to_owned()));
    let plugin = owner.get(&path).await.expect(200).json();
    assert_eq!(plugin["paused_until"], "2026-01-05T09:01:00Z");
    let lines = |kind: &str| {
        let path = format!("{path}/logs?kind={kind}");
        async move { owner.get(&path).await.expect(200).json()["items"].clone() }
    };
    let denied = lines("denied").await;
    assert!(denied.as_array().unwrap().iter().any(|line| line["text"] == "kv is not granted"));
    assert_eq!(lines("failed").await.as_array().unwrap().len(), 5);
    let changed = lines("changed").await;
    assert!(changed[0]["text"].as_str().unwrap().starts_with("paused until "), "{changed}");
    let usage = platform.viewer.get(&format!("{path}/usage")).await.expect(200).json();
    assert_eq!((&usage["total"]["calls"], &usage["total"]["failures"]), (&json!(6), &json!(5)));
    assert_eq!(usage["days"][0]["day"], "2026-01-05");
    let none = owner.get(&format!("{path}/usage?to=2026-01-04")).await.expect(200).json();
    assert_eq!(none["days"], json!([]));
    owner.get(&format!("{path}/usage?from=2026-01-06&to=2026-01-05")).await.problem(422, "invalid");
    platform.stranger.get(&format!("{path}/usage")).await.problem(404, "not_found");
    platform.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(call(&platform, "{}").await.as_deref(), Ok("{}"));
}

async fn flows_and_editors_know_the_plugins_that_run(platform: Platform) {
    let platform = platform.plugged();
    let owner = &platform.owner;
    let data = json!({"plugin": "orders", "node": "lookup", "config": {"limit": "{{ n }}"}, "exits": ["found", "missing"]});
    let draft = |data: &Value| {
        json!({
            "schema": "justping.flow/1",
            "nodes": [
                {"id": "start", "type": "trigger", "data": {}},
                {"id": "look", "type": "plugin", "data": data},
                {"id": "hi", "type": "text", "data": {"text": "Hi."}},
            ],
            "edges": [
                {"id": "e1", "source": "start", "target": "look"},
                {"id": "e2", "source": "look", "sourceHandle": "found", "target": "hi"},
            ],
        })
    };
    let flow =
        owner.post("/flows", json!({"name": "f", "draft": draft(&data)})).await.expect(201).id();
    let codes = || async {
        let said =
            owner.post(&format!("/flows/{flow}/validate"), json!({})).await.expect(200).json();
        let findings = said["findings"].as_array().unwrap().clone();
        let codes =
            findings.into_iter().map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code.starts_with("plugin_")).collect::<Vec<_>>()
    };
    assert_eq!(codes().await, ["plugin_not_installed"]);
    let problem = owner.post(&format!("/flows/{flow}/publish"), json!({})).await;
    assert!(paths(&problem.problem(422, "invalid_flow")).contains(&"/draft/nodes/1/data/plugin"));
    let digest = uploaded(&platform, &release("1.0.0", &["kv", "clock"])).await;
    owner.post("/plugins", json!({"digest": digest, "enabled": true})).await.expect(201);
    assert_eq!(codes().await, Vec::<String>::new());
    let nodes = platform.viewer.get("/nodes").await.expect(200).json();
    let nodes = nodes["items"].as_array().unwrap();
    let node = nodes.iter().find(|node| node["preset"]["plugin"] == "orders").unwrap();
    assert_eq!((&node["kind"], &node["preset"]["node"]), (&json!("plugin"), &json!("lookup")));
    assert_eq!(node["exits"][2]["name"], "error");
    let theirs = platform.stranger.get("/nodes").await.expect(200).json();
    assert!(!theirs.to_string().contains("orders"));
    let wrong =
        json!({"plugin": "orders", "node": "lookup", "config": {"limit": "x"}, "exits": ["found"]});
    let read = owner.get(&format!("/flows/{flow}")).await.json();
    let update = json!({"name": "f", "draft": draft(&wrong), "revision": read["revision"]});
    owner.put(&format!("/flows/{flow}"), update).await.expect(200);
    assert_eq!(codes().await, ["plugin_config", "plugin_exits"]);
}

async fn a_node_that_traps_is_left_by_its_error_exit(platform: Platform) {
    let platform = platform.plugged();
    let owner = &platform.owner;
    let digest = uploaded(&platform, &release("1.0.0", &["kv", "clock"])).await;
    owner.post("/plugins", json!({"digest": digest, "enabled": true})).await.expect(201);
    let data =
        json!({"plugin": "orders", "node": "lookup", "config": {}, "exits": ["found", "missing"]});
    let flow = platform
        .flow(json!({
            "schema": "justping.flow/1",
            "nodes": [
                {"id": "start", "type": "trigger", "data": {}},
                {"id": "look", "type": "plugin", "data": data},
                {"id": "sorry", "type": "text", "data": {"text": "Sorry."}},
            ],
            "edges": [
                {"id": "e1", "source": "start", "target": "look"},
                {"id": "e2", "source": "look", "sourceHandle": "error", "target": "sorry"},
            ],
        }))
        .await;
    let agent = owner.post("/agents", json!({"name": "A", "flows": [flow]})).await.expect(201).id();
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, "ann", "1", "where is it?").await;
    platform.settle().await;
    let conversation = platform.only_conversation().await;
    let messages = owner.get(&format!("/conversations/{conversation}/messages")).await.expect(200);
    assert!(messages.text.contains("Sorry."), "{}", messages.text);
    let plugins = owner.get("/plugins").await.expect(200).json();
    let id = plugins["items"][0]["id"].as_str().unwrap().to_owned();
    let failed = owner.get(&format!("/plugins/{id}/logs?kind=failed")).await.expect(200).json();
    assert!(failed["items"][0]["text"].as_str().unwrap().starts_with("trap: "), "{failed}");
    assert_eq!(failed["items"][0]["conversation_id"], conversation.as_str());
}

async fn without_plugins_nothing_is_known_of_them(platform: Platform) {
    let owner = &platform.owner;
    upload(owner, &Bytes::from_static(b"x")).await.problem(404, "plugins_off");
    owner.get("/plugins").await.problem(404, "plugins_off");
    owner.post("/plugins", json!({"digest": "0"})).await.problem(404, "plugins_off");
    owner.get("/nodes").await.expect(200);
}

on_every_store!(
    packages_are_verified_and_kept_once,
    a_plugin_is_installed_within_its_requests,
    a_change_takes_effect_at_once_and_leaves_a_line,
    an_upgrade_keeps_what_is_granted_and_a_rollback_brings_back_the_code,
    what_a_plugin_does_is_told,
    flows_and_editors_know_the_plugins_that_run,
    a_node_that_traps_is_left_by_its_error_exit,
    without_plugins_nothing_is_known_of_them,
);
