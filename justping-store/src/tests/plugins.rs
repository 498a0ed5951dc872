//! The steps of the model that touch plugins.

use std::ops::Deref;

use justping_core::model::*;
use justping_core::port::Store;
use justping_core::port::store::*;
use serde_json::json;

use super::world::{Pair, both, every_page, pages, tenant, text};
use super::{at, uuid};

/// Room for a few values, so that it is full now and then.
const QUOTA: PluginQuota = PluginQuota { keys: 3, bytes: 60 };

fn plugin_id(n: u8) -> PluginId {
    PluginId::from_uuid(uuid(u128::from(n % 2) + 400))
}

fn name(n: u8) -> String {
    ["orders", "o\u{0}\"é"][usize::from(n % 2)].to_owned()
}

fn key(n: u8) -> &'static str {
    ["n", "a%", "a_\u{0}", "é", ""][usize::from(n % 5)]
}

impl<T> Pair<T>
where
    T: Deref,
    T::Target: Store + Sized,
{
    fn release(&self, a: u8, b: u8) -> PluginRelease {
        PluginRelease {
            digest: format!("{}{}", name(b), b % 4),
            business_id: tenant(a),
            name: name(b),
            version: text(b),
            manifest: json!({"v": [b, 0.1]}),
            requested: Grants::default(),
            inspection: json!(null),
            bytes: u64::from(b),
            signer: None,
            created_at: self.moment(),
        }
    }

    fn new_plugin(&self, a: u8, b: u8, c: u8) -> Plugin {
        Plugin {
            id: plugin_id(c),
            business_id: tenant(a),
            name: name(b),
            enabled: c & 8 == 0,
            digest: self.release(a, b).digest,
            history: vec![text(c)],
            grants: Grants::default(),
            config: serde_json::Map::new(),
            fail_open: true,
            revision: 1,
            created_at: self.moment(),
            updated_at: self.moment(),
        }
    }

    pub(super) async fn touch_plugin(&mut self, a: u8, b: u8, c: u8) {
        let (business, id) = (tenant(a), plugin_id(c));
        let secrets = ChannelSecrets::from_iter([(text(b), text(c))]);
        match c >> 4 {
            0..=3 => drop(both!(self, keep_plugin_release(&self.release(a, b)))),
            4..=10 => {
                let _ = both!(self, keep_plugin_release(&self.release(a, b)));
                let _ = both!(self, create_plugin(&self.new_plugin(a, b, c), &secrets));
            }
            11 => drop(both!(self, delete_plugin(business, id))),
            _ => {
                if let Ok(row) = self.memory.plugin(business, id).await {
                    let revision = row.revision.saturating_sub(u64::from(c & 4));
                    let row = Plugin { revision, ..self.new_plugin(a, b, c) };
                    let _ = both!(self, update_plugin(&row, Some(&secrets)));
                }
            }
        }
        let list = |secrets: StoreResult<ChannelSecrets>| {
            secrets.map(|all| {
                all.expose().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<Vec<_>>()
            })
        };
        let expected = list(self.memory.plugin_secrets(business, id).await);
        assert_eq!(list(self.tested.plugin_secrets(business, id).await), expected, "secrets");
        let _ = both!(self, plugin_by_name(business, &name(b)));
        pages!(self, plugins(business));
        pages!(self, plugin_releases(business, &name(b)));
    }

    pub(super) async fn touch_value(&mut self, a: u8, b: u8, c: u8) {
        let (business_id, plugin_id) = (tenant(a), plugin_id(a >> 3));
        let until = (b & 8 != 0).then(|| at(self.now + i64::from(c) * 40 - 1_000));
        let now = self.moment();
        let key = key(b);
        let order = PluginWrite { business_id, plugin_id, key, until, now, quota: QUOTA };
        match c % 8 {
            0..=2 => drop(both!(self, set_plugin_value(&order, text(c / 8).as_bytes()))),
            3 | 4 => drop(both!(self, add_plugin_value(&order, i64::from(c) - 100))),
            5 => drop(both!(self, delete_plugin_value(business_id, plugin_id, key))),
            6 => {
                let line = |n: u8| PluginLine {
                    business_id,
                    plugin_id: self::plugin_id(n),
                    at: now,
                    kind: [PluginLineKind::Log, PluginLineKind::Denied][usize::from(n % 2)],
                    level: PluginLevel::Info,
                    text: text(n),
                    conversation_id: None,
                };
                both!(self, add_plugin_lines(&[line(b), line(c), line(c / 8)])).unwrap();
            }
            _ => {
                let spend = PluginSpend { calls: 1, failures: 0, cpu_micros: 5, peak_bytes: 7 };
                let spend = (business_id, plugin_id, now, spend);
                both!(self, add_plugin_spend(&[spend, spend])).unwrap();
            }
        }
        let _ = both!(self, plugin_value(business_id, plugin_id, key, now));
        let all = PluginKeys { prefix: "", after: None, limit: 9, now };
        let _ = both!(self, plugin_keys(business_id, plugin_id, &all));
        let some = PluginKeys { prefix: "a", after: Some("a%"), limit: 9, now };
        let _ = both!(self, plugin_keys(business_id, plugin_id, &some));
        pages!(self, plugin_lines(business_id, plugin_id, Some(PluginLineKind::Log)));
        let (from, to) = (Date::constant(2023, 11, 1), Date::constant(2023, 12, 31));
        let filter = PluginDayFilter { from, to, plugin_id: None };
        let _ = both!(self, plugin_days(business_id, &filter));
    }
}
