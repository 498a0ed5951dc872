use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::json;

use super::super::tests::Puppet;
use super::*;
use crate::engine::{EngineConfig, SendMessage};
use crate::memory::{MemoryAnswer, MemoryChannel, MemoryHook, MemoryProvider};
use crate::model::{
    Author, BusinessId, ChannelId, Contact, DeliveryStatus, Direction, Message, PageRequest,
    TemplateContent,
};
use crate::policy::ATTEMPTS_MAX;
use crate::port::{Capabilities, Channel};
use crate::stage::Stage;

/// A stage with a hook, whose rules are those of the stage's business.
async fn stage(rules: &[(&str, Verdict)]) -> (Stage, Arc<MemoryHook>) {
    let hook = Arc::new(MemoryHook::new());
    let builder = Stage::builder(Arc::new(Puppet)).hook(Arc::clone(&hook) as _);
    let stage = builder.open(&[json!({})]).await.unwrap();
    for (text, verdict) in rules {
        hook.rule(stage.business(), text, verdict.clone());
    }
    (stage, hook)
}

fn change(text: &str) -> Verdict {
    Verdict::Change(Content::text(text))
}

async fn texts(stage: &Stage) -> Vec<String> {
    let thread = stage.thread("ann").await.unwrap();
    thread.iter().map(|message| message.content.plain().to_owned()).collect()
}

async fn last(stage: &Stage) -> Message {
    stage.thread("ann").await.unwrap().pop().unwrap()
}

fn line(stage: &Stage) -> MemoryChannel {
    stage.provider().channel(stage.channel())
}

fn left(stage: &Stage) -> Vec<String> {
    line(stage).sent().iter().map(|sent| sent.content.plain().to_owned()).collect()
}

async fn dropped(stage: &Stage) -> Vec<String> {
    let store = stage.engine().store();
    let page = store.events(stage.business(), &PageRequest::first(200)).await.unwrap();
    let reason = |event: Event| match event.body {
        EventBody::MessageDropped { channel_id, reason, provider_ref } => {
            assert!(channel_id == stage.channel() && !provider_ref.is_empty());
            Some(reason)
        }
        _ => None,
    };
    page.items.into_iter().filter_map(reason).collect()
}

#[tokio::test]
async fn what_comes_in_is_changed_before_anybody_sees_it() {
    let (stage, _) = stage(&[("secret 1234", change("secret ****"))]).await;
    stage.say("ann", "secret 1234").await.unwrap();
    assert_eq!(texts(&stage).await, ["secret ****", "1 secret ****"]);
    assert_eq!(dropped(&stage).await, [""; 0]);
}

#[tokio::test]
async fn what_is_dropped_leaves_an_event_and_nothing_else() {
    let (stage, _) = stage(&[("spam", Verdict::drop("unwanted"))]).await;
    stage.say("ann", "spam").await.unwrap();
    assert!(stage.conversation("ann").await.unwrap().is_none());
    assert_eq!(dropped(&stage).await, ["unwanted"]);
    assert_eq!(line(&stage).tries(), 0);
    stage.say("ann", "hello").await.unwrap();
    assert_eq!(texts(&stage).await, ["hello", "1 hello"]);
}

#[tokio::test]
async fn consent_is_what_the_contact_wrote() {
    let forged = change("START");
    let rules = [
        ("stop", Verdict::drop("no")),
        ("hello", forged),
        ("START", change("nothing")),
        ("x", change("STOP")),
    ];
    let (stage, hook) = stage(&rules).await;
    stage.say("ann", "stop").await.unwrap();
    let contact = async || {
        let conversation = stage.conversation("ann").await.unwrap().unwrap();
        let store = stage.engine().store();
        store.contact(stage.business(), conversation.contact_id).await.unwrap()
    };
    let kind = crate::model::ChannelKind::MEMORY;
    assert!(contact().await.opted_out.contains(&kind), "no hook hides a stop");
    stage.say("ann", "hello").await.unwrap();
    assert!(contact().await.opted_out.contains(&kind), "and none speaks for the contact");
    assert!(texts(&stage).await.contains(&"hello".to_owned()));
    stage.say("ann", "START").await.unwrap();
    assert!(!contact().await.opted_out.contains(&kind));
    stage.say("ann", "x").await.unwrap();
    assert!(!contact().await.opted_out.contains(&kind));
    let shown = hook.shown();
    assert!(!shown.contains(&"stop".to_owned()) && !shown.contains(&"START".to_owned()));
}

#[tokio::test]
async fn what_leaves_is_what_the_thread_shows() {
    let (stage, _) = stage(&[("1 hello", change("1 hello, kindly"))]).await;
    stage.say("ann", "hello").await.unwrap();
    assert_eq!(left(&stage), ["1 hello, kindly"]);
    assert_eq!(texts(&stage).await, ["hello", "1 hello, kindly"]);
    assert_eq!(last(&stage).await.status, DeliveryStatus::Sent);
}

#[tokio::test]
async fn each_try_is_asked_about_the_original() {
    let (stage, hook) = stage(&[("1 hello", change("1 hello!"))]).await;
    line(&stage).script(MemoryAnswer::Refuse(crate::port::SendError::Retry {
        after: None,
        detail: "busy".to_owned(),
    }));
    stage.say("ann", "hello").await.unwrap();
    assert_eq!(texts(&stage).await, ["hello", "1 hello"], "nothing left yet");
    stage.advance(SignedDuration::from_mins(10)).await.unwrap();
    assert_eq!(texts(&stage).await, ["hello", "1 hello!"], "changed once");
    assert_eq!(hook.shown(), ["hello", "1 hello", "1 hello"]);
}

#[tokio::test]
async fn a_drop_ends_the_message_and_the_next_one_leaves() {
    let (stage, _) = stage(&[("1 hello", Verdict::drop(&"no ".repeat(200)))]).await;
    stage.say("ann", "hello").await.unwrap();
    let failure = last(&stage).await.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::DroppedByHook);
    assert_eq!(json!(failure.kind), "dropped_by_hook");
    assert_eq!(failure.detail.chars().count(), crate::port::HOOK_REASON_MAX_CHARS);
    stage.say("ann", "again").await.unwrap();
    assert_eq!(left(&stage), ["2 again"]);
}

#[tokio::test]
async fn a_change_is_held_to_what_every_message_is_held_to() {
    let long = "word ".repeat(4_000);
    let (stage, _) = stage(&[("1 a", change(&long)), ("2 b", change(""))]).await;
    stage.say("ann", "a").await.unwrap();
    assert_eq!(last(&stage).await.failure.unwrap().kind, FailureKind::Rejected);
    stage.say("ann", "b").await.unwrap();
    stage.say("ann", "c").await.unwrap();
    assert_eq!(left(&stage).last().unwrap(), "3 c");
}

#[tokio::test]
async fn without_a_hook_of_the_business_nobody_is_asked() {
    let (stage, hook) = stage(&[]).await;
    hook.rule(BusinessId::from_uuid(uuid::Uuid::nil()), "hello", Verdict::drop("theirs"));
    stage.say("ann", "hello").await.unwrap();
    assert_eq!(texts(&stage).await, ["hello", "1 hello"]);
    assert_eq!(hook.shown(), [""; 0]);
}

/// A hook that never answers in one of the directions.
#[derive(Debug)]
struct Silent {
    on: &'static str,
}

#[async_trait]
impl MessageHook for Silent {
    fn is_set(&self, _: BusinessId) -> bool {
        true
    }

    async fn after_receive(&self, _: &HookContext, message: &InboundMessage) -> Verdict {
        if message.content.plain() == self.on {
            std::future::pending::<()>().await;
        }
        Verdict::Pass
    }

    async fn before_send(&self, _: &HookContext, message: &Message, _: &Contact) -> Verdict {
        if message.content.plain() == self.on {
            std::future::pending::<()>().await;
        }
        Verdict::Pass
    }
}

async fn with_silent(on: &'static str) -> Stage {
    let config = EngineConfig { hook_wait: Duration::from_millis(5), ..EngineConfig::default() };
    let builder = Stage::builder(Arc::new(Puppet)).hook(Arc::new(Silent { on })).config(config);
    builder.open(&[json!({})]).await.unwrap()
}

#[tokio::test]
async fn a_message_that_gets_no_answer_is_taken_when_it_comes_again() {
    let stage = with_silent("hello").await;
    let error = stage.say("ann", "hello").await.unwrap_err();
    assert!(matches!(error, crate::stage::StageError::Engine(EngineError::Overloaded)), "{error}");
    assert!(stage.conversation("ann").await.unwrap().is_none(), "nothing was stored");
    stage.say("ann", "hi").await.unwrap();
    assert_eq!(texts(&stage).await, ["hi", "1 hi"]);
}

#[tokio::test]
async fn what_cannot_be_judged_now_comes_again_and_is_not_lost() {
    let (stage, hook) = stage(&[("hello", Verdict::Later), ("1 hi", Verdict::Later)]).await;
    let error = stage.say("ann", "hello").await.unwrap_err();
    assert!(matches!(error, crate::stage::StageError::Engine(EngineError::Overloaded)), "{error}");
    assert!(stage.conversation("ann").await.unwrap().is_none(), "nothing was stored");
    assert_eq!(dropped(&stage).await, [""; 0]);
    stage.say("ann", "hi").await.unwrap();
    assert_eq!((last(&stage).await.status, left(&stage)), (DeliveryStatus::Queued, Vec::new()));
    hook.rule(stage.business(), "1 hi", Verdict::Pass);
    stage.advance(SignedDuration::from_hours(1)).await.unwrap();
    assert_eq!(left(&stage), ["1 hi"]);
}

#[tokio::test]
async fn a_send_that_gets_no_answer_is_tried_again_and_given_up() {
    let stage = with_silent("1 hello").await;
    stage.say("ann", "hello").await.unwrap();
    assert_eq!(last(&stage).await.status, DeliveryStatus::Queued);
    stage.advance(SignedDuration::from_hours(24 * i64::from(ATTEMPTS_MAX))).await.unwrap();
    assert_eq!(last(&stage).await.failure.unwrap().kind, FailureKind::Exhausted);
    assert_eq!(line(&stage).tries(), 0, "no message left without an answer");
}

#[tokio::test]
async fn text_made_of_a_template_needs_the_window() {
    let capabilities = MemoryProvider::new().channel(ChannelId::from_uuid(uuid::Uuid::nil()));
    let capabilities = Capabilities { service_window: true, ..capabilities.capabilities().clone() };
    let hook = Arc::new(MemoryHook::new());
    let builder = Stage::builder(Arc::new(Puppet)).capabilities(capabilities);
    let stage = builder.hook(Arc::clone(&hook) as _).open(&[json!({})]).await.unwrap();
    stage.say("ann", "ignored").await.unwrap();
    hook.rule(stage.business(), "greeting", change("just text"));
    stage.advance(SignedDuration::from_hours(48)).await.unwrap();
    let conversation = stage.conversation("ann").await.unwrap().unwrap().id;
    for (name, kind) in [("greeting", Some(FailureKind::WindowClosed)), ("other", None)] {
        let template = TemplateContent {
            name: name.to_owned(),
            language: "en".to_owned(),
            parameters: Vec::new(),
            components: Vec::new(),
        };
        let message = SendMessage {
            author: Author::System,
            content: Content::Template(template),
            direction: Direction::Outbound,
            reply_to: None,
        };
        stage.engine().send(stage.business(), conversation, message).await.unwrap();
        stage.engine().settle().await.unwrap();
        assert_eq!(last(&stage).await.failure.map(|failure| failure.kind), kind, "{name}");
    }
}
