//! Secrets: put to use, never shown.

use std::sync::Arc;

use hmac::{Hmac, Mac as _};
use justping_core::model::{Capability, ChannelSecrets};
use sha2::Sha256;

use super::{CallState, trouble};
use crate::contract::bindings::justping::plugin::secrets::{Error, Host};
use crate::mac::keyed;

impl Host for CallState {
    async fn has(&mut self, name: String) -> wasmtime::Result<Result<bool, Error>> {
        Ok(match self.secret(&name).await? {
            Ok(_) => Ok(true),
            Err(Error::Missing(_)) => Ok(false),
            Err(error) => Err(error),
        })
    }

    async fn hmac_sha256(
        &mut self,
        name: String,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let mac = self.secret(&name).await?.map(|secret| secret.mac(&data));
        Ok(mac.map(|mac| mac.finalize().into_bytes().to_vec()))
    }

    async fn verify_hmac_sha256(
        &mut self,
        name: String,
        data: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let mac = self.secret(&name).await?.map(|secret| secret.mac(&data));
        Ok(mac.map(|mac| mac.verify_slice(&signature).is_ok()))
    }
}

/// One secret of the plugin.
pub(super) struct Secret {
    all: Arc<ChannelSecrets>,
    name: String,
}

impl Secret {
    pub(super) fn expose(&self) -> &str {
        self.all.get(&self.name).unwrap_or_default()
    }

    fn mac(&self, data: &[u8]) -> Hmac<Sha256> {
        let mut mac = keyed(self.expose().as_bytes());
        mac.update(data);
        mac
    }
}

impl CallState {
    /// Finds a secret that the plugin may use.
    async fn secret(&mut self, name: &str) -> wasmtime::Result<Result<Secret, Error>> {
        if !self.access(Capability::Secrets)? {
            return Ok(Err(Error::Denied));
        }
        Ok(self.find_secret(name).await)
    }

    /// Finds a secret, whatever the way it is to be used.
    pub(super) async fn find_secret(&mut self, name: &str) -> Result<Secret, Error> {
        let missing = |why: &str| Error::Missing(why.to_owned());
        if !self.caller.grants.secrets.contains(name) {
            return Err(missing("no such secret is granted"));
        }
        let all = match &self.secrets {
            Some(all) => Arc::clone(all),
            None => self.open_secrets().await.map_err(|why| missing(&why))?,
        };
        if all.get(name).is_none_or(str::is_empty) {
            return Err(missing("the business gave no such secret"));
        }
        Ok(Secret { all, name: name.to_owned() })
    }

    async fn open_secrets(&mut self) -> Result<Arc<ChannelSecrets>, String> {
        let store = Arc::clone(&self.ports.plugins);
        let (business, plugin) = (self.caller.business_id, self.caller.plugin_id);
        let opened = self.outside(async move { store.plugin_secrets(business, plugin).await });
        let opened = opened.await.ok_or_else(|| "the platform is closing".to_owned())?;
        let all = Arc::new(opened.map_err(|error| trouble(&error))?);
        self.secrets = Some(Arc::clone(&all));
        Ok(all)
    }
}
