//! Rules that decide, as pure functions. What they deny is data, with the reason.

mod can_send;
mod fair;
mod fit;
mod lane;
mod link;
mod mail;
mod opt_out;
mod retry;
mod throttle;

pub use can_send::{Decision, SendFacts, can_send};
pub use fair::{Line, Reach, choose_sends, first_depth, take_turns};
pub use fit::{MORE_MARK, fit, fit_in_pages};
pub use lane::{LANES, LaneQuota, LaneShares};
pub(crate) use link::sign;
pub use link::{LinkProblem, RESUME_KEY_MIN_BYTES, ResumeLink, ResumeLinks, derive_key};
pub use mail::{THREAD_WITHIN, answer_by_mail};
pub use opt_out::{ConsentWord, consent_of, consent_patch, consent_word};
pub(crate) use retry::mix;
pub use retry::{ATTEMPTS_MAX, retry_delay};
pub use throttle::Throttle;

#[cfg(test)]
mod tests;
