//! Accounts of what models cost.

use async_trait::async_trait;
use justping_core::model::{
    AgentId, BudgetScope, BusinessCaps, BusinessId, ConversationId, Spend, UsageDay, day_of,
    month_of,
};
use justping_core::port::store::{
    StoreError, StoreResult, UsageEntry, UsageFilter, UsageHold, UsageStore,
};
use sqlx::query;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::connection::Write;
use super::row::{get, parse_doc, statements, to_doc};
use crate::account::{agent_column, amount, columns, conversation_column, judge, spend, usage_day};
use crate::document::{day_column, millis};

statements! {
    /// What is spent and held: tokens and money of the conversation, the agent's day and month, the
    /// business's day and month.
    TAKEN = "BEGIN IMMEDIATE; \
        WITH talk AS ( \
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
        SELECT (SELECT coalesce(sum(tokens), 0) FROM talk), \
            (SELECT coalesce(sum(micros), 0) FROM talk), \
            coalesce(sum(iif(agent_id = $7 AND day = $6, tokens, 0)), 0), \
            coalesce(sum(iif(agent_id = $7 AND day = $6, micros, 0)), 0), \
            coalesce(sum(iif(agent_id = $7, tokens, 0)), 0), \
            coalesce(sum(iif(agent_id = $7, micros, 0)), 0), \
            coalesce(sum(iif(day = $6, tokens, 0)), 0), \
            coalesce(sum(iif(day = $6, micros, 0)), 0), \
            coalesce(sum(tokens), 0), coalesce(sum(micros), 0), \
            (SELECT count(*) FROM businesses WHERE id = $1) \
        FROM spent";
    HOLD = "DELETE FROM usage_holds WHERE business_id = $1 AND until <= $4; \
        INSERT INTO usage_holds \
            (business_id, id, conversation_id, agent_id, day, until, tokens, micros) \
        VALUES ($1, $3, $2, $5, $6, $7, $8, $9) \
        ON CONFLICT (business_id, id) DO UPDATE SET conversation_id = excluded.conversation_id, \
            agent_id = excluded.agent_id, day = excluded.day, until = excluded.until, \
            tokens = excluded.tokens, micros = excluded.micros; \
        COMMIT";
    RELEASE = "BEGIN IMMEDIATE; \
        DELETE FROM usage_holds WHERE business_id = $1 AND id = $2; \
        SELECT 1 FROM businesses WHERE id = $1";
    ENTER = "INSERT INTO usage_days (business_id, day, agent_id, model, \
            calls, input_tokens, output_tokens, cached_tokens, micros) \
        VALUES ($1, $2, $3, $4, $6, $7, $8, $9, $10) \
        ON CONFLICT (business_id, day, agent_id, model) DO UPDATE SET \
            calls = calls + excluded.calls, \
            input_tokens = input_tokens + excluded.input_tokens, \
            output_tokens = output_tokens + excluded.output_tokens, \
            cached_tokens = cached_tokens + excluded.cached_tokens, \
            micros = micros + excluded.micros; \
        INSERT INTO usage_conversations (business_id, conversation_id, \
            calls, input_tokens, output_tokens, cached_tokens, micros) \
        SELECT $1, $5, $6, $7, $8, $9, $10 WHERE $5 <> zeroblob(16) \
        ON CONFLICT (business_id, conversation_id) DO UPDATE SET \
            calls = calls + excluded.calls, \
            input_tokens = input_tokens + excluded.input_tokens, \
            output_tokens = output_tokens + excluded.output_tokens, \
            cached_tokens = cached_tokens + excluded.cached_tokens, \
            micros = micros + excluded.micros; \
        COMMIT";
    SETTLE = "COMMIT";
    /// One row when the business exists.
    BUSINESS_CAPS = "SELECT c.doc FROM businesses b \
        LEFT JOIN usage_caps c ON c.business_id = b.id WHERE b.id = $1";
    SET_BUSINESS_CAPS = "INSERT INTO usage_caps (business_id, doc) \
            SELECT id, $2 FROM businesses WHERE id = $1 \
        ON CONFLICT (business_id) DO UPDATE SET doc = excluded.doc RETURNING 1";
    USAGE = "SELECT day, agent_id, model, calls, input_tokens, output_tokens, cached_tokens, micros \
        FROM usage_days \
        WHERE business_id = $1 AND day BETWEEN $2 AND $3 AND ($4 IS NULL OR agent_id = $4) \
        ORDER BY day, agent_id, model";
    CONVERSATION_USAGE = "SELECT calls, input_tokens, output_tokens, cached_tokens, micros \
        FROM usage_conversations WHERE business_id = $1 AND conversation_id = $2";
}

#[async_trait]
impl UsageStore for SqliteStore {
    async fn hold_usage(&self, hold: &UsageHold) -> StoreResult<Option<BudgetScope>> {
        let mut write = self.connections.write().await?;
        let result = take_hold(&mut write, hold).await;
        write.settle(result).await
    }

    async fn enter_usage(&self, entry: &UsageEntry) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = enter(&mut write, entry).await;
        write.settle(result).await
    }

    async fn business_caps(&self, business: BusinessId) -> StoreResult<BusinessCaps> {
        let read = query(BUSINESS_CAPS).bind(business.uuid());
        let row = self.connections.read_one(read, "business").await?;
        let doc = get::<Option<&str>>(&row, 0)?;
        doc.map_or(Ok(BusinessCaps::default()), |doc| parse_doc(doc, "budget"))
    }

    async fn set_business_caps(
        &self,
        business: BusinessId,
        caps: &BusinessCaps,
    ) -> StoreResult<()> {
        let set = query(SET_BUSINESS_CAPS).bind(business.uuid()).bind(to_doc(caps)?);
        let rows = self.connections.change(set).await?;
        rows.first().map(drop).ok_or(StoreError::NotFound("business"))
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
        let rows = self.connections.read(read).await?;
        let day =
            |row: &SqliteRow| usage_day(get(row, 0)?, get(row, 1)?, get(row, 2)?, amounts(row, 3)?);
        rows.iter().map(day).collect()
    }

    async fn conversation_usage(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Spend> {
        let read = query(CONVERSATION_USAGE).bind(business.uuid()).bind(conversation.uuid());
        let rows = self.connections.read(read).await?;
        rows.first().map_or(Ok(Spend::default()), |row| spend(amounts(row, 0)?))
    }
}

/// Five amounts, from a column on.
fn amounts(row: &SqliteRow, from: usize) -> StoreResult<[i64; 5]> {
    let at = |index: usize| get(row, from + index);
    Ok([at(0)?, at(1)?, at(2)?, at(3)?, at(4)?])
}

async fn take_hold(write: &mut Write<'_>, hold: &UsageHold) -> StoreResult<Option<BudgetScope>> {
    let owner = hold.owner;
    let agent: Uuid = agent_column(owner.agent_id);
    let day = day_column(day_of(hold.at));
    let taken = query(TAKEN)
        .bind(owner.business_id.uuid())
        .bind(conversation_column(owner.conversation_id))
        .bind(hold.id)
        .bind(millis(hold.at))
        .bind(day_column(month_of(hold.at)))
        .bind(day)
        .bind(agent);
    let rows = write.begin(taken).await?;
    let row = rows.first().ok_or(StoreError::NotFound("business"))?;
    let taken: Vec<i64> = (0..11).map(|index| get(row, index)).collect::<StoreResult<_>>()?;
    if taken.last() != Some(&1) {
        return Err(StoreError::NotFound("business"));
    }
    let exceeded = judge(hold, &taken);
    if exceeded.is_none() {
        let insert = query(HOLD)
            .bind(owner.business_id.uuid())
            .bind(conversation_column(owner.conversation_id))
            .bind(hold.id)
            .bind(millis(hold.at))
            .bind(agent)
            .bind(day)
            .bind(millis(hold.until))
            .bind(amount(hold.tokens))
            .bind(amount(hold.micros));
        write.commit(insert).await?;
    }
    Ok(exceeded)
}

async fn enter(write: &mut Write<'_>, entry: &UsageEntry) -> StoreResult<()> {
    let owner = entry.owner;
    let release = query(RELEASE).bind(owner.business_id.uuid()).bind(entry.hold);
    if write.begin(release).await?.is_empty() {
        return Err(StoreError::NotFound("business"));
    }
    if entry.spend == Spend::default() {
        write.commit(query(SETTLE)).await?;
        return Ok(());
    }
    let mut insert = query(ENTER)
        .bind(owner.business_id.uuid())
        .bind(day_column(day_of(entry.at)))
        .bind(agent_column(owner.agent_id))
        .bind(entry.model.clone())
        .bind(conversation_column(owner.conversation_id));
    for column in columns(&entry.spend) {
        insert = insert.bind(column);
    }
    write.commit(insert).await?;
    Ok(())
}
