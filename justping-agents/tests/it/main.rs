//! The crate from outside.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(clippy::print_stdout, reason = "a test says how many cases of others it ran")]

mod botframework;
mod generate;
mod handbook;
mod import;
mod lead_gen;
#[cfg(feature = "mcp")]
mod mcp;
mod purity;
#[cfg(feature = "mcp")]
mod stored;
mod total;
