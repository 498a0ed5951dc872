//! Budgets are asked before a model is, and what it took is entered after.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use justping_core::model::{BudgetScope, BusinessCaps, Cap, Spend, UsageCaps, UsageOwner};
use justping_core::port::store::{USAGE_MODEL_MAX_BYTES, UsageEntry, UsageHold, UsageStore};
use justping_core::port::{ChatRequest, Clock, StoreError, Usage};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::price::{Price, Prices};

/// How long an answer can hold room in budgets: longer than any call is leased.
const HOLD_TIME: Duration = Duration::from_secs(15 * 60);
/// Times an entry is tried: what was spent must not be forgotten for a passing failure.
const ENTER_ATTEMPTS: u32 = 3;
/// The pause before an entry is tried again.
const ENTER_PAUSE: Duration = Duration::from_millis(200);
/// Tokens by which the frame of a message exceeds its text at most.
const FRAME_TOKENS: u64 = 16;

/// Keeps account of what models cost.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn UsageStore>,
    clock: Arc<dyn Clock>,
    prices: Arc<Prices>,
    caps: BusinessCaps,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The most that an answer can take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    /// The models that may give it.
    pub(super) models: &'a [&'a str],
}

/// An answer may not be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// A budget is used up.
    #[error("the budget of the {} is used up", .0.as_str())]
    Budget(BudgetScope),
    /// Money is limited, and nobody knows what the model costs.
    #[error("money is limited and the model has no price")]
    Unpriced,
    /// The store does not answer.
    #[error("the accounts cannot be kept: {0}")]
    Store(#[from] StoreError),
}

impl Ledger {
    /// Keeps account in a store, with the built-in prices and no budget of the business.
    pub fn new(store: Arc<dyn UsageStore>, clock: Arc<dyn Clock>) -> Self {
        let prices = Arc::new(Prices::built_in());
        Self { store, clock, prices, caps: BusinessCaps::default() }
    }

    /// Other prices.
    #[must_use]
    pub fn with_prices(self, prices: Prices) -> Self {
        Self { prices: Arc::new(prices), ..self }
    }

    /// What each business may spend on a day and in a month, in UTC, whatever it
    /// [says itself](UsageStore::set_business_caps): of two limits the lower one holds.
    #[must_use]
    pub fn with_business_caps(self, day: Cap, month: Cap) -> Self {
        Self { caps: BusinessCaps { day, month }, ..self }
    }

    /// Asks for room for an answer by any of the models.
    pub(super) async fn hold(
        &self,
        id: Uuid,
        owner: UsageOwner,
        caps: UsageCaps,
        wish: Wish<'_>,
    ) -> Result<(), Denied> {
        let own = self.store.business_caps(owner.business_id).await?;
        let BusinessCaps { day, month } = self.caps.and(own);
        let caps = UsageCaps { business_day: day, business_month: month, ..caps };
        let Wish { input_tokens: input, output_tokens, models } = wish;
        let prices: Option<Vec<&Price>> = models.iter().map(|one| self.prices.of(one)).collect();
        let priced = prices.filter(|prices| !prices.is_empty());
        let micros = priced.map(|prices| {
            prices.iter().map(|price| price.most(input, output_tokens)).max().unwrap_or(0)
        });
        let micros = match micros {
            Some(micros) => micros,
            None if caps.limit_money() => return Err(Denied::Unpriced),
            None => 0,
        };
        let at = self.clock.now();
        let until = at.checked_add(HOLD_TIME).unwrap_or(at);
        let tokens = input.saturating_add(output_tokens);
        let hold = UsageHold { id, owner, at, until, tokens, micros, caps };
        match self.store.hold_usage(&hold).await? {
            None => Ok(()),
            Some(scope) => Err(Denied::Budget(scope)),
        }
    }

    /// What an answer costs; 0 for a model without a price.
    pub(super) fn cost(&self, model: &str, usage: &Usage) -> u64 {
        self.prices.of(model).map_or(0, |price| price.cost(usage))
    }

    /// Enters what an answer took; `None` when there was none.
    pub(super) async fn enter(
        &self,
        hold: Uuid,
        owner: UsageOwner,
        model: &str,
        spend: Option<Spend>,
    ) {
        let end = model.floor_char_boundary(USAGE_MODEL_MAX_BYTES);
        let entry = UsageEntry {
            hold,
            owner,
            at: self.clock.now(),
            model: model.get(..end).unwrap_or_default().to_owned(),
            spend: spend.unwrap_or_default(),
        };
        for attempt in 1..=ENTER_ATTEMPTS {
            match self.store.enter_usage(&entry).await {
                Ok(()) => return,
                Err(error) if attempt == ENTER_ATTEMPTS => {
                    tracing::error!(%error, "what a model cost could not be entered");
                }
                Err(_) => tokio::time::sleep(ENTER_PAUSE).await,
            }
        }
    }
}

/// Names a hold by what it is for: whoever does the same work again takes the same place.
pub(super) fn hold_id(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.finalize()).for_each(|(slot, byte)| *slot = byte);
    Uuid::from_bytes(bytes)
}

/// The most tokens that texts can be: a token is at least a byte.
pub(super) fn most_tokens_of(texts: &[String]) -> u64 {
    texts.iter().map(|text| text.len() as u64 + FRAME_TOKENS).sum()
}

/// The most tokens a request can be: a token is at least a byte of what is sent.
pub(super) fn most_tokens(request: &ChatRequest) -> u64 {
    let messages = request.messages.iter().map(|message| {
        let calls = message.tool_calls.iter();
        let calls: usize = calls.map(|call| call.name.len() + call.arguments.len()).sum();
        (message.text.len() + calls) as u64 + FRAME_TOKENS
    });
    let tools = request.tools.iter().map(|tool| {
        let bytes = tool.name.len() + tool.description.len() + tool.parameters.to_string().len();
        bytes as u64 + FRAME_TOKENS
    });
    let schema = request.response_schema.iter().map(|schema| schema.to_string().len() as u64);
    messages.chain(tools).chain(schema).sum()
}
