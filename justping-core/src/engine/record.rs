//! Sessions as they are looked at: where they wait, and everything it takes to run them again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EngineError, JustPing};
use crate::model::{
    BusinessId, FlowVersionId, PAGE_MAX, Page, PageRequest, Session, SessionId, TraceStep,
};
use crate::port::{StepInput, StoreError};

/// Most bytes of the steps of a record.
pub const RECORD_MAX_BYTES: usize = 32 * 1024 * 1024;

/// A session with everything it takes to run it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The session as it stands.
    pub session: Session,
    /// The documents of every version it was on.
    pub versions: BTreeMap<FlowVersionId, Value>,
    /// Its steps, from the first.
    pub steps: Vec<TraceStep>,
}

impl JustPing {
    /// Lists the sessions of a version that wait, by id, each with the nodes it stands at
    /// ([`Program::position`](crate::port::Program::position)).
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such version.
    pub async fn live_sessions(
        &self,
        business: BusinessId,
        version: FlowVersionId,
        page: &PageRequest,
    ) -> Result<Page<(Session, Vec<String>)>, StoreError> {
        let read = self.inner.store.live_sessions(business, version, page).await?;
        let program = self.inner.programs.get(business, version).await?;
        let place = |session: Session| {
            let position = program.as_ref().map(|program| program.position(&session.state));
            (session, position.unwrap_or_default())
        };
        Ok(Page { items: read.items.into_iter().map(place).collect(), next: read.next })
    }

    /// Reads a session with all its steps and the documents they ran.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] when the steps have more than [`RECORD_MAX_BYTES`].
    pub async fn session_record(
        &self,
        business: BusinessId,
        id: SessionId,
    ) -> Result<SessionRecord, EngineError> {
        let store = &self.inner.store;
        let session = store.session(business, id).await?;
        let steps = self.steps(business, id).await?;
        let mut versions = BTreeMap::new();
        let moved = |step: &TraceStep| serde_json::from_str::<StepInput>(&step.input).ok()?.moved;
        let moves = steps.iter().filter_map(moved).flat_map(|moved| [moved.from, moved.to]);
        for version in moves.chain([session.flow_version_id]).collect::<BTreeSet<_>>() {
            match store.flow_version(business, version).await {
                Ok(found) => drop(versions.insert(version, found.document)),
                // A record that lacks a version still shows everything else.
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(SessionRecord { session, versions, steps })
    }

    async fn steps(
        &self,
        business: BusinessId,
        id: SessionId,
    ) -> Result<Vec<TraceStep>, EngineError> {
        let (mut steps, mut bytes) = (Vec::new(), 0);
        let mut page = PageRequest::first(PAGE_MAX);
        loop {
            let read = self.inner.store.trace(business, id, &page).await?;
            let size = |step: &TraceStep| step.input.len() + step.effects.len() + step.state.len();
            bytes += read.items.iter().map(size).sum::<usize>();
            if bytes > RECORD_MAX_BYTES {
                return Err(EngineError::TooLarge);
            }
            steps.extend(read.items);
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(steps),
            }
        }
    }
}
