//! A function for texts: in a flow, a node that gives what it makes of a value.

use justping_plugin::{Failure, Filter};
use serde_json::Value;

struct Shout;

impl Filter for Shout {
    const NAME: &'static str = "shout";
    const SUMMARY: &'static str = "Makes everything large";

    fn apply(value: Value, _: Vec<Value>) -> Result<Value, Failure> {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Ok(text.to_uppercase().into())
    }
}

justping_plugin::export_filters!(Shout);
