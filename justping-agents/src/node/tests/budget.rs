//! Budgets hold whatever happens at once.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::memory::{AiReply, ManualClock, MemoryStore, ScriptedAi};
use justping_core::model::{
    AgentSettings, Business, BusinessCaps, BusinessId, CallId, CallRequest, CallResult, Cap,
    ConversationId, Date, Timestamp,
};
use justping_core::port::store::{BusinessStore, UsageFilter, UsageStore};
use justping_core::port::{
    AiError, AiProvider, CallScope, ChatReply, ChatRequest, Embedded, OnDelta, PerformContext,
    Program, Usage,
};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::Flows;
use crate::ai::{Ledger, Price, Prices};
use crate::play::{Play, document, quiet};

/// Of every model of the tests, in millionths for a million tokens.
const PRICE: Price = Price { input: 2_000_000, output: 8_000_000, cached: None, cache_write: None };

/// Lets others go first for a while, as a model on the network does.
#[derive(Debug)]
struct Thinks(ScriptedAi);

#[async_trait]
impl AiProvider for Thinks {
    fn models(&self, model: Option<&str>) -> Vec<String> {
        self.0.models(model)
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.0.chat(request, on_delta).await
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embedded, AiError> {
        self.0.embed(model, texts).await
    }
}

fn business() -> BusinessId {
    BusinessId::from_uuid(Uuid::nil())
}

fn now() -> Timestamp {
    "2026-01-05T09:00:00Z".parse().unwrap()
}

/// A store with a business, and flows whose model takes so much and whose business may spend so much
/// on a day.
async fn bank(usage: Usage, day: Cap, prices: Prices) -> (Arc<MemoryStore>, Flows) {
    let store = Arc::new(MemoryStore::new());
    let business = Business { id: business(), name: "Acme".to_owned(), created_at: now() };
    store.create_business(&business).await.unwrap();
    let ai = ScriptedAi::new();
    ai.otherwise(AiReply { usage: Some(usage), ..AiReply::text("fine") });
    let ledger = Ledger::new(store.clone(), Arc::new(ManualClock::new(now())))
        .with_prices(prices)
        .with_business_caps(day, Cap::default());
    (store.clone(), Flows::new().with_ai(Arc::new(Thinks(ai))).with_ledger(ledger))
}

fn play(flows: &Flows, settings: AgentSettings) -> Play {
    let nodes = json!([
        ["ai", "ai_reply", {"hand_off": "never", "max_output_tokens": 50, "max_turns": 100}],
        ["b", "text", {"text": "too dear"}], ["oops", "text", {"text": "oops"}]
    ]);
    let edges = json!([["start", "next", "ai"], ["ai", "budget", "b"], ["ai", "error", "oops"]]);
    let mut play = Play::with(flows, &document(nodes, edges));
    play.settings = settings;
    play
}

async fn spent(store: &MemoryStore) -> (u64, u64, u64) {
    let (from, to) = (Date::constant(2026, 1, 1), Date::constant(2026, 1, 31));
    let days = store.usage(business(), &UsageFilter { from, to, agent_id: None }).await.unwrap();
    days.iter().fold((0, 0, 0), |(calls, tokens, micros), day| {
        (calls + day.spend.calls, tokens + day.spend.tokens(), micros + day.spend.micros)
    })
}

fn scripted_prices() -> Prices {
    Prices::none().with("scripted", PRICE).with("small", PRICE)
}

/// Many conversations of one business, each with several messages, all at once.
async fn crowd(flows: &Flows, conversations: u128, messages: u128) -> Vec<CallResult> {
    let mut one = play(flows, AgentSettings::default());
    one.say("hello there");
    let (program, request) = (one.program.clone(), one.call());
    let talk = |conversation: u128, program: Arc<dyn Program>, request: CallRequest| async move {
        let mut results = Vec::new();
        for message in 0..messages {
            let scope = CallScope {
                conversation_id: ConversationId::from_uuid(Uuid::from_u128(conversation + 1)),
                call_id: CallId::from_uuid(Uuid::from_u128(conversation * 1_000 + message)),
                ..quiet().scope
            };
            let cx = PerformContext { scope, ..quiet() };
            results.push(program.perform(&request, &cx).await);
        }
        results
    };
    let mut talks = tokio::task::JoinSet::new();
    for conversation in 0..conversations {
        talks.spawn(talk(conversation, program.clone(), request.clone()));
    }
    talks.join_all().await.into_iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What is spent never exceeds the budget and one answer, in money and in tokens, however many
    /// conversations are answered at once; and a budget that is not reached refuses nobody.
    #[test]
    fn spend_never_exceeds_the_budget_and_one_answer(
        cap in 0_u64..3_000,
        by_money in any::<bool>(),
        conversations in 1_u128..12,
        messages in 1_u128..4,
        input in 0_u64..12,
        output in 0_u64..50,
    ) {
        let usage = Usage { input_tokens: input, output_tokens: output, ..Usage::default() };
        let one = if by_money { PRICE.cost(&usage) } else { input + output };
        let day = if by_money {
            Cap { tokens: None, micros: Some(cap) }
        } else {
            Cap { tokens: Some(cap), micros: None }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (calls, total, results) = runtime.block_on(async {
            let (store, flows) = bank(usage, day, scripted_prices()).await;
            let results = crowd(&flows, conversations, messages).await;
            let (calls, tokens, micros) = spent(&store).await;
            (calls, if by_money { micros } else { tokens }, results)
        });
        prop_assert!(total <= cap + one, "{total} of {cap}");
        let refused = results.iter().filter(|result| {
            matches!(result, CallResult::Error { code, .. } if code == "budget")
        });
        prop_assert_eq!(calls as usize + refused.count(), results.len());
        // The most that all of them can hold: then there is room for everybody.
        let request = 2_000;
        if u128::from(cap) > conversations * messages * request {
            prop_assert_eq!(calls as u128, conversations * messages);
        }
    }
}

#[tokio::test]
async fn a_conversation_that_is_too_dear_leaves_by_its_exit() {
    let usage = Usage { input_tokens: 10, output_tokens: 10, ..Usage::default() };
    let (store, flows) = bank(usage, Cap::default(), scripted_prices()).await;
    let mut settings = AgentSettings::default();
    settings.budget.conversation = Cap { tokens: None, micros: Some(150) };
    let mut play = play(&flows, settings);
    for _ in 0..2 {
        play.say("hi");
        let words = play.perform().await;
        assert!(words[0].contains("\"micros\":100"), "{words:?}");
        assert_eq!(words[1], "fine");
    }
    play.say("hi");
    assert_eq!(play.perform().await, ["too dear"]);
    assert_eq!(spent(&store).await, (2, 40, 200));
    let conversation = quiet().scope.conversation_id;
    let total = store.conversation_usage(business(), conversation).await.unwrap();
    assert_eq!((total.calls, total.micros), (2, 200));
}

#[tokio::test]
async fn money_is_not_limited_by_guessing_what_a_model_costs() {
    let usage = Usage { input_tokens: 10, output_tokens: 10, ..Usage::default() };
    let money = Cap { tokens: None, micros: Some(1_000_000) };
    let (store, flows) = bank(usage, money, Prices::none()).await;
    let mut unpriced = play(&flows, AgentSettings::default());
    unpriced.say("hi");
    assert_eq!(unpriced.perform().await, ["oops"]);
    assert_eq!(spent(&store).await, (0, 0, 0));
    let tokens = Cap { tokens: Some(1_000_000), micros: None };
    let (store, flows) = bank(usage, tokens, Prices::none()).await;
    let mut counted = play(&flows, AgentSettings::default());
    counted.say("hi");
    assert_eq!(counted.perform().await[1], "fine");
    assert_eq!(spent(&store).await, (1, 20, 0));
}

#[tokio::test]
async fn a_business_says_itself_what_may_be_spent() {
    let usage = Usage { input_tokens: 10, output_tokens: 10, ..Usage::default() };
    let tokens = |most: u64| Cap { tokens: Some(most), micros: None };
    let (store, flows) = bank(usage, tokens(1_000_000), scripted_prices()).await;
    let say = async || {
        let mut play = play(&flows, AgentSettings::default());
        play.say("hi");
        play.perform().await.pop().unwrap()
    };
    assert_eq!(say().await, "fine");
    for (caps, heard) in [
        (BusinessCaps { day: tokens(20), ..BusinessCaps::default() }, "too dear"),
        (BusinessCaps { month: tokens(20), ..BusinessCaps::default() }, "too dear"),
        (BusinessCaps { day: tokens(2_000_000), ..BusinessCaps::default() }, "fine"),
    ] {
        store.set_business_caps(business(), &caps).await.unwrap();
        assert_eq!(say().await, heard, "{caps:?}");
    }
}
