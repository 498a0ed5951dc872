use serde::{Deserialize, Serialize};

use super::{AgentId, BusinessId, ConversationId, Date, Timestamp};
use crate::port::Usage;

/// What models were used for and cost, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spend {
    /// Answers.
    pub calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of those read, taken from the provider's cache.
    pub cached_tokens: u64,
    /// Money, in millionths of the price table's currency.
    pub micros: u64,
}

impl Spend {
    /// What one answer took.
    pub fn of(usage: &Usage, micros: u64) -> Self {
        Self {
            calls: 1,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_tokens: usage.cached_tokens,
            micros,
        }
    }

    /// Tokens read and written.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            micros: self.micros.saturating_add(other.micros),
        }
    }
}

/// The most that may be spent; what is `None` has no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cap {
    /// Tokens, read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Money, in millionths of the price table's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micros: Option<u64>,
}

impl Cap {
    /// Says whether there is no limit.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Both together: of two limits the lower one holds.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let lower = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self { tokens: lower(self.tokens, other.tokens), micros: lower(self.micros, other.micros) }
    }

    /// Says whether so much spent leaves room for one more answer.
    pub fn has_room(&self, tokens: u64, micros: u64) -> bool {
        self.tokens.is_none_or(|cap| tokens < cap) && self.micros.is_none_or(|cap| micros < cap)
    }
}

/// What a business may spend on models, whatever its agents may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BusinessCaps {
    /// On one day, in UTC.
    pub day: Cap,
    /// In one month, in UTC.
    pub month: Cap,
}

impl BusinessCaps {
    /// Both together: of two limits the lower one holds.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { day: self.day.and(other.day), month: self.month.and(other.month) }
    }
}

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// Everything a conversation ever uses.
    Conversation,
    /// An agent on one day, in UTC.
    AgentDay,
    /// An agent in one month, in UTC.
    AgentMonth,
    /// The business on one day, in UTC.
    BusinessDay,
    /// The business in one month, in UTC.
    BusinessMonth,
}

impl BudgetScope {
    /// Every scope, in the order in which they are judged.
    pub const ALL: [Self; 5] = [
        Self::Conversation,
        Self::AgentDay,
        Self::AgentMonth,
        Self::BusinessDay,
        Self::BusinessMonth,
    ];

    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::AgentDay => "agent_day",
            Self::AgentMonth => "agent_month",
            Self::BusinessDay => "business_day",
            Self::BusinessMonth => "business_month",
        }
    }
}

/// The budgets that an answer must keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageCaps {
    /// Of the conversation.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub conversation: Cap,
    /// Of the agent on one day.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub agent_day: Cap,
    /// Of the agent in one month.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub agent_month: Cap,
    /// Of the business on one day.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub business_day: Cap,
    /// Of the business in one month.
    #[serde(skip_serializing_if = "Cap::is_open")]
    pub business_month: Cap,
}

impl UsageCaps {
    /// The budget of a scope.
    pub fn of(&self, scope: BudgetScope) -> Cap {
        match scope {
            BudgetScope::Conversation => self.conversation,
            BudgetScope::AgentDay => self.agent_day,
            BudgetScope::AgentMonth => self.agent_month,
            BudgetScope::BusinessDay => self.business_day,
            BudgetScope::BusinessMonth => self.business_month,
        }
    }

    /// Says whether there is no limit at all.
    pub fn are_open(&self) -> bool {
        BudgetScope::ALL.iter().all(|scope| self.of(*scope).is_open())
    }

    /// Says whether a limit on money is among them.
    pub fn limit_money(&self) -> bool {
        BudgetScope::ALL.iter().any(|scope| self.of(*scope).micros.is_some())
    }

    /// The first scope that has no room, given what is spent and held in each.
    ///
    /// Every store decides by this, so that all agree.
    pub fn exceeded(&self, spent: impl Fn(BudgetScope) -> (u64, u64)) -> Option<BudgetScope> {
        BudgetScope::ALL.into_iter().find(|scope| {
            let cap = self.of(*scope);
            let (tokens, micros) = if cap.is_open() { (0, 0) } else { spent(*scope) };
            !cap.has_room(tokens, micros)
        })
    }
}

/// Whose usage it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsageOwner {
    /// The business.
    pub business_id: BusinessId,
    /// The conversation, where there is one; what is read for a knowledge base has none.
    pub conversation_id: Option<ConversationId>,
    /// The agent, where one is known.
    pub agent_id: Option<AgentId>,
}

/// What was used on a day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UsageDay {
    /// The day, in UTC.
    pub day: Date,
    /// The agent, where one is known.
    pub agent_id: Option<AgentId>,
    /// The model, as the provider named it.
    pub model: String,
    /// What was spent.
    pub spend: Spend,
}

/// The first day of a moment's month, in UTC.
pub fn month_of(at: Timestamp) -> Date {
    super::day_of(at).first_of_month()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_has_room_until_it_is_reached() {
        let cap = Cap { tokens: Some(10), micros: Some(5) };
        assert!(cap.has_room(9, 4));
        assert!(!cap.has_room(10, 0) && !cap.has_room(0, 5));
        assert!(Cap::default().has_room(u64::MAX, u64::MAX));
        assert!(!Cap { tokens: Some(0), micros: None }.has_room(0, 0));
    }

    #[test]
    fn the_narrowest_budget_that_is_reached_is_named() {
        let cap = Cap { tokens: Some(10), micros: None };
        let caps = UsageCaps { agent_day: cap, business_month: cap, ..UsageCaps::default() };
        let spent = |scope| if scope == BudgetScope::BusinessMonth { (10, 0) } else { (9, 0) };
        assert_eq!(caps.exceeded(spent), Some(BudgetScope::BusinessMonth));
        assert_eq!(caps.exceeded(|_| (10, 0)), Some(BudgetScope::AgentDay));
        assert_eq!(caps.exceeded(|_| (9, u64::MAX)), None);
        for scope in BudgetScope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
    }

    #[test]
    fn a_month_begins_at_midnight_in_utc() {
        let day = |moment: &str| month_of(moment.parse().unwrap()).to_string();
        assert_eq!(day("2026-11-30T23:59:59Z"), "2026-11-01");
        assert_eq!(day("2026-12-01T00:00:00Z"), "2026-12-01");
    }
}
