//! The contract as one plugin uses it: a world of what its manifest exports and asks for.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use justping::plugins::package::Manifest;

use crate::Trouble;
use crate::plugin::carried::{CONTRACT, put, write};

/// What the world is called.
pub(super) const WORLD: &str = "plugin";

/// Writes the world of a manifest below a folder, with the contract beside it; returns where it is.
pub(super) fn lay(manifest: &Manifest, scratch: &Path) -> Result<PathBuf, Trouble> {
    let folder = scratch.join("wit");
    write(CONTRACT, &folder.join("deps").join("justping-plugin"))?;
    put(&folder.join("world.wit"), &text(manifest))?;
    Ok(folder)
}

/// The world in WIT.
pub(super) fn text(manifest: &Manifest) -> String {
    let version = "0.1.0";
    let mut text = format!("package justping:author;\n\nworld {WORLD} {{\n");
    let asked = manifest.capabilities.iter().map(|request| request.name.name());
    for import in ["log", "config"].into_iter().chain(asked) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  import justping:plugin/{import}@{version};");
    }
    for export in &manifest.exports {
        let _ = writeln!(text, "  export justping:plugin/{}@{version};", export.name());
    }
    text.push_str("}\n");
    text
}
