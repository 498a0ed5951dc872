//! What the contract's WIT files say, as Rust, by interface: the shapes that go into calls of a plugin
//! and come out of them.

/// Everything that the contract generates: one world that offers every capability and calls every
/// export. A component is asked only for what it has.
#[allow(dead_code, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/0.1.0",
        inline: "
            package justping:host;
            world everything {
                include justping:plugin/capabilities@0.1.0;
                export justping:plugin/nodes@0.1.0;
                export justping:plugin/tools@0.1.0;
                export justping:plugin/hooks@0.1.0;
                export justping:plugin/subscriber@0.1.0;
                export justping:plugin/channels@0.1.0;
                export justping:plugin/filters@0.1.0;
            }
        ",
        world: "justping:host/everything",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

pub use bindings::justping::plugin::types::{Contact, Failure, Message, Scope};

/// The version of the contract that this sandbox speaks.
pub const VERSION: &str = "0.1.0";
/// How the names of the contract's interfaces begin.
pub const PACKAGE: &str = "justping:plugin/";

/// Nodes of flows.
pub mod nodes {
    pub use super::bindings::exports::justping::plugin::nodes::{
        Context, Event, Exit, Next, Node, Step, Waiting,
    };
}

/// Tools of models.
pub mod tools {
    pub use super::bindings::exports::justping::plugin::tools::Tool;
}

/// Looks at messages on their way.
pub mod hooks {
    pub use super::bindings::exports::justping::plugin::hooks::Verdict;
}

/// Hears what happens.
pub mod subscriber {
    pub use super::bindings::exports::justping::plugin::subscriber::Event;
}

/// Channels.
pub mod channels {
    pub use super::bindings::exports::justping::plugin::channels::{
        Channel, Outbound, Received, Refusal, SendError, Webhook,
    };
}

/// Functions for texts.
pub mod filters {
    pub use super::bindings::exports::justping::plugin::filters::Filter;
}
