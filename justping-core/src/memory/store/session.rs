use std::collections::BTreeMap;

use async_trait::async_trait;

use super::table::{after, page};
use super::{MemoryStore, State};
use crate::model::{BusinessId, ConversationId, Page, PageRequest, Session, SessionId, TraceStep};
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

    async fn trace(
        &self,
        business: BusinessId,
        session: SessionId,
        page: &PageRequest,
    ) -> StoreResult<Page<TraceStep>> {
        self.state().trace(business, session, page)
    }
}
