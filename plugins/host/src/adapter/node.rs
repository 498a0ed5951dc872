//! Nodes of flows.

use async_trait::async_trait;
use justping_core::model::{Capability, Grants, Timestamp};
use justping_core::port::{
    CallScope, ContactView, PluginAsk, PluginError, PluginEvent, PluginNext, PluginNodes,
    PluginStep,
};
use serde_json::Value;

use super::told;
use crate::capability::{parse_contact_patch, parse_content};
use crate::contract::{Contact, Scope, nodes};
use crate::package::{FILTER_ARGUMENTS, FILTER_EXIT, FILTER_VALUE};
use crate::plugins::{Ask, Installed, Plugins};
use crate::sandbox::FilterAsk;

/// The code when a plugin returned what makes no sense.
const INVALID_OUTPUT: &str = "invalid_output";
/// The code when it wants what it was not granted.
const DENIED: &str = "denied";

#[async_trait]
impl PluginNodes for Plugins {
    async fn step(&self, ask: &PluginAsk, scope: &CallScope) -> Result<PluginStep, PluginError> {
        let found = self.installed(scope.business_id, &ask.plugin).await;
        let installed = found.map_err(|error| told(&error))?;
        if installed.inspection.flow_node(&ask.node).is_none() {
            return Err(PluginError::unknown_node(&ask.plugin, &ask.node));
        }
        let who = Ask {
            conversation_id: Some(scope.conversation_id),
            call_id: scope.call_id.to_string(),
            now: ask.now,
        };
        if !installed.inspection.has_node(&ask.node) {
            return self.filter(&installed, &who, ask).await;
        }
        let event = ask.event.as_ref().map(event);
        let step = self.call(&installed, &who, |sandbox, code, caller| async move {
            let context = context(ask.clone(), caller.scope());
            match event {
                None => sandbox.enter_node(&code, caller, context).await,
                Some(event) => sandbox.resume_node(&code, caller, context, event).await,
            }
        });
        let decided = decided(step.await.map_err(|error| told(&error))?, &installed.grants);
        if let Err(error) = decided.as_ref()
            && error.code == DENIED
        {
            self.denied(&installed, &who, &error.detail);
        }
        decided
    }
}

impl Plugins {
    /// A function for texts as a node: it gives what it makes of a value, and leaves.
    async fn filter(
        &self,
        installed: &Installed,
        who: &Ask,
        ask: &PluginAsk,
    ) -> Result<PluginStep, PluginError> {
        let part = |name: &str| ask.config.get(name).filter(|value| !value.is_null());
        let what = FilterAsk {
            filter: ask.node.clone(),
            value: part(FILTER_VALUE).map_or_else(|| "null".to_owned(), ToString::to_string),
            arguments: part(FILTER_ARGUMENTS).map_or_else(|| "[]".to_owned(), ToString::to_string),
        };
        let made = self.call(installed, who, |sandbox, code, caller| async move {
            sandbox.apply_filter(&code, caller, what).await
        });
        let made = made.await.map_err(|error| told(&error))?;
        let output = json(&made).map_err(|why| {
            PluginError::new(INVALID_OUTPUT, format!("the value cannot be read: {why}"))
        })?;
        let next = PluginNext::Leave { exit: FILTER_EXIT.to_owned() };
        Ok(PluginStep { messages: Vec::new(), output: Some(output), contact: None, next })
    }
}

/// What a node is told.
fn context(ask: PluginAsk, scope: Scope) -> nodes::Context {
    nodes::Context {
        scope,
        node: ask.node,
        config: ask.config.to_string(),
        contact: contact(&ask.contact),
        variables: ask.variables.to_string(),
        last_text: ask.last_text,
        memory: ask.memory.to_string(),
    }
}

/// A contact as a flow sees it.
fn contact(view: &ContactView) -> Contact {
    Contact {
        id: view.id.to_string(),
        name: view.name.clone(),
        address: view.address.clone(),
        channel: view.channel.as_ref().map(ToString::to_string),
        fields: Value::Object(view.fields.clone()).to_string(),
        tags: view.tags.clone(),
        locale: view.locale.clone(),
        time_zone: view.time_zone.clone(),
    }
}

fn event(event: &PluginEvent) -> nodes::Event {
    match event {
        PluginEvent::Timer => nodes::Event::Timer,
        // Content always becomes JSON.
        PluginEvent::Message { content } => {
            nodes::Event::Message(serde_json::to_string(content).unwrap_or_default())
        }
    }
}

/// Reads what a node decided.
fn decided(step: nodes::Step, grants: &Grants) -> Result<PluginStep, PluginError> {
    let wrong = |what: &str, why: String| {
        PluginError::new(INVALID_OUTPUT, format!("{what} cannot be read: {why}"))
    };
    let nodes::Step { messages, output, contact, next } = step;
    if contact.is_some() && !grants.allows(Capability::ContactsWrite) {
        return Err(PluginError::new(DENIED, "it is not granted contacts-write"));
    }
    let messages = messages.iter().map(|json| parse_content(json));
    let messages = messages.collect::<Result<_, _>>().map_err(|why| wrong("a message", why))?;
    let contact = contact.as_deref().map(parse_contact_patch).transpose();
    let contact = contact.map_err(|why| wrong("the change of the contact", why))?;
    let output = output.as_deref().map(json).transpose();
    let output = output.map_err(|why| wrong("the output", why))?;
    let next = match next {
        nodes::Next::Leave(exit) => PluginNext::Leave { exit },
        nodes::Next::Wait(nodes::Waiting { memory, until }) => {
            let memory = json(&memory).map_err(|why| wrong("the memory", why))?;
            let until = until.map(moment).transpose();
            PluginNext::Wait { memory, until: until.map_err(|why| wrong("the moment", why))? }
        }
    };
    Ok(PluginStep { messages, output, contact, next })
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn moment(millis: u64) -> Result<Timestamp, String> {
    let millis = i64::try_from(millis).map_err(|error| error.to_string())?;
    Timestamp::from_millisecond(millis).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use justping_core::model::Content;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn leave() -> nodes::Step {
        nodes::Step {
            messages: Vec::new(),
            output: None,
            contact: None,
            next: nodes::Next::Leave("next".to_owned()),
        }
    }

    fn writers() -> Grants {
        Grants { capabilities: [Capability::ContactsWrite].into(), ..Grants::default() }
    }

    #[test]
    fn what_a_node_decides_is_read() {
        let step = nodes::Step {
            messages: vec![r#"{"type": "text", "text": "Hi"}"#.to_owned()],
            output: Some("[1]".to_owned()),
            contact: Some(r#"{"name": "Ada"}"#.to_owned()),
            next: nodes::Next::Wait(nodes::Waiting { memory: "7".to_owned(), until: Some(5) }),
        };
        let read = decided(step, &writers()).unwrap();
        assert_eq!((read.messages, read.output), (vec![Content::text("Hi")], Some(json!([1]))));
        assert_eq!(read.contact.unwrap().name.as_deref(), Some("Ada"));
        let until = Some(Timestamp::from_millisecond(5).unwrap());
        assert_eq!(read.next, PluginNext::Wait { memory: json!(7), until });
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        let wait = |memory: &str, until| {
            nodes::Next::Wait(nodes::Waiting { memory: memory.to_owned(), until })
        };
        for (step, what) in [
            (nodes::Step { messages: vec!["{".to_owned()], ..leave() }, "a message"),
            (nodes::Step { messages: vec![r#"{"type": "x"}"#.to_owned()], ..leave() }, "a message"),
            (nodes::Step { output: Some("nope".to_owned()), ..leave() }, "the output"),
            (nodes::Step { contact: Some("{\"id\": 1}".to_owned()), ..leave() }, "the change"),
            (nodes::Step { next: wait("", None), ..leave() }, "the memory"),
            (nodes::Step { next: wait("1", Some(u64::MAX)), ..leave() }, "the moment"),
        ] {
            let error = decided(step, &writers()).unwrap_err();
            assert_eq!(error.code, INVALID_OUTPUT);
            assert!(error.detail.starts_with(what), "{error}");
        }
    }

    #[test]
    fn a_contact_is_changed_only_where_it_is_granted() {
        let step = nodes::Step { contact: Some("{}".to_owned()), ..leave() };
        assert_eq!(decided(step, &Grants::default()).unwrap_err().code, "denied");
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(
            messages in prop::collection::vec(".{0,40}", 0..4), output in ".{0,40}",
            contact in ".{0,40}", memory in ".{0,40}", until in any::<u64>()
        ) {
            let next = nodes::Next::Wait(nodes::Waiting { memory, until: Some(until) });
            let step = nodes::Step { messages, output: Some(output), contact: Some(contact), next };
            let _ = decided(step, &writers());
        }
    }
}
