//! Businesses, members, API keys.

use crate::conformance::fixture::{World, assert_conflict, assert_not_found, at, next_one};
use crate::model::{ApiKey, ApiKeyId, Business, BusinessId, Member, MemberId, PageRequest};
use crate::port::Store;

/// A business is read as it was created, once.
pub async fn business_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let id = BusinessId::from_uuid(world.uuid());
    assert_not_found(store.business(id).await);
    let business = Business { id, name: "Zweite GmbH ✓".to_owned(), created_at: at(7) };
    store.create_business(&business).await.unwrap();
    assert_eq!(store.business(id).await, Ok(business.clone()));
    assert_conflict(store.create_business(&business).await);
}

/// Businesses are listed by id, a page at a time.
pub async fn businesses_are_listed_by_id(store: &dyn Store) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(World::new(store).await.business);
    }
    ids.sort();
    let first = store.businesses(&PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.id).collect::<Vec<_>>(), ids[..2]);
    let second = store.businesses(&next_one(&first)).await.unwrap();
    assert_eq!((second.items[0].id, second.next), (ids[2], None));
}

/// A member is read and listed as it was created, once.
pub async fn member_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let member = world.new_member();
    assert_not_found(store.member(world.business, member.id).await);
    store.create_member(&member).await.unwrap();
    assert_eq!(store.member(world.business, member.id).await, Ok(member.clone()));
    assert_conflict(store.create_member(&member).await);
    let listed = store.members(world.business, &PageRequest::default()).await.unwrap().items;
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [world.member, member.id]);
}

/// Nothing is created in a business that does not exist.
pub async fn creating_needs_the_business(store: &dyn Store) {
    let world = World::new(store).await;
    let business_id = BusinessId::from_uuid(world.uuid());
    let member = Member { business_id, ..world.new_member() };
    assert_not_found(store.create_member(&member).await);
    let mut agent = world.new_agent();
    agent.business_id = business_id;
    assert_not_found(store.create_agent(&agent).await);
    let mut channel = world.new_channel();
    channel.business_id = business_id;
    assert_not_found(store.create_channel(&channel, &Default::default()).await);
    let mut contact = world.new_contact(&["ann"]);
    contact.business_id = business_id;
    assert_not_found(store.create_contact(&contact).await);
    let mut flow = world.new_flow();
    flow.business_id = business_id;
    assert_not_found(store.create_flow(&flow).await);
}

/// A key is found by the digest of its token, in whatever business it is.
pub async fn api_key_is_found_by_its_token(store: &dyn Store) {
    let world = World::new(store).await;
    let key = world.new_api_key();
    assert_not_found(store.api_key_by_token(&key.token_sha256).await);
    store.create_api_key(&key).await.unwrap();
    assert_eq!(store.api_key_by_token(&key.token_sha256).await, Ok(key.clone()));
    let listed = store.api_keys(world.business, &PageRequest::default()).await.unwrap().items;
    assert_eq!(listed, [key]);
}

/// Two keys never share a token, not even in two businesses.
pub async fn api_key_token_is_unique(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let key = world.new_api_key();
    store.create_api_key(&key).await.unwrap();
    let twin = ApiKey { token_sha256: key.token_sha256, ..rival.new_api_key() };
    assert_conflict(store.create_api_key(&twin).await);
}

/// A revoked key opens nothing, is still listed, and can be revoked again.
pub async fn api_key_revoked_is_not_found(store: &dyn Store) {
    let world = World::new(store).await;
    let key = world.new_api_key();
    store.create_api_key(&key).await.unwrap();
    store.revoke_api_key(world.business, key.id, at(5)).await.unwrap();
    store.revoke_api_key(world.business, key.id, at(9)).await.unwrap();
    assert_not_found(store.api_key_by_token(&key.token_sha256).await);
    let listed = store.api_keys(world.business, &PageRequest::default()).await.unwrap().items;
    assert_eq!(listed, [ApiKey { revoked_at: Some(at(5)), ..key }]);
    let missing = ApiKeyId::from_uuid(world.uuid());
    assert_not_found(store.revoke_api_key(world.business, missing, at(5)).await);
}

/// A key acts for a member of its own business.
pub async fn api_key_needs_its_member(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let missing = MemberId::from_uuid(world.uuid());
    for member_id in [missing, rival.member] {
        assert_not_found(store.create_api_key(&ApiKey { member_id, ..world.new_api_key() }).await);
    }
}
