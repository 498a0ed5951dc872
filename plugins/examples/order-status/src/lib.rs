//! A node that looks an order up in the shop and tells the customer where it is.

use justping_plugin::{Context, Failure, Node, NodeInfo, Step, http, log};
use serde::Deserialize;

/// Most characters of an order's number.
const NUMBER_MAX_CHARS: usize = 32;
/// How long the shop may take, in milliseconds.
const PATIENCE_MS: u32 = 3_000;

/// Looks an order up.
struct Lookup;

#[derive(Debug, Deserialize)]
struct Config {
    /// The order's number, such as `{{ order }}`.
    number: String,
    /// Where the shop is.
    #[serde(default = "shop")]
    shop: String,
}

fn shop() -> String {
    "https://shop.example.com".to_owned()
}

/// What the shop tells of an order.
#[derive(Debug, Deserialize)]
struct Order {
    status: String,
    #[serde(default)]
    eta: Option<String>,
}

impl Node for Lookup {
    type Config = Config;
    type Memory = ();
    const NAME: &'static str = "lookup";

    fn describe() -> NodeInfo {
        let text = serde_json::json!({"type": "string", "minLength": 1});
        NodeInfo::new("Order status", "Looks an order up and tells where it is")
            .field("number", text.clone())
            .optional("shop", text)
            .exit("found", "Found")
            .exit("missing", "No such order")
    }

    fn enter(context: &Context<Config>) -> Result<Step<()>, Failure> {
        let Some(number) = number(&context.config.number) else {
            return Ok(Step::leave("missing"));
        };
        let reply = http::Request::get(format!("{}/orders/{number}", context.config.shop))
            .header("accept", "application/json")
            .secret("authorization", "Bearer ", "shop_key")
            .timeout_ms(PATIENCE_MS)
            .send()?;
        match reply.status {
            200 => Ok(found(&number, &reply.json()?)),
            404 => Ok(Step::leave("missing")),
            status => {
                log::warn(format!("the shop answered {status}"));
                Err(Failure::new("shop_unavailable", format!("the shop answered {status}")))
            }
        }
    }
}

/// The number of an order in what a customer wrote, ready for a URL.
fn number(text: &str) -> Option<String> {
    let number = text.trim().trim_start_matches('#').to_ascii_uppercase();
    let is_plain = number.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (!number.is_empty() && number.len() <= NUMBER_MAX_CHARS && is_plain).then_some(number)
}

fn found(number: &str, order: &Order) -> Step<()> {
    let words = match &order.eta {
        Some(eta) => format!("Order {number} is {} and comes on {eta}.", order.status),
        None => format!("Order {number} is {}.", order.status),
    };
    Step::leave("found").say(words).give(order.status.as_str())
}

justping_plugin::export_nodes!(Lookup);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_number_is_asked_for() {
        assert_eq!(number(" #a-17 ").as_deref(), Some("A-17"));
        for wrong in ["", "#", "17/../../admin", "A 17", &"1".repeat(33)] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
