//! The channel adapters of JustPing, each behind a feature named after it.
//!
//! | feature | module | provider | reaches |
//! |---|---|---|---|
//! | `whatsapp` | `whatsapp` | WhatsApp Business Cloud API | phone numbers and business-scoped user ids |
//! | `smtp` | `smtp` | any server of mail | e-mail addresses |
//! | `webchat` | `webchat` | our own chat widget over WebSocket | visitors of a web page |
//!
//! Every adapter implements [`Channel`](justping_core::port::Channel) and
//! [`ChannelProvider`](justping_core::port::ChannelProvider) and has the same skeleton: `mod.rs`
//! (the two ports), `config.rs` (settings and secrets), `client.rs` (requests), `map.rs` (pure
//! wire ⇄ domain), `webhook.rs` (verify, parse), `error.rs` (provider code → action).
//!
//! Invariant: no adapter knows another one, and none opens a connection except through the clients
//! of `justping-http`, or to an address that it found and judged.

#[cfg(feature = "whatsapp")]
mod http;
#[cfg(any(feature = "smtp", feature = "webchat", feature = "whatsapp"))]
mod mac;
#[cfg(feature = "smtp")]
pub mod smtp;
#[cfg(all(feature = "smtp", any(test, feature = "testing")))]
pub mod testing;
#[cfg(feature = "webchat")]
pub mod webchat;
#[cfg(feature = "whatsapp")]
pub mod whatsapp;
