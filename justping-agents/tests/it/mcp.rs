//! Tools of a real MCP server, in a process of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use justping_agents::ai::mcp::{McpConfig, McpError, McpPlace, McpServer};
use justping_core::model::{BusinessId, CallId, ContactId, ConversationId, SessionId};
use justping_core::port::{CallScope, ToolContext, ToolError, ToolOrigin};
use justping_http::{OpenClient, Policy};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

/// The example `mcp_server`, which is built along with the tests.
fn server() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().and_then(|deps| deps.parent()).unwrap();
    let program = folder.join("examples").join("mcp_server");
    assert!(program.is_file(), "{} is built with `cargo test`", program.display());
    program
}

fn by_stdio() -> McpConfig {
    let place = McpPlace::Program {
        program: server().display().to_string(),
        arguments: Vec::new(),
        environment: BTreeMap::new(),
    };
    McpConfig { timeout: Duration::from_secs(20), ..McpConfig::new("calc", place) }
}

async fn by_http() -> (Child, McpConfig) {
    let mut command = Command::new(server());
    command.arg("http").stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().unwrap();
    let policy = Policy { except: vec![address.parse().unwrap()], ..Policy::default() };
    let place = McpPlace::Http {
        url: format!("http://{address}/mcp"),
        headers: vec![("x-team".to_owned(), "a".to_owned())],
        client: OpenClient::new(policy),
    };
    (child, McpConfig { timeout: Duration::from_secs(20), ..McpConfig::new("calc", place) })
}

fn context() -> ToolContext {
    let scope = CallScope {
        business_id: BusinessId::from_uuid(Uuid::nil()),
        conversation_id: ConversationId::from_uuid(Uuid::nil()),
        session_id: SessionId::from_uuid(Uuid::nil()),
        call_id: CallId::from_uuid(Uuid::nil()),
    };
    ToolContext { scope, contact_id: ContactId::from_uuid(Uuid::nil()) }
}

async fn call(server: &McpServer, name: &str, arguments: Value) -> Result<Value, ToolError> {
    let tool = server.tools().into_iter().find(|tool| tool.spec().name == name).unwrap();
    let output = tool.call(&arguments, &context()).await?;
    assert_eq!(output.origin, ToolOrigin::Foreign);
    Ok(output.content)
}

async fn works(config: McpConfig) -> McpServer {
    let server = McpServer::connect(config).await.unwrap();
    let names: Vec<String> = server.tools().iter().map(|tool| tool.spec().name).collect();
    assert_eq!(names, ["calc__add", "calc__fail", "calc__sleep", "calc__die"]);
    let spec = server.tools()[0].spec();
    assert_eq!(
        (spec.description.as_str(), &spec.parameters["required"]),
        ("Adds two numbers.", &json!(["a", "b"]))
    );
    assert_eq!(call(&server, "calc__add", json!({"a": 2, "b": 3})).await, Ok(json!("5")));
    let failed = call(&server, "calc__fail", json!({})).await.unwrap_err();
    assert_eq!((failed.code(), failed.to_string()), ("tool_failed", "it broke".to_owned()));
    server
}

#[tokio::test]
async fn a_program_is_a_server() {
    let server = works(by_stdio()).await;
    // A server that dies is a typed error, and is started anew for the next call.
    let dead = call(&server, "calc__die", json!({})).await.unwrap_err();
    assert_eq!(dead.code(), "unavailable");
    assert_eq!(call(&server, "calc__add", json!({"a": 1, "b": 1})).await, Ok(json!("2")));
}

#[tokio::test]
async fn a_web_address_is_a_server() {
    let (mut child, config) = by_http().await;
    let server = works(config).await;
    child.kill().await.unwrap();
    let dead = call(&server, "calc__add", json!({"a": 1, "b": 1})).await.unwrap_err();
    assert_eq!(dead.code(), "unavailable", "{dead}");
}

#[tokio::test]
async fn only_tools_that_are_allowed_are_there() {
    let server = McpServer::connect(by_stdio().allowing(["add"])).await.unwrap();
    assert_eq!(server.tools().len(), 1);
    let missing = McpServer::connect(by_stdio().allowing(["add", "rm"])).await;
    assert_eq!(missing.err(), Some(McpError::NoTool("rm".to_owned())));
}

#[tokio::test]
async fn a_tool_that_does_not_end_is_given_up() {
    let config = McpConfig { timeout: Duration::from_secs(3), ..by_stdio() };
    let server = McpServer::connect(config).await.unwrap();
    let late = call(&server, "calc__sleep", json!({})).await.unwrap_err();
    assert_eq!(late, ToolError::Unavailable(McpError::Timeout.to_string()));
    assert_eq!(call(&server, "calc__add", json!({"a": 1, "b": 2})).await, Ok(json!("3")));
}

#[tokio::test]
async fn what_is_no_server_is_told() {
    let place = |program: &str| McpPlace::Program {
        program: program.to_owned(),
        arguments: Vec::new(),
        environment: BTreeMap::new(),
    };
    for program in ["/nowhere/at/all", "/bin/true"] {
        let error = McpServer::connect(McpConfig::new("x", place(program))).await.err().unwrap();
        assert!(matches!(error, McpError::Connect(_)), "{program}: {error}");
    }
}
