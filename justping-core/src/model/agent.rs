use serde::{Deserialize, Serialize};

use super::{AgentId, BusinessId, FlowId, Timestamp};

/// An AI agent: how it speaks, which model it uses, and the flows it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The name people see.
    pub name: String,
    /// What every AI node of its flows is told first.
    pub instructions: String,
    /// The model its AI nodes use unless they name one.
    pub model: Option<String>,
    /// Its flows; of those that are published, the first whose trigger matches starts.
    pub flows: Vec<FlowId>,
    /// Counts changes.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
