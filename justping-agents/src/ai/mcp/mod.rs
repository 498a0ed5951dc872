//! Tools of other servers, by the Model Context Protocol.
//!
//! `config` what to talk to · `transport` messages over the guarded HTTP client · `tool` one tool of
//! a server · `servers` those of businesses that are open.
//!
//! What a server says about its tools is read once and kept: a flow that was published against it
//! does not change under it. Whatever a server says as a result is taken for somebody else's words.

mod config;
mod servers;
mod tool;
mod transport;

use std::collections::BTreeSet;
use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use justping_core::port::{Tool, ToolSpec};
use rmcp::ServiceExt;
use rmcp::model::Tool as Described;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::child_process::TokioChildProcess;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

pub use self::config::{McpConfig, McpConfigError, McpPlace};
pub(super) use self::servers::McpServers;
use self::tool::RemoteTool;
use self::transport::GuardedTransport;

/// Most tools of one server.
pub const MCP_TOOLS_MAX: usize = 128;
/// Most bytes of a tool's schema.
const SCHEMA_MAX_BYTES: usize = 64 * 1024;
/// Most bytes of a tool's description; longer ones are cut.
const DESCRIPTION_MAX_BYTES: usize = 4 * 1024;

/// Why a server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum McpError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] McpConfigError),
    /// It cannot be reached, or does not speak the protocol.
    #[error("the server cannot be used: {0}")]
    Connect(String),
    /// It took too long.
    #[error("the server took too long")]
    Timeout,
    /// A tool that is wanted is not there.
    #[error("the server has no tool `{0}`")]
    NoTool(String),
}

type Service = RunningService<RoleClient, ()>;

/// A server whose tools can be called.
pub struct McpServer {
    shared: Arc<Shared>,
    tools: Vec<ToolSpec>,
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServer").field("name", &self.shared.config.name).finish_non_exhaustive()
    }
}

/// What the tools of a server share: one connection, made anew when it is lost.
struct Shared {
    config: McpConfig,
    service: Mutex<Option<Arc<Service>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl McpServer {
    /// Connects and reads which tools there are.
    ///
    /// # Errors
    /// [`McpError`], by what went wrong.
    pub async fn connect(config: McpConfig) -> Result<Self, McpError> {
        config.check()?;
        let service = Arc::new(connect(&config).await?);
        let listing = service.peer().list_all_tools();
        let listed = within(config.timeout, listing).await?;
        let listed = listed.map_err(|error| McpError::Connect(error.to_string()))?;
        let tools = specs(&config, &listed)?;
        let shared = Shared { config, service: Mutex::new(Some(service)) };
        Ok(Self { shared: Arc::new(shared), tools })
    }

    /// A server whose tools are known already. It is connected to with the first call.
    pub(super) fn known(config: McpConfig, tools: Vec<ToolSpec>) -> Self {
        Self { shared: Arc::new(Shared { config, service: Mutex::new(None) }), tools }
    }

    /// What models are told of its tools.
    pub fn specs(&self) -> &[ToolSpec] {
        &self.tools
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<Arc<dyn Tool>> {
        let spec = self.tools.iter().find(|spec| spec.name == name)?;
        Some(Arc::new(RemoteTool::new(Arc::clone(&self.shared), spec.clone())))
    }

    /// Its tools, under names that begin with the server's: `crm__find_order`.
    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let tool = |spec: &ToolSpec| -> Arc<dyn Tool> {
            Arc::new(RemoteTool::new(Arc::clone(&self.shared), spec.clone()))
        };
        self.tools.iter().map(tool).collect()
    }
}

impl Shared {
    /// A connection does not work any more: the next call makes another.
    async fn lost(&self, broken: &Arc<Service>) {
        let mut slot = self.service.lock().await;
        if slot.as_ref().is_some_and(|service| Arc::ptr_eq(service, broken)) {
            *slot = None;
        }
    }

    /// The connection, made anew when it was lost.
    async fn service(&self) -> Result<Arc<Service>, McpError> {
        let mut slot = self.service.lock().await;
        if let Some(service) = slot.as_ref().filter(|service| !service.is_closed()) {
            return Ok(Arc::clone(service));
        }
        let service = Arc::new(connect(&self.config).await?);
        *slot = Some(Arc::clone(&service));
        Ok(service)
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Result<T, McpError> {
    tokio::time::timeout(time, work).await.map_err(|_| McpError::Timeout)
}

async fn connect(config: &McpConfig) -> Result<Service, McpError> {
    let failed = |error: String| McpError::Connect(error);
    match &config.place {
        McpPlace::Program { program, arguments, environment } => {
            let mut command = Command::new(program);
            // Nothing of this process is told to others unless it is named.
            command.args(arguments).env_clear().envs(environment).kill_on_drop(true);
            let spawned = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn();
            let (child, _) = spawned.map_err(|error| failed(error.to_string()))?;
            let service = within(config.timeout, ().serve(child)).await?;
            service.map_err(|error| failed(error.to_string()))
        }
        McpPlace::Http { url, headers, client } => {
            let transport = GuardedTransport::new(client.clone(), headers.clone(), config.timeout);
            let settings = StreamableHttpClientTransportConfig::with_uri(url.as_str());
            let transport = StreamableHttpClientTransport::with_client(transport, settings);
            let service = within(config.timeout, ().serve(transport)).await?;
            service.map_err(|error| failed(error.to_string()))
        }
    }
}

/// The tools that may be used, as models see them.
fn specs(config: &McpConfig, listed: &[Described]) -> Result<Vec<ToolSpec>, McpError> {
    let names: BTreeSet<&str> = listed.iter().map(|tool| &*tool.name).collect();
    if let Some(missing) = config.allow.iter().flatten().find(|name| !names.contains(name.as_str()))
    {
        return Err(McpError::NoTool(missing.clone()));
    }
    let allowed = |tool: &&Described| {
        config.allow.as_ref().is_none_or(|allowed| allowed.contains(&*tool.name))
    };
    let specs = listed.iter().filter(allowed).filter_map(|tool| spec(config, tool));
    Ok(specs.take(MCP_TOOLS_MAX).collect())
}

/// A tool as models see it; one that no provider would take is left out.
fn spec(config: &McpConfig, tool: &Described) -> Option<ToolSpec> {
    let name = config.tool_name(&tool.name)?;
    let parameters = Value::Object((*tool.input_schema).clone());
    if parameters.to_string().len() > SCHEMA_MAX_BYTES {
        tracing::warn!(tool = name, "a tool has a schema beyond all measure and is left out");
        return None;
    }
    let description = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    let end = description.floor_char_boundary(DESCRIPTION_MAX_BYTES);
    let description = description.get(..end).unwrap_or_default().to_owned();
    Some(ToolSpec { name, description, parameters })
}
