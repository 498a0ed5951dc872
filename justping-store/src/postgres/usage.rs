//! Accounts of what models cost.

use async_trait::async_trait;
use justping_core::model::{
    AgentId, BudgetScope, BusinessCaps, BusinessId, ConversationId, Spend, UsageDay, day_of,
    month_of,
};
use justping_core::port::store::{
    StoreError, StoreResult, UsageEntry, UsageFilter, UsageHold, UsageStore,
};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::row::{get, parse_doc, statements, to_doc};
use crate::account::{agent_column, amount, columns, conversation_column, judge, spend, usage_day};
use crate::document::{day_column, millis};

statements! {
    /// What is spent and held: tokens and money of the conversation, the agent's day and month, the
    /// business's day and month.
    TAKEN = "WITH talk AS ( \
            SELECT input_tokens + output_tokens AS tokens, micros FROM usage_conversations \
            WHERE business_id = $1 AND conversation_id = $2 \
            UNION ALL \
            SELECT tokens, micros FROM usage_holds \
            WHERE business_id = $1 AND conversation_id = $2 AND id <> $3 AND until > $4), \
        spent AS ( \
            SELECT day, agent_id, input_tokens + output_tokens AS tokens, micros FROM usage_days \
            WHERE business_id = $1 AND day BETWEEN $5 AND $6 \
            UNION ALL \
            SELECT day, agent_id, tokens, micros FROM usage_holds \
            WHERE business_id = $1 AND day BETWEEN $5 AND $6 AND id <> $3 AND until > $4) \
        SELECT (SELECT coalesce(sum(tokens), 0)::bigint FROM talk), \
            (SELECT coalesce(sum(micros), 0)::bigint FROM talk), \
            coalesce(sum(tokens) FILTER (WHERE agent_id = $7 AND day = $6), 0)::bigint, \
            coalesce(sum(micros) FILTER (WHERE agent_id = $7 AND day = $6), 0)::bigint, \
            coalesce(sum(tokens) FILTER (WHERE agent_id = $7), 0)::bigint, \
            coalesce(sum(micros) FILTER (WHERE agent_id = $7), 0)::bigint, \
            coalesce(sum(tokens) FILTER (WHERE day = $6), 0)::bigint, \
            coalesce(sum(micros) FILTER (WHERE day = $6), 0)::bigint, \
            coalesce(sum(tokens), 0)::bigint, coalesce(sum(micros), 0)::bigint \
        FROM spent";
    /// Holds of one business are judged one after another.
    BUSINESS_LOCK = "SELECT 1 FROM businesses WHERE id = $1 FOR NO KEY UPDATE";
    EXPIRE = "DELETE FROM usage_holds WHERE business_id = $1 AND until <= $2";
    HOLD = "INSERT INTO usage_holds \
            (business_id, id, conversation_id, agent_id, day, until, tokens, micros) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (business_id, id) DO UPDATE SET conversation_id = excluded.conversation_id, \
            agent_id = excluded.agent_id, day = excluded.day, until = excluded.until, \
            tokens = excluded.tokens, micros = excluded.micros";
    BUSINESS = "SELECT 1 FROM businesses WHERE id = $1";
    RELEASE = "DELETE FROM usage_holds WHERE business_id = $1 AND id = $2";
    ENTER_DAY = "INSERT INTO usage_days AS u (business_id, day, agent_id, model, \
            calls, input_tokens, output_tokens, cached_tokens, micros) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
        ON CONFLICT (business_id, day, agent_id, model) DO UPDATE SET \
            calls = u.calls + excluded.calls, \
            input_tokens = u.input_tokens + excluded.input_tokens, \
            output_tokens = u.output_tokens + excluded.output_tokens, \
            cached_tokens = u.cached_tokens + excluded.cached_tokens, \
            micros = u.micros + excluded.micros";
    ENTER_CONVERSATION = "INSERT INTO usage_conversations AS u (business_id, conversation_id, \
            calls, input_tokens, output_tokens, cached_tokens, micros) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (business_id, conversation_id) DO UPDATE SET \
            calls = u.calls + excluded.calls, \
            input_tokens = u.input_tokens + excluded.input_tokens, \
            output_tokens = u.output_tokens + excluded.output_tokens, \
            cached_tokens = u.cached_tokens + excluded.cached_tokens, \
            micros = u.micros + excluded.micros";
    /// One row when the business exists.
    BUSINESS_CAPS = "SELECT (SELECT doc FROM usage_caps WHERE business_id = $1) \
        FROM businesses WHERE id = $1";
    SET_BUSINESS_CAPS = "INSERT INTO usage_caps (business_id, doc) \
            SELECT id, $2 FROM businesses WHERE id = $1 \
        ON CONFLICT (business_id) DO UPDATE SET doc = excluded.doc RETURNING 1";
    USAGE = "SELECT day, agent_id, model, calls, input_tokens, output_tokens, cached_tokens, micros \
        FROM usage_days \
        WHERE business_id = $1 AND day BETWEEN $2 AND $3 AND ($4::uuid IS NULL OR agent_id = $4) \
        ORDER BY day, agent_id, model";
    CONVERSATION_USAGE = "SELECT calls, input_tokens, output_tokens, cached_tokens, micros \
        FROM usage_conversations WHERE business_id = $1 AND conversation_id = $2";
}

#[async_trait]
impl UsageStore for PostgresStore {
    async fn hold_usage(&self, hold: &UsageHold) -> StoreResult<Option<BudgetScope>> {
        transaction!(self, Scope::Business(hold.owner.business_id), |write| take_hold(write, hold))
    }

    async fn enter_usage(&self, entry: &UsageEntry) -> StoreResult<()> {
        transaction!(self, Scope::Business(entry.owner.business_id), |write| enter(write, entry))
    }

    async fn business_caps(&self, business: BusinessId) -> StoreResult<BusinessCaps> {
        let read = query(BUSINESS_CAPS).bind(business.uuid());
        let row = self.connections.read_one(Scope::Business(business), read, "business").await?;
        let doc = get::<Option<&str>>(&row, 0)?;
        doc.map_or(Ok(BusinessCaps::default()), |doc| parse_doc(doc, "budget"))
    }

    async fn set_business_caps(
        &self,
        business: BusinessId,
        caps: &BusinessCaps,
    ) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| set_caps(write, business, caps))
    }

    async fn usage(
        &self,
        business: BusinessId,
        filter: &UsageFilter,
    ) -> StoreResult<Vec<UsageDay>> {
        filter.check()?;
        let read = query(USAGE)
            .bind(business.uuid())
            .bind(day_column(filter.from))
            .bind(day_column(filter.to))
            .bind(filter.agent_id.map(AgentId::uuid));
        let rows = self.connections.read(Scope::Business(business), read).await?;
        let day =
            |row: &PgRow| usage_day(get(row, 0)?, get(row, 1)?, get(row, 2)?, amounts(row, 3)?);
        rows.iter().map(day).collect()
    }

    async fn conversation_usage(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Spend> {
        let read = query(CONVERSATION_USAGE).bind(business.uuid()).bind(conversation.uuid());
        let rows = self.connections.read(Scope::Business(business), read).await?;
        rows.first().map_or(Ok(Spend::default()), |row| spend(amounts(row, 0)?))
    }
}

async fn set_caps(write: &mut Write, business: BusinessId, caps: &BusinessCaps) -> StoreResult<()> {
    let set = query(SET_BUSINESS_CAPS).bind(business.uuid()).bind(to_doc(caps)?);
    let rows = write.run(set).await?;
    rows.first().map(drop).ok_or(StoreError::NotFound("business"))
}

/// Five amounts, from a column on.
fn amounts(row: &PgRow, from: usize) -> StoreResult<[i64; 5]> {
    let at = |index: usize| get(row, from + index);
    Ok([at(0)?, at(1)?, at(2)?, at(3)?, at(4)?])
}

async fn take_hold(write: &mut Write, hold: &UsageHold) -> StoreResult<Option<BudgetScope>> {
    let owner = hold.owner;
    let (business, agent): (Uuid, Uuid) = (owner.business_id.uuid(), agent_column(owner.agent_id));
    if write.run(query(BUSINESS_LOCK).bind(business)).await?.is_empty() {
        return Err(StoreError::NotFound("business"));
    }
    let day = day_column(day_of(hold.at));
    let taken = query(TAKEN)
        .bind(business)
        .bind(conversation_column(owner.conversation_id))
        .bind(hold.id)
        .bind(millis(hold.at))
        .bind(day_column(month_of(hold.at)))
        .bind(day)
        .bind(agent);
    let rows = write.run(taken).await?;
    let row = rows.first().ok_or(StoreError::NotFound("business"))?;
    let taken: Vec<i64> = (0..10).map(|index| get(row, index)).collect::<StoreResult<_>>()?;
    let exceeded = judge(hold, &taken);
    if exceeded.is_none() {
        write.execute(query(EXPIRE).bind(business).bind(millis(hold.at))).await?;
        let insert = query(HOLD)
            .bind(business)
            .bind(hold.id)
            .bind(conversation_column(owner.conversation_id))
            .bind(agent)
            .bind(day)
            .bind(millis(hold.until))
            .bind(amount(hold.tokens))
            .bind(amount(hold.micros));
        write.execute(insert).await?;
    }
    Ok(exceeded)
}

async fn enter(write: &mut Write, entry: &UsageEntry) -> StoreResult<()> {
    let owner = entry.owner;
    let business = owner.business_id.uuid();
    if write.run(query(BUSINESS).bind(business)).await?.is_empty() {
        return Err(StoreError::NotFound("business"));
    }
    write.execute(query(RELEASE).bind(business).bind(entry.hold)).await?;
    if entry.spend == Spend::default() {
        return Ok(());
    }
    let mut day = query(ENTER_DAY)
        .bind(business)
        .bind(day_column(day_of(entry.at)))
        .bind(agent_column(owner.agent_id))
        .bind(entry.model.clone());
    let mut conversation =
        query(ENTER_CONVERSATION).bind(business).bind(conversation_column(owner.conversation_id));
    for column in columns(&entry.spend) {
        day = day.bind(column);
        conversation = conversation.bind(column);
    }
    write.execute(day).await?;
    if owner.conversation_id.is_some() {
        write.execute(conversation).await?;
    }
    Ok(())
}
