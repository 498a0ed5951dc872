//! The tutorial's commands, run as they stand there.

use std::path::Path;
use std::process::Command;

use super::tools;

const TUTORIAL: &str = include_str!("../../../plugins/TUTORIAL.md");

/// What stands in the fenced blocks of a language, and in those right after each that show what it says.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    let mut rest = TUTORIAL.lines();
    while let Some(line) = rest.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = rest.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language, text.join("\n")));
        }
    }
    blocks
}

#[test]
fn every_command_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_justping"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let before = [program.parent().unwrap().to_owned()];
    let path =
        std::env::join_paths(before.into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut place = folder.path().to_owned();
    let mut said = String::new();
    let (mut commands, mut answers) = (0, 0);
    for (language, text) in blocks() {
        match language {
            "sh" => {
                // The folder that a block ends in is the one that the next begins in.
                let script = format!("{text}\npwd >\"{}\"/.place", folder.path().display());
                let output = Command::new("sh")
                    .args(["-ec", &script])
                    .current_dir(&place)
                    .env("PATH", &path)
                    .env("JUSTPING_TOOLS_DIR", tools())
                    .output()
                    .unwrap();
                said = String::from_utf8(output.stdout).unwrap();
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{text}\n{said}{errors}");
                let end = std::fs::read_to_string(folder.path().join(".place")).unwrap();
                place = end.trim().into();
                commands += 1;
            }
            "text" => {
                for line in text.lines() {
                    assert!(said.contains(line), "{line:?} is not in:\n{said}");
                }
                answers += 1;
            }
            other => panic!("{other} is no block of the tutorial"),
        }
    }
    assert!(commands >= 4 && answers >= 2, "{commands} commands, {answers} answers");
}
