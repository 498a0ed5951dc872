//! Publishing flows: what is to be known before, and the decision itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fate::{Fate, destiny};
use super::program::Compiled;
use super::{JustPing, PublishError};
use crate::model::{
    BusinessId, Flow, FlowId, FlowVersion, FlowVersionId, LiveCount, PAGE_MAX, PageRequest,
    SessionPolicy,
};
use crate::port::{Finding, Program, Severity, StoreError};

/// Most groups of sessions that a report names; the largest ones. The sums count all.
pub const REPORT_GROUPS_MAX: usize = 1_000;
/// Most nodes that a policy may rename.
pub const POLICY_NODES_MAX: usize = 2_000;

/// What to publish, and what for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PublishOptions {
    /// What becomes of sessions on other versions.
    pub policy: SessionPolicy,
    /// An earlier version to go back to, in place of the draft.
    pub version: Option<FlowVersionId>,
    /// The revision of the draft that was looked at; another one is not published.
    pub revision: Option<u64>,
}

/// What a publication does to the sessions that live, counted at the moment of asking.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SafetyReport {
    /// Sessions that wait, on any version of the flow.
    pub live: u64,
    /// Those that are on the version already.
    pub stays: u64,
    /// Those that finish on their version.
    pub finishes: u64,
    /// Those that go on in the new version.
    pub migrates: u64,
    /// Those that have nowhere to stand in it.
    pub stranded: u64,
    /// Those that begin again.
    pub restarts: u64,
    /// Those that end.
    pub ends: u64,
    /// The same by version, node and fate, the largest first; at most [`REPORT_GROUPS_MAX`].
    pub groups: Vec<FateGroup>,
}

/// Sessions that share a fate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FateGroup {
    /// The version they are on.
    pub version_id: FlowVersionId,
    /// Its number.
    pub number: u32,
    /// The node they wait at; `None` when their version cannot say.
    pub node: Option<String>,
    /// How many they are.
    pub sessions: u64,
    /// What becomes of them.
    #[serde(flatten)]
    pub fate: Fate,
}

/// A version that was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The version.
    pub version: FlowVersion,
    /// What it does to the sessions that lived just before.
    pub report: SafetyReport,
}

/// Where a session stands, and what becomes of it.
type Group = (u32, Option<String>, Fate);

impl JustPing {
    /// Looks a flow's draft over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such flow.
    pub async fn check_flow(
        &self,
        business: BusinessId,
        id: FlowId,
    ) -> Result<Vec<Finding>, StoreError> {
        let flow = self.inner.store.flow(business, id).await?;
        match self.linked(&flow).await {
            Ok(document) => Ok(self.inner.flows.check(&document)),
            Err(PublishError::Invalid(findings)) => Ok(findings),
            Err(PublishError::Store(error)) => Err(error),
            // Linking knows no other errors.
            Err(_) => Ok(Vec::new()),
        }
    }

    /// A flow's draft as it would be published now: with the published documents of the flows that
    /// it calls by their ids.
    ///
    /// # Errors
    /// [`PublishError::Invalid`] when they cannot stand in one document.
    pub async fn linked_draft(
        &self,
        business: BusinessId,
        id: FlowId,
    ) -> Result<Value, PublishError> {
        self.linked(&self.inner.store.flow(business, id).await?).await
    }

    /// Puts what a draft calls by ids into it. A flow that is not there, or was never published,
    /// stays a call that leads nowhere, and so does a call of the flow itself.
    async fn linked(&self, flow: &Flow) -> Result<Value, PublishError> {
        let (store, runtime) = (&self.inner.store, &self.inner.flows);
        let mut found = BTreeMap::new();
        for key in runtime.missing_flows(&flow.draft) {
            let Ok(id) = key.parse::<FlowId>() else { continue };
            let called = match store.flow(flow.business_id, id).await {
                Ok(called) if id != flow.id => called,
                Ok(_) | Err(StoreError::NotFound(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(version) = called.published {
                let version = store.flow_version(flow.business_id, version).await?;
                found.insert(key, version.document);
            }
        }
        if found.is_empty() {
            return Ok(flow.draft.clone());
        }
        let linked = runtime.with_flows(&flow.draft, &found);
        linked.map_err(|error| PublishError::Invalid(error.findings))
    }

    /// Freezes a flow's draft as the version that new sessions run. Running sessions finish on
    /// theirs. An unchanged draft gives the version there is.
    ///
    /// # Errors
    /// [`PublishError::Invalid`] with every finding when the draft has errors.
    pub async fn publish_flow(
        &self,
        business: BusinessId,
        id: FlowId,
    ) -> Result<FlowVersion, PublishError> {
        let options = PublishOptions::default();
        let (version, program) = self.candidate(business, id, &options).await?;
        Ok(self.store_version(&version, program, &options).await?)
    }

    /// Tells what [`publish`](Self::publish) would do to the sessions that live. Changes nothing.
    /// Reads every one of them, a page at a time.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn safety_report(
        &self,
        business: BusinessId,
        id: FlowId,
        options: &PublishOptions,
    ) -> Result<SafetyReport, PublishError> {
        let (version, program) = self.candidate(business, id, options).await?;
        self.report(&version, &*program, &options.policy).await
    }

    /// Makes the draft, or an earlier version, the one that new sessions run, and decides what
    /// becomes of the others.
    ///
    /// # Errors
    /// [`PublishError::Invalid`] with every finding when the document has errors,
    /// [`PublishError::UnknownNode`] when the policy names a node that it does not have,
    /// [`PublishError::Store`] with `Stale` when the draft has another revision.
    pub async fn publish(
        &self,
        business: BusinessId,
        id: FlowId,
        options: &PublishOptions,
    ) -> Result<Published, PublishError> {
        let (version, program) = self.candidate(business, id, options).await?;
        let report = self.report(&version, &*program, &options.policy).await?;
        let version = self.store_version(&version, program, options).await?;
        Ok(Published { version, report })
    }

    /// Tells what the newest publication of a flow has yet to do: what becomes of the sessions that
    /// live now. Reads every one of them, a page at a time. Nothing for a flow that was never
    /// published.
    ///
    /// # Errors
    /// [`PublishError::Store`] with `NotFound` when there is no such flow.
    pub async fn pending_report(
        &self,
        business: BusinessId,
        id: FlowId,
    ) -> Result<SafetyReport, PublishError> {
        let store = &self.inner.store;
        let Some(current) = store.flow(business, id).await?.published else {
            return Ok(SafetyReport::default());
        };
        let newest = store.publication_for(business, current).await?;
        let policy = newest.map(|newest| newest.policy).unwrap_or_default();
        let version = store.flow_version(business, current).await?;
        match self.program(business, current).await? {
            Some(program) => self.report(&version, &*program, &policy).await,
            None => Ok(SafetyReport::default()),
        }
    }

    async fn store_version(
        &self,
        version: &FlowVersion,
        program: Arc<dyn Program>,
        options: &PublishOptions,
    ) -> Result<FlowVersion, StoreError> {
        let now = self.inner.clock.now();
        let stored = self.inner.store.publish_flow(version, &options.policy, now).await?;
        self.inner.programs.keep((stored.business_id, stored.id), Ok(program));
        Ok(stored)
    }

    /// The program of a version; `None` when it does not compile here.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store is not there.
    pub async fn program(
        &self,
        business: BusinessId,
        version: FlowVersionId,
    ) -> Result<Option<Arc<dyn Program>>, StoreError> {
        Ok(self.inner.programs.get(business, version).await?.ok())
    }

    /// The version to be, with its program.
    async fn candidate(
        &self,
        business: BusinessId,
        id: FlowId,
        options: &PublishOptions,
    ) -> Result<(FlowVersion, Arc<dyn Program>), PublishError> {
        let flow = self.inner.store.flow(business, id).await?;
        if options.revision.is_some_and(|revision| revision != flow.revision) {
            return Err(StoreError::Stale("flow").into());
        }
        let version = match options.version {
            None => {
                let document = self.linked(&flow).await?;
                FlowVersion {
                    id: FlowVersionId::from_uuid(self.inner.ids.uuid()),
                    business_id: business,
                    flow_id: id,
                    // The store gives the next number in the same transaction.
                    number: 0,
                    content_hash: self.inner.flows.content_hash(&document),
                    document,
                    created_at: self.inner.clock.now(),
                }
            }
            Some(earlier) => {
                let version = self.inner.store.flow_version(business, earlier).await?;
                if version.flow_id != id {
                    return Err(StoreError::NotFound("flow version").into());
                }
                version
            }
        };
        let findings = self.inner.flows.check(&version.document);
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(PublishError::Invalid(findings));
        }
        let program = self.inner.flows.compile(&version.document);
        let program = program.map_err(|error| PublishError::Invalid(error.findings))?;
        check_policy(&options.policy, &*program)?;
        Ok((version, program))
    }

    async fn report(
        &self,
        version: &FlowVersion,
        program: &dyn Program,
        policy: &SessionPolicy,
    ) -> Result<SafetyReport, PublishError> {
        let (business, flow) = (version.business_id, version.flow_id);
        let mut groups = BTreeMap::new();
        let mut ids = BTreeMap::new();
        for live in self.inner.store.live_counts(business, flow).await? {
            ids.insert(live.number, live.version_id);
            let old = self.inner.store.flow_version(business, live.version_id).await?;
            let is_same = old.content_hash == version.content_hash;
            let old = self.inner.programs.get(business, live.version_id).await?;
            let decide = |state: &str| {
                let position = old.as_ref().map(|old| old.position(state)).unwrap_or_default();
                let fate = if is_same {
                    Fate::Stays
                } else {
                    destiny(policy, old.as_deref().ok(), program, &position).fate
                };
                (live.number, position.last().cloned(), fate)
            };
            self.count_live(business, live, &decide, &mut groups).await?;
        }
        Ok(SafetyReport::of(groups, &ids))
    }

    /// Reads the live sessions of a version, a page at a time.
    async fn count_live(
        &self,
        business: BusinessId,
        live: LiveCount,
        decide: &(dyn Fn(&str) -> Group + Sync),
        groups: &mut BTreeMap<Group, u64>,
    ) -> Result<(), StoreError> {
        let mut page = PageRequest::first(PAGE_MAX);
        loop {
            let read = self.inner.store.live_sessions(business, live.version_id, &page).await?;
            for session in read.items {
                *groups.entry(decide(&session.state)).or_default() += 1;
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// A policy may only send sessions to nodes that are there.
fn check_policy(policy: &SessionPolicy, program: &dyn Program) -> Result<(), PublishError> {
    let SessionPolicy::Migrate { nodes, .. } = policy else { return Ok(()) };
    if nodes.len() > POLICY_NODES_MAX {
        return Err(PublishError::TooManyNodes);
    }
    match nodes.values().find(|node| program.mark(node).is_none()) {
        Some(node) => Err(PublishError::UnknownNode(node.clone())),
        None => Ok(()),
    }
}

impl SafetyReport {
    fn of(groups: BTreeMap<Group, u64>, ids: &BTreeMap<u32, FlowVersionId>) -> Self {
        let mut report = Self::default();
        for ((number, node, fate), sessions) in groups {
            report.live += sessions;
            *report.sum_of(&fate) += sessions;
            let Some(version_id) = ids.get(&number).copied() else { continue };
            report.groups.push(FateGroup { version_id, number, node, sessions, fate });
        }
        report.groups.sort_by_key(|group| std::cmp::Reverse(group.sessions));
        report.groups.truncate(REPORT_GROUPS_MAX);
        report
    }

    fn sum_of(&mut self, fate: &Fate) -> &mut u64 {
        match fate {
            Fate::Stays => &mut self.stays,
            Fate::Finishes => &mut self.finishes,
            Fate::Migrates { .. } => &mut self.migrates,
            Fate::Stranded { .. } => &mut self.stranded,
            Fate::Restarts => &mut self.restarts,
            Fate::Ends => &mut self.ends,
        }
    }
}

impl JustPing {
    /// What the turn of a session on another version needs to know: the newest decision about its
    /// flow.
    pub(super) async fn publication(
        &self,
        claim: &crate::port::store::TurnClaim,
    ) -> Result<Option<crate::model::Publication>, StoreError> {
        let Some(session) = &claim.session else { return Ok(None) };
        let version = session.flow_version_id;
        // Nearly always: the session is on the version that new ones run.
        if claim.versions.contains(&version) {
            return Ok(None);
        }
        let newest = self.inner.store.publication_for(session.business_id, version).await?;
        Ok(newest.filter(|newest| newest.version_id != version))
    }
}

/// The program of a compiled version, if it compiled.
pub(super) fn running(compiled: Option<&Compiled>) -> Option<&dyn Program> {
    match compiled {
        Some(Ok(program)) => Some(&**program),
        _ => None,
    }
}
