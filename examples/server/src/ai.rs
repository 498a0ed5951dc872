//! The language models of this process, and what they cost.

use std::sync::Arc;

use justping::agents::ai::{ChainLink, ChainOptions, Ledger, ProviderChain, ProviderRoutes};
use justping::agents::provider::anthropic::{
    AnthropicConfig, AnthropicConfigError, AnthropicProvider,
};
use justping::agents::provider::openai::{
    OpenAiApi, OpenAiConfig, OpenAiConfigError, OpenAiProvider,
};
use justping::model::Cap;
use justping::port::store::UsageStore;
use justping::port::{AiProvider, Clock};

use crate::config::{AiConfig, AnthropicSettings, OpenAiSettings};

/// Settings of a language model that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum AiSettingsError {
    /// Those of OpenAI.
    #[error(transparent)]
    OpenAi(#[from] OpenAiConfigError),
    /// Those of Anthropic.
    #[error(transparent)]
    Anthropic(#[from] AnthropicConfigError),
}

/// Opens the models that the settings name. Does no I/O.
///
/// The names `openai/…` and `anthropic/…` ask for the models of one; with both, the second stands in
/// for the first.
///
/// # Errors
/// [`AiSettingsError`] when the settings make no sense.
pub(crate) fn provider(
    config: &AiConfig,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn AiProvider>, AiSettingsError> {
    let openai = config.openai.as_ref().map(openai).transpose()?;
    let anthropic = config.anthropic.as_ref().map(anthropic).transpose()?;
    let named = [("openai", openai), ("anthropic", anthropic)];
    let named: Vec<(&str, Arc<dyn AiProvider>)> =
        named.into_iter().filter_map(|(name, one)| Some((name, one?))).collect();
    let links = named.iter().map(|(_, provider)| ChainLink::new(Arc::clone(provider)));
    let chain = ProviderChain::new(links, clock, ChainOptions::default());
    let routes = ProviderRoutes::new(Arc::new(chain));
    Ok(Arc::new(named.into_iter().fold(routes, |routes, (name, one)| routes.with(name, one))))
}

/// Keeps account of what the models cost, and to the caps of the settings.
pub(crate) fn ledger(
    config: Option<&AiConfig>,
    store: Arc<dyn UsageStore>,
    clock: Arc<dyn Clock>,
) -> Ledger {
    let money = |micros| Cap { tokens: None, micros };
    let ledger = Ledger::new(store, clock);
    let Some(config) = config else { return ledger };
    let ledger = ledger.with_business_caps(money(config.day_micros), money(config.month_micros));
    match &config.prices {
        Some(prices) => ledger.with_prices(prices.clone()),
        None => ledger,
    }
}

fn openai(settings: &OpenAiSettings) -> Result<Arc<dyn AiProvider>, OpenAiConfigError> {
    let key = settings.api_key.clone().unwrap_or_default();
    let mut openai = OpenAiConfig::new(key, &settings.model).at(&settings.base_url);
    openai.api_key = settings.api_key.clone();
    if settings.responses {
        openai.api = OpenAiApi::Responses;
    }
    Ok(Arc::new(OpenAiProvider::new(openai)?))
}

fn anthropic(settings: &AnthropicSettings) -> Result<Arc<dyn AiProvider>, AnthropicConfigError> {
    let mut anthropic = AnthropicConfig::new(settings.api_key.clone(), &settings.model);
    if let Some(url) = &settings.base_url {
        anthropic = anthropic.at(url);
    }
    Ok(Arc::new(AnthropicProvider::new(anthropic)?))
}
