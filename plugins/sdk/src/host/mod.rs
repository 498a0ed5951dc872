//! What a plugin may use of the platform, one file a capability.

pub mod clock;
mod configuration;
pub mod contacts;
pub mod http;
pub mod kv;
pub mod log;
pub mod messaging;
pub mod random;
pub mod secrets;

pub use self::configuration::config;
