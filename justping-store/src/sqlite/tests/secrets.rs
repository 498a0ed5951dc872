//! Secrets at rest: nothing readable in the file, nothing that opens elsewhere.

use justping_core::model::{ChannelId, ChannelSecrets};
use justping_core::port::store::{BusinessStore, ChannelStore, StoreError};

use super::*;
use crate::tests::channel;

const TOKEN: &str = "EAAG-a-very-secret-access-token-7351";

/// Two businesses; the first has channels 11 and 12, the second has 21.
async fn filled() -> Scratch {
    let scratch = scratch().await;
    for n in [1, 2] {
        let business = justping_core::model::Business {
            id: business(n),
            name: "Acme".to_owned(),
            created_at: at(0),
        };
        scratch.store.create_business(&business).await.unwrap();
    }
    let secrets = ChannelSecrets::from_iter([("token", TOKEN), ("app", TOKEN)]);
    for (id, owner) in [(11, 1), (12, 1), (21, 2)] {
        scratch.store.create_channel(&channel(id, owner), &secrets).await.unwrap();
    }
    scratch
}

async fn secrets(store: &SqliteStore, id: u128, owner: u128) -> StoreResult<ChannelSecrets> {
    store.channel_secrets(business(owner), ChannelId::from_uuid(uuid(id))).await
}

async fn change(store: &SqliteStore, sql: &'static str) {
    store.connections.change(sqlx::query(sql)).await.unwrap();
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn nothing_readable_reaches_the_disk() {
    let scratch = filled().await;
    let open = secrets(&scratch.store, 11, 1).await.unwrap();
    assert_eq!(open.get("token"), Some(TOKEN));
    let mut seen = 0;
    for round in ["open", "closed"] {
        for entry in std::fs::read_dir(scratch.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(!contains(&bytes, TOKEN), "{round}: {}", path.display());
            assert!(!contains(&bytes, "very-secret"), "{round}: {}", path.display());
            seen += usize::from(contains(&bytes, "sealed"));
        }
        scratch.store.close().await.unwrap();
    }
    assert!(seen >= 2, "the scan looked at the files that hold the table");
}

#[tokio::test]
async fn an_update_sets_some_secrets_and_keeps_the_others() {
    let scratch = filled().await;
    let news = ChannelSecrets::from_iter([("app", "new"), ("extra", "")]);
    scratch.store.update_channel(&channel(11, 1), Some(&news)).await.unwrap();
    let open = secrets(&scratch.store, 11, 1).await.unwrap();
    let all: Vec<_> = open.expose().collect();
    assert_eq!(all, [("app", "new"), ("extra", ""), ("token", TOKEN)]);
    scratch.store.delete_channel(business(1), ChannelId::from_uuid(uuid(11))).await.unwrap();
    assert_eq!(secrets(&scratch.store, 11, 1).await.unwrap_err(), StoreError::NotFound("channel"));
    let left = sqlx::query("SELECT 1 FROM channel_secrets WHERE unhex(hex(channel_id)) = $1");
    let left = scratch.store.connections.read(left.bind(uuid(11))).await.unwrap();
    assert!(left.is_empty(), "the secrets went with their channel");
}

#[tokio::test]
async fn a_secret_opens_in_its_row_only() {
    let swaps = [
        "UPDATE channel_secrets SET sealed = (SELECT s.sealed FROM channel_secrets s \
            WHERE s.channel_id = channel_secrets.channel_id AND s.name = 'app') \
            WHERE name = 'token'",
        "UPDATE channel_secrets SET sealed = (SELECT s.sealed FROM channel_secrets s \
            WHERE s.channel_id = x'0000000000000000000000000000000c' AND s.name = 'token') \
            WHERE name = 'token'",
        "UPDATE channel_secrets SET sealed = (SELECT s.sealed FROM channel_secrets s \
            WHERE s.channel_id = x'00000000000000000000000000000015' AND s.name = 'token') \
            WHERE name = 'token'",
        "UPDATE business_keys SET wrapped = (SELECT k.wrapped FROM business_keys k \
            WHERE k.business_id = x'00000000000000000000000000000002')",
        "UPDATE channel_secrets SET sealed = substr(sealed, 1, 20)",
        "UPDATE channel_secrets SET sealed = x''",
    ];
    for swap in swaps {
        let scratch = filled().await;
        change(&scratch.store, swap).await;
        let result = secrets(&scratch.store, 11, 1).await;
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{swap}: {error:?}");
        assert!(!error.to_string().contains("EAAG"));
    }
}

#[tokio::test]
async fn a_secret_without_its_key_is_corrupt() {
    let scratch = filled().await;
    change(&scratch.store, "DELETE FROM business_keys").await;
    let error = secrets(&scratch.store, 11, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}

#[tokio::test]
async fn another_master_key_is_refused() {
    let scratch = filled().await;
    let other = SqliteConfig {
        master_key: MasterKey::generate().unwrap(),
        ..config(scratch.folder.path())
    };
    let error = SqliteStore::open(other).await.map(drop).unwrap_err();
    assert!(matches!(error, OpenError::WrongMasterKey), "{error:?}");
    let store = SqliteStore::open(config(scratch.folder.path())).await.unwrap();
    let fooled = SqliteStore { master_key: MasterKey::generate().unwrap(), ..store };
    let error = secrets(&fooled, 11, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}");
}
