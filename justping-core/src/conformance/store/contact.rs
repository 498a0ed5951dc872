//! Contacts and their identities.

use std::collections::BTreeSet;

use serde_json::json;

use crate::conformance::fixture::{
    World, assert_conflict, assert_not_found, at, identity, next_one,
};
use crate::model::{ChannelKind, ContactId, ContactPatch, PageRequest};
use crate::port::Store;

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

/// A contact is read, found and listed as it was created, once.
pub async fn contact_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let mut contact = world.new_contact(&["ann", "ann2"]);
    contact.name = Some("Ann".to_owned());
    contact.fields.insert("plan".to_owned(), json!({ "level": 3 }));
    contact.tags = set(["vip".to_owned()]);
    contact.opted_out = set([ChannelKind::WHATSAPP]);
    contact.time_zone = Some("Asia/Kolkata".to_owned());
    assert_not_found(store.contact(world.business, contact.id).await);
    store.create_contact(&contact).await.unwrap();
    assert_eq!(store.contact(world.business, contact.id).await, Ok(contact.clone()));
    for id in ["ann", "ann2"] {
        let found = store.contact_by_identity(world.business, &identity(id)).await;
        assert_eq!(found, Ok(contact.clone()));
    }
    assert_not_found(store.contact_by_identity(world.business, &identity("bob")).await);
    contact.identities.clear();
    assert_conflict(store.create_contact(&contact).await);
}

/// Contacts are listed by id, a page at a time.
pub async fn contacts_are_listed_by_id(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for who in ["ann", "bob", "cem"] {
        ids.push(world.add_contact(&[who]).await.id);
    }
    let first = store.contacts(world.business, &PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.id).collect::<Vec<_>>(), ids[..2]);
    let second = store.contacts(world.business, &next_one(&first)).await.unwrap();
    assert_eq!((second.items[0].id, second.next), (ids[2], None));
}

/// An identity belongs to one contact of a business; another business may know it too.
pub async fn contact_identity_is_unique(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    world.add_contact(&["ann"]).await;
    let twin = world.new_contact(&["new", "ann"]);
    assert_conflict(store.create_contact(&twin).await);
    assert_not_found(store.contact(world.business, twin.id).await);
    assert_not_found(store.contact_by_identity(world.business, &identity("new")).await);
    rival.add_contact(&["ann"]).await;
}

/// A patch changes what it names and nothing else.
pub async fn contact_patch_changes_what_it_names(store: &dyn Store) {
    let world = World::new(store).await;
    let mut expected = world.add_contact(&["ann"]).await;
    let patch = ContactPatch {
        name: Some("Ann".to_owned()),
        fields: [("plan".to_owned(), json!("gold")), ("age".to_owned(), json!(7))].into(),
        add_tags: set(["vip".to_owned(), "new".to_owned()]),
        opt_out: set([ChannelKind::MEMORY]),
        locale: Some("tr".to_owned()),
        ..ContactPatch::default()
    };
    let after = store.patch_contact(world.business, expected.id, &patch, at(3)).await.unwrap();
    expected.apply(&patch, at(3));
    assert_eq!(after, expected);
    let patch = ContactPatch {
        fields: [("plan".to_owned(), json!(null))].into(),
        remove_tags: set(["new".to_owned()]),
        opt_in: set([ChannelKind::MEMORY]),
        ..ContactPatch::default()
    };
    store.patch_contact(world.business, expected.id, &patch, at(4)).await.unwrap();
    expected.apply(&patch, at(4));
    assert_eq!(store.contact(world.business, expected.id).await, Ok(expected));
    let missing = ContactId::from_uuid(world.uuid());
    assert_not_found(store.patch_contact(world.business, missing, &patch, at(4)).await);
}

/// Identities are added to the contact that has a known one, each once.
pub async fn link_adds_identities_once(store: &dyn Store) {
    let world = World::new(store).await;
    let ann = world.add_contact(&["ann"]).await;
    let also = [identity("ann2"), identity("ann"), identity("ann2")];
    for _ in 0..2 {
        let linked =
            store.link_identities(world.business, &identity("ann"), &also, at(3)).await.unwrap();
        assert_eq!(linked.identities, [identity("ann"), identity("ann2")]);
    }
    let found = store.contact_by_identity(world.business, &identity("ann2")).await.unwrap();
    assert_eq!(found.id, ann.id);
    let unknown = identity("nobody");
    assert_not_found(store.link_identities(world.business, &unknown, &also, at(3)).await);
}

/// Identities of another contact stay there.
pub async fn link_takes_no_identity_away(store: &dyn Store) {
    let world = World::new(store).await;
    world.add_contact(&["ann"]).await;
    let bob = world.add_contact(&["bob"]).await;
    let also = [identity("bob"), identity("ann2")];
    let linked =
        store.link_identities(world.business, &identity("ann"), &also, at(3)).await.unwrap();
    assert_eq!(linked.identities, [identity("ann"), identity("ann2")]);
    let found = store.contact_by_identity(world.business, &identity("bob")).await;
    assert_eq!(found, Ok(bob));
}

/// A contact with conversations stays; one without goes, and its identities are free again.
pub async fn contact_delete_refuses_while_used(store: &dyn Store) {
    let world = World::new(store).await;
    let used = world.quiet("ann").await.contact_id;
    let spare = world.add_contact(&["bob"]).await;
    assert_conflict(store.delete_contact(world.business, used).await);
    store.delete_contact(world.business, spare.id).await.unwrap();
    assert_not_found(store.contact(world.business, spare.id).await);
    assert_not_found(store.contact_by_identity(world.business, &identity("bob")).await);
    assert_not_found(store.delete_contact(world.business, spare.id).await);
    world.add_contact(&["bob"]).await;
}
