//! The contracts of the ports, as tests that anybody can run.
//!
//! Each port has a module of checks here and a macro that turns them into tests, one for each, so
//! that a failure names what is broken:
//!
//! ```
//! # use justping_core::memory::MemoryStore;
//! mod contract {
//!     # use justping_core::memory::MemoryStore;
//!     justping_core::store_conformance!(async || Box::new(MemoryStore::new()));
//! }
//! ```
//!
//! | port | macro | what the factory gives |
//! |---|---|---|
//! | [`Store`](crate::port::Store) | [`store_conformance!`](crate::store_conformance) | a fresh, empty store, behind anything that dereferences to it |
//! | [`Channel`](crate::port::Channel) | [`channel_conformance!`](crate::channel_conformance) | a [`ChannelSubject`] |
//! | [`EventBus`](crate::port::EventBus) | [`bus_conformance!`](crate::bus_conformance) | a fresh bus, behind anything that dereferences to it |
//! | [`RateLimiter`](crate::port::RateLimiter) | [`limiter_conformance!`](crate::limiter_conformance) | a [`LimiterSubject`] |
//! | [`Cache`](crate::port::Cache) | [`cache_conformance!`](crate::cache_conformance) | a [`CacheSubject`] |
//! | [`Presence`](crate::port::Presence) | [`presence_conformance!`](crate::presence_conformance) | a [`PresenceSubject`] |
//! | [`Queue`](crate::port::Queue) | [`queue_conformance!`](crate::queue_conformance) | a [`QueueSubject`] |
//! | [`Clock`](crate::port::Clock) | [`clock_conformance!`](crate::clock_conformance) | a [`ClockSubject`] |
//! | [`MessageHook`](crate::port::MessageHook) | [`hook_conformance!`](crate::hook_conformance) | a [`HookSubject`] |
//! | [`AiProvider`](crate::port::AiProvider) | [`ai_conformance!`](crate::ai_conformance) | an [`AiSubject`] |
//! | [`ToolSource`](crate::port::ToolSource) | [`tool_source_conformance!`](crate::tool_source_conformance) | a [`ToolSourceSubject`] |
//! | [`FlowNode`](crate::port::FlowNode) | [`node_conformance!`](crate::node_conformance) | a [`NodeSubject`] |
//! | [`PluginNodes`](crate::port::PluginNodes) | [`plugin_conformance!`](crate::plugin_conformance) | a [`PluginSubject`] |
//!
//! The factory is an async function or closure and is called once for each check. The tests run
//! under `#[tokio::test]`, so the crate that runs them needs tokio with `macros` and `rt`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a check that fails panics: this module is test code that strangers can call"
)]

pub mod ai;
pub mod bus;
pub mod cache;
pub mod channel;
pub mod clock;
pub mod fixture;
pub mod hook;
pub mod limiter;
pub mod node;
pub mod plugin;
pub mod presence;
pub mod queue;
pub mod store;
pub mod tool_source;

pub use ai::AiSubject;
pub use cache::CacheSubject;
pub use channel::ChannelSubject;
pub use clock::ClockSubject;
pub use hook::HookSubject;
pub use limiter::LimiterSubject;
pub use node::NodeSubject;
pub use plugin::PluginSubject;
pub use presence::PresenceSubject;
pub use queue::QueueSubject;
pub use tool_source::ToolSourceSubject;

#[cfg(test)]
mod tests;

/// One test for each named check of a suite, and one that counts them.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($suite:ident, $factory:expr, $subject:ident => $view:expr, [$($check:ident)*]) => {
        $(
            #[::tokio::test]
            async fn $check() {
                let factory = $factory;
                let $subject = factory().await;
                $crate::conformance::$suite::$check($view).await;
            }
        )*

        #[test]
        fn no_check_is_left_out() {
            let checks: &[&str] = &[$(stringify!($check)),*];
            assert_eq!(checks.len(), $crate::conformance::$suite::CHECKS);
        }
    };
}
