//! What the contract's shapes become, on the author's own machine.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use serde::Deserialize;
use serde_json::{Value, json};

use crate::bindings::capabilities::justping::plugin::types;
use crate::bindings::node::exports::justping::plugin::nodes as wit;
use crate::{
    Context, Event, Fact, Failure, Filter, Hook, Message, Node, NodeInfo, Step, Subscriber,
    Verdict, export, text,
};

/// Asks for a number until one comes.
struct Ask;

#[derive(Deserialize)]
struct Config {
    question: String,
}

impl Node for Ask {
    type Config = Config;
    type Memory = u32;
    const NAME: &'static str = "ask";

    fn describe() -> NodeInfo {
        NodeInfo::new("Ask", "Asks for a number")
            .field("question", json!({"type": "string"}))
            .optional("tries", json!({"type": "integer"}))
            .exit("answered", "Answered")
            .waits()
    }

    fn enter(context: &Context<Config>) -> Result<Step<u32>, Failure> {
        let deadline = context.scope.now_ms + 1_000;
        Ok(Step::wait(1, Some(deadline)).say(context.config.question.as_str()))
    }

    fn resume(_: &Context<Config>, tries: u32, event: Event) -> Result<Step<u32>, Failure> {
        match event {
            Event::Message(content) => Ok(Step::leave("answered")
                .give(json!({"said": content["text"], "tries": tries}))
                .change_contact(json!({"add_tags": ["asked"]}))),
            Event::Timer => Err(Failure::new("silent", "nobody answers").retry_after_ms(5)),
        }
    }
}

fn contact() -> types::Contact {
    types::Contact {
        id: "c".to_owned(),
        name: Some("Ada".to_owned()),
        address: None,
        channel: None,
        fields: r#"{"vip": true}"#.to_owned(),
        tags: Vec::new(),
        locale: None,
        time_zone: None,
    }
}

fn told(config: &str, memory: &str) -> wit::Context {
    wit::Context {
        scope: types::Scope {
            business_id: "b".to_owned(),
            conversation_id: "v".to_owned(),
            call_id: "k".to_owned(),
            now: 7,
        },
        node: "ask".to_owned(),
        config: config.to_owned(),
        contact: contact(),
        variables: "{}".to_owned(),
        last_text: "hi".to_owned(),
        memory: memory.to_owned(),
    }
}

const CONFIG: &str = r#"{"question": "How many?"}"#;

#[test]
fn a_node_is_described_for_editors() {
    let node = export::describe_node::<Ask>();
    let schema: Value = serde_json::from_str(&node.schema).unwrap();
    assert_eq!(schema["required"], json!(["question"]));
    assert_eq!(schema["properties"]["tries"], json!({"type": "integer"}));
    assert_eq!((node.name.as_str(), node.exits.len(), node.waits), ("ask", 1, true));
}

#[test]
fn a_node_waits_and_goes_on() {
    let step = export::enter::<Ask>(told(CONFIG, "null")).unwrap();
    assert_eq!(step.messages, [text("How many?").to_string()]);
    let wit::Next::Wait(waiting) = step.next else { unreachable!("it waits") };
    assert_eq!((waiting.memory.as_str(), waiting.until), ("1", Some(1_007)));
    let event = wit::Event::Message(text("17").to_string());
    let step = export::resume::<Ask>(told(CONFIG, &waiting.memory), event).unwrap();
    let output: Value = serde_json::from_str(&step.output.unwrap()).unwrap();
    assert_eq!(output, json!({"said": "17", "tries": 1}));
    assert_eq!(step.contact.as_deref(), Some(r#"{"add_tags":["asked"]}"#));
    assert!(matches!(step.next, wit::Next::Leave(exit) if exit == "answered"));
}

#[test]
fn what_cannot_be_read_is_a_failure_with_a_code() {
    let code = |result: Result<wit::Step, types::Failure>| result.err().map(|error| error.code);
    let timer = || wit::Event::Timer;
    assert_eq!(code(export::enter::<Ask>(told("{}", "null"))).as_deref(), Some("invalid_config"));
    assert_eq!(code(export::enter::<Ask>(told("{", "null"))).as_deref(), Some("invalid_config"));
    let forgot = export::resume::<Ask>(told(CONFIG, "null"), timer());
    assert_eq!(code(forgot).as_deref(), Some("invalid_json"));
    let silent = export::resume::<Ask>(told(CONFIG, "1"), timer()).err().unwrap();
    assert_eq!((silent.code.as_str(), silent.retry_after_ms), ("silent", Some(5)));
    assert_eq!(code(export::no_node("other")).as_deref(), Some("unknown_node"));
}

struct Calm;

impl Hook for Calm {
    fn before_send(message: &Message, _: &crate::Contact) -> Result<Verdict, Failure> {
        Ok(if message.text == "!" { Verdict::Drop("shouts".to_owned()) } else { Verdict::Pass })
    }
}

#[test]
fn a_hook_lets_pass_what_it_does_not_look_at() {
    use crate::bindings::hook::exports::justping::plugin::hooks;
    let message = |words: &str| types::Message {
        id: String::new(),
        conversation_id: String::new(),
        channel: "sms".to_owned(),
        text: words.to_owned(),
        content: text(words).to_string(),
    };
    let verdict = export::before_send::<Calm>(message("!"), contact()).unwrap();
    assert!(matches!(verdict, hooks::Verdict::Drop(reason) if reason == "shouts"));
    let verdict = export::after_receive::<Calm>(message("!")).unwrap();
    assert!(matches!(verdict, hooks::Verdict::Pass));
}

struct Reverse;

impl Filter for Reverse {
    const NAME: &'static str = "reverse";
    const SUMMARY: &'static str = "Turns a text around";

    fn apply(value: Value, arguments: Vec<Value>) -> Result<Value, Failure> {
        let text = value.as_str().ok_or_else(|| Failure::new("no_text", "it is no text"))?;
        let end = arguments.first().and_then(Value::as_str).unwrap_or_default();
        Ok(format!("{}{end}", text.chars().rev().collect::<String>()).into())
    }
}

#[test]
fn a_filter_makes_json_of_json() {
    assert_eq!(export::apply::<Reverse>(r#""abc""#, r#"["!"]"#).unwrap(), r#""cba!""#);
    assert_eq!(export::apply::<Reverse>("1", "[]").unwrap_err().code, "no_text");
    assert_eq!(export::apply::<Reverse>("1", "").unwrap_err().code, "invalid_json");
}

struct Listen;

impl Subscriber for Listen {
    const INTERESTS: &'static [&'static str] = &["message.*"];

    fn handle(facts: &[Fact]) -> Result<(), Failure> {
        let odd = facts.iter().find(|fact| fact.data["odd"] == true);
        odd.map_or(Ok(()), |fact| Err(Failure::new("odd", &fact.id)))
    }
}

#[test]
fn a_subscriber_hears_facts_in_order() {
    use crate::bindings::subscriber::exports::justping::plugin::subscriber::Event;
    let event = |id: &str, data: &str| Event {
        id: id.to_owned(),
        name: "message.sent".to_owned(),
        at: 1,
        data: data.to_owned(),
    };
    assert_eq!(export::interests::<Listen>(), ["message.*"]);
    assert!(export::handle::<Listen>(vec![event("1", "{}")]).is_ok());
    let failure = export::handle::<Listen>(vec![event("1", "{}"), event("2", r#"{"odd": true}"#)]);
    assert_eq!(failure.unwrap_err().message, "2");
}
