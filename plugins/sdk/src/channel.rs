//! A channel of its own.

use serde_json::Value;

use crate::bindings::channel::exports::justping::plugin::channels as wit;

pub use wit::{Refusal, SendError, Webhook};

/// A channel of its own.
pub trait Channel {
    /// What it is.
    fn describe() -> ChannelInfo;

    /// Verifies and reads a webhook. What it does not know is `{"type": "unsupported", …}`.
    ///
    /// # Errors
    /// A [`Refusal`] when the webhook is not from the provider, or makes no sense.
    fn receive(webhook: &Webhook) -> Result<Received, Refusal>;

    /// Hands a message over, once; returns the provider's reference, if it gives one.
    ///
    /// # Errors
    /// [`SendError::Unknown`] whenever it may have left, [`SendError::Retry`] only when it certainly
    /// did not.
    fn send(outbound: &Outbound) -> Result<Option<String>, SendError>;
}

/// What a channel is.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelInfo {
    /// The kind of addresses it reaches, such as `sms`.
    pub kind: String,
    /// What people see.
    pub title: String,
    /// What it can do: the platform's capabilities; what is left out it cannot do.
    pub capabilities: Value,
}

/// What a webhook says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Received {
    /// What came in, each in the form the manual of channels gives.
    pub inbound: Vec<Value>,
    /// The body of the answer; empty for most providers.
    pub reply: Vec<u8>,
}

/// A message to hand over.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outbound {
    /// The receiver's address.
    pub to: String,
    /// What it says, in the API's form, within the capabilities.
    pub content: Value,
    /// The provider's reference of the message it answers.
    pub reply_to: Option<String>,
    /// The same for every try of the same message.
    pub idempotency_key: String,
}

#[doc(hidden)]
pub fn describe<C: Channel>() -> wit::Channel {
    let ChannelInfo { kind, title, capabilities } = C::describe();
    wit::Channel { kind, title, capabilities: capabilities.to_string() }
}

#[doc(hidden)]
pub fn receive<C: Channel>(webhook: &Webhook) -> Result<wit::Received, Refusal> {
    let Received { inbound, reply } = C::receive(webhook)?;
    Ok(wit::Received { inbound: inbound.iter().map(Value::to_string).collect(), reply })
}

#[doc(hidden)]
pub fn send<C: Channel>(outbound: wit::Outbound) -> Result<Option<String>, SendError> {
    let wit::Outbound { to, content, reply_to, idempotency_key } = outbound;
    let content = serde_json::from_str(&content)
        .map_err(|error| SendError::Rejected(format!("invalid_json: {error}")))?;
    C::send(&Outbound { to, content, reply_to, idempotency_key })
}

/// Exports a type that implements [`Channel`].
#[macro_export]
macro_rules! export_channel {
    ($channel:ty) => {
        const _: () = {
            use ::std::result::Result;
            use $crate::bindings::channel::exports::justping::plugin::channels as wit;

            struct Plugin;

            impl wit::Guest for Plugin {
                fn describe() -> wit::Channel {
                    $crate::export::describe_channel::<$channel>()
                }

                fn receive(webhook: wit::Webhook) -> Result<wit::Received, wit::Refusal> {
                    $crate::export::receive::<$channel>(&webhook)
                }

                fn send(
                    outbound: wit::Outbound,
                ) -> Result<::std::option::Option<::std::string::String>, wit::SendError> {
                    $crate::export::send::<$channel>(outbound)
                }
            }

            $crate::bindings::channel::export_channels_world!(
                Plugin with_types_in $crate::bindings::channel
            );
        };
    };
}
