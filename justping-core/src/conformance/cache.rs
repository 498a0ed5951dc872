//! The contract of [`Cache`]: run it with [`cache_conformance!`](crate::cache_conformance).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::clock::Pass;
use crate::model::BusinessId;
use crate::port::{
    CACHE_KEY_BYTES_MAX, CACHE_KEYS_MAX, CACHE_TTL_MAX, CACHE_VALUE_BYTES_MAX, Cache, CacheError,
    CacheExt, CacheSpace,
};

/// A cache under test.
pub struct CacheSubject {
    /// The cache, empty.
    pub cache: Arc<dyn Cache>,
    /// Lets time pass on its clock: moves it, or really waits.
    pub pass: Pass,
}

impl fmt::Debug for CacheSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheSubject").field("cache", &self.cache).finish_non_exhaustive()
    }
}

const SPACE: CacheSpace = CacheSpace::Agents;
/// Longer than a check takes.
const LONG: Duration = Duration::from_secs(600);

fn business(n: u128) -> BusinessId {
    BusinessId::from_uuid(Uuid::from_u128(n))
}

impl CacheSubject {
    async fn set(&self, key: &str, value: &[u8]) {
        self.cache.set(business(1), SPACE, key, value, LONG).await.unwrap();
    }

    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let value = self.cache.get(business(1), SPACE, key).await.unwrap();
        value.map(|value| value.to_vec())
    }
}

/// A value is given until it is replaced or deleted.
pub async fn value_is_kept_until_it_changes(subject: &CacheSubject) {
    assert_eq!(subject.get("a").await, None);
    subject.set("a", b"1").await;
    assert_eq!(subject.get("a").await.as_deref(), Some(&b"1"[..]));
    subject.set("a", b"\0\xff\r\n").await;
    assert_eq!(subject.get("a").await.as_deref(), Some(&b"\0\xff\r\n"[..]));
    subject.set("a", b"").await;
    assert_eq!(subject.get("a").await.as_deref(), Some(&b""[..]));
    subject.cache.delete(business(1), SPACE, &["a", "b"]).await.unwrap();
    assert_eq!(subject.get("a").await, None);
}

/// A value ends with its time.
pub async fn value_runs_out(subject: &CacheSubject) {
    let short = Duration::from_millis(20);
    subject.cache.set(business(1), SPACE, "a", b"1", short).await.unwrap();
    subject.set("b", b"2").await;
    subject.cache.set(business(1), SPACE, "c", b"3", Duration::ZERO).await.unwrap();
    (subject.pass)(short * 2).await;
    assert_eq!(subject.get("a").await, None);
    assert_eq!(subject.get("b").await.as_deref(), Some(&b"2"[..]));
    assert_eq!(subject.get("c").await, None);
}

/// Many keys are given in their order, each for itself.
pub async fn many_are_given_in_order(subject: &CacheSubject) {
    subject.set("a", b"1").await;
    subject.set("c", b"3").await;
    let found = subject.cache.get_many(business(1), SPACE, &["c", "b", "a", "c"]).await.unwrap();
    let found: Vec<Option<&[u8]>> = found.iter().map(Option::as_deref).collect();
    assert_eq!(found, [Some(&b"3"[..]), None, Some(b"1"), Some(b"3")]);
    assert_eq!(subject.cache.get_many(business(1), SPACE, &[]).await, Ok(vec![]));
    subject.cache.delete(business(1), SPACE, &[]).await.unwrap();
}

/// Businesses and spaces do not see each other, whatever their keys look like.
pub async fn spaces_are_apart(subject: &CacheSubject) {
    let cache = &subject.cache;
    for key in ["", "a", "a:b", "{a}", "a}:contacts:{b", "ä *", "gen"] {
        subject.set(key, key.as_bytes()).await;
        assert_eq!(subject.get(key).await.as_deref(), Some(key.as_bytes()), "{key}");
        assert_eq!(cache.get(business(2), SPACE, key).await, Ok(None), "{key}");
        for space in CacheSpace::ALL.iter().filter(|space| **space != SPACE) {
            assert_eq!(cache.get(business(1), *space, key).await, Ok(None), "{key}");
            cache.delete(business(1), *space, &[key]).await.unwrap();
        }
        cache.delete(business(2), SPACE, &[key]).await.unwrap();
        assert!(subject.get(key).await.is_some(), "{key}");
    }
}

/// Clearing takes all of a space, and nothing else; what is written afterwards stays.
pub async fn clearing_takes_a_space(subject: &CacheSubject) {
    let cache = &subject.cache;
    for n in 0..20 {
        subject.set(&n.to_string(), b"old").await;
    }
    cache.set(business(2), SPACE, "0", b"theirs", LONG).await.unwrap();
    cache.set(business(1), CacheSpace::Contacts, "0", b"other", LONG).await.unwrap();
    for _ in 0..2 {
        cache.clear(business(1), SPACE).await.unwrap();
        for n in 0..20 {
            assert_eq!(subject.get(&n.to_string()).await, None);
        }
        subject.set("0", b"new").await;
        assert_eq!(subject.get("0").await.as_deref(), Some(&b"new"[..]));
    }
    assert!(cache.get(business(2), SPACE, "0").await.unwrap().is_some());
    assert!(cache.get(business(1), CacheSpace::Contacts, "0").await.unwrap().is_some());
}

/// Values travel as JSON; what cannot be read is not there.
pub async fn json_is_read_back(subject: &CacheSubject) {
    let cache = &subject.cache;
    let value = serde_json::json!({ "name": "Ada", "tags": ["a"], "n": 1.5 });
    cache.set_json(business(1), SPACE, "a", &value, LONG).await.unwrap();
    assert_eq!(cache.get_json(business(1), SPACE, "a").await, Ok(Some(value)));
    assert_eq!(cache.get_json::<u32>(business(1), SPACE, "a").await, Ok(None));
}

/// Limits are kept.
pub async fn limits_are_kept(subject: &CacheSubject) {
    let cache = &subject.cache;
    let (key, value) = ("k".repeat(CACHE_KEY_BYTES_MAX), vec![0; CACHE_VALUE_BYTES_MAX]);
    cache.set(business(1), SPACE, &key, &value, CACHE_TTL_MAX * 2).await.unwrap();
    assert_eq!(subject.get(&key).await, Some(value.clone()));
    let large = [value.as_slice(), b"0"].concat();
    let refused = cache.set(business(1), SPACE, "a", &large, LONG).await;
    assert_eq!(refused, Err(CacheError::TooLarge));
    let long = format!("{key}k");
    assert_eq!(cache.get(business(1), SPACE, &long).await, Err(CacheError::TooLarge));
    let many = vec!["a"; CACHE_KEYS_MAX + 1];
    let refused = cache.get_many(business(1), SPACE, &many).await;
    assert_eq!(refused, Err(CacheError::TooLarge));
    assert_eq!(cache.delete(business(1), SPACE, &many).await, Err(CacheError::TooLarge));
}

/// How many checks there are.
pub const CHECKS: usize = 7;

/// Turns the contract of caches into tests; the factory gives a
/// [`CacheSubject`](crate::conformance::CacheSubject).
#[macro_export]
macro_rules! cache_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { cache, $factory, subject => &subject, [
            value_is_kept_until_it_changes
            value_runs_out
            many_are_given_in_order
            spaces_are_apart
            clearing_takes_a_space
            json_is_read_back
            limits_are_kept
        ] }
    };
}
