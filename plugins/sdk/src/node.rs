//! Nodes of flows.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::bindings::node::exports::justping::plugin::nodes as wit;
use crate::{Contact, Failure, Scope, text};

/// A node of flows. It decides what is next; the platform does it and remembers that it did, so nothing
/// is decided twice.
pub trait Node {
    /// Its settings in a flow: what its schema describes. Use [`Value`] for anything.
    type Config: DeserializeOwned;
    /// What it remembers while it waits; `()` for a node that never does.
    type Memory: Serialize + DeserializeOwned;
    /// Its name within the plugin.
    const NAME: &'static str;

    /// What an editor needs to draw it and its form.
    fn describe() -> NodeInfo;

    /// The session arrives.
    ///
    /// # Errors
    /// A [`Failure`] leads to the exit `error`.
    fn enter(context: &Context<Self::Config>) -> Result<Step<Self::Memory>, Failure>;

    /// Something happened while it waited.
    ///
    /// # Errors
    /// A [`Failure`] leads to the exit `error`.
    fn resume(
        _context: &Context<Self::Config>,
        _memory: Self::Memory,
        _event: Event,
    ) -> Result<Step<Self::Memory>, Failure> {
        Err(Failure::new("never_waits", format!("the node {} does not wait", Self::NAME)))
    }
}

/// What an editor needs to draw a node and its form.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeInfo {
    title: String,
    summary: String,
    schema: Value,
    exits: Vec<(String, String)>,
    waits: bool,
}

impl NodeInfo {
    /// A node without settings and exits.
    pub fn new(title: impl Into<String>, summary: impl Into<String>) -> Self {
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let (title, summary) = (title.into(), summary.into());
        Self { title, summary, schema, exits: Vec::new(), waits: false }
    }

    /// Adds a setting that must be there, with the JSON Schema of its value.
    #[must_use]
    pub fn field(mut self, name: &str, schema: Value) -> Self {
        if let Some(object) = self.schema.as_object_mut() {
            let required = object.entry("required").or_insert_with(|| json!([]));
            required.as_array_mut().into_iter().for_each(|names| names.push(json!(name)));
        }
        self.optional(name, schema)
    }

    /// Adds a setting that may be left out, with the JSON Schema of its value.
    #[must_use]
    pub fn optional(mut self, name: &str, schema: Value) -> Self {
        if let Some(Value::Object(fields)) = self.schema.get_mut("properties") {
            fields.insert(name.to_owned(), schema);
        }
        self
    }

    /// Describes all settings by a JSON Schema of an object instead.
    #[must_use]
    pub fn schema(self, schema: Value) -> Self {
        Self { schema, ..self }
    }

    /// Adds a way out. Besides these, every node has `error`.
    #[must_use]
    pub fn exit(mut self, name: impl Into<String>, title: impl Into<String>) -> Self {
        self.exits.push((name.into(), title.into()));
        self
    }

    /// Says that it may wait.
    #[must_use]
    pub fn waits(self) -> Self {
        Self { waits: true, ..self }
    }
}

/// What a node is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Context<C> {
    /// For whom it works.
    pub scope: Scope,
    /// Its settings in the flow; templates in them are filled in.
    pub config: C,
    /// The contact.
    pub contact: Contact,
    /// The session's variables.
    pub variables: Map<String, Value>,
    /// The contact's newest text.
    pub last_text: String,
}

/// Why a node is called again.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The contact wrote: what it says, in the API's form.
    Message(Value),
    /// The moment it waited for has come.
    Timer,
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<M> {
    /// Leave by this exit.
    Leave(String),
    /// Wait for the contact.
    Wait {
        /// What it is told again.
        memory: M,
        /// When it is called even if the contact stays silent, in milliseconds since 1970.
        until_ms: Option<u64>,
    },
}

/// What a node decides.
///
/// ```
/// # use justping_plugin::Step;
/// let step: Step<()> = Step::leave("found").say("It is on its way.").give(17);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Step<M> {
    /// Messages to send before, in the API's form.
    pub messages: Vec<Value>,
    /// What it gives to the flow: it is saved in the variable that the flow names, if it names one.
    pub output: Option<Value>,
    /// How the contact changes, in the form of `PATCH /api/v1/contacts/{id}`, if it does. Needs the
    /// capability `contacts-write`.
    pub contact: Option<Value>,
    /// What is next.
    pub next: Next<M>,
}

impl<M> Step<M> {
    /// Leaves by an exit.
    pub fn leave(exit: impl Into<String>) -> Self {
        Self::to(Next::Leave(exit.into()))
    }

    /// Waits for the contact, until a moment if one is given.
    pub fn wait(memory: M, until_ms: Option<u64>) -> Self {
        Self::to(Next::Wait { memory, until_ms })
    }

    fn to(next: Next<M>) -> Self {
        Self { messages: Vec::new(), output: None, contact: None, next }
    }

    /// Sends a text before.
    #[must_use]
    pub fn say(self, words: impl Into<String>) -> Self {
        self.message(text(words))
    }

    /// Sends a message in the API's form before.
    #[must_use]
    pub fn message(mut self, content: Value) -> Self {
        self.messages.push(content);
        self
    }

    /// Gives a value to the flow, which saves it in the variable of its choice.
    #[must_use]
    pub fn give(self, output: impl Into<Value>) -> Self {
        Self { output: Some(output.into()), ..self }
    }

    /// Changes the contact, in the form of `PATCH /api/v1/contacts/{id}`.
    #[must_use]
    pub fn change_contact(self, patch: Value) -> Self {
        Self { contact: Some(patch), ..self }
    }
}

#[doc(hidden)]
pub fn describe<N: Node>() -> wit::Node {
    let NodeInfo { title, summary, schema, exits, waits } = N::describe();
    let exits = exits.into_iter().map(|(name, title)| wit::Exit { name, title }).collect();
    let (name, schema) = (N::NAME.to_owned(), schema.to_string());
    wit::Node { name, title, summary, schema, exits, waits }
}

#[doc(hidden)]
pub fn enter<N: Node>(context: wit::Context) -> Result<wit::Step, crate::failure::Wire> {
    let (context, _) = read::<N::Config>(context)?;
    Ok(write(N::enter(&context)?)?)
}

#[doc(hidden)]
pub fn resume<N: Node>(
    context: wit::Context,
    event: wit::Event,
) -> Result<wit::Step, crate::failure::Wire> {
    let (context, memory) = read::<N::Config>(context)?;
    let memory = serde_json::from_str(&memory).map_err(Failure::from)?;
    let event = match event {
        wit::Event::Message(content) => {
            Event::Message(serde_json::from_str(&content).map_err(Failure::from)?)
        }
        wit::Event::Timer => Event::Timer,
    };
    Ok(write(N::resume(&context, memory, event)?)?)
}

#[doc(hidden)]
pub fn no_node<T>(name: &str) -> Result<T, crate::failure::Wire> {
    Err(Failure::new("unknown_node", format!("the plugin has no node {name}")).into())
}

/// What a node is told, and what it remembered, as text.
fn read<C: DeserializeOwned>(context: wit::Context) -> Result<(Context<C>, String), Failure> {
    let config = serde_json::from_str(&context.config)
        .map_err(|error| Failure::new("invalid_config", error))?;
    let told = Context {
        scope: context.scope.into(),
        config,
        contact: context.contact.try_into()?,
        variables: serde_json::from_str(&context.variables)?,
        last_text: context.last_text,
    };
    Ok((told, context.memory))
}

fn write<M: Serialize>(step: Step<M>) -> Result<wit::Step, Failure> {
    let next = match step.next {
        Next::Leave(exit) => wit::Next::Leave(exit),
        Next::Wait { memory, until_ms } => wit::Next::Wait(wit::Waiting {
            memory: serde_json::to_string(&memory)?,
            until: until_ms,
        }),
    };
    Ok(wit::Step {
        messages: step.messages.iter().map(Value::to_string).collect(),
        output: step.output.map(|output| output.to_string()),
        contact: step.contact.map(|patch| patch.to_string()),
        next,
    })
}

/// Exports types that implement [`Node`] as the plugin's nodes.
#[macro_export]
macro_rules! export_nodes {
    ($($node:ty),+ $(,)?) => {
        const _: () = {
            use $crate::bindings::node::exports::justping::plugin::nodes as wit;
            use $crate::bindings::capabilities::justping::plugin::types::Failure;

            struct Plugin;

            impl wit::Guest for Plugin {
                fn describe() -> ::std::vec::Vec<wit::Node> {
                    ::std::vec![$($crate::export::describe_node::<$node>()),+]
                }

                fn enter(context: wit::Context) -> ::std::result::Result<wit::Step, Failure> {
                    match context.node.as_str() {
                        $(<$node as $crate::Node>::NAME => $crate::export::enter::<$node>(context),)+
                        other => $crate::export::no_node(other),
                    }
                }

                fn resume(
                    context: wit::Context,
                    event: wit::Event,
                ) -> ::std::result::Result<wit::Step, Failure> {
                    match context.node.as_str() {
                        $(<$node as $crate::Node>::NAME => {
                            $crate::export::resume::<$node>(context, event)
                        })+
                        other => $crate::export::no_node(other),
                    }
                }
            }

            $crate::bindings::node::export_nodes_world!(Plugin with_types_in $crate::bindings::node);
        };
    };
}
