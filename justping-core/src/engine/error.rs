use crate::model::FailureKind;
use crate::port::{ChannelConfigError, Finding, ReceiveError, SendError, StoreError};

/// Why the engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The store says no, or is not there.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The channel's provider is not part of this program.
    #[error("no provider is called {0}")]
    UnknownProvider(String),
    /// The channel cannot be opened with its settings and secrets.
    #[error("the channel is misconfigured: {0}")]
    Channel(#[from] ChannelConfigError),
    /// The channel is switched off.
    #[error("the channel is disabled")]
    Disabled,
    /// The policy forbids the message.
    #[error("the message may not be sent: {0:?}")]
    Denied(FailureKind),
    /// The provider did not accept the request.
    #[error("the provider refused: {0}")]
    Provider(#[from] SendError),
    /// What was asked for is larger than what is given out at once.
    #[error("too large")]
    TooLarge,
    /// Too much work is waiting: come back a little later. Nothing was stored.
    #[error("overloaded")]
    Overloaded,
}

/// Why a webhook was refused. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The channel refuses the request.
    #[error(transparent)]
    Refused(#[from] ReceiveError),
    /// The engine cannot take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for WebhookError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

/// Why a flow was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The document has errors.
    #[error("the flow has {} problem(s)", .0.len())]
    Invalid(Vec<Finding>),
    /// The policy sends sessions to a node that the document does not have.
    #[error("the flow has no node {0}")]
    UnknownNode(String),
    /// The policy renames more than [`POLICY_NODES_MAX`](super::POLICY_NODES_MAX) nodes.
    #[error("the policy names too many nodes")]
    TooManyNodes,
    /// The store says no, or is not there.
    #[error(transparent)]
    Store(#[from] StoreError),
}
