//! What the contract's WIT says, as Rust. Every world shares the types and imports of `capabilities`.

#![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

pub mod capabilities {
    wit_bindgen::generate!({
        path: "../wit/0.1.0",
        world: "justping:plugin/capabilities",
        generate_all,
    });
}

/// One world with an export, as a module with a macro that exports it.
macro_rules! world {
    ($module:ident, $world:literal, $macro:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit/0.1.0",
                world: $world,
                with: {
                    "justping:plugin/types@0.1.0": crate::bindings::capabilities::justping::plugin::types,
                    "justping:plugin/log@0.1.0": crate::bindings::capabilities::justping::plugin::log,
                    "justping:plugin/config@0.1.0": crate::bindings::capabilities::justping::plugin::config,
                },
                pub_export_macro: true,
                export_macro_name: $macro,
                generate_all,
            });
        }
    };
}

world!(node, "justping:plugin/flow-node", "export_nodes_world");
world!(tool, "justping:plugin/ai-tool", "export_tools_world");
world!(hook, "justping:plugin/message-hook", "export_hooks_world");
world!(subscriber, "justping:plugin/event-subscriber", "export_subscriber_world");
world!(channel, "justping:plugin/channel", "export_channels_world");
world!(filter, "justping:plugin/template-filter", "export_filters_world");
