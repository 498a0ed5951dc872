//! Agents, flows, their versions and their tests.

use serde_json::{Value, json};

use crate::platform::{Platform, echo};

async fn a_flow_is_edited_and_published(platform: Platform) {
    let owner = &platform.owner;
    let made = owner.post("/flows", json!({"name": "f", "draft": echo()})).await.expect(201);
    let path = format!("/flows/{}", made.id());
    let check = owner.post(&format!("{path}/validate"), json!({})).await.expect(200).json();
    assert_eq!(check["ok"], true, "{check}");
    let asked = owner.post(&format!("{path}/validate?channels=sms,webchat,none"), json!({})).await;
    let severities = |check: &Value| {
        let findings = check["findings"].as_array().unwrap().iter();
        findings.map(|finding| finding["severity"].clone()).collect::<Vec<_>>()
    };
    let asked = asked.expect(200).json();
    assert_eq!((&asked["ok"], severities(&asked)), (&check["ok"], severities(&check)), "{asked}");
    let one = owner.post(&format!("{path}/publish"), json!({})).await.expect(200).json();
    assert_eq!(one["number"], 1);
    let same = owner.post(&format!("{path}/publish"), json!({})).await.expect(200).json();
    assert_eq!(same["id"], one["id"], "an unchanged draft is the version there is");

    let now = owner.get(&path).await.json();
    assert_eq!(now["published"], one["id"]);
    let mut draft = echo();
    draft["nodes"][2]["data"]["text"] = json!("Heard {{ said }}.");
    let update = json!({"name": "g", "draft": draft, "revision": now["revision"]});
    owner.put(&path, update.clone()).await.expect(200);
    owner.put(&path, update).await.problem(409, "stale");
    let mut two = owner.post(&format!("{path}/publish"), json!({})).await.expect(200).json();
    assert_eq!((&two["number"], &two["report"]["live"]), (&json!(2), &json!(0)));
    two.as_object_mut().unwrap().retain(|name, _| name != "report" && name != "warnings");
    let versions = owner.get(&format!("{path}/versions")).await.expect(200).json();
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    let read = owner.get(&format!("/flow-versions/{}", two["id"].as_str().unwrap())).await;
    assert_eq!(read.expect(200).json(), two);
    owner.delete(&path).await.problem(409, "conflict");
}

async fn a_broken_flow_is_not_published(platform: Platform) {
    let owner = &platform.owner;
    for draft in [
        Value::Null,
        json!([]),
        json!({"schema": "x"}),
        json!({"schema": "justping.flow/1",
        "nodes": [{"id": "a", "type": "nothing"}], "edges": []}),
    ] {
        let made = owner.post("/flows", json!({"name": "f", "draft": draft})).await.expect(201);
        let path = format!("/flows/{}", made.id());
        let check = owner.post(&format!("{path}/validate"), json!({})).await.expect(200).json();
        assert_eq!(check["ok"], false);
        assert!(!check["findings"].as_array().unwrap().is_empty());
        let refused = owner.post(&format!("{path}/publish"), json!({})).await;
        let refused = refused.problem(422, "invalid_flow");
        assert!(!refused["errors"].as_array().unwrap().is_empty(), "{refused}");
        owner.post(&format!("{path}/test"), json!({})).await.problem(422, "invalid_flow");
        owner.delete(&path).await.expect(204);
    }
}

async fn a_flow_is_tried_without_a_trace_outside(platform: Platform) {
    let owner = &platform.owner;
    let flow = platform.flow(echo()).await;
    let script = json!({"lines": [{"say": "hello"}, {"wait": 3600}, {"say": "ping"}]});
    let run = owner.post(&format!("/flows/{flow}/test"), script.clone()).await.expect(200).json();
    let said: Vec<&str> = run["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["content"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["hello", "Say something.", "ping", "You said ping.", "Say something."]);
    assert_eq!(run["sessions"][0]["status"], "waiting");
    assert_eq!(run["sessions"][0]["trace"].as_array().unwrap().len(), 2);
    let agent = owner.post("/agents", json!({"name": "A", "flows": [flow]})).await.expect(201).id();
    let same = owner.post(&format!("/agents/{agent}/test"), script).await.expect(200).json();
    assert_eq!(same["transcript"], run["transcript"]);
    assert_eq!(owner.get("/conversations").await.json()["items"], json!([]));
    assert_eq!(owner.get("/contacts").await.json()["items"], json!([]));
}

async fn a_model_is_played_in_a_test(platform: Platform) {
    let draft = json!({
        "schema": "justping.flow/1",
        "nodes": [{"id": "s", "type": "trigger"}, {"id": "ai", "type": "ai_reply", "data": {}}],
        "edges": [{"id": "e", "source": "s", "target": "ai"}],
    });
    let owner = &platform.owner;
    let flow = owner.post("/flows", json!({"name": "ai", "draft": draft})).await.expect(201).id();
    let script = json!({"lines": [{"say": "hello"}], "answers": ["I am scripted."]});
    let run = owner.post(&format!("/flows/{flow}/test"), script).await.expect(200).json();
    assert_eq!(run["transcript"][1]["content"]["text"], "I am scripted.", "{run}");
}

async fn a_scenario_tells_what_did_not_come_true(platform: Platform) {
    let owner = &platform.owner;
    let flow = platform.flow(echo()).await;
    let scenario = json!({
        "given": {"contact": {"name": "Ann"}},
        "steps": [
            {"say": "hello"}, {"expect": "Say something."},
            {"after": "1d"}, {"say": "ping"},
            {"expect": {"says": ["You said pong.", "Say something."], "variables": {"said": "ping"}}}
        ],
        "customer": {"persona": "Curious.", "goal": "An echo.",
            "answers": ["pong", "{\"done\": true}"]},
    });
    let run = owner.post(&format!("/flows/{flow}/test"), scenario).await.expect(200).json();
    assert_eq!((&run["passed"], &run["checked"]), (&json!(false), &json!(4)), "{run}");
    let failures = run["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0]["path"], "/steps/4/expect/says");
    assert_eq!(failures[0]["found"][0], "You said ping.");
    assert_eq!(run["customer"]["reached"], true);
    let ways = &run["sessions"][0]["trace"][1]["way"];
    assert_eq!(ways[0], json!({"node": "ask", "exit": "reply"}));
}

async fn a_script_has_bounds(platform: Platform) {
    let owner = &platform.owner;
    let flow = platform.flow(echo()).await;
    let path = format!("/flows/{flow}/test");
    for script in [
        json!({"lines": vec![json!({"say": "x"}); 201]}),
        json!({"lines": [{"say": " "}]}),
        json!({"lines": [{"wait": u64::MAX}, {"wait": u64::MAX}]}),
        json!({"lines": [{"shout": "x"}]}),
        json!({"wish": 1}),
        json!({"steps": [{"expect": {"sais": "x"}}]}),
        json!({"customer": {"persona": "p", "goal": "g"}}),
    ] {
        owner.post(&path, script).await.problem(422, "invalid");
    }
    platform.viewer.post(&path, json!({})).await.problem(403, "forbidden");
}

async fn an_agent_lives(platform: Platform) {
    let owner = &platform.owner;
    let flow = platform.flow(echo()).await;
    let made = owner.post("/agents", json!({"name": "A"})).await.expect(201);
    let path = format!("/agents/{}", made.id());
    let update = json!({"name": "B", "instructions": "Be kind.", "model": "m", "flows": [flow],
        "revision": 1});
    let updated = owner.put(&path, update.clone()).await.expect(200).json();
    assert_eq!(updated["name"], "B");
    owner.put(&path, update).await.problem(409, "stale");
    let flows = owner.get(&format!("{path}/flows")).await.expect(200).json();
    assert_eq!(flows["items"][0]["id"], json!(flow));
    owner.delete(&path).await.expect(204);
    owner.get(&path).await.problem(404, "not_found");
    owner.get(&format!("/flows/{flow}")).await.expect(200);
}

async fn a_flow_of_another_system_is_imported(platform: Platform) {
    let owner = &platform.owner;
    let source = json!({
        "description": "Greeter", "initial_state": "Trigger",
        "states": [
            {"name": "Trigger", "type": "trigger", "properties": {},
             "transitions": [{"event": "incomingMessage", "next": "hi"}, {"event": "incomingCall"}]},
            {"name": "hi", "type": "send-message", "properties": {"body": "Hi!"},
             "transitions": [{"event": "sent", "next": "call"}]},
            {"name": "call", "type": "say-play", "properties": {"say": "Hi!"}, "transitions": []}
        ]
    });
    let read = owner.post("/flows/import", json!({"source": source})).await.expect(200).json();
    assert_eq!((&read["format"], &read["ok"]), (&json!("twilio"), &json!(true)), "{read}");
    assert_eq!(read["flow"], Value::Null);
    assert_eq!(read["report"]["unsupported"][0]["path"], "/states/2");
    let flows = owner.get("/flows").await.expect(200).json();
    assert_eq!(flows["items"], json!([]), "nothing is created unless asked for");

    let ask = json!({"source": source, "format": "twilio", "create": true});
    let made = owner.post("/flows/import", ask).await.expect(201).json();
    assert_eq!(made["flow"]["name"], "Greeter");
    let path = format!("/flows/{}", made["flow"]["id"].as_str().unwrap());
    assert_eq!(owner.get(&path).await.expect(200).json()["draft"], read["document"]);
    owner.post(&format!("{path}/publish"), json!({})).await.expect(200);

    let refused = |source: Value| json!({"source": source});
    let unknown = owner.post("/flows/import", refused(json!({"a": 1}))).await;
    unknown.problem(422, "unknown_format");
    let broken = json!({"states": [{"type": "trigger"}], "initial_state": "x"});
    let broken = owner.post("/flows/import", refused(broken)).await;
    let broken = broken.problem(422, "invalid_import");
    assert_eq!(broken["errors"][0]["path"], "/source/states/0", "{broken}");
    let support = platform.support.post("/flows/import", refused(json!({}))).await;
    support.problem(403, "forbidden");
}

async fn nodes_describe_themselves(platform: Platform) {
    let nodes = platform.viewer.get("/nodes").await.expect(200).json();
    let kinds: Vec<&str> =
        nodes["items"].as_array().unwrap().iter().map(|n| n["kind"].as_str().unwrap()).collect();
    for kind in ["text", "buttons", "input", "condition", "wait", "handoff", "ai_reply", "http"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

on_every_store!(
    a_flow_is_edited_and_published,
    a_broken_flow_is_not_published,
    a_flow_is_tried_without_a_trace_outside,
    a_model_is_played_in_a_test,
    a_scenario_tells_what_did_not_come_true,
    a_script_has_bounds,
    an_agent_lives,
    a_flow_of_another_system_is_imported,
    nodes_describe_themselves,
);
