//! Flow documents, their linter, the pure interpreter, the built-in nodes and AI providers.
//!
//! [`Flows`] is the [`FlowRuntime`](justping_core::port::FlowRuntime) of JustPing: it checks and
//! compiles [`document`]s of the form `justping.flow/1`. Adapters of models live in [`provider`].

pub mod ai;
pub mod answer;
mod check;
pub mod choice;
pub mod condition;
pub mod diff;
pub mod document;
pub mod fetch;
mod flows;
pub mod handbook;
pub mod hash;
pub mod import;
mod keyword;
pub mod knowledge;
mod link;
mod node;
#[cfg(test)]
mod play;
mod program;
pub mod provider;
mod registry;
pub mod scenario;
pub mod scope;
mod size;
pub mod text;

pub use check::{FixError, apply_fix, channel_limits, code, known_channels, limits_version};
pub use flows::Flows;
pub use node::{AiReply, Http, Plugin};
pub use program::{
    BURST_BYTES_MAX, BURST_MESSAGES_MAX, EARLY_BYTES_MAX, EARLY_MAX, FRAMES_MAX,
    LAST_TEXT_MAX_BYTES, LOCAL_MAX_BYTES, ReplayError, STEPS_MAX, VARIABLES_MAX_BYTES, VISITS_MAX,
    replay, replay_moved, replay_record,
};
