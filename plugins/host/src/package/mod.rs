//! Packages: plugins as they travel. A `.jpplugin` is an uncompressed tar of `plugin.toml`,
//! `plugin.wasm` and, when somebody answers for it, `plugin.sig`.
//!
//! `archive` the tar · `manifest` what `plugin.toml` says · `origin` where requests may go · `schema`
//! JSON Schemas of strangers · `signature` who answers for it · `verify` whether its component keeps what
//! its manifest says · `inspection` what it is found to be · `finding` what is wrong with it.

mod archive;
mod finding;
mod inspection;
mod manifest;
mod origin;
mod schema;
mod signature;
#[cfg(test)]
mod tests;
mod verify;

use sha2::{Digest, Sha256};

pub use self::archive::{
    Archive, COMPONENT_FILE, COMPONENT_MAX_BYTES, MANIFEST_FILE, MANIFEST_MAX_BYTES,
    PACKAGE_EXTRA_BYTES, PACKAGE_MAX_BYTES, SIGNATURE_FILE, SIGNATURE_MAX_BYTES,
};
pub use self::finding::{PackageCode, PackageFinding};
pub use self::inspection::{
    ChannelInfo, ExitInfo, FILTER_ARGUMENTS, FILTER_EXIT, FILTER_VALUE, FilterInfo, Inspection,
    NodeInfo, ToolInfo,
};
pub use self::manifest::{
    CAPABILITIES_MAX, CONTRACT, Dialect, HOSTS_MAX, Manifest, Request, SECRETS_MAX,
};
pub use self::origin::{OriginError, check_origin};
pub use self::schema::{
    Problem, SCHEMA_MAX_BYTES, SchemaError, Templates, compile_schema, config_problems,
};
pub use self::signature::{KeyError, PublicKey, SecretKey, sign};
pub use self::verify::{DESCRIBED_MAX, Verified, VerifyError, verify};

/// What a reader of packages lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageRules {
    /// Most bytes of a whole package.
    pub max_bytes: usize,
    /// How hosts may be written.
    pub dialect: Dialect,
}

impl Default for PackageRules {
    /// [`PACKAGE_MAX_BYTES`], and `https` only.
    fn default() -> Self {
        Self { max_bytes: PACKAGE_MAX_BYTES, dialect: Dialect::Strict }
    }
}

/// A package that was read: its parts, each of which makes sense by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// SHA-256 of all of it, lowercase hexadecimal.
    pub digest: String,
    /// Bytes of all of it.
    pub bytes: u64,
    /// What `plugin.toml` says.
    pub manifest: Manifest,
    /// The files.
    pub archive: Archive,
    /// Who signed it, where somebody did.
    pub signer: Option<PublicKey>,
}

impl Package {
    /// Reads a package. Whether its component keeps what the manifest says is not looked at.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(bytes: &[u8], rules: &PackageRules) -> Result<Self, Vec<PackageFinding>> {
        let archive = Archive::read(bytes, rules.max_bytes).map_err(|finding| vec![finding])?;
        let manifest = Manifest::read(&archive.manifest, rules.dialect);
        let signer = signature::verify(&archive);
        match (manifest, signer) {
            (Ok(manifest), Ok(signer)) => {
                let bytes_len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let digest = digest(bytes);
                Ok(Self { digest, bytes: bytes_len, manifest, archive, signer })
            }
            (manifest, signer) => {
                let mut findings = manifest.err().unwrap_or_default();
                findings.extend(signer.err());
                Err(findings)
            }
        }
    }
}

/// SHA-256 of a package: the name of what is in it, lowercase hexadecimal.
pub fn digest(package: &[u8]) -> String {
    hex::encode(Sha256::digest(package))
}
