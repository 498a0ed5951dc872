//! The language model of this process.

use std::sync::Arc;

use justping::agents::provider::openai::{OpenAiConfig, OpenAiConfigError, OpenAiProvider};
use justping::port::AiProvider;

use crate::config::AiConfig;

/// Opens the provider that the settings name. Does no I/O.
///
/// # Errors
/// [`OpenAiConfigError`] when the settings make no sense.
pub(crate) fn provider(config: &AiConfig) -> Result<Arc<dyn AiProvider>, OpenAiConfigError> {
    let key = config.api_key.clone().unwrap_or_default();
    let mut openai = OpenAiConfig::new(key, &config.model).at(&config.base_url);
    openai.api_key = config.api_key.clone();
    Ok(Arc::new(OpenAiProvider::new(openai)?))
}
