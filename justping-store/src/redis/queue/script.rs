//! The scripts of a queue and the keys they touch.

use std::fmt;
use std::sync::LazyLock;

use redis::{Script, ScriptInvocation};

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {$(
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!("items.lua"), include_str!($file))));
    )*};
}

scripts! {
    PUBLISH = "publish.lua";
    CLAIM = "claim.lua";
    ACK = "ack.lua";
    RETRY = "retry.lua";
    BURY = "bury.lua";
    REPLAY = "replay.lua";
    LENGTHS = "lengths.lua";
}

/// The scripts, for the keys of one queue.
pub(super) struct Scripts {
    /// Three lanes, those that come back, the dead, the names, how far was looked.
    keys: [String; 7],
}

impl fmt::Debug for Scripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripts").finish_non_exhaustive()
    }
}

impl Scripts {
    /// All keys of a queue carry one hash tag.
    pub(super) fn new(prefix: &str, name: &str) -> Self {
        let parts = ["interactive", "transactional", "bulk", "delayed", "dead", "names", "scan"];
        Self { keys: parts.map(|part| format!("{prefix}:queue:{{{name}}}:{part}")) }
    }

    pub(super) fn dead_key(&self) -> &str {
        let [_, _, _, _, dead, _, _] = &self.keys;
        dead
    }

    fn invoke(&self, script: &'static Script) -> ScriptInvocation<'static> {
        let mut invocation = script.prepare_invoke();
        for key in &self.keys {
            invocation.key(key.as_str());
        }
        invocation
    }

    pub(super) fn publish(&self) -> ScriptInvocation<'static> {
        self.invoke(&PUBLISH)
    }

    pub(super) fn claim(&self) -> ScriptInvocation<'static> {
        self.invoke(&CLAIM)
    }

    pub(super) fn ack(&self) -> ScriptInvocation<'static> {
        self.invoke(&ACK)
    }

    pub(super) fn retry(&self) -> ScriptInvocation<'static> {
        self.invoke(&RETRY)
    }

    pub(super) fn bury(&self) -> ScriptInvocation<'static> {
        self.invoke(&BURY)
    }

    pub(super) fn replay(&self) -> ScriptInvocation<'static> {
        self.invoke(&REPLAY)
    }

    pub(super) fn lengths(&self) -> ScriptInvocation<'static> {
        self.invoke(&LENGTHS)
    }
}
