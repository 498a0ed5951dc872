//! What plugins may use of the platform, one file each.
//!
//! Every capability is linked always; whether it is granted is asked here, in each call. So a grant that
//! is withdrawn stops the capability and not the plugin.

mod bound;
mod clock;
mod config;
mod contact;
mod http;
mod kv;
mod log;
mod messaging;
mod outside;
mod random;
mod secret;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use justping_core::model::{
    Capability, ChannelSecrets, PLUGIN_LINE_MAX_BYTES, PluginLevel, PluginLine, PluginLineKind,
};
use justping_core::port::StoreError;
use tokio::runtime::Handle;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

pub(crate) use self::bound::Bounds;
pub use self::contact::parse_contact_patch;
pub(crate) use self::contact::told;
pub use self::messaging::{MESSAGE_KEY_MAX_BYTES, parse_content};
pub(crate) use self::outside::AbortOnDrop;
use crate::caller::Caller;
use crate::contract::bindings::justping::plugin as host;
use crate::limits::host_calls_max;
use crate::port::Ports;
use crate::sandbox::{Cpu, Share};

/// Ends a call from within a host function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("too much time on a processor")]
    Cpu,
    #[error("too many calls of {}", .0.name())]
    HostCalls(Capability),
    #[error("{} is not granted", .0.name())]
    Denied(Capability),
}

/// What one call has with the platform.
#[derive(Debug)]
pub(crate) struct CallState {
    pub(crate) caller: Caller,
    pub(crate) bounds: Bounds,
    pub(crate) cpu: Arc<Cpu>,
    pub(crate) diary: Diary,
    ports: Arc<Ports>,
    /// The runtime of the platform: what waits for others does so there, never among guests.
    home: Handle,
    counts: [u32; Capability::ALL.len()],
    denied: BTreeSet<Capability>,
    is_host_denied: bool,
    secrets: Option<Arc<ChannelSecrets>>,
    drawn: u64,
    pub(crate) started: Instant,
}

/// What a call wrote.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) lines: Vec<PluginLine>,
    pub(crate) lost: u32,
    logged: u32,
}

impl CallState {
    pub(crate) fn new(
        caller: Caller,
        ports: Arc<Ports>,
        home: Handle,
        share: Share,
        started: Instant,
    ) -> Self {
        let bounds = Bounds::new(&caller.limits, share);
        Self {
            caller,
            bounds,
            cpu: Arc::default(),
            diary: Diary::default(),
            ports,
            home,
            counts: Default::default(),
            denied: BTreeSet::new(),
            is_host_denied: false,
            secrets: None,
            drawn: 0,
            started,
        }
    }

    /// Whether the instance may serve this call of its plugin too: what it may remember was configured
    /// and granted as it is now.
    pub(crate) fn is_for(&self, next: &Caller) -> bool {
        self.caller.config == next.config
            && self.caller.grants == next.grants
            && self.bounds.fits(&next.limits)
    }

    /// Begins with another call of the same instance, of which nothing is left but the guest's own
    /// memory.
    pub(crate) fn begin_again(&mut self, next: Caller, now: Instant) {
        let Self {
            caller,
            bounds,
            cpu,
            diary,
            ports: _,
            home: _,
            counts,
            denied,
            is_host_denied,
            secrets,
            drawn,
            started,
        } = self;
        cpu.reset();
        *diary = Diary::default();
        *counts = Default::default();
        denied.clear();
        (*is_host_denied, *secrets, *drawn) = (false, None, 0);
        *started = now;
        *caller = next;
        bounds.begin_again(&caller.limits);
    }

    /// How often capabilities were called.
    pub(crate) fn host_calls(&self) -> u32 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Counts a call of a capability and says whether it is granted. Too many end the plugin's call.
    fn access(&mut self, capability: Capability) -> wasmtime::Result<bool> {
        let place = Capability::ALL.iter().position(|one| *one == capability);
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += 1;
            if *count > host_calls_max(capability) {
                return Err(Stop::HostCalls(capability).into());
            }
        }
        if self.caller.grants.allows(capability) {
            return Ok(true);
        }
        if self.denied.insert(capability) {
            self.deny(&format!("{} is not granted", capability.name()));
        }
        Ok(false)
    }

    /// Notes what was denied.
    fn deny(&mut self, what: &str) {
        self.note(PluginLineKind::Denied, PluginLevel::Warn, what);
    }

    fn note(&mut self, kind: PluginLineKind, level: PluginLevel, text: &str) {
        let line = PluginLine {
            business_id: self.caller.business_id,
            plugin_id: self.caller.plugin_id,
            at: self.ports.clock.now(),
            kind,
            level,
            text: log::clean(text, PLUGIN_LINE_MAX_BYTES),
            conversation_id: self.caller.conversation_id,
        };
        self.ports.lines.push(line.clone());
        self.diary.lines.push(line);
    }
}

/// What a plugin is told of a store's trouble. The store's own words are for the operator.
fn trouble(error: &StoreError) -> String {
    match error {
        StoreError::NotFound(what) => format!("{what} not found"),
        StoreError::Conflict(_) | StoreError::Stale(_) => "somebody else changes it".to_owned(),
        StoreError::Invalid(what) => format!("invalid {what}"),
        StoreError::Unavailable(_) | StoreError::Corrupt(_) => {
            tracing::warn!(%error, "a plugin's host call failed in the store");
            "the store is unavailable".to_owned()
        }
    }
}

/// Links everything that the platform offers.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    host::log::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::config::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::kv::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::http::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::secrets::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::contacts::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::contacts_write::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::messaging::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::clock::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::random::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    host::types::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl host::types::Host for CallState {}
