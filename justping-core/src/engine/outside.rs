//! Events from outside for sessions that wait for them: by name, from programs that may send them, and
//! by link, from whoever holds one.

use serde_json::Value;

use super::{EngineError, JustPing};
use crate::model::{BusinessId, ConversationId, Session, SessionStatus, Signal};
use crate::port::store::OutsideMail;
use crate::port::{Expectation, StoreError};

/// Most bytes of an event's data, written as JSON without blanks.
pub const OUTSIDE_DATA_MAX_BYTES: usize = 16 * 1024;
/// Most characters of an event's name.
pub const OUTSIDE_NAME_MAX_CHARS: usize = 100;

/// Why an outside event changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// The link was not made here.
    #[error("there is no such link")]
    UnknownLink,
    /// No session waits in the conversation.
    #[error("no session waits in the conversation")]
    NoSession,
    /// The session does not wait for it, or no longer: it was used, timed out, or left behind.
    #[error("the session does not wait for it")]
    Over,
    /// The name is not 1 to [`OUTSIDE_NAME_MAX_CHARS`] letters, digits, `_`, `.`, `:` or `-`.
    #[error("an event has a name of 1 to {OUTSIDE_NAME_MAX_CHARS} letters, digits, _ . : -")]
    Name,
    /// The data has more than [`OUTSIDE_DATA_MAX_BYTES`].
    #[error("the data has more than {OUTSIDE_DATA_MAX_BYTES} bytes")]
    TooLarge,
    /// The engine cannot take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for OutsideError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl JustPing {
    /// Ends the wait that a link was made for. `token` is what follows the base of
    /// [`ResumeLinks`](crate::policy::ResumeLinks) in it.
    ///
    /// Once this returns, the event is stored; the session hears it in order with other mail. The
    /// same link a second time is [`OutsideError::Over`] as soon as the first was heard, and until
    /// then changes nothing.
    ///
    /// # Errors
    /// [`OutsideError`].
    pub async fn resume_by_link(
        &self,
        token: &str,
        data: Value,
    ) -> Result<Expectation, OutsideError> {
        let links = self.inner.links.as_ref();
        let link = links.and_then(|links| links.verify(token)).ok_or(OutsideError::UnknownLink)?;
        let session = match self.inner.store.session(link.business_id, link.session_id).await {
            Ok(session) => session,
            // The link is real, so the session was: it is cleared up by now.
            Err(StoreError::NotFound(_)) => return Err(OutsideError::Over),
            Err(error) => return Err(error.into()),
        };
        self.put_outside(session, Signal::Link(link.number), data).await
    }

    /// Sends an event of a name to the session that waits in a conversation.
    ///
    /// # Errors
    /// [`OutsideError`]; a conversation that is not there is [`StoreError::NotFound`].
    pub async fn send_event(
        &self,
        business: BusinessId,
        conversation: ConversationId,
        name: &str,
        data: Value,
    ) -> Result<Expectation, OutsideError> {
        if !is_event_name(name) {
            return Err(OutsideError::Name);
        }
        let session = self.inner.store.waiting_session(business, conversation).await?;
        let session = session.ok_or(OutsideError::NoSession)?;
        self.put_outside(session, Signal::Name(name.to_owned()), data).await
    }

    async fn put_outside(
        &self,
        session: Session,
        signal: Signal,
        data: Value,
    ) -> Result<Expectation, OutsideError> {
        if data.to_string().len() > OUTSIDE_DATA_MAX_BYTES {
            return Err(OutsideError::TooLarge);
        }
        if session.status != SessionStatus::Waiting {
            return Err(OutsideError::Over);
        }
        let business_id = session.business_id;
        let program = self.inner.programs.get(business_id, session.flow_version_id).await?;
        let expected = match program {
            Ok(program) => program.expects(&session.state, &signal),
            Err(_) => Expectation::Over,
        };
        if expected == Expectation::Over {
            return Err(OutsideError::Over);
        }
        let (conversation_id, session_id) = (session.conversation_id, session.id);
        let mail = OutsideMail { business_id, conversation_id, session_id, signal, data };
        if self.inner.store.put_outside(vec![mail]).await? == 0 {
            return Err(OutsideError::Over);
        }
        self.inner.wake.turns.notify_one();
        Ok(expected)
    }
}

fn is_event_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    (1..=OUTSIDE_NAME_MAX_CHARS).contains(&name.len()) && name.bytes().all(fits)
}
