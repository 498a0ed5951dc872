//! A look at a component before anything of it is compiled.

use justping_core::model::Capability;
use wasmparser::{
    ComponentExternalKind, Encoding, FunctionBody, Instance, Operator, Parser, Payload,
};

use super::code::Export;
use super::error::LoadError;
use crate::contract::{PACKAGE, VERSION};
use crate::limits::{CORE_INSTANCES_MAX, Limits, MEMORIES_MAX, TABLES_MAX};

/// Most characters of what is said about a malformed component.
pub(crate) const NOTE_MAX_CHARS: usize = 500;
/// Most bytes of one function: compiling takes more than linear time.
pub(crate) const FUNCTION_MAX_BYTES: u64 = 512 * 1024;
/// Most locals of a function times its loops: the compiler carries each local into each loop, so a small
/// function of many of both would fill its memory.
pub(crate) const LOOPED_LOCALS_MAX: u64 = 4_000_000;
/// Most functions of all modules together.
pub(crate) const FUNCTIONS_MAX: u64 = 60_000;
/// Most modules and components within.
pub(crate) const PARTS_MAX: u64 = 200;
/// Most imports and exports of the component.
pub(crate) const NAMES_MAX: u64 = 200;
/// Interfaces that need no grant.
const FREE: &[&str] = &["log", "config", "types"];

/// What is counted.
#[derive(Debug, Default)]
struct Counts {
    parts: u64,
    names: u64,
    functions: u64,
    instances: u64,
    memories: u64,
    tables: u64,
    exports: u64,
}

/// Looks whether bytes are a component that may be compiled here.
pub(crate) fn inspect(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    if bytes.len() > limits.upload_bytes {
        return Err(LoadError::TooLarge { bytes: bytes.len(), max: limits.upload_bytes });
    }
    let mut counts = Counts::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| malformed(&error))?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                counts.parts += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        // A part is entered with its version, after which `depth` counts it.
        look(&payload, depth == 0, &mut counts)?;
        counts.check()?;
    }
    if counts.exports == 0 {
        return Err(LoadError::NoExports);
    }
    Ok(())
}

fn look(payload: &Payload<'_>, is_outermost: bool, counts: &mut Counts) -> Result<(), LoadError> {
    match payload {
        Payload::Version { encoding: Encoding::Module, .. } if is_outermost => {
            return Err(LoadError::CoreModule);
        }
        Payload::ComponentImportSection(section) if is_outermost => {
            for import in section.clone() {
                let import = import.map_err(|error| malformed(&error))?;
                counts.names += 1;
                check_import(import.name.name)?;
            }
        }
        Payload::ComponentExportSection(section) if is_outermost => {
            for export in section.clone() {
                let export = export.map_err(|error| malformed(&error))?;
                counts.names += 1;
                if export.kind == ComponentExternalKind::Instance {
                    counts.exports += u64::from(check_export(export.name.name)?);
                }
            }
        }
        Payload::InstanceSection(section) => {
            for instance in section.clone() {
                // The others only name what is there already, and cost nothing when it runs.
                match instance.map_err(|error| malformed(&error))? {
                    Instance::Instantiate { .. } => counts.instances += 1,
                    Instance::FromExports(_) => counts.parts += 1,
                }
            }
        }
        Payload::ComponentInstanceSection(section) => counts.parts += u64::from(section.count()),
        Payload::MemorySection(section) => counts.memories += u64::from(section.count()),
        Payload::TableSection(section) => counts.tables += u64::from(section.count()),
        Payload::CodeSectionEntry(body) => {
            counts.functions += 1;
            let bytes = body.range().len() as u64;
            bound("bytes in one function", bytes, FUNCTION_MAX_BYTES)?;
            let locals = looped_locals(body).map_err(|error| malformed(&error))?;
            bound("locals times loops in one function", locals, LOOPED_LOCALS_MAX)?;
        }
        _ => {}
    }
    Ok(())
}

impl Counts {
    fn check(&self) -> Result<(), LoadError> {
        bound("parts", self.parts, PARTS_MAX)?;
        bound("imports and exports", self.names, NAMES_MAX)?;
        bound("functions", self.functions, FUNCTIONS_MAX)?;
        bound("core instances", self.instances, u64::from(CORE_INSTANCES_MAX))?;
        bound("memories", self.memories, u64::from(MEMORIES_MAX))?;
        bound("tables", self.tables, u64::from(TABLES_MAX))
    }
}

/// The locals of a function times its loops.
fn looped_locals(body: &FunctionBody<'_>) -> wasmparser::Result<u64> {
    let mut locals = 0_u64;
    for group in body.get_locals_reader()? {
        locals += u64::from(group?.0);
    }
    let mut loops = 0_u64;
    for operator in body.get_operators_reader()? {
        loops += u64::from(matches!(operator?, Operator::Loop { .. }));
    }
    Ok(locals.saturating_mul(loops))
}

fn bound(what: &'static str, count: u64, max: u64) -> Result<(), LoadError> {
    if count > max { Err(LoadError::TooComplex { what, count, max }) } else { Ok(()) }
}

/// An interface of the contract, in the version spoken here; `None` for what is not of the contract.
fn interface(name: &str) -> Result<Option<&str>, LoadError> {
    let Some(rest) = name.strip_prefix(PACKAGE) else { return Ok(None) };
    match rest.split_once('@') {
        Some((interface, VERSION)) => Ok(Some(interface)),
        _ => Err(LoadError::Contract { name: shown(name), speaks: VERSION }),
    }
}

fn check_import(name: &str) -> Result<(), LoadError> {
    if name.starts_with("wasi:") || name.starts_with("wasi_") {
        return Err(LoadError::Wasi(shown(name)));
    }
    let capabilities = || Capability::ALL.iter().map(|one| one.name());
    match interface(name)? {
        Some(found) if FREE.contains(&found) || capabilities().any(|one| one == found) => Ok(()),
        _ => Err(LoadError::UnknownImport(shown(name))),
    }
}

/// Whether an export is one of the contract. Others, such as those that tools add, are never called.
fn check_export(name: &str) -> Result<bool, LoadError> {
    let found = interface(name)?;
    Ok(found.is_some_and(|found| Export::ALL.iter().any(|one| one.name() == found)))
}

fn malformed(error: &wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Malformed(note(error))
}

fn note(error: &wasmparser::BinaryReaderError) -> String {
    error.to_string().chars().take(NOTE_MAX_CHARS).collect()
}

/// A name of the component, without what would spoil a log.
fn shown(name: &str) -> String {
    name.chars().take(100).flat_map(char::escape_debug).collect()
}
