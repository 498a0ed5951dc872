//! The heart of JustPing: the domain, the ports, the engine, in-memory adapters of every port and
//! the conformance suites.
//!
//! Deciding is pure, doing is at the edges: everything the engine decides is a function of
//! (definition, state, event, now, seed), and everything it does is one atomic move of the
//! [`Store`](port::Store) or one call through a port.

pub mod conformance;
pub mod engine;
pub mod memory;
pub mod model;
pub mod policy;
pub mod port;
pub mod stage;
pub mod system;

pub use engine::{BuildError, Builder, EngineConfig, EngineError, JustPing};
