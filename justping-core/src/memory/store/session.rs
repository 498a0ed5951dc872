use std::collections::BTreeMap;

use async_trait::async_trait;

use super::table::{after, cursor, page};
use super::{MemoryStore, State};
use crate::model::{
    BusinessId, ConversationId, FlowId, FlowVersionId, LiveCount, Page, PageRequest, Session,
    SessionId, SessionStatus, TraceStep,
};
use crate::port::StoreResult;
use crate::port::store::SessionStore;

/// A session with its steps by number.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) session: Session,
    pub(super) trace: BTreeMap<u32, TraceStep>,
}

impl State {
    fn sessions(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        request: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        let ids =
            self.threads.get(business, conversation)?.sessions.range(after::<SessionId>(request)?);
        let rows =
            ids.filter_map(|id| Some((*id, self.sessions.find(business, *id)?.session.clone())));
        Ok(page(rows, request))
    }

    /// The sessions of a version that wait, by id.
    fn live(&self, business: BusinessId, version: FlowVersionId) -> impl Iterator<Item = &Session> {
        let sessions = self.sessions.ids(business);
        let sessions = sessions.filter_map(move |id| self.sessions.find(business, id));
        sessions.map(|run| &run.session).filter(move |session| {
            session.status == SessionStatus::Waiting && session.flow_version_id == version
        })
    }

    fn live_counts(&self, business: BusinessId, flow: FlowId) -> StoreResult<Vec<LiveCount>> {
        let versions = self.flows.get(business, flow)?.versions.iter();
        let count = |(number, id): (&u32, &FlowVersionId)| {
            let sessions = self.live(business, *id).count() as u64;
            (sessions > 0).then_some(LiveCount { version_id: *id, number: *number, sessions })
        };
        Ok(versions.filter_map(count).collect())
    }

    fn live_sessions(
        &self,
        business: BusinessId,
        version: FlowVersionId,
        request: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        self.versions.get(business, version)?;
        let last = cursor::<SessionId>(request)?;
        let rows = self.live(business, version).filter(|session| Some(session.id) > last);
        Ok(page(rows.map(|session| (session.id, session.clone())), request))
    }

    fn trace(
        &self,
        business: BusinessId,
        session: SessionId,
        request: &PageRequest,
    ) -> StoreResult<Page<TraceStep>> {
        let steps = self.sessions.get(business, session)?.trace.range(after::<u32>(request)?);
        Ok(page(steps.map(|(number, step)| (*number, step.clone())), request))
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn session(&self, business: BusinessId, id: SessionId) -> StoreResult<Session> {
        Ok(self.state().sessions.get(business, id)?.session.clone())
    }

    async fn waiting_session(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> StoreResult<Option<Session>> {
        let state = self.state();
        let waiting = state.threads.get(business, conversation)?.waiting;
        let run = waiting.and_then(|id| state.sessions.find(business, id));
        Ok(run.map(|run| run.session.clone()))
    }

    async fn sessions(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        self.state().sessions(business, conversation, page)
    }

    async fn live_counts(&self, business: BusinessId, flow: FlowId) -> StoreResult<Vec<LiveCount>> {
        self.state().live_counts(business, flow)
    }

    async fn live_sessions(
        &self,
        business: BusinessId,
        version: FlowVersionId,
        page: &PageRequest,
    ) -> StoreResult<Page<Session>> {
        self.state().live_sessions(business, version, page)
    }

    async fn trace(
        &self,
        business: BusinessId,
        session: SessionId,
        page: &PageRequest,
    ) -> StoreResult<Page<TraceStep>> {
        self.state().trace(business, session, page)
    }
}
