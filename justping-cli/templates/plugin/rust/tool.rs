//! A tool that AI agents and flows can have called.

use justping_plugin::{Failure, Scope, Tool, ToolInfo};
use serde::Deserialize;
use serde_json::{Value, json};

struct AddTax;

#[derive(Deserialize)]
struct Arguments {
    price: f64,
}

impl Tool for AddTax {
    type Arguments = Arguments;
    const NAME: &'static str = "add_tax";

    fn describe() -> ToolInfo {
        ToolInfo {
            description: "Adds the tax to a price.".to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {"price": {"type": "number", "description": "The price without tax"}},
                "required": ["price"]
            }),
        }
    }

    fn call(_: &Scope, _: &str, Arguments { price }: Arguments) -> Result<Value, Failure> {
        Ok(json!({"total": (price * 119.0).round() / 100.0}))
    }
}

justping_plugin::export_tools!(AddTax);
