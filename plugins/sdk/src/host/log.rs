//! Lines for the plugin's log, which the business reads.

use crate::bindings::capabilities::justping::plugin::log as wit;

/// For the author.
pub fn debug(text: impl AsRef<str>) {
    wit::write(wit::Level::Debug, text.as_ref());
}

/// Good to know.
pub fn info(text: impl AsRef<str>) {
    wit::write(wit::Level::Info, text.as_ref());
}

/// Worth a look.
pub fn warn(text: impl AsRef<str>) {
    wit::write(wit::Level::Warn, text.as_ref());
}

/// Something is broken.
pub fn error(text: impl AsRef<str>) {
    wit::write(wit::Level::Error, text.as_ref());
}
