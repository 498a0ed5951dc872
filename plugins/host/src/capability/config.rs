//! The plugin's configuration.

use super::CallState;
use crate::contract::bindings::justping::plugin::config::Host;

impl Host for CallState {
    async fn get(&mut self) -> wasmtime::Result<String> {
        Ok((*self.caller.config).to_owned())
    }
}
