use tokio::sync::mpsc;

use super::{EngineError, JustPing};
use crate::model::{Call, CallResult, Event, EventBody};
use crate::port::DeltaSink;
use crate::port::store::{CallClaim, CallFinish};

/// Claims after which a call is given up: whoever takes it dies of it.
const CALL_CLAIMS_MAX: u32 = 3;
/// Parts of an answer that may wait for the bus; more are dropped, the whole answer comes anyway.
const DELTAS_MAX: usize = 256;

impl JustPing {
    /// Leases calls that nobody performs, at most `limit`.
    pub(super) async fn claim_calls(&self, limit: u32) -> Result<Vec<CallClaim>, EngineError> {
        let options = self.claim(self.inner.config.call_lease, limit);
        Ok(self.inner.store.claim_calls(&options).await?)
    }

    /// Performs one call and puts its result into the conversation's mailbox.
    pub(super) async fn perform(&self, claim: CallClaim) -> Result<(), EngineError> {
        let result = if claim.call.attempts >= CALL_CLAIMS_MAX {
            error("abandoned", "the work was given up after several workers died of it")
        } else {
            self.work_on(&claim.call).await
        };
        let (business_id, call_id) = (claim.call.business_id, claim.call.id);
        let finish = CallFinish { business_id, call_id, fence: claim.fence, result };
        self.inner.store.finish_calls(vec![finish]).await?;
        self.inner.wake.turns.notify_one();
        Ok(())
    }

    async fn work_on(&self, call: &Call) -> CallResult {
        let program = match self.inner.programs.get(call.business_id, call.flow_version_id).await {
            Ok(Ok(program)) => program,
            Ok(Err(reason)) => return error("no_program", &reason),
            Err(unavailable) => return error("unavailable", &unavailable.to_string()),
        };
        let (parts, mut heard) = mpsc::channel::<String>(DELTAS_MAX);
        let sink = Deltas { parts };
        let engine = self.clone();
        let (business_id, conversation_id) = (call.business_id, Some(call.conversation_id));
        let forward = tokio::spawn(async move {
            while let Some(text) = heard.recv().await {
                let body = EventBody::MessageDelta { text };
                let at = engine.inner.clock.now();
                engine
                    .inner
                    .bus
                    .publish(vec![Event { business_id, conversation_id, at, body }])
                    .await;
            }
        });
        let patience = self.inner.config.call_lease * 3 / 4;
        let result = tokio::time::timeout(patience, program.perform(&call.request, &sink)).await;
        drop(sink);
        // Every part is out before the answer can be.
        if let Err(join) = forward.await {
            tracing::warn!(%join, "parts of an answer were lost");
        }
        result.unwrap_or_else(|_| error("timeout", "the work took too long"))
    }
}

/// Hands parts of an answer to the bus without ever waiting for it.
#[derive(Debug)]
struct Deltas {
    parts: mpsc::Sender<String>,
}

impl DeltaSink for Deltas {
    fn delta(&self, text: &str) {
        let _ = self.parts.try_send(text.to_owned());
    }
}

fn error(code: &str, detail: &str) -> CallResult {
    CallResult::Error { code: code.to_owned(), detail: detail.to_owned() }
}
