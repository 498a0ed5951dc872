//! Plugins as their authors meet them: the real program, the real tools of each language, the sandbox.
//!
//! What the tools need is fetched from package registries once, into `JUSTPING_TOOLS_DIR` or the build's
//! own folder for temporary files.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic; the exemption for tests does not reach what they share"
)]

mod example;
mod new;
mod run;
mod trouble;
mod tutorial;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tools() -> PathBuf {
    let own = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-tools");
    std::env::var_os("JUSTPING_TOOLS_DIR").map_or_else(own, PathBuf::from)
}

/// What the program says in a folder: its end, standard output, standard error.
fn justping(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_justping"))
        .current_dir(folder)
        .env("JUSTPING_TOOLS_DIR", tools())
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What the program says to lines that it is told in a folder.
#[track_caller]
fn told(folder: &Path, arguments: &[&str], lines: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_justping"))
        .current_dir(folder)
        .env("JUSTPING_TOOLS_DIR", tools())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    out
}

/// Builds the plugin of a folder and plays its scenarios.
#[track_caller]
fn builds_and_holds(folder: &Path) {
    let (code, out, err) = justping(folder, &["plugin", "build"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = justping(folder, &["plugin", "test"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(" checked; "), "{out}");
    assert!(out.ends_with(" scenario(s): 0 failed\n"), "{out}");
}
