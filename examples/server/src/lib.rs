//! The reference server: JustPing assembled into a platform with axum.
//!
//! It holds HTTP, the protocol of authentication and wiring; everything it knows about messaging is
//! in the library.

mod ai;
mod api;
pub mod app;
pub mod config;
pub mod database;
pub mod demo;
pub mod http;
mod log;
mod metric;
pub mod plugin;
pub mod run;
pub mod shared;
pub mod token;
