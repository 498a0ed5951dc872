//! Plugins: what is installed, what it keeps within its quota, what it says and takes.

use std::time::Duration;

use serde_json::{Map, json};
use uuid::Uuid;

use crate::conformance::fixture::{
    World, assert_conflict, assert_invalid, assert_not_found, assert_stale, at, next_one, nonsense,
    together,
};
use crate::model::{
    BusinessId, Capability, ChannelSecrets, Cursor, Grants, PLUGIN_HISTORY_MAX,
    PLUGIN_LINE_MAX_BYTES, PLUGIN_LINES_MAX, PageRequest, Plugin, PluginDay, PluginId, PluginLevel,
    PluginLine, PluginLineKind, PluginQuota, PluginRelease, PluginSpend, Timestamp, WorkerId,
    day_of,
};
use crate::port::Store;
use crate::port::store::{
    KvSum, KvWrite, PLUGIN_BATCH_MAX, PluginDayFilter, PluginKeys, PluginWrite, Retention,
    StoreResult, UPKEEP_LEASE, UpkeepOptions, UpkeepReport,
};

/// One day, in seconds.
const DAY_S: i64 = 24 * 60 * 60;

fn release(world: &World<'_>, digest: &str, second: i64) -> PluginRelease {
    PluginRelease {
        digest: digest.to_owned(),
        business_id: world.business,
        name: "order-status".to_owned(),
        version: "1.0.0".to_owned(),
        manifest: json!({"name": "order-status", "odd": "\u{0}\"é"}),
        requested: Grants {
            capabilities: [Capability::Kv, Capability::Http].into(),
            hosts: ["https://api.example.com".to_owned()].into(),
            secrets: ["token".to_owned()].into(),
        },
        inspection: json!({"exports": ["nodes"]}),
        bytes: 12_345,
        signer: Some("ab".repeat(32)),
        created_at: at(second),
    }
}

fn new_plugin(world: &World<'_>, digest: &str) -> Plugin {
    Plugin {
        id: PluginId::from_uuid(world.uuid()),
        business_id: world.business,
        name: "order-status".to_owned(),
        enabled: true,
        digest: digest.to_owned(),
        history: Vec::new(),
        grants: Grants { capabilities: [Capability::Kv].into(), ..Grants::default() },
        config: Map::from_iter([("limit".to_owned(), json!(0.1))]),
        fail_open: true,
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// A plugin of a name that is installed; its release has the name as its digest.
pub(super) async fn named(world: &World<'_>, name: &str) -> Plugin {
    let release = PluginRelease { name: name.to_owned(), ..release(world, name, 0) };
    world.store.keep_plugin_release(&release).await.unwrap();
    let plugin = Plugin { name: name.to_owned(), ..new_plugin(world, name) };
    world.store.create_plugin(&plugin, &ChannelSecrets::new()).await.unwrap();
    plugin
}

/// A business with a plugin.
pub(super) struct Shop<'a> {
    pub(super) world: World<'a>,
    pub(super) plugin: Plugin,
}

impl<'a> Shop<'a> {
    pub(super) async fn new(store: &'a dyn Store) -> Self {
        let world = World::new(store).await;
        let plugin = named(&world, "a").await;
        Self { world, plugin }
    }

    pub(super) fn order<'k>(&self, key: &'k str, second: i64) -> PluginWrite<'k> {
        PluginWrite {
            business_id: self.plugin.business_id,
            plugin_id: self.plugin.id,
            key,
            until: None,
            now: at(second),
            quota: PluginQuota::default(),
        }
    }

    pub(super) async fn set(&self, key: &str, value: &str) {
        let order = self.order(key, 0);
        let done = self.world.store.set_plugin_value(&order, value.as_bytes()).await;
        assert_eq!(done, Ok(KvWrite::Done), "{key}");
    }

    pub(super) async fn add(&self, order: PluginWrite<'_>, by: i64) -> KvSum {
        self.world.store.add_plugin_value(&order, by).await.unwrap()
    }

    pub(super) async fn get(&self, key: &str, second: i64) -> Option<String> {
        get(self.world.store, &self.plugin, key, second).await.unwrap()
    }

    pub(super) async fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        self.keys_at(prefix, after, limit, 0).await
    }

    pub(super) async fn keys_at(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        now: i64,
    ) -> Vec<String> {
        let looked_for = PluginKeys { prefix, after, limit, now: at(now) };
        let (business, id) = (self.plugin.business_id, self.plugin.id);
        self.world.store.plugin_keys(business, id, &looked_for).await.unwrap()
    }

    pub(super) fn line(&self, number: i64) -> PluginLine {
        line(&self.plugin, number)
    }

    pub(super) async fn say(&self, numbers: std::ops::Range<i64>) {
        let lines: Vec<PluginLine> = numbers.map(|number| self.line(number)).collect();
        self.world.store.add_plugin_lines(&lines).await.unwrap();
    }

    pub(super) async fn said(&self, kind: Option<PluginLineKind>, limit: u32) -> Vec<String> {
        let page = PageRequest::first(limit);
        let (business, id) = (self.plugin.business_id, self.plugin.id);
        let page = self.world.store.plugin_lines(business, id, kind, &page).await.unwrap();
        page.items.into_iter().map(|line| line.text).collect()
    }

    pub(super) async fn days(&self, filter: PluginDayFilter) -> Vec<PluginDay> {
        self.world.store.plugin_days(self.plugin.business_id, &filter).await.unwrap()
    }
}

fn line(plugin: &Plugin, number: i64) -> PluginLine {
    PluginLine {
        business_id: plugin.business_id,
        plugin_id: plugin.id,
        at: at(number),
        kind: PluginLineKind::Log,
        level: PluginLevel::Info,
        text: format!("line {number}\u{0}"),
        conversation_id: None,
    }
}

pub(super) async fn get(
    store: &dyn Store,
    plugin: &Plugin,
    key: &str,
    second: i64,
) -> StoreResult<Option<String>> {
    let value = store.plugin_value(plugin.business_id, plugin.id, key, at(second)).await?;
    Ok(value.map(|value| String::from_utf8(value).unwrap()))
}

pub(super) fn later(seconds: i64) -> Option<Timestamp> {
    Some(at(seconds))
}

pub(super) fn quota(keys: u64, bytes: u64) -> PluginQuota {
    PluginQuota { keys, bytes }
}

fn exposed(secrets: &ChannelSecrets) -> Vec<(&str, &str)> {
    secrets.expose().collect()
}

fn all_days() -> PluginDayFilter {
    let (from, to) = (day_of(at(0)), day_of(at(300 * DAY_S)));
    PluginDayFilter { from, to, plugin_id: None }
}

fn spend(calls: u64, peak_bytes: u64) -> PluginSpend {
    PluginSpend { calls, failures: calls / 2, cpu_micros: calls * 7, peak_bytes }
}

/// Does all of the upkeep.
async fn upkeep(store: &dyn Store, now: i64, keep: Retention, limit: u32) -> UpkeepReport {
    let worker = WorkerId::from_uuid(Uuid::from_u128(1));
    let fence = store.take_lease(UPKEEP_LEASE, worker, at(now), at(now + 60)).await.unwrap();
    let fence = fence.unwrap();
    let mut options = UpkeepOptions { fence, now: at(now), keep, limit, after: None };
    let mut sum = UpkeepReport::default();
    for _ in 0..100 {
        sum.add(store.upkeep(&options).await.unwrap());
        match sum.next.take() {
            Some(next) => options.after = Some(next),
            None => {
                store.release_lease(UPKEEP_LEASE, fence).await.unwrap();
                return sum;
            }
        }
    }
    panic!("the upkeep does not end: {sum:?}");
}

/// A release is read as it was added, and stays so.
pub async fn plugin_release_never_changes(store: &dyn Store) {
    let world = World::new(store).await;
    let first = release(&world, "d1", 0);
    assert_not_found(store.plugin_release(world.business, "d1").await);
    store.keep_plugin_release(&first).await.unwrap();
    let other = PluginRelease { version: "9.9.9".to_owned(), ..first.clone() };
    store.keep_plugin_release(&other).await.unwrap();
    assert_eq!(store.plugin_release(world.business, "d1").await, Ok(first.clone()));
    let nobody = PluginRelease { business_id: BusinessId::from_uuid(world.uuid()), ..first };
    assert_not_found(store.keep_plugin_release(&nobody).await);
}

/// Releases of a name are listed the newest first; of one moment, by digest.
pub async fn plugin_releases_are_listed_newest_first(store: &dyn Store) {
    let world = World::new(store).await;
    for (digest, second) in [("b", 5), ("d", 1), ("a", 5), ("c", 9)] {
        store.keep_plugin_release(&release(&world, digest, second)).await.unwrap();
    }
    let other = PluginRelease { name: "other".to_owned(), ..release(&world, "x", 20) };
    store.keep_plugin_release(&other).await.unwrap();
    let mut found = Vec::new();
    let mut request = PageRequest::first(1);
    loop {
        let page = store.plugin_releases(world.business, "order-status", &request).await.unwrap();
        found.extend(page.items.into_iter().map(|release| release.digest));
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ["c", "b", "a", "d"]);
    let none = store.plugin_releases(world.business, "nobody\u{0}", &PageRequest::default()).await;
    assert_eq!(none.unwrap().items, []);
    assert_invalid(store.plugin_releases(world.business, "other", &nonsense()).await);
}

/// A plugin is read and found as it was installed, once of a name.
pub async fn plugin_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    store.keep_plugin_release(&release(&world, "d1", 0)).await.unwrap();
    let plugin = new_plugin(&world, "d1");
    assert_not_found(store.plugin(world.business, plugin.id).await);
    assert_not_found(store.plugin_by_name(world.business, &plugin.name).await);
    store.create_plugin(&plugin, &ChannelSecrets::new()).await.unwrap();
    assert_eq!(store.plugin(world.business, plugin.id).await, Ok(plugin.clone()));
    assert_eq!(store.plugin_by_name(world.business, &plugin.name).await, Ok(plugin.clone()));
    assert_conflict(store.create_plugin(&plugin, &ChannelSecrets::new()).await);
    let again = new_plugin(&world, "d1");
    assert_conflict(store.create_plugin(&again, &ChannelSecrets::new()).await);
    assert_not_found(store.plugin(world.business, again.id).await);
    let nobody = Plugin { business_id: BusinessId::from_uuid(world.uuid()), ..again };
    assert_not_found(store.create_plugin(&nobody, &ChannelSecrets::new()).await);
}

/// A plugin runs a release that is there, and one of its own name.
pub async fn plugin_needs_its_release(store: &dyn Store) {
    let world = World::new(store).await;
    let secrets = ChannelSecrets::new();
    let missing = new_plugin(&world, "d1");
    assert_not_found(store.create_plugin(&missing, &secrets).await);
    let other = PluginRelease { name: "other".to_owned(), ..release(&world, "d2", 0) };
    store.keep_plugin_release(&other).await.unwrap();
    let plugin = Plugin { digest: "d2".to_owned(), ..missing };
    assert_not_found(store.create_plugin(&plugin, &secrets).await);
    assert_not_found(store.plugin(world.business, plugin.id).await);
    store.keep_plugin_release(&release(&world, "d1", 0)).await.unwrap();
    let plugin = Plugin { digest: "d1".to_owned(), ..plugin };
    store.create_plugin(&plugin, &secrets).await.unwrap();
    for digest in ["d2", "d3"] {
        let change = Plugin { digest: digest.to_owned(), ..plugin.clone() };
        assert_not_found(store.update_plugin(&change, None).await);
    }
    assert_eq!(store.plugin(world.business, plugin.id).await, Ok(plugin));
}

/// Plugins are listed by id, a page at a time.
pub async fn plugins_are_listed_by_id(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for name in ["c", "a", "b"] {
        ids.push(named(&world, name).await.id);
    }
    let first = store.plugins(world.business, &PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.id).collect::<Vec<_>>(), ids[..2]);
    let second = store.plugins(world.business, &next_one(&first)).await.unwrap();
    assert_eq!((second.items[0].id, second.next), (ids[2], None));
    assert_invalid(store.plugins(world.business, &nonsense()).await);
}

/// Of two who change a plugin at once, the second is told; what never changes stays.
pub async fn plugin_update_checks_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let plugin = named(&world, "a").await;
    named(&world, "b").await;
    let change = Plugin {
        name: "b".to_owned(),
        enabled: false,
        config: Map::new(),
        created_at: at(99),
        updated_at: at(5),
        ..plugin.clone()
    };
    let after = store.update_plugin(&change, None).await.unwrap();
    let expected =
        Plugin { name: "a".to_owned(), created_at: at(0), revision: 2, ..change.clone() };
    assert_eq!(after, expected);
    assert_eq!(store.plugin(world.business, plugin.id).await, Ok(expected.clone()));
    assert_eq!(store.plugin_by_name(world.business, "a").await, Ok(expected.clone()));
    let news = ChannelSecrets::from_iter([("token", "t")]);
    assert_stale(store.update_plugin(&change, Some(&news)).await);
    assert_eq!(store.plugin(world.business, plugin.id).await, Ok(expected));
    let secrets = store.plugin_secrets(world.business, plugin.id).await.unwrap();
    assert_eq!(exposed(&secrets), []);
    let missing = Plugin { id: PluginId::from_uuid(world.uuid()), ..change };
    assert_not_found(store.update_plugin(&missing, None).await);
}

/// Of a history, what is too much goes at its old end.
pub async fn plugin_history_is_bounded(store: &dyn Store) {
    let world = World::new(store).await;
    let digests = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    store.keep_plugin_release(&release(&world, "d1", 0)).await.unwrap();
    let history = digests(PLUGIN_HISTORY_MAX + 3);
    let plugin = Plugin { history, ..new_plugin(&world, "d1") };
    store.create_plugin(&plugin, &ChannelSecrets::new()).await.unwrap();
    let stored = store.plugin(world.business, plugin.id).await.unwrap();
    assert_eq!(stored.history, digests(PLUGIN_HISTORY_MAX + 3)[3..]);
    let mut change = stored;
    change.history.push("new".to_owned());
    let stored = store.update_plugin(&change, None).await.unwrap();
    assert_eq!(stored.history.len(), PLUGIN_HISTORY_MAX);
    assert_eq!(stored.history.first().unwrap(), "4");
    assert_eq!(stored.history.last().unwrap(), "new");
    assert_eq!(store.plugin(world.business, plugin.id).await, Ok(stored));
}

/// Secrets are set one by one, and belong to their plugin.
pub async fn plugin_secrets_are_set_one_by_one(store: &dyn Store) {
    let world = World::new(store).await;
    store.keep_plugin_release(&release(&world, "d1", 0)).await.unwrap();
    let plugin = new_plugin(&world, "d1");
    let odd = "\u{0}é\u{1f600}";
    let secrets = ChannelSecrets::from_iter([("token", "t1"), ("key", odd)]);
    store.create_plugin(&plugin, &secrets).await.unwrap();
    let other = named(&world, "other").await;
    let news = ChannelSecrets::from_iter([("token", "t2"), ("more", "")]);
    let plugin = store.update_plugin(&plugin, Some(&news)).await.unwrap();
    let found = store.plugin_secrets(world.business, plugin.id).await.unwrap();
    assert_eq!(exposed(&found), [("key", odd), ("more", ""), ("token", "t2")]);
    store.update_plugin(&plugin, None).await.unwrap();
    let found = store.plugin_secrets(world.business, plugin.id).await.unwrap();
    assert_eq!(exposed(&found).len(), 3);
    let none = store.plugin_secrets(world.business, other.id).await.unwrap();
    assert_eq!(exposed(&none), []);
}

/// With a plugin goes everything that is its own, also for one that takes its name.
pub async fn plugin_delete_takes_all(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let (business, id) = (shop.world.business, shop.plugin.id);
    let secrets = ChannelSecrets::from_iter([("token", "t")]);
    store.update_plugin(&shop.plugin, Some(&secrets)).await.unwrap();
    shop.set("k", "v").await;
    shop.say(0..3).await;
    store.add_plugin_spend(&[(business, id, at(0), spend(2, 1))]).await.unwrap();
    store.delete_plugin(business, id).await.unwrap();
    assert_not_found(store.delete_plugin(business, id).await);
    assert_not_found(store.plugin(business, id).await);
    assert_not_found(store.plugin_by_name(business, "a").await);
    assert_not_found(store.plugin_secrets(business, id).await);
    assert_not_found(get(store, &shop.plugin, "k", 0).await);
    assert_not_found(store.plugin_lines(business, id, None, &PageRequest::default()).await);
    assert_eq!(shop.days(all_days()).await, []);
    assert!(store.plugin_release(business, "a").await.is_ok(), "the release stays");
    store.create_plugin(&shop.plugin, &ChannelSecrets::new()).await.unwrap();
    assert_eq!(shop.get("k", 0).await, None);
    assert_eq!(shop.keys("", None, 9).await, [""; 0]);
    assert_eq!(shop.said(None, 9).await, [""; 0]);
    assert_eq!(exposed(&store.plugin_secrets(business, id).await.unwrap()), []);
    let order = PluginWrite { quota: quota(1, 2), ..shop.order("k", 0) };
    assert_eq!(store.set_plugin_value(&order, b"v").await, Ok(KvWrite::Done), "room is free");
}

/// Lines are paged the newest first, in the order in which they were added.
pub async fn plugin_lines_are_paged_newest_first(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let (business, id) = (shop.plugin.business_id, shop.plugin.id);
    shop.say(0..2).await;
    // The moments of clocks that differ change nothing.
    let early = PluginLine { at: at(-60), ..shop.line(2) };
    store.add_plugin_lines(&[early, shop.line(3)]).await.unwrap();
    let first = store.plugin_lines(business, id, None, &PageRequest::first(3)).await.unwrap();
    let texts: Vec<_> = first.items.iter().map(|line| &*line.text).collect();
    assert_eq!(texts, ["line 3\u{0}", "line 2\u{0}", "line 1\u{0}"]);
    assert_eq!(first.items[2], shop.line(1));
    shop.say(4..6).await;
    let second = store.plugin_lines(business, id, None, &next_one(&first)).await.unwrap();
    assert_eq!((&second.items[..], second.next), (&[shop.line(0)][..], None));
    for odd in [nonsense(), PageRequest { after: Some(Cursor("-1".to_owned())), limit: 9 }] {
        assert_invalid(store.plugin_lines(business, id, None, &odd).await);
    }
}

/// Lines are filtered by their kind, and carry all of themselves.
pub async fn plugin_lines_are_filtered(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let conversation = crate::model::ConversationId::from_uuid(shop.world.uuid());
    let denied = PluginLine {
        kind: PluginLineKind::Denied,
        level: PluginLevel::Warn,
        conversation_id: Some(conversation),
        ..shop.line(1)
    };
    let failed =
        PluginLine { kind: PluginLineKind::Failed, level: PluginLevel::Error, ..shop.line(2) };
    let changed = PluginLine { kind: PluginLineKind::Changed, ..shop.line(3) };
    store.add_plugin_lines(&[shop.line(0), denied.clone(), failed, changed]).await.unwrap();
    let (business, id) = (shop.plugin.business_id, shop.plugin.id);
    let kind = Some(PluginLineKind::Denied);
    let page = store.plugin_lines(business, id, kind, &PageRequest::first(1)).await.unwrap();
    assert_eq!((page.items, page.next), (vec![denied], None));
    for kind in [PluginLineKind::Log, PluginLineKind::Failed, PluginLineKind::Changed] {
        assert_eq!(shop.said(Some(kind), 9).await.len(), 1, "{kind:?}");
    }
    assert_eq!(shop.said(None, 9).await.len(), 4);
}

/// A batch has lines of many plugins; what is too large is refused as a whole.
pub async fn plugin_lines_come_in_batches(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let other = Shop::new(store).await;
    let gone = Plugin { id: PluginId::from_uuid(shop.world.uuid()), ..shop.plugin.clone() };
    store.add_plugin_lines(&[]).await.unwrap();
    let mut lines: Vec<PluginLine> = (0..PLUGIN_BATCH_MAX as i64)
        .map(|n| match n % 3 {
            0 => shop.line(n),
            1 => other.line(n),
            _ => line(&gone, n),
        })
        .collect();
    store.add_plugin_lines(&lines).await.unwrap();
    assert_eq!(shop.said(None, 2).await, ["line 999\u{0}", "line 996\u{0}"]);
    assert_eq!(other.said(None, 2).await, ["line 997\u{0}", "line 994\u{0}"]);
    lines.push(shop.line(1_000));
    assert_invalid(store.add_plugin_lines(&lines).await);
    let text = "x".repeat(PLUGIN_LINE_MAX_BYTES + 1);
    let long = PluginLine { text, ..shop.line(1) };
    assert_invalid(store.add_plugin_lines(&[shop.line(0), long]).await);
    assert_eq!(shop.said(None, 1).await, ["line 999\u{0}"], "nothing of either was added");
}

/// A log keeps its newest lines.
pub async fn plugin_log_is_bounded(store: &dyn Store) {
    const BATCH: i64 = PLUGIN_BATCH_MAX as i64;
    let shop = Shop::new(store).await;
    let most = PLUGIN_LINES_MAX as i64;
    for from in (0..most).step_by(PLUGIN_BATCH_MAX) {
        shop.say(from..(from + BATCH).min(most)).await;
    }
    let oldest = async || {
        let page = PageRequest { after: Some(Cursor("3".to_owned())), limit: 9 };
        let (business, id) = (shop.plugin.business_id, shop.plugin.id);
        let page = store.plugin_lines(business, id, None, &page).await.unwrap();
        page.items.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    assert_eq!(oldest().await, ["line 1\u{0}", "line 0\u{0}"]);
    shop.say(most..most + 1).await;
    assert_eq!(oldest().await, ["line 1\u{0}"]);
    assert_eq!(shop.said(None, 1).await, [format!("line {most}\u{0}")]);
}

/// However many add lines at once, each is there once.
pub async fn plugin_lines_survive_a_crowd(store: &dyn Store) {
    let shop = Shop::new(store).await;
    together((0..12).map(|n| shop.say(n * 3..n * 3 + 3))).await;
    let mut said = shop.said(None, 99).await;
    assert_eq!(said.len(), 36);
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), 36);
}

/// What calls took adds up by day and plugin; of what they held, the most counts.
pub async fn plugin_days_add_up(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let (business, id) = (shop.plugin.business_id, shop.plugin.id);
    let other = named(&shop.world, "b").await.id;
    let gone = PluginId::from_uuid(shop.world.uuid());
    let spends = [
        (business, id, at(0), spend(1, 9)),
        (business, other, at(0), spend(4, 1)),
        (business, id, at(DAY_S), spend(8, 2)),
        (business, id, at(1), spend(2, 5)),
        (business, gone, at(1), spend(2, 5)),
    ];
    store.add_plugin_spend(&spends).await.unwrap();
    store.add_plugin_spend(&[(business, id, at(2), spend(1, 10))]).await.unwrap();
    store.add_plugin_spend(&[]).await.unwrap();
    let day = |second, plugin_id, spend| PluginDay { day: day_of(at(second)), plugin_id, spend };
    let sum = PluginSpend { calls: 4, failures: 1, cpu_micros: 28, peak_bytes: 10 };
    let expected = [day(0, id, sum), day(0, other, spend(4, 1)), day(DAY_S, id, spend(8, 2))];
    assert_eq!(shop.days(all_days()).await, expected);
    let first = PluginDayFilter { to: day_of(at(0)), ..all_days() };
    assert_eq!(shop.days(first).await, expected[..2]);
    let ours = PluginDayFilter { plugin_id: Some(other), ..all_days() };
    assert_eq!(shop.days(ours).await, expected[1..2]);
    let backwards = PluginDayFilter { to: day_of(at(-DAY_S)), ..all_days() };
    assert_invalid(store.plugin_days(business, &backwards).await);
    let many = vec![(business, id, at(0), spend(1, 1)); PLUGIN_BATCH_MAX];
    store.add_plugin_spend(&many).await.unwrap();
    assert_eq!(shop.days(all_days()).await[0].spend.calls, 1_004);
    let more = vec![(business, id, at(0), spend(1, 1)); PLUGIN_BATCH_MAX + 1];
    assert_invalid(store.add_plugin_spend(&more).await);
    assert_eq!(shop.days(all_days()).await[0].spend.calls, 1_004);
}

/// Of what a plugin took, nothing is lost, however many say so at once.
pub async fn plugin_days_survive_a_crowd(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let (business, id) = (shop.plugin.business_id, shop.plugin.id);
    let batch: Vec<_> = (0..3).map(|day| (business, id, at(day * DAY_S), spend(2, 1))).collect();
    together((0..12).map(|_| async { store.add_plugin_spend(&batch).await.unwrap() })).await;
    let calls: Vec<u64> = shop.days(all_days()).await.iter().map(|day| day.spend.calls).collect();
    assert_eq!(calls, [24; 3]);
}

/// One business neither sees nor changes the plugins of another.
pub async fn foreign_plugins_are_hidden(store: &dyn Store) {
    let ours = World::new(store).await;
    let theirs = Shop::new(store).await;
    let (business, id) = (ours.business, theirs.plugin.id);
    let named = &*theirs.plugin.name;
    assert_not_found(store.plugin_release(business, &theirs.plugin.digest).await);
    let page = PageRequest::default();
    assert_eq!(store.plugin_releases(business, named, &page).await.unwrap().items, []);
    assert_not_found(store.plugin(business, id).await);
    assert_not_found(store.plugin_by_name(business, named).await);
    assert_eq!(store.plugins(business, &page).await.unwrap().items, []);
    assert_not_found(store.plugin_secrets(business, id).await);
    assert_not_found(store.delete_plugin(business, id).await);
    let foreign = Plugin { business_id: business, ..theirs.plugin.clone() };
    assert_not_found(store.update_plugin(&foreign, None).await);
    let none = ChannelSecrets::new();
    assert_not_found(store.create_plugin(&foreign, &none).await);
    assert_eq!(store.plugin(theirs.world.business, id).await, Ok(theirs.plugin));
}

/// Who has plugins is told by id, each once, and nobody else is.
pub async fn plugin_businesses_are_listed(store: &dyn Store) {
    let _without = World::new(store).await;
    let mut having = Vec::new();
    for _ in 0..3 {
        let shop = Shop::new(store).await;
        named(&shop.world, "b").await;
        having.push(shop.world.business);
    }
    let gone = Shop::new(store).await;
    store.delete_plugin(gone.world.business, gone.plugin.id).await.unwrap();
    having.sort_unstable();
    assert_eq!(store.plugin_businesses(None, 9).await.unwrap(), having);
    assert_eq!(store.plugin_businesses(None, 2).await.unwrap(), having[..2]);
    assert_eq!(store.plugin_businesses(Some(having[1]), 9).await.unwrap(), having[2..]);
}

/// One business neither reads, fills nor counts what a plugin of another keeps, says and takes.
pub async fn foreign_plugin_data_is_hidden(store: &dyn Store) {
    let ours = World::new(store).await;
    let theirs = Shop::new(store).await;
    let (business, id) = (ours.business, theirs.plugin.id);
    theirs.set("k", "v").await;
    theirs.say(0..1).await;
    store.add_plugin_spend(&[(theirs.world.business, id, at(0), spend(1, 1))]).await.unwrap();
    let order = PluginWrite { business_id: business, ..theirs.order("k", 0) };
    assert_not_found(store.set_plugin_value(&order, b"x").await);
    assert_not_found(store.add_plugin_value(&order, 1).await);
    assert_not_found(store.plugin_value(business, id, "k", at(0)).await);
    assert_not_found(store.delete_plugin_value(business, id, "k").await);
    let all = PluginKeys { prefix: "", after: None, limit: 9, now: at(0) };
    assert_not_found(store.plugin_keys(business, id, &all).await);
    assert_not_found(store.plugin_lines(business, id, None, &PageRequest::default()).await);
    let foreign = PluginLine { business_id: business, ..theirs.line(7) };
    store.add_plugin_lines(&[foreign]).await.unwrap();
    store.add_plugin_spend(&[(business, id, at(0), spend(5, 5))]).await.unwrap();
    assert_eq!(store.plugin_days(business, &all_days()).await, Ok(Vec::new()));
    assert_eq!(theirs.said(None, 9).await, ["line 0\u{0}"]);
    assert_eq!(theirs.days(all_days()).await[0].spend, spend(1, 1));
    assert_eq!(theirs.get("k", 0).await.as_deref(), Some("v"));
}

/// The upkeep drops values that are over, of every plugin, and what they took from quotas.
pub async fn upkeep_drops_values_of_plugins(store: &dyn Store) {
    let (one, other) = (Shop::new(store).await, Shop::new(store).await);
    for shop in [&one, &other] {
        for (key, until) in [("a", 10), ("b", 11), ("c", 12), ("d", 90)] {
            let order = PluginWrite { until: later(until), ..shop.order(key, 0) };
            store.set_plugin_value(&order, b"1234").await.unwrap();
        }
        shop.set("e", "1234").await;
    }
    let report = upkeep(store, 12, Retention::default(), 2).await;
    assert_eq!(report.plugin_values, 6);
    assert_eq!(upkeep(store, 12, Retention::default(), 2).await.plugin_values, 0);
    for shop in [&one, &other] {
        assert_eq!(shop.keys("", None, 9).await, ["d", "e"]);
        let order = PluginWrite { quota: quota(3, 14), ..shop.order("f", 12) };
        assert_eq!(store.set_plugin_value(&order, b"1234").await, Ok(KvWrite::Full));
        assert_eq!(store.set_plugin_value(&order, b"123").await, Ok(KvWrite::Done));
    }
}

/// The upkeep drops lines and days that are old.
pub async fn upkeep_drops_logs_of_plugins(store: &dyn Store) {
    let shop = Shop::new(store).await;
    let (business, id) = (shop.plugin.business_id, shop.plugin.id);
    shop.say(0..5).await;
    let spends: Vec<_> = (0..4).map(|day| (business, id, at(day * DAY_S), spend(1, 1))).collect();
    store.add_plugin_spend(&spends).await.unwrap();
    let never = Retention { plugin_lines: None, plugin_days: None, ..Retention::default() };
    let report = upkeep(store, 100 * DAY_S, never, 2).await;
    assert_eq!((report.plugin_lines, report.plugin_days), (0, 0));
    let minute = Some(Duration::from_secs(60));
    let keep = Retention { plugin_lines: minute, ..Retention::default() };
    assert_eq!(upkeep(store, 63, keep, 2).await.plugin_lines, 3);
    assert_eq!(shop.said(None, 9).await, ["line 4\u{0}", "line 3\u{0}"]);
    let day = Some(Duration::from_secs(DAY_S as u64));
    let keep = Retention { plugin_days: day, ..Retention::default() };
    assert_eq!(upkeep(store, 3 * DAY_S, keep, 2).await.plugin_days, 2);
    assert_eq!(shop.days(all_days()).await.len(), 2);
    shop.say(5..6).await;
    assert_eq!(shop.said(None, 1).await, ["line 5\u{0}"]);
}
