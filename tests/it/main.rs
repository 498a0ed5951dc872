//! What spans crates.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; the exemption for tests does not reach what they share"
)]

mod correspondence;
mod example;
mod fortnight;
mod interleaving;
mod ownership;
mod pipeline;
#[cfg(feature = "plugins")]
mod plugin;
mod publish;
#[cfg(feature = "redis")]
mod relay;
mod showing;
mod sim;
mod tidy;
mod typing;
