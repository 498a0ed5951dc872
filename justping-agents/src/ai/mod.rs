//! What AI nodes have in common: asking models, calling tools, budgets, guards.
//!
//! `host` what a process offers to AI nodes · `ask` one answer of a model · `tool` calling tools ·
//! `guard` what models must not see or say · `ledger`, `price` and `meter` what answers cost · `chain` and
//! `route` providers in front of providers · `judge` scoring talks · `http_tool` and
//! `mcp` tools of other servers · `stored` the tools that businesses set up · `span` what is traced.
//!
//! Invariant: a model is asked and a tool is called as a journaled call, one at a time; what came
//! back is never asked for again.

mod ask;
mod chain;
pub mod guard;
mod host;
mod http_tool;
mod judge;
mod ledger;
#[cfg(feature = "mcp")]
pub mod mcp;
mod meter;
mod price;
mod route;
mod span;
mod stored;
mod tool;
mod work;

pub(crate) use self::ask::{Ask, AskGuard, Reply};
pub use self::chain::{ChainLink, ChainOptions, ProviderChain};
pub(crate) use self::host::AiHost;
pub use self::http_tool::{HttpTool, Pick};
pub use self::judge::{
    Criterion, JudgeError, Judgement, PASS_FROM, SCORE_MAX, Score, Speaker, TranscriptLine, score,
};
pub use self::ledger::Ledger;
pub use self::meter::{EmbedError, Meter};
pub use self::price::{Price, Prices};
pub use self::route::ProviderRoutes;
pub use self::stored::{
    HttpToolSettings, McpToolSettings, StoredTools, TOOL_TIMEOUT_MAX_MS, ToolSettings,
    ToolSettingsError,
};
pub(crate) use self::tool::{INVALID_ARGUMENTS_CODE, ToolResult, ToolWork};
pub(crate) use self::work::{BUDGET_CODE, Work};
