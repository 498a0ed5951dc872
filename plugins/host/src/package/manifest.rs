use std::collections::BTreeSet;
use std::ops::Range;

use justping_core::model::{Capability, Grants};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

use super::{MANIFEST_FILE, PackageCode, PackageFinding, check_origin, compile_schema};
use crate::{Export, LimitsWish};

/// The version of the contract that is spoken here; any patch of it is.
pub const CONTRACT: Version = Version::new(0, 1, 0);
/// Most capabilities that a manifest asks for.
pub const CAPABILITIES_MAX: usize = Capability::ALL.len();
/// Most hosts that a manifest asks for.
pub const HOSTS_MAX: usize = 50;
/// Most secrets that a manifest asks for.
pub const SECRETS_MAX: usize = 16;

/// Most characters of a plugin's name.
const NAME_MAX_CHARS: usize = 64;
/// Most characters of a title, a version, a license or an author.
const WORDS_MAX_CHARS: usize = 200;
/// Most characters of a summary or a reason.
const TEXT_MAX_CHARS: usize = 1_000;
/// Most authors.
const AUTHORS_MAX: usize = 20;

/// How strictly hosts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `https` only.
    Strict,
    /// `http` too, for a server on the developer's own machine.
    Development,
}

/// A capability that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The capability.
    pub name: Capability,
    /// What it is for, for whoever grants it.
    pub reason: String,
    /// Of [`Capability::Http`]: the hosts.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<String>,
    /// Of [`Capability::Secrets`]: their names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
}

/// What `plugin.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The plugin's name: a letter, then letters, digits and hyphens, all lowercase.
    pub name: String,
    /// What people see.
    pub title: String,
    /// Its version.
    pub version: Version,
    /// The version of the contract it was built for.
    pub contract: Version,
    /// What it does.
    pub summary: String,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// Under which license.
    pub license: String,
    /// What the platform may call.
    pub exports: BTreeSet<Export>,
    /// What it asks for.
    pub capabilities: Vec<Request>,
    /// JSON Schema of its configuration, of an object.
    pub config_schema: Option<Value>,
    /// What it would like to be allowed.
    pub limits: LimitsWish,
    /// All of it, as it was written.
    pub written: Value,
}

impl Manifest {
    /// Reads `plugin.toml`.
    ///
    /// # Errors
    /// A text that cannot be read gives the first reason, with its place; one that can, everything
    /// that is wrong with it.
    pub fn read(file: &[u8], dialect: Dialect) -> Result<Self, Vec<PackageFinding>> {
        let unreadable =
            |at, message| vec![PackageFinding::error(PackageCode::ManifestUnreadable, at, message)];
        let text = std::str::from_utf8(file)
            .map_err(|error| unreadable(MANIFEST_FILE.to_owned(), error.to_string()))?;
        let place = Places(text);
        let not_toml =
            |error: toml::de::Error| unreadable(place.of(error.span()), error.message().to_owned());
        let written: Value = toml::from_str(text).map_err(not_toml)?;
        let raw: Raw = toml::from_str(text).map_err(not_toml)?;
        let mut reading = Reading { place, dialect, findings: Vec::new() };
        let manifest = reading.manifest(raw, written);
        if reading.findings.is_empty() { Ok(manifest) } else { Err(reading.findings) }
    }

    /// Everything it asks for.
    pub fn requested(&self) -> Grants {
        let mut grants = Grants::default();
        for request in &self.capabilities {
            grants.capabilities.insert(request.name);
            grants.hosts.extend(request.hosts.iter().cloned());
            grants.secrets.extend(request.names.iter().cloned());
        }
        grants
    }
}

/// The form of `plugin.toml`, with places.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    title: Spanned<String>,
    version: Spanned<String>,
    contract: Spanned<String>,
    summary: Spanned<String>,
    authors: Spanned<Vec<Spanned<String>>>,
    license: Spanned<String>,
    exports: Spanned<Vec<Spanned<Export>>>,
    #[serde(default)]
    capabilities: Vec<Spanned<RawRequest>>,
    config: Option<Spanned<toml::Table>>,
    config_schema: Option<Spanned<String>>,
    limits: Option<Spanned<LimitsWish>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    name: Spanned<Capability>,
    reason: Spanned<String>,
    hosts: Option<Spanned<Vec<Spanned<String>>>>,
    names: Option<Spanned<Vec<Spanned<String>>>>,
}

/// Says where in the file something is.
#[derive(Debug, Clone, Copy)]
struct Places<'t>(&'t str);

impl Places<'_> {
    fn of(self, span: Option<Range<usize>>) -> String {
        let Some(before) = span.and_then(|span| self.0.get(..span.start)) else {
            return MANIFEST_FILE.to_owned();
        };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{MANIFEST_FILE}:{line}:{column}")
    }
}

/// Collects what is wrong with a manifest while it is read.
struct Reading<'t> {
    place: Places<'t>,
    dialect: Dialect,
    findings: Vec<PackageFinding>,
}

impl Reading<'_> {
    fn note(&mut self, code: PackageCode, span: Range<usize>, message: impl Into<String>) {
        self.findings.push(PackageFinding::error(code, self.place.of(Some(span)), message));
    }

    fn manifest(&mut self, raw: Raw, written: Value) -> Manifest {
        if !is_name(raw.name.get_ref()) {
            let message =
                format!("the name must be 2 to {NAME_MAX_CHARS} of a-z, 0-9 and -, a letter first");
            self.note(PackageCode::ManifestField, raw.name.span(), message);
        }
        let (version, contract) = (self.version(&raw.version), self.contract(&raw.contract));
        let authors = self.items("authors", raw.authors, AUTHORS_MAX);
        Manifest {
            name: raw.name.into_inner(),
            title: self.text("the title", raw.title, WORDS_MAX_CHARS),
            version,
            contract,
            summary: self.text("the summary", raw.summary, TEXT_MAX_CHARS),
            authors: authors
                .into_iter()
                .map(|author| self.text("an author", author, WORDS_MAX_CHARS))
                .collect(),
            license: self.text("the license", raw.license, WORDS_MAX_CHARS),
            exports: self.exports(raw.exports),
            capabilities: self.requests(raw.capabilities),
            config_schema: self.schema(raw.config, raw.config_schema),
            limits: raw.limits.map(|limits| self.wishes(&limits)).unwrap_or_default(),
            written,
        }
    }

    fn text(&mut self, what: &str, text: Spanned<String>, max: usize) -> String {
        if text.get_ref().trim().is_empty() || text.get_ref().chars().count() > max {
            let message = format!("{what} must be 1 to {max} characters");
            self.note(PackageCode::ManifestField, text.span(), message);
        }
        text.into_inner()
    }

    fn items<T>(&mut self, what: &str, list: Spanned<Vec<T>>, max: usize) -> Vec<T> {
        if list.get_ref().len() > max {
            let message = format!("{what} must be at most {max}");
            self.note(PackageCode::ManifestField, list.span(), message);
        }
        let mut items = list.into_inner();
        items.truncate(max);
        items
    }

    fn version(&mut self, text: &Spanned<String>) -> Version {
        let fits = text.get_ref().chars().count() <= WORDS_MAX_CHARS;
        match Version::parse(text.get_ref()) {
            Ok(version) if fits => version,
            _ => {
                let message = "the version must be one of semver.org, such as 1.4.0";
                self.note(PackageCode::ManifestField, text.span(), message);
                Version::new(0, 0, 0)
            }
        }
    }

    fn contract(&mut self, text: &Spanned<String>) -> Version {
        let Ok(contract) = Version::parse(text.get_ref()) else {
            let message = format!("the contract must be a version such as {CONTRACT}");
            self.note(PackageCode::ManifestField, text.span(), message);
            return CONTRACT;
        };
        let line = |version: &Version| (version.major, version.minor);
        if line(&contract) > line(&CONTRACT) {
            let message =
                format!("contract {contract} is newer than {CONTRACT}, which is spoken here");
            self.note(PackageCode::ContractNewer, text.span(), message);
        } else if line(&contract) < line(&CONTRACT) || !contract.pre.is_empty() {
            let message = format!("contract {contract} is not spoken here; {CONTRACT} is");
            self.note(PackageCode::ContractUnsupported, text.span(), message);
        }
        contract
    }

    fn exports(&mut self, list: Spanned<Vec<Spanned<Export>>>) -> BTreeSet<Export> {
        if list.get_ref().is_empty() {
            self.note(PackageCode::ManifestField, list.span(), "there must be an export");
        }
        let mut exports = BTreeSet::new();
        for export in list.into_inner() {
            if !exports.insert(*export.get_ref()) {
                let message = format!("{} is there twice", export.get_ref().name());
                self.note(PackageCode::ManifestField, export.span(), message);
            }
        }
        exports
    }

    fn requests(&mut self, raw: Vec<Spanned<RawRequest>>) -> Vec<Request> {
        let mut requests: Vec<Request> = Vec::new();
        for raw in raw {
            let raw = raw.into_inner();
            let (name, span) = (*raw.name.get_ref(), raw.name.span());
            if requests.iter().any(|request| request.name == name) {
                let message = format!("{} is asked for twice", name.name());
                self.note(PackageCode::CapabilityField, span.clone(), message);
                continue;
            }
            let reason = self.text("the reason", raw.reason, TEXT_MAX_CHARS);
            let hosts = (Capability::Http, "hosts", HOSTS_MAX);
            let hosts = self.listed(&raw.name, hosts, raw.hosts, Self::host);
            let names = (Capability::Secrets, "names", SECRETS_MAX);
            let names = self.listed(&raw.name, names, raw.names, Self::secret);
            requests.push(Request { name, reason, hosts, names });
        }
        requests
    }

    /// The list that belongs to one capability: there it must be, elsewhere it may not.
    fn listed(
        &mut self,
        capability: &Spanned<Capability>,
        (owner, field, max): (Capability, &str, usize),
        list: Option<Spanned<Vec<Spanned<String>>>>,
        check: fn(&mut Self, &Spanned<String>),
    ) -> BTreeSet<String> {
        let is_owner = *capability.get_ref() == owner;
        let Some(list) = list.filter(|list| !list.get_ref().is_empty()) else {
            if is_owner {
                let message = format!("{} needs {field}", owner.name());
                self.note(PackageCode::CapabilityField, capability.span(), message);
            }
            return BTreeSet::new();
        };
        if !is_owner {
            let message = format!("{field} belong to {} only", owner.name());
            self.note(PackageCode::CapabilityField, list.span(), message);
            return BTreeSet::new();
        }
        let mut set = BTreeSet::new();
        for item in self.items(field, list, max) {
            check(self, &item);
            if set.contains(item.get_ref()) {
                let message = format!("{} is there twice", item.get_ref());
                self.note(PackageCode::CapabilityField, item.span(), message);
            }
            set.insert(item.into_inner());
        }
        set
    }

    fn host(&mut self, host: &Spanned<String>) {
        if let Err(error) = check_origin(host.get_ref(), self.dialect) {
            self.note(PackageCode::HostInvalid, host.span(), error.to_string());
        }
    }

    fn secret(&mut self, name: &Spanned<String>) {
        if !is_secret_name(name.get_ref()) {
            let message = "a secret's name is 1 to 64 of a-z, A-Z, 0-9, _ and -, a letter first";
            self.note(PackageCode::CapabilityField, name.span(), message);
        }
    }

    fn schema(
        &mut self,
        table: Option<Spanned<toml::Table>>,
        text: Option<Spanned<String>>,
    ) -> Option<Value> {
        let (schema, span) = match (table, text) {
            (None, None) => return None,
            (Some(_), Some(text)) => {
                let message = "there is [config] already";
                self.note(PackageCode::ConfigSchema, text.span(), message);
                return None;
            }
            (Some(table), None) => (serde_json::to_value(table.get_ref()), table.span()),
            (None, Some(text)) => (serde_json::from_str(text.get_ref()), text.span()),
        };
        let compiled = schema.map_err(|error| error.to_string()).and_then(|schema| {
            compile_schema(&schema).map_err(|error| error.to_string())?;
            Ok(schema)
        });
        compiled.map_err(|message| self.note(PackageCode::ConfigSchema, span, message)).ok()
    }

    fn wishes(&mut self, wishes: &Spanned<LimitsWish>) -> LimitsWish {
        let LimitsWish { memory_mib, cpu_ms, wall_ms, keep_warm: _ } = *wishes.get_ref();
        if [memory_mib, cpu_ms, wall_ms].contains(&Some(0)) {
            let message = "with a limit of 0 nothing can run";
            self.note(PackageCode::ManifestField, wishes.span(), message);
        }
        *wishes.get_ref()
    }
}

fn is_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (2..=NAME_MAX_CHARS).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(rest)
}

fn is_secret_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(rest)
}
