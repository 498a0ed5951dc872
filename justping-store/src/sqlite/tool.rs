//! Tools that businesses have set up, and their secrets.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Page, PageRequest, TOOLS_MAX, ToolConfig, ToolId, ToolSecrets,
};
use justping_core::port::store::{StoreError, StoreResult, ToolStore};
use sqlx::query;

use super::SqliteStore;
use super::connection::{Bound, Write};
use super::keys::{open_all, seal_all};
use super::row::{after, get, get_count, get_doc, parse_cursor, parse_doc, statements, to_doc};
use crate::envelope::MasterKey;
use crate::secret::Owner;

statements! {
    /// One row: the newest data key, whether the business exists, the tool as it stands, how many
    /// there are.
    PLACE_OF_TOOL = "BEGIN IMMEDIATE; \
        SELECT k.key_id, k.wrapped, \
            EXISTS (SELECT 1 FROM businesses WHERE id = $1), \
            (SELECT doc FROM tools WHERE business_id = $1 AND id = $2), \
            (SELECT count(*) FROM tools WHERE business_id = $1) \
        FROM (SELECT 1) LEFT JOIN business_keys k ON k.business_id = $1 \
        ORDER BY k.key_id DESC LIMIT 1";
    INSERT_TOOL = "INSERT INTO tools (business_id, id, name, doc) VALUES ($1, $2, $3, $4)";
    UPDATE_TOOL = "UPDATE tools SET name = $3, doc = $4 WHERE business_id = $1 AND id = $2";
    PUT_TOOL_SECRETS = "INSERT OR REPLACE INTO tool_secrets (business_id, tool_id, name, sealed) \
            SELECT $1, $2, value ->> 0, unhex(value ->> 1) FROM json_each($3); \
        COMMIT";
    TOOL = "SELECT doc FROM tools WHERE business_id = $1 AND id = $2";
    TOOL_BY_NAME = "SELECT doc FROM tools WHERE business_id = $1 AND name = $2";
    DELETE_TOOL = "DELETE FROM tools WHERE business_id = $1 AND id = $2 RETURNING 1";
    TOOLS = "SELECT doc FROM tools WHERE business_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    /// Each secret of the tool with each key of the business; one row when it has no secrets.
    TOOL_SECRETS = "SELECT k.key_id, k.wrapped, s.name, s.sealed FROM tools t \
        LEFT JOIN tool_secrets s ON s.business_id = t.business_id AND s.tool_id = t.id \
        LEFT JOIN business_keys k ON k.business_id = t.business_id \
        WHERE t.business_id = $1 AND t.id = $2 ORDER BY s.name, k.key_id";
}

#[async_trait]
impl ToolStore for SqliteStore {
    async fn create_tool(&self, tool: &ToolConfig, secrets: &ToolSecrets) -> StoreResult<()> {
        let mut write = self.connections.write().await?;
        let result = create(&mut write, &self.master_key, tool, secrets).await;
        write.settle(result).await
    }

    async fn tool(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolConfig> {
        let query = query(TOOL).bind(business.uuid()).bind(id.uuid());
        get_doc(&self.connections.read_one(query, "tool").await?, 0, "tool")
    }

    async fn tool_by_name(&self, business: BusinessId, name: &str) -> StoreResult<ToolConfig> {
        let query = query(TOOL_BY_NAME).bind(business.uuid()).bind(name.to_owned());
        get_doc(&self.connections.read_one(query, "tool").await?, 0, "tool")
    }

    async fn update_tool(
        &self,
        tool: &ToolConfig,
        secrets: Option<&ToolSecrets>,
    ) -> StoreResult<ToolConfig> {
        let mut write = self.connections.write().await?;
        let result = update(&mut write, &self.master_key, tool, secrets).await;
        write.settle(result).await
    }

    async fn delete_tool(&self, business: BusinessId, id: ToolId) -> StoreResult<()> {
        let delete = query(DELETE_TOOL).bind(business.uuid()).bind(id.uuid());
        let rows = self.connections.change(delete).await?;
        rows.first().map(drop).ok_or(StoreError::NotFound("tool"))
    }

    async fn tools(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ToolConfig>> {
        let from = parse_cursor::<ToolId>(page.after.as_ref())?;
        let list = query(TOOLS).bind(business.uuid()).bind(after(from.map(ToolId::uuid)));
        let rows = self.connections.read(list.bind(page.rows() as i64 + 1)).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "tool")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &ToolConfig| row.id.to_string()))
    }

    async fn tool_secrets(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolSecrets> {
        let list = query(TOOL_SECRETS).bind(business.uuid()).bind(id.uuid());
        let rows = self.connections.read(list).await?;
        if rows.is_empty() {
            return Err(StoreError::NotFound("tool"));
        }
        open_all(&self.master_key, Owner::tool(business, id), &rows)
    }
}

async fn create(
    write: &mut Write<'_>,
    master: &MasterKey,
    tool: &ToolConfig,
    secrets: &ToolSecrets,
) -> StoreResult<()> {
    let place = write.begin(place_of(tool)).await?;
    let place = place.first().ok_or(StoreError::NotFound("business"))?;
    if !get::<bool>(place, 2)? {
        return Err(StoreError::NotFound("business"));
    }
    let is_full = get_count(place, 4)? >= TOOLS_MAX as u64;
    if is_full && get::<Option<&str>>(place, 3)?.is_none() {
        return Err(StoreError::Invalid("number of tools"));
    }
    write.run(put(INSERT_TOOL, tool)?).await?;
    let owner = Owner::tool(tool.business_id, tool.id);
    let rows = seal_all(write, master, owner, Some(secrets), place).await?;
    put_secrets(write, tool, rows).await
}

async fn update(
    write: &mut Write<'_>,
    master: &MasterKey,
    change: &ToolConfig,
    secrets: Option<&ToolSecrets>,
) -> StoreResult<ToolConfig> {
    let place = write.begin(place_of(change)).await?;
    let place = place.first().ok_or(StoreError::NotFound("tool"))?;
    let stored: Option<&str> = get(place, 3)?;
    let stored: ToolConfig = parse_doc(stored.ok_or(StoreError::NotFound("tool"))?, "tool")?;
    if stored.revision != change.revision {
        return Err(StoreError::Stale("tool"));
    }
    let tool = stored.replaced(change);
    write.run(put(UPDATE_TOOL, &tool)?).await?;
    let owner = Owner::tool(tool.business_id, tool.id);
    let rows = seal_all(write, master, owner, secrets, place).await?;
    put_secrets(write, &tool, rows).await?;
    Ok(tool)
}

fn place_of(tool: &ToolConfig) -> Bound {
    query(PLACE_OF_TOOL).bind(tool.business_id.uuid()).bind(tool.id.uuid())
}

fn put(statement: &'static str, tool: &ToolConfig) -> StoreResult<Bound> {
    Ok(query(statement)
        .bind(tool.business_id.uuid())
        .bind(tool.id.uuid())
        .bind(tool.name.clone())
        .bind(to_doc(tool)?))
}

/// Stores secrets, and ends the transaction.
async fn put_secrets(write: &mut Write<'_>, tool: &ToolConfig, rows: String) -> StoreResult<()> {
    let put = query(PUT_TOOL_SECRETS).bind(tool.business_id.uuid()).bind(tool.id.uuid());
    write.commit(put.bind(rows)).await.map(drop)
}
