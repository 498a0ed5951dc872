//! The contract of [`AiProvider`]: run it with [`ai_conformance!`](crate::ai_conformance).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::port::{AiProvider, ChatReply, ChatRequest, Embedded, FinishReason};

/// A provider of models under test, with a model behind it that answers.
pub struct AiSubject {
    /// The provider.
    pub provider: Arc<dyn AiProvider>,
    /// A request that is answered with text, in several pieces if it can be.
    pub request: ChatRequest,
    /// A request that is answered with a call of one of its tools.
    pub tool_request: ChatRequest,
    /// A model that turns texts into vectors.
    pub embedding_model: String,
    /// What has to stay alive while the checks run, such as a server.
    pub guard: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for AiSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AiSubject").field("provider", &self.provider).finish_non_exhaustive()
    }
}

async fn ask(subject: &AiSubject, request: &ChatRequest) -> (ChatReply, Vec<String>) {
    let mut deltas = Vec::new();
    let reply = subject.provider.chat(request, &mut |text| deltas.push(text.to_owned())).await;
    (reply.unwrap(), deltas)
}

/// The pieces, joined, are the text.
pub async fn pieces_make_the_text(subject: &AiSubject) {
    let (reply, deltas) = ask(subject, &subject.request).await;
    assert!(!reply.text.is_empty());
    assert_eq!(deltas.concat(), reply.text);
    assert!(deltas.iter().all(|delta| !delta.is_empty()), "an empty piece says nothing");
    assert_eq!((reply.finish, reply.tool_calls), (FinishReason::Stop, Vec::new()));
}

/// A provider answers more than once.
pub async fn provider_answers_again(subject: &AiSubject) {
    for _ in 0..2 {
        assert!(!ask(subject, &subject.request).await.0.text.is_empty());
    }
}

/// Calls of tools come with a name the request gave, arguments of JSON, and their own reason.
pub async fn tools_are_called_by_name(subject: &AiSubject) {
    let (reply, deltas) = ask(subject, &subject.tool_request).await;
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    assert!(!reply.tool_calls.is_empty());
    for call in &reply.tool_calls {
        assert!(subject.tool_request.tools.iter().any(|tool| tool.name == call.name), "{call:?}");
        assert!(!call.id.is_empty());
        serde_json::from_str::<serde_json::Value>(&call.arguments).expect("JSON");
    }
    assert_eq!(deltas.concat(), reply.text);
}

/// Tokens are counted.
pub async fn tokens_are_counted(subject: &AiSubject) {
    let usage = ask(subject, &subject.request).await.0.usage;
    assert!(usage.input_tokens > 0 && usage.output_tokens > 0, "{usage:?}");
    assert!(usage.cached_tokens <= usage.input_tokens, "{usage:?}");
}

/// A request can be given up, and the next one is answered.
pub async fn request_can_be_given_up(subject: &AiSubject) {
    let mut ignore = |_: &str| {};
    tokio::select! {
        biased;
        () = std::future::ready(()) => {}
        reply = subject.provider.chat(&subject.request, &mut ignore) => drop(reply),
    }
    assert!(!ask(subject, &subject.request).await.0.text.is_empty());
}

/// There is one vector for each text, in order, all of one length.
pub async fn texts_become_vectors(subject: &AiSubject) {
    let model = &subject.embedding_model;
    let texts = ["blue", "red", "blue"].map(str::to_owned);
    let Embedded { vectors, input_tokens } = subject.provider.embed(model, &texts).await.unwrap();
    assert!(input_tokens > 0, "tokens are counted");
    assert_eq!(vectors.len(), 3);
    assert!(!vectors[0].is_empty());
    assert!(vectors.iter().all(|vector| vector.len() == vectors[0].len()));
    assert_eq!(subject.provider.embed(model, &[]).await, Ok(Embedded::default()));
}

/// How many checks there are.
pub const CHECKS: usize = 6;

/// Turns the contract of model providers into tests; the factory gives an
/// [`AiSubject`](crate::conformance::AiSubject).
#[macro_export]
macro_rules! ai_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { ai, $factory, subject => &subject, [
            pieces_make_the_text
            provider_answers_again
            tools_are_called_by_name
            tokens_are_counted
            request_can_be_given_up
            texts_become_vectors
        ] }
    };
}
