use std::sync::Arc;
use std::time::Instant;

use justping_core::memory::{ManualClock, ScriptedAi};
use justping_core::model::{SessionStatus, Timestamp};
use justping_core::port::Clock as _;
use justping_core::stage::StageError;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Scenario, ScenarioReport, SimulateError, Simulator, Step};
use crate::Flows;
use crate::play::document;

/// Asks for a name and a plan; reminds after a day; asks a server and a model.
fn lead() -> Value {
    let plan = json!({"text": "Plan, {{ name }}?", "timeout_minutes": 1440,
        "options": [{"id": "pro", "title": "Pro"}, {"id": "free", "title": "Free"}]});
    let mut lead = document(
        json!([
            ["ask", "input", {"prompt": "Name?", "variable": "name"}],
            ["plan", "buttons", plan],
            ["late", "text", {"text": "Too late."}],
            ["price", "http", {"url": "https://example.org/price?for={{ name }}",
                "save": [{"variable": "price", "pointer": "/price"}]}],
            ["tell", "text", {"text": "It costs {{ price }}."}],
            ["people", "handoff", {"note": "wants it free"}],
            ["ai", "ai_reply", {}]
        ]),
        json!([
            ["start", "next", "ask"],
            ["ask", "reply", "plan"],
            ["plan", "option:pro", "price"],
            ["plan", "option:free", "people"],
            ["plan", "timeout", "late"],
            ["price", "success", "tell"],
            ["tell", "next", "ai"]
        ]),
    );
    lead["variables"] = json!([{"name": "name"}, {"name": "price"}]);
    lead
}

async fn run(scenario: Value) -> ScenarioReport {
    let scenario: Scenario = serde_json::from_value(scenario).unwrap();
    Simulator::new(Flows::new()).run(&[lead()], &scenario).await.unwrap()
}

#[tokio::test]
async fn everything_that_is_expected_is_checked() {
    let report = run(json!({
        "given": {"now": "2026-03-01T10:00:00Z",
            "contact": {"name": "Ann", "tags": ["vip"], "fields": {"age": 36}}},
        "replies": [{"status": 200, "body": {"price": 9}}],
        "answers": ["Of course."],
        "steps": [
            {"say": "hi"},
            {"expect": "Name?"},
            {"expect": {"status": "waiting", "node": "ask", "owner": "bot", "tags": ["vip"],
                "fields": {"age": 36, "size": null}, "variables": {"name": null}}},
            {"say": "Ada"},
            {"expect": {"says": [{"contains": "Ada"}], "options": ["Pro", "Free"],
                "exit": {"ask": "reply"}, "visits": ["ask", "plan"]}},
            {"press": "Pro"},
            {"expect": {"says": ["It costs 9.", {"matches": "^Of"}], "variables": {"price": 9},
                "requests": [{"method": "GET", "url": "https://example.org/price?for=Ada"}],
                "effects": [{"effect": "send", "content": {"text": "It costs 9."}}]}}
        ]
    }))
    .await;
    assert_eq!(report.failures, []);
    assert!(report.passed);
    assert_eq!((report.checked, report.score), (16, 1.0));
    let said: Vec<&str> = report.transcript.iter().map(|line| line.content.plain()).collect();
    assert_eq!(said, ["hi", "Name?", "Ada", "Plan, Ada?", "Pro", "It costs 9.", "Of course."]);
    assert_eq!(report.transcript[0].at.to_string(), "2026-03-01T10:00:00Z");
    let session = &report.sessions[0];
    assert_eq!((session.status, session.trace.len()), (SessionStatus::Waiting, session.ways.len()));
    assert_eq!(session.ways[0][0].node, "start");
}

#[tokio::test]
async fn a_day_passes_at_once() {
    let report = run(json!({"steps": [
        {"say": "hi"}, {"say": "Ada"},
        {"after": "23h 59m"}, {"expect": {"says": [], "status": "waiting"}},
        {"after": "1m"},
        {"expect": {"says": "Too late.", "status": "completed", "exit": {"plan": "timeout"}}},
        {"wait": 60}, {"expect": []}
    ]}))
    .await;
    assert_eq!(report.failures, []);
    let report = run(json!({"steps": [
        {"say": "hi"}, {"say": "Ada"}, {"press": "free"},
        {"expect": {"owner": "queue", "status": "completed",
            "effects": [{"effect": "hand_off", "note": "wants it free"}]}}
    ]}))
    .await;
    assert_eq!(report.failures, []);
}

#[tokio::test]
async fn what_does_not_come_true_is_told_with_its_place() {
    let report = run(json!({"steps": [
        {"say": "hi"},
        {"expect": {"says": "Your name?", "variables": {"name": "Bob"}, "exit": "reply"}},
        {"press": "Gold"},
        {"expect": {"says": [], "effects": [{"effect": "close_conversation"}]}}
    ]}))
    .await;
    assert!(!report.passed);
    let told: Vec<(&str, String)> =
        report.failures.iter().map(|one| (one.path.as_str(), one.to_string())).collect();
    let failure = |path: &'static str, text: &str| (path, text.to_owned());
    assert_eq!(
        told,
        [
            failure("/steps/1/expect/says", r#"expected ["Your name?"], found ["Name?"]"#),
            failure("/steps/1/expect/variables/name", r#"expected "Bob", found null"#),
            failure("/steps/1/expect/exit", r#"expected "reply", found "next""#),
            failure("/steps/2", "nothing offers the option Gold"),
            failure(
                "/steps/3/expect/effects",
                r#"expected [{"effect":"close_conversation"}], found []"#
            )
        ]
    );
    assert_eq!((report.checked, report.score), (6, 1.0 / 6.0));
}

#[tokio::test]
async fn a_model_plays_the_contact_and_another_judges() {
    let persona = json!({"persona": "In a hurry.", "goal": "To hear the price.", "answers": [
        "hello", r#"{"say": "Ada"}"#, r#"{"press": "Pro"}"#,
        r#"{"done": true, "reason": "I know it."}"#]});
    let verdicts = json!({"verdicts": [{"passed": true, "reason": "yes"}]}).to_string();
    let scenario = json!({
        "replies": [{"status": 200, "body": "{\"price\": 9}"}], "answers": ["Bye."],
        "customer": persona,
        "judge": {"criteria": ["It is polite.", "It is short."], "answers": [verdicts]}
    });
    let report = run(scenario.clone()).await;
    let end = report.customer.as_ref().unwrap();
    assert_eq!((end.reached, end.turns, end.reason.as_deref()), (true, 3, Some("I know it.")));
    assert_eq!(report.transcript.last().unwrap().content.plain(), "Bye.");
    let held: Vec<bool> = report.verdicts.iter().map(|verdict| verdict.passed).collect();
    assert_eq!(held, [true, false], "a criterion that is not spoken of does not hold");
    assert_eq!(report.failures[0].path, "/judge/criteria/1");
    assert_eq!((report.checked, report.score), (3, 2.0 / 3.0));

    let mut stuck = scenario.clone();
    stuck["customer"]["answers"] = json!(["hello", r#"{"press": "Gold"}"#]);
    let end = run(stuck).await.customer.unwrap();
    assert_eq!((end.reached, end.turns), (false, 2));
    let mut idle = scenario.clone();
    idle["customer"]["answers"] = json!([" "]);
    assert_eq!(run(idle).await.customer.unwrap().turns, 0);
    let mut endless = scenario;
    endless["customer"]["max_turns"] = json!(2);
    let end = run(endless).await.customer.unwrap();
    assert_eq!((end.reached, end.turns), (false, 2));
}

#[tokio::test]
async fn people_of_the_simulator_are_asked_when_a_scenario_has_no_answers() {
    let scenario = json!({"customer": {"persona": "Kind.", "goal": "To greet.", "model": "small"}});
    let scenario: Scenario = serde_json::from_value(scenario).unwrap();
    let simulator = Simulator::new(Flows::new());
    assert_eq!(simulator.run(&[lead()], &scenario).await, Err(SimulateError::NoModel));
    let people = Arc::new(ScriptedAi::new());
    people.then("hi").then(r#"{"done": true}"#);
    let report = simulator.with_people(people.clone()).run(&[lead()], &scenario).await.unwrap();
    assert!(report.passed);
    let asked = people.requests();
    assert_eq!(asked[0].model.as_deref(), Some("small"));
    assert!(asked[0].messages[0].text.contains("Kind."));
    let last: Vec<&str> = asked[1].messages[1..].iter().map(|m| m.text.as_str()).collect();
    assert_eq!(last, ["hi", "Name?"]);
}

#[tokio::test]
async fn what_cannot_be_played_is_told() {
    let bad = |scenario: Value| async move {
        let scenario: Scenario = serde_json::from_value(scenario).unwrap();
        match Simulator::new(Flows::new()).run(&[lead()], &scenario).await {
            Err(SimulateError::Invalid(problems)) => problems[0].path.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bad(json!({"steps": vec![json!({"say": "x"}); 201]})).await, "/steps");
    assert_eq!(bad(json!({"steps": [{"say": " "}]})).await, "/steps/0");
    assert_eq!(bad(json!({"steps": [{"after": "400d"}]})).await, "/steps");
    assert_eq!(bad(json!({"replies": [{"status": 7}]})).await, "/replies/0/status");
    assert_eq!(bad(json!({"judge": {"criteria": []}})).await, "/judge/criteria");
    let persona = json!({"persona": "p", "goal": "g", "max_turns": 51});
    assert_eq!(bad(json!({"customer": persona})).await, "/customer/max_turns");
    let broken = Simulator::new(Flows::new()).run(&[json!({})], &Scenario::default()).await;
    assert!(matches!(broken, Err(SimulateError::Stage(StageError::Publish(_)))));
}

#[tokio::test]
async fn a_scenario_is_played_on_a_stage_that_is_set_for_it() {
    let scenario: Scenario = serde_json::from_value(json!({
        "given": {"now": "2026-03-01T10:00:00Z"}, "replies": [{"status": 204}],
        "steps": [{"say": "hi"}, {"expect": {"says": "Name?", "requests": []}}, {"after": "1h"}]
    }))
    .unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::MIN));
    let servers = scenario.servers();
    let flows = Flows::new().with_ai(scenario.model()).with_http(Arc::clone(&servers) as _);
    let stage = scenario.stage(Arc::new(flows)).clock(Arc::clone(&clock));
    let stage = stage.open(&[lead()]).await.unwrap();
    let simulator = Simulator::new(Flows::new());
    let report = simulator.run_on(stage.clone(), servers, &scenario).await.unwrap();
    assert!(report.passed && report.checked == 2, "{:?}", report.failures);
    assert_eq!(clock.now().to_string(), "2026-03-01T11:00:00Z");
    let long = Scenario { steps: vec![Step::Say(String::new())], ..scenario };
    let refused = simulator.run_on(stage, long.servers(), &long).await;
    assert!(matches!(refused, Err(SimulateError::Invalid(_))), "{refused:?}");
}

#[test]
fn scenarios_that_are_none_say_why() {
    for (scenario, reason) in [
        (json!({"wish": 1}), "unknown field `wish`"),
        (json!({"steps": [{"shout": "x"}]}), "unknown variant `shout`"),
        (json!({"steps": [{"after": "soon"}]}), "failed to parse"),
        (json!({"steps": [{"after": "-1h"}]}), "time does not run back"),
        (json!({"steps": [{"after": -1}]}), "time does not run back"),
        (json!({"steps": [{"expect": {"sais": "x"}}]}), "unknown field `sais`"),
        (json!({"steps": [{"expect": 7}]}), "a text, a list of texts"),
        (json!({"steps": [{"expect": {"says": [{"matches": "("}]}}]}), "regex parse error"),
        (json!({"flows": 7}), "expected a sequence"),
    ] {
        let error = serde_json::from_value::<Scenario>(scenario.clone()).unwrap_err().to_string();
        assert!(error.contains(reason), "{scenario}: {error}");
    }
}

#[tokio::test]
async fn mails_are_kept_and_none_leaves() {
    let flow = document(
        json!([
            ["n", "send_email", {"subject": "Hello {{ contact.name }}", "text": "Hi", "html": "<p>Hi</p>"}],
            ["m", "send_email", {"to": "boss@example.org", "subject": "s", "text": "t"}],
            ["bad", "text", {"text": "no mail"}]
        ]),
        json!([["start", "next", "n"], ["n", "next", "m"], ["n", "error", "bad"]]),
    );
    let play = async |given: Value, expect: Value| {
        let scenario =
            json!({"given": {"contact": given}, "steps": [{"say": "hi"}, {"expect": expect}]});
        let scenario: Scenario = serde_json::from_value(scenario).unwrap();
        Simulator::new(Flows::new()).run(std::slice::from_ref(&flow), &scenario).await.unwrap()
    };
    let given = json!({"name": "Ann", "fields": {"email": "ann@example.org"}});
    let mails = json!([
        {"to": "ann@example.org", "subject": "Hello Ann", "html": "<p>Hi</p>"},
        {"to": "boss@example.org"}
    ]);
    let report = play(given.clone(), json!({"mails": mails, "says": []})).await;
    assert!(report.passed, "{:?}", report.failures);
    assert_eq!(report.mails.len(), 2);
    assert!(!play(given, json!({"mails": []})).await.passed);
    let report = play(json!({"name": "Ann"}), json!({"mails": [], "says": "no mail"})).await;
    assert!(report.passed, "{:?}", report.failures);
}

#[tokio::test]
async fn a_hundred_scenarios_are_played_in_a_moment() {
    let scenario: Scenario = serde_json::from_value(json!({"steps": [
        {"say": "hi"}, {"expect": "Name?"}, {"say": "Ada"}, {"expect": "Plan, Ada?"},
        {"after": "23h"}, {"expect": []}, {"press": "Free"},
        {"expect": {"owner": "queue", "status": "completed"}}
    ]}))
    .unwrap();
    let (simulator, documents) = (Simulator::new(Flows::new()), [lead()]);
    let start = Instant::now();
    for _ in 0..100 {
        let report = simulator.run(&documents, &scenario).await.unwrap();
        assert!(report.passed, "{:?}", report.failures);
    }
    println!("100 scenarios in {:?}", start.elapsed());
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("steps"),
        Just("say"),
        Just("expect"),
        Just("says"),
        Just("after"),
        Just("given"),
        Just("customer"),
        Just("exit"),
        Just("contains"),
        Just("matches"),
        Just("1h"),
        Just("flows")
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..5).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            })
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_a_scenario_or_an_error(value in any_json()) {
        if let Ok(scenario) = serde_json::from_value::<Scenario>(value) {
            scenario.problems();
        }
    }
}

#[tokio::test]
async fn groups_are_there_and_are_joined() {
    let (vips, guests) = ("grp_00000000000000000000000001", "grp_00000000000000000000000002");
    let asks = json!({"field": "contact.groups", "op": "contains", "value": vips});
    let document = document(
        json!([
            ["if", "condition", {"condition": asks}],
            ["join", "contact", {"join_groups": [vips], "leave_groups": [guests]}],
            ["back", "text", {"text": "Again!"}]
        ]),
        json!([["start", "next", "if"], ["if", "false", "join"], ["if", "true", "back"]]),
    );
    let scenario = json!({
        "given": {"contact": {"groups": [guests]}},
        "steps": [
            {"say": "hi"}, {"expect": {"says": [], "groups": [vips]}},
            {"say": "hi"}, {"expect": "Again!"}
        ]
    });
    let scenario: Scenario = serde_json::from_value(scenario).unwrap();
    let report = Simulator::new(Flows::new()).run(&[document], &scenario).await.unwrap();
    assert_eq!(report.failures, []);
}
