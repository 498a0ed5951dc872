//! Tools that businesses have set up, and their secrets.

use async_trait::async_trait;
use justping_core::model::{
    BusinessId, Page, PageRequest, TOOLS_MAX, ToolConfig, ToolId, ToolSecrets,
};
use justping_core::port::store::{StoreError, StoreResult, ToolStore};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::{Bound, Scope, Write, transaction};
use super::keys::{open_all, seal_all};
use super::row::{bytes, from, get, get_count, get_doc, parse_cursor, statements, to_doc};
use crate::envelope::MasterKey;
use crate::secret::Owner;

statements! {
    /// The newest data key. Tools of one business are created one after another, so that they can be
    /// counted.
    PLACE_OF_TOOL = "SELECT k.key_id, k.wrapped \
        FROM businesses b LEFT JOIN LATERAL ( \
            SELECT key_id, wrapped FROM business_keys WHERE business_id = b.id \
            ORDER BY key_id DESC LIMIT 1) k ON true \
        WHERE b.id = $1 FOR NO KEY UPDATE OF b";
    /// How many there are, and whether this one is there.
    COUNT_TOOLS = "SELECT (SELECT count(*) FROM tools WHERE business_id = $1), \
        EXISTS (SELECT 1 FROM tools WHERE business_id = $1 AND id = $2)";
    TOOL_TO_CHANGE = "SELECT doc FROM tools WHERE business_id = $1 AND id = $2 FOR NO KEY UPDATE";
    INSERT_TOOL = "INSERT INTO tools (business_id, id, name, doc) VALUES ($1, $2, $3, $4)";
    UPDATE_TOOL = "UPDATE tools SET name = $3, doc = $4 WHERE business_id = $1 AND id = $2";
    PUT_TOOL_SECRETS = "INSERT INTO tool_secrets (business_id, tool_id, name, sealed) \
            SELECT $1, $2, v.name, v.sealed \
            FROM unnest($3::bytea[], $4::bytea[]) v (name, sealed) \
        ON CONFLICT (business_id, tool_id, name) DO UPDATE SET sealed = excluded.sealed";
    TOOL = "SELECT doc FROM tools WHERE business_id = $1 AND id = $2";
    TOOL_BY_NAME = "SELECT doc FROM tools WHERE business_id = $1 AND name = $2";
    DELETE_TOOL = "DELETE FROM tools WHERE business_id = $1 AND id = $2 RETURNING 1";
    TOOLS = "SELECT doc FROM tools WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
    /// Each secret of the tool with each key of the business; one row when it has no secrets.
    TOOL_SECRETS = "SELECT k.key_id, k.wrapped, s.name, s.sealed FROM tools t \
        LEFT JOIN tool_secrets s ON s.business_id = t.business_id AND s.tool_id = t.id \
        LEFT JOIN business_keys k ON k.business_id = t.business_id \
        WHERE t.business_id = $1 AND t.id = $2 ORDER BY s.name, k.key_id";
}

#[async_trait]
impl ToolStore for PostgresStore {
    async fn create_tool(&self, tool: &ToolConfig, secrets: &ToolSecrets) -> StoreResult<()> {
        transaction!(self, Scope::Business(tool.business_id), |write| create(
            write,
            &self.master_key,
            tool,
            secrets
        ))
    }

    async fn tool(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolConfig> {
        let query = query(TOOL).bind(business.uuid()).bind(id.uuid());
        let row = self.connections.read_one(Scope::Business(business), query, "tool").await?;
        get_doc(&row, 0, "tool")
    }

    async fn tool_by_name(&self, business: BusinessId, name: &str) -> StoreResult<ToolConfig> {
        let query = query(TOOL_BY_NAME).bind(business.uuid()).bind(bytes(name));
        let row = self.connections.read_one(Scope::Business(business), query, "tool").await?;
        get_doc(&row, 0, "tool")
    }

    async fn update_tool(
        &self,
        tool: &ToolConfig,
        secrets: Option<&ToolSecrets>,
    ) -> StoreResult<ToolConfig> {
        transaction!(self, Scope::Business(tool.business_id), |write| update(
            write,
            &self.master_key,
            tool,
            secrets
        ))
    }

    async fn delete_tool(&self, business: BusinessId, id: ToolId) -> StoreResult<()> {
        transaction!(self, Scope::Business(business), |write| delete(write, business, id))
    }

    async fn tools(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ToolConfig>> {
        let last = parse_cursor::<ToolId>(page.after.as_ref())?;
        let list = query(TOOLS).bind(business.uuid()).bind(from(last.map(ToolId::uuid)));
        let list = list.bind(page.rows() as i64 + 1);
        let rows = self.connections.read(Scope::Business(business), list).await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "tool")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &ToolConfig| row.id.to_string()))
    }

    async fn tool_secrets(&self, business: BusinessId, id: ToolId) -> StoreResult<ToolSecrets> {
        let list = query(TOOL_SECRETS).bind(business.uuid()).bind(id.uuid());
        let rows = self.connections.read(Scope::Business(business), list).await?;
        if rows.is_empty() {
            return Err(StoreError::NotFound("tool"));
        }
        open_all(&self.master_key, Owner::tool(business, id), &rows)
    }
}

async fn create(
    write: &mut Write,
    master: &MasterKey,
    tool: &ToolConfig,
    secrets: &ToolSecrets,
) -> StoreResult<()> {
    let place = find_place(write, tool).await?;
    let count = query(COUNT_TOOLS).bind(tool.business_id.uuid()).bind(tool.id.uuid());
    let rows = write.run(count).await?;
    let row = rows.first().ok_or(StoreError::NotFound("business"))?;
    if get_count(row, 0)? >= TOOLS_MAX as u64 && !get::<bool>(row, 1)? {
        return Err(StoreError::Invalid("number of tools"));
    }
    write.run(put(INSERT_TOOL, tool)?).await?;
    put_secrets(write, master, tool, Some(secrets), &place).await
}

async fn update(
    write: &mut Write,
    master: &MasterKey,
    change: &ToolConfig,
    secrets: Option<&ToolSecrets>,
) -> StoreResult<ToolConfig> {
    let find = query(TOOL_TO_CHANGE).bind(change.business_id.uuid()).bind(change.id.uuid());
    let rows = write.run(find).await?;
    let stored: ToolConfig = get_doc(rows.first().ok_or(StoreError::NotFound("tool"))?, 0, "tool")?;
    if stored.revision != change.revision {
        return Err(StoreError::Stale("tool"));
    }
    let tool = stored.replaced(change);
    let place = find_place(write, &tool).await?;
    write.run(put(UPDATE_TOOL, &tool)?).await?;
    put_secrets(write, master, &tool, secrets, &place).await?;
    Ok(tool)
}

async fn delete(write: &mut Write, business: BusinessId, id: ToolId) -> StoreResult<()> {
    let rows = write.run(query(DELETE_TOOL).bind(business.uuid()).bind(id.uuid())).await?;
    rows.first().map(drop).ok_or(StoreError::NotFound("tool"))
}

async fn find_place(write: &mut Write, tool: &ToolConfig) -> StoreResult<PgRow> {
    let place = write.run(query(PLACE_OF_TOOL).bind(tool.business_id.uuid())).await?;
    place.into_iter().next().ok_or(StoreError::NotFound("business"))
}

fn put(statement: &'static str, tool: &ToolConfig) -> StoreResult<Bound> {
    Ok(query(statement)
        .bind(tool.business_id.uuid())
        .bind(tool.id.uuid())
        .bind(bytes(&tool.name))
        .bind(to_doc(tool)?))
}

async fn put_secrets(
    write: &mut Write,
    master: &MasterKey,
    tool: &ToolConfig,
    secrets: Option<&ToolSecrets>,
    place: &PgRow,
) -> StoreResult<()> {
    let owner = Owner::tool(tool.business_id, tool.id);
    let (names, sealed) = seal_all(write, master, owner, secrets, place).await?;
    if names.is_empty() {
        return Ok(());
    }
    let put = query(PUT_TOOL_SECRETS).bind(tool.business_id.uuid()).bind(tool.id.uuid());
    write.run(put.bind(names).bind(sealed)).await.map(drop)
}
