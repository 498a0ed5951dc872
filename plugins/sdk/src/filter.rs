//! Functions for texts.

use serde_json::Value;

use crate::Failure;
use crate::bindings::filter::exports::justping::plugin::filters as wit;
use crate::failure::Wire;

/// A function for texts: in a flow, `{{ name | shout }}`.
///
/// ```
/// use justping_plugin::{Failure, Filter};
/// use serde_json::Value;
///
/// struct Shout;
///
/// impl Filter for Shout {
///     const NAME: &'static str = "shout";
///     const SUMMARY: &'static str = "Makes everything large";
///
///     fn apply(value: Value, _: Vec<Value>) -> Result<Value, Failure> {
///         Ok(value.as_str().unwrap_or_default().to_uppercase().into())
///     }
/// }
///
/// justping_plugin::export_filters!(Shout);
/// # fn main() {}
/// ```
pub trait Filter {
    /// Its name within the plugin.
    const NAME: &'static str;
    /// What it does, in a sentence.
    const SUMMARY: &'static str;

    /// Makes a value of a value and arguments. It works alone, with no capability but the log.
    ///
    /// # Errors
    /// A [`Failure`] when it can make nothing of them.
    fn apply(value: Value, arguments: Vec<Value>) -> Result<Value, Failure>;
}

#[doc(hidden)]
pub fn describe<F: Filter>() -> wit::Filter {
    wit::Filter { name: F::NAME.to_owned(), summary: F::SUMMARY.to_owned() }
}

#[doc(hidden)]
pub fn apply<F: Filter>(value: &str, arguments: &str) -> Result<String, Wire> {
    let value = serde_json::from_str(value).map_err(Failure::from)?;
    let arguments = serde_json::from_str(arguments).map_err(Failure::from)?;
    Ok(F::apply(value, arguments)?.to_string())
}

#[doc(hidden)]
pub fn no_filter<T>(name: &str) -> Result<T, Wire> {
    Err(Failure::new("unknown_filter", format!("the plugin has no filter {name}")).into())
}

/// Exports types that implement [`Filter`] as the plugin's functions for texts.
#[macro_export]
macro_rules! export_filters {
    ($($filter:ty),+ $(,)?) => {
        const _: () = {
            use $crate::bindings::filter::exports::justping::plugin::filters as wit;
            use ::std::string::String;

            struct Plugin;

            impl wit::Guest for Plugin {
                fn describe() -> ::std::vec::Vec<wit::Filter> {
                    ::std::vec![$($crate::export::describe_filter::<$filter>()),+]
                }

                fn apply(
                    filter: String,
                    value: String,
                    arguments: String,
                ) -> ::std::result::Result<String, wit::Failure> {
                    match filter.as_str() {
                        $(<$filter as $crate::Filter>::NAME => {
                            $crate::export::apply::<$filter>(&value, &arguments)
                        })+
                        other => $crate::export::no_filter(other),
                    }
                }
            }

            $crate::bindings::filter::export_filters_world!(
                Plugin with_types_in $crate::bindings::filter
            );
        };
    };
}
