//! What a first start finds: a business with an agent to talk to, and a key for the API.
//!
//! Every row has a fixed id, and the key comes last. So a start that dies in the middle is repeated
//! by the next one, a start over a finished demo changes nothing, whatever became of it, and of
//! processes that start at the same time each finds what the others made.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use justping::JustPing;
use justping::channels::webchat::{PROVIDER, TOKEN_SECRET};
use justping::engine::PublishError;
use justping::model::{
    Agent, AgentId, AgentSettings, ApiKey, ApiKeyId, Business, BusinessId, ChannelConfig,
    ChannelId, ChannelSecrets, Flow, FlowId, Member, MemberId, PageRequest, Role, Timestamp,
    UnknownPolicy,
};
use justping::port::{StoreError, StoreResult};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::token;

/// The document without AI.
const DOCUMENT: &str = include_str!("flow.json");
/// The base of the demo's ids: UUIDs of version 8, which are ours to define.
const IDS: u128 = 0x6a75_7374_7069_8e67_8000_0000_0000_0000;
/// Random bytes of the secret that signs visitor tokens.
const SECRET_BYTES: usize = 32;

/// Why the demo could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The demo's own flow is not accepted.
    #[error("the demo flow was not published: {0}")]
    Flow(#[from] PublishError),
    /// The demo's own document cannot be read.
    #[error("the demo flow is not JSON: {0}")]
    Document(#[from] serde_json::Error),
}

/// What became of setting the demo up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeded {
    /// It is there already, or the store has businesses of its own.
    Unwanted,
    /// It is there, and the key that was shown is the one to it.
    Done,
    /// It is there, but another process stored its key first: the one that was shown is void.
    Overtaken,
}

/// Whether the demo's agent may ask a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoAi {
    /// There is no model.
    Without,
    /// The menu also offers to talk with a model.
    With,
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(IDS | number)
}

/// The demo's business.
pub fn business_id() -> BusinessId {
    BusinessId::from_uuid(id(1))
}

fn member_id() -> MemberId {
    MemberId::from_uuid(id(2))
}

fn flow_id() -> FlowId {
    FlowId::from_uuid(id(3))
}

fn agent_id() -> AgentId {
    AgentId::from_uuid(id(4))
}

/// The demo's web chat.
pub fn channel_id() -> ChannelId {
    ChannelId::from_uuid(id(5))
}

/// Sets the demo up in an empty store, or finishes what an earlier start began. Gives the token of
/// the new key to `show` just before it is stored; does nothing when the demo is there or the store
/// has businesses of its own.
///
/// # Errors
/// [`DemoError`]; the next start goes on.
pub async fn seed(
    jp: &JustPing,
    ai: DemoAi,
    show: impl FnOnce(&str) + Send,
) -> Result<Seeded, DemoError> {
    if !is_wanted(jp).await? {
        return Ok(Seeded::Unwanted);
    }
    let (store, now) = (jp.store(), jp.clock().now());
    let business =
        Business { id: business_id(), name: "JustPing Demo".to_owned(), created_at: now };
    once(store.create_business(&business).await)?;
    once(store.create_member(&owner(now)).await)?;
    once(store.create_flow(&flow(ai, now)?).await)?;
    jp.publish_flow(business_id(), flow_id()).await?;
    once(store.create_agent(&agent(now)).await)?;
    once(store.create_channel(&channel(now), &secrets(jp)).await)?;
    // Shown before it is stored: a key that is shown and dead is replaced by the next start, a key
    // that is stored and was never shown would lock everybody out.
    let token = token::mint(&**jp.entropy());
    show(&token);
    match store.create_api_key(&key(&token, now)).await {
        Ok(()) => Ok(Seeded::Done),
        Err(StoreError::Conflict(_)) => Ok(Seeded::Overtaken),
        Err(error) => Err(error.into()),
    }
}

/// What an earlier start has created stays as it is.
fn once(created: StoreResult<()>) -> StoreResult<()> {
    match created {
        Err(StoreError::Conflict(_)) => Ok(()),
        other => other,
    }
}

/// The demo belongs into a store that is empty, or that holds a demo without any key yet.
async fn is_wanted(jp: &JustPing) -> Result<bool, StoreError> {
    let first = PageRequest::first(1);
    let businesses = jp.store().businesses(&first).await?.items;
    match businesses.first() {
        None => Ok(true),
        Some(business) if business.id != business_id() => Ok(false),
        Some(_) => Ok(jp.store().api_keys(business_id(), &first).await?.items.is_empty()),
    }
}

fn owner(now: Timestamp) -> Member {
    Member {
        id: member_id(),
        business_id: business_id(),
        name: "Owner".to_owned(),
        role: Role::Owner,
        created_at: now,
    }
}

fn flow(ai: DemoAi, now: Timestamp) -> Result<Flow, DemoError> {
    Ok(Flow {
        id: flow_id(),
        business_id: business_id(),
        name: "Welcome".to_owned(),
        draft: document(ai)?,
        published: None,
        revision: 1,
        created_at: now,
        updated_at: now,
    })
}

/// The demo's document.
///
/// # Errors
/// [`DemoError::Document`] when the file is not JSON; a test keeps it so.
pub fn document(ai: DemoAi) -> Result<Value, DemoError> {
    let mut document: Value = serde_json::from_str(DOCUMENT)?;
    if ai == DemoAi::With {
        add_ai(&mut document);
    }
    Ok(document)
}

/// Adds a button that leads to a model.
fn add_ai(document: &mut Value) {
    let ask = json!({"id": "ask", "title": "Ask the AI"});
    let node = json!({"id": "ai", "type": "ai_reply", "position": {"x": 1100, "y": 660}, "data": {
        "prompt": "Answer the visitor's questions about JustPing briefly and kindly. Say so when \
                   you do not know.",
        "begin": "wait", "exit_phrases": ["menu"], "timeout_minutes": 60,
    }});
    let invite = json!({"id": "ask_ai", "type": "text", "position": {"x": 880, "y": 660}, "data": {
        "text": "Ask me anything; say “menu” to go back.",
    }});
    let sorry = json!({"id": "ai_failed", "type": "text", "position": {"x": 1320, "y": 660},
        "data": {"text": "The model does not answer right now."}});
    let edges = [
        json!({"id": "a1", "source": "menu", "sourceHandle": "option:ask", "target": "ask_ai"}),
        json!({"id": "a2", "source": "ask_ai", "target": "ai"}),
        json!({"id": "a3", "source": "ai", "sourceHandle": "next", "target": "menu"}),
        json!({"id": "a4", "source": "ai", "sourceHandle": "handoff", "target": "handing_over"}),
        json!({"id": "a5", "source": "ai", "sourceHandle": "timeout", "target": "bye"}),
        json!({"id": "a6", "source": "ai", "sourceHandle": "error", "target": "ai_failed"}),
        json!({"id": "a7", "source": "ai_failed", "target": "menu"}),
        json!({"id": "a8", "source": "ai", "sourceHandle": "budget", "target": "ai_failed"}),
    ];
    let is_menu = |node: &&mut Value| node.get("id").is_some_and(|id| id == "menu");
    let nodes = document.get_mut("nodes").and_then(Value::as_array_mut);
    let Some(nodes) = nodes else { return };
    let menu = nodes.iter_mut().find(is_menu).and_then(|node| node.pointer_mut("/data/options"));
    if let Some(Value::Array(options)) = menu {
        options.insert(0, ask);
    }
    nodes.extend([invite, node, sorry]);
    if let Some(Value::Array(known)) = document.get_mut("edges") {
        known.extend(edges);
    }
}

fn agent(now: Timestamp) -> Agent {
    Agent {
        id: agent_id(),
        business_id: business_id(),
        name: "Demo agent".to_owned(),
        instructions:
            "You are the friendly guide of a JustPing server. JustPing is a Rust library \
                       for customer messaging: channels, contacts, a shared inbox, conversation \
                       flows and AI agents. Answer in two or three short sentences."
                .to_owned(),
        model: None,
        flows: vec![flow_id()],
        settings: AgentSettings::default(),
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

fn channel(now: Timestamp) -> ChannelConfig {
    ChannelConfig {
        id: channel_id(),
        business_id: business_id(),
        provider: PROVIDER.to_owned(),
        name: "JustPing Demo".to_owned(),
        settings: json!({}),
        agent_id: Some(agent_id()),
        enabled: true,
        unknown_policy: UnknownPolicy::AtMostOnce,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

fn secrets(jp: &JustPing) -> ChannelSecrets {
    let mut bytes = [0u8; SECRET_BYTES];
    jp.entropy().fill(&mut bytes);
    ChannelSecrets::from_iter([(TOKEN_SECRET, URL_SAFE_NO_PAD.encode(bytes))])
}

fn key(token: &str, now: Timestamp) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_uuid(id(6)),
        business_id: business_id(),
        member_id: member_id(),
        name: "First key".to_owned(),
        role: Role::Owner,
        token_sha256: token::digest(token),
        created_at: now,
        revoked_at: None,
    }
}
