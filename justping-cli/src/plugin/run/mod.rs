//! Tries a plugin out: calls it line by line, or talks to a flow that uses it.
//!
//! `line` lines as they come in · `command` what a line asks for · `session` does it · `show` says what came
//! of it.

mod command;
mod line;
mod session;
mod show;

use std::io::{IsTerminal as _, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use justping::http::{OpenClient, Policy};
use justping::memory::ScriptedAi;
use justping::model::Grants;
use justping::plugins::blob::BLOB_MAX_BYTES;
use justping::plugins::package::{Manifest, Package};
use justping::stage::Stage;
use serde_json::{Map, Value};

use self::line::{Incoming, LINE_MAX_BYTES};
use self::session::{Session, grant};
use super::check::policy;
use super::stand::{Platform, Servers, Terms, known, reason, sound};
use super::{build, pack};
use crate::flow::FLOWS_MAX;
use crate::source::Source;
use crate::{Answer, Trouble};

/// How a plugin is tried out.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The plugin's folder, which is built first if it has a source, or a package.
    #[arg(default_value = ".")]
    plugin: PathBuf,
    /// A flow, JSON or YAML, that uses the plugin: what is typed is what the contact says, and a command
    /// begins with a colon. Several are asked in this order.
    #[arg(long, value_name = "FILE")]
    flow: Vec<PathBuf>,
    /// The plugin's configuration: a JSON object, or a file with one.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// What of that which it asks for is granted: names such as kv,http, or all. Nothing unless given.
    #[arg(long, value_delimiter = ',', value_name = "CAPABILITY")]
    grant: Vec<String>,
    /// Asks other servers themselves. Without, they answer what `:reply` says, and nothing leaves.
    #[arg(long)]
    online: bool,
    /// Takes plugin.wasm as it is.
    #[arg(long)]
    no_build: bool,
}

/// Where a plugin comes from.
#[derive(Debug)]
struct Origin {
    path: PathBuf,
    is_built: bool,
}

impl Origin {
    /// The package, after it was built.
    fn load(&self) -> Result<Bytes, Trouble> {
        if !self.path.is_dir() {
            return Ok(pack::read(&self.path, BLOB_MAX_BYTES)?.into());
        }
        if self.is_built {
            build::build_source(&self.path)?;
        }
        build::component(&self.path)?;
        Ok(pack::pack(&self.path)?.into())
    }
}

pub(super) fn run(options: &Options) -> Result<Answer, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Trouble::Other(error.to_string()))?;
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let is_asked = std::io::stdin().is_terminal();
    let closed = |error: std::io::Error| Trouble::Other(format!("standard output: {error}"));
    let mut session = runtime.block_on(open(options))?;
    let shown = runtime.block_on(session.shown()).map_err(Trouble::Other)?;
    let hint = "  :help tells what can be said\n";
    output.write_all(shown.as_bytes()).map_err(closed)?;
    output.write_all(hint.as_bytes()).map_err(closed)?;
    loop {
        if is_asked {
            output.write_all(b"> ").map_err(closed)?;
        }
        output.flush().map_err(closed)?;
        let incoming = line::read(&mut input);
        let text =
            match incoming.map_err(|error| Trouble::Other(format!("standard input: {error}")))? {
                Incoming::End => break,
                Incoming::TooLong => format!("! a line has at most {LINE_MAX_BYTES} bytes\n"),
                Incoming::NotText => "! that is no UTF-8\n".to_owned(),
                Incoming::Line(line) => {
                    let heard = runtime.block_on(session.take(&line));
                    if heard.is_over {
                        break;
                    }
                    heard.text
                }
            };
        output.write_all(text.as_bytes()).map_err(closed)?;
    }
    Ok(Answer::default())
}

/// Installs the plugin on a stage with the flows.
async fn open(options: &Options) -> Result<Session, Trouble> {
    let documents = documents(&options.flow)?;
    let origin = Origin { path: options.plugin.clone(), is_built: !options.no_build };
    let package = origin.load()?;
    let manifest = manifest(&package, &options.plugin)?;
    let grants = grants(&options.grant, &manifest.requested())?;
    let config = options.config.as_deref().map(config).transpose()?.unwrap_or_default();
    let terms = Terms { config, grants: Some(grants), ..Terms::default() };
    let servers = (!options.online).then(|| Arc::new(Servers::new(&[])));
    let http = match &servers {
        Some(servers) => OpenClient::scripted(Policy::default(), Arc::clone(servers) as _),
        None => OpenClient::new(Policy { except: here(&manifest), ..Policy::default() }),
    };
    let platform = Platform::open(http.clone())?;
    let flows = platform.flows().with_ai(Arc::new(ScriptedAi::new())).with_http(Arc::new(http));
    sound(&flows, &documents)?;
    let values: Vec<Value> = documents.iter().map(|document| document.value.clone()).collect();
    let stand = platform.set(Stage::builder(Arc::new(flows)), &values).await;
    let stand = stand.map_err(|error| Trouble::Other(error.to_string()))?;
    let mut session = Session::new(stand, origin, servers, documents);
    session.begin().await.map_err(Trouble::Other)?;
    session.stand.install(package, &terms).await.map_err(|error| {
        let path = options.plugin.display().to_string();
        Trouble::File { path, reason: reason(&error) }
    })?;
    known(&session.stand, &session.documents).await?;
    Ok(session)
}

fn documents(flows: &[PathBuf]) -> Result<Vec<Source>, Trouble> {
    if flows.len() > FLOWS_MAX {
        return Err(Trouble::Other(format!("at most {FLOWS_MAX} flows are asked")));
    }
    flows.iter().map(|flow| Source::read(flow)).collect()
}

fn manifest(package: &[u8], path: &Path) -> Result<Manifest, Trouble> {
    let read = Package::read(package, &policy(true).rules).map_err(|findings| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Trouble::File { path: path.display().to_string(), reason: lines.join("\n  ") }
    });
    Ok(read?.manifest)
}

/// What is granted from the beginning.
fn grants(names: &[String], requested: &Grants) -> Result<Grants, Trouble> {
    names.iter().try_fold(Grants::default(), |given, name| {
        let granted = command::which(name).and_then(|which| grant(which, requested, &given));
        granted.map_err(|reason| Trouble::Other(format!("--grant {name}: {reason}")))
    })
}

/// A configuration: an object, or a file with one.
fn config(text: &str) -> Result<Map<String, Value>, Trouble> {
    if text.trim_start().starts_with('{') {
        let read = serde_json::from_str(text);
        return read.map_err(|error| Trouble::Other(format!("--config: {error}")));
    }
    Source::read(Path::new(text))?.parse()
}

/// The servers of this machine that the plugin asks: those of who tries it out.
fn here(manifest: &Manifest) -> Vec<SocketAddr> {
    let hosts = manifest.requested().hosts;
    let addresses = hosts.iter().filter_map(|host| host.split_once("://")?.1.parse().ok());
    addresses.filter(|address: &SocketAddr| address.ip().is_loopback()).collect()
}
