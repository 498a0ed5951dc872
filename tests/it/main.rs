//! What spans crates.

mod example;
mod fortnight;
mod ownership;
mod pipeline;
mod tidy;
