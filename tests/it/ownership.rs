//! Once a person takes a conversation, no stale answer of the bot leaves, in whatever order the
//! person, the model and the contact come.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use justping::agents::Flows;
use justping::engine::SendMessage;
use justping::memory::{AiReply, ScriptedAi};
use justping::model::{
    Author, Content, ConversationChange, DeliveryStatus, Direction, EventBody, MemberId, Message,
    Owner, SessionStatus, Topic,
};
use justping::port::{
    AiError, AiProvider, ChatReply, ChatRequest, Embedded, FinishReason, OnDelta, Usage,
};
use justping::stage::Stage;
use serde_json::json;
use tokio::sync::Notify;

async fn stage() -> (Stage, Arc<ScriptedAi>) {
    let ai = Arc::new(ScriptedAi::new());
    ai.otherwise(AiReply::text("I am the model."));
    (stage_with(Arc::clone(&ai) as _).await, ai)
}

async fn stage_with(ai: Arc<dyn AiProvider>) -> Stage {
    let flow = json!({
        "schema": "justping.flow/1",
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "chat", "type": "ai_reply", "data": {"prompt": "Be brief."}},
        ],
        "edges": [{"id": "1", "source": "start", "target": "chat"}],
    });
    let flows = Flows::new().with_ai(ai);
    Stage::builder(Arc::new(flows)).open(&[flow]).await.unwrap()
}

/// A member writes, and so takes the conversation.
async fn take_over(stage: &Stage) {
    let conversation = stage.conversation("ann").await.unwrap().unwrap();
    let message = SendMessage {
        author: Author::Member(MemberId::from_uuid(stage.engine().ids().uuid())),
        content: Content::text("A person here."),
        direction: Direction::Outbound,
        reply_to: None,
    };
    stage.engine().send(stage.business(), conversation.id, message).await.unwrap();
}

/// What reached the contact, in order.
async fn delivered(stage: &Stage) -> Vec<String> {
    let sent = stage.provider().channel(stage.channel()).sent();
    sent.iter().map(|outbound| outbound.content.plain().to_owned()).collect()
}

fn by_bot(message: &Message) -> bool {
    matches!(message.author, Author::Bot(_))
}

#[tokio::test]
async fn the_model_answers_while_the_bot_owns() {
    let (stage, _) = stage().await;
    stage.say("ann", "hi").await.unwrap();
    stage.say("ann", "who are you?").await.unwrap();
    assert!(delivered(&stage).await.iter().all(|text| text == "I am the model."));
    assert!(!delivered(&stage).await.is_empty());
}

#[tokio::test]
async fn a_take_over_before_the_turn_silences_the_bot() {
    let (stage, ai) = stage().await;
    stage.drop_in("ann", Content::text("hi")).await.unwrap();
    take_over(&stage).await;
    stage.engine().settle().await.unwrap();
    assert_eq!(delivered(&stage).await, ["A person here."]);
    assert!(ai.requests().is_empty());
}

/// A model that says when it was asked and answers when it may.
#[derive(Debug, Default)]
struct SlowModel {
    asked: Notify,
    may_answer: Notify,
}

#[async_trait]
impl AiProvider for SlowModel {
    async fn chat(
        &self,
        _: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        self.asked.notify_one();
        self.may_answer.notified().await;
        on_delta("late");
        Ok(ChatReply {
            text: "late".to_owned(),
            tool_calls: Vec::new(),
            finish: FinishReason::Stop,
            usage: Usage::default(),
            model: None,
        })
    }

    async fn embed(&self, _: &str, _: &[String]) -> Result<Embedded, AiError> {
        Err(AiError::Unauthorized)
    }
}

#[tokio::test]
async fn a_take_over_while_the_model_thinks_discards_its_answer() {
    let model = Arc::new(SlowModel::default());
    let stage = stage_with(Arc::clone(&model) as _).await;
    let mut heard = stage.engine().bus().subscribe(Topic::Business(stage.business()));
    let engine = stage.engine().clone();
    let running = tokio::spawn(async move { engine.run(std::future::pending()).await });
    stage.drop_in("ann", Content::text("hi")).await.unwrap();
    model.asked.notified().await;
    take_over(&stage).await;
    model.may_answer.notify_one();

    // The person's message leaves, the session ends, and nobody hears a word of the model.
    let (mut sent, mut ended) = (0, 0);
    while (sent, ended) != (1, 1) {
        let event = tokio::time::timeout(Duration::from_secs(20), heard.next()).await;
        match &event.unwrap().unwrap().body {
            EventBody::MessageStatus { status: DeliveryStatus::Sent, .. } => sent += 1,
            EventBody::SessionStatus { status, .. } => {
                assert_eq!(*status, SessionStatus::Cancelled);
                ended += 1;
            }
            EventBody::MessageDelta { text } => panic!("the model was heard: {text}"),
            _ => {}
        }
    }
    assert_eq!(delivered(&stage).await, ["A person here."]);
    running.abort();
}

#[tokio::test]
async fn an_answer_recorded_but_not_sent_is_superseded() {
    let (stage, _) = stage().await;
    let channel = stage.provider().channel(stage.channel());
    let busy = justping::port::SendError::Retry { after: None, detail: "busy".to_owned() };
    channel.script(justping::memory::MemoryAnswer::Refuse(busy));
    stage.say("ann", "hi").await.unwrap();
    stage.say("ann", "hello?").await.unwrap();
    take_over(&stage).await;
    stage.advance(SignedDuration::from_hours(1)).await.unwrap();
    assert_eq!(delivered(&stage).await.last().map(String::as_str), Some("A person here."));
    let thread = stage.thread("ann").await.unwrap();
    let left = thread.iter().filter(|m| by_bot(m) && m.status == DeliveryStatus::Sent).count();
    assert_eq!(left, 0, "{thread:?}");
}

#[tokio::test]
async fn the_bot_answers_again_when_it_is_given_the_conversation_back() {
    let (stage, _) = stage().await;
    stage.say("ann", "hi").await.unwrap();
    take_over(&stage).await;
    stage.say("ann", "thanks").await.unwrap();
    let conversation = stage.conversation("ann").await.unwrap().unwrap();
    let bot = ConversationChange::Assign { owner: Owner::Bot };
    stage.engine().change_conversation(stage.business(), conversation.id, &bot).await.unwrap();
    let before = delivered(&stage).await.len();
    stage.say("ann", "still there?").await.unwrap();
    let after = delivered(&stage).await;
    assert_eq!(after.len(), before + 1);
    assert_eq!(after.last().map(String::as_str), Some("I am the model."));
}
