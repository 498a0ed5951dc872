//! What a first start finds.

use std::sync::Mutex;

use justping::agents::Flows;
use justping::memory::ScriptedAi;
use justping::policy::consent_word;
use justping::port::FlowRuntime;
use justping::stage::Stage;
use justping_server::demo::{self, DemoAi};
use serde_json::Value;

use crate::answer::Actor;
use crate::platform::Platform;

fn with_model() -> Flows {
    let model = ScriptedAi::new();
    model.otherwise("A model speaks.");
    Flows::new().with_ai(std::sync::Arc::new(model))
}

#[test]
fn the_documents_have_no_finding() {
    for (ai, flows) in [(DemoAi::Without, Flows::new()), (DemoAi::With, with_model())] {
        let document = demo::document(ai).unwrap();
        assert_eq!(flows.check(&document), [], "{ai:?}");
    }
}

#[test]
fn no_way_out_of_the_ai_is_a_word_that_ends_all_messages() {
    let document = demo::document(DemoAi::With).unwrap();
    let nodes = document["nodes"].as_array().unwrap();
    let phrases = nodes.iter().filter_map(|node| node["data"]["exit_phrases"].as_array()).flatten();
    let phrases: Vec<_> = phrases.map(|phrase| phrase.as_str().unwrap()).collect();
    assert!(!phrases.is_empty());
    for phrase in phrases {
        assert_eq!(consent_word(phrase), None, "{phrase}");
    }
}

fn texts(messages: &[justping::model::Message]) -> String {
    messages.iter().map(|m| m.content.plain()).collect::<Vec<_>>().join(" / ")
}

#[tokio::test]
async fn the_agent_walks_through_its_menu() {
    let stage = Stage::builder(std::sync::Arc::new(Flows::new()));
    let stage = stage.open(&[demo::document(DemoAi::Without).unwrap()]).await.unwrap();
    assert!(texts(&stage.say("v", "hello").await.unwrap()).contains("call you?"));
    let menu = texts(&stage.say("v", "Ada").await.unwrap());
    assert!(menu.contains("Ada") && menu.contains("like to know?"), "{menu}");
    let answer = texts(&stage.say("v", "How do I start?").await.unwrap());
    assert!(answer.contains("Add the crate"), "{answer}");
    stage.advance(jiff::SignedDuration::from_secs(3)).await.unwrap();
    let thread = texts(&stage.thread("v").await.unwrap());
    assert!(thread.contains("A tip") && thread.ends_with("like to know?"), "{thread}");
    let human = texts(&stage.say("v", "Talk to a human").await.unwrap());
    assert!(human.contains("passing you on"), "{human}");
    assert_eq!(stage.say("v", "still there?").await.unwrap(), [], "people have it now");
}

#[tokio::test]
async fn the_agent_asks_a_model_where_there_is_one() {
    let stage = Stage::builder(std::sync::Arc::new(with_model()));
    let stage = stage.open(&[demo::document(DemoAi::With).unwrap()]).await.unwrap();
    stage.say("v", "hello").await.unwrap();
    stage.say("v", "Ada").await.unwrap();
    stage.say("v", "Ask the AI").await.unwrap();
    assert!(texts(&stage.say("v", "What is it?").await.unwrap()).contains("A model speaks."));
    assert!(texts(&stage.say("v", "menu").await.unwrap()).contains("like to know?"));
}

#[tokio::test]
async fn an_empty_store_gets_a_demo_once() {
    for platform in Platform::empty_on_each().await {
        let shown = Mutex::new(Vec::new());
        for _ in 0..3 {
            let show = |token: &str| shown.lock().unwrap().push(token.to_owned());
            demo::seed(platform.jp(), DemoAi::Without, show).await.unwrap();
        }
        let shown = shown.into_inner().unwrap();
        assert_eq!(shown.len(), 1, "the key is shown once");
        let owner = Actor { token: Some(shown[0].clone()), ..platform.owner.clone() };
        assert_eq!(owner.get("/me").await.expect(200).json()["role"], "owner");
        let flows = owner.get("/flows").await.json();
        assert!(flows["items"][0]["published"].is_string());
        let chat = owner.get("/channels").await.json()["items"][0]["id"].clone();
        let page = owner.ask("GET", "/").send().await.expect(200);
        assert!(page.text.contains(chat.as_str().unwrap()) && page.text.contains("JustPing Demo"));
    }
}

async fn a_store_in_use_gets_no_demo(platform: Platform) {
    let show = |_: &str| panic!("a key was shown");
    demo::seed(platform.jp(), DemoAi::Without, show).await.unwrap();
    assert_eq!(platform.owner.get("/channels").await.json()["items"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_demo_that_died_in_its_middle_is_finished() {
    for platform in Platform::empty_on_each().await {
        // The process dies while the key is shown: everything but the key is there.
        let task = std::panic::AssertUnwindSafe(demo::seed(platform.jp(), DemoAi::Without, |_| {
            std::panic::resume_unwind(Box::new("killed"))
        }));
        let died = futures_util::FutureExt::catch_unwind(task).await;
        assert!(died.is_err());
        let shown = Mutex::new(0);
        let show = |_: &str| *shown.lock().unwrap() += 1;
        demo::seed(platform.jp(), DemoAi::Without, show).await.unwrap();
        assert_eq!(*shown.lock().unwrap(), 1);
    }
}

on_every_store!(a_store_in_use_gets_no_demo);
