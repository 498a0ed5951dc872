//! What models must not see, must not be asked, and must not say.
//!
//! `personal` finds personal data · `redact` shows placeholders instead and takes them back ·
//! `words` finds blocked phrases · `foreign` marks what somebody else wrote.

mod foreign;
mod personal;
mod redact;
mod words;

pub use self::foreign::{FOREIGN_RULE, mark_foreign};
pub use self::personal::{Found, find};
pub use self::redact::{Redactor, Restorer};
pub use self::words::says;
