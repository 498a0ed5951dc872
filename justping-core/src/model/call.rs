use serde::{Deserialize, Serialize};

use super::{BusinessId, CallId, ConversationId, FlowVersionId, SessionId, Timestamp};

/// Work that a node wants done outside the step: a model's answer, a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRequest {
    /// The node that asked, and that will be given the result.
    pub node: String,
    /// Names this request within its session: a result with an older token is stale.
    pub token: String,
    /// What to do, in the node's own form. Everything `perform` needs is in here.
    pub input: serde_json::Value,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// It worked; the node's own form.
    Ok(serde_json::Value),
    /// It did not; a stable code and a sentence for people.
    Error {
        /// A stable code such as `timeout` or `rejected`.
        code: String,
        /// A sentence, without message text or secrets.
        detail: String,
    },
}

/// A stored call, waiting to be done or being done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its id, also the idempotency key of the work.
    pub id: CallId,
    /// The business it is for.
    pub business_id: BusinessId,
    /// The conversation that waits.
    pub conversation_id: ConversationId,
    /// The session that waits.
    pub session_id: SessionId,
    /// The version whose node performs it.
    pub flow_version_id: FlowVersionId,
    /// What to do.
    pub request: CallRequest,
    /// How many workers have taken it before.
    pub attempts: u32,
    /// When it was asked for.
    pub created_at: Timestamp,
}
