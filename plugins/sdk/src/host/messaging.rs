//! Sends messages, under the same rules as everybody: consent, windows and pace.

use serde_json::Value;

use crate::Failure;
use crate::bindings::capabilities::justping::plugin::messaging as wit;

pub use wit::Error;

/// Takes a message for a conversation and returns its id. The same key gives the same message: a second
/// call sends nothing.
///
/// # Errors
/// [`Error`], which says why.
pub fn send(conversation: &str, content: &Value, idempotency_key: &str) -> Result<String, Error> {
    wit::send(conversation, &content.to_string(), idempotency_key)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied => Self::new("denied", "the capability messaging is not granted"),
            Error::Invalid(why) => Self::new("invalid_message", why),
            Error::Refused(why) => Self::new("refused", why),
            Error::Unavailable(why) => {
                Self::new("unavailable", why).retry_after_ms(super::kv::RETRY_MS)
            }
        }
    }
}
