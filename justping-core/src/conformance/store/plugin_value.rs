//! What plugins keep: by key, within a quota, until it is over.

use crate::conformance::fixture::{World, assert_invalid, assert_not_found, at, together};
use crate::model::{
    PLUGIN_KEY_MAX_BYTES, PLUGIN_VALUE_MAX_BYTES, PageRequest, PluginId, PluginQuota,
};
use crate::port::Store;
use crate::port::store::{KvWrite, PLUGIN_KEYS_MAX, PluginKeys, PluginWrite};

use super::plugin::{Shop, later, named, quota};

/// A value is read as it was written last, whatever its bytes.
pub async fn plugin_value_is_what_was_written(store: &dyn Store) {
    let shop = Shop::new(store).await;
    assert_eq!(shop.get("k", 0).await, None);
    for value in [&b"one"[..], b"", &[0, 255, 1, 128], &[b'x'; PLUGIN_VALUE_MAX_BYTES]] {
        let order = shop.order("k \u{0}é%_'", 0);
        assert_eq!(store.set_plugin_value(&order, value).await, Ok(KvWrite::Done));
        let found = store.plugin_value(order.business_id, order.plugin_id, order.key, at(0)).await;
        assert_eq!(found, Ok(Some(value.to_vec())));
    }
    let (business, id) = (shop.plugin.business_id, shop.plugin.id);
    store.delete_plugin_value(business, id, "k \u{0}é%_'").await.unwrap();
    store.delete_plugin_value(business, id, "k \u{0}é%_'").await.unwrap();
    assert_eq!(shop.get("k \u{0}é%_'", 0).await, None);
}

/// Keys and values have bounds; what is beyond them changes nothing.
pub async fn plugin_values_have_bounds(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let longest = "k".repeat(PLUGIN_KEY_MAX_BYTES);
    shop.set(&longest, "v").await;
    assert_eq!(shop.get(&longest, 0).await.as_deref(), Some("v"));
    let long = "k".repeat(PLUGIN_KEY_MAX_BYTES + 1);
    for key in ["", &long] {
        assert_invalid(store.set_plugin_value(&shop.order(key, 0), b"v").await);
        assert_invalid(store.add_plugin_value(&shop.order(key, 0), 1).await);
        assert_eq!(shop.get(key, 0).await, None);
    }
    let large = vec![0; PLUGIN_VALUE_MAX_BYTES + 1];
    assert_invalid(store.set_plugin_value(&shop.order("k", 0), &large).await);
    assert_eq!(shop.keys("", None, 9).await, [longest]);
}

/// Whatever is written to, read from or deleted of a plugin that is not there is refused.
pub async fn plugin_values_need_their_plugin(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let id = PluginId::from_uuid(shop.world.uuid());
    let business = shop.world.business;
    let order = PluginWrite { plugin_id: id, ..shop.order("k", 0) };
    assert_not_found(store.set_plugin_value(&order, b"v").await);
    assert_not_found(store.add_plugin_value(&order, 1).await);
    assert_not_found(store.plugin_value(business, id, "k", at(0)).await);
    assert_not_found(store.delete_plugin_value(business, id, "k").await);
    let all = PluginKeys { prefix: "", after: None, limit: 9, now: at(0) };
    assert_not_found(store.plugin_keys(business, id, &all).await);
    assert_not_found(store.plugin_lines(business, id, None, &PageRequest::default()).await);
    assert_not_found(store.plugin_secrets(business, id).await);
}

/// A quota is kept to the last byte and key; to replace a value takes the difference only.
pub async fn plugin_quota_is_exact(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let set = async |key: &str, value: &str, quota: PluginQuota| {
        let order = PluginWrite { quota, ..shop.order(key, 0) };
        store.set_plugin_value(&order, value.as_bytes()).await.unwrap()
    };
    assert_eq!(set("ab", "12345678", quota(1, 9)).await, KvWrite::Full);
    assert_eq!(shop.get("ab", 0).await, None);
    assert_eq!(set("ab", "12345678", quota(1, 10)).await, KvWrite::Done);
    assert_eq!(set("cd", "", quota(1, 99)).await, KvWrite::Full, "one key");
    assert_eq!(set("cd", "", quota(2, 11)).await, KvWrite::Full, "twelve bytes");
    assert_eq!(set("cd", "", quota(2, 12)).await, KvWrite::Done);
    assert_eq!(set("ab", "123456789", quota(2, 12)).await, KvWrite::Full);
    assert_eq!(shop.get("ab", 0).await.as_deref(), Some("12345678"), "nothing changed");
    assert_eq!(set("ab", "1234567é", quota(2, 13)).await, KvWrite::Done, "bytes, not letters");
    assert_eq!(set("ab", "1", quota(2, 13)).await, KvWrite::Done);
    assert_eq!(set("cd", "12345678", quota(2, 13)).await, KvWrite::Done);
    store.delete_plugin_value(shop.world.business, shop.plugin.id, "ab").await.unwrap();
    assert_eq!(set("ef", "x", quota(2, 13)).await, KvWrite::Done, "what went makes room");
}

/// A value that is over is not there.
pub async fn plugin_values_expire(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let order = PluginWrite { until: later(10), ..shop.order("k", 0) };
    store.set_plugin_value(&order, b"v").await.unwrap();
    shop.set("stays", "v").await;
    assert_eq!(shop.get("k", 9).await.as_deref(), Some("v"));
    assert_eq!(shop.get("k", 10).await, None);
    assert_eq!(shop.keys_at("", None, 9, 9).await, ["k", "stays"]);
    assert_eq!(shop.keys_at("", None, 9, 10).await, ["stays"]);
    assert_eq!(shop.keys_at("k", None, 9, 10).await, [""; 0]);
    assert_eq!(shop.add(shop.order("k", 10), 5).await, Ok(5), "it counts as missing");
    assert_eq!(shop.get("k", 99).await.as_deref(), Some("5"), "and has no end of its own");
    let order = PluginWrite { until: later(20), ..shop.order("stays", 0) };
    store.set_plugin_value(&order, b"w").await.unwrap();
    assert_eq!(shop.get("stays", 20).await, None, "a write says the end anew");
    store.set_plugin_value(&order, b"w").await.unwrap();
    shop.set("stays", "x").await;
    assert_eq!(shop.get("stays", 20).await.as_deref(), Some("x"));
}

/// A value that is over takes no room, and one that is over when it is written leaves nothing.
pub async fn plugin_values_that_are_over_take_no_room(store: &dyn Store) {
    let shop = Shop::new(store).await;
    for key in ["a", "b"] {
        let order = PluginWrite { until: later(10), ..shop.order(key, 0) };
        store.set_plugin_value(&order, b"12345").await.unwrap();
    }
    let order = |second| PluginWrite { quota: quota(2, 12), ..shop.order("c", second) };
    assert_eq!(store.set_plugin_value(&order(9), b"12345").await, Ok(KvWrite::Full));
    assert_eq!(store.set_plugin_value(&order(10), b"12345678901").await, Ok(KvWrite::Done));
    for (now, until) in [(20, 20), (20, 3)] {
        let order = PluginWrite { until: later(until), ..order(now) };
        store.set_plugin_value(&PluginWrite { until: None, ..order }, b"1").await.unwrap();
        assert_eq!(store.set_plugin_value(&order, b"2").await, Ok(KvWrite::Done));
        assert_eq!(shop.get("c", 0).await, None, "not even for who looks back");
    }
    assert_eq!(shop.keys_at("", None, 9, 0).await, [""; 0]);
    let order = PluginWrite { quota: quota(1, 2), ..shop.order("z", 20) };
    assert_eq!(store.set_plugin_value(&order, b"1").await, Ok(KvWrite::Done), "all room is free");
}

/// Additions begin at 0 and are read as text.
pub async fn plugin_numbers_add_up(store: &dyn Store) {
    let shop = Shop::new(store).await;
    assert_eq!(shop.add(shop.order("n", 0), 3).await, Ok(3));
    assert_eq!(shop.add(shop.order("n", 0), -10).await, Ok(-7));
    assert_eq!(shop.get("n", 0).await.as_deref(), Some("-7"));
    assert_eq!(shop.add(shop.order("n", 0), 0).await, Ok(-7));
    shop.set("m", "41").await;
    assert_eq!(shop.add(shop.order("m", 0), 1).await, Ok(42));
    assert_eq!(shop.add(shop.order("zero", 0), 0).await, Ok(0));
    assert_eq!(shop.get("zero", 0).await.as_deref(), Some("0"));
}

/// What is no number, or would be too large a one, stays as it is.
pub async fn plugin_numbers_do_not_overflow(store: &dyn Store) {
    let shop = Shop::new(store).await;
    for text in ["", " 1", "1.0", "x", "9223372036854775808"] {
        shop.set("n", text).await;
        assert_eq!(shop.add(shop.order("n", 0), 1).await, Err(KvWrite::NoNumber), "{text}");
        assert_eq!(shop.get("n", 0).await.as_deref(), Some(text));
    }
    store.set_plugin_value(&shop.order("n", 0), &[0xff, 0xfe]).await.unwrap();
    assert_eq!(shop.add(shop.order("n", 0), 1).await, Err(KvWrite::NoNumber));
    assert_eq!(shop.add(shop.order("max", 0), i64::MAX).await, Ok(i64::MAX));
    assert_eq!(shop.add(shop.order("max", 0), 1).await, Err(KvWrite::NoNumber));
    assert_eq!(shop.add(shop.order("max", 0), i64::MIN).await, Ok(-1));
    assert_eq!(shop.add(shop.order("max", 0), i64::MIN).await, Err(KvWrite::NoNumber));
    assert_eq!(shop.get("max", 0).await.as_deref(), Some("-1"));
}

/// An addition keeps to the quota and to the end of the number, unless it says another.
pub async fn plugin_numbers_keep_their_end(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let until = |second, until| PluginWrite { until: later(until), ..shop.order("n", second) };
    assert_eq!(shop.add(until(0, 10), 1).await, Ok(1));
    assert_eq!(shop.add(shop.order("n", 5), 1).await, Ok(2));
    assert_eq!(shop.get("n", 10).await, None, "the end stayed");
    assert_eq!(shop.add(until(12, 20), 1).await, Ok(1));
    assert_eq!(shop.add(until(13, 30), 1).await, Ok(2));
    assert_eq!(shop.get("n", 20).await.as_deref(), Some("2"), "the end moved");
    let tight = PluginWrite { quota: quota(1, 2), ..shop.order("n", 20) };
    assert_eq!(shop.add(tight, 7).await, Ok(9));
    assert_eq!(shop.add(tight, 1).await, Err(KvWrite::Full), "ten has two digits");
    assert_eq!(shop.get("n", 20).await.as_deref(), Some("9"));
}

/// Keys are in the order of their bytes.
pub async fn plugin_keys_are_in_the_order_of_bytes(store: &dyn Store) {
    let shop = Shop::new(store).await;
    for key in ["b", "a", "é", "B", "a\u{0}", "aa", "\u{1f600}", "\u{ffff}", "10", "9", "a "] {
        shop.set(key, "").await;
    }
    let expected = ["10", "9", "B", "a", "a\u{0}", "a ", "aa", "b", "é", "\u{ffff}", "\u{1f600}"];
    assert_eq!(shop.keys("", None, 99).await, expected);
    let mut paged = Vec::new();
    while let [key] = &shop.keys("", paged.last().map(String::as_str), 1).await[..] {
        paged.push(key.clone());
    }
    assert_eq!(paged, expected);
    assert_eq!(shop.keys("", Some("a"), 2).await, ["a\u{0}", "a "]);
    assert_eq!(shop.keys("", Some("nobody"), 1).await, ["é"], "after a key that is not there");
    assert_eq!(shop.keys("", None, 0).await, [""; 0]);
}

/// A prefix is text, whatever it means elsewhere.
pub async fn plugin_keys_begin_with_the_prefix(store: &dyn Store) {
    let shop = Shop::new(store).await;
    for key in ["a%b", "axb", "a_b", "a_c", "a\\b", "[a]", "a", "A_b", "'", "b"] {
        shop.set(key, "").await;
    }
    assert_eq!(shop.keys("a_", None, 9).await, ["a_b", "a_c"]);
    assert_eq!(shop.keys("a%", None, 9).await, ["a%b"]);
    assert_eq!(shop.keys("a\\", None, 9).await, ["a\\b"]);
    assert_eq!(shop.keys("[", None, 9).await, ["[a]"]);
    assert_eq!(shop.keys("'", None, 9).await, ["'"]);
    assert_eq!(shop.keys("a", None, 9).await, ["a", "a%b", "a\\b", "a_b", "a_c", "axb"]);
    assert_eq!(shop.keys("a", Some("a\\b"), 2).await, ["a_b", "a_c"]);
    assert_eq!(shop.keys("a_", Some("A"), 9).await, ["a_b", "a_c"], "after what is before");
    assert_eq!(shop.keys("a_", Some("b"), 9).await, [""; 0]);
    assert_eq!(shop.keys("%", None, 9).await, [""; 0]);
}

/// However many keys there are, a look gives no more than its most.
pub async fn plugin_keys_are_bounded(store: &dyn Store) {
    let shop = Shop::new(store).await;
    for n in 0..=PLUGIN_KEYS_MAX {
        shop.set(&format!("{n:05}"), "").await;
    }
    let found = shop.keys("", None, u32::MAX).await;
    assert_eq!(found.len(), PLUGIN_KEYS_MAX as usize);
    let rest = shop.keys("", found.last().map(String::as_str), u32::MAX).await;
    assert_eq!(rest, [format!("{PLUGIN_KEYS_MAX:05}")]);
}

/// Plugins of one business do not see each other's values.
pub async fn plugins_keep_values_apart(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let other = Shop { plugin: named(&shop.world, "b").await, world: World::new(store).await };
    shop.set("k", "ours").await;
    assert_eq!(other.get("k", 0).await, None);
    assert_eq!(other.keys("", None, 9).await, [""; 0]);
    let order = PluginWrite { quota: quota(1, 7), ..other.order("k", 0) };
    assert_eq!(store.set_plugin_value(&order, b"theirs").await, Ok(KvWrite::Done));
    store.delete_plugin_value(other.plugin.business_id, other.plugin.id, "k").await.unwrap();
    assert_eq!(shop.get("k", 0).await.as_deref(), Some("ours"));
    shop.say(0..2).await;
    assert_eq!(other.said(None, 9).await, [""; 0]);
}

/// No addition is lost, however many add at once.
pub async fn plugin_numbers_survive_a_crowd(store: &dyn Store) {
    const CROWD: i64 = 24;
    let shop = Shop::new(store).await;
    let sums = together((0..CROWD).map(|_| shop.add(shop.order("n", 0), 1))).await;
    let mut sums: Vec<i64> = sums.into_iter().map(|sum| sum.unwrap()).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=CROWD).collect::<Vec<_>>());
    assert_eq!(shop.get("n", 0).await, Some(CROWD.to_string()));
}

/// However many write at once, the quota holds.
pub async fn plugin_quota_holds_in_a_crowd(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let keys: Vec<String> = (10..34).map(|n| n.to_string()).collect();
    let writes = keys.iter().map(|key| {
        let order = PluginWrite { quota: quota(100, 21), ..shop.order(key, 0) };
        async move { store.set_plugin_value(&order, b"v").await.unwrap() }
    });
    let done = together(writes).await;
    assert_eq!(done.iter().filter(|one| **one == KvWrite::Done).count(), 7, "of three bytes each");
    assert_eq!(shop.keys("", None, 99).await.len(), 7);
}
