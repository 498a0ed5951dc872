//! In-memory adapters of every port: for tests, for trying things out, and as the description of
//! what the others do.

mod store;

pub use store::MemoryStore;
