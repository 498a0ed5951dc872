use std::collections::BTreeMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Key, MemoryStore};
use crate::model::{
    AgentId, BudgetScope, BusinessCaps, BusinessId, ConversationId, Date, Spend, UsageDay, day_of,
    month_of,
};
use crate::port::StoreResult;
use crate::port::store::{UsageEntry, UsageFilter, UsageHold, UsageStore};

/// Accounts of what models cost.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    days: BTreeMap<(BusinessId, Date, Option<AgentId>, String), Spend>,
    conversations: BTreeMap<Key, Spend>,
    holds: BTreeMap<(BusinessId, Uuid), UsageHold>,
    caps: BTreeMap<BusinessId, BusinessCaps>,
}

impl Accounts {
    /// Tokens and money, spent and held, that count for a scope of the hold.
    fn taken(&self, hold: &UsageHold, scope: BudgetScope) -> (u64, u64) {
        let owner = hold.owner;
        let (from, to, agent) = match scope {
            BudgetScope::Conversation => {
                let key = owner.conversation_id.map(|id| (owner.business_id, id));
                let spent = key.and_then(|key| self.conversations.get(&key));
                let spent = spent.copied().unwrap_or_default();
                let held =
                    self.held(hold, |held| held.owner.conversation_id == owner.conversation_id);
                return (spent.tokens() + held.0, spent.micros + held.1);
            }
            BudgetScope::AgentDay => (day_of(hold.at), day_of(hold.at), true),
            BudgetScope::AgentMonth => (month_of(hold.at), day_of(hold.at), true),
            BudgetScope::BusinessDay => (day_of(hold.at), day_of(hold.at), false),
            BudgetScope::BusinessMonth => (month_of(hold.at), day_of(hold.at), false),
        };
        let counts = |business: BusinessId, day: Date, of: Option<AgentId>| {
            business == owner.business_id
                && (from..=to).contains(&day)
                && (!agent || of == owner.agent_id)
        };
        let days =
            self.days.iter().filter(|((business, day, of, _), _)| counts(*business, *day, *of));
        let spent = days.fold(Spend::default(), |sum, (_, spend)| sum.and(spend));
        let held = self.held(hold, |held| {
            counts(held.owner.business_id, day_of(held.at), held.owner.agent_id)
        });
        (spent.tokens() + held.0, spent.micros + held.1)
    }

    fn held(&self, hold: &UsageHold, counts: impl Fn(&UsageHold) -> bool) -> (u64, u64) {
        let business = hold.owner.business_id;
        let others = self.holds.values().filter(|held| {
            held.owner.business_id == business && held.id != hold.id && held.until > hold.at
        });
        others
            .filter(|held| counts(held))
            .fold((0, 0), |(tokens, micros), held| (tokens + held.tokens, micros + held.micros))
    }

    fn hold(&mut self, hold: &UsageHold) -> Option<BudgetScope> {
        let exceeded = hold.caps.exceeded(|scope| self.taken(hold, scope));
        if exceeded.is_none() {
            let business = hold.owner.business_id;
            self.holds.retain(|_, held| held.owner.business_id != business || held.until > hold.at);
            self.holds.insert((business, hold.id), hold.clone());
        }
        exceeded
    }

    fn enter(&mut self, entry: &UsageEntry) {
        let owner = entry.owner;
        self.holds.remove(&(owner.business_id, entry.hold));
        if entry.spend == Spend::default() {
            return;
        }
        let day = (owner.business_id, day_of(entry.at), owner.agent_id, entry.model.clone());
        let slot = self.days.entry(day).or_default();
        *slot = slot.and(&entry.spend);
        if let Some(id) = owner.conversation_id {
            let slot = self.conversations.entry((owner.business_id, id)).or_default();
            *slot = slot.and(&entry.spend);
        }
    }

    /// Drops days before this one.
    pub(super) fn trim(&mut self, before: Date, limit: u32) -> u64 {
        let old = self.days.keys().filter(|(_, day, ..)| *day < before).take(limit as usize);
        let old: Vec<_> = old.cloned().collect();
        for key in &old {
            self.days.remove(key);
        }
        old.len() as u64
    }

    fn usage(&self, business: BusinessId, filter: &UsageFilter) -> Vec<UsageDay> {
        let wanted = self.days.iter().filter(|((owner, day, agent, _), _)| {
            *owner == business
                && (filter.from..=filter.to).contains(day)
                && filter.agent_id.is_none_or(|wanted| *agent == Some(wanted))
        });
        let day =
            |((_, day, agent_id, model), spend): (&(_, Date, Option<AgentId>, String), &_)| {
                UsageDay { day: *day, agent_id: *agent_id, model: model.clone(), spend: *spend }
            };
        wanted.map(day).collect()
    }
}

#[async_trait]
impl UsageStore for MemoryStore {
    async fn hold_usage(&self, hold: &UsageHold) -> StoreResult<Option<BudgetScope>> {
        let mut state = self.state();
        state.business(hold.owner.business_id)?;
        Ok(state.accounts.hold(hold))
    }

    async fn enter_usage(&self, entry: &UsageEntry) -> StoreResult<()> {
        let mut state = self.state();
        state.business(entry.owner.business_id)?;
        state.accounts.enter(entry);
        Ok(())
    }

    async fn business_caps(&self, business: BusinessId) -> StoreResult<BusinessCaps> {
        let state = self.state();
        state.business(business)?;
        Ok(state.accounts.caps.get(&business).copied().unwrap_or_default())
    }

    async fn set_business_caps(
        &self,
        business: BusinessId,
        caps: &BusinessCaps,
    ) -> StoreResult<()> {
        let mut state = self.state();
        state.business(business)?;
        state.accounts.caps.insert(business, *caps);
        Ok(())
    }

    async fn usage(
        &self,
        business: BusinessId,
        filter: &UsageFilter,
    ) -> StoreResult<Vec<UsageDay>> {
        filter.check()?;
        Ok(self.state().accounts.usage(business, filter))
    }

    async fn conversation_usage(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Spend> {
        let key = (business, conversation);
        Ok(self.state().accounts.conversations.get(&key).copied().unwrap_or_default())
    }
}
