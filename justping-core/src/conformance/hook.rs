//! The contract of [`MessageHook`]: run it with [`hook_conformance!`](crate::hook_conformance).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::fixture::{at, identity};
use crate::model::{
    Author, BusinessId, Contact, ContactId, Content, ConversationId, DeliveryStatus, Direction,
    InboundMessage, MediaKind, MediaSource, Message, MessageId, TemplateContent, Timeline,
};
use crate::port::{HOOK_REASON_MAX_CHARS, HookContext, MessageHook, Verdict};

/// A hook under test, with what it makes of a few messages, whichever way they go.
pub struct HookSubject {
    /// The hook.
    pub hook: Arc<dyn MessageHook>,
    /// For whom it is asked.
    pub context: HookContext,
    /// What it lets pass.
    pub passes: Content,
    /// What it changes, and into what.
    pub changes: (Content, Content),
    /// What it drops.
    pub drops: Content,
    /// A business that has no hook.
    pub stranger: BusinessId,
    /// What has to stay alive while the checks run.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for HookSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookSubject").field("hook", &self.hook).finish_non_exhaustive()
    }
}

impl HookSubject {
    /// Asks about content, as it comes in and as it leaves.
    async fn ask(&self, context: &HookContext, content: &Content) -> [Verdict; 2] {
        let inbound = InboundMessage {
            provider_ref: "m1".to_owned(),
            from: vec![identity("ann")],
            name: Some("Ann".to_owned()),
            content: content.clone(),
            reply_to: None,
            sent_at: Some(at(0)),
        };
        let business = context.business_id;
        let message = Message {
            id: MessageId::from_uuid(Uuid::from_u128(1)),
            business_id: business,
            conversation_id: ConversationId::from_uuid(Uuid::from_u128(2)),
            seq: 1,
            direction: Direction::Outbound,
            author: Author::System,
            content: content.clone(),
            status: DeliveryStatus::Queued,
            timeline: Timeline::default(),
            failure: None,
            provider_ref: None,
            reply_to: None,
            created_at: at(0),
        };
        let contact = Contact::new(ContactId::from_uuid(Uuid::from_u128(3)), business, at(0));
        [
            self.hook.after_receive(context, &inbound).await,
            self.hook.before_send(context, &message, &contact).await,
        ]
    }
}

/// What is fine passes.
pub async fn what_is_fine_passes(subject: &HookSubject) {
    assert!(subject.hook.is_set(subject.context.business_id));
    let verdicts = subject.ask(&subject.context, &subject.passes).await;
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Pass]);
}

/// A change says what the message is to say.
pub async fn a_change_is_all_of_the_content(subject: &HookSubject) {
    let (from, to) = &subject.changes;
    let change = Verdict::Change(to.clone());
    assert_eq!(subject.ask(&subject.context, from).await, [change.clone(), change]);
}

/// A drop gives a reason that people can read, and that is not too long.
pub async fn a_drop_has_a_reason(subject: &HookSubject) {
    for verdict in subject.ask(&subject.context, &subject.drops).await {
        let Verdict::Drop { reason } = verdict else { panic!("expected a drop: {verdict:?}") };
        assert!((1..=HOOK_REASON_MAX_CHARS).contains(&reason.chars().count()), "{reason}");
    }
}

/// The same message is judged alike, however often it is shown and whatever came in between.
pub async fn the_same_is_judged_alike(subject: &HookSubject) {
    let contents = [&subject.passes, &subject.changes.0, &subject.drops];
    let mut first = Vec::new();
    for content in contents {
        first.push(subject.ask(&subject.context, content).await);
    }
    for (content, verdicts) in contents.iter().zip(&first).rev() {
        assert_eq!(subject.ask(&subject.context, content).await, *verdicts);
    }
}

/// Messages that are looked at together do not get in each other's way.
pub async fn messages_at_once_are_kept_apart(subject: &HookSubject) {
    let (context, to) = (&subject.context, &subject.changes.1);
    for _ in 0..8 {
        let (passed, changed, dropped) = tokio::join!(
            subject.ask(context, &subject.passes),
            subject.ask(context, &subject.changes.0),
            subject.ask(context, &subject.drops),
        );
        assert_eq!(passed, [Verdict::Pass, Verdict::Pass]);
        assert_eq!(changed[0], Verdict::Change(to.clone()));
        assert!(matches!(dropped, [Verdict::Drop { .. }, Verdict::Drop { .. }]));
    }
}

/// What one business set up says nothing about the messages of another.
pub async fn other_businesses_are_left_alone(subject: &HookSubject) {
    assert!(!subject.hook.is_set(subject.stranger));
    let context = HookContext { business_id: subject.stranger, ..subject.context.clone() };
    for content in [&subject.passes, &subject.changes.0, &subject.drops] {
        assert_eq!(subject.ask(&context, content).await, [Verdict::Pass, Verdict::Pass]);
    }
}

/// Whatever a message is, there is an answer.
pub async fn any_content_has_a_verdict(subject: &HookSubject) {
    let template = TemplateContent {
        name: "hello".to_owned(),
        language: "en".to_owned(),
        parameters: Vec::new(),
        components: Vec::new(),
    };
    let media = Content::Media {
        kind: MediaKind::Image,
        source: MediaSource::Url("https://example.com/a.png".to_owned()),
        caption: None,
        filename: None,
        mime: None,
    };
    let odd = Content::Location { latitude: 90.0, longitude: -180.0, name: None, address: None };
    for content in [
        Content::text(""),
        Content::text("\u{0}\u{202e}\u{1f600}"),
        Content::text("x".repeat(64 * 1024)),
        Content::Template(template),
        Content::Contacts { contacts: vec![json!({"name": null})] },
        Content::Unsupported { kind: "odd".to_owned(), raw: json!([{"a": [1, 2.5]}]) },
        media,
        odd,
    ] {
        for verdict in subject.ask(&subject.context, &content).await {
            if let Verdict::Drop { reason } = verdict {
                assert!(reason.chars().count() <= HOOK_REASON_MAX_CHARS);
            }
        }
    }
}

/// How many checks there are.
pub const CHECKS: usize = 7;

/// Turns the contract of hooks into tests, one for each check.
///
/// The factory is an async function or closure without arguments that gives a [`HookSubject`].
#[macro_export]
macro_rules! hook_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { hook, $factory, subject => &subject, [
            what_is_fine_passes
            a_change_is_all_of_the_content
            a_drop_has_a_reason
            the_same_is_judged_alike
            messages_at_once_are_kept_apart
            other_businesses_are_left_alone
            any_content_has_a_verdict
        ] }
    };
}
