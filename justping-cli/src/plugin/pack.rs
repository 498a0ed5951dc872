//! Makes packages.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use justping::plugins::package::{
    Archive, COMPONENT_FILE, COMPONENT_MAX_BYTES, Dialect, MANIFEST_FILE, MANIFEST_MAX_BYTES,
    Manifest, PackageFinding, digest, sign,
};

use super::sign::secret_key;
use crate::{Answer, Trouble};

pub(super) fn run(
    folder: &Path,
    output: Option<&Path>,
    key: Option<&Path>,
) -> Result<Answer, Trouble> {
    let mut archive = archive(folder)?;
    let refused = |findings: Vec<PackageFinding>| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Trouble::Other(format!("{}: {}", folder.display(), lines.join("\n  ")))
    };
    let manifest = Manifest::read(&archive.manifest, Dialect::Development).map_err(refused)?;
    if let Some(key) = key {
        archive = sign(&archive, &secret_key(key)?);
    }
    let package = archive.write().map_err(|finding| refused(vec![finding]))?;
    let output = output.map_or_else(
        || PathBuf::from(format!("{}-{}.jpplugin", manifest.name, manifest.version)),
        Path::to_owned,
    );
    std::fs::write(&output, &package).map_err(|error| Trouble::of(&output, &error))?;
    let text = format!("{}: {} bytes, {}\n", output.display(), package.len(), digest(&package));
    Ok(Answer { text, ..Answer::default() })
}

/// The package that a folder would make, not signed.
pub(super) fn pack(folder: &Path) -> Result<Vec<u8>, Trouble> {
    archive(folder)?.write().map_err(|finding| Trouble::Other(finding.to_string()))
}

fn archive(folder: &Path) -> Result<Archive, Trouble> {
    Ok(Archive {
        manifest: read(&folder.join(MANIFEST_FILE), MANIFEST_MAX_BYTES)?.into(),
        component: read(&folder.join(COMPONENT_FILE), COMPONENT_MAX_BYTES)?.into(),
        signature: None,
    })
}

/// Reads a file of at most so many bytes.
pub(super) fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Trouble> {
    let trouble = |error: std::io::Error| Trouble::of(path, &error);
    let file = std::fs::File::open(path).map_err(trouble)?;
    let mut bytes = Vec::new();
    // One more than may be there, to notice what is too long.
    let read = file.take(max_bytes as u64 + 1).read_to_end(&mut bytes).map_err(trouble)?;
    if read > max_bytes {
        let reason = format!("is larger than {max_bytes} bytes");
        return Err(Trouble::File { path: path.display().to_string(), reason });
    }
    Ok(bytes)
}
