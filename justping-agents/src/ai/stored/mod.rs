//! Tools that businesses have set up themselves.
//!
//! `settings` what they say · `tests` what they do.
//!
//! What a customer writes is never trusted: addresses are asked by the guarded client alone, names
//! and schemas are looked over before they are stored, programs are not run, and what comes back is
//! somebody else's words.

mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use justping_core::model::{BusinessId, PAGE_MAX, PageRequest, ToolConfig, ToolSecrets};
use justping_core::port::store::ToolStore;
use justping_core::port::{StoreError, TOOL_NAME_SEPARATOR, Tool, ToolError, ToolSource, ToolSpec};

pub use self::settings::{
    HttpToolSettings, McpToolSettings, TOOL_TIMEOUT_MAX_MS, ToolSettings, ToolSettingsError,
};
use super::http_tool::HttpTool;
#[cfg(feature = "mcp")]
use super::mcp::{McpConfig, McpPlace, McpServer, McpServers};
use crate::fetch::Fetcher;

/// Most bytes of the tools that a server lists.
#[cfg(feature = "mcp")]
const LISTING_MAX_BYTES: usize = 256 * 1024;

/// The tools that businesses have set up: requests to servers, and servers with tools.
#[derive(Debug, Clone)]
pub struct StoredTools {
    store: Arc<dyn ToolStore>,
    fetcher: Arc<dyn Fetcher>,
    #[cfg(feature = "mcp")]
    servers: Option<Arc<McpServers>>,
}

impl StoredTools {
    /// The tools of a store, which ask through `fetcher`.
    pub fn new(store: Arc<dyn ToolStore>, fetcher: Arc<dyn Fetcher>) -> Self {
        Self {
            store,
            fetcher,
            #[cfg(feature = "mcp")]
            servers: None,
        }
    }

    /// Lets businesses name servers that speak the Model Context Protocol, asked through `client`.
    #[cfg(feature = "mcp")]
    #[must_use]
    pub fn with_mcp(self, client: justping_http::OpenClient) -> Self {
        Self { servers: Some(Arc::new(McpServers::new(client))), ..self }
    }

    /// Looks a tool over before it is stored. Asks nobody.
    ///
    /// # Errors
    /// [`ToolSettingsError`] with the first setting that makes no sense.
    pub fn check(&self, tool: &ToolConfig, secrets: &ToolSecrets) -> Result<(), ToolSettingsError> {
        match ToolSettings::read(tool)? {
            ToolSettings::Http(http) => self.http(tool, http, secrets).map(drop),
            ToolSettings::Mcp(mcp) => self.check_server(tool, mcp, secrets),
        }
    }

    /// Fills in what only others know: the tools of a server, as it lists them now.
    ///
    /// # Errors
    /// [`ToolSettingsError`] also when the server cannot be used.
    pub async fn learn(
        &self,
        tool: &mut ToolConfig,
        secrets: &ToolSecrets,
    ) -> Result<(), ToolSettingsError> {
        self.check(tool, secrets)?;
        if let ToolSettings::Mcp(mcp) = ToolSettings::read(tool)? {
            let tools = self.list(tool, mcp.clone(), secrets).await?;
            let settings = McpToolSettings { tools, ..mcp };
            tool.settings = serde_json::to_value(settings).unwrap_or_default();
        }
        Ok(())
    }

    /// What models are told of a tool; a server has several.
    pub fn specs(tool: &ToolConfig) -> Vec<ToolSpec> {
        match ToolSettings::read(tool) {
            Ok(ToolSettings::Http(http)) => vec![spec(tool, &http)],
            Ok(ToolSettings::Mcp(mcp)) => mcp.tools,
            // What an older version stored and this one refuses is not offered.
            Err(_) => Vec::new(),
        }
    }

    fn http(
        &self,
        tool: &ToolConfig,
        settings: HttpToolSettings,
        secrets: &ToolSecrets,
    ) -> Result<HttpTool, ToolSettingsError> {
        let wrong = |path: String| {
            move |refused: crate::fetch::FetchError| {
                ToolSettingsError::new(path, refused.to_string())
            }
        };
        let url = wrong("/settings/url".to_owned());
        let mut http =
            HttpTool::new(spec(tool, &settings), Arc::clone(&self.fetcher), &settings.url)
                .map_err(url)?
                .with_method(settings.method)
                .with_timeout(Duration::from_millis(settings.timeout_ms))
                .with_answer(settings.answer.clone());
        for (name, value) in ToolSettings::Http(settings).filled(secrets)? {
            let header = wrong(format!("/settings/headers/{name}"));
            http = http.with_header(name, value).map_err(header)?;
        }
        Ok(http)
    }

    async fn named(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Option<ToolConfig>, ToolError> {
        if !ToolConfig::is_name(name) {
            return Ok(None);
        }
        match self.store.tool_by_name(business, name).await {
            Ok(tool) => Ok(Some(tool).filter(|tool| tool.enabled)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn secrets(&self, tool: &ToolConfig) -> Result<ToolSecrets, ToolError> {
        let secrets = self.store.tool_secrets(tool.business_id, tool.id).await;
        secrets.map_err(|error| unavailable(&error))
    }

    /// A request of a business.
    async fn request(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Option<Arc<dyn Tool>>, ToolError> {
        let Some(tool) = self.named(business, name).await? else { return Ok(None) };
        let Ok(ToolSettings::Http(settings)) = ToolSettings::read(&tool) else { return Ok(None) };
        let secrets = self.secrets(&tool).await?;
        let http = self.http(&tool, settings, &secrets).map_err(unusable)?;
        Ok(Some(Arc::new(http)))
    }
}

#[cfg(feature = "mcp")]
impl StoredTools {
    fn config(
        &self,
        tool: &ToolConfig,
        settings: McpToolSettings,
        secrets: &ToolSecrets,
    ) -> Result<McpConfig, ToolSettingsError> {
        let Some(servers) = &self.servers else { return Err(no_servers()) };
        let headers = ToolSettings::Mcp(settings.clone()).filled(secrets)?;
        let McpToolSettings { url, allow, timeout_ms, .. } = settings;
        let place = McpPlace::Http { url, headers, client: servers.client().clone() };
        let timeout = Duration::from_millis(timeout_ms);
        let config = McpConfig { allow, timeout, ..McpConfig::new(&*tool.name, place) };
        config
            .check()
            .map_err(|problem| ToolSettingsError::new(problem.path(), problem.to_string()))?;
        Ok(config)
    }

    fn check_server(
        &self,
        tool: &ToolConfig,
        settings: McpToolSettings,
        secrets: &ToolSecrets,
    ) -> Result<(), ToolSettingsError> {
        self.config(tool, settings, secrets).map(drop)
    }

    async fn list(
        &self,
        tool: &ToolConfig,
        settings: McpToolSettings,
        secrets: &ToolSecrets,
    ) -> Result<Vec<ToolSpec>, ToolSettingsError> {
        let config = self.config(tool, settings, secrets)?;
        let server = McpServer::connect(config).await;
        let server =
            server.map_err(|error| ToolSettingsError::new("/settings/url", error.to_string()))?;
        let specs = server.specs().to_vec();
        let bytes = serde_json::to_string(&specs).map_or(usize::MAX, |text| text.len());
        if bytes > LISTING_MAX_BYTES {
            let message = format!("the server lists more than {LISTING_MAX_BYTES} bytes of tools");
            return Err(ToolSettingsError::new("/settings/allow", message));
        }
        Ok(specs)
    }

    /// A tool of a server of a business.
    async fn of_server(
        &self,
        business: BusinessId,
        server: &str,
        name: &str,
    ) -> Result<Option<Arc<dyn Tool>>, ToolError> {
        let Some(servers) = &self.servers else { return Ok(None) };
        let Some(tool) = self.named(business, server).await? else { return Ok(None) };
        let Ok(ToolSettings::Mcp(settings)) = ToolSettings::read(&tool) else { return Ok(None) };
        if !settings.tools.iter().any(|spec| spec.name == name) {
            return Ok(None);
        }
        if let Some(open) = servers.open(&tool) {
            return Ok(open.tool(name));
        }
        let specs = settings.tools.clone();
        let secrets = self.secrets(&tool).await?;
        let config = self.config(&tool, settings, &secrets).map_err(unusable)?;
        Ok(servers.keep(&tool, McpServer::known(config, specs)).tool(name))
    }
}

#[cfg(not(feature = "mcp"))]
#[expect(clippy::unused_self, clippy::unused_async, reason = "as where servers can be asked")]
impl StoredTools {
    fn check_server(
        &self,
        _: &ToolConfig,
        _: McpToolSettings,
        _: &ToolSecrets,
    ) -> Result<(), ToolSettingsError> {
        Err(no_servers())
    }

    async fn list(
        &self,
        _: &ToolConfig,
        _: McpToolSettings,
        _: &ToolSecrets,
    ) -> Result<Vec<ToolSpec>, ToolSettingsError> {
        Err(no_servers())
    }

    async fn of_server(
        &self,
        _: BusinessId,
        _: &str,
        _: &str,
    ) -> Result<Option<Arc<dyn Tool>>, ToolError> {
        Ok(None)
    }
}

fn no_servers() -> ToolSettingsError {
    ToolSettingsError::new("/kind", "servers with tools cannot be asked here")
}

fn spec(tool: &ToolConfig, settings: &HttpToolSettings) -> ToolSpec {
    ToolSpec {
        name: tool.name.clone(),
        description: tool.description.clone(),
        parameters: settings.parameters.clone(),
    }
}

fn unavailable(error: &StoreError) -> ToolError {
    ToolError::Unavailable(error.to_string())
}

/// What is stored cannot be used as it is, such as a header whose secret is gone.
fn unusable(problem: ToolSettingsError) -> ToolError {
    ToolError::Refused { code: "invalid_settings".to_owned(), detail: problem.message }
}

#[async_trait]
impl ToolSource for StoredTools {
    async fn tools(&self, business: BusinessId) -> Result<Vec<ToolSpec>, ToolError> {
        let mut page = PageRequest::first(PAGE_MAX);
        let mut specs = Vec::new();
        loop {
            let read = self.store.tools(business, &page).await.map_err(|e| unavailable(&e))?;
            specs.extend(read.items.iter().filter(|tool| tool.enabled).flat_map(Self::specs));
            match read.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        specs.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(specs)
    }

    async fn tool(
        &self,
        business: BusinessId,
        name: &str,
    ) -> Result<Option<Arc<dyn Tool>>, ToolError> {
        match name.split_once(TOOL_NAME_SEPARATOR) {
            Some((server, _)) => self.of_server(business, server, name).await,
            None => self.request(business, name).await,
        }
    }
}
