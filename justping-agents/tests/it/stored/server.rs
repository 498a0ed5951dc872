//! A server of tools that a test can change, hold, stop and start again, in its own process.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hyper::http::request::Parts;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// What a call brought: its tool, its arguments, and who said to be calling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) tool: String,
    pub(super) arguments: Value,
    pub(super) authorization: String,
}

/// A shop: `find` tells of an order, `refuse`, `break` and `flood` go wrong, `hold` never ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Shop {
    shelf: Arc<Mutex<Vec<Tool>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    held: Arc<Notify>,
}

impl Shop {
    pub(super) fn new() -> Self {
        let shop = Self::default();
        let order = json!({
            "type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]
        });
        let rest =
            ["refuse", "break", "flood", "hold"].map(|name| (name, json!({"type": "object"})));
        shop.lists(std::iter::once(("find", order)).chain(rest));
        shop
    }

    /// Changes the tools it lists; those that are not known by name only say what they were given.
    pub(super) fn lists(&self, tools: impl IntoIterator<Item = (&'static str, Value)>) {
        let tool = |(name, schema): (&'static str, Value)| {
            let schema = schema.as_object().cloned().unwrap();
            Tool::new(name, format!("Does {name}."), Arc::new(schema))
        };
        *self.shelf.lock().unwrap() = tools.into_iter().map(tool).collect();
    }

    /// Lists as many tools with so long a description.
    pub(super) fn boasts(&self, tools: usize, bytes: usize) {
        let schema = Arc::new(json!({"type": "object"}).as_object().cloned().unwrap());
        let tool = |n| Tool::new(format!("tool{n}"), "x".repeat(bytes), Arc::clone(&schema));
        *self.shelf.lock().unwrap() = (0..tools).map(tool).collect();
    }

    /// The calls that came, in order.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for a call of `hold` to have come.
    pub(super) async fn holds(&self) {
        self.held.notified().await;
    }

    /// Answers `find` as its own schema of the moment has it.
    fn find(&self, arguments: &Value) -> Result<CallToolResult, ErrorData> {
        let shelf = self.shelf.lock().unwrap();
        let find = shelf.iter().find(|tool| tool.name == "find").unwrap();
        let schema = Value::Object((*find.input_schema).clone());
        if let Err(problem) = jsonschema::validate(&schema, arguments) {
            return Err(ErrorData::invalid_params(problem.to_string(), None));
        }
        let mut result = CallToolResult::success(vec![ContentBlock::text("It is on its way.")]);
        result.structured_content = Some(json!({"given": arguments, "state": "sent"}));
        Ok(result)
    }
}

impl ServerHandler for Shop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shelf.lock().unwrap().clone()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (tool, arguments) = (request.name.to_string(), Value::from(request.arguments));
        let parts = context.extensions.get::<Parts>().unwrap();
        let authorization = parts.headers.get("authorization").unwrap().to_str().unwrap();
        let authorization = authorization.to_owned();
        let heard = Heard { tool: tool.clone(), arguments: arguments.clone(), authorization };
        self.heard.lock().unwrap().push(heard);
        let known = self.shelf.lock().unwrap().iter().any(|one| one.name == tool);
        let said = |text: String| vec![ContentBlock::text(text)];
        let result = match tool.as_str() {
            _ if !known => return Err(ErrorData::invalid_params("no such tool", None)),
            "find" => self.find(&arguments)?,
            "refuse" => CallToolResult::error(said("not on a Sunday".to_owned())),
            "break" => {
                return Err(ErrorData::new(ErrorCode(-32_000), Cow::Borrowed("it broke"), None));
            }
            "flood" => CallToolResult::success(said("x".repeat(300 * 1024))),
            "hold" => {
                self.held.notify_one();
                std::future::pending().await
            }
            _ => CallToolResult::success(said(arguments.to_string())),
        };
        Ok(CallToolResponse::Complete(result))
    }
}

/// The shop at an address.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    /// Opens a shop on an address; port 0 is any that is free.
    pub(super) async fn open(shop: &Shop, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shop, sessions) = (shop.clone(), Arc::new(LocalSessionManager::default()));
        let config = StreamableHttpServerConfig::default();
        let service = StreamableHttpService::new(move || Ok(shop.clone()), sessions, config);
        let serving = tokio::spawn(async move {
            // Goes with the task, and its connections with it.
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                connections
                    .spawn(Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        Self { address, serving }
    }

    /// Stops it in the middle of whatever it does.
    pub(super) async fn stop(self) {
        self.serving.abort();
        assert!(self.serving.await.is_err_and(|ended| ended.is_cancelled()));
    }
}
