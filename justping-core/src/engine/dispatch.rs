use std::time::Duration;

use super::mail::Handed;
use super::places::Placed;
use super::registry::OpenChannel;
use super::{EngineError, JustPing};
use crate::model::{
    BusinessId, ChannelKind, Contact, ContactId, ContactPatch, Content, Event, EventBody, Failure,
    FailureKind, Identity, Origin, OutboxState, Timestamp, UnknownPolicy,
};
use crate::policy::{self, ATTEMPTS_MAX, Decision, SendFacts, retry_delay};
use crate::port::store::{SendClaim, SendOutcome, SendRecord};
use crate::port::{ClockExt, EventBus, Grant, Outbound, SendError, Store, StoreError};

/// Records results and tells the listeners which messages moved.
pub(super) async fn record(
    store: &dyn Store,
    bus: &dyn EventBus,
    rows: Vec<SendRecord>,
) -> Result<Vec<()>, StoreError> {
    let count = rows.len();
    let at = rows.first().map_or(Timestamp::UNIX_EPOCH, |row| row.now);
    let changed = store.record_sends(rows).await?;
    let events: Vec<Event> = changed
        .iter()
        .map(|message| Event {
            business_id: message.business_id,
            conversation_id: Some(message.conversation_id),
            at,
            body: EventBody::MessageStatus {
                message_id: message.id,
                seq: message.seq,
                status: message.status,
            },
        })
        .collect();
    if !events.is_empty() {
        bus.publish(events).await;
    }
    Ok(vec![(); count])
}

impl JustPing {
    /// Leases sends that are due, at most `limit`, as far as there are places for them.
    pub(super) async fn claim_sends(&self, limit: u32) -> Result<Vec<Placed>, EngineError> {
        let (free, quota) = self.inner.places.quota(&self.inner.config);
        let limit = limit.min(free);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let options = self.claim(self.inner.config.send_lease, limit);
        let unknown_until = self.later(self.inner.config.unknown_wait);
        let claims = self.inner.store.claim_outbox(&options, &quota, unknown_until).await?;
        Ok(self.inner.places.take(claims))
    }

    /// Carries one send to its end for now, and records it.
    pub(super) async fn dispatch(
        &self,
        placed: Placed,
        deadline: Timestamp,
    ) -> Result<(), EngineError> {
        let row = self.carry(&placed, deadline).await;
        let waits = !matches!(row.outcome, SendOutcome::Sent { .. } | SendOutcome::Failed(_));
        self.keep(row, deadline).await?;
        if waits {
            self.inner.wake.schedule.notify_one();
        }
        Ok(())
    }

    /// Records a result, again and again while the lease holds: a busy store must not turn what is
    /// known into an unknown outcome.
    async fn keep(&self, row: SendRecord, deadline: Timestamp) -> Result<(), EngineError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.inner.results.submit(vec![row.clone()]).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let again = self.later(retry_delay(tries, None, row.seq));
            if again >= deadline {
                return Err(error);
            }
            self.inner.clock.sleep_until(again).await;
        }
    }

    /// Until when a send claimed now must have begun and be recorded: well before its lease ends.
    pub(super) fn send_deadline(&self) -> Timestamp {
        self.later(self.inner.config.send_lease * 3 / 4)
    }

    /// Carries one send to its end for now.
    pub(super) async fn carry(&self, placed: &Placed, deadline: Timestamp) -> SendRecord {
        let claim = &placed.claim;
        SendRecord {
            business_id: claim.row.business_id,
            conversation_id: claim.row.conversation_id,
            seq: claim.row.seq,
            fence: claim.fence,
            outcome: self.attempt(claim, deadline).await,
            now: self.inner.clock.now(),
        }
    }

    async fn attempt(&self, claim: &SendClaim, deadline: Timestamp) -> SendOutcome {
        match self.permit(claim, deadline).await {
            Ok((open, changed, handed)) => self.hand_over(claim, &open, changed, handed).await,
            Err(outcome) if claim.row.state == OutboxState::Unknown => in_doubt(outcome),
            Err(outcome) => outcome,
        }
    }

    /// Everything that may keep a message from leaving now.
    async fn permit(
        &self,
        claim: &SendClaim,
        deadline: Timestamp,
    ) -> Result<(OpenChannel, Option<Content>, Handed), SendOutcome> {
        let row = &claim.row;
        if row.origin == Origin::Bot && row.generation != claim.conversation.generation {
            return Err(superseded());
        }
        let unavailable = |detail: &str| failed(FailureKind::ChannelUnavailable, detail);
        let open = match self.inner.registry.channel(row.business_id, row.channel_id).await {
            Ok(open) if open.config.enabled => open,
            Ok(_) => return Err(unavailable("the channel is disabled")),
            Err(EngineError::Store(StoreError::Unavailable(_))) => {
                return Err(SendOutcome::Defer { due_at: self.later(self.inner.config.poll) });
            }
            Err(error) => return Err(unavailable(&error.to_string())),
        };
        if row.state == OutboxState::Unknown
            && open.config.unknown_policy == UnknownPolicy::AtMostOnce
        {
            return Err(failed(FailureKind::UnknownOutcome, "no status told whether it left"));
        }
        self.may_leave(claim, &open).await?;
        let changed = self.before_send(claim, &open).await?;
        let handed = self.handed(claim, &open, changed.as_ref()).await?;
        self.still_ours(claim, deadline).await?;
        Ok((open, changed, handed))
    }

    /// Asks the policy, the pause and the limiter, in this order.
    async fn may_leave(&self, claim: &SendClaim, open: &OpenChannel) -> Result<(), SendOutcome> {
        let now = self.inner.clock.now();
        let decision = policy::can_send(&SendFacts {
            now,
            contact: &claim.contact,
            conversation: &claim.conversation,
            content: &claim.message.content,
            capabilities: open.adapter.capabilities(),
        });
        match decision {
            Decision::Allow => {}
            Decision::NeedsTemplate => {
                return Err(failed(FailureKind::WindowClosed, "the service window is closed"));
            }
            Decision::DeferUntil(due_at) => return Err(SendOutcome::Defer { due_at }),
            Decision::Deny(kind) => return Err(failed(kind, "the policy forbids it")),
        }
        let (id, limit) = (open.config.id, open.adapter.capabilities().rate);
        let paces = &self.inner.paces;
        let earliest = match paces.paused_until(id, now) {
            Some(until) => until,
            None => {
                match self.inner.limiter.take(&id.to_string(), paces.rate(id, limit, now)).await {
                    Grant::Allowed => return Ok(()),
                    Grant::Wait(wait) => self.later(wait),
                }
            }
        };
        let due_at = paces.reserve(id, claim.row.lane, limit, (now, earliest));
        Err(SendOutcome::Defer { due_at: whole(due_at) })
    }

    /// The last look before it leaves: the lease must still hold, and a bot's message needs its
    /// conversation to be as it was when the bot wrote it. What this read sees is the promise; who
    /// takes over after it finds the message on its way.
    async fn still_ours(&self, claim: &SendClaim, deadline: Timestamp) -> Result<(), SendOutcome> {
        let row = &claim.row;
        if row.origin == Origin::Bot {
            let look = vec![(row.business_id, row.conversation_id)];
            match self.inner.looks.submit(look).await.as_deref() {
                Ok([Some(now)]) if *now == row.generation => {}
                Ok(_) => return Err(superseded()),
                Err(_) => {
                    return Err(SendOutcome::Defer { due_at: self.later(self.inner.config.poll) });
                }
            }
        }
        // Last of all, because the read may have taken long: whoever held the lease next may have
        // given the message up and sent those behind it.
        if self.inner.clock.now() >= deadline {
            return Err(SendOutcome::Defer { due_at: self.later(Duration::ZERO) });
        }
        Ok(())
    }

    async fn hand_over(
        &self,
        claim: &SendClaim,
        open: &OpenChannel,
        changed: Option<Content>,
        handed: Handed,
    ) -> SendOutcome {
        let row = &claim.row;
        let kind = &open.adapter.capabilities().kind;
        let outbound = Outbound {
            to: addresses(&claim.contact, kind),
            content: handed.content,
            reply_to: handed.reply_to,
            idempotency_key: row.idempotency_key(),
        };
        let patience = self.inner.config.send_lease / 2;
        let began = self.inner.clock.now();
        let sent = tokio::time::timeout(patience, open.adapter.send(&outbound)).await;
        let unknown = || SendError::Unknown { detail: "no answer in time".to_owned() };
        match sent.unwrap_or_else(|_| Err(unknown())) {
            Ok(receipt) => {
                let changed = changed.map(Box::new);
                SendOutcome::Sent { provider_ref: receipt.provider_ref, changed }
            }
            Err(error) => self.after_error(claim, open, error, began).await,
        }
    }

    async fn after_error(
        &self,
        claim: &SendClaim,
        open: &OpenChannel,
        error: SendError,
        began: Timestamp,
    ) -> SendOutcome {
        let row = &claim.row;
        tracing::info!(message = %row.message_id, channel = %row.channel_id, %error, "a send failed");
        if let Some(failure) = error.final_failure() {
            let kind = &open.adapter.capabilities().kind;
            self.learn_of(row.business_id, row.contact_id, kind, failure.kind).await;
            return SendOutcome::Failed(failure);
        }
        match error {
            SendError::Unknown { .. } => {
                SendOutcome::Unknown { due_at: self.later(self.inner.config.unknown_wait) }
            }
            // The provider asks the sender to slow down: the message itself is not to blame.
            SendError::RateLimited { after } => {
                let due_at = self.later(retry_delay(1, after, salt(claim)));
                let now = self.inner.clock.now();
                self.inner.paces.refused(open.config.id, began, now, due_at);
                SendOutcome::Defer { due_at }
            }
            SendError::Retry { after, .. } => self.again(claim, after, &error.to_string()),
            _ if row.attempts + 1 >= ATTEMPTS_MAX => {
                failed(FailureKind::Exhausted, &error.to_string())
            }
            _ => failed(FailureKind::Rejected, &error.to_string()),
        }
    }

    /// Another try later, if there is one left.
    pub(super) fn again(
        &self,
        claim: &SendClaim,
        after: Option<Duration>,
        detail: &str,
    ) -> SendOutcome {
        let tries = claim.row.attempts + 1;
        if tries >= ATTEMPTS_MAX {
            return failed(FailureKind::Exhausted, detail);
        }
        SendOutcome::Retry { due_at: self.later(retry_delay(tries, after, salt(claim))) }
    }

    /// Remembers what the provider knows: this contact wants silence, or the mailbox is not there. Who
    /// goes on writing to mailboxes that are not there is soon believed by no mail server.
    pub(super) async fn learn_of(
        &self,
        business: BusinessId,
        contact: ContactId,
        kind: &ChannelKind,
        failure: FailureKind,
    ) {
        let Some(patch) = lesson(kind, failure) else { return };
        let now = self.inner.clock.now();
        if let Err(error) = self.inner.store.patch_contact(business, contact, &patch, now).await {
            tracing::warn!(%contact, %error, "what a provider knows of a contact was not stored");
        }
    }

    /// The moment after a wait, rounded up: moments are whole milliseconds everywhere.
    pub(super) fn later(&self, wait: Duration) -> Timestamp {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        self.inner.clock.after_ms(millis)
    }
}

fn addresses(contact: &Contact, kind: &ChannelKind) -> Vec<Identity> {
    contact.identities.iter().filter(|identity| identity.kind == *kind).cloned().collect()
}

/// Rounded up to whole milliseconds, as every stored moment is.
fn whole(moment: Timestamp) -> Timestamp {
    let millis = moment.as_nanosecond().div_euclid(1_000_000);
    let up = i128::from(moment.as_nanosecond().rem_euclid(1_000_000) != 0);
    let millis = i64::try_from(millis + up).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(moment)
}

/// What becomes of a message that may have left and is not tried again now: as long as it waits it
/// stays in doubt, and when it is given up, nobody knows whether it left.
fn in_doubt(outcome: SendOutcome) -> SendOutcome {
    match outcome {
        SendOutcome::Defer { due_at } => SendOutcome::Unknown { due_at },
        SendOutcome::Failed(failure) => {
            SendOutcome::Failed(Failure { kind: FailureKind::UnknownOutcome, ..failure })
        }
        tried => tried,
    }
}

/// Spreads the tries of different messages.
fn salt(claim: &SendClaim) -> u64 {
    claim.row.seq ^ claim.row.message_id.uuid().as_u64_pair().1
}

fn superseded() -> SendOutcome {
    failed(FailureKind::Superseded, "somebody else took the conversation")
}

fn failed(kind: FailureKind, detail: &str) -> SendOutcome {
    SendOutcome::Failed(Failure { kind, code: None, detail: detail.to_owned() })
}

/// What a failure changes of the contact, if anything.
pub(super) fn lesson(kind: &ChannelKind, failure: FailureKind) -> Option<ContactPatch> {
    let kinds = [kind.clone()].into();
    match failure {
        FailureKind::OptedOut => Some(ContactPatch { opt_out: kinds, ..ContactPatch::default() }),
        FailureKind::InvalidRecipient if *kind == ChannelKind::EMAIL => {
            Some(ContactPatch { suppress: kinds, ..ContactPatch::default() })
        }
        _ => None,
    }
}
