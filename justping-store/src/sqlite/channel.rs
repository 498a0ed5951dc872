//! Channels and their secrets.

use async_trait::async_trait;
use justping_core::model::{
    AgentId, BusinessId, ChannelConfig, ChannelId, ChannelSecrets, Page, PageRequest,
};
use justping_core::port::store::{ChannelStore, StoreError, StoreResult};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::connection::Write;
use super::keys::{open_all, seal_all};
use super::row::{after, get, get_doc, parse_cursor, parse_doc, statements, to_doc};
use crate::envelope::MasterKey;
use crate::secret::Owner;

statements! {
    /// One row: whether the business exists, whether its agent does, the channel as it stands, the
    /// newest data key.
    PLACE_OF_CHANNEL = "BEGIN IMMEDIATE; \
        SELECT k.key_id, k.wrapped, \
            EXISTS (SELECT 1 FROM businesses WHERE id = $1), \
            $3 IS NULL OR EXISTS (SELECT 1 FROM agents WHERE business_id = $1 AND id = $3), \
            (SELECT doc FROM channels WHERE business_id = $1 AND id = $2) \
        FROM (SELECT 1) LEFT JOIN business_keys k ON k.business_id = $1 \
        ORDER BY k.key_id DESC LIMIT 1";
    INSERT_CHANNEL = "INSERT INTO channels (business_id, id, agent_id, doc) \
        VALUES ($1, $2, $3, $4)";
    UPDATE_CHANNEL = "UPDATE channels SET agent_id = $3, doc = $4 \
        WHERE business_id = $1 AND id = $2";
    PUT_SECRETS = "INSERT OR REPLACE INTO channel_secrets \
            (business_id, channel_id, name, sealed) \
            SELECT $1, $2, value ->> 0, unhex(value ->> 1) FROM json_each($3); \
        COMMIT";
    CHANNEL = "SELECT doc FROM channels WHERE business_id = $1 AND id = $2";
    FIND_CHANNEL = "SELECT doc FROM channels WHERE id = $1";
    /// One row when the channel exists: whether it has conversations, and so has to stay.
    DELETE_CHANNEL = "BEGIN IMMEDIATE; \
        SELECT EXISTS (SELECT 1 FROM conversations WHERE business_id = $1 AND channel_id = $2) \
            FROM channels WHERE business_id = $1 AND id = $2; \
        DELETE FROM channels WHERE business_id = $1 AND id = $2 AND NOT EXISTS ( \
            SELECT 1 FROM conversations WHERE business_id = $1 AND channel_id = $2); \
        COMMIT";
    CHANNELS = "SELECT doc FROM channels WHERE business_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    /// Each secret of the channel with each key of the business; one row when it has no secrets.
    SECRETS = "SELECT k.key_id, k.wrapped, s.name, s.sealed FROM channels c \
        LEFT JOIN channel_secrets s ON s.business_id = c.business_id AND s.channel_id = c.id \
        LEFT JOIN business_keys k ON k.business_id = c.business_id \
        WHERE c.business_id = $1 AND c.id = $2 ORDER BY s.name, k.key_id";
}

#[async_trait]
impl ChannelStore for SqliteStore {
    async fn create_channel(
        &self,
        channel: &ChannelConfig,
        secrets: &ChannelSecrets,
    ) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = create(&mut write, &self.master_key, channel, secrets).await;
        write.settle(result).await
    }

    async fn channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<ChannelConfig> {
        let query = query(CHANNEL).bind(business.uuid()).bind(id.uuid());
        get_doc(&self.connections.read_one(query, "channel").await?, 0, "channel")
    }

    async fn find_channel(&self, id: ChannelId) -> StoreResult<ChannelConfig> {
        let query = query(FIND_CHANNEL).bind(id.uuid());
        get_doc(&self.connections.read_one(query, "channel").await?, 0, "channel")
    }

    async fn update_channel(
        &self,
        channel: &ChannelConfig,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<ChannelConfig> {
        let mut write = self.connections.write().await?;
        let result = update(&mut write, &self.master_key, channel, secrets).await;
        write.settle(result).await
    }

    async fn delete_channel(&self, business: BusinessId, id: ChannelId) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let delete = query(DELETE_CHANNEL).bind(business.uuid()).bind(id.uuid());
        let result = write.whole(delete).await;
        let rows = write.settle(result).await?;
        let row = rows.first().ok_or(StoreError::NotFound("channel"))?;
        if get(row, 0)? { Err(StoreError::Conflict("channel")) } else { Ok(()) }
    }

    async fn channels(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ChannelConfig>> {
        let from = parse_cursor::<ChannelId>(page.after.as_ref())?;
        let list = query(CHANNELS).bind(business.uuid()).bind(after(from.map(ChannelId::uuid)));
        let rows = self.connections.read(list.bind(page.rows() as i64 + 1)).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "channel")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &ChannelConfig| row.id.to_string()))
    }

    async fn channel_secrets(
        &self,
        business: BusinessId,
        id: ChannelId,
    ) -> StoreResult<ChannelSecrets> {
        let list = query(SECRETS).bind(business.uuid()).bind(id.uuid());
        let rows = self.connections.read(list).await?;
        if rows.is_empty() {
            return Err(StoreError::NotFound("channel"));
        }
        open_all(&self.master_key, Owner::channel(business, id), &rows)
    }
}

async fn create(
    write: &mut Write<'_>,
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
    write: &mut Write<'_>,
    master: &MasterKey,
    channel: &ChannelConfig,
    secrets: Option<&ChannelSecrets>,
) -> StoreResult<ChannelConfig> {
    let place = find_place(write, channel).await?;
    let stored: Option<&str> = get(&place, 4)?;
    let stored: ChannelConfig =
        parse_doc(stored.ok_or(StoreError::NotFound("channel"))?, "channel")?;
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

async fn find_place(write: &mut Write<'_>, channel: &ChannelConfig) -> StoreResult<SqliteRow> {
    let place = query(PLACE_OF_CHANNEL)
        .bind(channel.business_id.uuid())
        .bind(channel.id.uuid())
        .bind(channel.agent_id.map(AgentId::uuid));
    let rows = write.begin(place).await?;
    rows.into_iter().next().ok_or(StoreError::NotFound("business"))
}

fn put(statement: &'static str, channel: &ChannelConfig) -> StoreResult<super::connection::Bound> {
    Ok(query(statement)
        .bind(channel.business_id.uuid())
        .bind(channel.id.uuid())
        .bind(channel.agent_id.map(AgentId::uuid))
        .bind(to_doc(channel)?))
}

/// Seals and stores secrets, and ends the transaction. The business gets its first data key with
/// its first secret.
async fn put_secrets(
    write: &mut Write<'_>,
    master: &MasterKey,
    channel: &ChannelConfig,
    secrets: Option<&ChannelSecrets>,
    place: &SqliteRow,
) -> StoreResult<()> {
    let business = channel.business_id;
    let owner = Owner::channel(business, channel.id);
    let rows = seal_all(write, master, owner, secrets, place).await?;
    let put = query(PUT_SECRETS).bind(business.uuid()).bind(channel.id.uuid()).bind(rows);
    write.commit(put).await.map(drop)
}
