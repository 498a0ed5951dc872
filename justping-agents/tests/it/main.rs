//! The crate from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod generate;
mod import;
mod handbook;
mod lead_gen;
mod purity;
mod total;
