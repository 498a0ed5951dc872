//! One channel and what is held by it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use justping_core::model::Timestamp;
use justping_core::port::{
    DeadItem, Delivery, Entropy, ItemLease, Published, QueueItem, QueueLengths, QueueResult,
    RETRY_AFTER_MAX, Settled, share_lanes,
};
use justping_core::system::SystemEntropy;
use lapin::message::Delivery as Message;
use lapin::{Channel, Connection};
use tokio::time::Instant;
use uuid::Uuid;

use super::broker::{self, Broker, Route};
use super::{CLAIM_MAX, away, wire};

/// A connection of its own, with one channel. When it goes, the broker takes back what is held.
pub(super) struct Session {
    broker: Arc<Broker>,
    connection: Connection,
    channel: Channel,
    mark: Uuid,
    held: HashMap<u64, Held>,
    last: u64,
}

struct Held {
    message: Message,
    until: Instant,
}

impl Session {
    pub(super) async fn open(broker: Arc<Broker>) -> QueueResult<Self> {
        let (connection, channel) = broker.open().await?;
        // Leases of an earlier session must not name anything of this one.
        let mut mark = [0; 16];
        SystemEntropy.fill(&mut mark);
        let mark = Uuid::from_bytes(mark);
        Ok(Self { broker, connection, channel, mark, held: HashMap::new(), last: 0 })
    }

    pub(super) fn stands(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Ends the connection and waits until the broker knows.
    #[cfg(test)]
    pub(super) async fn cut(self) {
        drop(self.connection.close(200, "cut".into()).await);
    }

    pub(super) async fn publish(&mut self, items: &[QueueItem]) -> QueueResult<Vec<Published>> {
        for item in items {
            let properties = wire::fresh(item);
            self.broker.publish(&self.channel, Route::Lane(item.lane), item, properties).await?;
        }
        Ok(vec![Published::New; items.len()])
    }

    pub(super) async fn claim(&mut self, limit: u32) -> QueueResult<Vec<Delivery>> {
        self.expire().await?;
        let ready = self.broker.ready(&self.channel).await?;
        let mut claimed = Vec::new();
        for (lane, share) in wire::LANES.into_iter().zip(share_lanes(limit, ready)) {
            for _ in 0..share {
                let next = self.broker.get(&self.channel, Route::Lane(lane)).await?;
                let Some(message) = next else { break };
                claimed.extend(self.hold(message));
            }
        }
        Ok(claimed)
    }

    pub(super) async fn ack(&mut self, leases: &[ItemLease]) -> QueueResult<Vec<Settled>> {
        let mut settled = Vec::with_capacity(leases.len());
        for lease in leases {
            settled.push(match self.let_go(lease) {
                Some((message, _)) => {
                    broker::done(&message).await.map_err(away)?;
                    Settled::Done
                }
                None => Settled::Stale,
            });
        }
        Ok(settled)
    }

    pub(super) async fn retry(
        &mut self,
        lease: &ItemLease,
        after: Duration,
    ) -> QueueResult<Settled> {
        let Some((message, item)) = self.let_go(lease) else { return Ok(Settled::Stale) };
        let properties = wire::again(&item, wire::attempts(&message) + 1);
        let after = after.min(RETRY_AFTER_MAX);
        let route = self.broker.delay(&self.channel, item.lane, after).await?;
        self.broker.publish(&self.channel, route, &item, properties).await?;
        broker::done(&message).await.map_err(away)?;
        Ok(Settled::Done)
    }

    pub(super) async fn bury(
        &mut self,
        lease: &ItemLease,
        reason: &str,
        now: Timestamp,
    ) -> QueueResult<Settled> {
        let Some((message, item)) = self.let_go(lease) else { return Ok(Settled::Stale) };
        let properties = wire::dead_of(&item, reason, now);
        self.broker.publish(&self.channel, Route::Dead, &item, properties).await?;
        broker::done(&message).await.map_err(away)?;
        Ok(Settled::Done)
    }

    /// Looks at all there are, within a bound, because what is given back goes to the end: looking at
    /// some of them would change their order.
    pub(super) async fn dead(&mut self, limit: u32) -> QueueResult<Vec<DeadItem>> {
        let mut messages = Vec::new();
        for _ in 0..CLAIM_MAX {
            let Some(message) = self.broker.get(&self.channel, Route::Dead).await? else { break };
            messages.push(message);
        }
        for message in &messages {
            broker::give_back(message).await.map_err(away)?;
        }
        Ok(messages.iter().filter_map(wire::dead).take(limit as usize).collect())
    }

    pub(super) async fn replay(&mut self, limit: u32) -> QueueResult<u64> {
        let mut replayed = 0;
        for _ in 0..limit {
            let Some(message) = self.broker.get(&self.channel, Route::Dead).await? else { break };
            if let Some(item) = wire::item(&message) {
                let (route, properties) = (Route::Lane(item.lane), wire::fresh(&item));
                self.broker.publish(&self.channel, route, &item, properties).await?;
                replayed += 1;
            }
            broker::done(&message).await.map_err(away)?;
        }
        Ok(replayed)
    }

    pub(super) async fn lengths(&mut self) -> QueueResult<QueueLengths> {
        Ok(QueueLengths {
            ready: self.broker.ready(&self.channel).await?,
            delayed: self.broker.delayed(&self.connection).await?,
            leased: self.held.len() as u64,
            dead: self.broker.count(&self.channel, &Route::Dead).await?,
        })
    }

    /// Gives back what was held too long.
    async fn expire(&mut self) -> QueueResult<()> {
        let now = Instant::now();
        let late = self.held.iter().filter(|(_, held)| held.until <= now);
        let late: Vec<u64> = late.map(|(id, _)| *id).collect();
        for id in late {
            if let Some(held) = self.held.remove(&id) {
                broker::give_back(&held.message).await.map_err(away)?;
            }
        }
        Ok(())
    }

    /// Remembers a message; what is no item of ours stays held and goes the way of poison.
    fn hold(&mut self, message: Message) -> Option<Delivery> {
        self.last += 1;
        let (item, attempt) = (wire::item(&message), wire::attempts(&message) + 1);
        let until = Instant::now() + self.broker.config.lease;
        self.held.insert(self.last, Held { message, until });
        Some(Delivery {
            item: item?,
            attempt,
            lease: ItemLease(format!("{}:{}", self.mark, self.last)),
        })
    }

    fn let_go(&mut self, lease: &ItemLease) -> Option<(Message, QueueItem)> {
        let (mark, id) = lease.0.split_once(':')?;
        if mark.parse::<Uuid>().ok()? != self.mark {
            return None;
        }
        let held = self.held.remove(&id.parse().ok()?)?;
        let item = wire::item(&held.message)?;
        Some((held.message, item))
    }
}
