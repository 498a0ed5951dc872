//! A node of flows.

use justping_plugin::{Context, Failure, Node, NodeInfo, Step, log};
use serde::Deserialize;
use serde_json::json;

struct Greet;

#[derive(Deserialize)]
struct Config {
    greeting: String,
}

impl Node for Greet {
    type Config = Config;
    type Memory = ();
    const NAME: &'static str = "greet";

    fn describe() -> NodeInfo {
        NodeInfo::new("Greet", "Greets the contact by name")
            .field("greeting", json!({"type": "string", "title": "Greeting"}))
            .exit("greeted", "Greeted")
    }

    fn enter(context: &Context<Config>) -> Result<Step<()>, Failure> {
        let name = context.contact.name.as_deref().unwrap_or("you");
        log::info("greeted somebody");
        let words = format!("{}, {name}!", context.config.greeting);
        Ok(Step::leave("greeted").say(words).give(json!({"name": name})))
    }
}

justping_plugin::export_nodes!(Greet);
