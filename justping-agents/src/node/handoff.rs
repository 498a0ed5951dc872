//! Gives the conversation to people.

use justping_core::port::{
    BuiltNode, Effect, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{config, schema};
use crate::text::Template;

/// Hands the conversation over and ends the session.
#[derive(Debug)]
pub(super) struct HandOff;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    note: Option<String>,
}

impl FlowNode for HandOff {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "handoff".to_owned(),
            title: "Hand off".to_owned(),
            summary: "Gives the conversation to people, with a note, and ends the session."
                .to_owned(),
            schema: schema::object(json!({"note": schema::template("Note for the team")}), &[]),
            exits: Vec::new(),
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let note = config::template_if("/note", config.note.as_deref())?;
        Ok(Box::new(GiveOver { note }))
    }
}

#[derive(Debug)]
struct GiveOver {
    note: Option<Template>,
}

impl BuiltNode for GiveOver {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        // A note that fails must not keep the contact from reaching people.
        let note = config::render_if(cx, self.note.as_ref()).unwrap_or_default();
        cx.effects.push(Effect::HandOff { note });
        Step::End
    }

    fn exits(&self) -> Vec<String> {
        Vec::new()
    }

    fn reads(&self) -> Vec<String> {
        config::reads(&self.note)
    }
}
