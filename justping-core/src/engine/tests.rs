//! The engine on a stage, with a program that does what the contact's words say.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::memory::{MemoryAnswer, MemoryWakes};
use crate::model::*;
use crate::port::{
    Capabilities, Channel, Effect, Finding, FlowRuntimeError, Outcome, PerformContext, Program,
    Rate, SendError, StepEvent, StepInput,
};
use crate::stage::Stage;

/// Understands: `timer`, `call`, `slow` (a call that never comes back), `close`, `people`, `end`,
/// `fail`, `panic`; echoes everything else. Its state
/// counts the events.
#[derive(Debug)]
pub(super) struct Puppet;

impl FlowRuntime for Puppet {
    fn check(&self, _: &Value) -> Vec<Finding> {
        Vec::new()
    }

    fn compile(&self, _: &Value) -> Result<Arc<dyn Program>, FlowRuntimeError> {
        Ok(Arc::new(Self))
    }

    fn content_hash(&self, document: &Value) -> String {
        document.to_string()
    }
}

#[async_trait]
impl Program for Puppet {
    fn starts_on(&self, event: &StepEvent) -> bool {
        matches!(event, StepEvent::Message { content } if content.plain() != "ignored")
    }

    fn step(&self, state: Option<&str>, input: &StepInput) -> Outcome {
        let count = state.map_or(0, |state| state.parse::<u32>().unwrap()) + 1;
        let mut status = SessionStatus::Waiting;
        let mut effects = Vec::new();
        let send = |text: String| Effect::Send { content: Content::text(text) };
        match &input.event {
            StepEvent::Timer { token } => effects.push(send(format!("timer {token}"))),
            StepEvent::CallDone { result, .. } => effects.push(send(format!("result {result:?}"))),
            StepEvent::Outside { data, .. } => effects.push(send(format!("outside {data}"))),
            StepEvent::Message { content } => match content.plain() {
                "timer" => effects.push(Effect::SetTimer {
                    token: "t".into(),
                    due_at: input.now.checked_add(SignedDuration::from_hours(24)).unwrap(),
                }),
                "slow" => effects.push(Effect::Call {
                    request: CallRequest { node: "n".into(), token: "1".into(), input: json!(8) },
                }),
                "panic" => panic!("a node of somebody else"),
                "call" => effects.push(Effect::Call {
                    request: CallRequest { node: "n".into(), token: "1".into(), input: json!(7) },
                }),
                "close" => effects.extend([send("bye".into()), Effect::CloseConversation]),
                "people" => {
                    effects
                        .extend([send("wait".into()), Effect::HandOff { note: Some("x".into()) }]);
                    status = SessionStatus::Completed;
                }
                "end" => status = SessionStatus::Completed,
                "fail" => status = SessionStatus::Failed,
                said => effects.push(send(format!("{count} {said}"))),
            },
        }
        Outcome { state: count.to_string(), status, failure: None, effects, unheard: Vec::new() }
    }

    async fn perform(&self, request: &CallRequest, cx: &PerformContext<'_>) -> CallResult {
        if request.input == 8 {
            std::future::pending::<()>().await;
        }
        cx.on_delta.delta("par");
        cx.on_delta.delta("tial");
        CallResult::Ok(request.input.clone())
    }
}

async fn stage() -> Stage {
    Stage::builder(Arc::new(Puppet)).open(&[json!({})]).await.unwrap()
}

async fn texts(stage: &Stage, contact: &str) -> Vec<String> {
    let thread = stage.thread(contact).await.unwrap();
    thread.iter().map(|message| message.content.plain().to_owned()).collect()
}

async fn fate(stage: &Stage, text: &str) -> (DeliveryStatus, Option<FailureKind>) {
    let thread = stage.thread("ann").await.unwrap();
    let message = thread.iter().find(|message| message.content.plain() == text).unwrap();
    (message.status, message.failure.as_ref().map(|failure| failure.kind))
}

fn said(replies: &[Message]) -> Vec<&str> {
    replies.iter().map(|message| message.content.plain()).collect()
}

#[tokio::test]
async fn a_burst_is_answered_in_order_and_nothing_is_dropped() {
    let stage = stage().await;
    for text in ["a", "b", "c"] {
        stage.drop_in("ann", Content::text(text)).await.unwrap();
    }
    stage.engine().settle().await.unwrap();
    assert_eq!(texts(&stage, "ann").await, ["a", "b", "c", "1 a", "2 b", "3 c"]);
    let sent = stage.provider().channel(stage.channel()).sent();
    let sent: Vec<_> = sent.iter().map(|outbound| outbound.content.plain()).collect();
    assert_eq!(sent, ["1 a", "2 b", "3 c"]);
    assert_eq!(fate(&stage, "3 c").await, (DeliveryStatus::Sent, None));
}

#[tokio::test]
async fn a_repeated_webhook_changes_nothing() {
    let stage = stage().await;
    let message = InboundMessage {
        provider_ref: "once".into(),
        from: vec![Identity::new(ChannelKind::MEMORY, "ann")],
        name: None,
        content: Content::text("hi"),
        reply_to: None,
        sent_at: None,
    };
    let news = || vec![Inbound::Message(message.clone())];
    let (business, channel) = (stage.business(), stage.channel());
    let first = stage.engine().receive(business, channel, news()).await.unwrap();
    stage.engine().settle().await.unwrap();
    let again = stage.engine().receive(business, channel, news()).await.unwrap();
    assert!(matches!(first.as_slice(), [Accepted::New { .. }]));
    assert!(matches!(again.as_slice(), [Accepted::Duplicate { seq: 1, .. }]));
    assert_eq!(stage.engine().settle().await.unwrap(), Worked::default());
    assert_eq!(texts(&stage, "ann").await, ["hi", "1 hi"]);
}

#[tokio::test]
async fn timers_fire_when_their_moment_comes() {
    let stage = stage().await;
    stage.say("ann", "timer").await.unwrap();
    assert_eq!(stage.advance(SignedDuration::from_hours(23)).await.unwrap(), 0);
    assert_eq!(stage.advance(SignedDuration::from_hours(1)).await.unwrap(), 1);
    assert_eq!(texts(&stage, "ann").await, ["timer", "timer t"]);
}

#[tokio::test]
async fn calls_come_back_as_mail_and_their_parts_are_heard() {
    let stage = stage().await;
    let mut heard = stage.engine().bus().subscribe(Topic::Business(stage.business()));
    let replies = stage.say("ann", "call").await.unwrap();
    assert_eq!(said(&replies), ["result Ok(Number(7))"]);
    let mut parts = String::new();
    loop {
        match &heard.next().await.unwrap().body {
            EventBody::MessageDelta { text } => parts.push_str(text),
            EventBody::MessageNew { message } if message.direction == Direction::Outbound => break,
            _ => {}
        }
    }
    assert_eq!(parts, "partial");
}

#[tokio::test]
async fn a_member_who_writes_takes_over_and_stale_answers_stay() {
    let stage = stage().await;
    let channel = stage.provider().channel(stage.channel());
    channel.script(MemoryAnswer::Refuse(SendError::Retry { after: None, detail: "busy".into() }));
    stage.say("ann", "hi").await.unwrap();
    let conversation = stage.conversation("ann").await.unwrap().unwrap();
    let member = MemberId::from_uuid(stage.engine().ids().uuid());
    let message = SendMessage {
        author: Author::Member(member),
        content: Content::text("a person"),
        direction: Direction::Outbound,
        reply_to: None,
    };
    stage.engine().send(stage.business(), conversation.id, message).await.unwrap();
    stage.drop_in("ann", Content::text("are you there?")).await.unwrap();
    stage.advance(SignedDuration::from_mins(10)).await.unwrap();
    assert_eq!(texts(&stage, "ann").await, ["hi", "1 hi", "a person", "are you there?"]);
    let superseded = (DeliveryStatus::Failed, Some(FailureKind::Superseded));
    assert_eq!(fate(&stage, "1 hi").await, superseded);
    assert_eq!(fate(&stage, "a person").await, (DeliveryStatus::Sent, None));
    let conversation = stage.conversation("ann").await.unwrap().unwrap();
    assert_eq!(conversation.owner, Owner::Member(member));
}

#[tokio::test]
async fn what_people_send_past_us_takes_over_once() {
    let stage = stage().await;
    stage.say("ann", "hi").await.unwrap();
    let echo = |reference: &str| {
        Inbound::Echo(Echo {
            provider_ref: reference.to_owned(),
            to: vec![Identity::new(ChannelKind::MEMORY, "ann")],
            content: Content::text("on the phone"),
        })
    };
    let receive = async |news: Vec<Inbound>| {
        stage.engine().receive(stage.business(), stage.channel(), news).await.unwrap();
    };
    let owner = async || stage.conversation("ann").await.unwrap().unwrap().owner;
    receive(vec![echo("p1"), echo("p1")]).await;
    assert_eq!(texts(&stage, "ann").await, ["hi", "1 hi", "on the phone"]);
    assert_eq!(owner().await, Owner::Queue);
    assign(&stage, Owner::Bot).await;
    receive(vec![echo("p1")]).await;
    assert_eq!(owner().await, Owner::Bot, "a repeat takes nothing over");
    receive(vec![echo("p2")]).await;
    assert_eq!(owner().await, Owner::Queue);
    assert_eq!(texts(&stage, "ann").await, ["hi", "1 hi", "on the phone", "on the phone"]);
}

#[tokio::test]
async fn a_hand_off_sends_what_was_said_and_silences_the_bot() {
    let stage = stage().await;
    let replies = stage.say("ann", "people").await.unwrap();
    assert_eq!(said(&replies), ["wait"]);
    assert_eq!(fate(&stage, "wait").await, (DeliveryStatus::Sent, None));
    assert_eq!(said(&stage.say("ann", "hello?").await.unwrap()), Vec::<&str>::new());
    let bot = ConversationChange::Assign { owner: Owner::Bot };
    let id = stage.conversation("ann").await.unwrap().unwrap().id;
    stage.engine().change_conversation(stage.business(), id, &bot).await.unwrap();
    assert_eq!(said(&stage.say("ann", "back").await.unwrap()), ["1 back"]);
}

#[tokio::test]
async fn a_closed_conversation_opens_again_and_its_goodbye_still_leaves() {
    let stage = stage().await;
    stage.say("ann", "close").await.unwrap();
    let closed = stage.conversation("ann").await.unwrap().unwrap();
    assert_eq!(closed.status, ConversationStatus::Closed);
    assert_eq!(fate(&stage, "bye").await.0, DeliveryStatus::Sent);
    assert_eq!(said(&stage.say("ann", "again").await.unwrap()), ["1 again"]);
    let open = stage.conversation("ann").await.unwrap().unwrap();
    assert_eq!((open.id, open.owner), (closed.id, Owner::Bot));
}

#[tokio::test]
async fn failed_flows_and_unmatched_messages_reach_people() {
    for word in ["fail", "ignored"] {
        let stage = stage().await;
        stage.say("ann", word).await.unwrap();
        let conversation = stage.conversation("ann").await.unwrap().unwrap();
        assert_eq!(conversation.owner, Owner::Queue, "{word}");
    }
}

#[tokio::test]
async fn stop_wins_over_every_flow_until_start() {
    let stage = stage().await;
    stage.say("ann", "hi").await.unwrap();
    assert_eq!(said(&stage.say("ann", "STOP").await.unwrap()), Vec::<&str>::new());
    stage.say("ann", "more").await.unwrap();
    assert_eq!(fate(&stage, "1 more").await, (DeliveryStatus::Failed, Some(FailureKind::OptedOut)));
    stage.say("ann", "start").await.unwrap();
    stage.say("ann", "yes").await.unwrap();
    assert_eq!(fate(&stage, "3 yes").await, (DeliveryStatus::Sent, None));
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_and_a_refusal_is_final() {
    let stage = stage().await;
    let channel = stage.provider().channel(stage.channel());
    let busy = || SendError::Retry { after: None, detail: "busy".into() };
    channel.script(MemoryAnswer::Refuse(busy()));
    channel.script(MemoryAnswer::Refuse(busy()));
    stage.say("ann", "hi").await.unwrap();
    assert_eq!(stage.advance(SignedDuration::from_mins(1)).await.unwrap(), 1);
    channel.script(MemoryAnswer::Refuse(SendError::InvalidRecipient { code: Some("1".into()) }));
    stage.say("ann", "ho").await.unwrap();
    let dead = (DeliveryStatus::Failed, Some(FailureKind::InvalidRecipient));
    assert_eq!(fate(&stage, "2 ho").await, dead);
    for _ in 0..20 {
        channel.script(MemoryAnswer::Refuse(busy()));
    }
    stage.say("ann", "hu").await.unwrap();
    stage.advance(SignedDuration::from_hours(2)).await.unwrap();
    assert_eq!(fate(&stage, "3 hu").await, (DeliveryStatus::Failed, Some(FailureKind::Exhausted)));
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_a_status_or_by_the_policy() {
    let stage = stage().await;
    let channel = stage.provider().channel(stage.channel());
    channel.script(MemoryAnswer::Lose);
    let first = stage.say("ann", "one").await.unwrap();
    channel.script(MemoryAnswer::Lose);
    stage.say("bob", "two").await.unwrap();
    let key = format!("{}.{}", first[0].conversation_id, first[0].seq);
    let status = StatusUpdate {
        provider_ref: "p-1".into(),
        key: Some(key),
        status: DeliveryStatus::Delivered,
        at: None,
        failure: None,
    };
    let news = vec![Inbound::Status(status)];
    stage.engine().receive(stage.business(), stage.channel(), news).await.unwrap();
    stage.advance(SignedDuration::from_mins(5)).await.unwrap();
    assert_eq!(fate(&stage, "1 one").await, (DeliveryStatus::Delivered, None));
    let bob = stage.thread("bob").await.unwrap();
    let unknown = bob[1].failure.as_ref().map(|failure| failure.kind);
    assert_eq!(unknown, Some(FailureKind::UnknownOutcome));
    assert_eq!(channel.tries(), 2);
}

#[tokio::test]
async fn the_rate_is_kept_and_the_window_is_respected() {
    let capabilities = Capabilities {
        kind: ChannelKind::MEMORY,
        service_window: true,
        templates: true,
        echoes_key: true,
        text_max: 100,
        buttons_max: 3,
        button_title_max: 20,
        list_rows_max: 10,
        list_title_max: 24,
        list_description_max: 72,
        interactive_text_max: 100,
        option_id_max: 200,
        rate: Rate { per_second: 2, burst: 2 },
    };
    let builder = Stage::builder(Arc::new(Puppet)).capabilities(capabilities);
    let stage = builder.open(&[json!({})]).await.unwrap();
    let channel = stage.provider().channel(stage.channel());
    for n in 0..6 {
        stage.drop_in(&format!("c{n}"), Content::text("x")).await.unwrap();
    }
    stage.engine().settle().await.unwrap();
    assert_eq!(channel.taken(), 2);
    assert_eq!(stage.advance(SignedDuration::from_secs(1)).await.unwrap(), 2);
    assert_eq!(stage.advance(SignedDuration::from_secs(1)).await.unwrap(), 2);

    stage.say("ann", "timer").await.unwrap();
    stage.advance(SignedDuration::from_hours(25)).await.unwrap();
    let closed = (DeliveryStatus::Failed, Some(FailureKind::WindowClosed));
    assert_eq!(fate(&stage, "timer t").await, closed);
}

#[tokio::test]
async fn the_loops_do_what_settle_does_and_stop_when_told() {
    let stage = stage().await;
    let engine = stage.engine().clone();
    let mut heard = engine.bus().subscribe(Topic::Business(stage.business()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        engine.run(async { stopped.await.unwrap_or_default() }).await;
    });
    for n in 0..20 {
        stage.drop_in(&format!("c{n}"), Content::text("call")).await.unwrap();
    }
    let mut sent = 0;
    while sent < 20 {
        let event = tokio::time::timeout(Duration::from_secs(20), heard.next()).await;
        let sent_now = DeliveryStatus::Sent;
        if matches!(event.unwrap().unwrap().body, EventBody::MessageStatus { status, .. } if status == sent_now)
        {
            sent += 1;
        }
    }
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    assert_eq!(stage.provider().channel(stage.channel()).tries(), 20);
}

/// The clock stands still, so that no poll is ever due: only the source can have woken the loops.
#[tokio::test]
async fn what_another_process_left_is_done_when_told_of() {
    let stage = stage().await;
    let wakes = Arc::new(MemoryWakes::new());
    let other = JustPing::builder()
        .store(Arc::clone(stage.engine().store()))
        .provider(Arc::clone(stage.provider()) as _)
        .clock(Arc::clone(stage.clock()) as Arc<dyn Clock>)
        .flows(Arc::new(Puppet))
        .wakes(Arc::clone(&wakes) as _)
        .build()
        .unwrap();
    let mut heard = other.bus().subscribe(Topic::Business(stage.business()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        other.run(async { stopped.await.unwrap_or_default() }).await;
    });
    for n in 0..3 {
        stage.drop_in("ann", Content::text(format!("hello {n}"))).await.unwrap();
        wakes.tell(Loops::TURNS);
        loop {
            let event = tokio::time::timeout(Duration::from_secs(20), heard.next()).await;
            let sent = DeliveryStatus::Sent;
            match event.unwrap().unwrap().body {
                EventBody::MessageStatus { status, .. } if status == sent => break,
                _ => {}
            }
        }
    }
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_that_comes_while_a_flow_closes_is_answered() {
    let stage = stage().await;
    for text in ["close", "wait, one more thing"] {
        stage.drop_in("ann", Content::text(text)).await.unwrap();
    }
    stage.engine().settle().await.unwrap();
    let expected = ["close", "wait, one more thing", "bye", "1 wait, one more thing"];
    assert_eq!(texts(&stage, "ann").await, expected);
    assert_eq!(fate(&stage, "bye").await.0, DeliveryStatus::Sent);
    let conversation = stage.conversation("ann").await.unwrap().unwrap();
    assert_eq!(conversation.status, ConversationStatus::Pending);
}

#[tokio::test]
async fn a_message_that_comes_while_a_closing_turn_commits_is_answered() {
    let stage = stage().await;
    let store = stage.engine().store();
    stage.drop_in("ann", Content::text("close")).await.unwrap();
    let options = stage.engine().claim(Duration::from_secs(30), 1);
    let claims = store.claim_turns(&options, None).await.unwrap();
    stage.drop_in("ann", Content::text("more")).await.unwrap();
    let open = stage.engine().inner.registry.open(claims[0].channel.clone()).await.unwrap();
    let programs = stage.engine().programs(&claims[0], None).await.unwrap();
    let env = decide::Env {
        now: stage.engine().clock().now(),
        ids: stage.engine().ids(),
        capabilities: open.adapter.capabilities(),
        programs: &programs,
        links: None,
        publication: None,
    };
    let commit = decide::decide(&claims[0], &env);
    store.commit_turns(vec![commit]).await.unwrap().remove(0).unwrap();
    let closed = stage.conversation("ann").await.unwrap().unwrap();
    assert_eq!(closed.status, ConversationStatus::Closed);
    stage.engine().settle().await.unwrap();
    assert_eq!(texts(&stage, "ann").await, ["close", "more", "bye", "1 more"]);
}

async fn assign(stage: &Stage, owner: Owner) {
    let id = stage.conversation("ann").await.unwrap().unwrap().id;
    let change = ConversationChange::Assign { owner };
    stage.engine().change_conversation(stage.business(), id, &change).await.unwrap();
}

#[tokio::test]
async fn a_timer_that_passes_while_people_own_it_does_not_strand_the_bot() {
    let stage = stage().await;
    stage.say("ann", "timer").await.unwrap();
    assign(&stage, Owner::Queue).await;
    stage.advance(SignedDuration::from_hours(25)).await.unwrap();
    assign(&stage, Owner::Bot).await;
    assert_eq!(said(&stage.say("ann", "back").await.unwrap()), ["1 back"]);
}

#[tokio::test]
async fn stop_counts_whoever_owns_the_conversation() {
    let stage = stage().await;
    stage.say("ann", "people").await.unwrap();
    stage.say("ann", "stop").await.unwrap();
    let identity = Identity::new(ChannelKind::MEMORY, "ann");
    let store = stage.engine().store();
    let contact = store.contact_by_identity(stage.business(), &identity).await.unwrap();
    assert!(contact.opted_out.contains(&ChannelKind::MEMORY));
    let pressed = Content::Reply { option: "x".into(), title: "stop".into() };
    stage.hear("bob", pressed).await.unwrap();
    let identity = Identity::new(ChannelKind::MEMORY, "bob");
    let contact = store.contact_by_identity(stage.business(), &identity).await.unwrap();
    assert!(contact.opted_out.is_empty(), "a button's title is ours");
}

#[tokio::test]
async fn a_webhook_that_is_repeated_does_not_undo_a_newer_wish() {
    let stage = stage().await;
    let says = |reference: &str, word: &str| {
        Inbound::Message(crate::model::InboundMessage {
            provider_ref: reference.into(),
            from: vec![Identity::new(ChannelKind::MEMORY, "ann")],
            name: None,
            content: Content::text(word),
            reply_to: None,
            sent_at: None,
        })
    };
    for news in [says("1", "start"), says("2", "stop"), says("1", "start")] {
        stage.engine().receive(stage.business(), stage.channel(), vec![news]).await.unwrap();
    }
    stage.engine().settle().await.unwrap();
    let identity = Identity::new(ChannelKind::MEMORY, "ann");
    let store = stage.engine().store();
    let contact = store.contact_by_identity(stage.business(), &identity).await.unwrap();
    assert!(contact.opted_out.contains(&ChannelKind::MEMORY));
}

#[tokio::test]
async fn a_take_over_does_not_hide_that_a_message_may_have_left() {
    let stage = stage().await;
    stage.provider().channel(stage.channel()).script(MemoryAnswer::Lose);
    stage.say("ann", "hi").await.unwrap();
    assign(&stage, Owner::Queue).await;
    stage.advance(SignedDuration::from_mins(5)).await.unwrap();
    let unknown = (DeliveryStatus::Failed, Some(FailureKind::UnknownOutcome));
    assert_eq!(fate(&stage, "1 hi").await, unknown);
}

#[tokio::test]
async fn a_node_that_panics_costs_its_own_session_only() {
    let stage = stage().await;
    stage.drop_in("ann", Content::text("panic")).await.unwrap();
    stage.drop_in("bob", Content::text("hi")).await.unwrap();
    stage.engine().settle().await.unwrap();
    assert_eq!(texts(&stage, "bob").await, ["hi", "1 hi"]);
    let conversation = stage.conversation("ann").await.unwrap().unwrap();
    assert_eq!(conversation.owner, Owner::Queue);
}

#[tokio::test]
async fn a_channel_that_cannot_be_opened_gives_its_conversations_to_people() {
    let stage = stage().await;
    stage.say("ann", "timer").await.unwrap();
    let store = stage.engine().store();
    let mut channel = store.channel(stage.business(), stage.channel()).await.unwrap();
    channel.agent_id = None;
    let mut secrets = ChannelSecrets::new();
    secrets.insert(crate::memory::MemoryProvider::SECRET, "");
    store.update_channel(&channel, Some(&secrets)).await.unwrap();
    stage.advance(SignedDuration::from_hours(25)).await.unwrap();
    let conversation = stage.conversation("ann").await.unwrap().unwrap();
    assert_eq!(conversation.owner, Owner::Queue);
    assert_eq!(stage.engine().settle().await.unwrap(), Worked::default());
}

#[tokio::test]
async fn a_take_over_stops_the_call_that_is_under_way() {
    let stage = stage().await;
    let engine = stage.engine().clone();
    let mut heard = engine.bus().subscribe(Topic::Business(stage.business()));
    let running = tokio::spawn(async move { engine.run(std::future::pending()).await });
    stage.drop_in("ann", Content::text("slow")).await.unwrap();
    while stage.engine().inner.running.count() == 0 {
        tokio::task::yield_now().await;
    }
    assign(&stage, Owner::Queue).await;
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), heard.next()).await;
        let body = &event.unwrap().unwrap().body;
        if let EventBody::SessionStatus { status, .. } = body {
            assert_eq!(*status, SessionStatus::Cancelled);
            break;
        }
    }
    assert_eq!(stage.engine().inner.running.count(), 0);
    running.abort();
}

#[tokio::test]
async fn a_backlog_of_one_channel_is_spread_over_its_seconds() {
    let capabilities = Capabilities {
        rate: Rate { per_second: 10, burst: 1 },
        ..stage()
            .await
            .provider()
            .channel(ChannelId::from_uuid(uuid::Uuid::nil()))
            .capabilities()
            .clone()
    };
    let builder = Stage::builder(Arc::new(Puppet)).capabilities(capabilities);
    let stage = builder.open(&[json!({})]).await.unwrap();
    for n in 0..200 {
        stage.drop_in(&format!("c{n}"), Content::text("x")).await.unwrap();
    }
    let first = stage.engine().settle().await.unwrap();
    assert_eq!(first.sends, 200, "each is looked at once");
    let sent = stage.advance(SignedDuration::from_secs(10)).await.unwrap();
    assert_eq!(sent, 100);
}

/// Starts the loops of an engine; they stop when what is returned is dropped.
fn start(engine: &JustPing) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let engine = engine.clone();
    let running = tokio::spawn(async move {
        engine.run(async { stopped.await.unwrap_or_default() }).await;
    });
    (stop, running)
}

/// Waits until two engines together have forgotten a number of requests.
async fn forgotten(engines: [&JustPing; 2], requests: u64) {
    let all = async {
        while engines.iter().map(|engine| engine.upkept().requests).sum::<u64>() < requests {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
}

#[tokio::test]
async fn one_engine_of_two_does_the_upkeep_and_another_goes_on() {
    use crate::memory::{ManualClock, MemoryStore, SeededEntropy};
    use crate::port::store::{BusinessStore, IdempotencyRecord, IdempotencyStore};

    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let store = Arc::new(MemoryStore::new());
    let engine = |seed| {
        let builder = JustPing::builder().store(Arc::clone(&store) as _).flows(Arc::new(Puppet));
        let builder = builder.clock(Arc::clone(&clock) as _);
        builder.entropy(Arc::new(SeededEntropy::new(seed))).build().unwrap()
    };
    let (a, b) = (engine(1), engine(2));
    let id = BusinessId::from_uuid(uuid::Uuid::nil());
    let row = Business { id, name: "Acme".to_owned(), created_at: clock.now() };
    store.create_business(&row).await.unwrap();
    let request = async |key: &str| {
        let (key, now) = (key.to_owned(), clock.now());
        let record = IdempotencyRecord { key, request_sha256: [0; 32], now };
        store.start_request(id, &record, Timestamp::MIN).await.unwrap();
    };
    request("one").await;
    let (run_a, run_b) = (start(&a), start(&b));
    clock.advance(SignedDuration::from_hours(48));
    forgotten([&a, &b], 1).await;
    // Whoever leads stops; the other one, told by nobody, goes on.
    let a_led = a.upkept().requests == 1;
    let (first, second, other) = if a_led { (run_a, run_b, &b) } else { (run_b, run_a, &a) };
    drop(first.0);
    first.1.await.unwrap();
    request("two").await;
    clock.advance(SignedDuration::from_hours(48));
    forgotten([&a, &b], 2).await;
    assert_eq!(other.upkept().requests, 1);
    drop(second.0);
    second.1.await.unwrap();
    assert!(a.upkeep().await.unwrap().is_some(), "the lead was given back");
}
