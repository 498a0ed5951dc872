//! Lists by a standby: what this process wrote it reads, whatever the standby does.

use std::time::Duration;

use justping_core::model::*;
use justping_core::port::store::*;

use super::*;
use crate::tests::{at, business, uuid};

async fn add(store: &PostgresStore, n: u128) -> ContactId {
    let id = ContactId::from_uuid(uuid(n));
    let contact =
        Contact { name: Some(format!("Ann {n}")), ..Contact::new(id, business(1), at(0)) };
    store.create_contact(&contact).await.unwrap();
    id
}

async fn listed(store: &PostgresStore) -> Vec<ContactId> {
    let page = store.contacts(business(1), &PageRequest::default()).await.unwrap();
    page.items.iter().map(|row| row.id).collect()
}

async fn found(store: &PostgresStore) -> usize {
    let (query, page) = (SearchQuery::parse("ann"), PageRequest::default());
    store.search_contacts(business(1), &query, &page).await.unwrap().items.len()
}

fn acme() -> Business {
    Business { id: business(1), name: "Acme".to_owned(), created_at: at(0) }
}

/// Stops or goes on replaying.
async fn replay(standby: &mut sqlx::PgConnection, go_on: &'static str, state: &str) {
    standby.execute(go_on).await.unwrap();
    let now = "SELECT pg_get_wal_replay_pause_state() FROM pg_sleep(0.01)";
    let reached = async {
        while sqlx::query_scalar::<_, String>(now).fetch_one(&mut *standby).await.unwrap() != state
        {
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap();
}

#[tokio::test]
async fn a_standby_answers_when_it_has_replayed_what_was_written() {
    let followed = server::Followed::start();
    let config = followed.config().await;
    let store = PostgresStore::open(config.clone()).await.unwrap();
    store.create_business(&acme()).await.unwrap();
    let one = add(&store, 1).await;
    while store.index_due(10).await.unwrap() > 0 {}
    followed.catch_up().await;
    assert_eq!(store.replica_answers(), 0);
    assert_eq!((listed(&store).await, found(&store).await), (vec![one], 1));
    let filter = ConversationFilter::default();
    store.conversations(business(1), &filter, &PageRequest::default()).await.unwrap();
    assert_eq!(store.replica_answers(), 3, "a list of each kind and a search");

    let mut standby = followed.standby().await;
    replay(&mut standby, "SELECT pg_wal_replay_pause()", "paused").await;
    let two = add(&store, 2).await;
    assert_eq!(listed(&store).await, [one, two], "it reads what it wrote");
    while store.index_due(10).await.unwrap() > 0 {}
    assert_eq!(found(&store).await, 2);
    assert_eq!(store.replica_answers(), 3, "the primary answered");
    let other = PostgresStore::open(config).await.unwrap();
    assert_eq!(listed(&other).await, [one], "who wrote nothing may see what was");
    assert_eq!(other.replica_answers(), 1);
    assert_eq!(other.contact(business(1), two).await.unwrap().id, two, "one row is never stale");

    replay(&mut standby, "SELECT pg_wal_replay_resume()", "not paused").await;
    followed.catch_up().await;
    assert_eq!((listed(&store).await, found(&store).await), (vec![one, two], 2));
    assert_eq!(store.replica_answers(), 5);
}

#[tokio::test]
async fn a_standby_that_is_away_or_none_is_not_missed() {
    let database = Database::new().await;
    let nowhere = "postgres://justping@localhost:1/none".to_owned();
    let itself = database.config().url;
    for read_url in [nowhere.into(), itself] {
        let config = PostgresConfig { read_url: Some(read_url), ..database.config() };
        let store = PostgresStore::open(config).await.unwrap();
        let _ = store.create_business(&acme()).await;
        add(&store, 1 + listed(&store).await.len() as u128).await;
        for _ in 0..20 {
            assert!(!listed(&store).await.is_empty());
        }
        assert_eq!(store.replica_answers(), 0);
    }
}
