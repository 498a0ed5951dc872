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
mod import;
mod handbook;
mod lead_gen;
mod purity;
mod total;
