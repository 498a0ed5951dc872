//! Python: CPython with the source, as a component.

use std::path::{Path, PathBuf};

use super::Project;
use super::tool::{Tools, program, run};
use super::world::{self, WORLD};
use crate::Trouble;

/// The file that the source begins with. It may import others beside it.
pub(super) const SOURCE: &str = "plugin.py";
/// The module of the source.
const MODULE: &str = "plugin";
/// What makes components of Python, from PyPI.
const TOOL: &str = "componentize-py";
const VERSION: &str = "0.25.1";

pub(super) fn build(project: &Project<'_>, tools: &Tools) -> Result<String, Trouble> {
    let with = format!("{TOOL}-{VERSION}");
    let python = environment(tools, &with, &format!("{TOOL}=={VERSION}"))?;
    let wit = world::lay(&project.manifest, &project.scratch)?;
    let mut componentize = program(python.with_file_name(TOOL));
    componentize.arg("--wit-path").arg(wit).args(["--world", WORLD, "componentize", MODULE]);
    componentize.arg("--python-path").arg(project.folder).args(["--stub-wasi", "--output"]);
    run(componentize.arg(&project.component))?;
    Ok(with)
}

/// The Python of an environment of its own that has one package of PyPI.
pub(super) fn environment(tools: &Tools, name: &str, package: &str) -> Result<PathBuf, Trouble> {
    let python = |folder: &Path| folder.join("bin").join("python3");
    let folder = tools.fetched(name, |folder| {
        run(program("python3").args(["-m", "venv"]).arg(folder))?;
        let mut pip = program(python(folder));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]);
        run(&mut pip).map(drop)
    })?;
    Ok(python(&folder))
}
