//! Several providers behind one: the name of a model says whose it is.

use std::sync::Arc;

use async_trait::async_trait;
use justping_core::port::{AiError, AiProvider, ChatReply, ChatRequest, Embedded, OnDelta};

/// Asks the provider that a model's name begins with: `anthropic/claude-sonnet-4-5` asks the one
/// called `anthropic` for `claude-sonnet-4-5`. Other names, and none, go to the first.
#[derive(Debug, Clone)]
pub struct ProviderRoutes {
    first: Arc<dyn AiProvider>,
    others: Vec<(String, Arc<dyn AiProvider>)>,
}

impl ProviderRoutes {
    /// Routes that all lead to one provider.
    pub fn new(first: Arc<dyn AiProvider>) -> Self {
        Self { first, others: Vec::new() }
    }

    /// Adds a provider under a name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, provider: Arc<dyn AiProvider>) -> Self {
        self.others.push((name.into(), provider));
        self
    }

    fn route<'m>(&self, model: Option<&'m str>) -> (&Arc<dyn AiProvider>, Option<&'m str>) {
        let named = model.and_then(|model| model.split_once('/')).and_then(|(name, model)| {
            let found = self.others.iter().find(|(known, _)| known == name);
            found.map(|(_, provider)| (provider, Some(model).filter(|model| !model.is_empty())))
        });
        named.unwrap_or((&self.first, model))
    }
}

#[async_trait]
impl AiProvider for ProviderRoutes {
    fn name(&self) -> &str {
        self.first.name()
    }

    fn models(&self, model: Option<&str>) -> Vec<String> {
        let (provider, model) = self.route(model);
        provider.models(model)
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        let (provider, model) = self.route(request.model.as_deref());
        if model == request.model.as_deref() {
            return provider.chat(request, on_delta).await;
        }
        let request = ChatRequest { model: model.map(str::to_owned), ..request.clone() };
        provider.chat(&request, on_delta).await
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embedded, AiError> {
        let (provider, model) = self.route(Some(model));
        provider.embed(model.unwrap_or_default(), texts).await
    }
}

#[cfg(test)]
mod tests {
    use justping_core::memory::ScriptedAi;

    use super::*;

    #[tokio::test]
    async fn the_name_of_a_model_says_who_is_asked() {
        let (one, two) = (Arc::new(ScriptedAi::new()), Arc::new(ScriptedAi::new()));
        one.otherwise("one");
        two.otherwise("two");
        let routes = ProviderRoutes::new(one.clone()).with("other", two.clone());
        for (model, says, asked) in [
            (None, "one", None),
            (Some("m"), "one", Some("m")),
            (Some("unknown/m"), "one", Some("unknown/m")),
            (Some("other/m"), "two", Some("m")),
            (Some("other/"), "two", None),
        ] {
            let model = model.map(str::to_owned);
            let request = ChatRequest { model: model.clone(), ..ChatRequest::default() };
            assert_eq!(routes.chat(&request, &mut |_| {}).await.unwrap().text, says);
            let ai = if says == "one" { &one } else { &two };
            assert_eq!(ai.requests().last().unwrap().model.as_deref(), asked);
        }
        assert_eq!(routes.models(Some("other/m")), ["m"]);
    }
}
