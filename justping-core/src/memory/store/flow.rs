use std::collections::BTreeMap;

use async_trait::async_trait;

use super::table::{after, page};
use super::{MemoryStore, State};
use crate::model::{
    BusinessId, Flow, FlowId, FlowVersion, FlowVersionId, Page, PageRequest, Publication,
    SessionPolicy, Timestamp,
};
use crate::port::store::FlowStore;
use crate::port::{StoreError, StoreResult};

/// A flow with its versions by number.
#[derive(Debug)]
pub(super) struct FlowRow {
    pub(super) flow: Flow,
    pub(super) versions: BTreeMap<u32, FlowVersionId>,
    publications: BTreeMap<u32, Publication>,
}

impl State {
    fn update_flow(&mut self, flow: &Flow) -> StoreResult<Flow> {
        let row = &mut self.flows.get_mut(flow.business_id, flow.id)?.flow;
        if row.revision != flow.revision {
            return Err(StoreError::Stale("flow"));
        }
        row.name.clone_from(&flow.name);
        row.draft.clone_from(&flow.draft);
        row.updated_at = flow.updated_at;
        row.revision += 1;
        Ok(row.clone())
    }

    fn delete_flow(&mut self, business: BusinessId, id: FlowId) -> StoreResult<()> {
        if !self.flows.get(business, id)?.versions.is_empty() {
            return Err(StoreError::Conflict("flow"));
        }
        self.flows.remove(business, id).map(drop)
    }

    fn publish_flow(
        &mut self,
        version: &FlowVersion,
        policy: &SessionPolicy,
        now: Timestamp,
    ) -> StoreResult<FlowVersion> {
        let (business_id, flow_id) = (version.business_id, version.flow_id);
        let version = self.freeze_flow(version)?;
        let publications = &mut self.flows.get_mut(business_id, flow_id)?.publications;
        let number = publications.keys().next_back().map_or(1, |last| last + 1);
        let (version_id, policy) = (version.id, policy.clone());
        let publication =
            Publication { business_id, flow_id, number, version_id, policy, published_at: now };
        publications.insert(number, publication);
        Ok(version)
    }

    fn freeze_flow(&mut self, version: &FlowVersion) -> StoreResult<FlowVersion> {
        let business = version.business_id;
        let row = self.flows.get_mut(business, version.flow_id)?;
        let same = row
            .versions
            .values()
            .filter_map(|id| self.versions.find(business, *id))
            .find(|known| known.content_hash == version.content_hash);
        if let Some(known) = same {
            row.flow.published = Some(known.id);
            return Ok(known.clone());
        }
        let number = row.versions.keys().next_back().map_or(1, |last| last + 1);
        let version = FlowVersion { number, ..version.clone() };
        self.versions.add(business, version.id, version.clone())?;
        row.versions.insert(number, version.id);
        row.flow.published = Some(version.id);
        Ok(version)
    }

    fn publications(
        &self,
        business: BusinessId,
        flow: FlowId,
        request: &PageRequest,
    ) -> StoreResult<Page<Publication>> {
        let rows = self.flows.get(business, flow)?.publications.range(after::<u32>(request)?);
        Ok(page(rows.map(|(number, publication)| (*number, publication.clone())), request))
    }

    fn flow_versions(
        &self,
        business: BusinessId,
        flow: FlowId,
        request: &PageRequest,
    ) -> StoreResult<Page<FlowVersion>> {
        let rows = self.flows.get(business, flow)?.versions.range(after::<u32>(request)?);
        let rows = rows
            .filter_map(|(number, id)| Some((*number, self.versions.find(business, *id)?.clone())));
        Ok(page(rows, request))
    }
}

#[async_trait]
impl FlowStore for MemoryStore {
    async fn create_flow(&self, flow: &Flow) -> StoreResult<()> {
        let mut state = self.state();
        state.business(flow.business_id)?;
        let (versions, publications) = (BTreeMap::new(), BTreeMap::new());
        let row = FlowRow { flow: flow.clone(), versions, publications };
        state.flows.add(flow.business_id, flow.id, row)
    }

    async fn flow(&self, business: BusinessId, id: FlowId) -> StoreResult<Flow> {
        Ok(self.state().flows.get(business, id)?.flow.clone())
    }

    async fn update_flow(&self, flow: &Flow) -> StoreResult<Flow> {
        self.state().update_flow(flow)
    }

    async fn delete_flow(&self, business: BusinessId, id: FlowId) -> StoreResult<()> {
        self.state().delete_flow(business, id)
    }

    async fn flows(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Flow>> {
        self.state().flows.page(business, page, |row| row.flow.clone())
    }

    async fn publish_flow(
        &self,
        version: &FlowVersion,
        policy: &SessionPolicy,
        now: Timestamp,
    ) -> StoreResult<FlowVersion> {
        self.state().publish_flow(version, policy, now)
    }

    async fn publication_for(
        &self,
        business: BusinessId,
        version: FlowVersionId,
    ) -> StoreResult<Option<Publication>> {
        let state = self.state();
        let flow = state.versions.get(business, version)?.flow_id;
        let publications = &state.flows.get(business, flow)?.publications;
        Ok(publications.values().next_back().cloned())
    }

    async fn publications(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<Publication>> {
        self.state().publications(business, flow, page)
    }

    async fn flow_version(
        &self,
        business: BusinessId,
        id: FlowVersionId,
    ) -> StoreResult<FlowVersion> {
        self.state().versions.get(business, id).cloned()
    }

    async fn flow_versions(
        &self,
        business: BusinessId,
        flow: FlowId,
        page: &PageRequest,
    ) -> StoreResult<Page<FlowVersion>> {
        self.state().flow_versions(business, flow, page)
    }
}
