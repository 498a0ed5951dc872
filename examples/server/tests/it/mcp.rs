//! The business as an assistant operates it: through the protocol's own client, with the rights of the
//! key it was given.

use justping_server::http;
use rmcp::model::{CallToolRequestParams, CallToolResult, JsonObject};
use rmcp::service::{RunningService, ServiceExt};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceError};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::platform::{Platform, echo};
use crate::process::{ANY_PORT, Process, client};

/// An assistant with a key.
struct Assistant(RunningService<RoleClient, ()>);

impl Assistant {
    async fn connect(base: &str, token: &str) -> Option<Self> {
        drop(client());
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{base}/mcp"));
        let transport = StreamableHttpClientTransport::from_config(config.auth_header(token));
        ().serve(transport).await.ok().map(Self)
    }

    async fn tools(&self) -> Vec<String> {
        let tools = self.0.list_all_tools().await.unwrap();
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    async fn ask(&self, tool: &str, arguments: Value) -> Result<CallToolResult, ServiceError> {
        let arguments: JsonObject = serde_json::from_value(arguments).unwrap();
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.0.call_tool(request).await
    }

    /// What a tool gives.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let result = self.ask(tool, arguments).await.unwrap();
        assert_ne!(result.is_error, Some(true), "{tool}: {result:?}");
        let text = &result.content[0].as_text().unwrap().text;
        let content = result.structured_content.unwrap();
        assert_eq!(&content.to_string(), text, "both forms say the same");
        content
    }

    /// The problem that a tool tells of.
    async fn problem(&self, tool: &str, arguments: Value) -> Value {
        let result = self.ask(tool, arguments).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{tool}: {result:?}");
        result.structured_content.unwrap()
    }
}

/// Serves a platform to assistants; gives its address.
async fn serve(platform: &Platform) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = platform.router.clone();
    let patience = std::time::Duration::ZERO;
    tokio::spawn(http::serve(listener, router, std::future::pending(), patience));
    base
}

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

async fn a_conversation_is_operated(platform: Platform) {
    let agent = platform.echo_agent().await;
    let channel = platform.memory_channel(Some(&agent)).await;
    platform.hear(&channel, "ann", "1", "hi").await;
    platform.settle().await;
    let base = serve(&platform).await;
    let token = platform.owner.token.clone().unwrap();
    let assistant = Assistant::connect(&base, &token).await.unwrap();
    let page = assistant.call("list_conversations", json!({"owner": "bot", "limit": 1})).await;
    let id = ids(&page)[0].to_owned();
    let said = assistant.call("read_messages", json!({"id": id, "order": "oldest_first"})).await;
    assert_eq!(said["items"][0]["content"]["text"], "hi");
    let reply = json!({
        "id": id, "content": {"type": "text", "text": "How can I help?"}, "idempotency_key": "once"
    });
    let sent = assistant.call("send_message", reply.clone()).await;
    assert_eq!(sent["messages"][0]["content"]["text"], "How can I help?");
    assert_eq!(assistant.call("send_message", reply).await, sent, "the same key is one message");
    let conversation = assistant.call("get_conversation", json!({"id": id})).await;
    assert_eq!(conversation["owner"]["type"], "member", "whoever writes takes over");
    assert_eq!(conversation["last_seq"], said["items"].as_array().unwrap().len() + 1);
    let back = assistant.call("hand_back_conversation", json!({"id": id})).await;
    assert_eq!(back["owner"], json!({"type": "bot"}));
    let members = assistant.call("list_members", json!({})).await;
    let member = ids(&members)[0];
    let owner = json!({"id": id, "owner": {"type": "member", "id": member}});
    let assigned = assistant.call("assign_conversation", owner).await;
    assert_eq!(assigned["owner"]["id"], member);
    assert_eq!(assistant.call("close_conversation", json!({"id": id})).await["status"], "closed");
    assert_eq!(assistant.call("reopen_conversation", json!({"id": id})).await["status"], "open");
    platform.settle().await;
    let found = assistant.call("search_messages", json!({"q": "help"})).await;
    assert_eq!(found["items"][0]["conversation_id"], id);
    let agents = assistant.call("list_agents", json!({})).await;
    assert_eq!(ids(&agents), [agent.as_str()]);
    let flow = agents["items"][0]["flows"][0].clone();
    assert_eq!(assistant.call("get_flow", json!({"id": flow})).await["draft"], echo());
}

async fn contacts_are_kept_and_paged_through(platform: Platform) {
    let base = serve(&platform).await;
    let token = platform.support.token.clone().unwrap();
    let assistant = Assistant::connect(&base, &token).await.unwrap();
    let mut made = Vec::new();
    for name in ["Ann", "Bob", "Cleo"] {
        let contact = json!({"name": name, "fields": {"plan": "gold"}});
        made.push(assistant.call("create_contact", contact).await["id"].clone());
    }
    let change = json!({"id": made[0], "name": "Änne", "add_tags": ["vip"]});
    assert_eq!(assistant.call("update_contact", change).await["tags"], json!(["vip"]));
    assert_eq!(assistant.call("get_contact", json!({"id": made[0]})).await["name"], "Änne");
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = assistant.call("list_contacts", json!({"limit": 2, "after": after})).await;
        seen.extend(ids(&page).into_iter().map(|id| json!(id)));
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(seen, made);
    platform.settle().await;
    let found = assistant.call("search_contacts", json!({"q": "anne gold"})).await;
    assert_eq!(ids(&found), [made[0].as_str().unwrap()]);
}

async fn contacts_are_put_into_groups(platform: Platform) {
    let base = serve(&platform).await;
    let token = platform.support.token.clone().unwrap();
    let assistant = Assistant::connect(&base, &token).await.unwrap();
    let contact = assistant.call("create_contact", json!({"name": "Ann"})).await["id"].clone();
    let group = assistant.call("create_group", json!({"name": " Regulars "})).await;
    let id = group["id"].clone();
    let rename = json!({"id": id, "name": "Friends", "revision": group["revision"]});
    assert_eq!(assistant.call("rename_group", rename).await["name"], "Friends");
    let both = json!({"id": id, "contacts": [contact]});
    assert_eq!(assistant.call("add_to_group", both.clone()).await, json!({"changed": 1}));
    assert_eq!(assistant.call("get_group", json!({"id": id})).await["size"], 1);
    let members = assistant.call("list_group_members", json!({"id": id, "limit": 1})).await;
    assert_eq!(members["items"][0]["contact_id"], contact);
    let shown = assistant.call("get_contact", json!({"id": contact})).await;
    assert_eq!(shown["groups"], json!([id]));
    assert_eq!(assistant.call("remove_from_group", both).await, json!({"changed": 1}));
    assert_eq!(assistant.call("list_groups", json!({})).await["items"][0]["name"], "Friends");
    let viewer = platform.viewer.token.clone().unwrap();
    let viewer = Assistant::connect(&base, &viewer).await.unwrap();
    let tools = viewer.tools().await;
    assert!(tools.contains(&"list_groups".to_owned()), "{tools:?}");
    assert!(!tools.contains(&"add_to_group".to_owned()), "{tools:?}");
}

async fn rights_are_those_of_the_key(platform: Platform) {
    let channel = platform.memory_channel(None).await;
    platform.hear(&channel, "ann", "1", "hi").await;
    let id = platform.only_conversation().await;
    let base = serve(&platform).await;
    let of = async |token: &Option<String>| {
        Assistant::connect(&base, token.as_deref().unwrap()).await.unwrap()
    };
    let (owner, viewer) = (of(&platform.owner.token).await, of(&platform.viewer.token).await);
    let (all, some) = (owner.tools().await, viewer.tools().await);
    assert_eq!(all.len(), 28, "{all:?}");
    assert!(some.contains(&"read_messages".to_owned()), "{some:?}");
    for hidden in ["send_message", "create_contact", "assign_conversation"] {
        assert!(!some.contains(&hidden.to_owned()), "{some:?}");
    }
    let text = json!({"type": "text", "text": "x"});
    let refused = viewer.problem("send_message", json!({"id": id, "content": text})).await;
    assert_eq!((&refused["status"], &refused["code"]), (&json!(403), &json!("forbidden")));
    let stranger = of(&platform.stranger.token).await;
    for (tool, arguments) in [
        ("get_conversation", json!({"id": id})),
        ("read_messages", json!({"id": id})),
        ("send_message", json!({"id": id, "content": text})),
        ("close_conversation", json!({"id": id})),
        ("hand_back_conversation", json!({"id": id})),
    ] {
        let problem = stranger.problem(tool, arguments).await;
        assert_eq!(problem["code"], "not_found", "{tool}");
    }
    assert_eq!(stranger.call("list_conversations", json!({})).await["items"], json!([]));
    assert_eq!(viewer.call("read_messages", json!({"id": id})).await["items"][0]["seq"], 1);
    assert!(Assistant::connect(&base, "jp_nobody").await.is_none());
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let bare = platform.anonymous.ask("POST", "/mcp").json(&hello).send().await;
    bare.problem(401, "unauthorized");
}

async fn what_makes_no_sense_is_told(platform: Platform) {
    let base = serve(&platform).await;
    let token = platform.owner.token.clone().unwrap();
    let assistant = Assistant::connect(&base, &token).await.unwrap();
    for (tool, arguments, code) in [
        ("get_contact", json!({}), "invalid"),
        ("get_contact", json!({"id": 7}), "invalid"),
        ("get_contact", json!({"id": ""}), "invalid"),
        ("get_contact", json!({"id": "../agents"}), "invalid"),
        ("get_contact", json!({"id": "x?y=z"}), "invalid"),
        ("get_contact", json!({"id": "con_nobody"}), "not_found"),
        ("get_contact", json!({"id": "con_x", "wish": 1}), "invalid"),
        ("list_contacts", json!({"limit": 0}), "invalid"),
        ("list_contacts", json!({"limit": [1]}), "invalid"),
        ("list_contacts", json!({"after": "\u{0}nonsense"}), "malformed"),
        ("search_contacts", json!({"q": ""}), "invalid"),
        ("create_contact", json!({"name": ""}), "invalid"),
        ("create_group", json!({"name": " "}), "invalid"),
        ("add_to_group", json!({"id": "grp_nobody", "contacts": []}), "not_found"),
        ("create_contact", json!({"name": "x", "business_id": "biz_x"}), "invalid"),
        ("update_contact", json!({"id": "con_nobody", "name": 7}), "not_found"),
    ] {
        let problem = assistant.problem(tool, arguments.clone()).await;
        assert_eq!(problem["code"], code, "{tool} {arguments}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
    let problem = assistant.problem("create_contact", json!({"time_zone": "Mars"})).await;
    assert_eq!(problem["errors"][0]["path"], "/time_zone", "what is wrong is named");
    let unknown = assistant.ask("drop_everything", json!({})).await;
    assert!(matches!(unknown, Err(ServiceError::McpError(_))), "{unknown:?}");
    let raw = |kind: &str, body: Vec<u8>| {
        let asked = platform.owner.ask("POST", "/mcp").header("host", "localhost");
        let asked = asked.header("accept", "application/json, text/event-stream");
        asked.header("content-type", kind).bytes(body).send()
    };
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"}
    }});
    raw("application/json", hello.to_string().into_bytes()).await.expect(200);
    for (body, kind) in [
        ("{", "application/json"),
        ("[]", "application/json"),
        ("{\"jsonrpc\": \"2.0\"}", "application/json"),
        ("{}", "text/plain"),
    ] {
        let answer = raw(kind, body.as_bytes().to_vec()).await;
        assert!(answer.status.is_client_error(), "{body}: {answer:?}");
    }
    let large = raw("application/json", vec![b' '; 2 * 1024 * 1024]).await;
    assert_eq!(large.status.as_u16(), 413, "{large:?}");
    assert_eq!(assistant.call("list_contacts", json!({})).await["items"], json!([]));
}

async fn what_is_known_is_searched(platform: Platform) {
    let owner = &platform.owner;
    let base = owner.post("/knowledge", json!({"name": "Help"})).await.expect(201).id();
    let source = json!({"title": "Hours", "text": "We open at nine."});
    owner.post(&format!("/knowledge/{base}/sources"), source).await.expect(201);
    platform.app.ingest().settle().await.unwrap();
    let place = serve(&platform).await;
    let token = platform.viewer.token.clone().unwrap();
    let assistant = Assistant::connect(&place, &token).await.unwrap();
    let listed = assistant.call("list_knowledge", json!({})).await;
    assert_eq!(ids(&listed), [base.as_str()]);
    let found = assistant.call("search_knowledge", json!({"id": base, "q": "open when?"})).await;
    assert_eq!(found["items"][0]["text"], "We open at nine.");
}

on_every_store!(
    a_conversation_is_operated,
    contacts_are_kept_and_paged_through,
    contacts_are_put_into_groups,
    rights_are_those_of_the_key,
    what_makes_no_sense_is_told,
    what_is_known_is_searched,
);

/// The real process: an assistant works with the key that it showed, and sees what the demo set up.
#[tokio::test]
async fn the_real_server_is_operated() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), ANY_PORT, &[]).await;
    let key = process.api_key.clone().unwrap();
    let assistant = Assistant::connect(&process.base, &key).await.unwrap();
    assert_eq!(assistant.0.peer_info().unwrap().server_info.as_ref().unwrap().name, "justping");
    assert_eq!(assistant.tools().await.len(), 28);
    assert_eq!(
        assistant.call("list_agents", json!({})).await["items"].as_array().unwrap().len(),
        1
    );
    let made = assistant.call("create_contact", json!({"name": "Ann"})).await;
    let listed = assistant.call("list_contacts", json!({})).await;
    assert_eq!(ids(&listed), [made["id"].as_str().unwrap()]);
    assert!(Assistant::connect(&process.base, "jp_nobody").await.is_none());
}
