//! What the contract's WIT files say, as Rust: one world that offers every capability and calls every
//! export. A component is asked only for what it has.

#![allow(dead_code, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

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
    imports: { default: async },
    exports: { default: async },
});
