//! The channel adapters of JustPing, each behind a feature named after it.
//!
//! | feature | module | provider | reaches |
//! |---|---|---|---|
//! | `whatsapp` | `whatsapp` | WhatsApp Business Cloud API | phone numbers and business-scoped user ids |
//! | `webchat` | `webchat` | our own chat widget over WebSocket | visitors of a web page |
//!
//! Every adapter implements [`Channel`](justping_core::port::Channel) and
//! [`ChannelProvider`](justping_core::port::ChannelProvider) and has the same skeleton: `mod.rs`
//! (the two ports), `config.rs` (settings and secrets), `client.rs` (requests), `map.rs` (pure
//! wire ⇄ domain), `webhook.rs` (verify, parse), `error.rs` (provider code → action).
//!
//! Invariant: no adapter knows another one, and none opens a connection except through the clients
//! of `justping-http`.

#[cfg(feature = "whatsapp")]
mod http;
#[cfg(any(feature = "webchat", feature = "whatsapp"))]
mod mac;
#[cfg(feature = "webchat")]
pub mod webchat;
#[cfg(feature = "whatsapp")]
pub mod whatsapp;
