use std::fmt;

use justping_core::port::Severity;
use serde::{Deserialize, Serialize};

/// Something about a package that its author should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFinding {
    /// Whether the package can be used in spite of it.
    pub severity: Severity,
    /// What kind of thing it is.
    pub code: PackageCode,
    /// Where: `plugin.toml:3:9`, the name of a file, or a part of what the component describes, such
    /// as `nodes/lookup/schema`. Empty for the whole package.
    pub at: String,
    /// What it is, for people.
    pub message: String,
}

impl PackageFinding {
    /// Something for which a package is refused.
    pub fn error(code: PackageCode, at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, at: at.into(), message: message.into() }
    }

    /// Something worth a look.
    pub fn warning(code: PackageCode, at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, at: at.into(), message: message.into() }
    }

    /// Whether the package is refused for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for PackageFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = severity(self.severity);
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        write!(f, "{name}[{}]: {}", self.code, self.message)
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)*) => {
        /// What kind of thing a [`PackageFinding`] is. The names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum PackageCode {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)*
        }

        impl PackageCode {
            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    /// It is no archive that can be read.
    ArchiveUnreadable = "archive_unreadable",
    /// A file that does not belong in it, a link, a folder, or a file twice.
    ArchiveFile = "archive_file",
    /// A file that it needs is not there.
    ArchiveMissing = "archive_missing",
    /// It, or a file of it, is too large.
    TooLarge = "too_large",
    /// The manifest is no TOML, has a field nobody knows or lacks one.
    ManifestUnreadable = "manifest_unreadable",
    /// A field of the manifest is not what it should be.
    ManifestField = "manifest_field",
    /// The contract is newer than what is spoken here.
    ContractNewer = "contract_newer",
    /// The contract is one that was never or is no longer spoken.
    ContractUnsupported = "contract_unsupported",
    /// A capability is named twice or with what is not its own.
    CapabilityField = "capability_field",
    /// A host of `http` is not an origin, or one that may not be asked.
    HostInvalid = "host_invalid",
    /// The schema of the configuration does not make sense.
    ConfigSchema = "config_schema",
    /// The signature is malformed or does not fit.
    SignatureInvalid = "signature_invalid",
    /// Nobody signed it where somebody has to, or somebody who is not trusted did.
    SignatureUntrusted = "signature_untrusted",
    /// The component is none, or needs more than it gets.
    ComponentInvalid = "component_invalid",
    /// The component needs something that no plugin is given.
    ImportUnknown = "import_unknown",
    /// The component uses a capability that the manifest does not ask for.
    ImportUndeclared = "import_undeclared",
    /// The manifest asks for a capability that the component does not use.
    CapabilityUnused = "capability_unused",
    /// The component does not have an export that the manifest names.
    ExportMissing = "export_missing",
    /// The component has an export that the manifest does not name.
    ExportUndeclared = "export_undeclared",
    /// What the component says of itself could not be had.
    DescribeFailed = "describe_failed",
    /// What the component says of itself does not make sense.
    DescriptorInvalid = "descriptor_invalid",
    /// The operator does not allow a capability.
    OperatorDenies = "operator_denies",
}

impl fmt::Display for PackageCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
