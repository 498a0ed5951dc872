//! The transcript of the flow that the speed of the interpreter is measured with.

use std::sync::Arc;

use justping_agents::{Flows, replay};
use justping_core::model::{ContactId, Content, SessionStatus, Timestamp, TraceStep};
use justping_core::port::{
    AgentView, ContactView, Effect, FlowRuntime, Program, StepEvent, StepInput,
};
use serde_json::Value;

fn program() -> Arc<dyn Program> {
    let document: Value =
        serde_json::from_str(include_str!("../../fixtures/lead-gen-5.json")).unwrap();
    Flows::new().compile(&document).unwrap()
}

fn input(text: &str, seed: u64) -> StepInput {
    StepInput {
        event: StepEvent::Message { content: Content::text(text) },
        now: Timestamp::from_millisecond(1_760_000_000_000).unwrap(),
        seed,
        contact: Arc::new(ContactView {
            id: ContactId::from_uuid(Default::default()),
            name: None,
            address: None,
            channel: None,
            fields: Default::default(),
            tags: Vec::new(),
            groups: Default::default(),
            locale: None,
            time_zone: None,
        }),
        agent: Arc::new(AgentView::default()),
        link: None,
        moved: None,
    }
}

#[test]
fn five_messages_get_seven_answers() {
    let program = program();
    let mut state: Option<String> = None;
    let mut sent = Vec::new();
    let mut trace = Vec::new();
    for (text, number) in ["hi", "Ada", "Pro", "abc", "36"].into_iter().zip(1..) {
        let input = input(text, number.into());
        let outcome = program.step(state.as_deref(), &input);
        let ends = number == 5;
        let status = if ends { SessionStatus::Completed } else { SessionStatus::Waiting };
        assert_eq!((outcome.status, outcome.failure), (status, None));
        for effect in &outcome.effects {
            let Effect::Send { content } = effect else { panic!("{effect:?}") };
            sent.push(content.plain().to_owned());
        }
        trace.push(TraceStep {
            number,
            input: serde_json::to_string(&input).unwrap(),
            effects: serde_json::to_string(&outcome.effects).unwrap(),
            state: outcome.state.clone(),
        });
        state = Some(outcome.state);
    }
    let transcript = [
        "Welcome to Acme!",
        "What is your name?",
        "Nice to meet you, Ada.",
        "Which plan interests you?",
        "How old are you?",
        "Please send a number.",
        "Thanks Ada, the Pro plan is yours.",
    ];
    assert_eq!(sent, transcript);
    let last = r#"{"v":{"age":36,"name":"Ada","plan":"Pro"},"m":"36","s":5,"p":1,"g":0}"#;
    assert_eq!(state.as_deref(), Some(last));
    assert_eq!(replay(&*program, trace), Ok(()));
}
