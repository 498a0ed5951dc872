//! JavaScript: QuickJS with the source, as a component.

use super::Project;
use super::tool::{Tools, program, run};
use super::world::{self, WORLD};
use crate::Trouble;

/// The file that the source begins with. It may import others beside it.
pub(super) const SOURCE: &str = "plugin.js";
/// What makes components of JavaScript, from npm.
const TOOL: &str = "componentize-qjs";
const VERSION: &str = "0.4.5";

pub(super) fn build(project: &Project<'_>, tools: &Tools) -> Result<String, Trouble> {
    let with = format!("{TOOL}-{VERSION}");
    let tool = tools.fetched(&with, |folder| {
        let package = format!("{TOOL}@{VERSION}");
        let mut npm = program("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
        run(npm.arg(folder).arg(package)).map(drop)
    })?;
    let wit = world::lay(&project.manifest, &project.scratch)?;
    let mut componentize = program(tool.join("node_modules/.bin").join(TOOL));
    componentize.arg("--wit").arg(wit).args(["--world", WORLD]);
    componentize.arg("--js").arg(project.folder.join(SOURCE));
    componentize.arg("--module-root").arg(project.folder);
    componentize.args(["--stub-wasi", "--sync", "--opt-size", "--minify", "--output"]);
    run(componentize.arg(&project.component))?;
    Ok(with)
}
