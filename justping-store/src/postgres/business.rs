//! Businesses, their members and their API keys.

use async_trait::async_trait;
use justping_core::model::{
    ApiKey, ApiKeyId, Business, BusinessId, Member, MemberId, Page, PageRequest, Timestamp,
};
use justping_core::port::store::{
    ApiKeyStore, BusinessStore, MemberStore, StoreError, StoreResult,
};
use sqlx::postgres::PgRow;
use sqlx::query;

use super::PostgresStore;
use super::connection::Scope;
use super::row::{from, get, get_doc, millis, moment, parse_cursor, statements, to_doc};

statements! {
    INSERT_BUSINESS = "INSERT INTO businesses (id, doc) VALUES ($1, $2)";
    BUSINESS = "SELECT doc FROM businesses WHERE id = $1";
    BUSINESSES = "SELECT doc FROM businesses WHERE id >= $1 ORDER BY id LIMIT $2";
    INSERT_MEMBER = "INSERT INTO members (business_id, id, doc) \
        SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = $1)";
    MEMBER = "SELECT doc FROM members WHERE business_id = $1 AND id = $2";
    MEMBERS = "SELECT doc FROM members WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
    INSERT_API_KEY = "INSERT INTO api_keys (business_id, id, token_sha256, revoked_at, doc) \
        SELECT $1, $2, $3, $4, $5 \
        WHERE EXISTS (SELECT 1 FROM members WHERE business_id = $1 AND id = $6)";
    API_KEY_BY_TOKEN = "SELECT token_sha256, revoked_at, doc FROM api_keys \
        WHERE token_sha256 = $1 AND revoked_at IS NULL";
    API_KEYS = "SELECT token_sha256, revoked_at, doc FROM api_keys \
        WHERE business_id = $1 AND id >= $2 ORDER BY id LIMIT $3";
    REVOKE_API_KEY = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) \
        WHERE business_id = $1 AND id = $2 RETURNING 1";
}

#[async_trait]
impl BusinessStore for PostgresStore {
    async fn create_business(&self, business: &Business) -> StoreResult<()> {
        let insert = query(INSERT_BUSINESS).bind(business.id.uuid()).bind(to_doc(business)?);
        self.connections.insert(Scope::Business(business.id), insert, "business").await
    }

    async fn business(&self, id: BusinessId) -> StoreResult<Business> {
        let row = self
            .connections
            .read_one(Scope::Business(id), query(BUSINESS).bind(id.uuid()), "business")
            .await?;
        get_doc(&row, 0, "business")
    }

    async fn businesses(&self, page: &PageRequest) -> StoreResult<Page<Business>> {
        let last = parse_cursor::<BusinessId>(page.after.as_ref())?;
        let list = query(BUSINESSES).bind(from(last.map(BusinessId::uuid)));
        let rows = self.connections.read(Scope::System, list.bind(page.rows() as i64 + 1)).await?;
        let rows =
            rows.iter().map(|row| get_doc(row, 0, "business")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Business| row.id.to_string()))
    }
}

#[async_trait]
impl MemberStore for PostgresStore {
    async fn create_member(&self, member: &Member) -> StoreResult<()> {
        let insert = query(INSERT_MEMBER)
            .bind(member.business_id.uuid())
            .bind(member.id.uuid())
            .bind(to_doc(member)?);
        self.connections.insert(Scope::Business(member.business_id), insert, "business").await
    }

    async fn member(&self, business: BusinessId, id: MemberId) -> StoreResult<Member> {
        let query = query(MEMBER).bind(business.uuid()).bind(id.uuid());
        let row = self.connections.read_one(Scope::Business(business), query, "member").await?;
        get_doc(&row, 0, "member")
    }

    async fn members(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Member>> {
        let last = parse_cursor::<MemberId>(page.after.as_ref())?;
        let list = query(MEMBERS).bind(business.uuid()).bind(from(last.map(MemberId::uuid)));
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let rows = rows.iter().map(|row| get_doc(row, 0, "member")).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &Member| row.id.to_string()))
    }
}

#[async_trait]
impl ApiKeyStore for PostgresStore {
    async fn create_api_key(&self, key: &ApiKey) -> StoreResult<()> {
        let insert = query(INSERT_API_KEY)
            .bind(key.business_id.uuid())
            .bind(key.id.uuid())
            .bind(key.token_sha256.to_vec())
            .bind(key.revoked_at.map(millis))
            .bind(to_doc(key)?)
            .bind(key.member_id.uuid());
        self.connections.insert(Scope::Business(key.business_id), insert, "member").await
    }

    async fn api_key_by_token(&self, token_sha256: &[u8; 32]) -> StoreResult<ApiKey> {
        let query = query(API_KEY_BY_TOKEN).bind(token_sha256.to_vec());
        read_api_key(&self.connections.read_one(Scope::System, query, "api key").await?)
    }

    async fn api_keys(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ApiKey>> {
        let last = parse_cursor::<ApiKeyId>(page.after.as_ref())?;
        let list = query(API_KEYS).bind(business.uuid()).bind(from(last.map(ApiKeyId::uuid)));
        let rows = self
            .connections
            .read(Scope::Business(business), list.bind(page.rows() as i64 + 1))
            .await?;
        let rows = rows.iter().map(read_api_key).collect::<StoreResult<_>>()?;
        Ok(Page::from_rows(rows, page.rows(), |row: &ApiKey| row.id.to_string()))
    }

    async fn revoke_api_key(
        &self,
        business: BusinessId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> StoreResult<()> {
        let update = query(REVOKE_API_KEY).bind(business.uuid()).bind(id.uuid()).bind(millis(at));
        let rows = self.connections.change(Scope::Business(business), update).await?;
        rows.first().map(|_| ()).ok_or(StoreError::NotFound("api key"))
    }
}

/// The digest and the end of a key are columns: its JSON form carries neither.
fn read_api_key(row: &PgRow) -> StoreResult<ApiKey> {
    let digest: &[u8] = get(row, 0)?;
    let digest = digest.try_into().map_err(|_| StoreError::Corrupt("an api key".to_owned()))?;
    let revoked_at = get::<Option<i64>>(row, 1)?.map(moment).transpose()?;
    Ok(ApiKey { token_sha256: digest, revoked_at, ..get_doc(row, 2, "api key")? })
}
