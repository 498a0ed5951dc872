//! A burst of messages, a model's answer, a timer and a person who takes over, in every order there
//! is: nothing stale is sent and nothing is lost.
//!
//! The engine works in steps here: the call to the model is claimed and finished by the test, turns
//! and sends are settled where an order says so, and time passes only when it is told.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::SignedDuration;
use justping::agents::Flows;
use justping::engine::{EngineConfig, SendMessage};
use justping::memory::{AiReply, ScriptedAi};
use justping::model::{
    Author, CallResult, ChannelKind, Content, ConversationChange, Direction, Echo, Identity,
    Inbound, MemberId, Owner, Timestamp, WorkerId,
};
use justping::port::store::{CallClaim, CallFinish, ClaimOptions};
use justping::port::{CallScope, Clock, FlowRuntime, PerformContext};
use justping::stage::Stage;
use serde_json::{Value, json};

/// Every node, made once: their schemas are costly.
static FLOWS: LazyLock<Flows> = LazyLock::new(Flows::new);

/// What the model says, once for each time it is asked.
const ANSWER: &str = "the model";

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// The contact writes.
    Message,
    /// Turns are taken and messages leave.
    Work,
    /// A worker takes the call to the model.
    Ask,
    /// The model's answer comes back.
    Answer,
    /// The burst's pause, and more, is over.
    Pause,
    /// A person takes over.
    TakeOver,
}

use Happening::{Answer, Ask, Message, Pause, TakeOver, Work};

/// How a person takes over.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// By the console: a reply.
    Reply,
    /// By the API: an assignment.
    Assign,
    /// Past us: a reply with the provider's app on a phone.
    Echo,
}

/// Every order of these happenings in which the model is asked before it answers.
fn orders(mut left: Vec<Happening>) -> Vec<Vec<Happening>> {
    fn next(left: &mut Vec<Happening>, sofar: &mut Vec<Happening>, out: &mut Vec<Vec<Happening>>) {
        if left.is_empty() {
            out.push(sofar.clone());
        }
        for at in 0..left.len() {
            let one = left[at];
            let early = one == Answer && !sofar.contains(&Ask);
            if early || (at > 0 && left[at - 1] == one) {
                continue;
            }
            left.remove(at);
            sofar.push(one);
            next(left, sofar, out);
            sofar.pop();
            left.insert(at, one);
        }
    }
    left.sort_unstable();
    let mut out = Vec::new();
    next(&mut left, &mut Vec::new(), &mut out);
    out
}

/// A contact talks with a model; what is written quickly is answered once.
fn document() -> Value {
    json!({
        "schema": "justping.flow/1",
        "settings": {"burst": {"quiet_ms": 2000, "max_ms": 5000}},
        "nodes": [
            {"id": "start", "type": "trigger"},
            {"id": "chat", "type": "ai_reply", "data": {"timeout_minutes": 60}},
        ],
        "edges": [{"id": "1", "source": "start", "target": "chat"}],
    })
}

struct Scene {
    stage: Stage,
    ai: Arc<ScriptedAi>,
    program: Arc<dyn justping::port::Program>,
    worker: WorkerId,
    asked: Option<CallClaim>,
    written: usize,
}

impl Scene {
    async fn open() -> Self {
        let ai = Arc::new(ScriptedAi::new());
        ai.otherwise(AiReply::text(ANSWER));
        let flows = Arc::new(FLOWS.clone().with_ai(Arc::clone(&ai) as _));
        let program = flows.compile(&document()).unwrap();
        // Calls are the test's to perform.
        let mut config = EngineConfig::default();
        config.calls_max = 0;
        let stage = Stage::builder(flows).config(config).open(&[document()]).await.unwrap();
        let worker = WorkerId::from_uuid(stage.engine().ids().uuid());
        Self { stage, ai, program, worker, asked: None, written: 0 }
    }

    async fn play(&mut self, happening: Happening, way: Way) {
        match happening {
            Message => {
                self.written += 1;
                let text = format!("message {}", self.written);
                self.stage.drop_in("ann", Content::text(text)).await.unwrap();
            }
            Work => self.work().await,
            Ask => self.ask().await,
            Answer => self.answer().await,
            Pause => {
                let clock = self.stage.clock();
                clock.set(clock.now().checked_add(SignedDuration::from_secs(6)).unwrap());
            }
            TakeOver => self.take_over(way).await,
        }
    }

    async fn work(&self) {
        self.stage.engine().settle().await.unwrap();
    }

    async fn ask(&mut self) {
        let now: Timestamp = self.stage.clock().now();
        let lease_until = now.checked_add(Duration::from_secs(600)).unwrap();
        let options = ClaimOptions { worker: self.worker, now, lease_until, limit: 1 };
        let claims = self.stage.engine().store().claim_calls(&options).await.unwrap();
        self.asked = claims.into_iter().next().or(self.asked.take());
    }

    async fn answer(&mut self) {
        let Some(claim) = self.asked.take() else { return };
        let scope = CallScope {
            business_id: claim.call.business_id,
            conversation_id: claim.call.conversation_id,
            session_id: claim.call.session_id,
            call_id: claim.call.id,
        };
        let cx = PerformContext { scope, on_delta: &Deaf, correspondence: self.stage.engine() };
        let result = self.program.perform(&claim.call.request, &cx).await;
        assert!(matches!(result, CallResult::Ok(_)));
        let (business_id, call_id) = (claim.call.business_id, claim.call.id);
        let finish = CallFinish { business_id, call_id, fence: claim.fence, result };
        self.stage.engine().store().finish_calls(vec![finish]).await.unwrap();
    }

    async fn take_over(&self, way: Way) {
        let Some(conversation) = self.stage.conversation("ann").await.unwrap() else { return };
        let member = MemberId::from_uuid(self.stage.engine().ids().uuid());
        let (engine, business) = (self.stage.engine(), self.stage.business());
        match way {
            Way::Echo => {
                let echo = Echo {
                    provider_ref: "phone-1".to_owned(),
                    to: vec![Identity::new(ChannelKind::MEMORY, "ann")],
                    content: Content::text("a person, on the phone"),
                };
                // Providers repeat themselves.
                let news = vec![Inbound::Echo(echo.clone()), Inbound::Echo(echo)];
                engine.receive(business, self.stage.channel(), news).await.unwrap();
            }
            Way::Reply => {
                let message = SendMessage {
                    author: Author::Member(member),
                    content: Content::text("a person"),
                    direction: Direction::Outbound,
                    reply_to: None,
                };
                engine.send(business, conversation.id, message).await.unwrap();
            }
            Way::Assign => {
                let change = ConversationChange::Assign { owner: Owner::Member(member) };
                engine.change_conversation(business, conversation.id, &change).await.unwrap();
            }
        }
    }

    /// What reached the contact, in order.
    fn delivered(&self) -> Vec<String> {
        let sent = self.stage.provider().channel(self.stage.channel()).sent();
        sent.iter().map(|outbound| outbound.content.plain().to_owned()).collect()
    }

    /// Works, asks and answers until nothing is left to do, however long it takes.
    async fn end(&mut self) {
        for _ in 0..4 {
            self.work().await;
            self.ask().await;
            self.answer().await;
            self.work().await;
            self.play(Pause, Way::Reply).await;
        }
        self.work().await;
    }

    /// What the contact wrote, as the thread has it.
    async fn received(&self) -> usize {
        let thread = self.stage.thread("ann").await.unwrap();
        thread.iter().filter(|message| message.direction == Direction::Inbound).count()
    }
}

/// Hears nothing.
#[derive(Debug)]
struct Deaf;

impl justping::port::DeltaSink for Deaf {
    fn delta(&self, _: &str) {}
}

/// What the model was told in its newest request.
fn told(ai: &ScriptedAi) -> String {
    let requests = ai.requests();
    let last = requests.last().map(|request| &request.messages);
    last.into_iter().flatten().map(|message| format!("{}\n", message.text)).collect()
}

/// Whatever the order: after a person took over the bot says nothing, and given back it answers.
async fn taken_over(happenings: Vec<Happening>, way: Way) -> usize {
    let orders = orders(happenings);
    for order in &orders {
        let mut scene = Scene::open().await;
        let mut before = None;
        for happening in order {
            scene.play(*happening, way).await;
            if *happening == TakeOver && scene.stage.conversation("ann").await.unwrap().is_some() {
                before = Some(scene.delivered().iter().filter(|text| *text == ANSWER).count());
            }
        }
        scene.end().await;
        assert_eq!(scene.received().await, scene.written, "{order:?}");
        let said = scene.delivered().iter().filter(|text| *text == ANSWER).count();
        if let Some(before) = before {
            assert_eq!(said, before, "a stale answer left: {order:?}");
        }
        let stats = scene.stage.engine().store().queue_stats(scene.stage.clock().now()).await;
        assert_eq!(stats.unwrap().mail, 0, "mail is left: {order:?}");
        // Given back, the bot answers the next message, once.
        let conversation = scene.stage.conversation("ann").await.unwrap().unwrap();
        let bot = ConversationChange::Assign { owner: Owner::Bot };
        let (engine, business) = (scene.stage.engine(), scene.stage.business());
        engine.change_conversation(business, conversation.id, &bot).await.unwrap();
        scene.play(Message, way).await;
        scene.end().await;
        let after = scene.delivered().iter().filter(|text| *text == ANSWER).count();
        assert_eq!(after, said + 1, "{order:?}");
        assert!(told(&scene.ai).contains(&format!("message {}", scene.written)), "{order:?}");
    }
    orders.len()
}

#[tokio::test]
async fn no_order_lets_a_stale_answer_through() {
    let happenings = vec![Message, Message, Work, Ask, Answer, Pause, TakeOver];
    for way in [Way::Reply, Way::Assign, Way::Echo] {
        let orders = taken_over(happenings.clone(), way).await;
        println!("{orders} orders, {way:?}");
        assert_eq!(orders, 1_260);
    }
}

/// Whatever the order: every message is in what the model is told last, and whoever wrote last is
/// answered.
#[tokio::test]
async fn no_order_loses_a_message_of_a_burst() {
    let happenings = vec![Message, Message, Message, Work, Work, Ask, Answer, Pause];
    let orders = orders(happenings);
    for order in &orders {
        let mut scene = Scene::open().await;
        for happening in order {
            scene.play(*happening, Way::Reply).await;
        }
        scene.end().await;
        assert_eq!(scene.received().await, 3);
        let told = told(&scene.ai);
        let places: Vec<Option<usize>> =
            (1..=3).map(|number| told.find(&format!("message {number}"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{order:?}: {told}");
        assert_eq!(scene.delivered().last().map(String::as_str), Some(ANSWER), "{order:?}");
        let stats = scene.stage.engine().store().queue_stats(scene.stage.clock().now()).await;
        assert_eq!(stats.unwrap().mail, 0, "{order:?}");
    }
    println!("{} orders", orders.len());
    assert_eq!(orders.len(), 1_680);
}
