//! A channel of one's own: lines on standard output. The engine does the rest.
//!
//! `cargo run --example custom_channel`

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::sync::Arc;

use async_trait::async_trait;
use justping::JustPing;
use justping::agents::Flows;
use justping::model::*;
use justping::port::*;
use serde_json::json;

const KIND: ChannelKind = ChannelKind::new("terminal");

/// Opens channels from their settings.
#[derive(Debug)]
struct TerminalProvider;

/// One opened channel.
#[derive(Debug)]
struct Terminal {
    capabilities: Capabilities,
    prompt: String,
}

impl ChannelProvider for TerminalProvider {
    fn name(&self) -> &str {
        "terminal"
    }

    fn kind(&self) -> ChannelKind {
        KIND
    }

    fn open(
        &self,
        config: &ChannelConfig,
        _secrets: &ChannelSecrets,
    ) -> Result<Arc<dyn Channel>, ChannelConfigError> {
        let missing = || ChannelConfigError {
            field: "settings.prompt".to_owned(),
            message: "a text is required".to_owned(),
        };
        let prompt = config
            .settings
            .get("prompt")
            .and_then(|prompt| prompt.as_str())
            .ok_or_else(missing)?
            .to_owned();
        // No buttons, no lists: the engine turns them into numbered lines.
        let capabilities = Capabilities {
            kind: KIND,
            service_window: false,
            templates: false,
            echoes_key: false,
            text_max: 2_000,
            buttons_max: 0,
            button_title_max: 0,
            list_rows_max: 0,
            list_title_max: 0,
            list_description_max: 0,
            interactive_text_max: 0,
            option_id_max: 0,
            rate: Rate { per_second: 100, burst: 100 },
        };
        Ok(Arc::new(Terminal { capabilities, prompt }))
    }
}

#[async_trait]
impl Channel for Terminal {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn receive(&self, _request: &WebhookRequest<'_>) -> Result<Received, ReceiveError> {
        Err(ReceiveError::Unsupported)
    }

    async fn send(&self, outbound: &Outbound) -> Result<Receipt, SendError> {
        println!("{}{}", self.prompt, outbound.content.plain());
        Ok(Receipt { provider_ref: None })
    }

    async fn mark_read(&self, _provider_ref: &str) -> Result<(), SendError> {
        Ok(())
    }

    async fn verify(&self) -> Result<(), SendError> {
        Ok(())
    }
}

fn flow() -> serde_json::Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "ask", "type": "buttons", "data": {
                "text": "Tea or coffee?",
                "options": [{"id": "tea", "title": "Tea"}, {"id": "coffee", "title": "Coffee"}],
                "variable": "drink"}},
            {"id": "here", "type": "text", "data": {"text": "One {{ drink|lower }}, here you are."}},
        ],
        "edges": [
            {"id": "1", "source": "start", "target": "ask"},
            {"id": "2", "source": "ask", "sourceHandle": "option:tea", "target": "here"},
            {"id": "3", "source": "ask", "sourceHandle": "option:coffee", "target": "here"},
        ],
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = JustPing::builder()
        .flows(Arc::new(Flows::new()))
        .provider(Arc::new(TerminalProvider))
        .build()?;
    let (store, ids, now) = (engine.store(), engine.ids(), engine.clock().now());
    let business_id = BusinessId::from_uuid(ids.uuid());
    let (name, revision) = (|| "Café".to_owned(), 1);
    store.create_business(&Business { id: business_id, name: name(), created_at: now }).await?;

    let (created_at, updated_at) = (now, now);
    let id = FlowId::from_uuid(ids.uuid());
    let (draft, published) = (flow(), None);
    let flow =
        Flow { id, business_id, name: name(), draft, published, revision, created_at, updated_at };
    store.create_flow(&flow).await?;
    engine.publish_flow(business_id, flow.id).await?;

    let id = AgentId::from_uuid(ids.uuid());
    let (instructions, model, flows) = (String::new(), None, vec![flow.id]);
    let agent = Agent {
        id,
        business_id,
        name: name(),
        instructions,
        model,
        flows,
        settings: Default::default(),
        revision,
        created_at,
        updated_at,
    };
    store.create_agent(&agent).await?;

    let channel = ChannelConfig {
        id: ChannelId::from_uuid(ids.uuid()),
        business_id,
        provider: "terminal".to_owned(),
        name: name(),
        settings: json!({"prompt": "> "}),
        agent_id: Some(agent.id),
        enabled: true,
        unknown_policy: UnknownPolicy::AtMostOnce,
        revision,
        created_at,
        updated_at,
    };
    store.create_channel(&channel, &ChannelSecrets::new()).await?;

    for (number, line) in ["hello", "2"].into_iter().enumerate() {
        println!("{line}");
        let message = InboundMessage {
            provider_ref: number.to_string(),
            from: vec![Identity::new(KIND, "guest")],
            name: None,
            content: Content::text(line),
            reply_to: None,
            sent_at: None,
        };
        engine.receive(business_id, channel.id, vec![Inbound::Message(message)]).await?;
        engine.settle().await?;
    }
    Ok(())
}
