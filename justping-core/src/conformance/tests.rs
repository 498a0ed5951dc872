//! The contracts run on the adapters in memory.

mod memory_store {
    use crate::memory::MemoryStore;

    crate::store_conformance!(async || Box::new(MemoryStore::new()));
}
