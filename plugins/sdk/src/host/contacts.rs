//! The business's contacts.

use serde_json::Value;

use crate::bindings::capabilities::justping::plugin::{contacts as wit, contacts_write};
use crate::{Contact, Failure};

pub use wit::Error;

/// Reads a contact; it has no address and channel then.
///
/// # Errors
/// [`Failure`], which says why.
pub fn get(id: &str) -> Result<Option<Contact>, Failure> {
    wit::get(id)?.map(Contact::try_from).transpose()
}

/// Finds the contact with an address of a kind of channel, such as `whatsapp`, `+4915112345678`.
///
/// # Errors
/// [`Failure`], which says why.
pub fn find(channel: &str, address: &str) -> Result<Option<Contact>, Failure> {
    wit::find(channel, address)?.map(Contact::try_from).transpose()
}

/// Changes a contact, in the form of `PATCH /api/v1/contacts/{id}`. Needs `contacts-write`.
///
/// # Errors
/// [`Error`], which says why.
pub fn update(id: &str, patch: &Value) -> Result<(), Error> {
    contacts_write::update(id, &patch.to_string())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied => Self::new("denied", "the capability is not granted"),
            Error::Invalid(why) => Self::new("invalid_contact", why),
            Error::Unavailable(why) => {
                Self::new("unavailable", why).retry_after_ms(super::kv::RETRY_MS)
            }
        }
    }
}
