//! The engines of `benches/peers`, each in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// An engine and how many conversations it is measured with.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    conversations: usize,
}

/// Who is measured besides.
pub(crate) const ENGINES: [Engine; 2] = [
    Engine { name: "xstate", conversations: 10_000 },
    Engine { name: "adaptive", conversations: 150 },
];

/// What one engine did in one round.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) turns_per_cpu_second: f64,
    pub(crate) line: Value,
}

/// The engines, installed.
#[derive(Debug)]
pub(crate) struct Peers {
    folder: PathBuf,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

impl Peers {
    /// Copies the programs aside and fetches what they depend on, without running its scripts.
    pub(crate) fn install() -> Outcome<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("target/bench-peers");
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(root.join("benches/peers"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
        }
        let installed = Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&folder)
            .status()?;
        if installed.success() { Ok(Self { folder }) } else { Err("npm install failed".into()) }
    }

    /// Runs each engine once; each checks its transcript itself.
    pub(crate) fn measure(&self) -> Outcome<Vec<Figure>> {
        ENGINES.iter().map(|engine| self.run(engine)).collect()
    }

    fn run(&self, engine: &Engine) -> Outcome<Figure> {
        let output = Command::new("node")
            .args(["pure.mjs", engine.name, &engine.conversations.to_string()])
            .current_dir(&self.folder)
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} failed: {said}", engine.name).into());
        }
        let line: Value = serde_json::from_slice(&output.stdout)?;
        let turns = line["turns_per_cpu_second"].as_f64().ok_or("no figure")?;
        Ok(Figure { turns_per_cpu_second: turns, line })
    }
}
