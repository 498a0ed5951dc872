//! Values that last.

use std::sync::Arc;

use justping_core::model::{Capability, PLUGIN_KEY_MAX_BYTES, PLUGIN_VALUE_MAX_BYTES, Timestamp};
use justping_core::port::ClockExt as _;
use justping_core::port::store::{KvWrite, PLUGIN_KEYS_MAX, PluginKeys, PluginWrite};
use justping_core::port::{StoreError, StoreResult};

use super::{CallState, trouble};
use crate::contract::bindings::justping::plugin::kv::{Error, Host};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl Host for CallState {
    async fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        if let Some(refused) = self.refuse(&key)? {
            return Ok(Err(refused));
        }
        let (store, now) = (Arc::clone(&self.ports.plugins), self.ports.clock.now());
        let (business, plugin) = (self.caller.business_id, self.caller.plugin_id);
        let found =
            self.outside(async move { store.plugin_value(business, plugin, &key, now).await });
        Ok(told(found.await))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Answer<()> {
        if let Some(refused) = self.refuse(&key)? {
            return Ok(Err(refused));
        }
        if value.is_empty() || value.len() > PLUGIN_VALUE_MAX_BYTES {
            return Ok(Err(invalid("a value", PLUGIN_VALUE_MAX_BYTES)));
        }
        let until = ttl_ms.map(|ms| self.ports.clock.after_ms(ms));
        let (store, place) = (Arc::clone(&self.ports.plugins), self.place(until));
        let written = self
            .outside(async move { store.set_plugin_value(&place.write(&key), &value).await })
            .await;
        Ok(told(written).and_then(done))
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        if let Some(refused) = self.refuse(&key)? {
            return Ok(Err(refused));
        }
        let store = Arc::clone(&self.ports.plugins);
        let (business, plugin) = (self.caller.business_id, self.caller.plugin_id);
        let gone =
            self.outside(async move { store.delete_plugin_value(business, plugin, &key).await });
        Ok(told(gone.await))
    }

    async fn increment(&mut self, key: String, by: i64) -> Answer<i64> {
        if let Some(refused) = self.refuse(&key)? {
            return Ok(Err(refused));
        }
        let (store, place) = (Arc::clone(&self.ports.plugins), self.place(None));
        let sum =
            self.outside(async move { store.add_plugin_value(&place.write(&key), by).await }).await;
        Ok(told(sum).and_then(|sum| sum.or_else(|why| done(why).and(Ok(0)))))
    }

    async fn keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Answer<Vec<String>> {
        if !self.access(Capability::Kv)? {
            return Ok(Err(Error::Denied));
        }
        if ![Some(&prefix), after.as_ref()].into_iter().flatten().all(|key| is_key_part(key)) {
            return Ok(Err(invalid("a key", PLUGIN_KEY_MAX_BYTES)));
        }
        let (store, now) = (Arc::clone(&self.ports.plugins), self.ports.clock.now());
        let (business, plugin) = (self.caller.business_id, self.caller.plugin_id);
        let limit = limit.min(PLUGIN_KEYS_MAX);
        let keys = self.outside(async move {
            let after = after.as_deref();
            let looked_for = PluginKeys { prefix: &prefix, after, limit, now };
            store.plugin_keys(business, plugin, &looked_for).await
        });
        Ok(told(keys.await))
    }
}

/// A [`PluginWrite`] that waits for its key.
struct Place(PluginWrite<'static>);

impl Place {
    fn write<'a>(&self, key: &'a str) -> PluginWrite<'a> {
        PluginWrite { key, ..self.0 }
    }
}

impl CallState {
    /// Why a call with this key is not made.
    fn refuse(&mut self, key: &str) -> wasmtime::Result<Option<Error>> {
        if !self.access(Capability::Kv)? {
            return Ok(Some(Error::Denied));
        }
        let is_key = !key.is_empty() && is_key_part(key);
        Ok((!is_key).then(|| invalid("a key", PLUGIN_KEY_MAX_BYTES)))
    }

    fn place(&self, until: Option<Timestamp>) -> Place {
        Place(PluginWrite {
            business_id: self.caller.business_id,
            plugin_id: self.caller.plugin_id,
            key: "",
            until,
            now: self.ports.clock.now(),
            quota: self.caller.quota,
        })
    }
}

/// A NUL is no text for some stores.
fn is_key_part(text: &str) -> bool {
    text.len() <= PLUGIN_KEY_MAX_BYTES && !text.contains('\0')
}

fn invalid(what: &str, max: usize) -> Error {
    Error::Invalid(format!("{what} has 1 to {max} bytes, and a key no NUL"))
}

fn done(write: KvWrite) -> Result<(), Error> {
    match write {
        KvWrite::Done => Ok(()),
        KvWrite::Full => Err(Error::QuotaExceeded),
        KvWrite::NoNumber => Err(Error::Invalid("no number of 64 bits".to_owned())),
    }
}

fn told<T>(answer: Option<StoreResult<T>>) -> Result<T, Error> {
    match answer {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error @ StoreError::Invalid(_))) => Err(Error::Invalid(trouble(&error))),
        Some(Err(error)) => Err(Error::Unavailable(trouble(&error))),
        None => Err(Error::Unavailable("the platform is closing".to_owned())),
    }
}
