//! JustPing: customer messaging as a library.
//!
//! One crate to depend on. [`core`] holds the domain, the ports, the engine and an in-memory
//! adapter of every port; the features bring the adapters that reach the world.
//!
//! | feature | brings | default |
//! |---|---|---|
//! | `flows` | [`agents`]: flow documents, the interpreter, the built-in nodes | yes |
//! | `openai` | [`agents`]: OpenAI-compatible models | |
//! | `sqlite` | [`store`]: the embedded store | yes |
//! | `webchat` | [`channels`]: the protocol of the chat widget | yes |
//! | `whatsapp` | [`channels`]: the WhatsApp Cloud API | |
//! | `full` | all of them | |

pub use justping_core as core;
pub use justping_core::{
    BuildError, Builder, EngineConfig, EngineError, JustPing, engine, memory, model, policy, port,
    stage, system,
};

#[cfg(feature = "flows")]
pub use justping_agents as agents;
#[cfg(any(feature = "webchat", feature = "whatsapp"))]
pub use justping_channels as channels;
#[cfg(feature = "sqlite")]
pub use justping_store as store;
