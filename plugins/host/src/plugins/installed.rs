use std::sync::Arc;

use justping_core::model::{
    BusinessId, Grants, PAGE_MAX, PageRequest, Plugin, PluginQuota, PluginRelease,
};
use justping_core::port::{StoreError, StoreResult};
use serde_json::Value;

use super::{Ask, Inner};
use crate::package::Inspection;
use crate::{Caller, ComponentDigest, Limits, LimitsWish};

/// A plugin of a business as it stands: the row, the release that runs, and what takes effect.
#[derive(Debug)]
pub struct Installed {
    /// The plugin.
    pub plugin: Plugin,
    /// The release that runs.
    pub release: PluginRelease,
    /// What the release was found to be.
    pub inspection: Inspection,
    /// What takes effect: asked for, and granted, and allowed by the operator.
    pub grants: Arc<Grants>,
    /// How much a call may take.
    pub limits: Arc<Limits>,
    /// The component, by which the sandbox knows it.
    pub(super) component: Option<ComponentDigest>,
    name: Arc<str>,
    config: Arc<str>,
}

impl Installed {
    /// For whom a call is made.
    pub fn caller(&self, ask: &Ask, quota: PluginQuota) -> Caller {
        Caller {
            business_id: self.plugin.business_id,
            plugin_id: self.plugin.id,
            plugin: Arc::clone(&self.name),
            grants: Arc::clone(&self.grants),
            config: Arc::clone(&self.config),
            conversation_id: ask.conversation_id,
            call_id: ask.call_id.clone(),
            now: ask.now,
            limits: Arc::clone(&self.limits),
            quota,
        }
    }
}

impl Inner {
    /// Reads the plugins of a business, by name; those that did not change are taken from `known`.
    pub(super) async fn read(
        &self,
        business: BusinessId,
        known: &[Arc<Installed>],
    ) -> StoreResult<Arc<[Arc<Installed>]>> {
        let page = PageRequest { after: None, limit: PAGE_MAX };
        let rows = self.store.plugins(business, &page).await?.items;
        let mut plugins = Vec::with_capacity(rows.len());
        for row in rows {
            let same = |one: &&Arc<Installed>| {
                one.plugin.id == row.id && one.plugin.revision == row.revision
            };
            if let Some(same) = known.iter().find(same) {
                plugins.push(Arc::clone(same));
                continue;
            }
            match self.store.plugin_release(business, &row.digest).await {
                Ok(release) => plugins.push(Arc::new(self.install(row, release)?)),
                // It was deleted, or upgraded to a release that came after this read began.
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        plugins.sort_by(|one, other| one.plugin.name.cmp(&other.plugin.name));
        Ok(plugins.into())
    }

    pub(super) fn install(&self, plugin: Plugin, release: PluginRelease) -> StoreResult<Installed> {
        let corrupt = |what: &str, error: &dyn std::fmt::Display| {
            StoreError::Corrupt(format!("{what} of plugin release {}: {error}", release.digest))
        };
        let inspection: Inspection = serde_json::from_value(release.inspection.clone())
            .map_err(|error| corrupt("the inspection", &error))?;
        let wish = release.manifest.get("limits").cloned().unwrap_or_default();
        let wish: LimitsWish = match wish {
            Value::Null => LimitsWish::default(),
            wish => serde_json::from_value(wish).map_err(|e| corrupt("the limits", &e))?,
        };
        let grants = self.config.policy.effective(&release.requested, &plugin.grants);
        Ok(Installed {
            component: component(&inspection.component),
            grants: Arc::new(grants),
            limits: Arc::new(self.sandbox.limits().tightened(&wish)),
            name: plugin.name.as_str().into(),
            config: Value::Object(plugin.config.clone()).to_string().into(),
            inspection,
            plugin,
            release,
        })
    }
}

fn component(digest: &str) -> Option<ComponentDigest> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digest, &mut bytes).ok()?;
    Some(ComponentDigest(bytes))
}
