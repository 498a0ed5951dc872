//! The contract of [`PluginNodes`]: run it with [`plugin_conformance!`](crate::plugin_conformance).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use crate::model::{BusinessId, Content};
use crate::port::{
    CallScope, PluginAsk, PluginError, PluginEvent, PluginNext, PluginNodes, PluginStep,
};

/// Plugins under test. One has two nodes:
///
/// - `greet` says `Hello, <last text>`, gives `{"length": <bytes of the last text>}` and leaves by
///   `next`;
/// - `count` waits and remembers how many messages it heard, from `{"heard": 0}` on; after the second
///   one it leaves by `next`.
pub struct PluginSubject {
    /// The plugins.
    pub nodes: Arc<dyn PluginNodes>,
    /// A call for the business that has the plugin.
    pub scope: CallScope,
    /// A question to the node `greet` of the plugin.
    pub ask: PluginAsk,
    /// What has to stay alive while the checks run.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for PluginSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSubject").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl PluginSubject {
    async fn ask(&self, ask: &PluginAsk) -> Result<PluginStep, PluginError> {
        self.nodes.step(ask, &self.scope).await
    }
}

/// A node decides from what it is told.
pub async fn node_decides(subject: &PluginSubject) {
    let ask = PluginAsk { last_text: "Ada".to_owned(), ..subject.ask.clone() };
    let step = subject.ask(&ask).await.unwrap();
    assert_eq!(step.messages, [Content::text("Hello, Ada")]);
    assert_eq!(step.output, Some(json!({"length": 3})));
    assert_eq!(step.next, PluginNext::Leave { exit: "next".to_owned() });
}

/// The same call, made again, decides the same.
pub async fn same_call_decides_the_same(subject: &PluginSubject) {
    let first = subject.ask(&subject.ask).await.unwrap();
    assert_eq!(subject.ask(&subject.ask).await.unwrap(), first);
}

/// A node waits and is told what it remembered.
pub async fn node_waits_and_remembers(subject: &PluginSubject) {
    let mut ask = PluginAsk { node: "count".to_owned(), ..subject.ask.clone() };
    for heard in 0..2 {
        let step = subject.ask(&ask).await.unwrap();
        let PluginNext::Wait { memory, .. } = step.next else { panic!("it waits: {step:?}") };
        assert_eq!(memory, json!({"heard": heard}));
        let event = Some(PluginEvent::Message { content: Content::text("x") });
        ask = PluginAsk { memory, event, ..ask };
    }
    let step = subject.ask(&ask).await.unwrap();
    assert_eq!(step.next, PluginNext::Leave { exit: "next".to_owned() });
}

/// Nothing is left of a call: each begins anew.
pub async fn calls_leave_nothing_behind(subject: &PluginSubject) {
    let ask = PluginAsk { node: "count".to_owned(), ..subject.ask.clone() };
    let first = subject.ask(&ask).await.unwrap();
    subject.ask(&subject.ask).await.unwrap();
    assert_eq!(subject.ask(&ask).await.unwrap(), first);
}

/// A plugin that is not there is told by its code, and so is one of another business.
pub async fn foreign_plugin_is_a_missing_one(subject: &PluginSubject) {
    let ask = PluginAsk { plugin: "nobody-has-this".to_owned(), ..subject.ask.clone() };
    let missing = subject.ask(&ask).await.unwrap_err();
    assert_eq!(missing.code, PluginError::NOT_INSTALLED);
    let other = BusinessId::from_uuid(Uuid::from_u128(u128::MAX));
    let scope = CallScope { business_id: other, ..subject.scope };
    let foreign = subject.nodes.step(&subject.ask, &scope).await.unwrap_err();
    assert_eq!(foreign.code, PluginError::NOT_INSTALLED);
}

/// A node that is not there is told by its code.
pub async fn missing_node_is_told(subject: &PluginSubject) {
    let ask = PluginAsk { node: "nothing-like-it".to_owned(), ..subject.ask.clone() };
    assert_eq!(subject.ask(&ask).await.unwrap_err().code, PluginError::UNKNOWN_NODE);
}

/// A call can be given up, and the next one is answered.
pub async fn call_can_be_given_up(subject: &PluginSubject) {
    tokio::select! {
        biased;
        () = std::future::ready(()) => {}
        step = subject.ask(&subject.ask) => drop(step),
    }
    subject.ask(&subject.ask).await.unwrap();
}

/// Many calls at once get their own answers.
pub async fn calls_do_not_mix(subject: &PluginSubject) {
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..20 {
        let ask = PluginAsk { last_text: "x".repeat(n), ..subject.ask.clone() };
        let (nodes, scope) = (Arc::clone(&subject.nodes), subject.scope);
        calls.spawn(async move { (n, nodes.step(&ask, &scope).await.unwrap().output) });
    }
    while let Some(call) = calls.join_next().await {
        let (n, output) = call.unwrap();
        assert_eq!(output, Some(json!({"length": n})));
    }
}

/// How many checks there are.
pub const CHECKS: usize = 8;

/// Turns the contract of plugins' nodes into tests; the factory gives a
/// [`PluginSubject`](crate::conformance::PluginSubject).
#[macro_export]
macro_rules! plugin_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { plugin, $factory, subject => &subject, [
            node_decides
            same_call_decides_the_same
            node_waits_and_remembers
            calls_leave_nothing_behind
            foreign_plugin_is_a_missing_one
            missing_node_is_told
            call_can_be_given_up
            calls_do_not_mix
        ] }
    };
}
