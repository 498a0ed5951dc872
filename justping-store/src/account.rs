//! Accounts of what models cost, whatever the backend.

use justping_core::model::{AgentId, BudgetScope, ConversationId, Spend, UsageDay};
use justping_core::port::store::{StoreError, StoreResult, UsageHold};
use uuid::Uuid;

use crate::document::day;

/// Amounts beyond it are kept as it: sums of them still fit a column.
const AMOUNT_MAX: u64 = 1 << 50;

/// An amount as a column.
pub(crate) fn amount(value: u64) -> i64 {
    i64::try_from(value.min(AMOUNT_MAX)).unwrap_or(i64::MAX)
}

/// The agent as a column: zeros stand for none.
pub(crate) fn agent_column(agent: Option<AgentId>) -> Uuid {
    agent.map_or_else(Uuid::nil, AgentId::uuid)
}

/// The conversation as a column: zeros stand for none.
pub(crate) fn conversation_column(conversation: Option<ConversationId>) -> Uuid {
    conversation.map_or_else(Uuid::nil, ConversationId::uuid)
}

/// What a row holds: calls, tokens read, written and cached, money.
pub(crate) fn spend(columns: [i64; 5]) -> StoreResult<Spend> {
    let corrupt = |_| StoreError::Corrupt("usage".to_owned());
    let [calls, input, output, cached, micros] = columns.map(u64::try_from);
    Ok(Spend {
        calls: calls.map_err(corrupt)?,
        input_tokens: input.map_err(corrupt)?,
        output_tokens: output.map_err(corrupt)?,
        cached_tokens: cached.map_err(corrupt)?,
        micros: micros.map_err(corrupt)?,
    })
}

/// The columns of what was spent.
pub(crate) fn columns(spend: &Spend) -> [i64; 5] {
    [spend.calls, spend.input_tokens, spend.output_tokens, spend.cached_tokens, spend.micros]
        .map(amount)
}

/// A day of usage from its columns.
pub(crate) fn usage_day(
    column: i64,
    agent: Uuid,
    model: String,
    columns: [i64; 5],
) -> StoreResult<UsageDay> {
    let agent_id = (!agent.is_nil()).then(|| AgentId::from_uuid(agent));
    Ok(UsageDay { day: day(column)?, agent_id, model, spend: spend(columns)? })
}

/// Judges a hold by what is spent and held: tokens and money for each scope, in the order of
/// [`BudgetScope::ALL`].
pub(crate) fn judge(hold: &UsageHold, taken: &[i64]) -> Option<BudgetScope> {
    let at = |index: usize| taken.get(index).and_then(|one| u64::try_from(*one).ok()).unwrap_or(0);
    hold.caps.exceeded(|scope| {
        let place = BudgetScope::ALL.iter().position(|one| *one == scope).unwrap_or_default() * 2;
        (at(place), at(place + 1))
    })
}
