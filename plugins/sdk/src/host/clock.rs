//! The time.

use crate::bindings::capabilities::justping::plugin::clock as wit;

/// The moment, in milliseconds since 1970; the moment of the call when the capability is not granted.
pub fn now_ms() -> u64 {
    wit::now()
}
