//! JustPing is customer messaging as a library: channels, contacts, a shared inbox, conversation
//! flows with AI agents, and an engine that loses nothing.
//!
//! This crate is the door: it re-exports the parts by feature and holds no logic of its own.
//!
//! | module | feature | holds |
//! |---|---|---|
//! | [`model`], [`port`], [`policy`], [`engine`] | | the domain, the traits, the rules, the engine |
//! | [`memory`], [`stage`] | | adapters of every port in memory, and a platform to try flows on |
//! | [`conformance`] | | what every adapter must pass, yours too |
//! | `agents` | `flows`, `http`, `openai`, `anthropic`, `mcp` | flow documents, nodes, models, tools |
//! | `channels` | `whatsapp`, `smtp`, `webchat` | adapters of providers |
//! | `http` | `http` | the one outbound client, and what customers may ask of it |
//! | `plugins` | `plugins` | the sandbox in which businesses run their own code |
//! | `store` | `sqlite`, `postgres`, `redis`, `rabbitmq` | stores that last; what processes share |
//!
//! # A conversation
//!
//! ```
//! # #[cfg(feature = "flows")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use justping::agents::Flows;
//! use justping::stage::Stage;
//! use serde_json::json;
//!
//! let flow = json!({
//!     "schema": "justping.flow/1",
//!     "nodes": [
//!         {"id": "start", "type": "trigger"},
//!         {"id": "hello", "type": "text", "data": {"text": "Hello, {{ contact.name or 'you' }}!"}}
//!     ],
//!     "edges": [{"id": "e1", "source": "start", "target": "hello"}]
//! });
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let stage = Stage::builder(Arc::new(Flows::new())).open(&[flow]).await?;
//! let replies = stage.say("ada", "hi").await?;
//! assert_eq!(replies[0].content.plain(), "Hello, you!");
//! # Ok(()) })
//! # }
//! # #[cfg(not(feature = "flows"))]
//! # fn main() {}
//! ```

pub use justping_core as core;
pub use justping_core::{
    BuildError, Builder, EngineConfig, EngineError, JustPing, conformance, engine, memory, model,
    policy, port, stage, system,
};

#[cfg(feature = "flows")]
pub use justping_agents as agents;
#[cfg(any(feature = "smtp", feature = "webchat", feature = "whatsapp"))]
pub use justping_channels as channels;
#[cfg(feature = "http")]
pub use justping_http as http;
#[cfg(feature = "plugins")]
pub use justping_plugins as plugins;
#[cfg(any(feature = "postgres", feature = "rabbitmq", feature = "redis", feature = "sqlite"))]
pub use justping_store as store;
