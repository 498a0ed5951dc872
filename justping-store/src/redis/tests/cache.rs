use std::sync::Arc;

use justping_core::conformance::CacheSubject;
use justping_core::model::BusinessId;
use justping_core::port::{Cache, CacheError, CacheExt, CacheSpace};
use uuid::Uuid;

use super::server::{Memory, shared};
use super::*;

mod contract {
    use super::*;

    async fn subject() -> CacheSubject {
        let pass = Box::new(|span| Box::pin(tokio::time::sleep(span)) as _);
        CacheSubject { cache: Arc::new(RedisCache::new(link_to(shared()))), pass }
    }

    justping_core::cache_conformance!(subject);
}

const SPACE: CacheSpace = CacheSpace::Agents;
const LONG: Duration = Duration::from_secs(600);

fn ours() -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(1))
}

#[tokio::test]
async fn processes_share_values_and_their_end() {
    let prefix = prefix();
    let open = || RedisCache::new(link_with(shared(), &prefix, PATIENCE));
    let (a, b) = (open(), open());
    a.set(ours(), SPACE, "a", b"1", LONG).await.unwrap();
    assert_eq!(b.get(ours(), SPACE, "a").await.unwrap().as_deref(), Some(&b"1"[..]));
    b.clear(ours(), SPACE).await.unwrap();
    assert_eq!(a.get(ours(), SPACE, "a").await, Ok(None));
}

/// Redis may evict the mark of a space and keep its values: they must not live again.
#[tokio::test]
async fn values_do_not_outlive_the_mark_of_their_space() {
    let link = link_to(shared());
    let cache = RedisCache::new(link.clone());
    cache.set(ours(), SPACE, "a", b"old", LONG).await.unwrap();
    cache.clear(ours(), SPACE).await.unwrap();
    cache.set(ours(), SPACE, "b", b"new", LONG).await.unwrap();
    assert_eq!(cache.get(ours(), SPACE, "a").await, Ok(None));
    let keys = format!("{}:*", link.prefix());
    let mut connection = link.connection();
    let kept: Vec<String> =
        redis::cmd("KEYS").arg(keys).query_async(&mut connection).await.unwrap();
    assert_eq!(kept.len(), 3, "the mark, the old and the new value: {kept:?}");
}

#[tokio::test]
async fn without_redis_nothing_is_cached() {
    let server = RedisServer::start(Memory::Forgets);
    let cache = RedisCache::new(link_to(&server));
    cache.set(ours(), SPACE, "a", b"1", LONG).await.unwrap();
    server.kill();
    assert_eq!(cache.get(ours(), SPACE, "a").await, Err(CacheError::Unavailable));
    server.restart();
    until(|| async { cache.get(ours(), SPACE, "a").await == Ok(None) }).await;
}
