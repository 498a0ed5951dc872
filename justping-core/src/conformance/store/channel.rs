//! Channels and agents.

use serde_json::json;

use crate::conformance::fixture::{
    World, assert_conflict, assert_not_found, assert_stale, at, next_one,
};
use crate::model::{
    Agent, AgentId, ChannelConfig, ChannelId, ChannelSecrets, FlowId, PageRequest, UnknownPolicy,
};
use crate::port::Store;

fn exposed(secrets: &ChannelSecrets) -> Vec<(&str, &str)> {
    secrets.expose().collect()
}

/// A channel is read and found as it was created, once.
pub async fn channel_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let channel = ChannelConfig {
        unknown_policy: UnknownPolicy::AtLeastOnce,
        enabled: false,
        agent_id: Some(world.agent),
        ..world.new_channel()
    };
    assert_not_found(store.channel(world.business, channel.id).await);
    assert_not_found(store.find_channel(channel.id).await);
    store.create_channel(&channel, &ChannelSecrets::new()).await.unwrap();
    assert_eq!(store.channel(world.business, channel.id).await, Ok(channel.clone()));
    assert_eq!(store.find_channel(channel.id).await, Ok(channel.clone()));
    assert_conflict(store.create_channel(&channel, &ChannelSecrets::new()).await);
}

/// Channels are listed by id, a page at a time.
pub async fn channels_are_listed_by_id(store: &dyn Store) {
    let world = World::new(store).await;
    let ids = [world.channel, world.add_channel().await, world.add_channel().await];
    let first = store.channels(world.business, &PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.id).collect::<Vec<_>>(), ids[..2]);
    let second = store.channels(world.business, &next_one(&first)).await.unwrap();
    assert_eq!((second.items[0].id, second.next), (ids[2], None));
}

/// Of two who change a channel at once, the second is told.
pub async fn channel_update_checks_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let before = store.channel(world.business, world.channel).await.unwrap();
    let change = ChannelConfig { name: "New".to_owned(), updated_at: at(9), ..before.clone() };
    let after = store.update_channel(&change, None).await.unwrap();
    assert_eq!(after, ChannelConfig { revision: before.revision + 1, ..change.clone() });
    assert_eq!(store.channel(world.business, world.channel).await, Ok(after.clone()));
    assert_stale(store.update_channel(&change, None).await);
    assert_eq!(store.channel(world.business, world.channel).await, Ok(after));
    let missing = ChannelConfig { id: ChannelId::from_uuid(world.uuid()), ..change };
    assert_not_found(store.update_channel(&missing, None).await);
}

/// The provider and the moment of creation stay what they were.
pub async fn channel_update_keeps_what_never_changes(store: &dyn Store) {
    let world = World::new(store).await;
    let before = store.channel(world.business, world.channel).await.unwrap();
    let change = ChannelConfig {
        provider: "another".to_owned(),
        created_at: at(99),
        settings: json!({ "number": "+1 555 0199" }),
        agent_id: None,
        ..before.clone()
    };
    let after = store.update_channel(&change, None).await.unwrap();
    assert_eq!((&after.provider, after.created_at), (&before.provider, before.created_at));
    assert_eq!((&after.settings, after.agent_id), (&change.settings, None));
}

/// Secrets are opened as they were set; an update sets those it names.
pub async fn channel_secrets_are_set_one_by_one(store: &dyn Store) {
    let world = World::new(store).await;
    let channel = world.new_channel();
    let secrets: ChannelSecrets = [("app_secret", "s1"), ("token", "t1")].into_iter().collect();
    store.create_channel(&channel, &secrets).await.unwrap();
    let stored = store.channel_secrets(world.business, channel.id).await.unwrap();
    assert_eq!(exposed(&stored), [("app_secret", "s1"), ("token", "t1")]);
    let change = [("token", "t2"), ("verify", "v")].into_iter().collect();
    let next = store.update_channel(&channel, Some(&change)).await.unwrap();
    store.update_channel(&next, None).await.unwrap();
    let stored = store.channel_secrets(world.business, channel.id).await.unwrap();
    assert_eq!(exposed(&stored), [("app_secret", "s1"), ("token", "t2"), ("verify", "v")]);
    let missing = ChannelId::from_uuid(world.uuid());
    assert_not_found(store.channel_secrets(world.business, missing).await);
}

/// An update that comes too late sets no secret either.
pub async fn channel_secrets_survive_a_stale_update(store: &dyn Store) {
    let world = World::new(store).await;
    let channel = world.new_channel();
    let secrets = [("token", "t1")].into_iter().collect();
    store.create_channel(&channel, &secrets).await.unwrap();
    store.update_channel(&channel, None).await.unwrap();
    let late = [("token", "late")].into_iter().collect();
    assert_stale(store.update_channel(&channel, Some(&late)).await);
    let stored = store.channel_secrets(world.business, channel.id).await.unwrap();
    assert_eq!(exposed(&stored), [("token", "t1")]);
}

/// A channel with conversations stays; one without goes.
pub async fn channel_delete_refuses_while_used(store: &dyn Store) {
    let world = World::new(store).await;
    let spare = world.add_channel().await;
    world.quiet("ann").await;
    assert_conflict(store.delete_channel(world.business, world.channel).await);
    store.channel(world.business, world.channel).await.unwrap();
    store.delete_channel(world.business, spare).await.unwrap();
    assert_not_found(store.channel(world.business, spare).await);
    assert_not_found(store.find_channel(spare).await);
    assert_not_found(store.channel_secrets(world.business, spare).await);
    assert_not_found(store.delete_channel(world.business, spare).await);
}

/// A channel names an agent of its own business, or none.
pub async fn channel_needs_its_agent(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let before = store.channel(world.business, world.channel).await.unwrap();
    for agent in [rival.agent, AgentId::from_uuid(world.uuid())] {
        let fresh = ChannelConfig { agent_id: Some(agent), ..world.new_channel() };
        assert_not_found(store.create_channel(&fresh, &ChannelSecrets::new()).await);
        let change = ChannelConfig { agent_id: Some(agent), ..before.clone() };
        assert_not_found(store.update_channel(&change, None).await);
    }
    assert_eq!(store.channel(world.business, world.channel).await, Ok(before));
}

/// An agent is read and listed as it was created, once.
pub async fn agent_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let flows = vec![FlowId::from_uuid(world.uuid()), FlowId::from_uuid(world.uuid())];
    let agent = Agent { flows, ..world.new_agent() };
    assert_not_found(store.agent(world.business, agent.id).await);
    store.create_agent(&agent).await.unwrap();
    assert_eq!(store.agent(world.business, agent.id).await, Ok(agent.clone()));
    assert_conflict(store.create_agent(&agent).await);
    let listed = store.agents(world.business, &PageRequest::default()).await.unwrap().items;
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [world.agent, agent.id]);
}

/// Of two who change an agent at once, the second is told.
pub async fn agent_update_checks_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let before = store.agent(world.business, world.agent).await.unwrap();
    let change = Agent { name: "Eve".to_owned(), model: None, ..before.clone() };
    let after = store.update_agent(&change).await.unwrap();
    assert_eq!(after, Agent { revision: before.revision + 1, ..change.clone() });
    assert_eq!(store.agent(world.business, world.agent).await, Ok(after));
    assert_stale(store.update_agent(&change).await);
    let missing = Agent { id: AgentId::from_uuid(world.uuid()), ..change };
    assert_not_found(store.update_agent(&missing).await);
}

/// When an agent goes, the channels that named it name none.
pub async fn agent_delete_leaves_channels_without_one(store: &dyn Store) {
    let world = World::new(store).await;
    store.delete_agent(world.business, world.agent).await.unwrap();
    assert_not_found(store.agent(world.business, world.agent).await);
    let channel = store.channel(world.business, world.channel).await.unwrap();
    assert_eq!(channel.agent_id, None);
    assert_not_found(store.delete_agent(world.business, world.agent).await);
}
