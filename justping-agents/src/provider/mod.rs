//! Adapters of language models, each behind a feature.

#[cfg(feature = "openai")]
pub mod openai;
