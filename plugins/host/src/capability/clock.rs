//! The time.

use justping_core::model::Capability;

use super::CallState;
use crate::caller::millis;
use crate::contract::bindings::justping::plugin::clock::Host;

impl Host for CallState {
    /// Without the grant, time stands still at the moment of the call: a guest cannot measure with it.
    async fn now(&mut self) -> wasmtime::Result<u64> {
        let is_granted = self.access(Capability::Clock)?;
        Ok(millis(if is_granted { self.ports.clock.now() } else { self.caller.now }))
    }
}
