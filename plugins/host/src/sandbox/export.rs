//! The functions of plugins, one method each.

use std::sync::Arc;

use super::Sandbox;
use super::call::Work;
use super::code::{Code, Export};
use super::error::CallError;
use super::meter::Called;
use super::weigh::Weigh;
use crate::caller::Caller;
use crate::contract::{
    Contact, Failure, Message, channels, filters, hooks, nodes, subscriber, tools,
};

/// Calls a function of an interface, if the component has it: `$interface` is where it is, `$guest`
/// and `$store` are what the call is made with.
macro_rules! call {
    ($sandbox:ident, $code:ident, $caller:ident, $export:ident . $interface:ident,
     $input:expr, |$guest:ident, $store:ident| $call:expr) => {{
        let limits_output = $caller.limits.output_bytes.min($sandbox.shared.limits.output_bytes);
        let Some(entry) = $code.entry.$interface.clone() else {
            return Called::refused(CallError::NotExported(Export::$export));
        };
        let work: Work<_> = Box::new(move |$store, instance| {
            Box::pin(async move {
                let $guest = entry.load(&mut *$store, instance)?;
                $call.await
            })
        });
        let called = $sandbox.shared.call($code, $caller, $input, work).await;
        called.and_then(|answer| bounded(answer, limits_output))
    }};
}

/// Says in its own words what a plugin says of its failure.
fn worked<T>(answer: Result<T, Failure>) -> Result<T, CallError> {
    answer.map_err(CallError::Failed)
}

fn bounded<T: Weigh>(answer: T, max: usize) -> Result<T, CallError> {
    if answer.bytes() > max { Err(CallError::Output { max }) } else { Ok(answer) }
}

impl Sandbox {
    /// The nodes of a plugin. Ask once for each release.
    pub async fn describe_nodes(
        &self,
        code: &Arc<Code>,
        caller: Caller,
    ) -> Called<Vec<nodes::Node>> {
        call!(self, code, caller, Nodes.nodes, 0, |guest, store| guest.call_describe(store))
    }

    /// A session arrives at a node.
    pub async fn enter_node(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        context: nodes::Context,
    ) -> Called<nodes::Step> {
        let input = context.bytes();
        call!(self, code, caller, Nodes.nodes, input, |guest, store| {
            guest.call_enter(store, &context)
        })
        .and_then(worked)
    }

    /// Something happened while a node waited.
    pub async fn resume_node(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        context: nodes::Context,
        event: nodes::Event,
    ) -> Called<nodes::Step> {
        let input = context.bytes().saturating_add(event.bytes());
        call!(self, code, caller, Nodes.nodes, input, |guest, store| {
            guest.call_resume(store, &context, &event)
        })
        .and_then(worked)
    }

    /// The tools of a plugin. Ask once for each release.
    pub async fn describe_tools(
        &self,
        code: &Arc<Code>,
        caller: Caller,
    ) -> Called<Vec<tools::Tool>> {
        call!(self, code, caller, Tools.tools, 0, |guest, store| guest.call_describe(store))
    }

    /// Calls a tool with arguments, a JSON object; returns any JSON. Neither is looked at here.
    pub async fn call_tool(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        ask: ToolAsk,
    ) -> Called<String> {
        let scope = caller.scope();
        let ToolAsk { contact_id, tool, arguments } = ask;
        let input = scope.bytes() + contact_id.len() + tool.len() + arguments.len();
        call!(self, code, caller, Tools.tools, input, |guest, store| {
            guest.call_call(store, &scope, &contact_id, &tool, &arguments)
        })
        .and_then(worked)
    }

    /// What becomes of a message right before it is handed to its channel.
    pub async fn before_send(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        message: Message,
        contact: Contact,
    ) -> Called<hooks::Verdict> {
        let input = message.bytes().saturating_add(contact.bytes());
        call!(self, code, caller, Hooks.hooks, input, |guest, store| {
            guest.call_before_send(store, &message, &contact)
        })
        .and_then(worked)
    }

    /// What becomes of a message right after it was received.
    pub async fn after_receive(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        message: Message,
    ) -> Called<hooks::Verdict> {
        let input = message.bytes();
        call!(self, code, caller, Hooks.hooks, input, |guest, store| {
            guest.call_after_receive(store, &message)
        })
        .and_then(worked)
    }

    /// The names of the events that a plugin wants. Ask once for each release.
    pub async fn interests(&self, code: &Arc<Code>, caller: Caller) -> Called<Vec<String>> {
        call!(self, code, caller, Subscriber.subscriber, 0, |guest, store| {
            guest.call_interests(store)
        })
    }

    /// Tells events, in their order. After an error the same ones may be told again.
    pub async fn handle_events(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        events: Vec<subscriber::Event>,
    ) -> Called<()> {
        let input = events.bytes();
        call!(self, code, caller, Subscriber.subscriber, input, |guest, store| {
            guest.call_handle(store, &events)
        })
        .and_then(worked)
    }

    /// What a plugin's channel is. Ask once for each release.
    pub async fn describe_channel(
        &self,
        code: &Arc<Code>,
        caller: Caller,
    ) -> Called<channels::Channel> {
        call!(self, code, caller, Channels.channels, 0, |guest, store| guest.call_describe(store))
    }

    /// Verifies and reads a webhook.
    pub async fn receive(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        webhook: channels::Webhook,
    ) -> Called<Result<channels::Received, channels::Refusal>> {
        let input = webhook.bytes();
        call!(self, code, caller, Channels.channels, input, |guest, store| {
            guest.call_receive(store, &webhook)
        })
    }

    /// Hands a message over to a plugin's channel; returns the provider's reference, if it gives one.
    pub async fn send(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        outbound: channels::Outbound,
    ) -> Called<Result<Option<String>, channels::SendError>> {
        let input = outbound.bytes();
        call!(self, code, caller, Channels.channels, input, |guest, store| {
            guest.call_send(store, &outbound)
        })
    }

    /// The functions for texts. Ask once for each release.
    pub async fn describe_filters(
        &self,
        code: &Arc<Code>,
        caller: Caller,
    ) -> Called<Vec<filters::Filter>> {
        call!(self, code, caller, Filters.filters, 0, |guest, store| guest.call_describe(store))
    }

    /// Applies a function to a value and a list of arguments, all of them JSON. It has no capability
    /// but the log, whatever is granted.
    pub async fn apply_filter(
        &self,
        code: &Arc<Code>,
        caller: Caller,
        ask: FilterAsk,
    ) -> Called<String> {
        let caller = Caller { grants: Arc::default(), ..caller };
        let FilterAsk { filter, value, arguments } = ask;
        let input = filter.len() + value.len() + arguments.len();
        call!(self, code, caller, Filters.filters, input, |guest, store| {
            guest.call_apply(store, &filter, &value, &arguments)
        })
        .and_then(worked)
    }
}

/// Which tool is called, for whom and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolAsk {
    /// The contact; empty when there is none.
    pub contact_id: String,
    /// The tool's name within the plugin.
    pub tool: String,
    /// Its arguments, a JSON object.
    pub arguments: String,
}

/// Which function is applied, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterAsk {
    /// The function's name within the plugin.
    pub filter: String,
    /// The value, any JSON.
    pub value: String,
    /// The arguments, a JSON list.
    pub arguments: String,
}
