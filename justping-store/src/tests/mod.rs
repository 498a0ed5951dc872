//! What the tests of the backends share.

pub(crate) mod agreement;
pub(crate) mod cost;
pub(crate) mod noisy;
mod nouns;
mod world;

use justping_core::model::{BusinessId, ChannelConfig, ChannelId, Timestamp, UnknownPolicy};
use uuid::Uuid;

use crate::envelope::{KEY_BYTES, MasterKey};

pub(crate) fn master() -> MasterKey {
    MasterKey::from_bytes([42; KEY_BYTES])
}

pub(crate) fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn business(n: u128) -> BusinessId {
    BusinessId::from_uuid(uuid(n))
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

pub(crate) fn channel(id: u128, owner: u128) -> ChannelConfig {
    ChannelConfig {
        id: ChannelId::from_uuid(uuid(id)),
        business_id: business(owner),
        provider: "memory".to_owned(),
        name: "Line".to_owned(),
        settings: serde_json::json!({"rate": 0.1}),
        agent_id: None,
        enabled: true,
        unknown_policy: UnknownPolicy::default(),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}
