//! The sandbox: runs the WebAssembly components of customers within hard limits, and presents them to
//! the engine as ordinary nodes, tools, hooks, subscribers, channels and filters.

mod contract;
