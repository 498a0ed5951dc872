//! The steps of the model that touch nouns rather than conversations.

use std::ops::Deref;

use justping_core::model::*;
use justping_core::port::Store;
use justping_core::port::store::*;
use serde_json::json;

use super::world::{
    Pair, agent_id, both, channel_id, flow_id, identity, patch, pick, tenant, text,
};
use super::{at, business, uuid};

impl<T> Pair<T>
where
    T: Deref,
    T::Target: Store + Sized,
{
    pub(super) async fn touch_contact(&mut self, a: u8, b: u8, c: u8) {
        let (business, now) = (tenant(a), self.moment());
        let all = self.memory.contacts(business, &PageRequest::first(50)).await.unwrap().items;
        match (b % 4, pick(&all, c)) {
            (0, _) => {
                let id = ContactId::from_uuid(self.fresh());
                let identities = vec![identity(b >> 2), identity(c)];
                let contact = Contact { identities, ..Contact::new(id, business, now) };
                let _ = both!(self, create_contact(&contact));
            }
            (1, _) => {
                let (known, also) =
                    (identity(b >> 2), [identity(c), identity(c >> 3), identity(c)]);
                let _ = both!(self, link_identities(business, &known, &also, now));
            }
            (2, Some(row)) => {
                let business = if b == 254 { tenant(c) } else { business };
                let _ = both!(self, patch_contact(business, row.id, &patch(c), now));
            }
            (_, Some(row)) => {
                let _ = both!(self, delete_contact(business, row.id));
            }
            _ => {}
        }
    }

    pub(super) async fn touch_channel(&mut self, a: u8, b: u8, c: u8) {
        let mut secrets = ChannelSecrets::new();
        for n in 0..b & 3 {
            secrets.insert(format!("s{n}"), text(c.wrapping_add(n)));
        }
        let id = channel_id(c);
        match b >> 5 {
            0 | 1 => {
                let agent_id = (c & 4 == 0).then(|| agent_id(b));
                let channel = ChannelConfig { agent_id, ..self.channel(a, c) };
                let _ = both!(self, create_channel(&channel, &secrets));
            }
            2 | 3 => {
                let _ = both!(self, delete_channel(tenant(a), id));
            }
            _ => {
                if let Ok(row) = self.memory.find_channel(id).await {
                    let agent_id = (c & 4 == 0).then(|| agent_id(b));
                    let revision = row.revision.saturating_sub(u64::from(b & 12 == 12));
                    let provider = "changed".to_owned();
                    let row = ChannelConfig { agent_id, revision, provider, ..row };
                    let _ = both!(self, update_channel(&row, Some(&secrets)));
                }
            }
        }
        let expected = self.memory.channel_secrets(tenant(a), id).await;
        let found = self.tested.channel_secrets(tenant(a), id).await;
        let list = |secrets: StoreResult<ChannelSecrets>| {
            secrets.map(|all| {
                all.expose().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<Vec<_>>()
            })
        };
        assert_eq!(list(found), list(expected), "channel_secrets");
    }

    pub(super) async fn touch_agent(&mut self, a: u8, b: u8, c: u8) {
        match b % 3 {
            0 => drop(both!(self, create_agent(&self.agent(a, c)))),
            1 => drop(both!(self, delete_agent(tenant(a), agent_id(c)))),
            _ => {
                if let Ok(row) = self.memory.agent(tenant(a), agent_id(c)).await {
                    let revision = row.revision.saturating_sub(u64::from(b & 16 == 0));
                    let row = Agent { revision, created_at: self.moment(), ..row };
                    let _ = both!(self, update_agent(&row));
                }
            }
        }
    }

    pub(super) async fn touch_flow(&mut self, a: u8, b: u8, c: u8) {
        let (business, id) = (tenant(a), flow_id(c));
        match b % 4 {
            0 => drop(both!(self, create_flow(&self.flow(a, c)))),
            1 => drop(both!(self, delete_flow(business, id))),
            2 => {
                if let Ok(row) = self.memory.flow(business, id).await {
                    let revision = row.revision.saturating_sub(u64::from(b & 16 == 0));
                    let row = Flow { revision, name: text(b), published: None, ..row };
                    let _ = both!(self, update_flow(&row));
                }
            }
            _ => {
                let version = FlowVersion {
                    id: FlowVersionId::from_uuid(self.fresh()),
                    business_id: business,
                    flow_id: id,
                    number: 0,
                    content_hash: text(b >> 2),
                    document: json!({"n": [b]}),
                    created_at: self.moment(),
                };
                let policy = [SessionPolicy::Finish, SessionPolicy::Restart, SessionPolicy::End];
                let policy = &policy[usize::from(b) % policy.len()];
                let now = self.moment();
                if let Ok(version) = both!(self, publish_flow(&version, policy, now)) {
                    let _ = both!(self, publication_for(business, version.id));
                }
                let _ = both!(self, publications(business, id, &PageRequest::first(3)));
                let _ = both!(self, live_counts(business, id));
            }
        }
    }

    pub(super) async fn touch_directory(&mut self, a: u8, b: u8, c: u8) {
        let business_id = business(u128::from(a % 3) + 1);
        let member = Member {
            id: MemberId::from_uuid(uuid(u128::from(b % 3))),
            business_id,
            name: text(b),
            role: Role::Support,
            created_at: self.moment(),
        };
        let key = ApiKey {
            id: ApiKeyId::from_uuid(uuid(u128::from(c % 4))),
            business_id,
            member_id: member.id,
            name: text(c),
            role: Role::Viewer,
            token_sha256: [c % 4; 32],
            created_at: self.moment(),
            revoked_at: None,
        };
        match c >> 6 {
            0 => drop(both!(self, create_member(&member))),
            1 => drop(both!(self, revoke_api_key(business_id, key.id, self.moment()))),
            _ => drop(both!(self, create_api_key(&key))),
        }
        let _ = both!(self, api_key_by_token(&key.token_sha256));
    }

    pub(super) async fn touch_request(&mut self, a: u8, b: u8, c: u8) {
        let business_id = business(u128::from(a % 3) + 1);
        let key = text(b);
        let record = IdempotencyRecord {
            key: key.clone(),
            request_sha256: [b >> 7; 32],
            now: self.moment(),
        };
        match c % 4 {
            0 | 1 => {
                let abandoned = at(self.now - i64::from(c) * 10);
                drop(both!(self, start_request(business_id, &record, abandoned)));
            }
            2 => drop(both!(self, finish_request(business_id, &key, u16::from(c), &text(c)))),
            _ if c & 4 == 0 => drop(both!(self, forget_request(business_id, &key))),
            _ => drop(both!(self, expire_requests(at(self.now - i64::from(b) * 10), 2))),
        }
    }
}
