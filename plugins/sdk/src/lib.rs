//! Plugins for JustPing, in Rust.
//!
//! A plugin is a WebAssembly component. It implements a trait for each thing it is and exports it with
//! a macro; one plugin may be several things.
//!
//! | it is | trait | macro | `exports` in `plugin.toml` |
//! |---|---|---|---|
//! | nodes of flows | [`Node`] | [`export_nodes!`] | `nodes` |
//! | tools of AI agents | [`Tool`] | [`export_tools!`] | `tools` |
//! | a look at every message | [`Hook`] | [`export_hook!`] | `hooks` |
//! | an ear for events | [`Subscriber`] | [`export_subscriber!`] | `subscriber` |
//! | a channel | [`Channel`] | [`export_channel!`] | `channels` |
//! | functions for texts | [`Filter`] | [`export_filters!`] | `filters` |
//!
//! What it uses of the platform stands in [`kv`], [`http`], [`secrets`], [`contacts`], [`messaging`],
//! [`clock`] and [`random`], each a capability that the manifest asks for and the business grants;
//! [`log`] and [`config`] need no grant. What is not called does not appear in the component.
//!
//! ```
//! use justping_plugin::{Context, Failure, Node, NodeInfo, Step};
//! use serde::Deserialize;
//!
//! /// Says a greeting.
//! struct Greet;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     greeting: String,
//! }
//!
//! impl Node for Greet {
//!     type Config = Config;
//!     type Memory = ();
//!     const NAME: &'static str = "greet";
//!
//!     fn describe() -> NodeInfo {
//!         NodeInfo::new("Greet", "Says a greeting")
//!             .field("greeting", serde_json::json!({"type": "string"}))
//!             .exit("greeted", "Greeted")
//!     }
//!
//!     fn enter(context: &Context<Config>) -> Result<Step<()>, Failure> {
//!         let name = context.contact.name.as_deref().unwrap_or("you");
//!         Ok(Step::leave("greeted").say(format!("{}, {name}!", context.config.greeting)))
//!     }
//! }
//!
//! justping_plugin::export_nodes!(Greet);
//! # fn main() {}
//! ```
//!
//! A plugin that panics ends its call; the platform goes on by its `error` exit. Nothing is kept
//! between calls but what is put into [`kv`].

mod channel;
mod failure;
mod filter;
mod hook;
mod host;
mod node;
mod subject;
mod subscriber;
#[cfg(test)]
mod tests;
mod tool;

#[doc(hidden)]
pub mod bindings;

pub use self::channel::{Channel, ChannelInfo, Outbound, Received, Refusal, SendError, Webhook};
pub use self::failure::Failure;
pub use self::filter::Filter;
pub use self::hook::{Hook, Verdict};
pub use self::host::{clock, config, contacts, http, kv, log, messaging, random, secrets};
pub use self::node::{Context, Event, Next, Node, NodeInfo, Step};
pub use self::subject::{Contact, Message, Scope, text};
pub use self::subscriber::{Fact, Subscriber};
pub use self::tool::{Tool, ToolInfo};

#[doc(hidden)]
pub mod export {
    //! What the macros call.

    pub use crate::channel::{describe as describe_channel, receive, send};
    pub use crate::filter::{apply, describe as describe_filter, no_filter};
    pub use crate::hook::{after_receive, before_send};
    pub use crate::node::{describe as describe_node, enter, no_node, resume};
    pub use crate::subscriber::{handle, interests};
    pub use crate::tool::{call, describe as describe_tool, no_tool};
}
