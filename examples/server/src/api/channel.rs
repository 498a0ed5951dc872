use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::engine::EngineError;
use justping::model::{
    AgentId, ChannelConfig, ChannelId, ChannelSecrets, Timestamp, UnknownPolicy,
};
use justping::plugins::UseError;
use justping::plugins::adapter::PLUGIN_PROVIDER;
use justping::port::{ChannelConfigError, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{Checks, LABEL_MAX_CHARS, NAME_MAX_CHARS, SECRET_MAX_CHARS, SECRETS_MAX};
use super::schema;
use super::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, AppState, Caller, perm};
use crate::http::extract::{Id, JsonBody, Query};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(verify))
}

/// One configured sender: a WhatsApp number, a mailbox, a chat widget.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Channel)]
struct ChannelView {
    #[schema(value_type = String)]
    id: ChannelId,
    /// The adapter that implements it, such as `whatsapp`, `smtp` or `webchat`.
    provider: String,
    name: String,
    /// The provider's own settings.
    #[schema(value_type = Object)]
    settings: Value,
    /// The names of the secrets that are set. Their values are never shown.
    secrets: Vec<String>,
    /// The agent that answers new conversations; without one they go to the queue.
    #[schema(value_type = Option<String>)]
    agent_id: Option<AgentId>,
    /// A disabled channel neither receives nor sends.
    enabled: bool,
    /// What to do with sends whose outcome a crash hid.
    #[schema(schema_with = schema::unknown_policy)]
    unknown_policy: UnknownPolicy,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ChannelView {
    fn new(channel: ChannelConfig, secrets: &ChannelSecrets) -> Self {
        Self {
            id: channel.id,
            provider: channel.provider,
            name: channel.name,
            settings: channel.settings,
            secrets: secrets.names().map(str::to_owned).collect(),
            agent_id: channel.agent_id,
            enabled: channel.enabled,
            unknown_policy: channel.unknown_policy,
            revision: channel.revision,
            created_at: channel.created_at,
            updated_at: channel.updated_at,
        }
    }
}

/// A channel to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewChannel {
    provider: String,
    name: String,
    #[serde(default = "empty_object")]
    #[schema(value_type = Object)]
    settings: Value,
    /// Secrets by name; they can be replaced, never read.
    #[serde(default)]
    #[schema(write_only)]
    secrets: BTreeMap<String, String>,
    #[schema(value_type = Option<String>)]
    agent_id: Option<AgentId>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    #[schema(schema_with = schema::unknown_policy)]
    unknown_policy: UnknownPolicy,
}

/// A channel as it shall be. Its provider never changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChannelUpdate {
    name: String,
    #[schema(value_type = Object)]
    settings: Value,
    /// Secrets to set; those not named stay.
    #[serde(default)]
    #[schema(write_only)]
    secrets: BTreeMap<String, String>,
    #[schema(value_type = Option<String>)]
    agent_id: Option<AgentId>,
    enabled: bool,
    #[schema(schema_with = schema::unknown_policy)]
    unknown_policy: UnknownPolicy,
    /// The revision that was read; another one is refused with 409.
    revision: u64,
}

/// What the provider says about a channel.
#[derive(Debug, Serialize, ToSchema)]
struct Verification {
    /// Whether settings and secrets work.
    ok: bool,
    /// Why not, for people.
    detail: Option<String>,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

fn yes() -> bool {
    true
}

async fn check(
    caller: &Caller,
    name: &str,
    secrets: &BTreeMap<String, String>,
    agent: Option<AgentId>,
) -> Result<(), Problem> {
    let mut checks = Checks::default();
    checks.text("/name", name, NAME_MAX_CHARS);
    checks.count("/secrets", secrets.len(), SECRETS_MAX);
    for (name, value) in secrets {
        checks.text("/secrets", name, LABEL_MAX_CHARS);
        checks.text(&format!("/secrets/{name}"), value, SECRET_MAX_CHARS);
    }
    if let Some(agent) = agent {
        let exists = match caller.store().agent(caller.business_id, agent).await {
            Ok(_) => true,
            Err(StoreError::NotFound(_)) => false,
            Err(error) => return Err(error.into()),
        };
        checks.require(exists, "/agent_id", "there is no such agent");
    }
    checks.done()
}

/// The settings of a channel as they are kept. Those of a plugin name it, and what it says of itself is
/// put beside its name: it is read anew whenever the channel is written.
async fn settings(caller: &Caller, provider: &str, given: Value) -> Result<Value, Problem> {
    if provider != PLUGIN_PROVIDER {
        return Ok(given);
    }
    let Some(plugin) = given.get("plugin").and_then(Value::as_str) else {
        return Err(Problem::invalid_field("/settings/plugin", "the name of a plugin is needed"));
    };
    match caller.plugins()?.channel_settings(caller.business_id, plugin).await {
        Ok(settings) => Ok(settings),
        Err(UseError::Store(error)) => Err(error.into()),
        Err(_) => {
            let message = "there is no such plugin that runs and is a channel";
            Err(Problem::invalid_field("/settings/plugin", message))
        }
    }
}

/// A channel that could not open cannot be switched on; switched off, it may be unfinished.
fn check_opens(
    caller: &Caller,
    channel: &ChannelConfig,
    secrets: &ChannelSecrets,
) -> Result<(), Problem> {
    match caller.jp().check_channel(channel, secrets) {
        Ok(()) => Ok(()),
        Err(EngineError::UnknownProvider(_)) => {
            Err(Problem::invalid_field("/provider", "there is no such provider"))
        }
        Err(EngineError::Channel(_)) if !channel.enabled => Ok(()),
        Err(EngineError::Channel(ChannelConfigError { field, message })) => {
            Err(Problem::invalid_field(field, message))
        }
        Err(other) => Err(other.into()),
    }
}

/// Lists channels.
#[utoipa::path(get, path = "/channels", tag = "channels", params(PageQuery),
    security(("api_key" = ["channels_read"])),
    responses((status = 200, body = PageView<ChannelView>)))]
async fn list(
    caller: Allowed<perm::ChannelsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<ChannelView>>, Problem> {
    let page = caller.store().channels(caller.business_id, &query.request()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for channel in page.items {
        items.push(show(&caller, channel).await?);
    }
    Ok(Json(PageView { items, next: page.next.map(|cursor| cursor.0) }))
}

async fn show(caller: &Caller, channel: ChannelConfig) -> Result<ChannelView, Problem> {
    let secrets = caller.store().channel_secrets(caller.business_id, channel.id).await?;
    Ok(ChannelView::new(channel, &secrets))
}

/// Creates a channel.
#[utoipa::path(post, path = "/channels", tag = "channels", request_body = NewChannel,
    security(("api_key" = ["channels_write"])),
    responses((status = 201, body = ChannelView)))]
async fn create(
    caller: Allowed<perm::ChannelsWrite>,
    JsonBody(new): JsonBody<NewChannel>,
) -> Result<Response, Problem> {
    check(&caller, &new.name, &new.secrets, new.agent_id).await?;
    let settings = settings(&caller, &new.provider, new.settings).await?;
    let now = caller.now();
    let channel = ChannelConfig {
        id: ChannelId::from_uuid(caller.ids().uuid()),
        business_id: caller.business_id,
        provider: new.provider,
        name: new.name,
        settings,
        agent_id: new.agent_id,
        enabled: new.enabled,
        unknown_policy: new.unknown_policy,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let secrets: ChannelSecrets = new.secrets.into_iter().collect();
    check_opens(&caller, &channel, &secrets)?;
    caller.store().create_channel(&channel, &secrets).await?;
    Ok(created(ChannelView::new(channel, &secrets)))
}

/// Reads a channel.
#[utoipa::path(get, path = "/channels/{id}", tag = "channels",
    params(("id" = String, Path, description = "The channel.")),
    security(("api_key" = ["channels_read"])),
    responses((status = 200, body = ChannelView)))]
async fn read(
    caller: Allowed<perm::ChannelsRead>,
    Id(id): Id<ChannelId>,
) -> Result<Json<ChannelView>, Problem> {
    let channel = caller.store().channel(caller.business_id, id).await?;
    Ok(Json(show(&caller, channel).await?))
}

/// Replaces a channel's settings. Where its settings say to talk to another host, the secrets must
/// be given again: a secret is never sent to a host it was not given for.
#[utoipa::path(put, path = "/channels/{id}", tag = "channels", request_body = ChannelUpdate,
    params(("id" = String, Path, description = "The channel.")),
    security(("api_key" = ["channels_write"])),
    responses((status = 200, body = ChannelView)))]
async fn update(
    caller: Allowed<perm::ChannelsWrite>,
    Id(id): Id<ChannelId>,
    JsonBody(new): JsonBody<ChannelUpdate>,
) -> Result<Json<ChannelView>, Problem> {
    let channel = caller.store().channel(caller.business_id, id).await?;
    check(&caller, &new.name, &new.secrets, new.agent_id).await?;
    let known = caller.store().channel_secrets(caller.business_id, id).await?;
    let given: ChannelSecrets = new.secrets.into_iter().collect();
    let settings = settings(&caller, &channel.provider, new.settings).await?;
    check_host(&channel.settings, &settings, &known, &given)?;
    let channel = ChannelConfig {
        name: new.name,
        settings,
        agent_id: new.agent_id,
        enabled: new.enabled,
        unknown_policy: new.unknown_policy,
        revision: new.revision,
        updated_at: caller.now(),
        ..channel
    };
    let all: ChannelSecrets = known.expose().chain(given.expose()).collect();
    check_opens(&caller, &channel, &all)?;
    let channel = caller.store().update_channel(&channel, Some(&given)).await?;
    caller.jp().channel_changed(id);
    Ok(Json(ChannelView::new(channel, &all)))
}

/// The setting of every provider that says where its API is.
const BASE_URL: &str = "base_url";

fn check_host(
    before: &Value,
    after: &Value,
    known: &ChannelSecrets,
    given: &ChannelSecrets,
) -> Result<(), Problem> {
    if before.get(BASE_URL) == after.get(BASE_URL) {
        return Ok(());
    }
    let mut checks = Checks::default();
    for name in known.names() {
        let message = "must be given again, because base_url changes";
        checks.require(given.get(name).is_some(), format!("/secrets/{name}"), message);
    }
    checks.done()
}

/// Deletes a channel that has no conversations.
#[utoipa::path(delete, path = "/channels/{id}", tag = "channels",
    params(("id" = String, Path, description = "The channel.")),
    security(("api_key" = ["channels_write"])),
    responses((status = 204)))]
async fn delete(
    caller: Allowed<perm::ChannelsWrite>,
    Id(id): Id<ChannelId>,
) -> Result<Response, Problem> {
    caller.store().delete_channel(caller.business_id, id).await?;
    caller.jp().channel_changed(id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Asks the provider whether settings and secrets work.
#[utoipa::path(post, path = "/channels/{id}/verify", tag = "channels",
    params(("id" = String, Path, description = "The channel.")),
    security(("api_key" = ["channels_write"])),
    responses((status = 200, body = Verification)))]
async fn verify(
    caller: Allowed<perm::ChannelsWrite>,
    Id(id): Id<ChannelId>,
) -> Result<Json<Verification>, Problem> {
    let detail = match caller.jp().verify_channel(caller.business_id, id).await {
        Ok(()) => None,
        Err(error @ (EngineError::Provider(_) | EngineError::Channel(_))) => {
            Some(error.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Json(Verification { ok: detail.is_none(), detail }))
}
