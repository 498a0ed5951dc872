//! A node of one's own: it rolls a die and leaves by `win` or `lose`.
//!
//! `cargo run --example custom_node`

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::sync::Arc;

use justping::agents::Flows;
use justping::model::Content;
use justping::port::{
    BuiltNode, ExitDescriptor, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Step,
};
use justping::stage::Stage;
use serde_json::{Value, json};

/// The type of node: what editors show and documents may say.
#[derive(Debug)]
struct Die;

/// One such node in a document.
#[derive(Debug)]
struct Roll {
    sides: u64,
}

impl FlowNode for Die {
    fn descriptor(&self) -> NodeDescriptor {
        let exit = |name: &str, title: &str| ExitDescriptor {
            name: name.to_owned(),
            title: title.to_owned(),
        };
        NodeDescriptor {
            kind: "die".to_owned(),
            title: "Roll a die".to_owned(),
            summary: "Wins with the highest number.".to_owned(),
            schema: json!({
                "type": "object",
                "properties": {"sides": {"type": "integer", "minimum": 2, "maximum": 100}},
                "required": ["sides"],
                "additionalProperties": false,
            }),
            exits: vec![exit("win", "Highest number"), exit("lose", "Any other")],
            suspends: false,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        Ok(Box::new(Roll { sides: data.get("sides").and_then(Value::as_u64).unwrap_or(6) }))
    }
}

impl BuiltNode for Roll {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        // The seed is the step's chance: the same on replay.
        let number = cx.seed % self.sides + 1;
        cx.set("rolled", json!(number));
        cx.send(Content::text(format!("You rolled {number}.")));
        Step::Exit(if number == self.sides { "win" } else { "lose" }.into())
    }

    fn exits(&self) -> Vec<String> {
        vec!["win".to_owned(), "lose".to_owned()]
    }

    fn writes(&self) -> Vec<String> {
        vec!["rolled".to_owned()]
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let flow = json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "die", "type": "die", "data": {"sides": 6}},
            {"id": "win", "type": "text", "data": {"text": "You win!"}},
            {"id": "lose", "type": "text", "data": {"text": "{{ rolled }} is not enough. Again?"}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "die"},
            {"id": "2", "source": "die", "sourceHandle": "win", "target": "win"},
            {"id": "3", "source": "die", "sourceHandle": "lose", "target": "lose"},
        ],
    });
    let flows = Flows::new().with_node(Die);
    let stage = Stage::builder(Arc::new(flows)).open(&[flow]).await?;
    for reply in stage.say("ada", "roll").await? {
        println!("{}", reply.content.plain());
    }
    Ok(())
}
