//! Has a plugin decide.
//!
//! The plugin is called outside of the step, and what it decides is journaled: the step that hears of
//! it sends, saves and goes on. So a plugin that hangs holds no turn, and a replay needs no plugin.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::{CallResult, Content, Timestamp};
use justping_core::port::{
    BuiltNode, Effect, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, PerformContext,
    PluginAsk, PluginEvent, PluginNext, PluginNodes, PluginStep, Step, StepEvent,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::argument::Argument;
use super::{config, schema};
use crate::VARIABLES_MAX_BYTES;
use crate::check::code;
use crate::size;

/// Where the code of a failure is saved.
const ERROR_VARIABLE: &str = "plugin_error";
/// The exit of every plugin.
const ERROR_EXIT: &str = "error";
/// Most exits of a node besides `error`.
const EXITS_MAX: usize = 20;
/// Most messages that are kept for a node while it is being called; those after go unheard.
const QUEUE_MAX: usize = 8;
/// Most messages that one call sends.
const MESSAGES_MAX: usize = 20;

/// Has a node of a plugin decide what happens next.
#[derive(Debug)]
pub struct Plugin {
    nodes: Option<Arc<dyn PluginNodes>>,
}

impl Plugin {
    /// Calls plugins through `nodes`.
    pub fn new(nodes: Arc<dyn PluginNodes>) -> Self {
        Self { nodes: Some(nodes) }
    }

    /// Describes itself and is reported wherever it is used.
    pub(super) fn without_nodes() -> Self {
        Self { nodes: None }
    }
}

#[derive(Debug, Deserialize)]
struct Config {
    plugin: String,
    node: String,
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    exits: Vec<String>,
    #[serde(default)]
    variable: Option<String>,
}

impl FlowNode for Plugin {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "plugin".to_owned(),
            title: "Plugin".to_owned(),
            summary: "Has a plugin decide what happens next.".to_owned(),
            schema: schema::object(members(), &["plugin", "node"]),
            exits: vec![
                schema::exit("*", "An exit of the plugin's node"),
                schema::exit(ERROR_EXIT, "The plugin fails, or is not there"),
            ],
            suspends: true,
            calls: true,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let Config { plugin, node, config, exits, variable } = config::read(data)?;
        let Some(nodes) = self.nodes.clone() else {
            let error = NodeConfigError::new("", "no plugins are configured");
            return Err(error.with_code(code::MISSING_PROVIDER));
        };
        if let Some(at) = exits.iter().position(|exit| exit == ERROR_EXIT) {
            let path = format!("/exits/{at}");
            return Err(NodeConfigError::new(path, "every plugin has this exit already"));
        }
        let config = Argument::object("/config", &config, 0)?;
        Ok(Box::new(Deciding { nodes, plugin, node, config, exits, variable }))
    }
}

fn members() -> Value {
    let name = |title: &str, pattern: &str| json!({"type": "string", "title": title, "pattern": pattern, "maxLength": 64});
    json!({
        "plugin": name("Plugin", "^[a-z][a-z0-9-]*$"),
        "node": name("Node or function of the plugin", "^[a-z][a-z0-9_-]*$"),
        "config": {
            "type": "object", "title": "Configuration", "maxProperties": 50,
            "description": "A text is a template; {\"variable\": \"path\"} is a variable as it is."
        },
        "exits": {
            "type": "array", "title": "Exits", "maxItems": EXITS_MAX, "uniqueItems": true,
            "items": {"type": "string", "pattern": "^[a-z][a-z0-9_-]*$", "maxLength": 64}
        },
        "variable": schema::variable("Save what it gives in")
    })
}

/// What a node remembers between steps.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// What the plugin told it to remember.
    #[serde(default)]
    plugin: Value,
    /// Messages that came while it was being called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    queue: Vec<Content>,
    /// Whether it is being called.
    #[serde(default)]
    calling: bool,
    /// When it is called even if the contact stays silent.
    #[serde(default)]
    until: Option<Timestamp>,
}

impl Memory {
    fn of(cx: &NodeContext<'_>) -> Self {
        Self::deserialize(&*cx.local).unwrap_or_default()
    }

    fn keep(self, cx: &mut NodeContext<'_>) {
        // Texts, numbers and moments always become JSON.
        *cx.local = serde_json::to_value(&self).unwrap_or_default();
    }
}

#[derive(Debug)]
struct Deciding {
    nodes: Arc<dyn PluginNodes>,
    plugin: String,
    node: String,
    config: Argument,
    exits: Vec<String>,
    variable: Option<String>,
}

impl Deciding {
    fn ask(
        &self,
        cx: &mut NodeContext<'_>,
        memory: Memory,
        event: Option<PluginEvent>,
    ) -> Result<Step, Step> {
        let ask = PluginAsk {
            plugin: self.plugin.clone(),
            node: self.node.clone(),
            config: self.config.render(cx)?,
            contact: cx.contact.clone(),
            variables: Value::Object(cx.variables.clone()),
            last_text: cx.last_text.to_owned(),
            now: cx.now,
            memory: memory.plugin.clone(),
            event,
        };
        Memory { calling: true, until: None, ..memory }.keep(cx);
        Ok(Step::Call { input: serde_json::to_value(&ask).unwrap_or_default() })
    }

    /// A message while the node waits, or while it is being called.
    fn heard(&self, cx: &mut NodeContext<'_>, content: &Content) -> Result<Step, Step> {
        let mut memory = Memory::of(cx);
        if !memory.calling {
            return self.ask(cx, memory, Some(PluginEvent::Message { content: content.clone() }));
        }
        if memory.queue.len() < QUEUE_MAX {
            memory.queue.push(content.clone());
            memory.keep(cx);
        }
        Ok(Step::Wait { until: None })
    }

    /// The plugin has decided.
    fn decided(&self, cx: &mut NodeContext<'_>, step: PluginStep) -> Result<Step, Step> {
        let PluginStep { messages, output, contact, next } = step;
        if messages.len() > MESSAGES_MAX {
            return Err(self.failed(cx, "too_many_messages"));
        }
        if output.as_ref().is_some_and(|output| size::weigh(output) > VARIABLES_MAX_BYTES) {
            return Err(self.failed(cx, "answer_too_large"));
        }
        if let PluginNext::Leave { exit } = &next
            && exit != ERROR_EXIT
            && !self.exits.contains(exit)
        {
            return Err(self.failed(cx, "unknown_exit"));
        }
        messages.into_iter().for_each(|content| cx.send(content));
        if let Some(patch) = contact.filter(|patch| !patch.is_empty()) {
            cx.effects.push(Effect::UpdateContact { patch });
        }
        if let (Some(variable), Some(output)) = (&self.variable, output) {
            cx.set(variable, output);
        }
        match next {
            PluginNext::Leave { exit } if exit == ERROR_EXIT => Err(self.failed(cx, "plugin_left")),
            PluginNext::Leave { exit } => Ok(Step::Exit(exit.into())),
            PluginNext::Wait { memory, until } => self.waits(cx, memory, until),
        }
    }

    /// The plugin waits: for what has come meanwhile, if anything has.
    fn waits(
        &self,
        cx: &mut NodeContext<'_>,
        plugin: Value,
        until: Option<Timestamp>,
    ) -> Result<Step, Step> {
        let mut memory = Memory { plugin, calling: false, until, ..Memory::of(cx) };
        if memory.queue.is_empty() {
            memory.keep(cx);
            return Ok(Step::Wait { until });
        }
        let content = memory.queue.remove(0);
        self.ask(cx, memory, Some(PluginEvent::Message { content }))
    }

    /// What would be saved is empty, so that nothing of an earlier call is taken for it.
    fn failed(&self, cx: &mut NodeContext<'_>, code: &str) -> Step {
        if let Some(variable) = &self.variable {
            cx.set(variable, Value::Null);
        }
        cx.set(ERROR_VARIABLE, Value::from(code));
        Step::Fail { reason: format!("the plugin `{}` failed: {code}", self.plugin) }
    }
}

#[async_trait]
impl BuiltNode for Deciding {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        config::step(self.ask(cx, Memory::default(), None))
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        config::step(match event {
            StepEvent::Message { content } => self.heard(cx, content),
            StepEvent::Timer { .. } => {
                let memory = Memory::of(cx);
                self.ask(cx, memory, Some(PluginEvent::Timer))
            }
            StepEvent::Outside { .. } => Ok(Step::Wait { until: Memory::of(cx).until }),
            StepEvent::CallDone { result: CallResult::Ok(value), .. } => {
                match PluginStep::deserialize(value) {
                    Ok(step) => self.decided(cx, step),
                    Err(_) => Err(self.failed(cx, "malformed")),
                }
            }
            StepEvent::CallDone { result: CallResult::Error { code, .. }, .. } => {
                Err(self.failed(cx, code))
            }
        })
    }

    /// What the plugin remembers holds; a call that was under way is made anew.
    fn again(&self, cx: &mut NodeContext<'_>) -> Step {
        let memory = Memory::of(cx);
        if memory.calling {
            *cx.local = Value::Null;
            return self.enter(cx);
        }
        Step::Wait { until: memory.until }
    }

    async fn perform(&self, input: &Value, cx: &PerformContext<'_>) -> CallResult {
        let Ok(ask) = PluginAsk::deserialize(input) else {
            let detail = "the call's input cannot be read".to_owned();
            return CallResult::Error { code: "unsupported".to_owned(), detail };
        };
        match self.nodes.step(&ask, &cx.scope).await {
            Ok(step) => CallResult::Ok(serde_json::to_value(&step).unwrap_or_default()),
            Err(error) => CallResult::Error { code: error.code, detail: error.detail },
        }
    }

    fn exits(&self) -> Vec<String> {
        self.exits.iter().cloned().chain([ERROR_EXIT.to_owned()]).collect()
    }

    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        self.config.reads()
    }

    fn writes(&self) -> Vec<String> {
        self.variable.iter().cloned().chain([ERROR_VARIABLE.to_owned()]).collect()
    }
}
