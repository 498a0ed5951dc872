use serde::{Deserialize, Serialize};

use super::{BusinessId, FlowId, FlowVersionId, Timestamp};

/// A graph that people edit. Contacts never run it; they run its published versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Its id.
    pub id: FlowId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The name people see.
    pub name: String,
    /// The document being edited (`justping.flow/1`); may be unfinished.
    pub draft: serde_json::Value,
    /// The version that new sessions run.
    pub published: Option<FlowVersionId>,
    /// Counts changes.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// An immutable copy of a flow's document. Sessions are pinned to one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowVersion {
    /// Its id.
    pub id: FlowVersionId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The flow it was taken from.
    pub flow_id: FlowId,
    /// 1, 2, 3 … within the flow.
    pub number: u32,
    /// SHA-256 in hex of the canonical document without its layout.
    pub content_hash: String,
    /// The document.
    pub document: serde_json::Value,
    /// When it was published.
    pub created_at: Timestamp,
}
