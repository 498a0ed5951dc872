//! Components that are ready to run.

use std::collections::BTreeSet;
use std::fmt;

use justping_core::model::Capability;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

use super::error::LoadError;
use super::inspect::NOTE_MAX_CHARS;
use super::record::{Record, ShortCalls};
use crate::capability::CallState;
use crate::contract::bindings::exports::justping::plugin as guest;
use crate::contract::{PACKAGE, VERSION};

/// SHA-256 of a component.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentDigest(pub(crate) [u8; 32]);

impl ComponentDigest {
    /// The digest of a component's bytes.
    pub fn of(component: &[u8]) -> Self {
        Self(Sha256::digest(component).into())
    }
}

impl fmt::Display for ComponentDigest {
    /// Lowercase hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ComponentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a plugin can be: the interfaces it exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Export {
    /// Nodes of flows.
    Nodes,
    /// Tools of models.
    Tools,
    /// Looks at messages on their way.
    Hooks,
    /// Hears what happens.
    Subscriber,
    /// A channel.
    Channels,
    /// Functions for texts.
    Filters,
}

impl Export {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Nodes, Self::Tools, Self::Hooks, Self::Subscriber, Self::Channels, Self::Filters];

    /// Its name in manifests and the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Tools => "tools",
            Self::Hooks => "hooks",
            Self::Subscriber => "subscriber",
            Self::Channels => "channels",
            Self::Filters => "filters",
        }
    }
}

/// A component that was looked at, compiled and linked. Cheap to call; a call in flight keeps it alive.
pub struct Code {
    digest: ComponentDigest,
    imports: BTreeSet<Capability>,
    exports: BTreeSet<Export>,
    bytes: usize,
    pub(crate) entry: Entry,
    pub(crate) pre: InstancePre<CallState>,
    pub(super) record: Record,
}

/// Where its exports are.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) nodes: Option<guest::nodes::GuestIndices>,
    pub(crate) tools: Option<guest::tools::GuestIndices>,
    pub(crate) hooks: Option<guest::hooks::GuestIndices>,
    pub(crate) subscriber: Option<guest::subscriber::GuestIndices>,
    pub(crate) channels: Option<guest::channels::GuestIndices>,
    pub(crate) filters: Option<guest::filters::GuestIndices>,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code")
            .field("digest", &self.digest)
            .field("imports", &self.imports)
            .field("exports", &self.exports)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Code {
    /// SHA-256 of the component.
    pub fn digest(&self) -> ComponentDigest {
        self.digest
    }

    /// The capabilities it imports, and so may call.
    pub fn imports(&self) -> &BTreeSet<Capability> {
        &self.imports
    }

    /// What it is.
    pub fn exports(&self) -> &BTreeSet<Export> {
        &self.exports
    }

    /// Whether it can only compute: it imports nothing but the log and its configuration, so the same
    /// call gives the same answer.
    pub fn is_pure(&self) -> bool {
        self.imports.is_empty()
    }

    /// Bytes of its machine code.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Links a component; what it imports and exports is read off its type.
    pub(crate) fn link(
        digest: ComponentDigest,
        component: &Component,
        linker: &Linker<CallState>,
        short_calls: ShortCalls,
    ) -> Result<Self, LoadError> {
        let engine = component.engine();
        let imports = imports(component, engine);
        let exports = exports(component, engine);
        if exports.is_empty() {
            return Err(LoadError::NoExports);
        }
        let pre = linker.instantiate_pre(component).map_err(|error| invalid(&error))?;
        let entry = Entry::find(&pre, &exports).map_err(|error| invalid(&error))?;
        let image = component.image_range();
        let bytes = (image.end as usize).saturating_sub(image.start as usize);
        let record = Record::new(short_calls);
        Ok(Self { digest, imports, exports, bytes, entry, pre, record })
    }
}

impl Entry {
    fn find(pre: &InstancePre<CallState>, exports: &BTreeSet<Export>) -> wasmtime::Result<Self> {
        let mut entry = Self::default();
        for export in exports {
            match export {
                Export::Nodes => entry.nodes = Some(guest::nodes::GuestIndices::new(pre)?),
                Export::Tools => entry.tools = Some(guest::tools::GuestIndices::new(pre)?),
                Export::Hooks => entry.hooks = Some(guest::hooks::GuestIndices::new(pre)?),
                Export::Subscriber => {
                    entry.subscriber = Some(guest::subscriber::GuestIndices::new(pre)?);
                }
                Export::Channels => entry.channels = Some(guest::channels::GuestIndices::new(pre)?),
                Export::Filters => entry.filters = Some(guest::filters::GuestIndices::new(pre)?),
            }
        }
        Ok(entry)
    }
}

/// Says in one bounded line why wasmtime does not take it.
pub(crate) fn invalid(error: &wasmtime::Error) -> LoadError {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    LoadError::Invalid(causes.join(": ").chars().take(NOTE_MAX_CHARS).collect())
}

/// The capabilities of which it has a function. One may be named for a type of it only.
fn imports(component: &Component, engine: &Engine) -> BTreeSet<Capability> {
    let kind = component.component_type();
    let called = kind.imports(engine).filter_map(|(name, import)| match import.ty {
        ComponentItem::ComponentInstance(instance) => {
            let mut items = instance.exports(engine);
            items
                .any(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
                .then_some(name)
        }
        _ => None,
    });
    let named = |name: &str| Capability::ALL.into_iter().find(|one| is_named(name, one.name()));
    called.filter_map(named).collect()
}

fn exports(component: &Component, engine: &Engine) -> BTreeSet<Export> {
    let kind = component.component_type();
    let named = |name: &str| Export::ALL.into_iter().find(|one| is_named(name, one.name()));
    kind.exports(engine).filter_map(|(name, _)| named(name)).collect()
}

/// Whether a name of the contract, in the version spoken here, is that of an interface.
fn is_named(name: &str, interface: &str) -> bool {
    let rest = name.strip_prefix(PACKAGE).and_then(|name| name.strip_prefix(interface));
    rest.and_then(|rest| rest.strip_prefix('@')) == Some(VERSION)
}
