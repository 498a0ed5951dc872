//! What spans crates.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; the exemption for tests does not reach what they share"
)]

mod example;
mod fortnight;
mod ownership;
mod pipeline;
mod sim;
mod tidy;
