//! The codes of findings and how findings are made.

use justping_core::port::{Finding, Severity};

/// Stable codes of findings.
pub mod code {
    /// The document, or a part of it, is not in the form of `justping.flow/1`.
    pub const SCHEMA_INVALID: &str = "schema_invalid";
    /// Two nodes, edges, variables or options share an id.
    pub const DUPLICATE_ID: &str = "duplicate_id";
    /// No node starts the flow.
    pub const MISSING_TRIGGER: &str = "missing_trigger";
    /// More than one node starts the flow.
    pub const MULTIPLE_TRIGGERS: &str = "multiple_triggers";
    /// An edge leaves or reaches a node that does not exist.
    pub const DANGLING_EDGE: &str = "dangling_edge";
    /// An edge leaves by an exit that its node does not have.
    pub const UNKNOWN_EXIT: &str = "unknown_exit";
    /// Two edges leave by one exit.
    pub const DUPLICATE_EXIT: &str = "duplicate_exit";
    /// No node of this type is registered.
    pub const UNKNOWN_NODE_TYPE: &str = "unknown_node_type";
    /// A node's `data` is wrong.
    pub const INVALID_CONFIG: &str = "invalid_config";
    /// A template does not compile.
    pub const INVALID_TEMPLATE: &str = "invalid_template";
    /// A condition does not compile.
    pub const INVALID_CONDITION: &str = "invalid_condition";
    /// Nodes that never wait form a circle.
    pub const ENDLESS_CYCLE: &str = "endless_cycle";
    /// Nodes form a circle that never waits, seen by looking into the flows they call and past loops.
    pub const HIDDEN_CYCLE: &str = "hidden_cycle";
    /// A node jumps to a node that does not exist.
    pub const UNKNOWN_JUMP: &str = "unknown_jump";
    /// A node calls a flow that the document does not have.
    pub const UNKNOWN_FLOW: &str = "unknown_flow";
    /// A flow calls itself, by itself or through others (warning).
    pub const RECURSIVE_FLOW: &str = "recursive_flow";
    /// A limit on documents is exceeded.
    pub const TOO_LARGE: &str = "too_large";
    /// A node needs an AI provider, or an HTTP client, and none is configured.
    pub const MISSING_PROVIDER: &str = "missing_provider";
    /// A node names a tool that this process does not have.
    pub const MISSING_TOOL: &str = "missing_tool";
    /// A node names a group that the business does not have (warning).
    pub const MISSING_GROUP: &str = "missing_group";
    /// An address leads, or may be led, where flows must not ask.
    pub const UNSAFE_URL: &str = "unsafe_url";
    /// No way leads to a node (warning).
    pub const UNREACHABLE_NODE: &str = "unreachable_node";
    /// A variable is read that is neither declared nor set (warning).
    pub const UNKNOWN_VARIABLE: &str = "unknown_variable";
    /// A way out that contacts will take leads nowhere (warning).
    pub const MISSING_DEFAULT: &str = "missing_default";
    /// A part of the document has no effect (warning).
    pub const IGNORED: &str = "ignored";
    /// A trigger listens to a word that always means the contact wants silence, or speech again.
    pub const OPT_OUT_TRIGGER: &str = "opt_out_trigger";
    /// Another flow hears a trigger's words first.
    pub const COMPETING_TRIGGERS: &str = "competing_triggers";
    /// A condition compares a variable with what it never holds.
    pub const TYPE_MISMATCH: &str = "type_mismatch";
    /// A variable is read that some ways leave unset (warning).
    pub const MAYBE_UNSET: &str = "maybe_unset";
    /// A question waits for its answer for ever (warning).
    pub const WAITS_FOREVER: &str = "waits_forever";
    /// A model's node leads nowhere when the model fails or the budget is spent (warning).
    pub const NO_FALLBACK: &str = "no_fallback";
    /// People are handed conversations outside the hours the flow knows (warning).
    pub const HANDOFF_OUT_OF_HOURS: &str = "handoff_out_of_hours";
    /// A note stands in for something that is yet to be built (warning).
    pub const UNFINISHED: &str = "unfinished";
    /// A channel shows options as something else (note).
    pub const SHOWN_OTHERWISE: &str = "shown_otherwise";
    /// A channel needs several messages, or parts of one, for a text (note).
    pub const SENT_IN_PARTS: &str = "sent_in_parts";
}

/// An error without a node.
pub(super) fn error(code: &str, path: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding {
        severity: Severity::Error,
        code: code.to_owned(),
        node: None,
        path: path.into(),
        message: message.into(),
        fix: Vec::new(),
    }
}

/// A warning without a node.
pub(super) fn warning(code: &str, path: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding { severity: Severity::Warning, ..error(code, path, message) }
}

/// A note without a node.
pub(super) fn note(code: &str, path: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding { severity: Severity::Note, ..error(code, path, message) }
}

/// The same finding, about a node.
pub(super) fn about(node: &str, finding: Finding) -> Finding {
    Finding { node: Some(node.to_owned()), ..finding }
}
