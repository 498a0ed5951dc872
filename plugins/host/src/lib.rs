//! The sandbox: runs the WebAssembly components of customers within hard limits, and presents them to
//! the engine as ordinary nodes, tools, hooks, subscribers, channels and filters.
//!
//! `contract` the shapes of the WIT contract · `limits` how much a plugin may take · `sandbox` loading
//! and calling · `capability` what plugins may use · `port` what capabilities work with · `caller` for
//! whom a call is made · `line` lines of logs on their way to the store · `package` plugins as they
//! travel · `blob` where they are kept · `plugins` what businesses have installed · `adapter` what plugins
//! are to the engine.

pub mod adapter;
pub mod blob;
mod caller;
mod capability;
pub mod contract;
pub mod limits;
mod line;
mod mac;
pub mod package;
pub mod plugins;
mod port;
pub mod sandbox;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use self::caller::{Caller, millis};
pub use self::capability::{MESSAGE_KEY_MAX_BYTES, parse_contact_patch, parse_content};
pub use self::limits::{Limits, LimitsWish};
pub use self::line::{LINES_WAITING_MAX, LineSink};
pub use self::plugins::{
    Ask, Installed, OperatorPolicy, Plugins, PluginsConfig, Signers, UseError,
};
pub use self::port::{Messenger, MessengerError, PluginMessage, Ports};
pub use self::sandbox::{
    CacheConfig, CallError, CallMeter, Called, Code, ComponentDigest, Export, LoadError, Sandbox,
    SandboxConfig,
};
