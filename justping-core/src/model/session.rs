use serde::{Deserialize, Serialize};

use super::{AgentId, BusinessId, ConversationId, FlowVersionId, SessionId, Timestamp};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// It waits for a message, a timer or a call.
    Waiting,
    /// It reached an end.
    Completed,
    /// It broke a limit or a node failed without an exit for it.
    Failed,
    /// It was ended from outside: the conversation was closed.
    Cancelled,
}

impl SessionStatus {
    /// Its name in JSON and in stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One contact's walk through one flow version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The business that owns it.
    pub business_id: BusinessId,
    /// The conversation it runs in.
    pub conversation_id: ConversationId,
    /// The agent it runs for.
    pub agent_id: AgentId,
    /// The version it is pinned to.
    pub flow_version_id: FlowVersionId,
    /// Where it stands.
    pub status: SessionStatus,
    /// Steps taken.
    pub steps: u32,
    /// The interpreter's own state: opaque bytes of JSON, at most
    /// [`STATE_MAX_BYTES`](crate::port::STATE_MAX_BYTES).
    pub state: String,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When it started.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
}

/// What went into one step and what came out: enough to run it again and compare bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// 1, 2, 3 … within the session.
    pub number: u32,
    /// The step's whole input but the state, as JSON ([`StepInput`](crate::port::StepInput)).
    pub input: String,
    /// The effects, as JSON.
    pub effects: String,
    /// The state afterwards.
    pub state: String,
}
