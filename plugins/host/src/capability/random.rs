//! Random bytes, the same ones when the same call is made again.

use hmac::Mac as _;
use justping_core::model::Capability;

use super::{CallState, Stop};
use crate::caller::Caller;
use crate::contract::bindings::justping::plugin::random::Host;
use crate::mac::keyed;

/// Most bytes of one draw.
const BYTES_MAX: u32 = 1024;

impl Host for CallState {
    async fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        if !self.access(Capability::Random)? {
            return Err(Stop::Denied(Capability::Random).into());
        }
        let len = len.min(BYTES_MAX) as usize;
        let mut bytes = Vec::with_capacity(len + 32);
        while bytes.len() < len {
            bytes.extend_from_slice(&block(&self.caller, self.drawn));
            self.drawn += 1;
        }
        bytes.truncate(len);
        Ok(bytes)
    }
}

/// One of the blocks that a call draws. Calls of other businesses and plugins draw others.
fn block(caller: &Caller, number: u64) -> [u8; 32] {
    let mut mac = keyed(b"justping plugin random");
    mac.update(caller.business_id.uuid().as_bytes());
    mac.update(caller.plugin_id.uuid().as_bytes());
    mac.update(&number.to_le_bytes());
    mac.update(caller.call_id.as_bytes());
    mac.finalize().into_bytes().into()
}
