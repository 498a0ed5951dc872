//! The ports: traits through which the engine reaches the world. Each states its contract, and
//! each has a suite in [`conformance`](crate::conformance) that runs on every implementation.

mod ai;
mod bus;
mod cache;
mod channel;
mod clock;
mod correspondence;
mod entropy;
mod hook;
mod limiter;
mod node;
mod plugin;
mod presence;
mod queue;
mod runtime;
pub mod store;
mod subscriber;
mod tool;
mod wake;

pub use ai::{
    AiError, AiProvider, ChatMessage, ChatReply, ChatRequest, ChatRole, Embedded, FinishReason,
    OnDelta, ToolCall, ToolSpec, Usage,
};
pub use bus::{BusError, EventBus, Subscription};
pub use cache::{
    CACHE_KEY_BYTES_MAX, CACHE_KEYS_MAX, CACHE_TTL_MAX, CACHE_VALUE_BYTES_MAX, Cache, CacheError,
    CacheExt, CacheResult, CacheSpace, CacheValue, check_cache_keys,
};
pub use channel::{
    Capabilities, Channel, ChannelConfigError, ChannelProvider, HttpMethod, Outbound, Receipt,
    ReceiveError, Received, SendError, WebhookRequest,
};
pub use clock::{Clock, ClockExt};
pub use correspondence::{Correspondence, Letter, LetterError, MAIL_FIELD, Posted};
pub use entropy::{Entropy, IdSource};
pub use hook::{HOOK_REASON_MAX_CHARS, HookContext, MessageHook, Verdict};
pub use limiter::{Grant, Rate, RateLimiter};
pub use node::{
    AgentView, Awaited, BuiltNode, CallScope, ContactView, DeltaSink, Effect, ExitDescriptor, Fit,
    FlowNode, NodeConfigError, NodeContext, NodeDescriptor, PerformContext, Returned, Step,
};
pub use plugin::{PluginAsk, PluginError, PluginEvent, PluginNext, PluginNodes, PluginStep};
pub use presence::{Change, PRESENT_MAX, Presence, PresenceError, PresenceResult};
pub use queue::{
    DeadItem, Delivery, ITEM_BYTES_MAX, ITEM_ID_BYTES_MAX, ITEMS_PER_CALL_MAX, ItemLease,
    LANE_SHARE, Published, QUEUE_DEATHS_MAX, Queue, QueueError, QueueItem, QueueLengths,
    QueueResult, RETRY_AFTER_MAX, Settled, check_items, share_lanes,
};
pub use runtime::{
    Expectation, Finding, FlowRuntime, FlowRuntimeError, LinkKey, Moved, NodeMark, Outcome, Patch,
    Program, STATE_MAX_BYTES, Severity, StepEvent, StepInput, Visit,
};
pub use store::{Store, StoreError, StoreResult};
pub use subscriber::{
    EventSubscriber, FeedEvent, FeedName, SUBSCRIPTION_NAME_MAX_BYTES, SubscriberError,
};
pub use tool::{
    TOOL_NAME_MAX_BYTES, TOOL_NAME_SEPARATOR, Tool, ToolContext, ToolError, ToolOrigin, ToolOutput,
    ToolSource, is_tool_name,
};
pub use wake::{Loops, WakeSource};
