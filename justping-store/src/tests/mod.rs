//! What the tests of the backends share.

pub(crate) mod agreement;
mod groups;
pub(crate) mod noisy;
mod nouns;
mod plugins;
pub(crate) mod search;
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

/// Insists that the statements of a backend's files are exactly those that it lists.
pub(crate) fn check_listed(backend: &str, mut listed: Vec<&str>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(backend);
    let mut written = Vec::new();
    for folder in [folder.join("engine"), folder] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            let Some((_, list)) = text.split_once("\nstatements! {\n") else { continue };
            let (list, _) = list.split_once("\n}\n").unwrap();
            let names =
                list.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" = "));
            let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            written
                .extend(names.filter(|(name, _)| is_name(name)).map(|(name, _)| name.to_owned()));
        }
    }
    written.sort_unstable();
    listed.sort_unstable();
    assert_eq!(written, listed);
}
