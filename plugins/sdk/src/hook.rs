//! Looks at messages on their way.

use serde_json::Value;

use crate::bindings::hook::exports::justping::plugin::hooks as wit;
use crate::failure::Wire;
use crate::{Contact, Failure, Message};

/// Looks at messages on their way. What is not implemented lets everything pass.
///
/// ```
/// use justping_plugin::{Contact, Failure, Hook, Message, Verdict, text};
///
/// struct Polite;
///
/// impl Hook for Polite {
///     fn before_send(message: &Message, _: &Contact) -> Result<Verdict, Failure> {
///         let calm = message.text.replace('!', ".");
///         Ok(if calm == message.text { Verdict::Pass } else { Verdict::Change(text(calm)) })
///     }
/// }
///
/// justping_plugin::export_hook!(Polite);
/// # fn main() {}
/// ```
pub trait Hook {
    /// Right before a message is handed to its channel.
    ///
    /// # Errors
    /// After a [`Failure`] the plugin's policy says whether the message goes on.
    fn before_send(_message: &Message, _contact: &Contact) -> Result<Verdict, Failure> {
        Ok(Verdict::Pass)
    }

    /// Right after a message was received and verified, before it is stored.
    ///
    /// # Errors
    /// After a [`Failure`] the plugin's policy says whether the message goes on.
    fn after_receive(_message: &Message) -> Result<Verdict, Failure> {
        Ok(Verdict::Pass)
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It goes on and says this instead, in the API's form.
    Change(Value),
    /// It goes no further, for this reason.
    Drop(String),
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Change(content) => Self::Change(content.to_string()),
            Verdict::Drop(reason) => Self::Drop(reason),
        }
    }
}

#[doc(hidden)]
pub fn before_send<H: Hook>(
    message: wit::Message,
    contact: wit::Contact,
) -> Result<wit::Verdict, Wire> {
    Ok(H::before_send(&message.try_into()?, &contact.try_into()?)?.into())
}

#[doc(hidden)]
pub fn after_receive<H: Hook>(message: wit::Message) -> Result<wit::Verdict, Wire> {
    Ok(H::after_receive(&message.try_into()?)?.into())
}

/// Exports a type that implements [`Hook`].
#[macro_export]
macro_rules! export_hook {
    ($hook:ty) => {
        const _: () = {
            use $crate::bindings::hook::exports::justping::plugin::hooks as wit;
            use ::std::result::Result;

            struct Plugin;

            impl wit::Guest for Plugin {
                fn before_send(
                    message: wit::Message,
                    contact: wit::Contact,
                ) -> Result<wit::Verdict, wit::Failure> {
                    $crate::export::before_send::<$hook>(message, contact)
                }

                fn after_receive(message: wit::Message) -> Result<wit::Verdict, wit::Failure> {
                    $crate::export::after_receive::<$hook>(message)
                }
            }

            $crate::bindings::hook::export_hooks_world!(Plugin with_types_in $crate::bindings::hook);
        };
    };
}
