//! The server's tests: the API on every store, and the real process.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; the exemption for tests does not reach what they share"
)]

#[macro_use]
mod platform;

mod access;
mod agents;
mod analytics;
mod answer;
mod asking;
mod browser;
mod chat;
mod contacts;
mod conversations;
mod crash;
mod demo;
mod fault;
mod fleet;
mod flows;
mod graph;
mod groups;
mod idempotency;
mod keys;
mod knowledge;
mod ledger;
mod life;
mod log;
mod mails;
mod mcp;
mod noise;
mod pages;
mod plugins;
mod process;
mod provider;
mod publish;
mod redis;
mod resume;
mod search;
mod tenants;
mod tools;
mod webhooks;
