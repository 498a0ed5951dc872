//! What the program carries for authors: the contract, and what Rust plugins are written with.

use std::path::Path;

use crate::Trouble;

/// Files with their paths.
pub(crate) type Files = &'static [(&'static str, &'static str)];

macro_rules! carried {
    ($from:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../plugins/", $from, "/", $path)))),+]
    };
}

/// The contract.
pub(crate) const CONTRACT: Files =
    carried!("wit/0.1.0": "types.wit", "capabilities.wit", "worlds.wit");

/// The crate `justping-plugin`.
pub(crate) const SDK: Files = carried!("sdk":
    "Cargo.toml", "src/lib.rs", "src/bindings.rs", "src/channel.rs", "src/failure.rs",
    "src/filter.rs", "src/hook.rs", "src/node.rs", "src/subject.rs", "src/subscriber.rs",
    "src/tests.rs", "src/tool.rs", "src/host/mod.rs", "src/host/clock.rs",
    "src/host/configuration.rs", "src/host/contacts.rs", "src/host/http.rs", "src/host/kv.rs",
    "src/host/log.rs", "src/host/messaging.rs", "src/host/random.rs", "src/host/secrets.rs",
);

/// Writes files below a folder; what says the same already is left alone.
pub(crate) fn write(files: Files, folder: &Path) -> Result<(), Trouble> {
    files.iter().try_for_each(|(path, text)| put(&folder.join(path), text))
}

/// Writes a file and the folders it is in, unless it says the same already.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), Trouble> {
    let trouble = |error: std::io::Error| Trouble::of(path, &error);
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(trouble)?;
    }
    std::fs::write(path, text).map_err(trouble)
}
