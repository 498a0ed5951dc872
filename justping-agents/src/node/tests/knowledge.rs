//! Answers from a knowledge base.

use std::sync::Arc;

use justping_core::memory::{MemoryStore, ScriptedAi};
use justping_core::model::SessionStatus::{Completed, Waiting};
use justping_core::model::{
    Business, BusinessId, CallResult, Cap, Chunk, ChunkId, KnowledgeBase, KnowledgeBaseId, Source,
    SourceId, SourceOrigin, SourceState, Timestamp, WorkerId,
};
use justping_core::port::store::{BusinessStore, ClaimOptions, KnowledgeStore};
use justping_core::port::{AiError, FlowRuntime, Tool, ToolContext, ToolOrigin};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Flows;
use crate::knowledge::{Knowledge, SearchKnowledge};
use crate::play::{Play, document, quiet};

const BASE: Uuid = Uuid::from_u128(2);

/// A store in which the business of plays knows two things.
async fn library() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let (now, business_id) = (Timestamp::UNIX_EPOCH, BusinessId::from_uuid(Uuid::nil()));
    let row = Business { id: business_id, name: "Acme".to_owned(), created_at: now };
    store.create_business(&row).await.unwrap();
    let base = KnowledgeBase {
        id: KnowledgeBaseId::from_uuid(BASE),
        business_id,
        name: "Help".to_owned(),
        description: String::new(),
        embedding_model: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    store.create_knowledge_base(&base).await.unwrap();
    let source = Source {
        id: SourceId::from_uuid(Uuid::from_u128(3)),
        business_id,
        base_id: base.id,
        title: "Help page".to_owned(),
        origin: SourceOrigin::Url { url: "https://shop.example/help".to_owned() },
        format: None,
        refresh_minutes: None,
        state: SourceState::Pending,
        created_at: now,
        updated_at: now,
    };
    store.create_source(&source, None).await.unwrap();
    let worker = WorkerId::from_uuid(Uuid::from_u128(4));
    let options = ClaimOptions { worker, now, lease_until: now, limit: 1 };
    let hold = store.claim_sources(&options).await.unwrap()[0].hold;
    let texts = ["Parcels go back within thirty days.", "We open at nine."];
    let chunks = texts.iter().zip(0u32..).map(|(text, ordinal)| Chunk {
        id: ChunkId::from_uuid(Uuid::from_u128(10 + u128::from(ordinal))),
        ordinal,
        section: "Shop".to_owned(),
        page: None,
        text: (*text).to_owned(),
    });
    store.keep_chunks(&hold, &chunks.collect::<Vec<_>>()).await.unwrap();
    store
}

fn base() -> String {
    KnowledgeBaseId::from_uuid(BASE).to_string()
}

async fn play(ai: &Arc<ScriptedAi>, mut data: Value) -> Play {
    let knowledge = Knowledge::new(library().await);
    if data.get("base").is_none() {
        data["base"] = json!(base());
    }
    let nodes = json!([
        ["know", "knowledge", data],
        ["done", "text", {"text": "done {{ answer }} {{ sources[0].title }}"}],
        ["none", "text", {"text": "no answer"}],
        ["spent", "text", {"text": "spent"}],
        ["oops", "text", {"text": "oops"}]
    ]);
    let edges = json!([
        ["start", "next", "know"],
        ["know", "next", "done"],
        ["know", "no_answer", "none"],
        ["know", "budget", "spent"],
        ["know", "error", "oops"]
    ]);
    let flows = Flows::new().with_ai(ai.clone()).with_knowledge(knowledge);
    Play::with(&flows, &document(nodes, edges))
}

fn said(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).filter(|word| !word.starts_with("emit ai.usage")).collect()
}

#[tokio::test]
async fn a_question_is_looked_up_and_answered_with_citations() {
    let ai = Arc::new(ScriptedAi::new());
    ai.on("When do you open?", r#"{"answer": "At nine.", "passages": [1]}"#);
    let data = json!({
        "variable": "answer", "citations_variable": "sources", "say": "answer_with_sources",
        "prompt": "Call them {{ contact.name }}."
    });
    let mut play = play(&ai, data).await;
    assert_eq!(play.say("When do you open?"), ["call c1 of know"]);
    assert_eq!(play.perform().await, ["call c2 of know"]);
    let words = play.perform().await;
    let answer = "At nine.\n\nHelp page – https://shop.example/help";
    assert_eq!(said(&words), [answer, "done At nine. Help page"]);
    assert!(words[0].contains("\"output_tokens\""), "{words:?}");
    assert!(play.is(Completed));
    let citation = &play.variable("sources")[0];
    assert_eq!(citation["quote"], "We open at nine.");
    assert_eq!(
        (&citation["section"], &citation["url"]),
        (&json!("Shop"), &json!("https://shop.example/help"))
    );
    let request = ai.requests().remove(0);
    assert_eq!(request.model.as_deref(), Some("small"));
    let system = &request.messages[0].text;
    assert!(system.starts_with("Be kind.\n\nCall them Ada.\n\n"), "{system}");
    assert!(
        system.contains("from=\"Help page › Shop\">\nWe open at nine.\n</passage>"),
        "{system}"
    );
    let replayed = crate::replay(&*play.program, play.trace.clone());
    assert!(replayed.is_ok(), "{replayed:?}");
}

#[tokio::test]
async fn what_nobody_knows_is_no_answer() {
    let ai = Arc::new(ScriptedAi::new());
    let mut unknown = play(&ai, json!({})).await;
    unknown.say("zebra quantum chromodynamics");
    assert_eq!(unknown.perform().await, ["no answer"]);
    assert_eq!(ai.requests().len(), 0, "no model is asked about nothing");
    for reply in [r#"{"answer": null, "passages": []}"#, r#"{"answer": "At ten.", "passages": []}"#]
    {
        ai.then(reply);
        let mut play = play(&ai, json!({"say": "nothing"})).await;
        play.say("When do you open?");
        play.perform().await;
        assert_eq!(said(&play.perform().await), ["no answer"], "{reply}");
    }
    let mut blank = play(&ai, json!({"question": "{{ nothing }}  "})).await;
    assert_eq!(blank.say("hi"), ["no answer"]);
}

#[tokio::test]
async fn trouble_leaves_by_error_and_a_spent_budget_by_its_own_exit() {
    let ai = Arc::new(ScriptedAi::new());
    ai.then("At nine.").then_fail(AiError::Unauthorized);
    for _ in 0..2 {
        let mut play = play(&ai, json!({"question": "{{ message.text }} open nine"})).await;
        play.say("hi");
        play.perform().await;
        assert_eq!(said(&play.perform().await), ["oops"]);
    }
    let other = KnowledgeBaseId::from_uuid(Uuid::from_u128(99)).to_string();
    let mut missing = play(&ai, json!({"base": other})).await;
    missing.say("When do you open?");
    assert_eq!(missing.perform().await, ["oops"]);
    let mut spent = play(&ai, json!({})).await;
    spent.say("When do you open?");
    let code = "budget".to_owned();
    assert_eq!(spent.call_done("c1", CallResult::Error { code, detail: String::new() }), ["spent"]);
    let mut poor = play(&ai, json!({})).await;
    poor.settings.budget.message = Cap { tokens: Some(0), micros: None };
    poor.say("When do you open?");
    assert_eq!(poor.perform().await, ["spent"]);
    let mut odd = play(&ai, json!({})).await;
    odd.say("When do you open?");
    assert!(odd.say("hurry").is_empty() && odd.is(Waiting), "a message meanwhile waits");
    assert_eq!(odd.call_done("c1", CallResult::Ok(json!({"not": "passages"}))), ["oops"]);
}

#[tokio::test]
async fn it_is_reported_where_it_cannot_work() {
    let findings = |flows: &Flows, data: Value| {
        let edges = json!([["start", "next", "know"]]);
        let findings = flows.check(&document(json!([["know", "knowledge", data]]), edges));
        findings.into_iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let good = json!({"base": base()});
    assert_eq!(findings(&Flows::new(), good.clone()), ["missing_provider"]);
    let words_only = Flows::new().with_knowledge(Knowledge::new(library().await));
    assert_eq!(findings(&words_only, good.clone()), ["missing_provider"]);
    let ai = Arc::new(ScriptedAi::new());
    let flows = words_only.with_ai(ai);
    assert_eq!(findings(&flows, good), [""; 0]);
    assert_eq!(findings(&flows, json!({"base": "help"})), ["invalid_config"]);
}

#[tokio::test]
async fn a_model_searches_by_a_tool() {
    let knowledge = Knowledge::new(library().await);
    let scope = quiet().scope;
    let contact_id = justping_core::model::ContactId::from_uuid(Uuid::nil());
    let cx = ToolContext { scope, contact_id };
    let any = SearchKnowledge::new(knowledge.clone());
    assert_eq!(any.spec().parameters["required"], json!(["question", "base"]));
    let found = any.call(&json!({"question": "open at nine?", "base": base()}), &cx).await.unwrap();
    assert_eq!(found.origin, ToolOrigin::Foreign, "a page may say anything");
    assert_eq!(found.content[0]["text"], "We open at nine.");
    let only = SearchKnowledge::new(knowledge).only(KnowledgeBaseId::from_uuid(BASE));
    assert_eq!(only.spec().parameters["required"], json!(["question"]));
    let none = only.call(&json!({"question": "zebra quantum"}), &cx).await.unwrap();
    assert_eq!(none.content, json!([]));
    for bad in [json!({"question": "x"}), json!({"question": "x", "base": "x"})] {
        assert_eq!(any.call(&bad, &cx).await.unwrap_err().code(), "invalid_arguments");
    }
    let mut foreign = cx;
    foreign.scope.business_id = BusinessId::from_uuid(Uuid::from_u128(77));
    let stolen = only.call(&json!({"question": "open"}), &foreign).await;
    assert_eq!(stolen.unwrap_err().code(), "invalid_arguments");
}
