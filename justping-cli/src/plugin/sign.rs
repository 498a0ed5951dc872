//! Keys, and what they sign.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use justping::plugins::blob::BLOB_MAX_BYTES;
use justping::plugins::package::{Archive, SecretKey, digest, sign};
use justping::port::Entropy as _;
use justping::system::SystemEntropy;

use super::pack::read;
use crate::{Answer, Trouble};

/// Most bytes of a file with a key.
const KEY_MAX_BYTES: usize = 1024;

pub(super) fn run(file: &Path, key: &Path) -> Result<Answer, Trouble> {
    let shown = file.display().to_string();
    let trouble = |reason: String| Trouble::File { path: shown.clone(), reason };
    let archive = Archive::read(&read(file, BLOB_MAX_BYTES)?, BLOB_MAX_BYTES)
        .map_err(|finding| trouble(finding.to_string()))?;
    let key = secret_key(key)?;
    let package = sign(&archive, &key).write().map_err(|finding| trouble(finding.to_string()))?;
    // Written beside it first: a package is whole or it is the old one.
    let beside = file.with_extension("jpplugin.new");
    std::fs::write(&beside, &package).map_err(|error| Trouble::of(&beside, &error))?;
    std::fs::rename(&beside, file).map_err(|error| Trouble::of(file, &error))?;
    let text = format!("{shown}: signed by {}, {}\n", key.public(), digest(&package));
    Ok(Answer { text, ..Answer::default() })
}

pub(super) fn keygen(file: &Path) -> Result<Answer, Trouble> {
    let mut seed = [0; 32];
    SystemEntropy.fill(&mut seed);
    let key = SecretKey::from_seed(seed);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let written = options.open(file).and_then(|mut file| writeln!(file, "{}", key.expose()));
    written.map_err(|error| Trouble::of(file, &error))?;
    Ok(Answer { text: format!("{}\n", key.public()), ..Answer::default() })
}

/// The key in a file.
pub(super) fn secret_key(path: &Path) -> Result<SecretKey, Trouble> {
    let trouble = |reason: String| Trouble::File { path: path.display().to_string(), reason };
    let text = String::from_utf8(read(path, KEY_MAX_BYTES)?)
        .map_err(|error| trouble(error.utf8_error().to_string()))?;
    SecretKey::parse(&text).map_err(|error| trouble(error.to_string()))
}
