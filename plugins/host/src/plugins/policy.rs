//! What the operator allows.

use std::collections::BTreeSet;

use justping_core::model::{Capability, Grants};

use crate::package::{Package, PackageCode, PackageFinding, PackageRules, PublicKey};

/// Who must have signed a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signers {
    /// Nobody need; who did is noted.
    #[default]
    Anyone,
    /// Somebody must.
    Somebody,
    /// One of these must.
    Only(Vec<PublicKey>),
}

/// What plugins of all businesses may do at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPolicy {
    /// What a reader of packages lets pass.
    pub rules: PackageRules,
    /// The capabilities that a plugin may have.
    pub capabilities: BTreeSet<Capability>,
    /// The hosts that may be asked; `None` is any that the safe client asks.
    pub hosts: Option<BTreeSet<String>>,
    /// Who must have signed.
    pub signers: Signers,
}

impl Default for OperatorPolicy {
    /// Every capability, every host of the public web, signed or not.
    fn default() -> Self {
        Self {
            rules: PackageRules::default(),
            capabilities: Capability::ALL.into_iter().collect(),
            hosts: None,
            signers: Signers::default(),
        }
    }
}

impl OperatorPolicy {
    /// What of these the operator allows.
    #[must_use]
    pub fn allowed(&self, grants: &Grants) -> Grants {
        let mut allowed = grants.clone();
        allowed.capabilities.retain(|capability| self.capabilities.contains(capability));
        if let Some(hosts) = &self.hosts {
            allowed.hosts.retain(|host| hosts.contains(host));
        }
        allowed
    }

    /// What takes effect: what is asked for, granted and allowed.
    #[must_use]
    pub fn effective(&self, requested: &Grants, granted: &Grants) -> Grants {
        self.allowed(&requested.intersection(granted))
    }

    /// What the operator has to say about a package.
    pub(crate) fn findings(&self, package: &Package) -> Vec<PackageFinding> {
        let mut findings: Vec<_> = self.signature(package).into_iter().collect();
        let requested = package.manifest.requested();
        let allowed = self.allowed(&requested);
        let capabilities = requested.capabilities.difference(&allowed.capabilities);
        let denied = capabilities.map(|capability| capability.name().to_owned());
        for what in denied.chain(requested.hosts.difference(&allowed.hosts).cloned()) {
            let message = format!("{what} is not allowed on this platform; it will be denied");
            findings.push(PackageFinding::warning(PackageCode::OperatorDenies, what, message));
        }
        findings
    }

    fn signature(&self, package: &Package) -> Option<PackageFinding> {
        let message = match (&self.signers, &package.signer) {
            (Signers::Anyone, _) | (Signers::Somebody, Some(_)) => return None,
            (Signers::Only(keys), Some(key)) if keys.contains(key) => return None,
            (_, None) => "packages must be signed on this platform".to_owned(),
            (_, Some(key)) => format!("{key} is not trusted on this platform"),
        };
        let at = crate::package::SIGNATURE_FILE;
        Some(PackageFinding::error(PackageCode::SignatureUntrusted, at, message))
    }
}
