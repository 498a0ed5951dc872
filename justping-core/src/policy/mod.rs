//! Rules that decide, as pure functions. What they deny is data, with the reason.

mod can_send;
mod fit;
mod opt_out;
mod retry;

pub use can_send::{Decision, SendFacts, can_send};
pub use fit::fit;
pub use opt_out::{ConsentWord, consent_of, consent_patch, consent_word};
pub(crate) use retry::mix;
pub use retry::{ATTEMPTS_MAX, retry_delay};

#[cfg(test)]
mod tests;
