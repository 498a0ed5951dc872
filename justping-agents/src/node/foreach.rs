//! Does something for each item of a list.

use std::borrow::Cow;

use justping_core::port::{
    BuiltNode, FlowNode, NodeConfigError, NodeContext, NodeDescriptor, Returned, Step,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Names;
use super::prompt::exit;
use super::{config, schema};
use crate::scope::{MAX_PATH_BYTES, Path};

/// The exit of [`Step::Return`] that ends the loop.
const BREAK: &str = "break";

/// Walks what `each` leads to once for each item. The list is read anew before each turn, by the
/// number of the turn, so that what a turn adds at the end gets its own.
#[derive(Debug)]
pub(super) struct Foreach;

#[derive(Debug, Deserialize)]
struct Config {
    list: String,
    item: String,
    #[serde(default)]
    index: Option<String>,
}

impl FlowNode for Foreach {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "foreach".to_owned(),
            title: "For each".to_owned(),
            summary: "Does something for each item of a list.".to_owned(),
            schema: schema::object(
                json!({
                    "list": {
                        "type": "string", "title": "List", "format": "path",
                        "minLength": 1, "maxLength": MAX_PATH_BYTES
                    },
                    "item": schema::variable("Save the item in"),
                    "index": schema::variable("Save its number, from 0, in")
                }),
                &["list", "item"],
            ),
            exits: vec![
                schema::exit("each", "For each item, up to the end of the way or a return"),
                schema::exit("next", "After the last item"),
                schema::exit("error", "It is not a list"),
            ],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        let list = Path::parse(&config.list)
            .map_err(|reason| NodeConfigError::new("/list", reason.to_string()))?;
        Ok(Box::new(Loop { list, item: config.item, index: config.index }))
    }
}

#[derive(Debug)]
struct Loop {
    list: Path,
    item: String,
    index: Option<String>,
}

impl Loop {
    /// The turn with this number, if the list is that long.
    fn turn(&self, cx: &mut NodeContext<'_>, number: usize) -> Step {
        let item = match self.list.find(&Names::of(cx)) {
            // What is not there has no items.
            None | Some(Value::Null) => return exit("next"),
            Some(Value::Array(items)) => items.get(number).cloned(),
            Some(_) => {
                return Step::Fail { reason: format!("`{}` is not a list", self.list.as_str()) };
            }
        };
        let Some(item) = item else { return exit("next") };
        cx.set(&self.item, item);
        if let Some(index) = &self.index {
            cx.set(index, Value::from(number));
        }
        *cx.local = Value::from(number);
        Step::Body { exit: Cow::Borrowed("each") }
    }
}

impl BuiltNode for Loop {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        self.turn(cx, 0)
    }

    fn returned(&self, cx: &mut NodeContext<'_>, back: &Returned) -> Step {
        if back.exit.as_deref() == Some(BREAK) {
            return exit("next");
        }
        let number = cx.local.as_u64().and_then(|number| usize::try_from(number).ok());
        match number.and_then(|number| number.checked_add(1)) {
            Some(next) => self.turn(cx, next),
            None => Step::Fail { reason: "what the node remembers cannot be read".to_owned() },
        }
    }

    fn exits(&self) -> Vec<String> {
        ["each", "next", "error"].map(str::to_owned).to_vec()
    }

    /// A way back to it ends a turn and is no circle.
    fn suspends(&self) -> bool {
        true
    }

    fn reads(&self) -> Vec<String> {
        vec![self.list.as_str().to_owned()]
    }

    fn writes(&self) -> Vec<String> {
        std::iter::once(&self.item).chain(&self.index).cloned().collect()
    }
}
