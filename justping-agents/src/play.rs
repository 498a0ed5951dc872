//! Playing a flow in tests: what was said and done, in words.
#![expect(clippy::needless_pass_by_value, reason = "`json!` is written in place")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use justping_core::memory::{MemoryCorrespondence, ScriptedAi};
use justping_core::model::{
    AgentSettings, BusinessId, CallId, CallRequest, CallResult, ChannelKind, ContactId, Content,
    ConversationId, GroupId, SessionId, SessionStatus, Signal, Timestamp, TraceStep,
};
use justping_core::port::{
    AgentView, CallScope, ContactView, DeltaSink, Effect, FlowRuntime, LinkKey, Outcome,
    PerformContext, Program, StepEvent, StepInput,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Flows;
use crate::document::SCHEMA;

/// The moment every play starts at.
pub(crate) const START_MS: i64 = 1_760_000_000_000;

/// A document with a trigger called `start`: nodes as `[id, type, data]`, edges as
/// `[source, exit, target]`.
pub(crate) fn document(nodes: Value, edges: Value) -> Value {
    let node = |node: &Value| json!({"id": node[0], "type": node[1], "data": node[2]});
    let mut all = vec![json!({"id": "start", "type": "trigger"})];
    all.extend(nodes.as_array().unwrap().iter().map(node));
    let edges = edges.as_array().unwrap().iter().enumerate().map(|(at, edge)| {
        json!({"id": at.to_string(), "source": edge[0], "sourceHandle": edge[1], "target": edge[2]})
    });
    let edges: Vec<Value> = edges.collect();
    json!({"schema": SCHEMA, "nodes": all, "edges": edges})
}

/// A flow to be called: nodes and edges likewise, without a trigger.
pub(crate) fn called(nodes: Value, edges: Value) -> Value {
    let mut flow = document(nodes, edges);
    flow["nodes"].as_array_mut().unwrap().remove(0);
    json!({"nodes": flow["nodes"], "edges": flow["edges"]})
}

/// A session on stage.
pub(crate) struct Play {
    pub(crate) program: Arc<dyn Program>,
    pub(crate) state: Option<String>,
    pub(crate) status: SessionStatus,
    pub(crate) failure: Option<String>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) trace: Vec<TraceStep>,
    pub(crate) unheard: Vec<Content>,
    pub(crate) now_ms: i64,
    pub(crate) link: Option<Arc<LinkKey>>,
    /// The agent's.
    pub(crate) settings: AgentSettings,
    /// The contact's.
    pub(crate) groups: BTreeSet<GroupId>,
}

impl Play {
    pub(crate) fn of(nodes: Value, edges: Value) -> Self {
        Self::with(&Flows::new(), &document(nodes, edges))
    }

    pub(crate) fn with_ai(ai: &Arc<ScriptedAi>, nodes: Value, edges: Value) -> Self {
        Self::with(&Flows::new().with_ai(ai.clone()), &document(nodes, edges))
    }

    pub(crate) fn with(flows: &Flows, document: &Value) -> Self {
        let program = flows.compile(document).unwrap_or_else(|e| panic!("{:#?}", e.findings));
        Self {
            program,
            state: None,
            status: SessionStatus::Waiting,
            failure: None,
            effects: Vec::new(),
            trace: Vec::new(),
            unheard: Vec::new(),
            now_ms: START_MS,
            link: None,
            settings: AgentSettings::default(),
            groups: BTreeSet::new(),
        }
    }

    /// The contact writes; gives what happens.
    pub(crate) fn say(&mut self, text: &str) -> Vec<String> {
        self.hear(Content::text(text))
    }

    /// The contact presses.
    pub(crate) fn press(&mut self, option: &str, title: &str) -> Vec<String> {
        self.hear(Content::Reply { option: option.to_owned(), title: title.to_owned() })
    }

    pub(crate) fn hear(&mut self, content: Content) -> Vec<String> {
        self.step(StepEvent::Message { content })
    }

    pub(crate) fn timer(&mut self, token: &str) -> Vec<String> {
        self.step(StepEvent::Timer { token: token.to_owned() })
    }

    pub(crate) fn call_done(&mut self, token: &str, result: CallResult) -> Vec<String> {
        self.step(StepEvent::CallDone { token: token.to_owned(), result })
    }

    /// Something happens outside.
    pub(crate) fn outside(&mut self, signal: Signal, data: Value) -> Vec<String> {
        self.step(StepEvent::Outside { signal, data })
    }

    pub(crate) fn later(&mut self, seconds: i64) -> &mut Self {
        self.now_ms += seconds * 1000;
        self
    }

    pub(crate) fn step(&mut self, event: StepEvent) -> Vec<String> {
        let plain = input(self.now_ms, self.trace.len() as u64);
        let settings = self.settings.clone();
        let agent = Arc::new(AgentView { settings, ..AgentView::clone(&plain.agent) });
        let groups = self.groups.clone();
        let contact = Arc::new(ContactView { groups, ..ContactView::clone(&plain.contact) });
        let input = StepInput { event, link: self.link.clone(), contact, agent, ..plain };
        let outcome = self.program.step(self.state.as_deref(), &input);
        let again = self.program.step(self.state.as_deref(), &input);
        assert_eq!(outcome, again, "a step is pure");
        let Outcome { state, status, failure, effects, unheard } = outcome;
        self.trace.push(TraceStep {
            number: self.trace.len() as u32 + 1,
            input: serde_json::to_string(&input).unwrap(),
            effects: serde_json::to_string(&effects).unwrap(),
            state: state.clone(),
        });
        self.state = Some(state);
        self.unheard = unheard;
        (self.status, self.failure, self.effects) = (status, failure, effects);
        let now_ms = self.now_ms;
        self.effects.iter().map(|effect| in_words(effect, now_ms)).collect()
    }

    /// Does the work of an earlier step's call, by its token.
    pub(crate) async fn perform_again(&mut self, token: &str) -> Vec<String> {
        let effects = self.trace.iter().map(|step| step.effects.as_str());
        let effects: Vec<Effect> =
            effects.flat_map(|text| serde_json::from_str::<Vec<Effect>>(text).unwrap()).collect();
        let call = effects.into_iter().find_map(|effect| match effect {
            Effect::Call { request } if request.token == token => Some(request),
            _ => None,
        });
        let result = self.program.perform(&call.unwrap(), &quiet()).await;
        self.call_done(token, result)
    }

    /// The call of the last step.
    pub(crate) fn call(&self) -> CallRequest {
        let call = |effect: &Effect| match effect {
            Effect::Call { request } => Some(request.clone()),
            _ => None,
        };
        self.effects.iter().find_map(call).unwrap()
    }

    /// Does the work of the last step's call and gives the result to the session.
    pub(crate) async fn perform(&mut self) -> Vec<String> {
        let request = self.call();
        let result = self.program.perform(&request, &quiet()).await;
        self.call_done(&request.token, result)
    }

    /// The same with somebody who takes letters.
    pub(crate) async fn perform_by(&mut self, letters: &MemoryCorrespondence) -> Vec<String> {
        let request = self.call();
        let cx = PerformContext { correspondence: letters, ..quiet() };
        let result = self.program.perform(&request, &cx).await;
        self.call_done(&request.token, result)
    }

    pub(crate) fn variable(&self, name: &str) -> Value {
        let state: Value = serde_json::from_str(self.state.as_deref().unwrap()).unwrap();
        state["v"][name].clone()
    }

    pub(crate) fn is(&self, status: SessionStatus) -> bool {
        self.status == status
    }
}

/// An input with a contact and an agent.
pub(crate) fn input(now_ms: i64, seed: u64) -> StepInput {
    let fields = json!({"plan": "Pro"});
    StepInput {
        event: StepEvent::Timer { token: String::new() },
        now: Timestamp::from_millisecond(now_ms).unwrap(),
        seed,
        contact: Arc::new(ContactView {
            id: ContactId::from_uuid(Uuid::nil()),
            name: Some("Ada".to_owned()),
            address: Some("4912345".to_owned()),
            channel: Some(ChannelKind::MEMORY),
            fields: fields.as_object().unwrap().clone(),
            tags: vec!["vip".to_owned()],
            groups: Default::default(),
            locale: None,
            time_zone: None,
        }),
        agent: Arc::new(AgentView {
            name: "Bo".to_owned(),
            instructions: "Be kind.".to_owned(),
            model: Some("small".to_owned()),
            ..AgentView::default()
        }),
        link: None,
        moved: None,
    }
}

fn in_words(effect: &Effect, now_ms: i64) -> String {
    match effect {
        Effect::Send { content: Content::Text { text } } => text.clone(),
        Effect::Send { content: Content::Buttons { text, options, .. } } => {
            let options: Vec<String> =
                options.iter().map(|o| format!("{}={}", without_tag(&o.id), o.title)).collect();
            format!("{text} [{}]", options.join(" "))
        }
        Effect::Send { content } => serde_json::to_string(content).unwrap(),
        Effect::SetTimer { token, due_at } => {
            let left = due_at.as_millisecond() - now_ms;
            format!("timer {token} in {:?}", Duration::from_millis(left as u64))
        }
        Effect::ClearTimers => "clear timers".to_owned(),
        Effect::Call { request } => format!("call {} of {}", request.token, request.node),
        Effect::CancelCalls => "cancel calls".to_owned(),
        Effect::HandOff { note } => format!("hand off: {}", note.as_deref().unwrap_or("-")),
        Effect::CloseConversation => "close".to_owned(),
        Effect::Emit { name, data } => format!("emit {name} {data}"),
        Effect::Typing { until } => {
            format!("typing for {} ms", until.as_millisecond() - now_ms)
        }
        Effect::UpdateContact { .. } => "update contact".to_owned(),
    }
}

/// The id of an option without the mark of its session.
fn without_tag(id: &str) -> String {
    let mut parts: Vec<&str> = id.split('.').collect();
    let at = parts.len().saturating_sub(2);
    if let Some(prompt) = parts.get_mut(at) {
        *prompt = prompt.split('-').next().unwrap_or(prompt);
    }
    parts.join(".")
}

/// Takes letters that nobody looks at.
static LETTERS: MemoryCorrespondence = MemoryCorrespondence::new();

/// Work for nobody in particular, heard by nobody.
pub(crate) fn quiet() -> PerformContext<'static> {
    let scope = CallScope {
        business_id: BusinessId::from_uuid(Uuid::nil()),
        conversation_id: ConversationId::from_uuid(Uuid::nil()),
        session_id: SessionId::from_uuid(Uuid::nil()),
        call_id: CallId::from_uuid(Uuid::nil()),
    };
    PerformContext { scope, on_delta: &Deaf, correspondence: &LETTERS }
}

/// Hears nothing.
#[derive(Debug)]
pub(crate) struct Deaf;

impl DeltaSink for Deaf {
    fn delta(&self, _: &str) {}
}
