//! The contract of [`ToolSource`]: run it with
//! [`tool_source_conformance!`](crate::tool_source_conformance).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::json;

use crate::model::BusinessId;
use crate::port::{TOOL_NAME_MAX_BYTES, ToolSource, is_tool_name};

/// A source of tools under test.
pub struct ToolSourceSubject {
    /// The source.
    pub source: Arc<dyn ToolSource>,
    /// A business with two tools at least.
    pub business: BusinessId,
    /// A business without any.
    pub stranger: BusinessId,
    /// What has to stay alive while the checks run, such as a server.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for ToolSourceSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolSourceSubject").field("source", &self.source).finish_non_exhaustive()
    }
}

impl ToolSourceSubject {
    async fn names(&self) -> Vec<String> {
        let listed = self.source.tools(self.business).await.unwrap();
        listed.into_iter().map(|spec| spec.name).collect()
    }
}

/// Tools come by name, each once, as models can be offered them.
pub async fn tools_are_listed_by_name(subject: &ToolSourceSubject) {
    let listed = subject.source.tools(subject.business).await.unwrap();
    assert!(listed.len() >= 2, "two tools at least");
    assert!(listed.iter().is_sorted_by(|one, next| one.name < next.name), "{listed:?}");
    for spec in &listed {
        assert!(is_tool_name(&spec.name), "{}", spec.name);
        assert_eq!(spec.parameters.get("type"), Some(&json!("object")), "{}", spec.name);
    }
    assert_eq!(subject.source.tools(subject.business).await, Ok(listed));
}

/// What is listed is found, as it was listed.
pub async fn listed_tool_is_found(subject: &ToolSourceSubject) {
    for spec in subject.source.tools(subject.business).await.unwrap() {
        let found = subject.source.tool(subject.business, &spec.name).await.unwrap();
        assert_eq!(found.expect("it is listed").spec(), spec);
    }
}

/// What is not listed is not found, whatever it is called.
pub async fn unknown_tool_is_none(subject: &ToolSourceSubject) {
    let known = subject.names().await;
    let long = "x".repeat(TOOL_NAME_MAX_BYTES * 100);
    let upper = known[0].to_uppercase();
    let cut = &known[0][..known[0].len() - 1];
    let nonsense = ["", " ", "no_such_tool", "__", "a__", "__a", "a__b__c", "../..", "\0", &long];
    for name in nonsense.into_iter().chain([upper.as_str(), cut]) {
        if !known.iter().any(|one| one == name) {
            let found = subject.source.tool(subject.business, name).await.unwrap();
            assert!(found.is_none(), "{name}");
        }
    }
}

/// A business is not given what another one has.
pub async fn foreign_tool_is_none(subject: &ToolSourceSubject) {
    assert_eq!(subject.source.tools(subject.stranger).await, Ok(Vec::new()));
    for name in subject.names().await {
        let found = subject.source.tool(subject.stranger, &name).await.unwrap();
        assert!(found.is_none(), "{name}");
    }
}

/// How many checks there are.
pub const CHECKS: usize = 4;

/// Turns the contract of sources of tools into tests; the factory gives a
/// [`ToolSourceSubject`](crate::conformance::ToolSourceSubject).
#[macro_export]
macro_rules! tool_source_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { tool_source, $factory, subject => &subject, [
            tools_are_listed_by_name
            listed_tool_is_found
            unknown_tool_is_none
            foreign_tool_is_none
        ] }
    };
}
