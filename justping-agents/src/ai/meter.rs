//! Models that are asked by others than nodes, for businesses.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::model::{BusinessId, Spend, UsageCaps, UsageOwner};
use justping_core::port::{AiError, AiProvider, ChatReply, ChatRequest, Embedded, OnDelta, Usage};
use uuid::Uuid;

use super::ask::limited;
use super::ledger::{Denied, Ledger, Wish, hold_id, most_tokens, most_tokens_of};

/// Why texts were not turned into vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The model did not do it.
    #[error(transparent)]
    Ai(#[from] AiError),
    /// A budget of the business is used up, or limits money that nobody can count.
    #[error("{0}")]
    Budget(String),
    /// The accounts cannot be kept for the moment.
    #[error("{0}")]
    Accounts(String),
}

impl EmbedError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ai(error) => error.code(),
            Self::Budget(_) => super::BUDGET_CODE,
            Self::Accounts(_) => "unavailable",
        }
    }
}

impl From<Denied> for EmbedError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Budget(_) | Denied::Unpriced => Self::Budget(denied.to_string()),
            Denied::Store(_) => Self::Accounts(denied.to_string()),
        }
    }
}

/// Asks a model for businesses, within their budgets, and keeps account of it: for knowledge bases,
/// and for whoever plays contacts and judges in tests. Nodes of flows have accounts of their own.
#[derive(Debug, Clone)]
pub struct Meter {
    provider: Arc<dyn AiProvider>,
    ledger: Option<Ledger>,
}

impl Meter {
    /// Asks `provider` and keeps no account.
    pub fn new(provider: Arc<dyn AiProvider>) -> Self {
        Self { provider, ledger: None }
    }

    /// Keeps account, and the budgets of businesses.
    #[must_use]
    pub fn with_ledger(self, ledger: Ledger) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    /// The model as one business may ask it. A budget that is used up is
    /// [`AiError::Rejected`] with the code `budget`.
    pub fn of(&self, business: BusinessId) -> Arc<dyn AiProvider> {
        match &self.ledger {
            Some(ledger) => {
                let (provider, ledger) = (Arc::clone(&self.provider), ledger.clone());
                Arc::new(Metered { provider, ledger, business })
            }
            None => Arc::clone(&self.provider),
        }
    }

    /// One vector for each text, in order, for a business.
    ///
    /// # Errors
    /// [`EmbedError`], by what to do about it.
    pub async fn embed(
        &self,
        business: BusinessId,
        model: &str,
        texts: &[String],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let Some(ledger) = &self.ledger else {
            return Ok(self.provider.embed(model, texts).await?.vectors);
        };
        let account = Account { ledger, business };
        Ok(account.embed(&*self.provider, model, texts).await?.vectors)
    }
}

/// The account of a business.
#[derive(Clone, Copy)]
struct Account<'a> {
    ledger: &'a Ledger,
    business: BusinessId,
}

impl Account<'_> {
    fn owner(&self) -> UsageOwner {
        UsageOwner { business_id: self.business, conversation_id: None, agent_id: None }
    }

    /// Names the hold of a request by what it says.
    fn name(&self, parts: &[&[u8]], texts: &[String]) -> Uuid {
        let business = self.business.uuid();
        let texts = texts.iter().map(|text| text.as_bytes());
        let own = [business.as_bytes().as_slice()].into_iter();
        hold_id(&own.chain(parts.iter().copied()).chain(texts).collect::<Vec<_>>())
    }

    async fn embed(
        &self,
        provider: &dyn AiProvider,
        model: &str,
        texts: &[String],
    ) -> Result<Embedded, EmbedError> {
        let hold = self.name(&[model.as_bytes()], texts);
        let wish = Wish { input_tokens: most_tokens_of(texts), output_tokens: 0, models: &[model] };
        self.hold(hold, wish).await?;
        let embedded = provider.embed(model, texts).await;
        let usage = embedded
            .as_ref()
            .ok()
            .map(|embedded| Usage { input_tokens: embedded.input_tokens, ..Usage::default() });
        self.enter(hold, model, usage).await;
        Ok(embedded?)
    }

    async fn hold(&self, id: Uuid, wish: Wish<'_>) -> Result<(), Denied> {
        self.ledger.hold(id, self.owner(), UsageCaps::default(), wish).await
    }

    async fn enter(&self, id: Uuid, model: &str, usage: Option<Usage>) {
        let spend = usage.map(|usage| Spend::of(&usage, self.ledger.cost(model, &usage)));
        self.ledger.enter(id, self.owner(), model, spend).await;
    }
}

/// A model as one business may ask it.
#[derive(Debug)]
struct Metered {
    provider: Arc<dyn AiProvider>,
    ledger: Ledger,
    business: BusinessId,
}

impl Metered {
    fn account(&self) -> Account<'_> {
        Account { ledger: &self.ledger, business: self.business }
    }
}

fn refused(denied: &Denied) -> AiError {
    match denied {
        Denied::Budget(_) | Denied::Unpriced => {
            AiError::Rejected { code: super::BUDGET_CODE.to_owned(), reason: denied.to_string() }
        }
        Denied::Store(_) => AiError::Unavailable { after: None, detail: denied.to_string() },
    }
}

#[async_trait]
impl AiProvider for Metered {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn models(&self, model: Option<&str>) -> Vec<String> {
        self.provider.models(model)
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        let request = limited(request);
        let models = self.provider.models(request.model.as_deref());
        let names: Vec<&str> = models.iter().map(String::as_str).collect();
        let asked = serde_json::to_vec(&request).unwrap_or_default();
        let hold = self.account().name(&[&asked], &[]);
        let wish = Wish {
            input_tokens: most_tokens(&request),
            output_tokens: u64::from(request.max_output_tokens.unwrap_or_default()),
            models: &names,
        };
        self.account().hold(hold, wish).await.map_err(|denied| refused(&denied))?;
        let reply = self.provider.chat(&request, on_delta).await;
        let answered = reply.as_ref().ok().and_then(|reply| reply.model.as_deref());
        let model = answered.or(names.first().copied()).unwrap_or_default();
        self.account().enter(hold, model, reply.as_ref().ok().map(|reply| reply.usage)).await;
        reply
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embedded, AiError> {
        let embedded = self.account().embed(&*self.provider, model, texts).await;
        embedded.map_err(|error| match error {
            EmbedError::Ai(error) => error,
            EmbedError::Budget(reason) => {
                AiError::Rejected { code: super::BUDGET_CODE.to_owned(), reason }
            }
            EmbedError::Accounts(detail) => AiError::Unavailable { after: None, detail },
        })
    }
}
