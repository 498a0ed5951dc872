//! Adapters of language models, each behind a feature.
//!
//! `link` requests over HTTP and `sse` event streams are the same for all of them.

#[cfg(feature = "anthropic")]
pub mod anthropic;
#[cfg(any(feature = "anthropic", feature = "openai"))]
mod link;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(test)]
#[cfg(any(feature = "anthropic", feature = "openai"))]
mod recorded;
#[cfg(any(feature = "anthropic", feature = "mcp", feature = "openai"))]
pub(crate) mod sse;
