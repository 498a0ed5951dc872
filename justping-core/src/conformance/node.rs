//! The contract of [`FlowNode`]: run it with [`node_conformance!`](crate::node_conformance).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fixture::at;
use crate::model::{CallResult, ContactId, Content, Signal};
use crate::port::{
    AgentView, BuiltNode, ContactView, Effect, FlowNode, NodeContext, NodeDescriptor, Step,
    StepEvent,
};

/// A type of node under test.
pub struct NodeSubject {
    /// The node.
    pub node: Arc<dyn FlowNode>,
    /// `data` that can be built; at least one.
    pub samples: Vec<Value>,
    /// `data` that matches the schema and cannot be built, where there is such.
    pub broken: Vec<Value>,
}

impl fmt::Debug for NodeSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSubject").field("node", &self.node).finish_non_exhaustive()
    }
}

/// All a step can see, and all it can leave behind.
#[derive(Debug, Clone, PartialEq)]
struct Scene {
    contact: ContactView,
    agent: AgentView,
    variables: Map<String, Value>,
    local: Value,
    effects: Vec<Effect>,
}

impl Scene {
    fn new() -> Self {
        let contact = ContactView {
            id: ContactId::from_uuid(Uuid::from_u128(7)),
            name: Some("Ann".to_owned()),
            address: Some("15550100".to_owned()),
            channel: None,
            fields: Map::from_iter([("plan".to_owned(), json!("gold"))]),
            tags: vec!["vip".to_owned()],
            groups: Default::default(),
            locale: Some("en".to_owned()),
            time_zone: Some("UTC".to_owned()),
        };
        Self {
            contact,
            agent: AgentView::default(),
            variables: Map::from_iter([("name".to_owned(), json!("Ann"))]),
            local: Value::Null,
            effects: Vec::new(),
        }
    }

    /// Runs a part of a node.
    fn run(&mut self, step: impl FnOnce(&mut NodeContext<'_>) -> Step) -> Step {
        step(&mut NodeContext {
            node: "here",
            now: at(0),
            seed: 42,
            contact: &self.contact,
            agent: &self.agent,
            variables: &mut self.variables,
            last_text: "hello",
            resume_url: None,
            local: &mut self.local,
            effects: &mut self.effects,
        })
    }
}

fn enter(node: &dyn BuiltNode) -> (Step, Scene) {
    let mut scene = Scene::new();
    let step = scene.run(|cx| node.enter(cx));
    (step, scene)
}

/// Everything that can happen to a node that waits.
fn happenings() -> Vec<StepEvent> {
    let token = || "1".to_owned();
    let failed = CallResult::Error { code: "timeout".to_owned(), detail: "too slow".to_owned() };
    vec![
        StepEvent::Message { content: Content::text("yes") },
        StepEvent::Message { content: Content::text("") },
        StepEvent::Message {
            content: Content::Reply { option: "b".to_owned(), title: "B".to_owned() },
        },
        StepEvent::Message {
            content: Content::Unsupported { kind: "poll".to_owned(), raw: json!({}) },
        },
        StepEvent::Timer { token: token() },
        StepEvent::CallDone { token: token(), result: CallResult::Ok(Value::Null) },
        StepEvent::CallDone { token: token(), result: CallResult::Ok(json!({ "text": "hi" })) },
        StepEvent::CallDone { token: token(), result: failed },
        StepEvent::Outside { signal: Signal::Name("other".to_owned()), data: json!({"a": 1}) },
        StepEvent::Outside { signal: Signal::Link(0), data: Value::Null },
    ]
}

impl NodeSubject {
    /// Builds a node all of whose exits have an edge.
    fn build(&self, data: &Value) -> Box<dyn BuiltNode> {
        let mut node = self.node.build(data).unwrap();
        let exits = node.exits();
        node.connect(&exits);
        node
    }

    fn built(&self) -> impl Iterator<Item = Box<dyn BuiltNode>> {
        assert!(!self.samples.is_empty(), "a sample is needed");
        self.samples.iter().map(|data| self.build(data))
    }

    /// Every step of every sample: arriving, and what can happen while it waits.
    fn steps(&self) -> Vec<(Box<dyn BuiltNode>, Step)> {
        let mut steps = Vec::new();
        for data in &self.samples {
            let build = || self.build(data);
            let (step, scene) = enter(&*build());
            let waits = matches!(step, Step::Wait { .. } | Step::Call { .. });
            steps.push((build(), step));
            for event in happenings().into_iter().filter(|_| waits) {
                let node = build();
                let step = scene.clone().run(|cx| node.resume(cx, &event));
                steps.push((node, step));
            }
        }
        steps
    }
}

/// The descriptor says all that an editor needs.
pub async fn descriptor_is_complete(subject: &NodeSubject) {
    let NodeDescriptor { kind, title, summary, schema, exits, .. } = subject.node.descriptor();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./:".contains(c);
    assert!(!kind.is_empty() && kind.chars().all(plain), "{kind}");
    assert!(!title.is_empty() && !summary.is_empty());
    assert!(schema.is_object(), "a schema is an object");
    assert_eq!(schema.get("type"), Some(&json!("object")), "and so is data");
    let names: BTreeSet<&str> = exits.iter().map(|exit| exit.name.as_str()).collect();
    assert_eq!(names.len(), exits.len(), "exits have names of their own");
    assert!(exits.iter().all(|exit| !exit.name.is_empty() && !exit.title.is_empty()));
}

/// The descriptor is always the same, and survives JSON.
pub async fn descriptor_is_stable(subject: &NodeSubject) {
    let descriptor = subject.node.descriptor();
    assert_eq!(descriptor, subject.node.descriptor());
    let text = serde_json::to_string(&descriptor).unwrap();
    assert_eq!(serde_json::from_str::<NodeDescriptor>(&text).unwrap(), descriptor);
}

/// What cannot be built is refused with the place of the fault.
pub async fn broken_data_is_refused(subject: &NodeSubject) {
    for data in &subject.broken {
        let error = subject.node.build(data).expect_err("broken data");
        assert!(error.path.is_empty() || error.path.starts_with('/'), "a JSON pointer: {error}");
        assert!(!error.message.is_empty() && !error.code.is_empty());
    }
}

/// Whatever JSON it is given, a node is built or refused.
pub async fn building_is_total(subject: &NodeSubject) {
    let odd = [Value::Null, json!(true), json!(-1), json!("text"), json!([]), json!({})];
    for data in odd {
        let _ = subject.node.build(&data);
    }
    for sample in &subject.samples {
        let fields = sample.as_object().into_iter().flat_map(Map::keys);
        for field in fields {
            for value in [Value::Null, json!(1e300), json!([[]]), json!("{{"), json!({ "a": {} })] {
                let mut data = sample.clone();
                data[field] = value;
                let _ = subject.node.build(&data);
            }
        }
    }
}

/// A node has exits its descriptor names, each once.
pub async fn exits_are_declared(subject: &NodeSubject) {
    let declared: BTreeSet<String> =
        subject.node.descriptor().exits.into_iter().map(|exit| exit.name).collect();
    for node in subject.built() {
        let exits = node.exits();
        for exit in &exits {
            let option = exit.starts_with("option:") && declared.contains("option:*");
            let any = option || declared.contains("*");
            assert!(any || declared.contains(exit), "{exit}");
        }
        let names: BTreeSet<&String> = exits.iter().collect();
        assert_eq!(names.len(), exits.len());
    }
}

/// The same arrival has the same consequences, also in a node that was built anew.
pub async fn entering_is_deterministic(subject: &NodeSubject) {
    for data in &subject.samples {
        let node = subject.build(data);
        let first = enter(&*node);
        assert_eq!(first, enter(&*node));
        assert_eq!(first, enter(&*subject.build(data)));
    }
}

/// The same event has the same consequences, also in a node that was built anew.
pub async fn resuming_is_deterministic(subject: &NodeSubject) {
    for data in &subject.samples {
        let build = || subject.build(data);
        let (step, scene) = enter(&*build());
        if !matches!(step, Step::Wait { .. } | Step::Call { .. }) {
            continue;
        }
        for event in happenings() {
            let resume = || {
                let (node, mut scene) = (build(), scene.clone());
                let step = scene.run(|cx| node.resume(cx, &event));
                (step, scene)
            };
            assert_eq!(resume(), resume(), "{event:?}");
        }
    }
}

/// A node leaves by exits it has, and jumps where it said it would.
pub async fn steps_keep_their_word(subject: &NodeSubject) {
    for (node, step) in subject.steps() {
        match step {
            Step::Exit(exit) | Step::Body { exit } => {
                assert!(node.exits().contains(&exit.into_owned()));
            }
            Step::Jump { node: target } => assert!(node.jumps().contains(&target), "{target}"),
            Step::Fail { reason } => assert!(!reason.is_empty()),
            Step::Run { flow, .. } => {
                assert!(node.flows().iter().any(|(known, _)| *known == flow), "{flow}");
            }
            Step::Wait { .. }
            | Step::Call { .. }
            | Step::Return { .. }
            | Step::Finish
            | Step::End => {}
        }
    }
}

/// Only nodes that say so wait, and only nodes that say so ask for work.
pub async fn waiting_is_declared(subject: &NodeSubject) {
    let descriptor = subject.node.descriptor();
    for (node, step) in subject.steps() {
        let (waits, calls) = (matches!(step, Step::Wait { .. }), matches!(step, Step::Call { .. }));
        assert!(!(waits || calls) || descriptor.suspends, "{step:?}");
        assert!(!waits || node.suspends(), "{step:?}");
        assert!(!calls || descriptor.calls, "{step:?}");
    }
}

/// How many checks there are.
pub const CHECKS: usize = 9;

/// Turns the contract of flow nodes into tests; the factory gives a
/// [`NodeSubject`](crate::conformance::NodeSubject).
#[macro_export]
macro_rules! node_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { node, $factory, subject => &subject, [
            descriptor_is_complete
            descriptor_is_stable
            broken_data_is_refused
            building_is_total
            exits_are_declared
            entering_is_deterministic
            resuming_is_deterministic
            steps_keep_their_word
            waiting_is_declared
        ] }
    };
}
