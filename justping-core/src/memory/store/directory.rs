//! Who is who: businesses, their members and API keys.

use async_trait::async_trait;

use super::table::{after, page};
use super::{MemoryStore, State};
use crate::model::{
    ApiKey, ApiKeyId, Business, BusinessId, Member, MemberId, Page, PageRequest, Timestamp,
};
use crate::port::store::{ApiKeyStore, BusinessStore, MemberStore};
use crate::port::{StoreError, StoreResult};

impl State {
    fn create_api_key(&mut self, key: &ApiKey) -> StoreResult<()> {
        self.members.get(key.business_id, key.member_id)?;
        if self.tokens.contains_key(&key.token_sha256) {
            return Err(StoreError::Conflict("api key"));
        }
        self.api_keys.add(key.business_id, key.id, key.clone())?;
        self.tokens.insert(key.token_sha256, (key.business_id, key.id));
        Ok(())
    }

    fn api_key_by_token(&self, token_sha256: &[u8; 32]) -> StoreResult<&ApiKey> {
        let missing = StoreError::NotFound("api key");
        let &(business, id) = self.tokens.get(token_sha256).ok_or(missing.clone())?;
        let key = self.api_keys.get(business, id)?;
        if key.revoked_at.is_some() { Err(missing) } else { Ok(key) }
    }
}

#[async_trait]
impl BusinessStore for MemoryStore {
    async fn create_business(&self, business: &Business) -> StoreResult<()> {
        let mut state = self.state();
        if state.businesses.contains_key(&business.id) {
            return Err(StoreError::Conflict("business"));
        }
        state.businesses.insert(business.id, business.clone());
        Ok(())
    }

    async fn business(&self, id: BusinessId) -> StoreResult<Business> {
        self.state().business(id).cloned()
    }

    async fn businesses(&self, request: &PageRequest) -> StoreResult<Page<Business>> {
        let rows = after::<BusinessId>(request)?;
        let state = self.state();
        Ok(page(state.businesses.range(rows).map(|(id, row)| (*id, row.clone())), request))
    }
}

#[async_trait]
impl MemberStore for MemoryStore {
    async fn create_member(&self, member: &Member) -> StoreResult<()> {
        let mut state = self.state();
        state.business(member.business_id)?;
        state.members.add(member.business_id, member.id, member.clone())
    }

    async fn member(&self, business: BusinessId, id: MemberId) -> StoreResult<Member> {
        self.state().members.get(business, id).cloned()
    }

    async fn members(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Member>> {
        self.state().members.page(business, page, Clone::clone)
    }
}

#[async_trait]
impl ApiKeyStore for MemoryStore {
    async fn create_api_key(&self, key: &ApiKey) -> StoreResult<()> {
        self.state().create_api_key(key)
    }

    async fn api_key_by_token(&self, token_sha256: &[u8; 32]) -> StoreResult<ApiKey> {
        self.state().api_key_by_token(token_sha256).cloned()
    }

    async fn api_keys(
        &self,
        business: BusinessId,
        page: &PageRequest,
    ) -> StoreResult<Page<ApiKey>> {
        self.state().api_keys.page(business, page, Clone::clone)
    }

    async fn revoke_api_key(
        &self,
        business: BusinessId,
        id: ApiKeyId,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.state().api_keys.get_mut(business, id)?.revoked_at.get_or_insert(at);
        Ok(())
    }
}
