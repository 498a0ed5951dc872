//! A remark for the authors of a flow.

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use serde_json::{Value, json};

use super::prompt::exit;
use super::schema;

/// Most characters of a note.
const TEXT_MAX_CHARS: usize = 2000;

/// Says something to authors and passes on. One that is `unfinished` stands in for something that is
/// yet to be built, and the linter says so.
#[derive(Debug)]
pub(super) struct Note;

impl FlowNode for Note {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: crate::check::NOTE.to_owned(),
            title: "Note".to_owned(),
            summary: "A remark for authors; contacts see nothing of it.".to_owned(),
            schema: schema::object(
                json!({
                    "text": {"type": "string", "title": "Note", "maxLength": TEXT_MAX_CHARS},
                    "unfinished": {"type": "boolean", "title": "Something is to be built here"}
                }),
                &["text"],
            ),
            exits: vec![schema::exit("next", "Next")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, _: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        Ok(Box::new(Self))
    }
}

impl BuiltNode for Note {
    fn enter(&self, _: &mut NodeContext<'_>) -> Step {
        exit("next")
    }

    fn exits(&self) -> Vec<String> {
        vec!["next".to_owned()]
    }
}
