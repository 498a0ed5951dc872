//! Hears what happens.

use serde_json::Value;

use crate::Failure;
use crate::bindings::subscriber::exports::justping::plugin::subscriber as wit;
use crate::failure::Wire;

/// Hears what happens.
///
/// ```
/// use justping_plugin::{Fact, Failure, Subscriber, kv};
///
/// struct Count;
///
/// impl Subscriber for Count {
///     const INTERESTS: &'static [&'static str] = &["conversation.*"];
///
///     fn handle(facts: &[Fact]) -> Result<(), Failure> {
///         for fact in facts {
///             kv::increment(&fact.name, 1)?;
///         }
///         Ok(())
///     }
/// }
///
/// justping_plugin::export_subscriber!(Count);
/// # fn main() {}
/// ```
pub trait Subscriber {
    /// The names of the events it wants; one `*` at the end of a name stands for any rest.
    const INTERESTS: &'static [&'static str];

    /// Takes events, in their order.
    ///
    /// # Errors
    /// After a [`Failure`] the same ones are told again.
    fn handle(facts: &[Fact]) -> Result<(), Failure>;
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The same whenever it is told again.
    pub id: String,
    /// Its name, such as `conversation.created`.
    pub name: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// All of it, in the API's form.
    pub data: Value,
}

#[doc(hidden)]
pub fn interests<S: Subscriber>() -> Vec<String> {
    S::INTERESTS.iter().map(|name| (*name).to_owned()).collect()
}

#[doc(hidden)]
pub fn handle<S: Subscriber>(events: Vec<wit::Event>) -> Result<(), Wire> {
    let mut facts = Vec::with_capacity(events.len());
    for wit::Event { id, name, at, data } in events {
        let data = serde_json::from_str(&data).map_err(Failure::from)?;
        facts.push(Fact { id, name, at_ms: at, data });
    }
    Ok(S::handle(&facts)?)
}

/// Exports a type that implements [`Subscriber`].
#[macro_export]
macro_rules! export_subscriber {
    ($subscriber:ty) => {
        const _: () = {
            use ::std::string::String;
            use ::std::vec::Vec;
            use $crate::bindings::subscriber::exports::justping::plugin::subscriber as wit;

            struct Plugin;

            impl wit::Guest for Plugin {
                fn interests() -> Vec<String> {
                    $crate::export::interests::<$subscriber>()
                }

                fn handle(events: Vec<wit::Event>) -> ::std::result::Result<(), wit::Failure> {
                    $crate::export::handle::<$subscriber>(events)
                }
            }

            $crate::bindings::subscriber::export_subscriber_world!(
                Plugin with_types_in $crate::bindings::subscriber
            );
        };
    };
}
