//! Rust: one call of cargo, whose linker makes the component.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::Project;
use super::tool::{Tools, program, run, say};
use crate::Trouble;

const TARGET: &str = "wasm32-unknown-unknown";
/// The linker, which comes with Rust.
const LINKER: &str = "wasm-component-ld";
/// Debian's package of the newest compiler, and those of its source and libraries. They are unpacked
/// into a folder, so neither the machine nor its own Rust changes.
const COMPILER: &str = "rustc-web";
const SOURCES: &str = "rust-web-src";
const LIBRARIES: &str = "libstd-rust-web-dev";

pub(super) fn build(project: &Project<'_>, tools: &Tools) -> Result<String, Trouble> {
    let rust = Installed::find()?;
    let mut cargo = program("cargo");
    cargo.args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    cargo.arg("--manifest-path").arg(project.folder.join("Cargo.toml"));
    if project.folder.join("Cargo.lock").exists() {
        cargo.arg("--locked");
    }
    rust.prepare(&mut cargo, tools);
    let with = if rust.has_target() {
        format!("rustc with its target {TARGET}")
    } else {
        let debian = debian(tools)?;
        debian.prepare(&mut cargo);
        format!("Debian's {COMPILER} {}", debian.version)
    };
    say(&format!("building {} by {with}", project.folder.display()));
    let artifact = artifact(&run(&mut cargo)?)?;
    std::fs::copy(&artifact, &project.component).map_err(|error| Trouble::of(&artifact, &error))?;
    Ok(with)
}

/// The Rust that is installed.
struct Installed {
    sysroot: PathBuf,
    host: String,
}

impl Installed {
    fn find() -> Result<Self, Trouble> {
        let sysroot = run(program("rustc").args(["--print", "sysroot"]))?;
        let about = run(program("rustc").arg("-vV"))?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.ok_or_else(|| Trouble::Other("rustc names no host".to_owned()))?;
        Ok(Self { sysroot: sysroot.trim().into(), host: host.to_owned() })
    }

    fn library(&self) -> PathBuf {
        self.sysroot.join("lib").join("rustlib")
    }

    /// Whether somebody installed the target, as with `rustup target add`.
    fn has_target(&self) -> bool {
        self.library().join(TARGET).join("lib").is_dir()
    }

    /// Lets a guest link, and nothing of the platform's own build reach it.
    fn prepare(&self, cargo: &mut Command, tools: &Tools) {
        let bin = self.library().join(&self.host).join("bin");
        let before = [bin.clone(), bin.join("gcc-ld")].into_iter();
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Ok(path) = std::env::join_paths(before.chain(std::env::split_paths(&path))) {
            cargo.env("PATH", path);
        }
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", LINKER);
        cargo.env("CARGO_TARGET_DIR", tools.join("rust-target")).env("CARGO_INCREMENTAL", "0");
        for foreign in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WRAPPER"]
        {
            cargo.env_remove(foreign);
        }
    }
}

/// Debian's compiler, unpacked.
struct Debian {
    root: PathBuf,
    version: String,
}

impl Debian {
    /// Lets cargo build with it, the standard library too: it has none for the target.
    fn prepare(&self, cargo: &mut Command) {
        let libraries =
            self.root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
        cargo.env("LD_LIBRARY_PATH", libraries);
        cargo.env("RUSTC", self.root.join("usr/bin/rustc")).env("RUSTC_BOOTSTRAP", "1");
        cargo.arg("-Zbuild-std=std,panic_abort");
    }
}

/// Fetches Debian's compiler, once a version.
fn debian(tools: &Tools) -> Result<Debian, Trouble> {
    let hint = |trouble: Trouble| {
        Trouble::Other(format!(
            "{trouble}\nthere is no target {TARGET} and no Debian to fetch a compiler from; \
             `rustup target add {TARGET}` installs it"
        ))
    };
    let version = version().map_err(hint)?;
    let folder = tools.fetched(&format!("{COMPILER}-{}", plain(&version)), |folder| {
        let library = depends(LIBRARIES, "libstd-rust-web-")?;
        let llvm = depends(&library, "libllvm")?;
        let mut apt = program("apt-get");
        // Root downloads as somebody who may not write here, unless told otherwise.
        apt.args(["download", "-o", "APT::Sandbox::User=root"]).current_dir(folder);
        run(apt.args([COMPILER, SOURCES, LIBRARIES, &library, &llvm]))?;
        unpack(folder)
    })?;
    Ok(Debian { root: folder.join("root"), version })
}

/// The version that can be had; the list of packages is fetched where there is none yet.
fn version() -> Result<String, Trouble> {
    if let Some(version) = candidate()? {
        return Ok(version);
    }
    run(program("apt-get").args(["update", "-qq"]))?;
    candidate()?.ok_or_else(|| Trouble::Other(format!("apt knows no {COMPILER}")))
}

fn candidate() -> Result<Option<String>, Trouble> {
    let policy = run(program("apt-cache").args(["policy", COMPILER]).env("LC_ALL", "C"))?;
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    Ok(line.filter(|version| *version != "(none)").map(str::to_owned))
}

/// What a package needs whose name begins so.
fn depends(package: &str, prefix: &str) -> Result<String, Trouble> {
    let text = run(program("apt-cache").args(["depends", package]).env("LC_ALL", "C"))?;
    let found = text.lines().find_map(|line| {
        let name = line.trim().strip_prefix("Depends: ")?;
        name.starts_with(prefix).then(|| name.to_owned())
    });
    found.ok_or_else(|| Trouble::Other(format!("{package} needs no {prefix}*")))
}

/// A version as a folder can be called.
fn plain(version: &str) -> String {
    version.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

fn unpack(folder: &Path) -> Result<(), Trouble> {
    let trouble = |error: std::io::Error| Trouble::of(folder, &error);
    for entry in std::fs::read_dir(folder).map_err(trouble)? {
        let package = entry.map_err(trouble)?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            run(program("dpkg").arg("-x").arg(&package).arg(folder.join("root")))?;
            std::fs::remove_file(&package).map_err(trouble)?;
        }
    }
    Ok(())
}

/// What cargo says of what it made, a line each.
#[derive(Debug, Deserialize)]
struct Made {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The last component that cargo made.
fn artifact(messages: &str) -> Result<PathBuf, Trouble> {
    let made = messages.lines().filter_map(|line| serde_json::from_str::<Made>(line).ok());
    let made = made.filter(|made| made.reason == "compiler-artifact");
    let is_component =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    let component = made.flat_map(|made| made.filenames).rfind(is_component);
    component.ok_or_else(|| {
        Trouble::Other(
            "cargo made no component: is crate-type \"cdylib\" in Cargo.toml?".to_owned(),
        )
    })
}
