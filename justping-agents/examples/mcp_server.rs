//! A small MCP server, for the tests of the client and to try it by hand: it adds numbers, fails on
//! demand, and sleeps for ever on demand. `mcp_server` speaks by standard input and output,
//! `mcp_server http` by HTTP on a port that it prints.
#![allow(missing_docs, clippy::print_stdout)]

use std::borrow::Cow;
use std::sync::Arc;

use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::{Map, Value, json};

#[derive(Debug, Clone)]
struct Adder;

fn schema(value: &Value) -> Arc<Map<String, Value>> {
    Arc::new(value.as_object().cloned().unwrap_or_default())
}

impl ServerHandler for Adder {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let number = json!({"type": "number"});
        let add = json!({
            "type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]
        });
        let none = json!({"type": "object"});
        let tools = vec![
            Tool::new("add", "Adds two numbers.", schema(&add)),
            Tool::new("fail", "Fails.", schema(&none)),
            Tool::new("sleep", "Never ends.", schema(&none)),
            Tool::new("die", "Ends the server.", schema(&none)),
        ];
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let number = |name: &str| arguments.get(name).and_then(Value::as_f64).unwrap_or_default();
        let result = match request.name.as_ref() {
            "add" => {
                let sum = (number("a") + number("b")).to_string();
                CallToolResult::success(vec![ContentBlock::text(sum)])
            }
            "fail" => CallToolResult::error(vec![ContentBlock::text("it broke")]),
            "sleep" => std::future::pending().await,
            "die" => std::process::exit(1),
            _ => return Err(ErrorData::invalid_params(Cow::Borrowed("no such tool"), None)),
        };
        Ok(CallToolResponse::Complete(result))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() != Some("http") {
        let service = Adder.serve(rmcp::transport::stdio()).await?;
        service.waiting().await?;
        return Ok(());
    }
    let sessions = Arc::new(LocalSessionManager::default());
    let config = StreamableHttpServerConfig::default();
    let service = StreamableHttpService::new(|| Ok(Adder), sessions, config);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        let (io, service) = (TokioIo::new(connection), TowerToHyperService::new(service.clone()));
        // Whoever leaves in the middle is nobody's fault.
        tokio::spawn(Builder::new().serve_connection(io, service));
    }
}
