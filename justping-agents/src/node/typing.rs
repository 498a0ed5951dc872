//! Shows that an answer is being written.

use justping_core::port::{BuiltNode, FlowNode, NodeConfigError, NodeDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wait::Pause;
use super::{config, schema};

/// How long the sign is shown unless the node says otherwise, in seconds.
const SECONDS_DEFAULT: u64 = 2;
/// The longest time a sign is shown, in seconds: as long as WhatsApp shows one.
const SECONDS_MAX: u64 = 25;

/// Shows the contact for some seconds that an answer is being written, then goes on.
#[derive(Debug)]
pub(super) struct Typing;

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    seconds: Option<u64>,
}

impl FlowNode for Typing {
    fn descriptor(&self) -> NodeDescriptor {
        NodeDescriptor {
            kind: "typing".to_owned(),
            title: "Typing".to_owned(),
            summary:
                "Shows for some seconds that an answer is being written, then goes on; a message \
                      meanwhile interrupts it or goes unheard."
                    .to_owned(),
            schema: schema::object(
                json!({"seconds": {
                    "type": "integer", "title": "Seconds",
                    "minimum": 1, "maximum": SECONDS_MAX, "default": SECONDS_DEFAULT
                }}),
                &[],
            ),
            exits: vec![
                schema::exit("next", "Afterwards"),
                schema::exit("interrupted", "The contact writes meanwhile"),
            ],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let config: Config = config::read(data)?;
        Ok(Box::new(Pause::new(config.seconds.unwrap_or(SECONDS_DEFAULT)).typing()))
    }
}
