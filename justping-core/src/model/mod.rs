//! The domain: what the platform talks about. Nothing here does I/O.

mod agent;
mod business;
mod call;
mod channel;
mod contact;
mod content;
mod conversation;
mod counter;
mod event;
mod flow;
mod group;
mod id;
mod inbound;
mod knowledge;
mod mail;
mod mailbox;
mod member;
mod message;
mod outbox;
mod page;
mod plugin;
mod presence;
mod publication;
mod search;
mod session;
mod status;
mod timer;
mod tool;
mod usage;

pub use agent::{
    AGENT_HISTORY_MAX, AGENT_LIST_MAX, AGENT_PROMPT_MAX_CHARS, AGENT_TEXT_MAX_CHARS, Agent,
    AgentBudget, AgentGuard, AgentMemory, AgentPrompt, AgentSettings, MemoryField, PersonalData,
};
pub use business::Business;
pub use call::{Call, CallRequest, CallResult};
pub use channel::{ChannelConfig, ChannelKind, ChannelSecrets, UnknownPolicy};
pub use contact::{Contact, ContactPatch, Identity};
pub use content::{
    Choice, Content, ListSection, MediaKind, MediaSource, TemplateContent, TemplateParameter,
};
pub use conversation::{
    Conversation, ConversationChange, ConversationStatus, Owner, Priority, SERVICE_WINDOW,
};
pub use counter::{Counter, CounterKey, CounterKind, Rollup, day_of};
pub use event::{Event, EventBody, Topic};
pub use flow::{Flow, FlowVersion};
pub use group::{GROUP_NAME_MAX_CHARS, GROUPS_MAX, GROUPS_OF_CONTACT_MAX, Group, Membership};
pub use id::*;
pub use inbound::{Echo, Inbound, InboundMessage, StatusUpdate};
pub use knowledge::{
    ASKED_WORDS_MAX, Asked, CHUNK_CHARS_MAX, CODE_CANDIDATES, Chunk, Code, Codes, KnowledgeBase,
    POSTINGS_MAX, SOURCE_BYTES_MAX, SOURCE_CHUNKS_MAX, Source, SourceFormat, SourceOrigin,
    SourceState, VECTOR_LEN_MAX, likeness, weigh,
};
pub use mail::{
    Attachment, MAIL_ATTACHMENTS_MAX, MAIL_HTML_MAX_BYTES, MAIL_SUBJECT_MAX_CHARS,
    MAIL_TEXT_MAX_BYTES, Mail, MailAddress, MailError,
};
pub use mailbox::{MailboxEntry, MailboxEvent, Signal};
pub use member::{ApiKey, Member, Permission, Role};
pub use message::{Author, Direction, Message, Timeline};
pub use outbox::{Lane, Origin, OutboxRow, OutboxState};
pub use page::{Cursor, PAGE_DEFAULT, PAGE_MAX, Page, PageRequest};
pub use plugin::{
    Capability, Grants, PLUGIN_HISTORY_MAX, PLUGIN_KEY_MAX_BYTES, PLUGIN_LINE_MAX_BYTES,
    PLUGIN_LINES_MAX, PLUGIN_VALUE_MAX_BYTES, Plugin, PluginDay, PluginLevel, PluginLine,
    PluginLineKind, PluginQuota, PluginRelease, PluginSpend,
};
pub use presence::Typist;
pub use publication::{LiveCount, Publication, SessionPolicy, StrandedPolicy};
pub use search::{
    PREFIX_CHARS_MIN, QUERY_WORDS_MAX, SearchQuery, WORD_CHARS_MAX, WORDS_MAX, Words,
};
pub use session::{Session, SessionStatus, TraceStep};
pub use status::{DeliveryStatus, Failure, FailureKind};
pub use timer::Timer;
pub use tool::{TOOL_CONFIG_NAME_MAX_BYTES, TOOLS_MAX, ToolConfig, ToolSecrets};
pub use usage::{BudgetScope, BusinessCaps, Cap, Spend, UsageCaps, UsageDay, UsageOwner, month_of};

/// A moment, always in UTC and whole milliseconds when it comes from a [`Clock`](crate::port::Clock).
pub type Timestamp = jiff::Timestamp;

/// A day of the calendar.
pub type Date = jiff::civil::Date;
