//! C: Zig's compiler for C, with bindings made of the contract.

use std::path::Path;

use wit_bindgen_core::WorldGenerator;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use super::Project;
use super::python::environment;
use super::tool::{Tools, program, run};
use super::world::{self, WORLD};
use crate::Trouble;

/// The file of the source.
pub(super) const SOURCE: &str = "plugin.c";
/// The compiler, from PyPI.
const TOOL: &str = "ziglang";
const VERSION: &str = "0.17.0";
/// Who makes the bindings.
const GENERATOR: &str = "wit-bindgen-c";

pub(super) fn build(project: &Project<'_>, tools: &Tools) -> Result<String, Trouble> {
    let with = format!("{TOOL}-{VERSION}");
    let python = environment(tools, &with, &format!("{TOOL}=={VERSION}"))?;
    let wit = world::lay(&project.manifest, &project.scratch)?;
    let bindings = project.scratch.join("bindings");
    let object = bind(&wit, &bindings)?;
    let module = project.scratch.join("plugin.core.wasm");
    let mut zig = program(python);
    zig.args(["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"]);
    zig.args(["-Os", "-Wall", "-Werror", "-I"]).arg(&bindings);
    zig.arg(project.folder.join(SOURCE)).arg(bindings.join("plugin.c")).arg(object);
    zig.env("ZIG_GLOBAL_CACHE_DIR", tools.join("zig-cache"));
    zig.env("ZIG_LOCAL_CACHE_DIR", project.scratch.join("zig-cache"));
    run(zig.arg("-o").arg(&module))?;
    let bytes = std::fs::read(&module).map_err(|error| Trouble::of(&module, &error))?;
    let component = encode(&bytes).map_err(|reason| Trouble::File {
        path: module.display().to_string(),
        reason: format!("is no component: {reason}"),
    })?;
    std::fs::write(&project.component, component)
        .map_err(|error| Trouble::of(&project.component, &error))?;
    Ok(with)
}

/// Writes the bindings of a world; returns the object that describes it.
fn bind(wit: &Path, bindings: &Path) -> Result<std::path::PathBuf, Trouble> {
    let trouble = |reason: String| Trouble::Other(format!("{GENERATOR}: {reason}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).map_err(|error| trouble(format!("{error:#}")))?;
    let world = resolve
        .select_world(&[package], Some(WORLD))
        .map_err(|error| trouble(format!("{error:#}")))?;
    let mut files = wit_bindgen_core::Files::default();
    let options = wit_bindgen_c::Opts {
        string_encoding: StringEncoding::UTF8,
        ..wit_bindgen_c::Opts::default()
    };
    let mut generator = options.build();
    WorldGenerator::generate(&mut *generator, &mut resolve, world, &mut files)
        .map_err(|error| trouble(format!("{error:#}")))?;
    std::fs::create_dir_all(bindings).map_err(|error| Trouble::of(bindings, &error))?;
    let mut object = None;
    for (name, bytes) in files.iter() {
        let path = bindings.join(name);
        std::fs::write(&path, bytes).map_err(|error| Trouble::of(&path, &error))?;
        if path.extension().is_some_and(|extension| extension == "o") {
            object = Some(path);
        }
    }
    object.ok_or_else(|| trouble("made no object".to_owned()))
}

/// Makes a component of a module that describes its world.
fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let encoder = ComponentEncoder::default().validate(true).module(module);
    let component = encoder.and_then(|mut encoder| encoder.encode());
    component.map_err(|error| format!("{error:#}"))
}
