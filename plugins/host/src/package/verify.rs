use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use justping_core::model::{BusinessId, PluginId, PluginQuota};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    COMPONENT_FILE, ChannelInfo, ExitInfo, FilterInfo, Inspection, MANIFEST_FILE, Manifest,
    NodeInfo, Package, PackageCode, PackageFinding, ToolInfo, compile_schema,
};
use crate::contract::{channels, filters, nodes, tools};
use crate::plugins::OperatorPolicy;
use crate::{CallError, Caller, Code, Export, LimitsWish, LoadError, Sandbox};

/// Most nodes, tools, functions or events that one plugin describes.
pub const DESCRIBED_MAX: usize = 50;

/// Most exits of a node.
const EXITS_MAX: usize = 20;
/// Most characters of a name.
const NAME_MAX_CHARS: usize = 64;
/// Most characters of a title.
const TITLE_MAX_CHARS: usize = 200;
/// Most characters of what describes a node, a tool or a function.
const TEXT_MAX_CHARS: usize = 4_000;
/// The way out that every node has.
const ERROR_EXIT: &str = "error";

/// A package that keeps what it says.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The package.
    pub package: Package,
    /// What it is.
    pub inspection: Inspection,
    /// Its component, ready to run.
    pub code: Arc<Code>,
}

/// Why a package is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VerifyError {
    /// Everything that is wrong with it, and what is worth a look besides.
    #[error("the package has {} finding(s)", .0.len())]
    Refused(Vec<PackageFinding>),
    /// The sandbox cannot look at it now.
    #[error("the package cannot be looked at now: {0}")]
    Busy(String),
}

/// Reads a package and looks at its component: whether it needs no more than its manifest asks for, has
/// what its manifest names, and describes itself so that it can be used. Nothing is granted to it.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(
    sandbox: &Sandbox,
    policy: &OperatorPolicy,
    bytes: &[u8],
) -> Result<Verified, VerifyError> {
    let package = Package::read(bytes, &policy.rules).map_err(VerifyError::Refused)?;
    let mut findings = policy.findings(&package);
    let code = match sandbox.load(package.archive.component.clone()).await {
        Ok(code) => code,
        Err(error) if error.is_passing() => return Err(VerifyError::Busy(error.to_string())),
        Err(error) => {
            findings.push(unloadable(&error));
            return Err(VerifyError::Refused(findings));
        }
    };
    findings.extend(imports(&package.manifest, code.imports()));
    findings.extend(exports(&package.manifest, code.exports()));
    let mut inspecting = Inspecting {
        sandbox,
        caller: caller(sandbox, &package.manifest),
        inspection: Inspection {
            component: code.digest().to_string(),
            component_bytes: size(package.archive.component.len()),
            code_bytes: size(code.bytes()),
            exports: code.exports().clone(),
            imports: code.imports().clone(),
            pure: code.is_pure() && !package.manifest.limits.keep_warm,
            ..Inspection::default()
        },
        findings,
    };
    inspecting.describe(&code).await?;
    let Inspecting { mut inspection, findings, .. } = inspecting;
    if findings.iter().any(PackageFinding::is_error) {
        return Err(VerifyError::Refused(findings));
    }
    inspection.findings = findings;
    Ok(Verified { package, inspection, code })
}

/// Somebody who is nobody: without grants, configuration or business.
fn caller(sandbox: &Sandbox, manifest: &Manifest) -> Caller {
    let wish = LimitsWish { keep_warm: false, ..manifest.limits };
    Caller {
        business_id: BusinessId::from_uuid(Uuid::nil()),
        plugin_id: PluginId::from_uuid(Uuid::nil()),
        plugin: manifest.name.as_str().into(),
        grants: Arc::default(),
        config: "{}".into(),
        conversation_id: None,
        call_id: "describe".to_owned(),
        now: sandbox.ports().clock.now(),
        limits: Arc::new(sandbox.limits().tightened(&wish)),
        quota: PluginQuota::default(),
    }
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn unloadable(error: &LoadError) -> PackageFinding {
    let code = match error {
        LoadError::TooLarge { .. } => PackageCode::TooLarge,
        LoadError::Wasi(_) | LoadError::UnknownImport(_) => PackageCode::ImportUnknown,
        LoadError::Contract { .. } => PackageCode::ContractUnsupported,
        LoadError::NoExports => PackageCode::ExportMissing,
        _ => PackageCode::ComponentInvalid,
    };
    PackageFinding::error(code, COMPONENT_FILE, error.to_string())
}

/// Compares what the component uses with what the manifest asks for.
fn imports(
    manifest: &Manifest,
    used: &BTreeSet<justping_core::model::Capability>,
) -> Vec<PackageFinding> {
    let asked = manifest.requested().capabilities;
    let undeclared = used.difference(&asked).map(|capability| {
        let name = capability.name();
        let message = format!("the component uses {name}, for which the manifest does not ask");
        PackageFinding::error(PackageCode::ImportUndeclared, COMPONENT_FILE, message)
    });
    let unused = asked.difference(used).map(|capability| {
        let name = capability.name();
        let message = format!("the manifest asks for {name}, which the component does not use");
        PackageFinding::warning(PackageCode::CapabilityUnused, MANIFEST_FILE, message)
    });
    undeclared.chain(unused).collect()
}

/// Compares what the component has with what the manifest names.
fn exports(manifest: &Manifest, found: &BTreeSet<Export>) -> Vec<PackageFinding> {
    let missing = manifest.exports.difference(found).map(|export| {
        let message = format!("the manifest names {}, which the component lacks", export.name());
        PackageFinding::error(PackageCode::ExportMissing, COMPONENT_FILE, message)
    });
    let undeclared = found.difference(&manifest.exports).map(|export| {
        let message =
            format!("the component has {}, which the manifest does not name", export.name());
        PackageFinding::error(PackageCode::ExportUndeclared, MANIFEST_FILE, message)
    });
    missing.chain(undeclared).collect()
}

/// Asks a component what it is, and looks whether that makes sense.
struct Inspecting<'s> {
    sandbox: &'s Sandbox,
    caller: Caller,
    inspection: Inspection,
    findings: Vec<PackageFinding>,
}

impl Inspecting<'_> {
    async fn describe(&mut self, code: &Arc<Code>) -> Result<(), VerifyError> {
        for export in code.exports() {
            let caller = self.caller.clone();
            match export {
                Export::Nodes => {
                    let told = self.sandbox.describe_nodes(code, caller).await.result;
                    let nodes = self.told(*export, told)?.unwrap_or_default();
                    self.nodes(nodes);
                }
                Export::Tools => {
                    let told = self.sandbox.describe_tools(code, caller).await.result;
                    let tools = self.told(*export, told)?.unwrap_or_default();
                    self.tools(tools);
                }
                Export::Subscriber => {
                    let told = self.sandbox.interests(code, caller).await.result;
                    let events = self.told(*export, told)?.unwrap_or_default();
                    self.events(events);
                }
                Export::Channels => {
                    let told = self.sandbox.describe_channel(code, caller).await.result;
                    let channel = self.told(*export, told)?;
                    self.inspection.channel = channel.map(|channel| self.channel(channel));
                }
                Export::Filters => {
                    let told = self.sandbox.describe_filters(code, caller).await.result;
                    let filters = self.told(*export, told)?.unwrap_or_default();
                    self.filters(filters);
                }
                Export::Hooks => {}
            }
        }
        Ok(())
    }

    fn told<T>(
        &mut self,
        export: Export,
        told: Result<T, CallError>,
    ) -> Result<Option<T>, VerifyError> {
        match told {
            Ok(told) => Ok(Some(told)),
            Err(error @ (CallError::Busy | CallError::Closed)) => {
                Err(VerifyError::Busy(error.to_string()))
            }
            Err(error) => {
                let message = format!("asked to describe itself: {error}");
                let finding =
                    PackageFinding::error(PackageCode::DescribeFailed, export.name(), message);
                self.findings.push(finding);
                Ok(None)
            }
        }
    }

    fn require(&mut self, holds: bool, at: &str, message: impl Into<String>) {
        if !holds {
            let code = PackageCode::DescriptorInvalid;
            self.findings.push(PackageFinding::error(code, at, message));
        }
    }

    /// Bounds a list whose members have names of their own.
    fn list<T>(&mut self, at: &str, max: usize, list: &mut Vec<T>, name: fn(&T) -> &str) {
        self.require(list.len() <= max, at, format!("must be at most {max}"));
        list.truncate(max);
        let mut seen = BTreeSet::new();
        let twice: Vec<_> =
            list.iter().map(name).filter(|name| !seen.insert(*name)).map(str::to_owned).collect();
        for name in twice {
            self.require(false, at, format!("{name:?} is there twice"));
        }
    }

    fn name(&mut self, at: &str, name: &str) {
        let holds = (1..=NAME_MAX_CHARS).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c));
        let rule = "a name is 1 to 64 of a-z, 0-9, _ and -, a letter first";
        self.require(holds, at, format!("{:?}: {rule}", shown(name)));
    }

    fn text(&mut self, at: &str, what: &str, text: &str, max: usize) {
        let holds = !text.trim().is_empty() && text.chars().count() <= max;
        self.require(holds, at, format!("{what} must be 1 to {max} characters"));
    }

    fn schema(&mut self, at: &str, text: &str) -> Value {
        let schema = serde_json::from_str(text).map_err(|error| error.to_string());
        let checked = schema.and_then(|schema: Value| match compile_schema(&schema) {
            Ok(_) => Ok(schema),
            Err(error) => Err(error.to_string()),
        });
        checked.unwrap_or_else(|message| {
            self.require(false, at, message);
            Value::Null
        })
    }

    fn nodes(&mut self, mut nodes: Vec<nodes::Node>) {
        self.list("nodes", DESCRIBED_MAX, &mut nodes, |node| &node.name);
        for node in nodes {
            let at = format!("nodes/{}", shown(&node.name));
            self.name(&at, &node.name);
            self.text(&at, "the title", &node.title, TITLE_MAX_CHARS);
            self.text(&at, "the summary", &node.summary, TEXT_MAX_CHARS);
            let mut exits = node.exits;
            self.list(&format!("{at}/exits"), EXITS_MAX, &mut exits, |exit| &exit.name);
            self.require(!exits.is_empty(), &format!("{at}/exits"), "there must be a way out");
            for exit in &exits {
                let at = format!("{at}/exits/{}", shown(&exit.name));
                self.name(&at, &exit.name);
                self.text(&at, "the title", &exit.title, TITLE_MAX_CHARS);
                self.require(exit.name != ERROR_EXIT, &at, "every node has this one");
            }
            let exit = |exit: nodes::Exit| ExitInfo { name: exit.name, title: exit.title };
            let info = NodeInfo {
                schema: self.schema(&format!("{at}/schema"), &node.schema),
                name: node.name,
                title: node.title,
                summary: node.summary,
                exits: exits.into_iter().map(exit).collect(),
                waits: node.waits,
            };
            self.inspection.nodes.push(info);
        }
    }

    fn tools(&mut self, mut tools: Vec<tools::Tool>) {
        self.list("tools", DESCRIBED_MAX, &mut tools, |tool| &tool.name);
        for tool in tools {
            let at = format!("tools/{}", shown(&tool.name));
            self.name(&at, &tool.name);
            self.text(&at, "the description", &tool.description, TEXT_MAX_CHARS);
            let parameters = self.schema(&format!("{at}/parameters"), &tool.parameters);
            let info = ToolInfo { name: tool.name, description: tool.description, parameters };
            self.inspection.tools.push(info);
        }
    }

    fn events(&mut self, mut events: Vec<String>) {
        self.list("subscriber", DESCRIBED_MAX, &mut events, String::as_str);
        for event in &events {
            let name = event.strip_suffix('*').unwrap_or(event);
            let holds = event.len() <= NAME_MAX_CHARS
                && !event.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c));
            let message = format!("{:?} is no name of an event, such as message.*", shown(event));
            self.require(holds, "subscriber", message);
        }
        self.inspection.events = events;
    }

    fn channel(&mut self, channel: channels::Channel) -> ChannelInfo {
        self.name("channels/kind", &channel.kind);
        self.text("channels/title", "the title", &channel.title, TITLE_MAX_CHARS);
        let capabilities: Option<Map<String, Value>> =
            serde_json::from_str(&channel.capabilities).ok();
        self.require(capabilities.is_some(), "channels/capabilities", "must be a JSON object");
        let capabilities = Value::Object(capabilities.unwrap_or_default());
        ChannelInfo { kind: channel.kind, title: channel.title, capabilities }
    }

    fn filters(&mut self, mut filters: Vec<filters::Filter>) {
        self.list("filters", DESCRIBED_MAX, &mut filters, |filter| &filter.name);
        for filter in filters {
            let at = format!("filters/{}", shown(&filter.name));
            self.name(&at, &filter.name);
            self.require(!filter.name.contains('-'), &at, "a function's name has no hyphen");
            self.text(&at, "the summary", &filter.summary, TEXT_MAX_CHARS);
            let info = FilterInfo { name: filter.name, summary: filter.summary };
            self.inspection.filters.push(info);
        }
    }
}

/// A stranger's name, without what would spoil a log.
fn shown(name: &str) -> String {
    name.chars().take(NAME_MAX_CHARS).flat_map(char::escape_debug).collect()
}

impl Package {
    /// The component's bytes.
    pub fn component(&self) -> &Bytes {
        &self.archive.component
    }
}
