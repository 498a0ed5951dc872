//! A bot that says it is writing is seen writing: by listeners and by the provider's contact.

use std::sync::Arc;
use std::time::Duration;

use justping::agents::Flows;
use justping::model::{EventBody, Topic, Typist};
use justping::stage::Stage;
use serde_json::json;

#[tokio::test]
async fn listeners_and_the_provider_see_that_the_bot_writes() {
    let flow = json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "wait", "type": "typing", "data": {"seconds": 5}},
            {"id": "answer", "type": "text", "data": {"text": "There you are."}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "wait"},
            {"id": "2", "source": "wait", "target": "answer"},
        ],
    });
    let stage = Stage::builder(Arc::new(Flows::new())).open(&[flow]).await.unwrap();
    let mut heard = stage.engine().bus().subscribe(Topic::Business(stage.business()));
    stage.say("ann", "hi").await.unwrap();
    let until = loop {
        let event = heard.next().await.unwrap();
        if let EventBody::TypingStarted { typist: Typist::Bot, until } = &event.body {
            break *until;
        }
    };
    let channel = stage.provider().channel(stage.channel());
    let told = async {
        while channel.read().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("the provider is told");
    assert!(channel.sent().is_empty(), "the answer waits for the sign to be over");
    assert!(until > stage.engine().clock().now());
    stage.advance(jiff::SignedDuration::from_secs(5)).await.unwrap();
    let sent = channel.sent();
    assert_eq!(sent.last().unwrap().content.plain(), "There you are.");
}
