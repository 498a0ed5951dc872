//! How agents answer, and what that costs.

use std::sync::Arc;

use justping::agents::ai::{Ledger, Meter};
use justping::memory::ScriptedAi;
use justping::model::{Spend, UsageOwner};
use justping::port::store::UsageEntry;
use justping::port::{AiError, Clock};
use justping_server::app::App;
use justping_server::http as web;
use serde_json::json;
use uuid::Uuid;

use crate::answer::Actor;
use crate::platform::Platform;

async fn settings_are_kept_and_checked(platform: Platform) {
    let owner = &platform.owner;
    let settings = json!({
        "fallback_models": ["spare"], "tools": ["crm__find"], "memory": {"messages": 10, "summary": true},
        "guard": {"redact": ["email", "card"], "blocked_topics": ["medicine"]},
        "budget": {"day": {"micros": 5_000_000}},
        "prompts": [{"id": "a", "weight": 1, "instructions": "Be brief."}]
    });
    let new = json!({"name": "A", "settings": settings});
    let id = owner.post("/agents", new).await.expect(201).id();
    let agent = owner.get(&format!("/agents/{id}")).await.expect(200).json();
    assert_eq!(agent["settings"], settings);
    let update = json!({
        "name": "B", "instructions": "", "model": null, "flows": [], "revision": agent["revision"]
    });
    let agent = owner.put(&format!("/agents/{id}"), update.clone()).await.expect(200).json();
    assert_eq!(agent["settings"], settings, "what is left out stays");
    let mut update = update;
    update["revision"] = agent["revision"].clone();
    update["settings"] = json!({"temperature": 3, "memory": {"messages": 0}});
    let problem = owner.put(&format!("/agents/{id}"), update.clone()).await.problem(422, "invalid");
    let paths: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/settings/temperature", "/settings/memory/messages"]);
    update["settings"] = json!({});
    let agent = owner.put(&format!("/agents/{id}"), update).await.expect(200).json();
    assert_eq!(agent["settings"], json!({}));
    let plain = owner.post("/agents", json!({"name": "C"})).await.expect(201).json();
    assert_eq!(plain["settings"], json!({}));
}

async fn usage_is_told_by_day_and_conversation(platform: Platform) {
    let agent = platform.echo_agent().await;
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, "ann", "1", "hello").await;
    platform.settle().await;
    let conversations = platform.owner.get(&format!("/conversations?channel_id={channel}")).await;
    let conversation = conversations.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let owner = UsageOwner {
        business_id: platform.business,
        conversation_id: Some(conversation.parse().unwrap()),
        agent_id: Some(agent.parse().unwrap()),
    };
    for (number, model) in [(1, "b"), (2, "a"), (3, "a")] {
        let spend = Spend {
            calls: 1,
            input_tokens: 10,
            output_tokens: number,
            cached_tokens: 0,
            micros: 100,
        };
        let (hold, at) = (Uuid::from_u128(u128::from(number)), platform.clock.now());
        let entry = UsageEntry { hold, owner, at, model: model.to_owned(), spend };
        platform.jp().store().enter_usage(&entry).await.unwrap();
    }
    let usage = platform.viewer.get("/analytics/usage").await.expect(200).json();
    assert_eq!((&usage["total"]["calls"], &usage["total"]["micros"]), (&json!(3), &json!(300)));
    let days = usage["days"].as_array().unwrap();
    let models: Vec<_> = days.iter().map(|day| (&day["model"], &day["output_tokens"])).collect();
    assert_eq!(models, [(&json!("a"), &json!(5)), (&json!("b"), &json!(1))]);
    assert!(days.iter().all(|day| day["agent_id"] == agent.as_str()));
    let path = format!("/conversations/{conversation}/usage");
    let spend = platform.viewer.get(&path).await.expect(200).json();
    assert_eq!((&spend["input_tokens"], &spend["output_tokens"]), (&json!(30), &json!(6)));
    platform.stranger.get(&path).await.problem(404, "not_found");
    let theirs = platform.stranger.get("/analytics/usage").await.expect(200).json();
    assert_eq!(theirs["days"], json!([]));
    platform.viewer.get("/analytics/usage?agent_id=x").await.problem(404, "not_found");
}

async fn a_model_plays_contacts_at_the_business_own_cost(platform: Platform) {
    let agent = platform.echo_agent().await;
    let path = format!("/agents/{agent}/test");
    let scenario = json!({
        "customer": {"persona": "Ada.", "goal": "Hear an echo.", "max_turns": 5},
        "judge": {"criteria": ["The business says what it heard."]}
    });
    platform.owner.post(&path, scenario.clone()).await.problem(422, "invalid");

    let ai = Arc::new(ScriptedAi::new());
    let store = Arc::clone(platform.jp().store());
    let ledger = Ledger::new(store, Arc::clone(platform.jp().clock()));
    let people = Meter::new(ai.clone()).with_ledger(ledger);
    let app = App::new(platform.jp().clone(), platform.app.flows().clone()).peopled(Some(people));
    let owner = Actor { router: web::router(&Arc::new(app)), ..platform.owner.clone() };
    ai.then(r#"{"say": "hi"}"#).then(r#"{"say": "boat"}"#).then(r#"{"done": true}"#);
    ai.then(r#"{"verdicts": [{"passed": true, "reason": "It does."}]}"#);
    let run = owner.post(&path, scenario.clone()).await.expect(200).json();
    assert_eq!((&run["passed"], &run["customer"]["turns"]), (&json!(true), &json!(2)), "{run}");
    assert!(run["transcript"].to_string().contains("You said boat."), "{run}");
    let usage = owner.get("/analytics/usage").await.expect(200).json();
    assert_eq!(usage["total"]["calls"], 4, "{usage}");
    ai.then_fail(AiError::RateLimited { after: None });
    owner.post(&path, scenario.clone()).await.expect(503);
    let caps = json!({"day": {"tokens": 1}, "month": {}});
    owner.put("/usage/caps", caps).await.expect(200);
    owner.post(&path, scenario).await.problem(402, "budget");
}

async fn what_a_business_may_spend_is_its_own_to_say(platform: Platform) {
    let (owner, path) = (&platform.owner, "/usage/caps");
    let open = json!({"tokens": null, "micros": null});
    let none = json!({"day": open, "month": open});
    assert_eq!(owner.get(path).await.expect(200).json(), none);
    let caps =
        json!({"day": {"tokens": 5_000, "micros": null}, "month": {"tokens": null, "micros": 9}});
    assert_eq!(owner.put(path, caps.clone()).await.expect(200).json(), caps);
    assert_eq!(platform.viewer.get(path).await.expect(200).json(), caps);
    assert_eq!(platform.stranger.get(path).await.expect(200).json(), none);
    for odd in [json!({"day": {}}), json!({"day": {"euros": 1}, "month": {}})] {
        owner.put(path, odd).await.expect(422);
    }
    owner.put(path, json!([])).await.problem(400, "malformed");
    assert_eq!(owner.get(path).await.expect(200).json(), caps);
}

/// A flow that starts on these words, or on every message.
fn starting_on(keywords: &[&str]) -> serde_json::Value {
    let data = if keywords.is_empty() {
        json!({})
    } else {
        json!({"on": "keywords", "keywords": keywords})
    };
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger", "data": data},
            {"id": "t", "type": "text", "data": {"text": "hello"}}
        ],
        "edges": [{"id": "e", "source": "start", "target": "t"}]
    })
}

async fn flows_that_take_each_others_words_are_told(platform: Platform) {
    let owner = &platform.owner;
    let (all, price) = (starting_on(&[]), starting_on(&["price"]));
    let (all, price) = (platform.flow(all).await, platform.flow(price).await);
    let new = json!({"name": "A", "flows": [all, price]});
    let agent = owner.post("/agents", new).await.expect(201).json();
    let warning = &agent["warnings"][0];
    assert_eq!(warning["code"], "competing_triggers", "{agent}");
    assert_eq!((&warning["severity"], &warning["flow_id"]), (&json!("warning"), &json!(price)));
    let published = owner.post(&format!("/flows/{price}/publish"), json!({})).await.expect(200);
    let warnings = published.json()["warnings"].clone();
    assert_eq!(warnings[0]["agent_id"], agent["id"], "{warnings}");
    let update = json!({
        "name": "A", "instructions": "", "model": null, "flows": [price, all],
        "revision": agent["revision"]
    });
    let path = format!("/agents/{}", agent["id"].as_str().unwrap());
    let agent = owner.put(&path, update).await.expect(200).json();
    assert!(agent.get("warnings").is_none(), "{agent}");
}

async fn a_flow_calls_another_by_its_id(platform: Platform) {
    let owner = &platform.owner;
    let inner = platform.flow(starting_on(&[])).await;
    let calling = |id: &str| {
        json!({
            "schema": "justping.flow/1",
            "nodes": [
                {"id": "start", "type": "trigger", "data": {}},
                {"id": "call", "type": "call_flow", "data": {"flow": id}}
            ],
            "edges": [{"id": "e", "source": "start", "target": "call"}]
        })
    };
    let new = json!({"name": "outer", "draft": calling(&inner)});
    let outer = owner.post("/flows", new).await.expect(201).id();
    let validation = owner.post(&format!("/flows/{outer}/validate"), json!({})).await.json();
    assert_eq!(validation["ok"], true, "{validation}");
    let run = owner.post(&format!("/flows/{outer}/test"), json!({"lines": [{"say": "hi"}]})).await;
    assert_eq!(run.expect(200).json()["transcript"][1]["content"]["text"], "hello");
    let publish = format!("/flows/{outer}/publish");
    let first = owner.post(&publish, json!({})).await.expect(200).json();
    let again = owner.post(&publish, json!({})).await.expect(200).json();
    assert_eq!(first["id"], again["id"], "nothing has changed");
    // What is called is published anew: so is what calls it, when somebody publishes that.
    let flow = owner.get(&format!("/flows/{inner}")).await.json();
    let mut draft = flow["draft"].clone();
    draft["nodes"][1]["data"]["text"] = json!("good day");
    let update = json!({"name": "inner", "draft": draft, "revision": flow["revision"]});
    owner.put(&format!("/flows/{inner}"), update).await.expect(200);
    owner.post(&format!("/flows/{inner}/publish"), json!({})).await.expect(200);
    let agent = json!({"name": "A", "flows": [outer]});
    let agent = owner.post("/agents", agent).await.expect(201).id();
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, "ann", "1", "hi").await;
    platform.settle().await;
    let second = owner.post(&publish, json!({})).await.expect(200).json();
    assert_ne!(first["id"], second["id"]);
    platform.hear(&channel, "bob", "2", "hi").await;
    platform.settle().await;
    let sent = platform.provider.channel(channel.parse().unwrap()).sent();
    let said: Vec<&str> = sent.iter().map(|message| message.content.plain()).collect();
    assert_eq!(said, ["hello", "good day"]);
    // What is not there, is not published, is somebody else's or is the flow itself leads nowhere.
    let draft = owner.post("/flows", json!({"name": "d", "draft": starting_on(&[])})).await.id();
    let theirs = json!({"name": "t", "draft": starting_on(&[])});
    let theirs = platform.stranger.post("/flows", theirs).await.expect(201).id();
    platform.stranger.post(&format!("/flows/{theirs}/publish"), json!({})).await.expect(200);
    for id in [draft.as_str(), theirs.as_str(), "flw_00000000000000000000000007"] {
        let new = json!({"name": "odd", "draft": calling(id)});
        let odd = owner.post("/flows", new).await.expect(201).id();
        let refused = owner.post(&format!("/flows/{odd}/publish"), json!({})).await;
        let problem = refused.problem(422, "invalid_flow");
        assert!(problem.to_string().contains("unknown_flow"), "{problem}");
    }
}

on_every_store!(
    what_a_business_may_spend_is_its_own_to_say,
    flows_that_take_each_others_words_are_told,
    a_flow_calls_another_by_its_id,
    a_model_plays_contacts_at_the_business_own_cost,
    settings_are_kept_and_checked,
    usage_is_told_by_day_and_conversation,
);
