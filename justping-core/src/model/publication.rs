use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BusinessId, FlowId, FlowVersionId, Timestamp};

/// What becomes of a flow's live sessions on other versions once a version is published.
///
/// Only the newest publication of a flow counts, for whatever version a session is on. It is carried
/// out when a session next has something to hear, in the same turn; until then nobody is written to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum SessionPolicy {
    /// They finish on the version they are on.
    #[default]
    Finish,
    /// They go on in the new version.
    Migrate {
        /// Where they stand afterwards, by where they stood. A node that is not named stays itself
        /// if the new version has a node with its id and of its type.
        #[serde(default)]
        nodes: BTreeMap<String, String>,
        /// What becomes of those that have nowhere to stand.
        #[serde(default)]
        stranded: StrandedPolicy,
    },
    /// They begin again, in the new version.
    Restart,
    /// They end. What the contact says is heard as if there had been none.
    End,
}

/// What becomes of sessions that cannot move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrandedPolicy {
    /// They finish on the version they are on.
    #[default]
    Finish,
    /// They begin again, in the new version.
    Restart,
    /// They end.
    End,
}

/// The decision to run a version from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The business that owns the flow.
    pub business_id: BusinessId,
    /// The flow.
    pub flow_id: FlowId,
    /// 1, 2, 3 … within the flow. The newest one counts.
    pub number: u32,
    /// The version that new sessions run.
    pub version_id: FlowVersionId,
    /// What becomes of the others.
    pub policy: SessionPolicy,
    /// When.
    pub published_at: Timestamp,
}

/// How many sessions of a version live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCount {
    /// The version.
    pub version_id: FlowVersionId,
    /// Its number within the flow.
    pub number: u32,
    /// Sessions that wait; more than none.
    pub sessions: u64,
}
