//! Sorting and reading by a model, summaries, guards and budgets of a message.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::sync::{Arc, Mutex};

use justping_core::memory::{AiReply, ScriptedAi};
use justping_core::model::{AgentSettings, CallResult, Cap, PersonalData, SessionStatus};
use justping_core::port::{AiError, DeltaSink, PerformContext, Usage};
use serde_json::{Value, json};

use crate::play::{Play, quiet};

fn classify(ai: &Arc<ScriptedAi>) -> Play {
    let classes = json!([
        {"id": "sales", "description": "Wants to buy."},
        {"id": "help", "description": "Has a problem."}
    ]);
    let nodes = json!([
        ["c", "ai_classify", {"classes": classes, "variable": "class"}],
        ["s", "text", {"text": "sales"}], ["h", "text", {"text": "help"}],
        ["d", "text", {"text": "default"}], ["e", "text", {"text": "error"}],
        ["b", "text", {"text": "budget"}]
    ]);
    let edges = json!([
        ["start", "next", "c"],
        ["c", "option:sales", "s"],
        ["c", "option:help", "h"],
        ["c", "default", "d"],
        ["c", "error", "e"],
        ["c", "budget", "b"]
    ]);
    Play::with_ai(ai, nodes, edges)
}

fn last(words: Vec<String>) -> String {
    words.last().unwrap().clone()
}

#[tokio::test]
async fn a_text_is_sorted_into_a_class() {
    let ai = Arc::new(ScriptedAi::new());
    for (answer, exit, class) in [
        ("{\"class\":\"sales\"}", "sales", json!("sales")),
        (" `help`. ", "help", json!("help")),
        ("{\"class\":\"none\"}", "default", Value::Null),
        ("no idea", "default", Value::Null),
    ] {
        ai.then(answer);
        let mut play = classify(&ai);
        assert_eq!(play.say("I want a boat"), ["call c1 of c"]);
        assert!(play.say("meanwhile").is_empty());
        assert_eq!(last(play.perform_again("c1").await), exit);
        assert_eq!(play.variable("class"), class);
    }
    let request = &ai.requests()[0];
    assert_eq!(
        request.response_schema.as_ref().unwrap()["properties"]["class"]["enum"],
        json!(["sales", "help", "none"])
    );
    ai.then_fail(AiError::Unauthorized);
    let mut play = classify(&ai);
    play.say("x");
    assert_eq!(last(play.perform().await), "error");
    let mut play = classify(&ai);
    play.say("x");
    let over = CallResult::Error { code: "budget".to_owned(), detail: String::new() };
    assert_eq!(play.call_done("c1", over), ["budget"]);
    assert_eq!(classify(&ai).say(" "), ["default"]);
}

fn extract(ai: &Arc<ScriptedAi>) -> Play {
    let fields = json!([
        {"name": "city", "description": "Where to."},
        {"name": "guests", "type": "integer", "required": false},
        {"name": "day", "type": "date"}
    ]);
    let nodes = json!([
        ["x", "ai_extract", {"fields": fields}],
        ["ok", "text", {"text": "{{ city }} {{ guests }} {{ day }}"}],
        ["more", "input", {"prompt": "more?", "variable": "m"}],
        ["bad", "text", {"text": "bad"}]
    ]);
    let edges = json!([
        ["start", "next", "x"],
        ["x", "next", "ok"],
        ["x", "incomplete", "more"],
        ["more", "reply", "x"],
        ["x", "error", "bad"]
    ]);
    Play::with_ai(ai, nodes, edges)
}

#[tokio::test]
async fn fields_are_read_one_talk_after_the_other() {
    let ai = Arc::new(ScriptedAi::new());
    ai.then(r#"{"city":"Rome","guests":null,"day":null}"#);
    ai.then(r#"{"city":null,"guests":2,"day":"2026-12-24"}"#);
    let mut play = extract(&ai);
    play.say("to Rome");
    assert_eq!(last(play.perform().await), "more?");
    play.say("two of us, on Christmas Eve");
    assert_eq!(last(play.perform().await), "Rome 2 2026-12-24");
    let schema = ai.requests()[0].response_schema.clone().unwrap();
    assert_eq!(schema["required"], json!(["city", "guests", "day"]));
    assert!(ai.requests()[0].messages[0].text.contains("Today is Thursday, 2025-10-09."));
}

#[tokio::test]
async fn fields_out_of_shape_may_be_mended_once() {
    let ai = Arc::new(ScriptedAi::new());
    ai.then("Rome!").then(r#"{"city":"Rome","guests":1,"day":"2026-01-02"}"#);
    let mut play = extract(&ai);
    play.say("Rome");
    assert_eq!(last(play.perform().await), "call c2 of x");
    assert_eq!(last(play.perform().await), "Rome 1 2026-01-02");
    assert_eq!(ai.requests()[1].messages.len(), 4);
    ai.then(r#"{"city":"Rome","guests":"two","day":null}"#).then("{}");
    let mut play = extract(&ai);
    play.say("Rome");
    play.perform().await;
    assert_eq!(last(play.perform().await), "bad");
    crate::replay(&*play.program, play.trace).unwrap();
}

fn talk(ai: &Arc<ScriptedAi>, settings: AgentSettings) -> Play {
    let nodes = json!([
        ["ai", "ai_reply", {"hand_off": "never", "max_turns": 100}],
        ["b", "text", {"text": "too dear"}], ["oops", "text", {"text": "oops"}]
    ]);
    let edges = json!([["start", "next", "ai"], ["ai", "budget", "b"], ["ai", "error", "oops"]]);
    let mut play = Play::with_ai(ai, nodes, edges);
    play.settings = settings;
    play
}

#[tokio::test]
async fn what_is_no_longer_shown_is_summed_up() {
    let ai = Arc::new(ScriptedAi::new());
    let mut settings = AgentSettings::default();
    settings.memory.messages = Some(4);
    settings.memory.summary = true;
    let mut play = talk(&ai, settings);
    for turn in 0..5 {
        ai.then(format!("a{turn}").as_str());
        play.say(&format!("q{turn}"));
        play.perform().await;
    }
    ai.then("They counted.").then("a5");
    play.say("q5");
    ai.then("a6");
    play.perform().await;
    let asked = ai.requests();
    assert!(!asked.iter().any(|request| request.messages[0].text.starts_with("Sum up")));
    play.say("q6");
    play.perform().await;
    let asked = ai.requests();
    let summary = asked.iter().find(|r| r.messages[0].text.starts_with("Sum up")).unwrap();
    assert!(summary.messages[1].text.starts_with("Contact: q0\nAgent: a0\n"), "{summary:?}");
    play.perform().await;
    let last = ai.requests().pop().unwrap();
    assert!(last.messages[0].text.contains("The talk so far: "), "{last:?}");
    assert_eq!(last.messages.len(), 5, "the summary and four messages");
    crate::replay(&*play.program, play.trace).unwrap();
}

/// Keeps what the contact may watch.
#[derive(Debug, Default)]
struct Watched(Mutex<String>);

impl DeltaSink for Watched {
    fn delta(&self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }
}

async fn watch(play: &mut Play) -> (String, Vec<String>) {
    let (request, watched) = (play.call(), Watched::default());
    let cx = PerformContext { on_delta: &watched, ..quiet() };
    let result = play.program.perform(&request, &cx).await;
    let words = play.call_done(&request.token, result);
    let watched = watched.0.into_inner().unwrap();
    (watched, words.into_iter().filter(|word| !word.starts_with("emit ai.usage")).collect())
}

#[tokio::test]
async fn models_see_placeholders_and_contacts_do_not() {
    let ai = Arc::new(ScriptedAi::new());
    let mut settings = AgentSettings::default();
    settings.guard.redact = PersonalData::ALL.into();
    let mut play = talk(&ai, settings);
    ai.then("I wrote to [EMAIL_1] and [EMAIL_9].");
    play.say("mail me at ada@mail.example");
    let (watched, words) = watch(&mut play).await;
    let said = "I wrote to ada@mail.example and [EMAIL_9].";
    assert_eq!((watched.as_str(), words), (said, vec![said.to_owned()]));
    assert_eq!(ai.requests()[0].messages[1].text, "mail me at [EMAIL_1]");
    ai.then("ok");
    play.say("4242 4242 4242 4242");
    watch(&mut play).await;
    let texts: Vec<String> = ai.requests()[1].messages.iter().map(|m| m.text.clone()).collect();
    assert!(texts.iter().all(|text| !text.contains('@') && !text.contains("4242")), "{texts:?}");
}

#[tokio::test]
async fn blocked_topics_are_not_asked_and_blocked_answers_not_shown() {
    let ai = Arc::new(ScriptedAi::new());
    let mut settings = AgentSettings::default();
    settings.guard.blocked_topics = vec!["medical advice".to_owned()];
    settings.guard.blocked_answers = vec!["guaranteed".to_owned()];
    settings.guard.blocked_reply = Some("Ask a doctor.".to_owned());
    let mut play = talk(&ai, settings);
    let words = play.say("I need medical advice!");
    assert!(words[0].starts_with("emit ai.blocked") && words[1] == "Ask a doctor.", "{words:?}");
    assert!(ai.requests().is_empty() && play.is(SessionStatus::Waiting));
    ai.then("A cure is guaranteed");
    play.say("will it help?");
    let (watched, words) = watch(&mut play).await;
    assert_eq!(watched, "");
    assert_eq!(words.last().unwrap(), "Ask a doctor.");
    ai.then("Perhaps.");
    play.say("really?");
    let (watched, words) = watch(&mut play).await;
    assert_eq!((watched.as_str(), words), ("", vec!["Perhaps.".to_owned()]));
    let last = ai.requests().pop().unwrap();
    assert!(last.messages.iter().all(|message| !message.text.contains("cure")), "{last:?}");
}

#[tokio::test]
async fn a_message_has_a_budget() {
    let ai = Arc::new(ScriptedAi::new());
    let usage = Usage { input_tokens: 90, output_tokens: 10, ..Usage::default() };
    let mut settings = AgentSettings::default();
    settings.budget.message = Cap { tokens: Some(150), micros: None };
    settings.memory.fields = vec![serde_json::from_value(json!({"name": "pet"})).unwrap()];
    let mut play = talk(&ai, settings);
    let remember = AiReply::call("remember", r#"{"field":"pet","value":"cat"}"#);
    let dear = |reply: AiReply| AiReply { usage: Some(usage), ..reply };
    ai.then(dear("fine".into())).then(dear(remember.clone())).then(dear(remember)).then("never");
    play.say("one");
    assert_eq!(last(play.perform().await), "fine");
    play.say("two");
    play.perform().await;
    assert_eq!(last(play.perform().await), "too dear");
    assert_eq!(ai.requests().len(), 3);
}

#[tokio::test]
async fn a_question_keeps_the_budget_of_the_message_too() {
    let ai = Arc::new(ScriptedAi::new());
    let usage = Usage { input_tokens: 90, output_tokens: 10, ..Usage::default() };
    let wrong = || AiReply { usage: Some(usage), ..AiReply::text("Rome!") };
    let within = |tokens: u64| {
        let mut settings = AgentSettings::default();
        settings.budget.message = Cap { tokens: Some(tokens), micros: None };
        settings
    };
    let mut sorting = classify(&ai);
    sorting.settings = within(0);
    assert_eq!(sorting.say("I want a boat"), ["budget"]);
    ai.then(wrong()).then("never");
    let mut reading = extract(&ai);
    reading.settings = within(100);
    reading.say("Rome");
    assert_eq!(last(reading.perform().await), "bad", "to mend it would be too dear");
    assert_eq!(ai.requests().len(), 1);
    let ai = Arc::new(ScriptedAi::new());
    ai.then(wrong()).then(r#"{"city":"Rome","guests":1,"day":"2026-01-02"}"#);
    let mut reading = extract(&ai);
    reading.settings = within(101);
    reading.say("Rome");
    reading.perform().await;
    assert_eq!(last(reading.perform().await), "Rome 1 2026-01-02");
}

#[tokio::test(start_paused = true)]
async fn other_models_stand_in() {
    let ai = Arc::new(ScriptedAi::new());
    let settings =
        AgentSettings { fallback_models: vec!["spare".to_owned()], ..AgentSettings::default() };
    let mut play = talk(&ai, settings);
    ai.then_fail(AiError::RateLimited { after: None }).then("spare here");
    play.say("x");
    assert_eq!(last(play.perform().await), "spare here");
    let models: Vec<Option<String>> = ai.requests().into_iter().map(|r| r.model).collect();
    assert_eq!(models, [Some("small".to_owned()), Some("spare".to_owned())]);
    ai.then_fail(AiError::TooLong);
    play.say("y");
    assert_eq!(last(play.perform().await), "oops");
    assert_eq!(ai.requests().len(), 3);
}
