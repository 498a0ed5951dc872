//! Where what is fetched and made for plugins is kept.

use std::path::{Path, PathBuf};

use crate::Trouble;

/// Names the folder of tools, where it is not the usual one.
const FOLDER_VARIABLE: &str = "JUSTPING_TOOLS_DIR";

/// The folder of tools.
pub(super) fn tools() -> Result<PathBuf, Trouble> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = named(FOLDER_VARIABLE) {
        return Ok(folder.into());
    }
    if let Some(cache) = named("XDG_CACHE_HOME") {
        return Ok(Path::new(&cache).join("justping"));
    }
    let home = named("HOME")
        .ok_or_else(|| Trouble::Other(format!("there is no home folder: set {FOLDER_VARIABLE}")))?;
    Ok(Path::new(&home).join(".cache").join("justping"))
}

/// The folder of machine code.
pub(super) fn cache() -> Result<PathBuf, Trouble> {
    let folder = tools()?;
    std::fs::create_dir_all(&folder).map_err(|error| Trouble::of(&folder, &error))?;
    Ok(folder.join("machine-code"))
}
