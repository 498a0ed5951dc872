use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{BusinessId, ConversationId, MemberId, Typist};

/// Most members of one business that are counted as present, and most who write in one
/// conversation.
pub const PRESENT_MAX: usize = 10_000;

/// Why nothing is known about who is present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// Whoever keeps it does not answer. Go on without.
    #[error("presence is unavailable")]
    Unavailable,
    /// There are [`PRESENT_MAX`] already.
    #[error("too many are present")]
    Full,
}

/// What presence returns.
pub type PresenceResult<T> = Result<T, PresenceError>;

/// Whether somebody's presence is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not so before.
    Changed,
    /// It was so already.
    Unchanged,
}

/// Who is here, and who is writing, as far as anybody said so lately.
///
/// # Contract
/// - What is said holds for its `ttl` and then ends by itself: a process that dies takes nobody's
///   presence along. Whoever stays says so again before it ends; the last word counts.
/// - Lists are in the order of ids, and hold nobody whose time is over.
/// - Who has several sockets leaves with the last of them; counting them is up to the caller.
///
/// # Ordering & idempotency
/// Saying a thing twice is saying it once, for longer.
///
/// # Cancellation
/// A dropped call may or may not have been heard.
///
/// # Errors
/// [`PresenceError::Unavailable`]: nobody's work may depend on presence.
#[async_trait]
pub trait Presence: Send + Sync + Debug + 'static {
    /// A member is here.
    async fn arrive(
        &self,
        business: BusinessId,
        member: MemberId,
        ttl: Duration,
    ) -> PresenceResult<Change>;

    /// A member is gone.
    async fn leave(&self, business: BusinessId, member: MemberId) -> PresenceResult<Change>;

    /// The members that are here.
    async fn members(&self, business: BusinessId) -> PresenceResult<Vec<MemberId>>;

    /// Somebody is writing.
    async fn start_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
        ttl: Duration,
    ) -> PresenceResult<Change>;

    /// Somebody stopped writing.
    async fn stop_typing(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        typist: Typist,
    ) -> PresenceResult<Change>;

    /// Those who are writing.
    async fn typists(
        &self,
        business: BusinessId,
        conversation: ConversationId,
    ) -> PresenceResult<Vec<Typist>>;
}
