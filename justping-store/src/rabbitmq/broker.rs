//! What is asked of the broker.

use std::time::Duration;

use justping_core::model::Lane;
use justping_core::port::{QUEUE_DEATHS_MAX, QueueError, QueueItem, QueueResult};
use lapin::message::Delivery as Message;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};
use secrecy::ExposeSecret;

use super::{RabbitQueueConfig, away, wire};

/// Lengths of delay: powers of two milliseconds up to more than a day.
const DELAYS: u32 = 28;

/// What AMQP calls an end without an error.
const CLOSED_IN_ORDER: u16 = 200;

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route {
    Lane(Lane),
    Dead,
    /// Into a delay and from there into a lane.
    Delay(u32, Lane),
}

pub(super) struct Broker {
    pub(super) config: RabbitQueueConfig,
}

impl Broker {
    pub(super) fn new(config: RabbitQueueConfig) -> Self {
        Self { config }
    }

    /// A channel on a connection of its own, with all queues there.
    pub(super) async fn open(&self) -> QueueResult<(Connection, Channel)> {
        let url = self.config.url.expose_secret();
        let connection = Connection::connect(url, ConnectionProperties::default()).await;
        let connection = connection.map_err(away)?;
        let channel = connection.create_channel().await.map_err(away)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(away)?;
        let max = i64::from(self.config.live_max);
        for lane in wire::LANES {
            let mut table = back_to(Some(self.name(&Route::Dead)?.as_str()));
            table.insert("x-delivery-limit".into(), i64::from(QUEUE_DEATHS_MAX - 1).into());
            table.insert("x-max-length".into(), max.into());
            declare(&channel, self.name(&Route::Lane(lane))?, table).await?;
        }
        declare(&channel, self.name(&Route::Dead)?, quorum()).await?;
        Ok((connection, channel))
    }

    /// The name of a queue, and of the exchange before it. The protocol bounds it.
    fn name(&self, route: &Route) -> QueueResult<ShortString> {
        let name = &self.config.name;
        let full = match route {
            Route::Lane(lane) => format!("{name}.{}", wire::lane(*lane)),
            Route::Dead => format!("{name}.dead"),
            Route::Delay(step, _) => format!("{name}.delay.{}", 1_u64 << step),
        };
        ShortString::try_new(full).map_err(away)
    }

    /// The way through a delay no shorter than this.
    pub(super) async fn delay(
        &self,
        channel: &Channel,
        lane: Lane,
        after: Duration,
    ) -> QueueResult<Route> {
        let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1);
        let step = ms.checked_next_power_of_two().map_or(DELAYS, u64::trailing_zeros).min(DELAYS);
        let route = Route::Delay(step, lane);
        let name = self.name(&route)?;
        let mut table = back_to(None);
        table.insert("x-message-ttl".into(), (1_i64 << step).into());
        let none = FieldTable::default;
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let kind = ExchangeKind::Fanout;
        channel.exchange_declare(name.clone(), kind, options, none()).await.map_err(away)?;
        declare(channel, name.clone(), table).await?;
        let options = QueueBindOptions::default();
        channel.queue_bind(name.clone(), name, "".into(), options, none()).await.map_err(away)?;
        Ok(route)
    }

    /// Publishes a message and waits until the broker has it.
    pub(super) async fn publish(
        &self,
        channel: &Channel,
        route: Route,
        item: &QueueItem,
        properties: BasicProperties,
    ) -> QueueResult<()> {
        let (exchange, key) = match &route {
            Route::Delay(_, lane) => (self.name(&route)?, self.name(&Route::Lane(*lane))?),
            Route::Lane(_) | Route::Dead => (ShortString::default(), self.name(&route)?),
        };
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let sending = channel
            .basic_publish(exchange, key, options, &item.body, properties)
            .await
            .map_err(away)?;
        match sending.await.map_err(away)? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Nack(_) => Err(QueueError::Full),
            other => Err(away(format!("a message went nowhere: {other:?}"))),
        }
    }

    pub(super) async fn get(
        &self,
        channel: &Channel,
        route: Route,
    ) -> QueueResult<Option<Message>> {
        let name = self.name(&route)?;
        let got = channel.basic_get(name, BasicGetOptions::default()).await;
        Ok(got.map_err(away)?.map(|got| got.delivery))
    }

    /// How many messages wait in a queue that is there.
    pub(super) async fn count(&self, channel: &Channel, route: &Route) -> QueueResult<u64> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let name = self.name(route)?;
        let queue = channel.queue_declare(name, options, FieldTable::default()).await;
        Ok(u64::from(queue.map_err(away)?.message_count()))
    }

    /// How many messages wait in each lane.
    pub(super) async fn ready(&self, channel: &Channel) -> QueueResult<[u64; 3]> {
        let mut ready = [0; 3];
        for (count, lane) in ready.iter_mut().zip(wire::LANES) {
            *count = self.count(channel, &Route::Lane(lane)).await?;
        }
        Ok(ready)
    }

    /// How many messages wait for their time. Delays that nobody used are not there, and asking for
    /// one costs a channel.
    pub(super) async fn delayed(&self, connection: &Connection) -> QueueResult<u64> {
        let mut probe = connection.create_channel().await.map_err(away)?;
        let mut sum = 0;
        for step in 0..=DELAYS {
            match self.count(&probe, &Route::Delay(step, Lane::Interactive)).await {
                Ok(count) => sum += count,
                Err(_) => probe = connection.create_channel().await.map_err(away)?,
            }
        }
        drop(probe.close(CLOSED_IN_ORDER, "counted".into()).await);
        Ok(sum)
    }
}

async fn declare(channel: &Channel, name: ShortString, table: FieldTable) -> QueueResult<()> {
    let declared = channel.queue_declare(name, QueueDeclareOptions::durable(), table).await;
    declared.map(drop).map_err(away)
}

/// A queue whose dead letters are not lost on the way to the queue of this name, or to the one they
/// were addressed to.
fn back_to(queue: Option<&str>) -> FieldTable {
    let mut table = quorum();
    table.insert("x-dead-letter-exchange".into(), text(""));
    if let Some(queue) = queue {
        table.insert("x-dead-letter-routing-key".into(), text(queue));
    }
    table.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    table.insert("x-overflow".into(), text("reject-publish"));
    table
}

fn quorum() -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

/// The message was dealt with.
pub(super) async fn done(message: &Message) -> lapin::Result<()> {
    message.ack(BasicAckOptions::default()).await.map(drop)
}

/// The message is the broker's again.
pub(super) async fn give_back(message: &Message) -> lapin::Result<()> {
    message.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.map(drop)
}
