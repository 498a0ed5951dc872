//! Random bytes.

use crate::bindings::capabilities::justping::plugin::random as wit;

/// As many bytes as asked for, at most 1024. The same call, made again, gets the same ones.
pub fn bytes(len: u32) -> Vec<u8> {
    wit::bytes(len)
}
