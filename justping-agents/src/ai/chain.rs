//! A chain of providers: when one does not answer, the next is asked.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use justping_core::model::Timestamp;
use justping_core::port::{AiError, AiProvider, ChatReply, ChatRequest, Clock, Embedded, OnDelta};

/// The longest wait for a whole answer, unless a link says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Failures in a row after which a provider is left alone, unless told otherwise.
const FAILURES: u32 = 3;
/// How long it is left alone, unless told otherwise.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// One provider of a chain.
#[derive(Debug, Clone)]
pub struct ChainLink {
    /// The provider.
    pub provider: Arc<dyn AiProvider>,
    /// The model it is asked for. The first link is asked for the model of the request if that
    /// names one; `None` is the provider's own default.
    pub model: Option<String>,
    /// The longest wait for a whole answer.
    pub timeout: Duration,
}

impl ChainLink {
    /// A provider with its default model.
    pub fn new(provider: Arc<dyn AiProvider>) -> Self {
        Self { provider, model: None, timeout: TIMEOUT }
    }

    /// The same, asked for a model.
    #[must_use]
    pub fn with_model(self, model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..self }
    }
}

/// When a provider of a chain is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainOptions {
    /// After so many failures in a row.
    pub failures: u32,
    /// For so long; then one request tries whether it is back. A provider that names a longer wait
    /// gets it.
    pub cool_down: Duration,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self { failures: FAILURES, cool_down: COOL_DOWN }
    }
}

/// Providers that stand in for each other.
///
/// # Contract
/// The next link is asked only when one is unavailable, limits the rate, or takes too long, and only
/// while nothing of an answer was handed over: an answer that broke in its middle is an error. A
/// link that failed too often is passed over for a while (a circuit breaker). What the request
/// itself is to blame for is told at once.
pub struct ProviderChain {
    links: Vec<Guarded>,
    clock: Arc<dyn Clock>,
    options: ChainOptions,
}

impl fmt::Debug for ProviderChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderChain").field("links", &self.links).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Guarded {
    link: ChainLink,
    breaker: Mutex<Breaker>,
}

/// What is known of a link.
#[derive(Debug, Default)]
struct Breaker {
    /// In a row.
    failures: u32,
    /// Until when it is left alone.
    open_until: Option<Timestamp>,
    /// Whether a request is trying if it is back.
    probed: bool,
}

impl Guarded {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether a request may go there: `Err` with the moment until which it may not.
    fn admit(&self, now: Timestamp) -> Result<Admission<'_>, Timestamp> {
        let mut breaker = self.breaker();
        match breaker.open_until {
            Some(until) if now < until || breaker.probed => Err(until),
            Some(_) => {
                breaker.probed = true;
                Ok(Admission { guarded: self, probes: true })
            }
            None => Ok(Admission { guarded: self, probes: false }),
        }
    }
}

/// A request under way. One that is given up in its middle has told nothing.
struct Admission<'a> {
    guarded: &'a Guarded,
    probes: bool,
}

impl Admission<'_> {
    fn worked(self) {
        *self.guarded.breaker() = Breaker::default();
    }

    fn failed(self, now: Timestamp, wished: Option<Duration>, options: ChainOptions) {
        let mut breaker = self.guarded.breaker();
        breaker.failures = breaker.failures.saturating_add(1);
        if breaker.failures >= options.failures || self.probes || wished.is_some() {
            let wait = wished.unwrap_or_default().max(options.cool_down);
            let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
            breaker.open_until = breaker.open_until.max(Some(until));
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.probes {
            self.guarded.breaker().probed = false;
        }
    }
}

impl ProviderChain {
    /// A chain of links, asked in this order.
    pub fn new(
        links: impl IntoIterator<Item = ChainLink>,
        clock: Arc<dyn Clock>,
        options: ChainOptions,
    ) -> Self {
        let guarded = |link| Guarded { link, breaker: Mutex::default() };
        Self { links: links.into_iter().map(guarded).collect(), clock, options }
    }

    /// The model a link is asked for.
    fn model<'m>(
        &'m self,
        at: usize,
        link: &'m ChainLink,
        asked: Option<&'m str>,
    ) -> Option<&'m str> {
        let own = link.model.as_deref();
        if at == 0 { asked.or(own) } else { own }
    }
}

/// How long a failure that the next link may make good keeps this one away; `None` for others.
fn passes(error: &AiError) -> Option<Option<Duration>> {
    match error {
        AiError::Unavailable { after, .. } | AiError::RateLimited { after } => Some(*after),
        _ => None,
    }
}

#[async_trait]
impl AiProvider for ProviderChain {
    fn name(&self) -> &str {
        self.links.first().map_or("chain", |first| first.link.provider.name())
    }

    fn models(&self, model: Option<&str>) -> Vec<String> {
        let links = self.links.iter().enumerate();
        links
            .flat_map(|(at, guarded)| {
                let link = &guarded.link;
                link.provider.models(self.model(at, link, model))
            })
            .collect()
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        let mut last = None;
        for (at, guarded) in self.links.iter().enumerate() {
            let now = self.clock.now();
            let admission = match guarded.admit(now) {
                Ok(admission) => admission,
                Err(until) => {
                    let after = Duration::try_from(until.duration_since(now)).ok();
                    let detail = "the provider is left alone for a while".to_owned();
                    last = last.or(Some(AiError::Unavailable { after, detail }));
                    continue;
                }
            };
            let link = &guarded.link;
            let model = self.model(at, link, request.model.as_deref()).map(str::to_owned);
            let request = ChatRequest { model, ..request.clone() };
            let mut shown = false;
            let mut show = |text: &str| {
                shown = true;
                on_delta(text);
            };
            let answer = link.provider.chat(&request, &mut show);
            let late =
                || AiError::Unavailable { after: None, detail: "no answer in time".to_owned() };
            let result = tokio::time::timeout(link.timeout, answer).await;
            let error = match result.unwrap_or_else(|_| Err(late())) {
                Ok(reply) => {
                    admission.worked();
                    return Ok(reply);
                }
                Err(error) => error,
            };
            let Some(wished) = passes(&error) else { return Err(error) };
            admission.failed(self.clock.now(), wished, self.options);
            if shown {
                return Err(AiError::Malformed("the answer ended in its middle".to_owned()));
            }
            last = Some(error);
        }
        let none = || AiError::Unavailable { after: None, detail: "no provider".to_owned() };
        Err(last.unwrap_or_else(none))
    }

    /// Asks the first link only: vectors of different models cannot be compared.
    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embedded, AiError> {
        match self.links.first() {
            Some(first) => first.link.provider.embed(model, texts).await,
            None if texts.is_empty() => Ok(Embedded::default()),
            None => Err(AiError::Unavailable { after: None, detail: "no provider".to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use justping_core::conformance::AiSubject;
    use justping_core::memory::{AiReply, ManualClock, ScriptedAi};
    use justping_core::port::{ChatMessage, ChatRole, ToolSpec};

    use super::*;

    fn request() -> ChatRequest {
        let messages = vec![ChatMessage::new(ChatRole::User, "hi")];
        ChatRequest { model: Some("big".to_owned()), messages, ..ChatRequest::default() }
    }

    fn down() -> AiError {
        AiError::Unavailable { after: None, detail: "down".to_owned() }
    }

    struct Stage {
        one: Arc<ScriptedAi>,
        two: Arc<ScriptedAi>,
        clock: Arc<ManualClock>,
        chain: ProviderChain,
    }

    fn stage() -> Stage {
        let (one, two) = (Arc::new(ScriptedAi::new()), Arc::new(ScriptedAi::new()));
        two.otherwise("two");
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let links = [ChainLink::new(one.clone()), ChainLink::new(two.clone()).with_model("small")];
        let chain = ProviderChain::new(links, clock.clone(), ChainOptions::default());
        Stage { one, two, clock, chain }
    }

    impl Stage {
        fn later(&self, time: Duration) {
            self.clock.set(self.clock.now().checked_add(time).unwrap());
        }

        async fn ask(&self) -> Result<String, AiError> {
            let mut text = String::new();
            let reply = self.chain.chat(&request(), &mut |delta| text.push_str(delta)).await?;
            assert_eq!(text, reply.text);
            Ok(reply.text)
        }
    }

    #[tokio::test]
    async fn the_next_is_asked_when_one_does_not_answer() {
        let stage = stage();
        stage.one.then("one").then_fail(down());
        assert_eq!(stage.ask().await.unwrap(), "one");
        assert_eq!(stage.ask().await.unwrap(), "two");
        assert_eq!(stage.one.requests()[1].model.as_deref(), Some("big"));
        assert_eq!(stage.two.requests()[0].model.as_deref(), Some("small"));
        assert_eq!(stage.chain.models(Some("big")), ["big", "small"]);
    }

    #[tokio::test]
    async fn what_the_request_is_to_blame_for_is_told_at_once() {
        for error in [AiError::TooLong, AiError::Unauthorized] {
            let stage = stage();
            stage.one.then_fail(error.clone());
            assert_eq!(stage.ask().await, Err(error));
            assert!(stage.two.requests().is_empty());
        }
    }

    #[tokio::test]
    async fn a_provider_that_fails_again_and_again_is_left_alone_and_tried_again() {
        let stage = stage();
        for _ in 0..FAILURES {
            stage.one.then_fail(down());
        }
        for _ in 0..10 {
            assert_eq!(stage.ask().await.unwrap(), "two");
        }
        assert_eq!(stage.one.requests().len(), FAILURES as usize);
        stage.later(COOL_DOWN);
        stage.one.then_fail(down());
        assert_eq!(stage.ask().await.unwrap(), "two");
        assert_eq!(stage.ask().await.unwrap(), "two");
        assert_eq!(stage.one.requests().len(), FAILURES as usize + 1, "one probe");
        stage.later(COOL_DOWN);
        stage.one.then("one").then("one");
        assert_eq!(stage.ask().await.unwrap(), "one");
        assert_eq!(stage.ask().await.unwrap(), "one");
    }

    #[tokio::test]
    async fn a_provider_gets_the_wait_it_wishes_for() {
        let stage = stage();
        let after = Some(Duration::from_secs(90));
        stage.one.then_fail(AiError::RateLimited { after });
        for _ in 0..3 {
            assert_eq!(stage.ask().await.unwrap(), "two");
        }
        stage.later(Duration::from_secs(89));
        assert_eq!(stage.ask().await.unwrap(), "two");
        assert_eq!(stage.one.requests().len(), 1);
    }

    /// Says a word, then fails.
    #[derive(Debug)]
    struct Breaks;

    #[async_trait]
    impl AiProvider for Breaks {
        async fn chat(
            &self,
            _: &ChatRequest,
            on_delta: &mut OnDelta<'_>,
        ) -> Result<ChatReply, AiError> {
            on_delta("Hel");
            Err(down())
        }

        async fn embed(&self, _: &str, _: &[String]) -> Result<Embedded, AiError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn nothing_is_said_twice() {
        let two = Arc::new(ScriptedAi::new());
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let links = [ChainLink::new(Arc::new(Breaks)), ChainLink::new(two.clone())];
        let chain = ProviderChain::new(links, clock, ChainOptions::default());
        let mut text = String::new();
        let reply = chain.chat(&request(), &mut |delta| text.push_str(delta)).await;
        assert!(matches!(reply, Err(AiError::Malformed(_))), "{reply:?}");
        assert_eq!(text, "Hel");
        assert!(two.requests().is_empty());
    }

    /// Never answers.
    #[derive(Debug)]
    struct Silent;

    #[async_trait]
    impl AiProvider for Silent {
        async fn chat(&self, _: &ChatRequest, _: &mut OnDelta<'_>) -> Result<ChatReply, AiError> {
            std::future::pending().await
        }

        async fn embed(&self, _: &str, _: &[String]) -> Result<Embedded, AiError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_provider_is_given_up_in_time() {
        let two = Arc::new(ScriptedAi::new());
        two.otherwise("two");
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let links = [ChainLink::new(Arc::new(Silent)), ChainLink::new(two)];
        let chain = ProviderChain::new(links, clock, ChainOptions::default());
        let begun = tokio::time::Instant::now();
        assert_eq!(chain.chat(&request(), &mut |_| {}).await.unwrap().text, "two");
        assert_eq!(begun.elapsed(), TIMEOUT);
        let none = ProviderChain::new(
            [],
            Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)),
            ChainOptions::default(),
        );
        assert!(none.chat(&request(), &mut |_| {}).await.is_err());
    }

    mod contract {
        use super::*;

        justping_core::ai_conformance!(async || {
            let ai = ScriptedAi::new();
            ai.on("hello", "hello to you too").on("weather", AiReply::call("weather", "{}"));
            let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
            let links = [ChainLink::new(Arc::new(ai))];
            let ask = |text: &str| ChatRequest {
                messages: vec![ChatMessage::new(ChatRole::User, text)],
                ..ChatRequest::default()
            };
            let tool = ToolSpec {
                name: "weather".to_owned(),
                description: String::new(),
                parameters: serde_json::json!({"type": "object"}),
            };
            AiSubject {
                provider: Arc::new(ProviderChain::new(links, clock, ChainOptions::default())),
                request: ask("hello"),
                tool_request: ChatRequest { tools: vec![tool], ..ask("weather") },
                embedding_model: "any".to_owned(),
                guard: Box::new(()),
            }
        });
    }
}
