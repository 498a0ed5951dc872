//! Mails that flows write, on a store in memory and on SQLite: who gets them, and that a repeat is one.

use std::sync::Arc;

use justping::agents::Flows;
use justping::memory::{MemoryProvider, MemoryStore};
use justping::model::{
    Author, CallId, ChannelConfig, ChannelId, ChannelKind, ChannelSecrets, Contact, ContactPatch,
    Content, ConversationStatus, DeliveryStatus, Failure, FailureKind, Identity, Inbound,
    InboundMessage, Mail, OutboxRow, PageRequest, SessionId, StatusUpdate, UnknownPolicy,
};
use justping::port::store::{ConversationFilter, MessageOrder};
use justping::port::{
    CallScope, Correspondence, Letter, LetterError, MAIL_FIELD, Store, StoreError,
};
use justping::stage::Stage;
use justping::store::{MasterKey, SqliteConfig, SqliteStore};
use serde_json::{Value, json};

/// A stage on which Ann said something, and what of her asks for mails.
struct Scene {
    stage: Stage,
    scope: CallScope,
    _folder: Option<tempfile::TempDir>,
}

fn flow() -> Value {
    json!({
        "schema": "justping.flow/1",
        "nodes": [{"id": "start", "type": "trigger"}, {"id": "a", "type": "text", "data": {"text": "ok"}}],
        "edges": [{"id": "1", "source": "start", "target": "a"}]
    })
}

impl Scene {
    async fn on(store: Arc<dyn Store>, folder: Option<tempfile::TempDir>) -> Self {
        let flows = Arc::new(Flows::new());
        let stage = Stage::builder(flows).store(store).open(&[flow()]).await.unwrap();
        stage.say("ann", "hi").await.unwrap();
        let conversation = stage.conversation("ann").await.unwrap().unwrap();
        let ids = stage.engine().ids();
        let scope = CallScope {
            business_id: stage.business(),
            conversation_id: conversation.id,
            session_id: SessionId::from_uuid(ids.uuid()),
            call_id: CallId::from_uuid(ids.uuid()),
        };
        Self { stage, scope, _folder: folder }
    }

    async fn each() -> [Self; 2] {
        let folder = tempfile::tempdir().unwrap();
        let key = MasterKey::load_or_create(folder.path().join("master.key")).unwrap();
        let config = SqliteConfig::new(folder.path().join("justping.db"), key);
        let sqlite = Arc::new(SqliteStore::open(config).await.unwrap());
        let memory = Arc::new(MemoryStore::new());
        [Self::on(memory, None).await, Self::on(sqlite, Some(folder)).await]
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.stage.engine().store()
    }

    /// Ann, as she is known.
    async fn ann(&self) -> Contact {
        let ann = Identity::new(ChannelKind::MEMORY, "ann");
        self.store().contact_by_identity(self.stage.business(), &ann).await.unwrap()
    }

    async fn by_address(&self, address: &str) -> Result<Contact, StoreError> {
        let identity = Identity::new(ChannelKind::EMAIL, address);
        self.store().contact_by_identity(self.stage.business(), &identity).await
    }

    async fn patch(&self, patch: ContactPatch) {
        let (business, id) = (self.stage.business(), self.ann().await.id);
        let now = self.stage.engine().clock().now();
        self.store().patch_contact(business, id, &patch, now).await.unwrap();
    }

    async fn field(&self, address: &str) {
        let fields = [(MAIL_FIELD.to_owned(), json!(address))].into();
        self.patch(ContactPatch { fields, ..ContactPatch::default() }).await;
    }

    /// The same scope with another call.
    fn call(&self) -> CallScope {
        CallScope { call_id: CallId::from_uuid(self.stage.engine().ids().uuid()), ..self.scope }
    }

    async fn write(&self, to: Option<&str>) -> Result<(), LetterError> {
        self.stage.engine().write(&self.call(), &letter(to)).await.map(drop)
    }

    /// What left, by address and text, since the last look.
    async fn left(&self) -> Vec<(String, String)> {
        self.stage.engine().settle().await.unwrap();
        let sent = self.stage.mail().channel(self.stage.mailbox()).sent();
        sent.iter().map(|one| (one.to[0].id.clone(), one.content.plain().to_owned())).collect()
    }

    /// Adds a channel of e-mail.
    async fn add_mailbox(&self) -> ChannelId {
        let known =
            self.store().channel(self.stage.business(), self.stage.mailbox()).await.unwrap();
        let id = ChannelId::from_uuid(self.stage.engine().ids().uuid());
        let secrets = ChannelSecrets::from_iter([(MemoryProvider::SECRET, "stage")]);
        self.store().create_channel(&ChannelConfig { id, ..known }, &secrets).await.unwrap();
        id
    }

    async fn disable(&self, id: ChannelId) {
        let known = self.store().channel(self.stage.business(), id).await.unwrap();
        let off =
            ChannelConfig { enabled: false, unknown_policy: UnknownPolicy::AtMostOnce, ..known };
        self.store().update_channel(&off, None).await.unwrap();
        self.stage.engine().channel_changed(id);
    }
}

fn letter(to: Option<&str>) -> Letter {
    Letter {
        to: to.map(str::to_owned),
        subject: "Hello".to_owned(),
        text: "Hi".to_owned(),
        ..Letter::default()
    }
}

fn gone(address: &str) -> (String, String) {
    (address.to_owned(), "Hi".to_owned())
}

#[tokio::test]
async fn a_letter_goes_to_the_address_in_the_field_by_which_the_contact_is_known_from_then_on() {
    for scene in Scene::each().await {
        assert_eq!(scene.write(None).await, Err(LetterError::NoAddress));
        scene.field("nonsense").await;
        assert_eq!(scene.write(None).await, Err(LetterError::NoAddress));
        scene.field("Ann@EXAMPLE.org").await;
        assert_eq!(scene.write(None).await, Ok(()));
        assert_eq!(scene.left().await, [gone("Ann@example.org")]);
        assert_eq!(scene.by_address("Ann@example.org").await.unwrap().id, scene.ann().await.id);
        // Her own address counts, whatever the field says later.
        scene.field("other@example.org").await;
        assert_eq!(scene.write(Some(" ")).await, Ok(()));
        assert_eq!(scene.left().await, [gone("Ann@example.org"), gone("Ann@example.org")]);
    }
}

#[tokio::test]
async fn a_letter_to_somebody_else_is_in_a_conversation_of_their_own() {
    for scene in Scene::each().await {
        scene.field("ann@example.org").await;
        assert_eq!(scene.write(Some("boss@example.org")).await, Ok(()));
        assert_eq!(scene.left().await, [gone("boss@example.org")]);
        let (boss, ann) = (scene.by_address("boss@example.org").await.unwrap(), scene.ann().await);
        assert_ne!(boss.id, ann.id);
        assert_eq!(ann.address(&ChannelKind::EMAIL), None, "nobody got her another's address");
        // A field that names somebody else's address does not make it hers.
        scene.field("boss@example.org").await;
        assert_eq!(scene.write(None).await, Ok(()));
        assert_eq!(scene.left().await.len(), 2);
        assert_eq!(scene.by_address("boss@example.org").await.unwrap().id, boss.id);
        assert_eq!(scene.write(Some("no address")).await, Err(LetterError::InvalidAddress));
    }
}

#[tokio::test]
async fn a_repeat_after_a_crash_is_one_mail() {
    for scene in Scene::each().await {
        scene.field("ann@example.org").await;
        let engine = scene.stage.engine();
        let words = letter(None);
        let (first, second) =
            tokio::join!(engine.write(&scene.scope, &words), engine.write(&scene.scope, &words));
        let posted = first.unwrap();
        assert_eq!(second, Ok(posted));
        assert_eq!(scene.left().await, [gone("ann@example.org")]);
        assert_eq!(engine.write(&scene.scope, &letter(None)).await, Ok(posted));
        assert_eq!(scene.left().await.len(), 1);
        let page = PageRequest::default();
        let order = MessageOrder::OldestFirst;
        let (business, id) = (scene.stage.business(), posted.conversation_id);
        let thread = scene.store().messages(business, id, order, &page).await.unwrap().items;
        let [message] = thread.as_slice() else { panic!("{thread:?}") };
        assert_eq!((message.id, message.status), (posted.message_id, DeliveryStatus::Sent));
        assert_eq!(message.author, Author::Bot(scene.scope.session_id));
        assert!(message.content.is_automatic());
        let conversation = scene.store().conversation(business, id).await.unwrap();
        assert_eq!(conversation.status, ConversationStatus::Closed, "nobody waits in it");
    }
}

#[tokio::test]
async fn the_channel_is_the_one_that_is_named_or_the_only_one() {
    for scene in Scene::each().await {
        scene.field("ann@example.org").await;
        let named = |channel| Letter { channel: Some(channel), ..letter(None) };
        let second = scene.add_mailbox().await;
        assert_eq!(scene.write(None).await, Err(LetterError::SeveralChannels));
        let engine = scene.stage.engine();
        assert!(engine.write(&scene.call(), &named(second)).await.is_ok());
        let talk = scene.stage.channel();
        let refused = engine.write(&scene.call(), &named(talk)).await;
        assert_eq!(refused, Err(LetterError::NoChannel));
        let missing = ChannelId::from_uuid(engine.ids().uuid());
        assert_eq!(engine.write(&scene.call(), &named(missing)).await, Err(LetterError::NoChannel));
        scene.disable(second).await;
        assert_eq!(engine.write(&scene.call(), &named(second)).await, Err(LetterError::NoChannel));
        assert_eq!(scene.write(None).await, Ok(()));
        scene.disable(scene.stage.mailbox()).await;
        assert_eq!(scene.write(None).await, Err(LetterError::NoChannel));
    }
}

#[tokio::test]
async fn who_asked_for_silence_gets_nothing_and_nothing_is_written() {
    for scene in Scene::each().await {
        scene.field("ann@example.org").await;
        let opt_out = [ChannelKind::EMAIL].into();
        scene.patch(ContactPatch { opt_out, ..ContactPatch::default() }).await;
        assert_eq!(scene.write(None).await, Err(LetterError::Denied(FailureKind::OptedOut)));
        let filter = ConversationFilter {
            channel_id: Some(scene.stage.mailbox()),
            ..ConversationFilter::default()
        };
        let page = PageRequest::default();
        let business = scene.stage.business();
        let found = scene.store().conversations(business, &filter, &page).await.unwrap();
        assert_eq!((found.items, scene.left().await), (vec![], vec![]));
    }
}

/// A mail from an address, as a channel hands it on.
fn mail(reference: &str, address: &str, mail: Mail) -> Inbound {
    Inbound::Message(InboundMessage {
        provider_ref: reference.to_owned(),
        from: vec![Identity::new(ChannelKind::EMAIL, address)],
        name: None,
        content: Content::Email(mail),
        reply_to: None,
        sent_at: None,
    })
}

#[tokio::test]
async fn an_answer_by_mail_is_a_mail_in_its_thread() {
    for scene in Scene::each().await {
        let (engine, business) = (scene.stage.engine(), scene.stage.business());
        let asked = mail("m1@b.example", "bob@b.example", Mail::new("Order 7", "Where is it?"));
        let accepted = engine.receive(business, scene.stage.mailbox(), vec![asked]).await.unwrap();
        let [justping::port::store::Accepted::New { conversation, .. }] = accepted.as_slice()
        else {
            panic!("{accepted:?}")
        };
        let answer = justping::engine::SendMessage {
            author: Author::System,
            content: Content::text("On its way."),
            direction: justping::model::Direction::Outbound,
            reply_to: None,
        };
        engine.send(business, conversation.id, answer).await.unwrap();
        engine.settle().await.unwrap();
        let sent = scene.stage.mail().channel(scene.stage.mailbox()).sent();
        let [outbound] = sent.as_slice() else { panic!("{sent:?}") };
        let Content::Email(mail) = &outbound.content else { panic!("{outbound:?}") };
        assert_eq!((&*mail.subject, &*mail.text), ("Re: Order 7", "On its way."));
        assert_eq!(outbound.reply_to.as_deref(), Some("m1@b.example"));
    }
}

#[tokio::test]
async fn a_dead_mailbox_is_written_to_no_more() {
    for scene in Scene::each().await {
        scene.field("ann@example.org").await;
        let posted = scene.stage.engine().write(&scene.scope, &letter(None)).await.unwrap();
        scene.left().await;
        let news = StatusUpdate {
            provider_ref: "memory-1".to_owned(),
            key: Some(OutboxRow::key(posted.conversation_id, 1)),
            status: DeliveryStatus::Failed,
            at: None,
            failure: Some(Failure {
                kind: FailureKind::InvalidRecipient,
                code: None,
                detail: "no such mailbox".to_owned(),
            }),
        };
        let (engine, business) = (scene.stage.engine(), scene.stage.business());
        engine.receive(business, scene.stage.mailbox(), vec![Inbound::Status(news)]).await.unwrap();
        assert!(scene.ann().await.suppressed.contains(&ChannelKind::EMAIL));
        let denied = Err(LetterError::Denied(FailureKind::InvalidRecipient));
        assert_eq!(scene.write(None).await, denied);
    }
}

#[tokio::test]
async fn what_a_program_wrote_is_shown_and_answered_by_no_bot() {
    let flows = Arc::new(Flows::new());
    let stage = Stage::builder(flows).open(&[flow()]).await.unwrap();
    let hear = |content| stage.hear("ann", content);
    let away = Mail { automatic: true, ..Mail::new("Away", "I am away.") };
    assert_eq!(hear(Content::Email(away)).await.unwrap(), []);
    assert_eq!(stage.thread("ann").await.unwrap().len(), 1);
    assert_eq!(hear(Content::Email(Mail::new("Hi", "Hi"))).await.unwrap().len(), 1);
}
