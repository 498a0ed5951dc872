//! Items as messages. What somebody else put into a queue is no item.

use justping_core::model::{Lane, Timestamp};
use justping_core::port::{DeadItem, QueueItem};
use lapin::BasicProperties;
use lapin::message::Delivery as Message;
use lapin::types::{AMQPValue, FieldTable, LongString};

pub(super) const LANES: [Lane; 3] = [Lane::Interactive, Lane::Transactional, Lane::Bulk];

const BUSINESS: &str = "business";
const ID: &str = "id";
const LANE: &str = "lane";
const ATTEMPTS: &str = "attempts";
const REASON: &str = "reason";
const AT: &str = "at";
/// How often the broker got the message back, which it counts itself.
const RETURNED: &str = "x-delivery-count";
/// Messages that survive the broker's restart.
const PERSISTENT: u8 = 2;

pub(super) fn lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Interactive => "interactive",
        Lane::Transactional => "transactional",
        Lane::Bulk => "bulk",
    }
}

/// The properties of an item that nobody had yet.
pub(super) fn fresh(item: &QueueItem) -> BasicProperties {
    again(item, 0)
}

/// The properties of an item that was given out so often.
pub(super) fn again(item: &QueueItem, attempts: u32) -> BasicProperties {
    properties(headers(item, attempts))
}

/// The properties of an item that was given up.
pub(super) fn dead_of(item: &QueueItem, reason: &str, now: Timestamp) -> BasicProperties {
    let mut table = headers(item, 0);
    table.insert(REASON.into(), text(reason));
    table.insert(AT.into(), now.as_millisecond().into());
    properties(table)
}

fn headers(item: &QueueItem, attempts: u32) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert(BUSINESS.into(), text(&item.business_id.to_string()));
    table.insert(ID.into(), text(&item.id));
    table.insert(LANE.into(), text(lane(item.lane)));
    table.insert(ATTEMPTS.into(), i64::from(attempts).into());
    table
}

fn properties(headers: FieldTable) -> BasicProperties {
    BasicProperties::default().with_headers(headers).with_delivery_mode(PERSISTENT)
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a AMQPValue> {
    message.properties.headers().as_ref()?.inner().get(name)
}

fn word(message: &Message, name: &str) -> Option<String> {
    match header(message, name)? {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        _ => None,
    }
}

fn number(message: &Message, name: &str) -> Option<i64> {
    match header(message, name)? {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        _ => None,
    }
}

pub(super) fn item(message: &Message) -> Option<QueueItem> {
    let called = word(message, LANE)?;
    Some(QueueItem {
        business_id: word(message, BUSINESS)?.parse().ok()?,
        id: word(message, ID)?,
        lane: LANES.into_iter().find(|one| lane(*one) == called)?,
        body: message.data.clone(),
    })
}

/// How often the item was given out before.
pub(super) fn attempts(message: &Message) -> u32 {
    let before = number(message, ATTEMPTS).unwrap_or(0) + number(message, RETURNED).unwrap_or(0);
    u32::try_from(before).unwrap_or(0)
}

/// A dead item. One without a reason was given up by the broker, whose reason is its deaths.
pub(super) fn dead(message: &Message) -> Option<DeadItem> {
    let at = number(message, AT).map_or_else(|| buried_at(message), Some)?;
    let reason = word(message, REASON);
    Some(DeadItem {
        item: item(message)?,
        reason: reason.unwrap_or_else(|| "its workers died".to_owned()),
        at: Timestamp::from_millisecond(at).ok()?,
    })
}

/// When the broker gave a message up, in milliseconds; it tells seconds.
fn buried_at(message: &Message) -> Option<i64> {
    let AMQPValue::FieldArray(deaths) = header(message, "x-death")? else { return None };
    let Some(AMQPValue::FieldTable(death)) = deaths.as_slice().first() else { return None };
    match death.inner().get("time")? {
        AMQPValue::Timestamp(seconds) => i64::try_from(seconds.saturating_mul(1_000)).ok(),
        _ => None,
    }
}
