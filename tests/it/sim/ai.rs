use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use justping::memory::{AiReply, ScriptedAi};
use justping::port::{AiError, AiProvider, ChatReply, ChatRequest, Embedded, OnDelta};

use super::gate::Life;
use super::plan::ModelFault;
use super::world::World;

/// The scripted model as one process reaches it: late, silent or unwilling when the seed says so.
pub(super) struct SimModel {
    world: Arc<World>,
    life: Life,
    script: ScriptedAi,
}

impl fmt::Debug for SimModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimModel").field("life", &self.life).finish_non_exhaustive()
    }
}

impl SimModel {
    pub(super) fn of(world: &Arc<World>, life: &Life) -> Self {
        let script = ScriptedAi::new();
        script.otherwise(AiReply::text("I am the model."));
        Self { world: Arc::clone(world), life: life.clone(), script }
    }
}

#[async_trait]
impl AiProvider for SimModel {
    async fn chat(
        &self,
        request: &ChatRequest,
        on_delta: &mut OnDelta<'_>,
    ) -> Result<ChatReply, AiError> {
        let luck = self.world.gates.wait(&self.life, "model").await;
        let fault = self.world.plan().model_fault(&luck);
        self.world.log(format_args!("p{} model: {fault:?}", self.life.number));
        match fault {
            ModelFault::None => {}
            ModelFault::Late => self.world.gates.pass(&self.life, "late model").await,
            ModelFault::Silent => return std::future::pending().await,
            ModelFault::Refused(error) => return Err(error),
        }
        self.script.chat(request, on_delta).await
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Embedded, AiError> {
        self.script.embed(model, texts).await
    }
}
