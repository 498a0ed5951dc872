//! Installing plugins and changing what is installed. Every change leaves a line with who made it.

use std::collections::BTreeSet;

use bytes::Bytes;
use justping_core::model::{
    BusinessId, ChannelSecrets, Grants, PAGE_MAX, PLUGIN_LINE_MAX_BYTES, PageRequest, Plugin,
    PluginId, PluginLevel, PluginLine, PluginLineKind, PluginRelease,
};
use justping_core::port::{StoreError, StoreResult};
use serde_json::{Map, Value};

use super::Plugins;
use crate::blob::BlobError;
use crate::package::{Problem, Templates, VerifyError, config_problems, digest};

/// Most plugins of a business.
pub const PLUGINS_MAX: usize = 100;

/// Something wrong with one part of what was asked for.
pub type Field = Problem;

/// Why a change was not made. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The package is not taken.
    #[error(transparent)]
    Package(#[from] VerifyError),
    /// Packages cannot be kept or read now.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Parts of what was asked for are wrong: JSON pointers into it, and why.
    #[error("{} part(s) of the change are wrong", .0.len())]
    Fields(Vec<Field>),
    /// The business has as many as it may.
    #[error("a business has at most {PLUGINS_MAX} plugins")]
    TooMany,
    /// There is no release to go back to.
    #[error("there is no release to go back to")]
    NoHistory,
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A release that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The release.
    pub release: PluginRelease,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// A plugin to install.
#[derive(Debug, Clone)]
pub struct NewPlugin {
    /// Its id.
    pub id: PluginId,
    /// The release that shall run.
    pub digest: String,
    /// Whether it runs at once.
    pub enabled: bool,
    /// What the business grants.
    pub grants: Grants,
    /// Its configuration.
    pub config: Map<String, Value>,
    /// Its secrets.
    pub secrets: ChannelSecrets,
    /// Whether a message goes on when the plugin fails to look at it.
    pub fail_open: bool,
}

/// What shall be different; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Whether it runs.
    pub enabled: Option<bool>,
    /// What the business grants.
    pub grants: Option<Grants>,
    /// Its configuration, all of it.
    pub config: Option<Map<String, Value>>,
    /// Secrets to set; others stay.
    pub secrets: ChannelSecrets,
    /// Whether a message goes on when the plugin fails to look at it.
    pub fail_open: Option<bool>,
    /// The revision that was read; another one is refused.
    pub revision: Option<u64>,
}

impl Plugins {
    /// Verifies a package and keeps it as a release of the business. The same package again is the
    /// same release.
    ///
    /// # Errors
    /// [`ManageError::Package`], [`ManageError::Blob`], [`ManageError::Store`].
    pub async fn keep(&self, business: BusinessId, package: Bytes) -> Result<Kept, ManageError> {
        let store = &self.inner.store;
        let named = digest(&package);
        match store.plugin_release(business, &named).await {
            Ok(release) => {
                // Kept again, in case it was damaged.
                self.inner.blobs.keep(package).await?;
                return Ok(Kept { release, is_new: false });
            }
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let verified = self.verify(&package).await?;
        let (manifest, inspection) = (&verified.package.manifest, &verified.inspection);
        let inspection = serde_json::to_value(inspection)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let release = PluginRelease {
            digest: named,
            business_id: business,
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            manifest: manifest.written.clone(),
            requested: manifest.requested(),
            inspection,
            bytes: verified.package.bytes,
            signer: verified.package.signer.map(|key| key.to_string()),
            created_at: self.inner.clock.now(),
        };
        // The bytes first: a release without them would be of no use.
        self.inner.blobs.keep(package).await?;
        store.keep_plugin_release(&release).await?;
        Ok(Kept { release, is_new: true })
    }

    /// Installs a release.
    ///
    /// # Errors
    /// [`ManageError::Fields`], [`ManageError::TooMany`], and [`ManageError::Store`] with `Conflict`
    /// when a plugin of the name is there.
    pub async fn install(
        &self,
        business: BusinessId,
        new: NewPlugin,
        by: &str,
    ) -> Result<Plugin, ManageError> {
        let release = self.release(business, &new.digest).await?;
        let mut fields = Fields::default();
        fields.grants(self, &release, &new.grants);
        fields.config(&release, &new.config);
        fields.secrets(&release, &new.secrets);
        fields.done()?;
        let page = PageRequest { after: None, limit: PAGE_MAX };
        if self.inner.store.plugins(business, &page).await?.items.len() >= PLUGINS_MAX {
            return Err(ManageError::TooMany);
        }
        let now = self.inner.clock.now();
        let plugin = Plugin {
            id: new.id,
            business_id: business,
            name: release.name.clone(),
            enabled: new.enabled,
            digest: release.digest.clone(),
            history: Vec::new(),
            grants: new.grants,
            config: new.config,
            fail_open: new.fail_open,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.inner.store.create_plugin(&plugin, &new.secrets).await?;
        let state = if plugin.enabled { "on" } else { "off" };
        let what =
            format!("installed {} {state}, granted {}", shown(&release), listed(&plugin.grants));
        self.note(&plugin, &what, by).await?;
        Ok(plugin)
    }

    /// Changes what a business decides of a plugin.
    ///
    /// # Errors
    /// [`ManageError::Fields`], and [`ManageError::Store`] with `Stale` when it has another revision.
    pub async fn change(
        &self,
        business: BusinessId,
        id: PluginId,
        change: Change,
        by: &str,
    ) -> Result<Plugin, ManageError> {
        let mut plugin = self.plugin(business, id, change.revision).await?;
        let release = self.release(business, &plugin.digest).await?;
        let mut fields = Fields::default();
        let mut said = Vec::new();
        if let Some(grants) = change.grants {
            fields.grants(self, &release, &grants);
            said.push(format!("granted {}", listed(&grants)));
            plugin.grants = grants;
        }
        if let Some(config) = change.config {
            fields.config(&release, &config);
            said.push("configured".to_owned());
            plugin.config = config;
        }
        fields.secrets(&release, &change.secrets);
        fields.done()?;
        let names: Vec<&str> = change.secrets.names().collect();
        if !names.is_empty() {
            said.push(format!("given the secrets {}", names.join(", ")));
        }
        if let Some(enabled) = change.enabled {
            said.push(format!("switched {}", if enabled { "on" } else { "off" }));
            plugin.enabled = enabled;
        }
        if let Some(fail_open) = change.fail_open {
            let how = if fail_open { "go on" } else { "stop" };
            said.push(format!("messages {how} when it fails"));
            plugin.fail_open = fail_open;
        }
        self.replace(plugin, Some(&change.secrets), &said.join("; "), by).await
    }

    /// Runs another release of the same plugin from now on. What the new one does not ask for is no
    /// longer granted, and what it asks for besides is not granted either until somebody does.
    ///
    /// # Errors
    /// [`ManageError::Fields`] when the release is of another plugin or its schema refuses the
    /// configuration, [`ManageError::Store`] with `Stale` when the plugin has another revision.
    pub async fn upgrade(
        &self,
        business: BusinessId,
        id: PluginId,
        (digest, revision): (&str, Option<u64>),
        by: &str,
    ) -> Result<Plugin, ManageError> {
        let mut plugin = self.plugin(business, id, revision).await?;
        let release = self.release(business, digest).await?;
        let mut fields = Fields::default();
        fields.require(release.name == plugin.name, "/digest", "is a release of another plugin");
        fields.require(release.digest != plugin.digest, "/digest", "is the release that runs");
        fields.config(&release, &plugin.config);
        fields.done()?;
        let before = std::mem::replace(&mut plugin.digest, release.digest.clone());
        plugin.history.push(before);
        plugin.grants = plugin.grants.intersection(&release.requested);
        let what = format!("upgraded to {}, granted {}", shown(&release), listed(&plugin.grants));
        self.replace(plugin, None, &what, by).await
    }

    /// Goes back to the release that ran before.
    ///
    /// # Errors
    /// [`ManageError::NoHistory`]; else as [`upgrade`](Self::upgrade).
    pub async fn rollback(
        &self,
        business: BusinessId,
        id: PluginId,
        revision: Option<u64>,
        by: &str,
    ) -> Result<Plugin, ManageError> {
        let mut plugin = self.plugin(business, id, revision).await?;
        let digest = plugin.history.pop().ok_or(ManageError::NoHistory)?;
        let release = self.release(business, &digest).await?;
        let mut fields = Fields::default();
        fields.config(&release, &plugin.config);
        fields.done()?;
        plugin.digest = digest;
        plugin.grants = plugin.grants.intersection(&release.requested);
        let what =
            format!("rolled back to {}, granted {}", shown(&release), listed(&plugin.grants));
        self.replace(plugin, None, &what, by).await
    }

    /// Removes a plugin with everything that it keeps. Its releases stay.
    ///
    /// # Errors
    /// What the store says.
    pub async fn remove(&self, business: BusinessId, id: PluginId, by: &str) -> StoreResult<()> {
        self.inner.store.delete_plugin(business, id).await?;
        self.inner.breakers.forget((business, id));
        self.changed(business);
        tracing::info!(%business, plugin = %id, by, "a plugin was removed");
        Ok(())
    }

    /// The names of the secrets that a plugin was given.
    ///
    /// # Errors
    /// What the store says.
    pub async fn secret_names(
        &self,
        business: BusinessId,
        id: PluginId,
    ) -> StoreResult<BTreeSet<String>> {
        let secrets = self.inner.store.plugin_secrets(business, id).await?;
        Ok(secrets.names().map(str::to_owned).collect())
    }

    async fn release(
        &self,
        business: BusinessId,
        digest: &str,
    ) -> Result<PluginRelease, ManageError> {
        match self.inner.store.plugin_release(business, digest).await {
            Err(StoreError::NotFound(_)) => {
                let message = "there is no such release".to_owned();
                Err(ManageError::Fields(vec![Field { path: "/digest".to_owned(), message }]))
            }
            other => Ok(other?),
        }
    }

    async fn plugin(
        &self,
        business: BusinessId,
        id: PluginId,
        revision: Option<u64>,
    ) -> StoreResult<Plugin> {
        let plugin = self.inner.store.plugin(business, id).await?;
        match revision {
            Some(revision) if revision != plugin.revision => Err(StoreError::Stale("plugin")),
            _ => Ok(plugin),
        }
    }

    async fn replace(
        &self,
        plugin: Plugin,
        secrets: Option<&ChannelSecrets>,
        what: &str,
        by: &str,
    ) -> Result<Plugin, ManageError> {
        let plugin = Plugin { updated_at: self.inner.clock.now(), ..plugin };
        let plugin = self.inner.store.update_plugin(&plugin, secrets).await?;
        self.note(&plugin, what, by).await?;
        Ok(plugin)
    }

    /// Makes a change known: to this process and in the plugin's log.
    async fn note(&self, plugin: &Plugin, what: &str, by: &str) -> StoreResult<()> {
        self.inner.breakers.forget((plugin.business_id, plugin.id));
        self.changed(plugin.business_id);
        let line = PluginLine {
            business_id: plugin.business_id,
            plugin_id: plugin.id,
            at: self.inner.clock.now(),
            kind: PluginLineKind::Changed,
            level: PluginLevel::Info,
            text: short(&format!("{by}: {what}")),
            conversation_id: None,
        };
        self.inner.store.add_plugin_lines(&[line]).await
    }
}

/// Collects what is wrong with a change.
#[derive(Debug, Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn require(&mut self, holds: bool, path: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.0.push(Field { path: path.into(), message: message.into() });
        }
    }

    fn grants(&mut self, plugins: &Plugins, release: &PluginRelease, grants: &Grants) {
        let allowed = plugins.policy().allowed(grants);
        let mut check = |part: &str, name: &str, is_asked: bool, is_allowed: bool| {
            let path = format!("/grants/{part}");
            self.require(is_asked, &path, format!("the release does not ask for {name}"));
            self.require(is_allowed, &path, format!("{name} is not allowed on this platform"));
        };
        for one in &grants.capabilities {
            let asked = release.requested.allows(*one);
            check("capabilities", one.name(), asked, allowed.allows(*one));
        }
        for one in &grants.hosts {
            let asked = release.requested.hosts.contains(one);
            check("hosts", one, asked, allowed.hosts.contains(one));
        }
        for one in &grants.secrets {
            let asked = release.requested.secrets.contains(one);
            check("secrets", one, asked, allowed.secrets.contains(one));
        }
    }

    fn config(&mut self, release: &PluginRelease, config: &Map<String, Value>) {
        let schema = config_schema(&release.manifest);
        for problem in config_problems(schema.as_ref(), config, Templates::Literal) {
            self.require(false, format!("/config{}", problem.path), problem.message);
        }
    }

    fn secrets(&mut self, release: &PluginRelease, secrets: &ChannelSecrets) {
        for name in secrets.names() {
            let asked = release.requested.secrets.contains(name);
            let path = format!("/secrets/{}", name.replace('~', "~0").replace('/', "~1"));
            self.require(asked, path, "the release does not ask for this secret");
        }
    }

    fn done(self) -> Result<(), ManageError> {
        if self.0.is_empty() { Ok(()) } else { Err(ManageError::Fields(self.0)) }
    }
}

/// The schema of the configuration, as the manifest was written.
fn config_schema(manifest: &Value) -> Option<Value> {
    let table = manifest.get("config").cloned();
    let text = || serde_json::from_str(manifest.get("config_schema")?.as_str()?).ok();
    table.or_else(text)
}

fn shown(release: &PluginRelease) -> String {
    let digest = release.digest.get(..12).unwrap_or(&release.digest);
    format!("{} {} ({digest}…)", release.name, release.version)
}

fn listed(grants: &Grants) -> String {
    let names: Vec<&str> = grants.capabilities.iter().map(|one| one.name()).collect();
    let hosts = grants.hosts.iter().map(String::as_str);
    let secrets = grants.secrets.iter().map(String::as_str);
    let all: Vec<&str> = names.into_iter().chain(hosts).chain(secrets).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// As much of a text as a line takes.
pub(super) fn short(text: &str) -> String {
    let end = text.floor_char_boundary(PLUGIN_LINE_MAX_BYTES);
    text.get(..end).unwrap_or_default().to_owned()
}
