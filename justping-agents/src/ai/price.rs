//! What models cost.

use std::collections::BTreeMap;

use justping_core::port::Usage;
use serde::{Deserialize, Serialize};

/// The table to begin with: list prices as they were known on the day it names, which nobody compared
/// with the providers' pages since. What is really paid is said by [`Ledger::with_prices`](super::Ledger::with_prices).
const BUILT_IN: &str = include_str!("prices.json");
/// Prices are for so many tokens.
const PER_TOKENS: u128 = 1_000_000;

/// What a model costs, in millionths of the currency for a million tokens: 2.50 is `2500000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from the provider's cache; `None` costs what any token read does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<u64>,
    /// Tokens put into the provider's cache; `None` costs what any token read does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
}

impl Price {
    /// What an answer costs, in millionths of the currency, rounded up.
    pub fn cost(&self, usage: &Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let written = usage.cache_write_tokens.min(usage.input_tokens - cached);
        let fresh = usage.input_tokens - cached - written;
        let parts = [
            (fresh, self.input),
            (cached, self.cached.unwrap_or(self.input)),
            (written, self.cache_write.unwrap_or(self.input)),
            (usage.output_tokens, self.output),
        ];
        let parts = parts.map(|(tokens, price)| u128::from(tokens) * u128::from(price));
        u64::try_from(parts.iter().sum::<u128>().div_ceil(PER_TOKENS)).unwrap_or(u64::MAX)
    }

    /// The most an answer can cost that reads and writes so many tokens, whatever the cache does.
    pub fn most(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let reads = [Some(self.input), self.cached, self.cache_write];
        let input = reads.into_iter().flatten().max().unwrap_or(self.input);
        let dear = Self { input, cached: None, cache_write: None, ..*self };
        dear.cost(&Usage { input_tokens, output_tokens, ..Usage::default() })
    }
}

/// A table of prices.
///
/// Shape: `{"version": "2025-11-25", "currency": "USD", "models": {"gpt-4o": {"input": 2500000,
/// "output": 10000000, "cached": 1250000, "cache_write": null}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Tells tables apart, such as the day the prices were read.
    pub version: String,
    /// ISO 4217 code.
    pub currency: String,
    /// By the model's name. A name also stands for its dated versions, such as
    /// `gpt-4o-2024-08-06`.
    pub models: BTreeMap<String, Price>,
}

impl Prices {
    /// A table without any price.
    pub fn none() -> Self {
        Self { version: String::new(), currency: "USD".to_owned(), models: BTreeMap::new() }
    }

    /// The table this version of JustPing comes with. Providers change prices; give your own table
    /// where money matters.
    pub fn built_in() -> Self {
        // That it can be read is a test.
        Self::parse(BUILT_IN).unwrap_or_else(|_| Self::none())
    }

    /// Reads a table.
    ///
    /// # Errors
    /// Says what is not in the shape.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The same table with another price for a model.
    #[must_use]
    pub fn with(mut self, model: impl Into<String>, price: Price) -> Self {
        self.models.insert(model.into(), price);
        self
    }

    /// The price of a model: of its very name, else of the longest name that it continues with a
    /// dash. The name of a provider before a slash does not count.
    pub fn of(&self, model: &str) -> Option<&Price> {
        let model = model.rsplit('/').next().unwrap_or(model);
        let continues = |name: &str| {
            model.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let known = self.models.iter().filter(|(name, _)| continues(name));
        known.max_by_key(|(name, _)| name.len()).map(|(_, price)| price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_can_be_read() {
        let prices = Prices::parse(BUILT_IN).unwrap();
        assert_eq!(Prices::built_in(), prices);
        assert!(prices.models.len() > 10);
        for (name, price) in &prices.models {
            assert!(price.cached.is_none_or(|cached| cached < price.input), "{name}");
            assert!(price.cache_write.is_none_or(|write| write > price.input), "{name}");
        }
    }

    #[test]
    fn dated_versions_cost_what_their_model_does() {
        let prices = Prices::built_in();
        let of = |model: &str| prices.of(model).map(|price| price.input);
        assert_eq!(of("gpt-4o-2024-08-06"), Some(2_500_000));
        assert_eq!(of("gpt-4o-mini-2024-07-18"), Some(150_000));
        assert_eq!(of("openai/gpt-4o"), Some(2_500_000));
        assert_eq!(of("claude-sonnet-4-5-20250929"), Some(3_000_000));
        assert_eq!(of("gpt-4oh"), None);
        assert_eq!(of("llama"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn every_kind_of_token_has_its_price() {
        let price = Price {
            input: 3_000_000,
            output: 15_000_000,
            cached: Some(300_000),
            cache_write: Some(3_750_000),
        };
        let usage = Usage {
            input_tokens: 1_000,
            output_tokens: 100,
            cached_tokens: 500,
            cache_write_tokens: 200,
        };
        assert_eq!(price.cost(&usage), 900 + 150 + 750 + 1_500);
        assert_eq!(price.most(1_000, 100), 3_750 + 1_500);
        assert!(price.most(1_000, 100) >= price.cost(&usage));
        let one = Usage { input_tokens: 1, ..Usage::default() };
        assert_eq!(Price { input: 1, ..price }.cost(&one), 1, "rounded up");
        let all = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(price.cost(&all), u64::MAX);
    }
}
