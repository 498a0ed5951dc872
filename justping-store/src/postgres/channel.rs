//! Channels and their secrets.

use async_trait::async_trait;
use justping_core::model::{
    AgentId, BusinessId, ChannelConfig, ChannelId, ChannelSecrets, Page, PageRequest,
};
use justping_core::port::store::{ChannelStore, StoreError, StoreResult};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::{Scope, Write, transaction};
use super::keys::{open_all, seal_all};
use super::row::{from, get, get_doc, parse_cursor, statements, to_doc};
use crate::envelope::MasterKey;
use crate::secret::Owner;

statements! {
    /// The newest data key, whether the business exists, whether the agent does.
    PLACE_OF_CHANNEL = "SELECT k.key_id, k.wrapped, \
            EXISTS (SELECT 1 FROM businesses WHERE id = $1), \
            $2::uuid IS NULL OR EXISTS (SELECT 1 FROM agents WHERE business_id = $1 AND id = $2) \
        FROM (SELECT 1) one LEFT JOIN business_keys k ON k.business_id = $1 \
        ORDER BY k.key_id DESC LIMIT 1";
    CHANNEL_TO_CHANGE = "SELECT doc FROM channels WHERE business_id = $1 AND id = $2 FOR UPDATE";
    INSERT_CHANNEL = "INSERT INTO channels (business_id, id, agent_id, doc) \
        VALUES ($1, $2, $3, $4)";
    UPDATE_CHANNEL = "UPDATE channels SET agent_id = $3, doc = $4 \
        WHERE business_id = $1 AND id = $2";
    PUT_SECRETS = "INSERT INTO channel_secrets (business_id, channel_id, name, sealed) \
            SELECT $1, $2, v.name, v.sealed \
            FROM unnest($3::bytea[], $4::bytea[]) v (name, sealed) \
        ON CONFLICT (business_id, channel_id, name) DO UPDATE SET sealed = excluded.sealed";
    CHANNEL = "SELECT doc FROM channels WHERE business_id = $1 AND id = $2";
    FIND_CHANNEL = "SELECT doc FROM channels WHERE id = $1";
    CHANNEL_IN_USE = "SELECT EXISTS ( \
        SELECT 1 FROM conversations WHERE business_id = $1 AND channel_id = $2)";
    DELETE_CHANNEL = "DELETE FROM channels WHERE business_id = $1 AND id = $2";
    CHANNELS = "SELECT doc FROM channels WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
    /// Each secret of the channel with each key of the business; one row when it has no secrets.
    SECRETS = "SELECT k.key_id, k.wrapped, s.name, s.sealed FROM channels c \
        LEFT JOIN channel_secrets s ON s.business_id = c.business_id AND s.channel_id = c.id \
        LEFT JOIN business_keys k ON k.business_id = c.business_id \
        WHERE c.business_id = $1 AND c.id = $2 ORDER BY s.name, k.key_id";
}

#[async_trait]
impl ChannelStore for PostgresStore {
    async fn create_channel(
        &self,
        channel: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> StoreResult<()> {
        transaction!(self, Scope::Business(channel.business_id), |write| create(
            write,
            &self.master_key,
            channel,
            secrets
        ))
    }

    async fn channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<ChannelConfig> {
        let query = query(CHANNEL).bind(business.uuid()).bind(id.uuid());
        get_doc(
            &self.connections.read_one(Scope::Business(business), query, "channel").await?,
            0,
            "channel",
        )
    }

    async fn find_channel(&self, id: ChannelId) -> StoreResult<ChannelConfig> {
        let query = query(FIND_CHANNEL).bind(id.uuid());
        get_doc(&self.connections.read_one(Scope::System, query, "channel").await?, 0, "channel")
    }

    async fn update_channel(
        &self,
        channel: &ChannelConfig,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<ChannelConfig> {
        transaction!(self, Scope::Business(channel.business_id), |write| update(
            write,
            &self.master_key,
            channel,
            secrets
        ))
    }

    async fn delete_channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete(write, business, id))
    }

    async fn channels(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ChannelConfig>> {
        let last = parse_cursor::<ChannelId>(page.after.as_ref())?;
        let list = query(CHANNELS).bind(business.uuid()).bind(from(last.map(ChannelId::uuid)));
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "channel")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &ChannelConfig| row.id.to_string()))
    }

    async fn channel_secrets(
        &self,
        business: BusinessId,
        id: ChannelId,
    ) -> StoreResult<ChannelSecrets> {
        let list = query(SECRETS).bind(business.uuid()).bind(id.uuid());
        let rows = self.connections.read(Scope::Business(business), list).await?;
        if rows.is_empty() {
            return Err(StoreError::NotFound("channel"));
        }
        open_all(&self.master_key, Owner::channel(business, id), &rows)
    }
}

async fn create(
    write: &mut Write,
    master: &MasterKey,
    channel: &ChannelConfig,
    secrets: &ChannelSecrets,
) -> StoreResult<()> {
    let place = find_place(write, channel).await?;
    if !get::<bool>(&place, 2)? {
        return Err(StoreError::NotFound("business"));
    }
    if !get::<bool>(&place, 3)? {
        return Err(StoreError::NotFound("agent"));
    }
    write.run(put(INSERT_CHANNEL, channel)?).await?;
    put_secrets(write, master, channel, Some(secrets), &place).await
}

async fn update(
    write: &mut Write,
    master: &MasterKey,
    channel: &ChannelConfig,
    secrets: Option<&ChannelSecrets>,
) -> StoreResult<ChannelConfig> {
    let find = query(CHANNEL_TO_CHANGE).bind(channel.business_id.uuid()).bind(channel.id.uuid());
    let rows = write.run(find).await?;
    let row = rows.first().ok_or(StoreError::NotFound("channel"))?;
    let stored: ChannelConfig = get_doc(row, 0, "channel")?;
    let place = find_place(write, channel).await?;
    if !get::<bool>(&place, 3)? {
        return Err(StoreError::NotFound("agent"));
    }
    if stored.revision != channel.revision {
        return Err(StoreError::Stale("channel"));
    }
    let channel = ChannelConfig {
        provider: stored.provider,
        created_at: stored.created_at,
        revision: channel.revision + 1,
        ..channel.clone()
    };
    write.run(put(UPDATE_CHANNEL, &channel)?).await?;
    put_secrets(write, master, &channel, secrets, &place).await?;
    Ok(channel)
}

async fn find_place(write: &mut Write, channel: &ChannelConfig) -> StoreResult<PgRow> {
    let place = query(PLACE_OF_CHANNEL)
        .bind(channel.business_id.uuid())
        .bind(channel.agent_id.map(AgentId::uuid));
    let rows = write.run(place).await?;
    rows.into_iter().next().ok_or(StoreError::NotFound("business"))
}

fn put(statement: &'static str, channel: &ChannelConfig) -> StoreResult<super::connection::Bound> {
    Ok(query(statement)
        .bind(channel.business_id.uuid())
        .bind(channel.id.uuid())
        .bind(channel.agent_id.map(AgentId::uuid))
        .bind(to_doc(channel)?))
}

/// Seals and stores secrets.
async fn put_secrets(
    write: &mut Write,
    master: &MasterKey,
    channel: &ChannelConfig,
    secrets: Option<&ChannelSecrets>,
    place: &PgRow,
) -> StoreResult<()> {
    let business = channel.business_id;
    let owner = Owner::channel(business, channel.id);
    let (names, sealed) = seal_all(write, master, owner, secrets, place).await?;
    if names.is_empty() {
        return Ok(());
    }
    let put = query(PUT_SECRETS).bind(business.uuid()).bind(channel.id.uuid());
    write.run(put.bind(names).bind(sealed)).await.map(drop)
}

async fn delete(write: &mut Write, business: BusinessId, id: ChannelId) -> StoreResult<()> {
    let bind = |sql| query(sql).bind(business.uuid()).bind(id.uuid());
    let rows = write.run(bind(CHANNEL_TO_CHANGE)).await?;
    rows.first().ok_or(StoreError::NotFound("channel"))?;
    let rows = write.run(bind(CHANNEL_IN_USE)).await?;
    if get(rows.first().ok_or(StoreError::NotFound("channel"))?, 0)? {
        return Err(StoreError::Conflict("channel"));
    }
    write.run(bind(DELETE_CHANNEL)).await.map(drop)
}
