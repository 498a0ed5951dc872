//! The server's tests: the API on every store, and the real process.

#[macro_use]
mod platform;

mod access;
mod answer;
mod browser;
mod chat;
mod contacts;
mod conversations;
mod crash;
mod demo;
mod flows;
mod graph;
mod idempotency;
mod keys;
mod pages;
mod process;
mod tenants;
mod webhooks;
