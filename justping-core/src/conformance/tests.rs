//! The contracts run on the adapters in memory.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{at, identity};
use super::{AiSubject, ChannelSubject, ClockSubject, LimiterSubject, NodeSubject};
use crate::memory::{
    AiReply, ManualClock, MemoryBus, MemoryChannel, MemoryLimiter, MemoryProvider, MemoryStore,
    ScriptedAi,
};
use crate::model::{
    ChannelConfig, ChannelId, Content, DeliveryStatus, Inbound, InboundMessage, StatusUpdate,
};
use crate::port::{
    BuiltNode, ChannelProvider, ChatMessage, ChatRequest, ChatRole, ExitDescriptor, FlowNode,
    NodeConfigError, NodeContext, NodeDescriptor, Outbound, Step, StepEvent, ToolSpec,
};
use crate::system::SystemClock;

mod memory_store {
    use super::*;

    crate::store_conformance!(async || Box::new(MemoryStore::new()));
}

mod memory_bus {
    use super::*;

    crate::bus_conformance!(async || Box::new(MemoryBus::new()));

    #[test]
    fn topics_go_with_their_last_listener() {
        use crate::model::{BusinessId, Topic};
        use crate::port::EventBus;

        let bus = MemoryBus::new();
        let topic = Topic::Business(BusinessId::from_uuid(uuid::Uuid::nil()));
        let (one, two) = (bus.subscribe(topic), bus.subscribe(topic));
        assert_eq!(bus.topics(), 1);
        drop(one);
        assert_eq!(bus.topics(), 1);
        drop(two);
        assert_eq!(bus.topics(), 0);
    }
}

fn pass_on(clock: &Arc<ManualClock>) -> super::clock::Pass {
    let clock = Arc::clone(clock);
    Box::new(move |span: Duration| {
        let clock = Arc::clone(&clock);
        Box::pin(async move { clock.advance(span.try_into().unwrap()) })
    })
}

mod memory_hook {
    use super::*;
    use crate::conformance::HookSubject;
    use crate::memory::MemoryHook;
    use crate::model::{BusinessId, ChannelKind};
    use crate::port::{HookContext, Verdict};

    crate::hook_conformance!(async || {
        let id = |n| uuid::Uuid::from_u128(n);
        let business_id = BusinessId::from_uuid(id(1));
        let hook = MemoryHook::new();
        let polite = Content::text("thank you");
        hook.rule(business_id, "give", Verdict::Change(polite.clone()));
        hook.rule(business_id, "spam", Verdict::drop("nobody wants that"));
        HookSubject {
            hook: Arc::new(hook),
            context: HookContext {
                business_id,
                channel_id: ChannelId::from_uuid(id(2)),
                kind: ChannelKind::MEMORY,
            },
            passes: Content::text("hello"),
            changes: (Content::text("give"), polite),
            drops: Content::text("spam"),
            stranger: BusinessId::from_uuid(id(3)),
            guard: Box::new(()),
        }
    });
}

mod memory_limiter {
    use super::*;
    use crate::port::{Grant, Rate, RateLimiter};

    async fn subject() -> LimiterSubject {
        let clock = Arc::new(ManualClock::new(at(0)));
        let pass = pass_on(&clock);
        LimiterSubject { limiter: Arc::new(MemoryLimiter::new(clock)), pass }
    }

    crate::limiter_conformance!(subject);

    #[tokio::test]
    async fn full_buckets_are_forgotten() {
        let clock = Arc::new(ManualClock::new(at(0)));
        let limiter = MemoryLimiter::new(Arc::clone(&clock) as _);
        let rate = Rate { per_second: 10, burst: 10 };
        for n in 0..100 {
            limiter.take(&format!("key {n}"), rate).await;
        }
        assert_eq!(limiter.keys(), 100);
        clock.advance(jiff::SignedDuration::from_secs(1));
        for _ in 0..60 {
            limiter.take("one", rate).await;
        }
        assert_eq!(limiter.keys(), 1);
    }

    #[tokio::test]
    async fn a_drained_limiter_fills_up_from_nothing() {
        let clock = Arc::new(ManualClock::new(at(0)));
        let limiter = MemoryLimiter::drained(Arc::clone(&clock) as _);
        let rate = Rate { per_second: 2, burst: 3 };
        let half = Duration::from_millis(500);
        assert_eq!(limiter.take("a", rate).await, Grant::Wait(half));
        clock.advance(jiff::SignedDuration::from_millis(500));
        assert_eq!(limiter.take("a", rate).await, Grant::Allowed);
        assert_eq!(limiter.take("a", rate).await, Grant::Wait(half));
        clock.advance(jiff::SignedDuration::from_secs(60));
        for _ in 0..3 {
            assert_eq!(limiter.take("b", rate).await, Grant::Allowed);
        }
        assert_eq!(limiter.take("b", rate).await, Grant::Wait(half));
    }
}

mod memory_presence {
    use super::super::PresenceSubject;
    use super::*;
    use crate::memory::MemoryPresence;

    async fn subject() -> PresenceSubject {
        let clock = Arc::new(ManualClock::new(at(0)));
        let pass = pass_on(&clock);
        PresenceSubject { presence: Arc::new(MemoryPresence::new(clock)), pass }
    }

    crate::presence_conformance!(subject);
}

mod announced_presence {
    use super::super::PresenceSubject;
    use super::*;
    use crate::engine::AnnouncedPresence;
    use crate::memory::MemoryPresence;
    use crate::model::{BusinessId, ConversationId, EventBody, MemberId, Topic, Typist};
    use crate::port::{EventBus, Presence};

    fn announced(clock: &Arc<ManualClock>, bus: Arc<MemoryBus>) -> AnnouncedPresence {
        let presence = Arc::new(MemoryPresence::new(Arc::clone(clock) as _));
        AnnouncedPresence::new(presence, bus, Arc::clone(clock) as _)
    }

    async fn subject() -> PresenceSubject {
        let clock = Arc::new(ManualClock::new(at(0)));
        let presence = Arc::new(announced(&clock, Arc::default()));
        PresenceSubject { presence, pass: pass_on(&clock) }
    }

    crate::presence_conformance!(subject);

    #[tokio::test]
    async fn what_changes_is_told() {
        let (clock, bus) = (Arc::new(ManualClock::new(at(0))), Arc::new(MemoryBus::new()));
        let presence = announced(&clock, Arc::clone(&bus));
        let ours = BusinessId::from_uuid(uuid::Uuid::nil());
        let talk = ConversationId::from_uuid(uuid::Uuid::nil());
        let member_id = MemberId::from_uuid(uuid::Uuid::nil());
        let (typist, minute) = (Typist::Member(member_id), Duration::from_secs(60));
        let mut all = bus.subscribe(Topic::Business(ours));
        let mut one = bus.subscribe(Topic::Conversation(ours, talk));
        presence.arrive(ours, member_id, minute).await.unwrap();
        presence.start_typing(ours, talk, typist, minute).await.unwrap();
        for _ in 0..2 {
            presence.stop_typing(ours, talk, typist).await.unwrap();
            presence.leave(ours, member_id).await.unwrap();
        }
        presence.arrive(ours, member_id, minute).await.unwrap();
        let online = EventBody::MemberOnline { member_id, until: at(60) };
        let started = EventBody::TypingStarted { typist, until: at(60) };
        let stopped = EventBody::TypingStopped { typist };
        let offline = EventBody::MemberOffline { member_id };
        for body in [&online, &started, &stopped, &offline, &online] {
            let told = all.next().await.unwrap();
            assert_eq!(&told.body, body);
            assert!(!told.body.is_stored());
            let text = serde_json::to_string(&*told).unwrap();
            assert_eq!(serde_json::from_str::<crate::model::Event>(&text).unwrap(), *told);
        }
        for body in [&started, &stopped] {
            assert_eq!(&one.next().await.unwrap().body, body);
        }
    }
}

mod memory_cache {
    use super::super::CacheSubject;
    use super::*;
    use crate::memory::MemoryCache;
    use crate::model::BusinessId;
    use crate::port::{Cache, CacheExt, CacheSpace};

    async fn subject() -> CacheSubject {
        let clock = Arc::new(ManualClock::new(at(0)));
        let pass = pass_on(&clock);
        CacheSubject { cache: Arc::new(MemoryCache::new(clock)), pass }
    }

    crate::cache_conformance!(subject);

    #[tokio::test]
    async fn what_was_used_longest_ago_goes_first() {
        let clock = Arc::new(ManualClock::new(at(0)));
        let cache = MemoryCache::new(clock).bytes_max(1_000);
        let business = BusinessId::from_uuid(uuid::Uuid::nil());
        let space = CacheSpace::Contacts;
        let hour = Duration::from_secs(3_600);
        for key in ["a", "b", "c"] {
            cache.set(business, space, key, &[0; 200], hour).await.unwrap();
        }
        assert!(cache.get(business, space, "a").await.unwrap().is_some());
        cache.set(business, space, "d", &[0; 200], hour).await.unwrap();
        let left = cache.get_many(business, space, &["a", "b", "c", "d"]).await.unwrap();
        let left: Vec<bool> = left.iter().map(Option::is_some).collect();
        assert_eq!(left, [true, false, true, true]);
        assert!(cache.bytes() <= 1_000);
        cache.set(business, space, "e", &[0; 2_000], hour).await.unwrap();
        assert_eq!(cache.bytes(), 0, "what is larger than the cache is not kept");
    }
}

mod memory_queue {
    use super::super::QueueSubject;
    use super::super::queue::Names;
    use super::*;
    use crate::memory::MemoryQueue;
    use crate::model::{BusinessId, Lane};
    use crate::port::{Queue, QueueError, QueueItem};

    const LEASE: Duration = Duration::from_secs(60);

    async fn subject() -> QueueSubject {
        let clock = Arc::new(ManualClock::new(at(0)));
        let (pass, die) = (pass_on(&clock), Arc::new(pass_on(&clock)));
        QueueSubject {
            queue: Arc::new(MemoryQueue::new(clock, LEASE)),
            pass,
            die: Box::new(move || die(LEASE)),
            names: Names::Known,
        }
    }

    crate::queue_conformance!(subject);

    #[tokio::test]
    async fn a_full_queue_refuses_and_drops_only_what_is_dead() {
        let clock = Arc::new(ManualClock::new(at(0)));
        let queue = MemoryQueue::new(clock, LEASE).bounds(2, 1);
        let item = |id: &str| QueueItem {
            business_id: BusinessId::from_uuid(uuid::Uuid::nil()),
            id: id.to_owned(),
            lane: Lane::Bulk,
            body: Vec::new(),
        };
        let many = [item("a"), item("b"), item("c")];
        assert_eq!(queue.publish(&many).await, Err(QueueError::Full));
        queue.publish(&many[..2]).await.unwrap();
        assert_eq!(queue.publish(&many[2..]).await, Err(QueueError::Full));
        for delivery in queue.claim(2).await.unwrap() {
            queue.bury(&delivery.lease, "no").await.unwrap();
        }
        let dead = queue.dead(10).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].item.id, "b");
        queue.publish(&many[2..]).await.unwrap();
    }
}

mod manual_clock {
    use super::*;

    async fn subject() -> ClockSubject {
        let clock = Arc::new(ManualClock::new(at(0)));
        let pass = pass_on(&clock);
        ClockSubject { clock, pass }
    }

    crate::clock_conformance!(subject);
}

mod system_clock {
    use super::*;

    async fn subject() -> ClockSubject {
        let pass: super::super::clock::Pass = Box::new(|span| Box::pin(tokio::time::sleep(span)));
        ClockSubject { clock: Arc::new(SystemClock::new()), pass }
    }

    crate::clock_conformance!(subject);
}

mod scripted_ai {
    use super::*;

    fn request(text: &str) -> ChatRequest {
        ChatRequest {
            model: None,
            messages: vec![ChatMessage::new(ChatRole::User, text)],
            tools: Vec::new(),
            response_schema: None,
            max_output_tokens: None,
            temperature: None,
        }
    }

    async fn subject() -> AiSubject {
        let provider = Arc::new(ScriptedAi::new());
        provider.on("hello", "hello to you too").on("weather", AiReply::call("weather", "{}"));
        let tool = ToolSpec {
            name: "weather".to_owned(),
            description: "Tells the weather.".to_owned(),
            parameters: json!({ "type": "object" }),
        };
        AiSubject {
            provider,
            request: request("hello"),
            tool_request: ChatRequest { tools: vec![tool], ..request("weather") },
            embedding_model: "any".to_owned(),
            guard: Box::new(()),
        }
    }

    crate::ai_conformance!(subject);

    #[tokio::test]
    async fn the_script_is_followed() {
        use crate::port::{AiError, AiProvider};

        let ai = ScriptedAi::new();
        ai.then("one").then_fail(AiError::TooLong).then("two");
        let ask = async |text| ai.chat(&request(text), &mut |_| {}).await.map(|reply| reply.text);
        assert_eq!(ask("a").await, Ok("one".to_owned()));
        assert_eq!(ask("b").await, Err(AiError::TooLong));
        assert_eq!(ask("c").await, Ok("two".to_owned()));
        assert!(matches!(ask("d").await, Err(AiError::Rejected { .. })));
        ai.otherwise("whatever");
        assert_eq!(ask("e").await, Ok("whatever".to_owned()));
        assert_eq!(ai.requests().len(), 5);
    }
}

mod scripted_plugins {
    use super::*;
    use crate::conformance::PluginSubject;
    use crate::memory::ScriptedPlugins;
    use crate::model::{BusinessId, CallId, ContactId, ConversationId, SessionId};
    use crate::port::{
        CallScope, ContactView, PluginAsk, PluginError, PluginEvent, PluginNext, PluginStep,
    };
    use uuid::Uuid;

    fn step(messages: Vec<Content>, output: Option<Value>, next: PluginNext) -> PluginStep {
        PluginStep { messages, output, contact: None, next }
    }

    fn greet(ask: &PluginAsk) -> Result<PluginStep, PluginError> {
        let text = Content::text(format!("Hello, {}", ask.last_text));
        let next = PluginNext::Leave { exit: "next".to_owned() };
        Ok(step(vec![text], Some(json!({"length": ask.last_text.len()})), next))
    }

    fn count(ask: &PluginAsk) -> Result<PluginStep, PluginError> {
        let before = ask.memory["heard"].as_u64().unwrap_or(0);
        let heard = before + u64::from(matches!(ask.event, Some(PluginEvent::Message { .. })));
        let next = match heard {
            2 => PluginNext::Leave { exit: "next".to_owned() },
            _ => PluginNext::Wait { memory: json!({"heard": heard}), until: None },
        };
        Ok(step(Vec::new(), None, next))
    }

    async fn subject() -> PluginSubject {
        let business_id = BusinessId::from_uuid(Uuid::from_u128(1));
        let nodes = ScriptedPlugins::new()
            .with_node(business_id, "shop", "greet", greet)
            .with_node(business_id, "shop", "count", count);
        let contact = ContactView {
            id: ContactId::from_uuid(Uuid::nil()),
            name: None,
            address: None,
            channel: None,
            fields: serde_json::Map::new(),
            tags: Vec::new(),
            groups: Default::default(),
            locale: None,
            time_zone: None,
        };
        PluginSubject {
            nodes: Arc::new(nodes),
            scope: CallScope {
                business_id,
                conversation_id: ConversationId::from_uuid(Uuid::nil()),
                session_id: SessionId::from_uuid(Uuid::nil()),
                call_id: CallId::from_uuid(Uuid::nil()),
            },
            ask: PluginAsk {
                plugin: "shop".to_owned(),
                node: "greet".to_owned(),
                config: json!({}),
                contact,
                variables: json!({}),
                last_text: "Ada".to_owned(),
                now: at(0),
                memory: Value::Null,
                event: None,
            },
            guard: Box::new(()),
        }
    }

    crate::plugin_conformance!(subject);
}

mod memory_tools {
    use super::super::ToolSourceSubject;
    use super::*;
    use crate::memory::MemoryTools;
    use crate::model::BusinessId;
    use crate::port::{Tool, ToolContext, ToolError, ToolOutput};

    #[derive(Debug)]
    struct Named(&'static str);

    #[async_trait::async_trait]
    impl Tool for Named {
        fn spec(&self) -> ToolSpec {
            ToolSpec {
                name: self.0.to_owned(),
                description: "Says its name.".to_owned(),
                parameters: json!({ "type": "object" }),
            }
        }

        async fn call(&self, _: &Value, _: &ToolContext) -> Result<ToolOutput, ToolError> {
            Ok(ToolOutput::own(self.0))
        }
    }

    async fn subject() -> ToolSourceSubject {
        let [business, stranger] = [1, 2].map(|n| BusinessId::from_uuid(uuid::Uuid::from_u128(n)));
        let tools = MemoryTools::new();
        for name in ["second", "first", "not a name", "third"] {
            tools.add(business, Arc::new(Named(name)));
        }
        tools.remove(business, "third");
        ToolSourceSubject { source: Arc::new(tools), business, stranger, guard: Box::new(()) }
    }

    crate::tool_source_conformance!(subject);
}

mod memory_channel {
    use super::*;
    use crate::conformance::channel::Proof;
    use crate::memory::MemoryAnswer;
    use crate::port::{Channel, SendError};

    fn open(provider: &MemoryProvider) -> Arc<dyn Channel> {
        let config = ChannelConfig {
            id: ChannelId::from_uuid(uuid::Uuid::nil()),
            business_id: crate::model::BusinessId::from_uuid(uuid::Uuid::nil()),
            provider: MemoryProvider::NAME.to_owned(),
            name: "Test".to_owned(),
            settings: Value::Null,
            agent_id: None,
            enabled: true,
            unknown_policy: Default::default(),
            revision: 1,
            created_at: at(0),
            updated_at: at(0),
        };
        assert!(provider.open(&config, &Default::default()).is_err(), "a secret is needed");
        let secrets = [(MemoryProvider::SECRET, "s3cret")].into_iter().collect();
        provider.open(&config, &secrets).unwrap()
    }

    fn outbound(key: &str) -> Outbound {
        Outbound {
            to: vec![identity("ann")],
            content: Content::text("hello"),
            reply_to: None,
            idempotency_key: key.to_owned(),
        }
    }

    async fn subject() -> ChannelSubject {
        let news = vec![
            Inbound::Message(InboundMessage {
                provider_ref: "m1".to_owned(),
                from: vec![identity("ann")],
                name: Some("Ann".to_owned()),
                content: Content::text("hello"),
                reply_to: None,
                sent_at: None,
            }),
            Inbound::Status(StatusUpdate {
                provider_ref: "p1".to_owned(),
                key: Some("k1".to_owned()),
                status: DeliveryStatus::Delivered,
                at: None,
                failure: None,
            }),
        ];
        let header = (MemoryProvider::HEADER.to_owned(), "s3cret".to_owned());
        ChannelSubject {
            channel: open(&MemoryProvider::new()),
            sign: Box::new(move |_| vec![header.clone()]),
            proof: Proof::Sender,
            body: MemoryChannel::webhook(&news),
            news,
            outbound: outbound("k1"),
            guard: Box::new(()),
        }
    }

    crate::channel_conformance!(subject);

    #[tokio::test]
    async fn the_script_is_followed_and_all_is_remembered() {
        let provider = MemoryProvider::new();
        let channel = open(&provider);
        let wire = provider.channel(ChannelId::from_uuid(uuid::Uuid::nil()));
        let refusal = SendError::RateLimited { after: None };
        wire.script(MemoryAnswer::Refuse(refusal.clone()));
        wire.script(MemoryAnswer::Lose);
        assert_eq!(channel.send(&outbound("k1")).await, Err(refusal));
        let lost = channel.send(&outbound("k1")).await;
        assert!(matches!(lost, Err(SendError::Unknown { .. })));
        let again = channel.send(&outbound("k1")).await.unwrap();
        assert_eq!(again.provider_ref.as_deref(), Some("memory-1"));
        channel.send(&outbound("k2")).await.unwrap();
        assert_eq!(wire.sent(), [outbound("k1"), outbound("k2")]);
        assert_eq!((wire.tries(), wire.taken()), (4, 2));
        channel.mark_read("m1").await.unwrap();
        assert_eq!(wire.read(), ["m1"]);
    }
}

/// Asks a question and leaves with the answer: the smallest node that waits.
#[derive(Debug)]
struct Ask;

#[derive(Debug)]
struct BuiltAsk {
    question: String,
}

impl FlowNode for Ask {
    fn descriptor(&self) -> NodeDescriptor {
        let exit = |name: &str| ExitDescriptor { name: name.to_owned(), title: name.to_owned() };
        NodeDescriptor {
            kind: "ask".to_owned(),
            title: "Ask".to_owned(),
            summary: "Asks a question and waits for the answer.".to_owned(),
            schema: json!({ "type": "object", "required": ["question"] }),
            exits: vec![exit("answered"), exit("error")],
            suspends: true,
            calls: false,
        }
    }

    fn build(&self, data: &Value) -> Result<Box<dyn BuiltNode>, NodeConfigError> {
        let question = data.get("question").and_then(Value::as_str).unwrap_or_default();
        if question.is_empty() {
            return Err(NodeConfigError::new("/question", "ask something"));
        }
        Ok(Box::new(BuiltAsk { question: question.to_owned() }))
    }
}

impl BuiltNode for BuiltAsk {
    fn enter(&self, cx: &mut NodeContext<'_>) -> Step {
        cx.send(Content::text(self.question.clone()));
        Step::Wait { until: None }
    }

    fn resume(&self, cx: &mut NodeContext<'_>, event: &StepEvent) -> Step {
        if let StepEvent::Message { content } = event {
            cx.set("answer", json!(content.plain()));
            return Step::Exit(Cow::Borrowed("answered"));
        }
        Step::Wait { until: None }
    }

    fn exits(&self) -> Vec<String> {
        vec!["answered".to_owned(), "error".to_owned()]
    }

    fn suspends(&self) -> bool {
        true
    }
}

mod ask_node {
    use super::*;

    async fn subject() -> NodeSubject {
        NodeSubject {
            node: Arc::new(Ask),
            samples: vec![json!({ "question": "How are you?" })],
            broken: vec![json!({ "question": "" })],
        }
    }

    crate::node_conformance!(subject);
}

/// A check that is written and not listed would never run.
#[test]
fn every_check_is_listed() {
    let store = [
        include_str!("store/accept.rs"),
        include_str!("store/channel.rs"),
        include_str!("store/contact.rs"),
        include_str!("store/conversation.rs"),
        include_str!("store/counter.rs"),
        include_str!("store/directory.rs"),
        include_str!("store/fairness.rs"),
        include_str!("store/feed.rs"),
        include_str!("store/flow.rs"),
        include_str!("store/group.rs"),
        include_str!("store/isolation.rs"),
        include_str!("store/ledger.rs"),
        include_str!("store/knowledge.rs"),
        include_str!("store/outbox.rs"),
        include_str!("store/plugin.rs"),
        include_str!("store/plugin_value.rs"),
        include_str!("store/post.rs"),
        include_str!("store/publication.rs"),
        include_str!("store/schedule.rs"),
        include_str!("store/search.rs"),
        include_str!("store/status.rs"),
        include_str!("store/tool.rs"),
        include_str!("store/turn.rs"),
        include_str!("store/upkeep.rs"),
        include_str!("store/usage.rs"),
    ]
    .concat();
    for (suite, source, checks) in [
        ("store", store.as_str(), super::store::CHECKS),
        ("ai", include_str!("ai.rs"), super::ai::CHECKS),
        ("bus", include_str!("bus.rs"), super::bus::CHECKS),
        ("channel", include_str!("channel.rs"), super::channel::CHECKS),
        ("clock", include_str!("clock.rs"), super::clock::CHECKS),
        ("hook", include_str!("hook.rs"), super::hook::CHECKS),
        ("limiter", include_str!("limiter.rs"), super::limiter::CHECKS),
        ("node", include_str!("node.rs"), super::node::CHECKS),
        ("tool_source", include_str!("tool_source.rs"), super::tool_source::CHECKS),
    ] {
        let written = source.lines().filter(|line| line.starts_with("pub async fn ")).count();
        assert_eq!(written, checks, "{suite}");
    }
}
