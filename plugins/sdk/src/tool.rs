//! Tools that models and flows can have called.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::tool::exports::justping::plugin::tools as wit;
use crate::failure::Wire;
use crate::{Failure, Scope};

/// A tool that models and flows can have called.
///
/// ```
/// use justping_plugin::{Failure, Scope, Tool, ToolInfo, kv};
/// use serde::Deserialize;
/// use serde_json::{Value, json};
///
/// struct AddPoints;
///
/// #[derive(Deserialize)]
/// struct Arguments {
///     points: i64,
/// }
///
/// impl Tool for AddPoints {
///     type Arguments = Arguments;
///     const NAME: &'static str = "add_points";
///
///     fn describe() -> ToolInfo {
///         ToolInfo {
///             description: "Adds loyalty points and tells the new sum".to_owned(),
///             parameters: json!({
///                 "type": "object",
///                 "properties": {"points": {"type": "integer", "minimum": 1}},
///                 "required": ["points"]
///             }),
///         }
///     }
///
///     fn call(_: &Scope, contact_id: &str, Arguments { points }: Arguments) -> Result<Value, Failure> {
///         Ok(json!({"points": kv::increment(&format!("points/{contact_id}"), points)?}))
///     }
/// }
///
/// justping_plugin::export_tools!(AddPoints);
/// # fn main() {}
/// ```
pub trait Tool {
    /// Its arguments: what its schema describes. Use [`Value`] for anything.
    type Arguments: DeserializeOwned;
    /// Its name within the plugin.
    const NAME: &'static str;

    /// What it is for.
    fn describe() -> ToolInfo;

    /// Calls it; returns what the model is told.
    ///
    /// # Errors
    /// A [`Failure`] is told to the model.
    fn call(scope: &Scope, contact_id: &str, arguments: Self::Arguments) -> Result<Value, Failure>;
}

/// What a tool is for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolInfo {
    /// What it does, for models.
    pub description: String,
    /// JSON Schema of its arguments, of an object.
    pub parameters: Value,
}

#[doc(hidden)]
pub fn describe<T: Tool>() -> wit::Tool {
    let ToolInfo { description, parameters } = T::describe();
    wit::Tool { name: T::NAME.to_owned(), description, parameters: parameters.to_string() }
}

#[doc(hidden)]
pub fn call<T: Tool>(scope: wit::Scope, contact: &str, arguments: &str) -> Result<String, Wire> {
    let arguments = serde_json::from_str(arguments)
        .map_err(|error| Failure::new("invalid_arguments", error))?;
    Ok(T::call(&scope.into(), contact, arguments)?.to_string())
}

#[doc(hidden)]
pub fn no_tool<T>(name: &str) -> Result<T, Wire> {
    Err(Failure::new("unknown_tool", format!("the plugin has no tool {name}")).into())
}

/// Exports types that implement [`Tool`] as the plugin's tools.
#[macro_export]
macro_rules! export_tools {
    ($($tool:ty),+ $(,)?) => {
        const _: () = {
            use $crate::bindings::tool::exports::justping::plugin::tools as wit;
            use ::std::string::String;

            struct Plugin;

            impl wit::Guest for Plugin {
                fn describe() -> ::std::vec::Vec<wit::Tool> {
                    ::std::vec![$($crate::export::describe_tool::<$tool>()),+]
                }

                fn call(
                    scope: wit::Scope,
                    contact: String,
                    tool: String,
                    arguments: String,
                ) -> ::std::result::Result<String, wit::Failure> {
                    match tool.as_str() {
                        $(<$tool as $crate::Tool>::NAME => {
                            $crate::export::call::<$tool>(scope, &contact, &arguments)
                        })+
                        other => $crate::export::no_tool(other),
                    }
                }
            }

            $crate::bindings::tool::export_tools_world!(Plugin with_types_in $crate::bindings::tool);
        };
    };
}
