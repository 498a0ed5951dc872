//! How agents answer, and what that costs.

use justping::model::{Spend, UsageOwner};
use justping::port::Clock;
use justping::port::store::UsageEntry;
use serde_json::json;
use uuid::Uuid;

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
        conversation_id: conversation.parse().unwrap(),
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

on_every_store!(settings_are_kept_and_checked, usage_is_told_by_day_and_conversation,);
