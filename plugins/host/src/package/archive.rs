use std::io::Read as _;

use bytes::Bytes;
use tar::{EntryType, Header};

use super::{PackageCode, PackageFinding};
use crate::limits::{UPLOAD_CEILING_BYTES, UPLOAD_MAX_BYTES};

/// The file with the manifest.
pub const MANIFEST_FILE: &str = "plugin.toml";
/// The file with the component.
pub const COMPONENT_FILE: &str = "plugin.wasm";
/// The file with the signature.
pub const SIGNATURE_FILE: &str = "plugin.sig";

/// Most bytes of a package unless the operator allows more.
pub const PACKAGE_MAX_BYTES: usize = UPLOAD_MAX_BYTES + PACKAGE_EXTRA_BYTES;
/// Most bytes of a component that an operator can allow: what the larger languages need.
pub const COMPONENT_MAX_BYTES: usize = UPLOAD_CEILING_BYTES;
/// What a package has around its component, at most.
pub const PACKAGE_EXTRA_BYTES: usize = 2 * MANIFEST_MAX_BYTES;
/// Most bytes of a manifest.
pub const MANIFEST_MAX_BYTES: usize = 64 * 1024;
/// Most bytes of a signature.
pub const SIGNATURE_MAX_BYTES: usize = 1024;

/// Of how many bytes tar's blocks are.
const BLOCK: usize = 512;

/// The files of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// `plugin.toml`.
    pub manifest: Bytes,
    /// `plugin.wasm`.
    pub component: Bytes,
    /// `plugin.sig`.
    pub signature: Option<Bytes>,
}

impl Archive {
    /// Reads the tar of a package: the three files and nothing else, not even after its end.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(package: &[u8], max_bytes: usize) -> Result<Self, PackageFinding> {
        if package.len() > max_bytes {
            let message = format!("the package is larger than {max_bytes} bytes");
            return Err(PackageFinding::error(PackageCode::TooLarge, "", message));
        }
        let mut files = Files::default();
        let mut end = 0;
        let mut archive = tar::Archive::new(package);
        // Raw, so that links, long names and extended headers show as what they are.
        let entries = archive.entries().map_err(|error| unreadable(&error))?.raw(true);
        for entry in entries {
            let mut entry = entry.map_err(|error| unreadable(&error))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if entry.header().entry_type() != EntryType::Regular {
                return Err(misplaced(&name, "is not a plain file"));
            }
            let slot = files.slot(&name)?;
            let size = bounded(&name, entry.size(), slot.max_bytes)?;
            let mut content = Vec::with_capacity(size);
            entry.read_to_end(&mut content).map_err(|error| unreadable(&error))?;
            if content.len() != size {
                return Err(unreadable(&"it breaks off"));
            }
            *slot.file = Some(content.into());
            let start = usize::try_from(entry.raw_file_position()).unwrap_or(usize::MAX);
            end = start.saturating_add(size.next_multiple_of(BLOCK));
        }
        let rest = package.get(end..).ok_or_else(|| unreadable(&"it breaks off"))?;
        if rest.iter().any(|byte| *byte != 0) {
            return Err(unreadable(&"there is something after its end"));
        }
        files.complete()
    }

    /// Writes a package. The same files give the same bytes.
    ///
    /// # Errors
    /// [`PackageCode::TooLarge`] when a file is larger than [`read`](Self::read) can take.
    pub fn write(&self) -> Result<Vec<u8>, PackageFinding> {
        let mut builder = tar::Builder::new(Vec::new());
        let files = [
            (MANIFEST_FILE, Some(&self.manifest), MANIFEST_MAX_BYTES),
            (COMPONENT_FILE, Some(&self.component), COMPONENT_MAX_BYTES),
            (SIGNATURE_FILE, self.signature.as_ref(), SIGNATURE_MAX_BYTES),
        ];
        for (name, content, max_bytes) in files {
            let Some(content) = content else { continue };
            let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
            bounded(name, size, max_bytes)?;
            let mut header = Header::new_ustar();
            header.set_size(size);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            let added = builder.append_data(&mut header, name, content.as_ref());
            added.map_err(|error| unreadable(&error))?;
        }
        builder.into_inner().map_err(|error| unreadable(&error))
    }
}

/// The files found so far.
#[derive(Debug, Default)]
struct Files {
    manifest: Option<Bytes>,
    component: Option<Bytes>,
    signature: Option<Bytes>,
}

/// Where a file belongs.
struct Slot<'a> {
    file: &'a mut Option<Bytes>,
    max_bytes: usize,
}

impl Files {
    /// Where the file called `name` belongs, which must still be free.
    fn slot(&mut self, name: &str) -> Result<Slot<'_>, PackageFinding> {
        let (file, max_bytes) = match name {
            MANIFEST_FILE => (&mut self.manifest, MANIFEST_MAX_BYTES),
            COMPONENT_FILE => (&mut self.component, COMPONENT_MAX_BYTES),
            SIGNATURE_FILE => (&mut self.signature, SIGNATURE_MAX_BYTES),
            _ => return Err(misplaced(name, "does not belong in a package")),
        };
        if file.is_some() {
            return Err(misplaced(name, "is there twice"));
        }
        Ok(Slot { file, max_bytes })
    }

    fn complete(self) -> Result<Archive, PackageFinding> {
        let missing = |name: &str| {
            let message = format!("there is no {name}");
            PackageFinding::error(PackageCode::ArchiveMissing, name, message)
        };
        Ok(Archive {
            manifest: self.manifest.ok_or_else(|| missing(MANIFEST_FILE))?,
            component: self.component.ok_or_else(|| missing(COMPONENT_FILE))?,
            signature: self.signature,
        })
    }
}

fn bounded(name: &str, size: u64, max_bytes: usize) -> Result<usize, PackageFinding> {
    match usize::try_from(size) {
        Ok(size) if size <= max_bytes => Ok(size),
        _ => {
            let message = format!("{name} is larger than {max_bytes} bytes");
            Err(PackageFinding::error(PackageCode::TooLarge, name, message))
        }
    }
}

fn misplaced(name: &str, what: &str) -> PackageFinding {
    // A stranger's name is shown without what would spoil a log.
    let shown: String = name.escape_debug().take(100).collect();
    PackageFinding::error(PackageCode::ArchiveFile, &shown, format!("{shown:?} {what}"))
}

fn unreadable(why: &dyn std::fmt::Display) -> PackageFinding {
    let message = format!("the package is not a tar that can be read: {why}");
    PackageFinding::error(PackageCode::ArchiveUnreadable, "", message)
}
