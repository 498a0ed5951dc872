use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use justping::model::{ChannelSecrets, Grants, Plugin, PluginId, Timestamp};
use justping::plugins::adapter::plugin_feed;
use justping::plugins::plugins::{Change, NewPlugin};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::package::ReleaseView;
use super::{GrantsView, by};
use crate::api::check::{Checks, SECRET_MAX_CHARS, SECRETS_MAX};
use crate::api::view::{PageQuery, PageView, created};
use crate::http::Problem;
use crate::http::access::{Allowed, Caller, perm};
use crate::http::extract::{Id, JsonBody, JsonOr, Query};

/// A plugin of the business.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub(super) struct PluginView {
    #[schema(value_type = String)]
    id: PluginId,
    /// Its name, as in its manifests.
    name: String,
    /// Whether it runs.
    enabled: bool,
    /// The release that runs.
    digest: String,
    version: String,
    /// The releases that ran before, the newest last.
    history: Vec<String>,
    /// What the business grants.
    grants: GrantsView,
    /// What takes effect: asked for, granted, and allowed by the operator.
    effective_grants: GrantsView,
    /// What the release asks for, the operator allows, and the business does not grant.
    pending_grants: GrantsView,
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// The names of the secrets that were given; what they say is never shown.
    secrets: BTreeSet<String>,
    /// Whether a message goes on when the plugin fails to look at it.
    fail_open: bool,
    /// Until when it is left alone, as it broke too often; as this process knows it.
    paused_until: Option<Timestamp>,
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A plugin to install.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Install {
    /// The release that shall run.
    digest: String,
    /// Whether it runs at once.
    #[serde(default)]
    enabled: bool,
    /// What of its requests is granted; nothing unless given.
    #[serde(default)]
    grants: GrantsView,
    /// Matches the schema of the release.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// Whether a message goes on when the plugin fails to look at it.
    #[serde(default)]
    fail_open: bool,
}

/// What shall be different; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginPatch {
    enabled: Option<bool>,
    /// All that is granted from now on.
    grants: Option<GrantsView>,
    /// All of the configuration.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// Those named are set, the others stay.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    fail_open: Option<bool>,
    /// The revision that was read; another one is refused with 409.
    revision: Option<u64>,
}

/// Another release of the same plugin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upgrade {
    /// The release that shall run.
    digest: String,
    /// The revision that was read; another one is refused with 409.
    revision: Option<u64>,
}

/// One step back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// The revision that was read; another one is refused with 409.
    revision: Option<u64>,
}

async fn show(caller: &Caller, plugin: Plugin) -> Result<PluginView, Problem> {
    let plugins = caller.plugins()?;
    let release = caller.store().plugin_release(caller.business_id, &plugin.digest).await?;
    let secrets = plugins.secret_names(caller.business_id, plugin.id).await?;
    let policy = plugins.policy();
    let effective = policy.effective(&release.requested, &plugin.grants);
    let pending = without(policy.allowed(&release.requested), &plugin.grants);
    let paused_until = plugins.paused_until(caller.business_id, plugin.id);
    let Plugin { id, name, enabled, digest, history, grants, config, fail_open, .. } = plugin;
    Ok(PluginView {
        id,
        name,
        enabled,
        digest,
        version: release.version,
        history,
        grants: grants.into(),
        effective_grants: effective.into(),
        pending_grants: pending.into(),
        config,
        secrets,
        fail_open,
        paused_until,
        revision: plugin.revision,
        created_at: plugin.created_at,
        updated_at: plugin.updated_at,
    })
}

/// What is not in the other.
fn without(mut grants: Grants, other: &Grants) -> Grants {
    grants.capabilities.retain(|one| !other.capabilities.contains(one));
    grants.hosts.retain(|one| !other.hosts.contains(one));
    grants.secrets.retain(|one| !other.secrets.contains(one));
    grants
}

fn secrets(given: BTreeMap<String, String>) -> Result<ChannelSecrets, Problem> {
    let mut checks = Checks::default();
    checks.count("/secrets", given.len(), SECRETS_MAX);
    for (name, secret) in &given {
        checks.text(&format!("/secrets/{name}"), secret, SECRET_MAX_CHARS);
    }
    checks.done()?;
    Ok(given.into_iter().collect())
}

/// Lists plugins.
#[utoipa::path(get, path = "/plugins", tag = "plugins", params(PageQuery),
    security(("api_key" = ["plugins_read"])),
    responses((status = 200, body = PageView<PluginView>)))]
pub(super) async fn list(
    caller: Allowed<perm::PluginsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<PluginView>>, Problem> {
    caller.plugins()?;
    let page = caller.store().plugins(caller.business_id, &query.request()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for plugin in page.items {
        items.push(show(&caller, plugin).await?);
    }
    Ok(Json(PageView { items, next: page.next.map(|cursor| cursor.0) }))
}

/// Installs a release. A business has one plugin of a name; another release of it is an upgrade.
#[utoipa::path(post, path = "/plugins", tag = "plugins", request_body = Install,
    security(("api_key" = ["plugins_write"])),
    responses((status = 201, body = PluginView)))]
pub(super) async fn install(
    caller: Allowed<perm::PluginsWrite>,
    JsonBody(new): JsonBody<Install>,
) -> Result<Response, Problem> {
    let plugins = caller.plugins()?;
    let new = NewPlugin {
        id: PluginId::from_uuid(caller.ids().uuid()),
        digest: new.digest,
        enabled: new.enabled,
        grants: new.grants.into(),
        config: new.config,
        secrets: secrets(new.secrets)?,
        fail_open: new.fail_open,
    };
    let plugin = plugins.install(caller.business_id, new, &by(&caller)).await?;
    Ok(created(show(&caller, plugin).await?))
}

/// Reads a plugin.
#[utoipa::path(get, path = "/plugins/{id}", tag = "plugins",
    params(("id" = String, Path, description = "The plugin.")),
    security(("api_key" = ["plugins_read"])),
    responses((status = 200, body = PluginView)))]
pub(super) async fn read(
    caller: Allowed<perm::PluginsRead>,
    Id(id): Id<PluginId>,
) -> Result<Json<PluginView>, Problem> {
    let plugin = caller.store().plugin(caller.business_id, id).await?;
    Ok(Json(show(&caller, plugin).await?))
}

/// Changes what the business decides of a plugin. Calls that run end as they began.
#[utoipa::path(patch, path = "/plugins/{id}", tag = "plugins", request_body = PluginPatch,
    params(("id" = String, Path, description = "The plugin.")),
    security(("api_key" = ["plugins_write"])),
    responses((status = 200, body = PluginView)))]
pub(super) async fn change(
    caller: Allowed<perm::PluginsWrite>,
    Id(id): Id<PluginId>,
    JsonBody(patch): JsonBody<PluginPatch>,
) -> Result<Json<PluginView>, Problem> {
    let change = Change {
        enabled: patch.enabled,
        grants: patch.grants.map(Grants::from),
        config: patch.config,
        secrets: secrets(patch.secrets)?,
        fail_open: patch.fail_open,
        revision: patch.revision,
    };
    let plugins = caller.plugins()?;
    let plugin = plugins.change(caller.business_id, id, change, &by(&caller)).await?;
    Ok(Json(show(&caller, plugin).await?))
}

/// Removes a plugin with all that it keeps, its secrets and its log. Its releases stay.
#[utoipa::path(delete, path = "/plugins/{id}", tag = "plugins",
    params(("id" = String, Path, description = "The plugin.")),
    security(("api_key" = ["plugins_write"])),
    responses((status = 204)))]
pub(super) async fn remove(
    caller: Allowed<perm::PluginsWrite>,
    Id(id): Id<PluginId>,
) -> Result<Response, Problem> {
    caller.plugins()?.remove(caller.business_id, id, &by(&caller)).await?;
    caller.store().close_feed(&plugin_feed(caller.business_id, id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Runs another release from now on. What it does not ask for is no longer granted; what it asks for
/// besides is pending until it is granted.
#[utoipa::path(post, path = "/plugins/{id}/upgrade", tag = "plugins", request_body = Upgrade,
    params(("id" = String, Path, description = "The plugin.")),
    security(("api_key" = ["plugins_write"])),
    responses((status = 200, body = PluginView)))]
pub(super) async fn upgrade(
    caller: Allowed<perm::PluginsWrite>,
    Id(id): Id<PluginId>,
    JsonBody(to): JsonBody<Upgrade>,
) -> Result<Json<PluginView>, Problem> {
    let (plugins, release) = (caller.plugins()?, (to.digest.as_str(), to.revision));
    let plugin = plugins.upgrade(caller.business_id, id, release, &by(&caller)).await?;
    Ok(Json(show(&caller, plugin).await?))
}

/// Goes back to the release that ran before.
#[utoipa::path(post, path = "/plugins/{id}/rollback", tag = "plugins", request_body = Rollback,
    params(("id" = String, Path, description = "The plugin.")),
    security(("api_key" = ["plugins_write"])),
    responses((status = 200, body = PluginView)))]
pub(super) async fn rollback(
    caller: Allowed<perm::PluginsWrite>,
    Id(id): Id<PluginId>,
    JsonOr(body): JsonOr<Rollback>,
) -> Result<Json<PluginView>, Problem> {
    let plugins = caller.plugins()?;
    let plugin = plugins.rollback(caller.business_id, id, body.revision, &by(&caller)).await?;
    Ok(Json(show(&caller, plugin).await?))
}

/// Lists the releases of a plugin's name, the newest first.
#[utoipa::path(get, path = "/plugins/{id}/releases", tag = "plugins",
    params(("id" = String, Path, description = "The plugin."), PageQuery),
    security(("api_key" = ["plugins_read"])),
    responses((status = 200, body = PageView<ReleaseView>)))]
pub(super) async fn releases(
    caller: Allowed<perm::PluginsRead>,
    Id(id): Id<PluginId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<PageView<ReleaseView>>, Problem> {
    let page = query.request()?;
    let (store, business) = (caller.store(), caller.business_id);
    let plugin = store.plugin(business, id).await?;
    let page = store.plugin_releases(business, &plugin.name, &page).await?;
    Ok(PageView::of(page, ReleaseView::from))
}
