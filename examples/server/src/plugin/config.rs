//! What the operator says about plugins.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use justping::model::Capability;
use justping::plugins::Limits;
use justping::plugins::blob::{AzureConfig, BlobError, PackageBlobs, S3Config};
use justping::plugins::limits::UPLOAD_CEILING_BYTES;
use justping::plugins::package::{Dialect, PACKAGE_EXTRA_BYTES, PackageRules, PublicKey};
use justping::plugins::plugins::{OperatorPolicy, PluginsConfig, Signers};
use serde::Deserialize;

const MIB: usize = 1024 * 1024;

/// Why the settings of plugins cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct PluginConfigError {
    /// The setting.
    pub setting: &'static str,
    /// Why.
    pub reason: String,
}

/// Whether businesses may run plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// They may.
    On,
    /// They may not.
    Off,
}

/// Whether packages need a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsigned {
    /// They do not.
    Allow,
    /// They do.
    Refuse,
}

/// Settings of plugins; in the file they are the table `plugins`, without the prefix.
#[derive(Debug, Default, Clone, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginFlags {
    /// Whether businesses may run plugins [default: on; over Postgres only where --plugins-store or
    /// --plugins-folder says what all processes share].
    #[arg(id = "plugins", long = "plugins", env = "JUSTPING_PLUGINS", value_enum)]
    run: Option<Switch>,
    /// The folder that packages are kept in; all processes need the same one [default: plugins in the
    /// data folder].
    #[arg(
        id = "plugins_folder",
        long = "plugins-folder",
        env = "JUSTPING_PLUGINS_FOLDER",
        value_name = "FOLDER"
    )]
    folder: Option<PathBuf>,
    /// The service that packages are kept in instead: `s3://<bucket>/<prefix>` or
    /// `azure://<account>/<container>/<prefix>`. Region and credentials come from the variables that
    /// the provider's own tools read [default: none; they are in the folder].
    #[arg(
        id = "plugins_store",
        long = "plugins-store",
        env = "JUSTPING_PLUGINS_STORE",
        value_name = "URL"
    )]
    store: Option<String>,
    /// Another address of that service than the provider's own.
    #[arg(
        id = "plugins_store_endpoint",
        long = "plugins-store-endpoint",
        env = "JUSTPING_PLUGINS_STORE_ENDPOINT",
        value_name = "URL"
    )]
    store_endpoint: Option<String>,
    /// The folder of this machine's compiled plugins; nobody else may write to it [default:
    /// plugins-cache in the data folder].
    #[arg(
        id = "plugins_cache",
        long = "plugins-cache",
        env = "JUSTPING_PLUGINS_CACHE",
        value_name = "FOLDER"
    )]
    cache: Option<PathBuf>,
    /// The capabilities that plugins may have, such as kv,http, separated by commas [default: all].
    #[arg(
        id = "plugins_capabilities",
        long = "plugins-capabilities",
        env = "JUSTPING_PLUGINS_CAPABILITIES",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    capabilities: Option<Vec<String>>,
    /// The only hosts that plugins may ask, such as `https://api.example.com`, separated by commas
    /// [default: any of the public web that a manifest names].
    #[arg(
        id = "plugins_hosts",
        long = "plugins-hosts",
        env = "JUSTPING_PLUGINS_HOSTS",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    hosts: Option<Vec<String>>,
    /// Whether packages may be unsigned [default: allow, unless signers are named].
    #[arg(
        id = "plugins_unsigned",
        long = "plugins-unsigned",
        env = "JUSTPING_PLUGINS_UNSIGNED",
        value_enum
    )]
    unsigned: Option<Unsigned>,
    /// The only keys that may sign packages, hexadecimal, separated by commas [default: any].
    #[arg(
        id = "plugins_signers",
        long = "plugins-signers",
        env = "JUSTPING_PLUGINS_SIGNERS",
        value_name = "KEYS",
        value_delimiter = ','
    )]
    signers: Option<Vec<String>>,
    /// The largest package, in MiB, at most 24 [default: 8].
    #[arg(
        id = "plugins_upload_mib",
        long = "plugins-upload-mib",
        env = "JUSTPING_PLUGINS_UPLOAD_MIB",
        value_name = "MIB"
    )]
    upload_mib: Option<usize>,
    /// The most memory of a call, in MiB; it can only be lowered [default: 32].
    #[arg(
        id = "plugins_memory_mib",
        long = "plugins-memory-mib",
        env = "JUSTPING_PLUGINS_MEMORY_MIB",
        value_name = "MIB"
    )]
    memory_mib: Option<usize>,
    /// The longest time of a call on a processor; it can only be lowered [default: 50].
    #[arg(
        id = "plugins_cpu_ms",
        long = "plugins-cpu-ms",
        env = "JUSTPING_PLUGINS_CPU_MS",
        value_name = "MS"
    )]
    cpu_ms: Option<u64>,
    /// The longest time of a call altogether; it can only be lowered [default: 5000].
    #[arg(
        id = "plugins_wall_ms",
        long = "plugins-wall-ms",
        env = "JUSTPING_PLUGINS_WALL_MS",
        value_name = "MS"
    )]
    wall_ms: Option<u64>,
}

/// Where packages are kept.
#[derive(Debug, Clone)]
pub enum PackagePlace {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    S3(S3Config),
    /// A container.
    Azure(AzureConfig),
}

impl PackagePlace {
    /// Opens it. Only a folder is looked at.
    ///
    /// # Errors
    /// [`BlobError::Unavailable`].
    pub fn open(&self) -> Result<PackageBlobs, BlobError> {
        match self {
            Self::Folder(folder) => PackageBlobs::in_folder(folder),
            Self::S3(config) => PackageBlobs::in_s3(config),
            Self::Azure(config) => PackageBlobs::in_azure(config),
        }
    }
}

/// Settings of plugins, complete and checked.
#[derive(Debug, Clone)]
pub struct PluginConfig {
    /// Where packages are kept.
    pub place: PackagePlace,
    /// The folder of machine code.
    pub cache: PathBuf,
    /// What a call may take.
    pub limits: Limits,
    /// What plugins may do.
    pub plugins: PluginsConfig,
}

impl PluginFlags {
    /// These before those of a file.
    #[must_use]
    pub fn over(self, file: Self) -> Self {
        Self {
            run: self.run.or(file.run),
            folder: self.folder.or(file.folder),
            store: self.store.or(file.store),
            store_endpoint: self.store_endpoint.or(file.store_endpoint),
            cache: self.cache.or(file.cache),
            capabilities: self.capabilities.or(file.capabilities),
            hosts: self.hosts.or(file.hosts),
            unsigned: self.unsigned.or(file.unsigned),
            signers: self.signers.or(file.signers),
            upload_mib: self.upload_mib.or(file.upload_mib),
            memory_mib: self.memory_mib.or(file.memory_mib),
            cpu_ms: self.cpu_ms.or(file.cpu_ms),
            wall_ms: self.wall_ms.or(file.wall_ms),
        }
    }

    /// Completes them; `None` when plugins are off. With addresses of this machine in `http_allow`,
    /// hosts may be `http://` too.
    ///
    /// # Errors
    /// [`PluginConfigError`].
    pub fn complete(
        self,
        data_dir: &Path,
        is_shared: bool,
        http_allow: &[SocketAddr],
    ) -> Result<Option<PluginConfig>, PluginConfigError> {
        let has_place = !is_shared || self.store.is_some() || self.folder.is_some();
        match self.run {
            Some(Switch::Off) => return Ok(None),
            None if !has_place => return Ok(None),
            Some(Switch::On) if !has_place => {
                return Err(PluginConfigError {
                    setting: "--plugins",
                    reason: "processes that share a database need --plugins-store, or a \
                        --plugins-folder that all of them share"
                        .into(),
                });
            }
            Some(Switch::On) | None => {}
        }
        let limits = self.limits()?;
        let dialect = if http_allow.is_empty() { Dialect::Strict } else { Dialect::Development };
        let rules = PackageRules { max_bytes: limits.upload_bytes + PACKAGE_EXTRA_BYTES, dialect };
        let policy = OperatorPolicy {
            rules,
            capabilities: self.capabilities()?,
            hosts: self.hosts.clone().map(|hosts| hosts.into_iter().collect()),
            signers: self.signers()?,
        };
        Ok(Some(PluginConfig {
            place: self.place(data_dir)?,
            cache: self.cache.unwrap_or_else(|| data_dir.join("plugins-cache")),
            limits,
            plugins: PluginsConfig { policy, ..PluginsConfig::default() },
        }))
    }

    fn place(&self, data_dir: &Path) -> Result<PackagePlace, PluginConfigError> {
        let Some(store) = &self.store else {
            let folder = self.folder.clone().unwrap_or_else(|| data_dir.join("plugins"));
            return Ok(PackagePlace::Folder(folder));
        };
        let parts =
            |rest: &str, count| rest.splitn(count, '/').map(str::to_owned).collect::<Vec<_>>();
        let endpoint = self.store_endpoint.clone();
        let place = store.split_once("://").and_then(|(scheme, rest)| match scheme {
            "s3" => {
                let mut parts = parts(rest, 2).into_iter();
                let bucket = parts.next().filter(|bucket| !bucket.is_empty())?;
                let prefix = parts.next().unwrap_or_default();
                Some(PackagePlace::S3(S3Config {
                    bucket,
                    prefix,
                    region: None,
                    endpoint,
                    key: None,
                }))
            }
            "azure" => {
                let mut parts = parts(rest, 3).into_iter();
                let account = parts.next().filter(|account| !account.is_empty())?;
                let container = parts.next().filter(|container| !container.is_empty())?;
                let prefix = parts.next().unwrap_or_default();
                let config = AzureConfig { account, container, prefix, endpoint, key: None };
                Some(PackagePlace::Azure(config))
            }
            _ => None,
        });
        place.ok_or_else(|| PluginConfigError {
            setting: "--plugins-store",
            reason: "must be s3://<bucket>/<prefix> or azure://<account>/<container>/<prefix>"
                .into(),
        })
    }

    fn limits(&self) -> Result<Limits, PluginConfigError> {
        let default = Limits::default();
        let upload_bytes = self.upload_mib.map_or(default.upload_bytes, |mib| mib * MIB);
        if !(1..=UPLOAD_CEILING_BYTES).contains(&upload_bytes) {
            let reason = format!("must be 1 to {}", UPLOAD_CEILING_BYTES / MIB);
            return Err(PluginConfigError { setting: "--plugins-upload-mib", reason });
        }
        let millis = |given: Option<u64>, most: Duration| {
            given.map_or(most, |ms| Duration::from_millis(ms.max(1)).min(most))
        };
        let memory = self.memory_mib.map_or(default.memory_bytes, |mib| mib.max(1) * MIB);
        Ok(Limits {
            upload_bytes,
            memory_bytes: memory.min(default.memory_bytes),
            cpu: millis(self.cpu_ms, default.cpu),
            wall: millis(self.wall_ms, default.wall),
            ..default
        })
    }

    fn capabilities(&self) -> Result<BTreeSet<Capability>, PluginConfigError> {
        let Some(names) = &self.capabilities else {
            return Ok(Capability::ALL.into_iter().collect());
        };
        let names = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        names
            .map(|name| {
                let found = Capability::ALL.into_iter().find(|one| one.name() == name);
                found.ok_or_else(|| PluginConfigError {
                    setting: "--plugins-capabilities",
                    reason: format!("there is no capability {name}"),
                })
            })
            .collect()
    }

    fn signers(&self) -> Result<Signers, PluginConfigError> {
        let setting = "--plugins-signers";
        let Some(keys) = &self.signers else {
            return Ok(match self.unsigned {
                Some(Unsigned::Refuse) => Signers::Somebody,
                _ => Signers::Anyone,
            });
        };
        if self.unsigned == Some(Unsigned::Allow) {
            let reason = "means that packages are signed; leave --plugins-unsigned out".to_owned();
            return Err(PluginConfigError { setting, reason });
        }
        let parse = |key: &String| {
            let wrong = |error| PluginConfigError { setting, reason: format!("{error}") };
            key.trim().parse::<PublicKey>().map_err(wrong)
        };
        keys.iter().map(parse).collect::<Result<_, _>>().map(Signers::Only)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        plugins: PluginFlags,
    }

    fn flags(arguments: &[&str]) -> PluginFlags {
        Program::try_parse_from([&["program"], arguments].concat()).expect("flags").plugins
    }

    fn complete(arguments: &[&str]) -> Result<Option<PluginConfig>, PluginConfigError> {
        flags(arguments).complete(Path::new("data"), false, &[])
    }

    #[test]
    fn plugins_are_on_with_every_capability_unless_told() {
        let config = complete(&[]).expect("config").expect("on");
        let PackagePlace::Folder(folder) = &config.place else { panic!("{config:?}") };
        assert_eq!(folder, Path::new("data/plugins"));
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.plugins.policy.capabilities.len(), Capability::ALL.len());
        assert_eq!(config.plugins.policy.signers, Signers::Anyone);
        assert_eq!(config.plugins.policy.rules.dialect, Dialect::Strict);
        assert!(complete(&["--plugins", "off"]).expect("config").is_none());
        let shared = |arguments: &[&str]| flags(arguments).complete(Path::new("data"), true, &[]);
        assert!(shared(&[]).expect("config").is_none(), "others would not find the packages");
        assert_eq!(shared(&["--plugins", "on"]).expect_err("no place").setting, "--plugins");
        assert!(shared(&["--plugins-folder", "shared"]).expect("config").is_some());
        let local = ["127.0.0.1:9000".parse().expect("address")];
        let local =
            flags(&[]).complete(Path::new("data"), false, &local).expect("config").expect("on");
        assert_eq!(local.plugins.policy.rules.dialect, Dialect::Development);
    }

    #[test]
    fn ceilings_are_only_lowered_but_for_the_size_of_packages() {
        let raised =
            ["--plugins-memory-mib", "64", "--plugins-cpu-ms", "0", "--plugins-wall-ms", "9000"];
        let limits = complete(&raised).expect("config").expect("on").limits;
        assert_eq!(limits.memory_bytes, Limits::default().memory_bytes);
        assert_eq!((limits.cpu, limits.wall), (Duration::from_millis(1), Limits::default().wall));
        let large = complete(&["--plugins-upload-mib", "24"]).expect("config").expect("on");
        assert_eq!(large.limits.upload_bytes, 24 * MIB);
        assert!(large.plugins.policy.rules.max_bytes > 24 * MIB);
        for size in ["0", "25"] {
            let error = complete(&["--plugins-upload-mib", size]).expect_err(size);
            assert_eq!(error.setting, "--plugins-upload-mib");
        }
    }

    #[test]
    fn capabilities_and_signers_are_named() {
        let config =
            complete(&["--plugins-capabilities", "kv, http"]).expect("config").expect("on");
        let expected = [Capability::Kv, Capability::Http].into();
        assert_eq!(config.plugins.policy.capabilities, expected);
        let none = complete(&["--plugins-capabilities", ""]).expect("config").expect("on");
        assert!(none.plugins.policy.capabilities.is_empty());
        assert!(complete(&["--plugins-capabilities", "files"]).is_err());
        let signers = |arguments: &[&str]| {
            complete(arguments).map(|config| config.expect("on").plugins.policy.signers)
        };
        assert_eq!(signers(&["--plugins-unsigned", "refuse"]), Ok(Signers::Somebody));
        let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let one = signers(&["--plugins-signers", key]);
        assert_eq!(one, Ok(Signers::Only(vec![key.parse().expect("key")])));
        assert!(signers(&["--plugins-signers", "no key"]).is_err());
        assert!(signers(&["--plugins-signers", key, "--plugins-unsigned", "allow"]).is_err());
    }

    #[test]
    fn packages_are_in_a_folder_or_a_service() {
        let place = |store: &str| {
            let endpoint = ["--plugins-store-endpoint", "http://127.0.0.1:9000"];
            complete(&[&["--plugins-store", store][..], &endpoint].concat())
                .map(|config| config.expect("on").place)
        };
        let Ok(PackagePlace::S3(s3)) = place("s3://bucket/eu/plugins") else { panic!("no bucket") };
        assert_eq!((s3.bucket.as_str(), s3.prefix.as_str()), ("bucket", "eu/plugins"));
        assert_eq!(s3.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        let Ok(PackagePlace::Azure(azure)) = place("azure://account/container") else {
            panic!("no container")
        };
        assert_eq!((azure.container.as_str(), azure.prefix.as_str()), ("container", ""));
        for wrong in ["s3://", "azure://account", "gs://bucket", "folder"] {
            assert_eq!(place(wrong).expect_err(wrong).setting, "--plugins-store");
        }
    }

    #[test]
    fn a_flag_comes_before_the_file() {
        let file: PluginFlags = toml::from_str("run = \"off\"\ncpu_ms = 20").expect("file");
        assert!(file.clone().complete(Path::new("data"), false, &[]).expect("config").is_none());
        let both = flags(&["--plugins", "on"]).over(file).complete(Path::new("data"), false, &[]);
        assert_eq!(both.expect("config").expect("on").limits.cpu, Duration::from_millis(20));
        assert!(toml::from_str::<PluginFlags>("folders = \"x\"").is_err());
    }
}
