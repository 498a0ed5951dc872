//! Plugins through the ports of core.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::conformance::{PluginSubject, ToolSourceSubject};
use justping_core::memory::{ManualClock, MemoryStore};
use justping_core::model::{
    Business, BusinessId, CallId, ChannelSecrets, ContactId, ConversationId, Grants, MessageId,
    PluginId, SessionId,
};
use justping_core::port::store::BusinessStore as _;
use justping_core::port::{
    CallScope, Clock as _, ContactView, PluginAsk, PluginError, PluginNext, PluginNodes as _,
    ToolContext, ToolError, ToolSource as _,
};
use justping_http::{OpenClient, Policy};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::blob::PackageBlobs;
use crate::plugins::{Change, NewPlugin, Plugins, PluginsConfig};
use crate::testing::{Guest, censor, counting_nodes, gateway, listener, manifest, package, writer};
use crate::{LineSink, Messenger, MessengerError, PluginMessage, Ports, Sandbox, SandboxConfig};

#[derive(Debug)]
struct NoMessenger;

#[async_trait]
impl Messenger for NoMessenger {
    async fn send(&self, _: PluginMessage) -> Result<MessageId, MessengerError> {
        Err(MessengerError::Refused("nothing is sent here".to_owned()))
    }
}

fn business(number: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(number))
}

/// Plugins of business 1; business 2 has none.
async fn plugins() -> Plugins {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::new("2026-01-05T09:00:00Z".parse().unwrap()));
    for number in 1..=2 {
        let name = format!("business {number}");
        let business = Business { id: business(number), name, created_at: clock.now() };
        store.create_business(&business).await.unwrap();
    }
    let ports = Ports {
        plugins: Arc::clone(&store) as _,
        contacts: Arc::clone(&store) as _,
        http: OpenClient::new(Policy::default()),
        messenger: Arc::new(NoMessenger),
        clock: clock as _,
        lines: LineSink::start(store as _),
    };
    let sandbox = Sandbox::new(SandboxConfig::default(), ports).unwrap();
    Plugins::new(sandbox, PackageBlobs::in_memory(), PluginsConfig::default())
}

async fn install(plugins: &Plugins, number: u128, name: &str, exports: &str, guest: &bytes::Bytes) {
    let package = package(&manifest(name, "1.0.0", exports, ""), guest);
    let kept = plugins.keep(business(1), package).await.unwrap();
    let new = NewPlugin {
        id: PluginId::from_uuid(Uuid::from_u128(number)),
        digest: kept.release.digest,
        enabled: true,
        grants: Grants::default(),
        config: Map::new(),
        secrets: ChannelSecrets::new(),
        fail_open: true,
    };
    plugins.install(business(1), new, "Ada").await.unwrap();
}

async fn counting() -> Plugins {
    let plugins = plugins().await;
    install(&plugins, 1, "shop", "\"nodes\"", &counting_nodes()).await;
    plugins
}

fn scope() -> CallScope {
    CallScope {
        business_id: business(1),
        conversation_id: ConversationId::from_uuid(Uuid::nil()),
        session_id: SessionId::from_uuid(Uuid::nil()),
        call_id: CallId::from_uuid(Uuid::nil()),
    }
}

fn ask(node: &str) -> PluginAsk {
    PluginAsk {
        plugin: "shop".to_owned(),
        node: node.to_owned(),
        config: json!({}),
        contact: ContactView {
            id: ContactId::from_uuid(Uuid::nil()),
            name: Some("Ada".to_owned()),
            address: None,
            channel: None,
            fields: Map::new(),
            tags: vec!["vip".to_owned()],
            groups: Default::default(),
            locale: None,
            time_zone: None,
        },
        variables: json!({"a": [1]}),
        last_text: "Ada".to_owned(),
        now: "2026-01-05T09:00:00Z".parse().unwrap(),
        memory: Value::Null,
        event: None,
    }
}

mod nodes {
    use justping_core::model::{PageRequest, PluginLineKind};

    use super::*;

    justping_core::plugin_conformance!(async || PluginSubject {
        nodes: Arc::new(counting().await),
        scope: scope(),
        ask: ask("greet"),
        guard: Box::new(()),
    });

    #[tokio::test]
    async fn a_pure_node_decides_the_same_byte_for_byte() {
        let plugins = counting().await;
        let found = plugins.installed(business(1), "shop").await.unwrap();
        assert!(found.inspection.pure);
        let first = plugins.step(&ask("greet"), &scope()).await.unwrap();
        let first = serde_json::to_string(&first).unwrap();
        for _ in 0..20 {
            let again = plugins.step(&ask("greet"), &scope()).await.unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), first);
        }
    }

    #[tokio::test]
    async fn a_function_for_texts_is_a_node_that_gives_what_it_makes() {
        let plugins = plugins().await;
        let schema = r#"{"type":"object"}"#;
        let guest = Guest::new().node("both", schema, &["done"]).filter("same").filter("both");
        install(&plugins, 1, "shop", "\"nodes\", \"filters\"", &guest.build()).await;
        let names: Vec<Value> =
            plugins.nodes(business(1)).await.unwrap().into_iter().map(|node| node.preset).collect();
        let names: Vec<_> = names.iter().map(|preset| preset["node"].clone()).collect();
        assert_eq!(names, [json!("both"), json!("same")]);
        let value = json!({"a": ["b", 1]});
        let called = PluginAsk { config: json!({"value": value}), ..ask("same") };
        let step = plugins.step(&called, &scope()).await.unwrap();
        assert_eq!(step.output, Some(value));
        assert_eq!(step.next, PluginNext::Leave { exit: "next".to_owned() });
        // A node goes before a function of its name; this one traps.
        assert_eq!(plugins.step(&ask("both"), &scope()).await.unwrap_err().code, "trap");
        let document = |config: Value| {
            json!({"nodes": [{"id": "f", "type": "plugin", "data": {
                "plugin": "shop", "node": "same", "config": config, "exits": ["next"]
            }}]})
        };
        let good = document(json!({"value": "{{ name }}", "arguments": [1]}));
        assert_eq!(plugins.check_flow(business(1), &good).await.unwrap(), []);
        let odd =
            plugins.check_flow(business(1), &document(json!({"arguments": []}))).await.unwrap();
        assert_eq!(odd[0].code, "plugin_config");
    }

    #[tokio::test]
    async fn what_a_node_may_not_is_refused_and_written_down() {
        let plugins = plugins().await;
        install(&plugins, 1, "shop", "\"nodes\"", &writer()).await;
        let error = plugins.step(&ask("write"), &scope()).await.unwrap_err();
        assert_eq!(error.code, "denied");
        plugins.write().await.unwrap();
        let (id, page) = (PluginId::from_uuid(Uuid::from_u128(1)), PageRequest::first(9));
        let store = &plugins.sandbox().ports().plugins;
        let denied = Some(PluginLineKind::Denied);
        let lines = store.plugin_lines(business(1), id, denied, &page).await.unwrap().items;
        assert!(lines.iter().any(|line| line.text.contains("contacts-write")), "{lines:?}");
    }

    #[tokio::test]
    async fn a_node_that_traps_is_an_error_with_a_code() {
        let plugins = plugins().await;
        let guest = Guest::new().node("broken", r#"{"type":"object"}"#, &["next"]).build();
        install(&plugins, 1, "shop", "\"nodes\"", &guest).await;
        let error = plugins.step(&ask("broken"), &scope()).await.unwrap_err();
        assert_eq!(error.code, "trap");
        let huge = PluginAsk { last_text: "x".repeat(300_000), ..ask("broken") };
        let error = plugins.step(&huge, &scope()).await.unwrap_err();
        assert_eq!(error.code, "input_too_large");
    }
}

mod tools {
    use super::*;

    async fn two_tools() -> Plugins {
        let plugins = plugins().await;
        let schema = r#"{"type":"object"}"#;
        let guest = Guest::new().tool("echo", schema).tool("again", schema).build();
        install(&plugins, 1, "shop", "\"tools\"", &guest).await;
        plugins
    }

    justping_core::tool_source_conformance!(async || ToolSourceSubject {
        source: Arc::new(two_tools().await),
        business: business(1),
        stranger: business(2),
        guard: Box::new(()),
    });

    #[tokio::test]
    async fn a_tool_answers_and_its_words_are_foreign() {
        let plugins = two_tools().await;
        let names: Vec<String> =
            plugins.tools(business(1)).await.unwrap().into_iter().map(|t| t.name).collect();
        assert_eq!(names, ["shop__again", "shop__echo"]);
        let tool = plugins.tool(business(1), "shop__echo").await.unwrap().unwrap();
        let cx = ToolContext { scope: scope(), contact_id: ContactId::from_uuid(Uuid::nil()) };
        let output = tool.call(&json!({"a": 1}), &cx).await.unwrap();
        assert_eq!(output.content, json!({"a": 1}));
        assert_eq!(output.origin, justping_core::port::ToolOrigin::Foreign);
        let huge = tool.call(&json!({"a": "x".repeat(300_000)}), &cx).await.unwrap_err();
        assert!(matches!(huge, ToolError::Refused { code, .. } if code == "input_too_large"));
        for name in ["echo", "shop__nothing", "other__echo", "shop"] {
            assert!(plugins.tool(business(1), name).await.unwrap().is_none(), "{name}");
        }
    }
}

mod channels {
    use std::time::Duration;

    use justping_core::model::{
        ChannelConfig, ChannelId, ChannelKind, Content, Identity, Inbound, UnknownPolicy,
    };
    use justping_core::port::{
        Channel, ChannelProvider as _, HttpMethod, Outbound, ReceiveError, Received, SendError,
        WebhookRequest,
    };

    use super::*;
    use crate::adapter::{PLUGIN_PROVIDER, PluginChannels};

    const MESSAGE: &str = r#"{"type":"message","provider_ref":"m1","from":[{"kind":"sms","id":"+49"}],
        "content":{"type":"text","text":"hi"}}"#;

    fn config(settings: Value) -> ChannelConfig {
        let now = "2026-01-05T09:00:00Z".parse().unwrap();
        ChannelConfig {
            id: ChannelId::from_uuid(Uuid::nil()),
            business_id: business(1),
            provider: PLUGIN_PROVIDER.to_owned(),
            name: "SMS".to_owned(),
            settings,
            agent_id: None,
            enabled: true,
            unknown_policy: UnknownPolicy::AtMostOnce,
            revision: 1,
            created_at: now,
            updated_at: now,
        }
    }

    fn settings() -> Value {
        json!({"plugin": "sms", "kind": "sms", "capabilities": {"text_max": 160, "per_second": 5}})
    }

    async fn opened() -> (Plugins, Arc<dyn Channel>) {
        let plugins = plugins().await;
        install(&plugins, 1, "sms", "\"channels\"", &gateway()).await;
        let provider = PluginChannels::new(plugins.clone());
        let channel = provider.open(&config(settings()), &ChannelSecrets::new()).unwrap();
        (plugins, channel)
    }

    async fn post(channel: &dyn Channel, body: &str) -> Result<Received, ReceiveError> {
        let request = WebhookRequest {
            method: HttpMethod::Post,
            query: &[],
            headers: &[("x-signature".to_owned(), "s".to_owned())],
            body: body.as_bytes(),
        };
        channel.receive(&request).await
    }

    fn to(address: &str) -> Outbound {
        Outbound {
            to: vec![Identity::new(ChannelKind::new("sms"), address)],
            content: Content::text("Hello"),
            reply_to: None,
            idempotency_key: "key-1".to_owned(),
        }
    }

    #[tokio::test]
    async fn what_the_plugin_says_of_itself_opens_the_channel() {
        let (plugins, channel) = opened().await;
        let abilities = channel.capabilities();
        assert_eq!((abilities.kind.as_str(), abilities.text_max), ("sms", 160));
        assert_eq!((abilities.rate.per_second, abilities.buttons_max), (5, 0));
        let found = plugins.installed(business(1), "sms").await.unwrap();
        let info = found.inspection.channel.as_ref().unwrap();
        assert_eq!(info.kind, "sms");
        assert_eq!(plugins.channel_settings(business(1), "sms").await.unwrap(), settings());
        let error = plugins.channel_settings(business(1), "other").await.unwrap_err();
        assert_eq!(error.code(), "not_installed");
        channel.verify().await.unwrap();
        let provider = PluginChannels::new(plugins);
        for settings in [
            json!({}),
            json!({"plugin": "sms", "kind": ""}),
            json!({"plugin": "sms", "kind": "sms", "capabilities": {"wings": 2}}),
        ] {
            assert!(provider.open(&config(settings), &ChannelSecrets::new()).is_err());
        }
    }

    #[tokio::test]
    async fn webhooks_are_read_by_the_plugin() {
        let (_plugins, channel) = opened().await;
        let Received::Events(news) = post(&*channel, MESSAGE).await.unwrap() else { panic!() };
        let [Inbound::Message(message)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!((message.content.plain(), message.provider_ref.as_str()), ("hi", "m1"));
        assert_eq!(post(&*channel, "?123").await, Ok(Received::Challenge("?123".to_owned())));
        assert_eq!(post(&*channel, "!no").await, Err(ReceiveError::Unauthorized));
        for odd in ["{", r#"{"type":"message"}"#] {
            assert!(matches!(post(&*channel, odd).await, Err(ReceiveError::Malformed(_))), "{odd}");
        }
        let huge = "x".repeat(300_000);
        assert_eq!(post(&*channel, &huge).await, Err(ReceiveError::TooLarge));
    }

    #[tokio::test]
    async fn nobody_of_another_kind_writes_through_a_plugin() {
        let (_plugins, channel) = opened().await;
        let foreign = MESSAGE.replace("\"sms\"", "\"whatsapp\"");
        assert!(matches!(post(&*channel, &foreign).await, Err(ReceiveError::Malformed(_))));
        let nobody = MESSAGE.replace(r#"[{"kind":"sms","id":"+49"}]"#, "[]");
        assert!(matches!(post(&*channel, &nobody).await, Err(ReceiveError::Malformed(_))));
    }

    #[tokio::test]
    async fn sends_say_what_is_known_of_them() {
        let (plugins, channel) = opened().await;
        let receipt = channel.send(&to("+49")).await.unwrap();
        assert_eq!(receipt.provider_ref.as_deref(), Some("key-1"));
        let fast = channel.send(&to("r")).await.unwrap_err();
        assert_eq!(fast, SendError::RateLimited { after: Some(Duration::from_millis(1500)) });
        // It broke off in the middle, so the message may have left.
        let broken = channel.send(&to("!")).await.unwrap_err();
        assert!(matches!(broken, SendError::Unknown { .. }), "{broken}");
        plugins.remove(business(1), PluginId::from_uuid(Uuid::from_u128(1)), "Ada").await.unwrap();
        let gone = channel.send(&to("+49")).await.unwrap_err();
        assert!(matches!(gone, SendError::Rejected { .. }), "{gone}");
        assert_eq!(post(&*channel, MESSAGE).await, Err(ReceiveError::Unsupported));
    }
}

mod subscribers {
    use justping_core::model::{Event, EventBody, PageRequest, PluginLineKind};
    use justping_core::port::{EventSubscriber as _, FeedEvent, FeedName};

    use super::*;
    use crate::adapter::PluginSubscribers;

    fn event(number: u64, data: &str) -> FeedEvent {
        let body = EventBody::Custom { name: "order".to_owned(), data: json!(data) };
        let at = "2026-01-05T09:00:00Z".parse().unwrap();
        let event = Event { business_id: business(1), conversation_id: None, at, body };
        FeedEvent { number, event }
    }

    async fn logged(plugins: &Plugins, kind: PluginLineKind) -> Vec<String> {
        plugins.write().await.unwrap();
        let (id, page) = (PluginId::from_uuid(Uuid::from_u128(1)), PageRequest::first(50));
        let store = &plugins.sandbox().ports().plugins;
        let lines = store.plugin_lines(business(1), id, Some(kind), &page).await.unwrap().items;
        lines.into_iter().rev().map(|line| line.text).collect()
    }

    #[tokio::test]
    async fn a_plugin_hears_what_it_wants_and_only_while_it_runs() {
        let plugins = plugins().await;
        let subscribers = PluginSubscribers::new(plugins.clone());
        subscribers.look().await.unwrap();
        assert_eq!(subscribers.feeds(), []);
        install(&plugins, 1, "audit", "\"subscriber\"", &listener()).await;
        subscribers.look().await.unwrap();
        let [feed]: [FeedName; 1] = subscribers.feeds().try_into().unwrap();
        assert_eq!(feed.business_id, business(1));
        let first = event(1, "a");
        assert!(subscribers.wants(&feed, &first.event));
        let other = EventBody::ContactCreated { contact_id: ContactId::from_uuid(Uuid::nil()) };
        assert!(!subscribers.wants(&feed, &Event { body: other, ..first.event.clone() }));

        subscribers.handle(&feed, &[first, event(2, "b")]).await.unwrap();
        let ids = [1, 2].map(|n| format!("{}/{n}", business(1)));
        assert_eq!(logged(&plugins, PluginLineKind::Log).await, ids);

        let long = event(3, &"x".repeat(2_000));
        let error = subscribers.handle(&feed, std::slice::from_ref(&long)).await.unwrap_err();
        assert!(error.detail.contains("too long"), "{error}");
        subscribers.gave_up(&feed, &long, &error.detail).await;
        let failed = logged(&plugins, PluginLineKind::Failed).await;
        assert!(failed.iter().any(|line| line.starts_with("event 3 (flow.event) was given up")));

        let id = PluginId::from_uuid(Uuid::from_u128(1));
        let off = Change { enabled: Some(false), ..Change::default() };
        plugins.change(business(1), id, off, "Ada").await.unwrap();
        assert!(subscribers.handle(&feed, &[event(4, "c")]).await.is_err());
        subscribers.look().await.unwrap();
        assert_eq!(subscribers.feeds(), []);
    }
}

mod hooks {
    use justping_core::conformance::HookSubject;
    use justping_core::model::{ChannelId, ChannelKind, Content, Identity, InboundMessage};
    use justping_core::port::{HookContext, MessageHook as _, Verdict};

    use super::*;

    fn context() -> HookContext {
        HookContext {
            business_id: business(1),
            channel_id: ChannelId::from_uuid(Uuid::nil()),
            kind: ChannelKind::MEMORY,
        }
    }

    async fn subject() -> HookSubject {
        let plugins = plugins().await;
        install(&plugins, 1, "censor", "\"hooks\"", &censor()).await;
        // What is known of a business is what was read of it.
        plugins.all(business(2)).await.unwrap();
        HookSubject {
            hook: Arc::new(plugins),
            context: context(),
            passes: Content::text("fine"),
            changes: (Content::text("curse"), Content::text("changed")),
            drops: Content::text("drop it"),
            stranger: business(2),
            guard: Box::new(()),
        }
    }

    justping_core::hook_conformance!(subject);

    fn received(text: &str) -> InboundMessage {
        InboundMessage {
            provider_ref: "m1".to_owned(),
            from: vec![Identity::new(ChannelKind::MEMORY, "ann")],
            name: None,
            content: Content::text(text),
            reply_to: None,
            sent_at: None,
        }
    }

    #[tokio::test]
    async fn a_plugin_that_breaks_lets_pass_or_drops_as_the_business_wants() {
        let plugins = plugins().await;
        install(&plugins, 1, "censor", "\"hooks\"", &censor()).await;
        let (context, breaks) = (context(), received("trap"));
        assert_eq!(plugins.after_receive(&context, &breaks).await, Verdict::Pass);
        let id = PluginId::from_uuid(Uuid::from_u128(1));
        let closed = Change { fail_open: Some(false), ..Change::default() };
        plugins.change(business(1), id, closed, "Ada").await.unwrap();
        let verdict = plugins.after_receive(&context, &breaks).await;
        assert!(
            matches!(&verdict, Verdict::Drop { reason } if reason.contains("trapped")),
            "{verdict:?}"
        );
        assert_eq!(plugins.after_receive(&context, &received("fine")).await, Verdict::Pass);
    }

    #[tokio::test]
    async fn hooks_see_what_the_one_before_made_of_it() {
        let plugins = plugins().await;
        // `a` changes into `changed`, which begins with c: `b` changes it once more.
        for (number, name) in [(1, "a"), (2, "b")] {
            let name = format!("{name}-censor");
            install(&plugins, number, &name, "\"hooks\"", &censor()).await;
        }
        let verdict = plugins.after_receive(&context(), &received("c")).await;
        assert_eq!(verdict, Verdict::Change(Content::text("changed")));
        let dropped = plugins.after_receive(&context(), &received("d")).await;
        assert_eq!(dropped, Verdict::Drop { reason: "not here".to_owned() });
        assert!(plugins.is_set(business(1)));
        plugins.all(business(2)).await.unwrap();
        assert!(!plugins.is_set(business(2)));
    }
}

#[test]
fn a_code_of_a_plugin_is_taken_only_if_it_is_one() {
    use super::is_code;
    for code in ["a", "order_not_found", "e404"] {
        assert!(is_code(code), "{code}");
    }
    for code in ["", "Order", "4", "a b", "a-b", "ü", &"x".repeat(65)] {
        assert!(!is_code(code), "{code}");
    }
    let missing = PluginError::not_installed("x");
    assert_eq!(missing.code, PluginError::NOT_INSTALLED);
}
