use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::MemoryStore;
use crate::model::{BusinessId, Timestamp};
use crate::port::store::{IdempotencyRecord, IdempotencyStart, IdempotencyStore};
use crate::port::{StoreError, StoreResult};

type RequestKey = (BusinessId, String);

/// Requests by key, and by age.
#[derive(Debug, Default)]
pub(super) struct Requests {
    rows: BTreeMap<RequestKey, Request>,
    ages: BTreeSet<(Timestamp, RequestKey)>,
}

#[derive(Debug)]
struct Request {
    record: IdempotencyRecord,
    answer: Option<(u16, String)>,
}

impl Requests {
    fn start(
        &mut self,
        business: BusinessId,
        record: &IdempotencyRecord,
        abandoned_before: Timestamp,
    ) -> IdempotencyStart {
        let key = (business, record.key.clone());
        if let Some(known) = self.rows.get(&key) {
            let abandoned = known.answer.is_none() && known.record.now < abandoned_before;
            if !abandoned {
                return known.tell(record);
            }
            self.remove(&key);
        }
        self.ages.insert((record.now, key.clone()));
        self.rows.insert(key, Request { record: record.clone(), answer: None });
        IdempotencyStart::Started
    }

    fn finish(&mut self, key: &RequestKey, status: u16, body: &str) -> StoreResult<()> {
        let request = self.rows.get_mut(key).ok_or(StoreError::NotFound("request"))?;
        request.answer = Some((status, body.to_owned()));
        Ok(())
    }

    fn forget(&mut self, key: &RequestKey) {
        if self.rows.get(key).is_some_and(|request| request.answer.is_none()) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &RequestKey) {
        if let Some(request) = self.rows.remove(key) {
            self.ages.remove(&(request.record.now, key.clone()));
        }
    }

    pub(super) fn expire(&mut self, before: Timestamp, limit: u32) -> u64 {
        let mut expired = 0;
        while expired < u64::from(limit)
            && let Some((_, key)) = self.ages.first().filter(|(age, _)| *age < before).cloned()
        {
            self.remove(&key);
            expired += 1;
        }
        expired
    }
}

impl Request {
    /// What became of this request, told to who comes with the same key.
    fn tell(&self, record: &IdempotencyRecord) -> IdempotencyStart {
        if self.record.request_sha256 != record.request_sha256 {
            return IdempotencyStart::Mismatch;
        }
        match &self.answer {
            None => IdempotencyStart::InFlight,
            Some((status, body)) => IdempotencyStart::Done { status: *status, body: body.clone() },
        }
    }
}

#[async_trait]
impl IdempotencyStore for MemoryStore {
    async fn start_request(
        &self,
        business: BusinessId,
        record: &IdempotencyRecord,
        abandoned_before: Timestamp,
    ) -> StoreResult<IdempotencyStart> {
        let mut state = self.state();
        state.business(business)?;
        Ok(state.requests.start(business, record, abandoned_before))
    }

    async fn finish_request(
        &self,
        business: BusinessId,
        key: &str,
        status: u16,
        body: &str,
    ) -> StoreResult<()> {
        self.state().requests.finish(&(business, key.to_owned()), status, body)
    }

    async fn forget_request(&self, business: BusinessId, key: &str) -> StoreResult<()> {
        self.state().requests.forget(&(business, key.to_owned()));
        Ok(())
    }

    async fn expire_requests(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(self.state().requests.expire(before, limit))
    }
}
