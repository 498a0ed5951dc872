use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::{EngineError, JustPing};
use crate::model::{Call, CallId, CallResult, ConversationId, Event, EventBody};
use crate::port::store::{CallClaim, CallFinish};
use crate::port::{CallScope, DeltaSink, PerformContext};

/// Claims after which a call is given up: whoever takes it dies of it.
const CALL_CLAIMS_MAX: u32 = 3;
/// Parts of an answer that may wait for the bus; more are dropped, the whole answer comes anyway.
const DELTAS_MAX: usize = 256;

impl JustPing {
    /// Leases calls that nobody performs, at most `limit`.
    pub(super) async fn claim_calls(&self, limit: u32) -> Result<Vec<CallClaim>, EngineError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
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
        let running = self.inner.running.start(call.conversation_id, call.id);
        let cx =
            PerformContext { scope: CallScope::from(call), on_delta: &sink, correspondence: self };
        let result = tokio::select! {
            // First of all, so that stopped work does not say one more word.
            biased;
            () = running.stopped() => error("cancelled", "nobody waits for it any more"),
            result = program.perform(&call.request, &cx) => result,
            () = tokio::time::sleep(patience) => error("timeout", "the work took too long"),
        };
        drop((sink, running));
        // Every part is out before the answer can be.
        if let Err(join) = forward.await {
            tracing::warn!(%join, "parts of an answer were lost");
        }
        result
    }
}

/// The calls this process performs, so that they can be stopped when nobody waits for them: work
/// that goes on would be paid for, hold a place, and speak to a contact whom a person took over.
#[derive(Debug, Default)]
pub(super) struct Running {
    calls: Mutex<RunningCalls>,
}

/// The calls of each conversation, with what stops them.
type RunningCalls = HashMap<ConversationId, Vec<(CallId, Arc<Notify>)>>;

/// A call under way; ends with its drop.
#[derive(Debug)]
struct RunningCall<'a> {
    running: &'a Running,
    conversation: ConversationId,
    call: CallId,
    stop: Arc<Notify>,
}

impl Running {
    fn start(&self, conversation: ConversationId, call: CallId) -> RunningCall<'_> {
        let stop = Arc::new(Notify::new());
        self.lock().entry(conversation).or_default().push((call, Arc::clone(&stop)));
        RunningCall { running: self, conversation, call, stop }
    }

    /// Stops whatever is performed for a conversation but `fresh` calls, which may have begun since.
    pub(super) fn stop(&self, conversation: ConversationId, fresh: &[Call]) {
        for (id, stop) in self.lock().get(&conversation).into_iter().flatten() {
            if !fresh.iter().any(|call| call.id == *id) {
                stop.notify_one();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, RunningCalls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningCall<'_> {
    async fn stopped(&self) {
        self.stop.notified().await;
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        let mut calls = self.running.lock();
        if let Some(own) = calls.get_mut(&self.conversation) {
            own.retain(|(call, _)| *call != self.call);
            if own.is_empty() {
                calls.remove(&self.conversation);
            }
        }
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
