//! In-memory adapters of every port: for tests, for trying things out, and as the description of
//! what the others do.

mod ai;
mod bus;
mod cache;
mod channel;
mod clock;
mod correspondence;
mod entropy;
mod hook;
mod limiter;
mod plugin;
mod presence;
mod queue;
mod store;
mod subscriber;
mod tool;
mod wake;

pub use ai::{AiReply, ScriptedAi};
pub use bus::MemoryBus;
pub use cache::MemoryCache;
pub use channel::{MemoryAnswer, MemoryChannel, MemoryProvider};
pub use clock::ManualClock;
pub use correspondence::MemoryCorrespondence;
pub use entropy::SeededEntropy;
pub use hook::MemoryHook;
pub use limiter::MemoryLimiter;
pub use plugin::ScriptedPlugins;
pub use presence::MemoryPresence;
pub use queue::MemoryQueue;
pub use store::MemoryStore;
pub use subscriber::MemorySubscriber;
pub use tool::MemoryTools;
pub use wake::MemoryWakes;
