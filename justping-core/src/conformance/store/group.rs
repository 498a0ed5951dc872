//! Groups, and who is in them.

use std::collections::BTreeSet;

use crate::conformance::fixture::{
    World, assert_conflict, assert_invalid, assert_not_found, assert_stale, at, next_one, nonsense,
    together,
};
use crate::model::{
    BusinessId, ContactId, ContactPatch, GROUP_NAME_MAX_CHARS, GROUPS_MAX, GROUPS_OF_CONTACT_MAX,
    Group, GroupId, PageRequest,
};
use crate::port::store::{GROUP_BATCH_MAX, TurnCommit};
use crate::port::{Store, StoreError};

fn new_group(world: &World<'_>, name: &str) -> Group {
    Group {
        id: GroupId::from_uuid(world.uuid()),
        business_id: world.business,
        name: name.to_owned(),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// Makes a group.
pub(super) async fn add_group(world: &World<'_>, name: &str) -> GroupId {
    let group = new_group(world, name);
    world.store.create_group(&group).await.unwrap();
    group.id
}

async fn people(world: &World<'_>, count: usize) -> Vec<ContactId> {
    let mut ids = Vec::with_capacity(count);
    for number in 0..count {
        ids.push(world.add_contact(&[&format!("p{number}")]).await.id);
    }
    ids
}

/// Who is in a group, and since which second.
async fn inside(world: &World<'_>, group: GroupId) -> Vec<(ContactId, i64)> {
    let page = PageRequest::first(200);
    let rows = world.store.memberships(world.business, group, &page).await.unwrap().items;
    assert_eq!(world.store.group_size(world.business, group).await, Ok(rows.len() as u64));
    assert!(rows.iter().all(|row| (row.business_id, row.group_id) == (world.business, group)));
    rows.iter().map(|row| (row.contact_id, row.since.duration_since(at(0)).as_secs())).collect()
}

async fn groups_of(world: &World<'_>, contact: ContactId) -> BTreeSet<GroupId> {
    let mut groups = world.store.groups_of(world.business, &[contact]).await.unwrap();
    groups.remove(&contact).unwrap_or_default()
}

fn joining(groups: &[GroupId]) -> ContactPatch {
    ContactPatch { join_groups: groups.iter().copied().collect(), ..ContactPatch::default() }
}

fn leaving(groups: &[GroupId]) -> ContactPatch {
    ContactPatch { leave_groups: groups.iter().copied().collect(), ..ContactPatch::default() }
}

/// A group is read as it was created, once.
pub async fn group_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let group = new_group(&world, "Regulars \u{0} é \"");
    assert_not_found(store.group(world.business, group.id).await);
    store.create_group(&group).await.unwrap();
    assert_eq!(store.group(world.business, group.id).await, Ok(group.clone()));
    assert_conflict(store.create_group(&group).await);
    let other = Group { name: "Others".to_owned(), ..group };
    assert_conflict(store.create_group(&other).await);
    let nobody = BusinessId::from_uuid(world.uuid());
    let lost = Group { business_id: nobody, ..new_group(&world, "lost") };
    assert_not_found(store.create_group(&lost).await);
}

/// A name is taken once in a business, and by another business too.
pub async fn group_name_is_unique_in_its_business(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let regulars = add_group(&world, "Regulars").await;
    add_group(&rival, "Regulars").await;
    assert_conflict(store.create_group(&new_group(&world, "Regulars")).await);
    let guests = add_group(&world, "Guests").await;
    let guests = store.group(world.business, guests).await.unwrap();
    let renamed = Group { name: "Regulars".to_owned(), ..guests.clone() };
    assert_conflict(store.update_group(&renamed).await);
    assert_eq!(store.group(world.business, guests.id).await, Ok(guests));
    store.delete_group(world.business, regulars).await.unwrap();
    store.update_group(&renamed).await.unwrap();
}

/// A name that is empty, too long or not trimmed is refused, and nothing is stored.
pub async fn group_name_is_trimmed_and_short(store: &dyn Store) {
    let world = World::new(store).await;
    let long = "é".repeat(GROUP_NAME_MAX_CHARS);
    let id = add_group(&world, &long).await;
    let group = store.group(world.business, id).await.unwrap();
    for name in ["", " ", " a", "a\n", &format!("{long}x")] {
        let refused = new_group(&world, name);
        assert_invalid(store.create_group(&refused).await);
        assert_not_found(store.group(world.business, refused.id).await);
        assert_invalid(store.update_group(&Group { name: name.into(), ..group.clone() }).await);
    }
    assert_eq!(store.group(world.business, id).await, Ok(group));
}

/// Of two who rename a group at once, the second is told; what never changes does not.
pub async fn group_update_checks_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let id = add_group(&world, "Regulars").await;
    let before = store.group(world.business, id).await.unwrap();
    let change = Group {
        name: "Friends".to_owned(),
        created_at: at(99),
        updated_at: at(9),
        ..before.clone()
    };
    let after = store.update_group(&change).await.unwrap();
    assert_eq!(after, Group { revision: 2, created_at: at(0), ..change.clone() });
    assert_eq!(store.group(world.business, id).await, Ok(after.clone()));
    assert_stale(store.update_group(&change).await);
    assert_eq!(store.group(world.business, id).await, Ok(after));
    let missing = Group { id: GroupId::from_uuid(world.uuid()), ..change };
    assert_not_found(store.update_group(&missing).await);
}

/// Groups are listed by id, a page at a time.
pub async fn groups_are_listed_by_id(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for name in ["c", "a", "b"] {
        ids.push(add_group(&world, name).await);
    }
    let first = store.groups(world.business, &PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.id).collect::<Vec<_>>(), ids[..2]);
    let second = store.groups(world.business, &next_one(&first)).await.unwrap();
    assert_eq!((second.items[0].id, second.next), (ids[2], None));
    assert_invalid(store.groups(world.business, &nonsense()).await);
}

/// A business has so many groups and no more.
pub async fn groups_are_bounded(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let mut last = None;
    for number in 0..GROUPS_MAX {
        last = Some(add_group(&world, &format!("g{number}")).await);
    }
    assert_invalid(store.create_group(&new_group(&world, "more")).await);
    add_group(&rival, "more").await;
    store.delete_group(world.business, last.unwrap()).await.unwrap();
    add_group(&world, "more").await;
}

/// Contacts are put in and taken out, each once however often it is asked.
pub async fn group_takes_contacts_once(store: &dyn Store) {
    let world = World::new(store).await;
    let group = add_group(&world, "Regulars").await;
    let ids = people(&world, 3).await;
    let business = world.business;
    let twice = [ids[1], ids[0], ids[1]];
    assert_eq!(store.add_to_group(business, group, &twice, at(5)).await, Ok(2));
    assert_eq!(store.add_to_group(business, group, &ids, at(9)).await, Ok(1));
    assert_eq!(inside(&world, group).await, [(ids[0], 5), (ids[1], 5), (ids[2], 9)]);
    assert_eq!(store.remove_from_group(business, group, &[ids[1], ids[1]]).await, Ok(1));
    assert_eq!(store.remove_from_group(business, group, &[ids[1]]).await, Ok(0));
    assert_eq!(inside(&world, group).await, [(ids[0], 5), (ids[2], 9)]);
    assert_eq!(store.add_to_group(business, group, &[], at(9)).await, Ok(0));
}

/// To be in a group changes nothing of the contact itself.
pub async fn group_leaves_contacts_as_they_are(store: &dyn Store) {
    let world = World::new(store).await;
    let group = add_group(&world, "Regulars").await;
    let ann = world.add_contact(&["ann"]).await;
    store.add_to_group(world.business, group, &[ann.id], at(5)).await.unwrap();
    assert_eq!(store.contact(world.business, ann.id).await, Ok(ann.clone()));
    let patched =
        store.patch_contact(world.business, ann.id, &leaving(&[group]), at(6)).await.unwrap();
    assert_eq!(patched, ann);
    assert_eq!(inside(&world, group).await, []);
}

/// A batch with somebody who is not there changes nothing, nor does one that is too long.
pub async fn group_batches_are_whole(store: &dyn Store) {
    let world = World::new(store).await;
    let group = add_group(&world, "Regulars").await;
    let ids = people(&world, 2).await;
    let business = world.business;
    store.add_to_group(business, group, &ids[..1], at(1)).await.unwrap();
    let nobody = ContactId::from_uuid(world.uuid());
    let missing = GroupId::from_uuid(world.uuid());
    assert_not_found(store.add_to_group(business, group, &[ids[1], nobody], at(2)).await);
    assert_not_found(store.remove_from_group(business, group, &[ids[0], nobody]).await);
    assert_not_found(store.add_to_group(business, missing, &ids, at(2)).await);
    assert_not_found(store.add_to_group(business, missing, &[], at(2)).await);
    assert_not_found(store.remove_from_group(business, missing, &ids).await);
    let long = vec![ids[1]; GROUP_BATCH_MAX + 1];
    assert_invalid(store.add_to_group(business, group, &long, at(2)).await);
    assert_invalid(store.remove_from_group(business, group, &long).await);
    assert_invalid(store.groups_of(business, &long).await);
    assert_eq!(inside(&world, group).await, [(ids[0], 1)]);
    assert_eq!(store.add_to_group(business, group, &long[1..], at(2)).await, Ok(1));
}

/// Who is in a group is listed by contact, a page at a time, and counted.
pub async fn memberships_are_listed_by_contact(store: &dyn Store) {
    let world = World::new(store).await;
    let (group, other) = (add_group(&world, "a").await, add_group(&world, "b").await);
    let ids = people(&world, 5).await;
    store.add_to_group(world.business, group, &ids[1..], at(1)).await.unwrap();
    store.add_to_group(world.business, other, &ids[..2], at(2)).await.unwrap();
    let mut found = Vec::new();
    let mut request = PageRequest::first(3);
    loop {
        let page = store.memberships(world.business, group, &request).await.unwrap();
        found.extend(page.items.iter().map(|row| row.contact_id));
        if page.next.is_none() {
            break;
        }
        request = next_one(&page);
    }
    assert_eq!(found, ids[1..]);
    assert_eq!(store.group_size(world.business, group).await, Ok(4));
    assert_invalid(store.memberships(world.business, group, &nonsense()).await);
    let missing = GroupId::from_uuid(world.uuid());
    assert_not_found(store.memberships(world.business, missing, &request).await);
    assert_not_found(store.group_size(world.business, missing).await);
}

/// The groups of several contacts are read at once.
pub async fn groups_of_contacts_are_told(store: &dyn Store) {
    let world = World::new(store).await;
    let (a, b) = (add_group(&world, "a").await, add_group(&world, "b").await);
    let ids = people(&world, 3).await;
    store.add_to_group(world.business, a, &ids[..2], at(1)).await.unwrap();
    store.add_to_group(world.business, b, &ids[1..2], at(1)).await.unwrap();
    let nobody = ContactId::from_uuid(world.uuid());
    let asked = [ids[2], ids[1], nobody, ids[0], ids[1]];
    let found = store.groups_of(world.business, &asked).await.unwrap();
    assert_eq!(found, [(ids[0], [a].into()), (ids[1], [a, b].into())].into());
    assert!(store.groups_of(world.business, &[]).await.unwrap().is_empty());
}

/// A contact is in so many groups and no more.
pub async fn groups_of_a_contact_are_bounded(store: &dyn Store) {
    let world = World::new(store).await;
    let (ann, bob) = (world.add_contact(&["ann"]).await.id, world.add_contact(&["bob"]).await.id);
    let mut groups = Vec::new();
    for number in 0..=GROUPS_OF_CONTACT_MAX {
        groups.push(add_group(&world, &format!("g{number}")).await);
    }
    let (last, full) = groups.split_last().unwrap();
    let business = world.business;
    store.patch_contact(business, ann, &joining(full), at(1)).await.unwrap();
    assert_invalid(store.add_to_group(business, *last, &[bob, ann], at(2)).await);
    assert_eq!(inside(&world, *last).await, []);
    assert_invalid(store.patch_contact(business, ann, &joining(&[*last]), at(2)).await);
    assert_eq!(store.add_to_group(business, full[0], &[ann, bob], at(2)).await, Ok(1));
    store.delete_group(business, full[0]).await.unwrap();
    assert_eq!(store.add_to_group(business, *last, &[ann], at(3)).await, Ok(1));
}

/// A patch of a contact joins and leaves groups with everything else it changes, or not at all.
pub async fn contact_patch_moves_groups(store: &dyn Store) {
    let world = World::new(store).await;
    let (a, b, c) =
        (add_group(&world, "a").await, add_group(&world, "b").await, add_group(&world, "c").await);
    let mut ann = world.add_contact(&["ann"]).await;
    let business = world.business;
    store.add_to_group(business, a, &[ann.id], at(1)).await.unwrap();
    let patch = ContactPatch {
        name: Some("Ann".to_owned()),
        leave_groups: [a, c].into(),
        ..joining(&[b, c])
    };
    let after = store.patch_contact(business, ann.id, &patch, at(2)).await.unwrap();
    ann.apply(&patch, at(2));
    assert_eq!(after, ann);
    assert_eq!(groups_of(&world, ann.id).await, [b].into());
    assert_eq!(inside(&world, b).await, [(ann.id, 2)]);

    let missing = GroupId::from_uuid(world.uuid());
    for wrong in [joining(&[c, missing]), leaving(&[b, missing])] {
        let wrong = ContactPatch { name: Some("Never".to_owned()), ..wrong };
        let refused = store.patch_contact(business, ann.id, &wrong, at(3)).await;
        assert_eq!(refused, Err(StoreError::NotFound("group")));
    }
    assert_eq!(store.contact(business, ann.id).await, Ok(ann.clone()));
    assert_eq!(groups_of(&world, ann.id).await, [b].into());
    let nobody = ContactId::from_uuid(world.uuid());
    let refused = store.patch_contact(business, nobody, &joining(&[c]), at(3)).await;
    assert_eq!(refused, Err(StoreError::NotFound("contact")));
}

/// With a group go its memberships, and its name is free; the contacts stay.
pub async fn group_delete_empties_it(store: &dyn Store) {
    let world = World::new(store).await;
    let (gone, kept) = (add_group(&world, "gone").await, add_group(&world, "kept").await);
    let ids = people(&world, 2).await;
    let business = world.business;
    for group in [gone, kept] {
        store.add_to_group(business, group, &ids, at(1)).await.unwrap();
    }
    store.delete_group(business, gone).await.unwrap();
    assert_not_found(store.group(business, gone).await);
    assert_not_found(store.memberships(business, gone, &PageRequest::default()).await);
    assert_not_found(store.add_to_group(business, gone, &ids, at(2)).await);
    assert_not_found(store.delete_group(business, gone).await);
    assert_eq!(groups_of(&world, ids[0]).await, [kept].into());
    assert_eq!(inside(&world, kept).await, [(ids[0], 1), (ids[1], 1)]);
    add_group(&world, "gone").await;
    store.contact(business, ids[0]).await.unwrap();
}

/// With a contact go its memberships.
pub async fn contact_delete_leaves_its_groups(store: &dyn Store) {
    let world = World::new(store).await;
    let (group, gone) = (add_group(&world, "a").await, add_group(&world, "b").await);
    let ids = people(&world, 2).await;
    for group in [group, gone] {
        store.add_to_group(world.business, group, &ids, at(1)).await.unwrap();
    }
    store.delete_group(world.business, gone).await.unwrap();
    store.delete_contact(world.business, ids[0]).await.unwrap();
    assert_eq!(inside(&world, group).await, [(ids[1], 1)]);
    assert!(store.groups_of(world.business, &ids[..1]).await.unwrap().is_empty());
}

/// A claimed turn carries the groups of its contact, and only those that are there.
pub async fn claim_carries_groups(store: &dyn Store) {
    let world = World::new(store).await;
    let (a, b, gone) = (
        add_group(&world, "a").await,
        add_group(&world, "b").await,
        add_group(&world, "gone").await,
    );
    let before = world.turn("ann").await;
    assert_eq!(before.groups, [].into());
    world.commit(world.done(&before)).await;
    let contact = before.contact.id;
    let patch = joining(&[a, b, gone]);
    store.patch_contact(world.business, contact, &patch, at(0)).await.unwrap();
    store.delete_group(world.business, gone).await.unwrap();
    let mut claims = Vec::new();
    for (who, reference) in [("ann", "m7"), ("bob", "m8")] {
        world.accept(world.hello(who, reference)).await;
        claims.push(world.claim_one(at(0)).await);
    }
    assert_eq!((claims[0].contact.id, &claims[0].groups), (contact, &[a, b].into()));
    assert_eq!(claims[1].groups, [].into());
}

/// A turn joins and leaves groups as part of its commit, and passes over those that are not there.
pub async fn commit_moves_groups(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let (a, b, gone) = (
        add_group(&world, "a").await,
        add_group(&world, "b").await,
        add_group(&world, "gone").await,
    );
    let foreign = add_group(&rival, "foreign").await;
    store.delete_group(world.business, gone).await.unwrap();
    let claim = world.turn("ann").await;
    let contact = claim.contact.id;
    store.add_to_group(world.business, a, &[contact], at(0)).await.unwrap();
    let mut commit = world.done(&claim);
    commit.contact = ContactPatch { leave_groups: [a].into(), ..joining(&[b, gone, foreign]) };
    world.commit(commit).await;
    assert_eq!(groups_of(&world, contact).await, [b].into());
    assert_eq!(inside(&world, b).await.len(), 1);
    assert_eq!(inside(&world, a).await, []);
    assert_eq!(inside(&rival, foreign).await, []);
    assert_eq!(store.contact(world.business, contact).await, Ok(claim.contact));
}

/// A turn that is not committed moves nobody; one that joins too many groups joins what fits.
pub async fn commit_joins_what_fits(store: &dyn Store) {
    let world = World::new(store).await;
    let mut groups = Vec::new();
    for number in 0..=GROUPS_OF_CONTACT_MAX {
        groups.push(add_group(&world, &format!("g{number}")).await);
    }
    let claim = world.turn("ann").await;
    let mut commit = world.done(&claim);
    commit.contact = ContactPatch { name: Some("Ann".to_owned()), ..joining(&groups) };
    let stale = TurnCommit { fence: commit.fence + 1, ..commit.clone() };
    assert_stale(world.try_commit(stale).await);
    assert!(groups_of(&world, claim.contact.id).await.is_empty());
    world.commit(commit).await;
    let (last, fitting) = groups.split_last().unwrap();
    let found = groups_of(&world, claim.contact.id).await;
    assert_eq!(found, fitting.iter().copied().collect());
    assert_eq!(inside(&world, *last).await, []);
    let contact = store.contact(world.business, claim.contact.id).await.unwrap();
    assert_eq!(contact.name.as_deref(), Some("Ann"));
}

/// Of turns of one contact that are committed together, the later ones go on from the earlier.
pub async fn commits_of_one_contact_add_up(store: &dyn Store) {
    let world = World::new(store).await;
    let (a, b, c) =
        (add_group(&world, "a").await, add_group(&world, "b").await, add_group(&world, "c").await);
    let first = world.turn("ann").await;
    store.add_to_group(world.business, c, &[first.contact.id], at(0)).await.unwrap();
    let channel = world.add_channel().await;
    let mut hello = world.hello("ann", "m2");
    hello.channel_id = channel;
    world.accept(hello).await;
    let second = world.claim_one(at(0)).await;
    assert_eq!(second.contact.id, first.contact.id);
    let mut one = world.done(&first);
    one.contact = ContactPatch { leave_groups: [c].into(), ..joining(&[a, b]) };
    let mut two = world.done(&second);
    two.contact = ContactPatch { leave_groups: [a].into(), ..joining(&[c]) };
    let expected = two.now.duration_since(at(0)).as_secs();
    for outcome in store.commit_turns(vec![one, two]).await.unwrap() {
        outcome.unwrap();
    }
    assert_eq!(groups_of(&world, first.contact.id).await, [b, c].into());
    assert_eq!(inside(&world, c).await, [(first.contact.id, expected)]);
}

/// Whoever puts contacts in at the same time puts each in once.
pub async fn groups_survive_a_crowd(store: &dyn Store) {
    let world = World::new(store).await;
    let (a, b) = (add_group(&world, "a").await, add_group(&world, "b").await);
    let ids = people(&world, 8).await;
    let backwards: Vec<_> = ids.iter().rev().copied().collect();
    let crowd = (0..12).map(|number| {
        let (group, list) = if number % 2 == 0 { (a, &ids) } else { (b, &backwards) };
        store.add_to_group(world.business, group, list, at(1))
    });
    let added: u64 = together(crowd).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(added, 16);
    assert_eq!(inside(&world, a).await.len() + inside(&world, b).await.len(), 16);
}

/// Groups of another business are neither read, listed, changed, filled nor removed; nor do its
/// contacts come into ours.
pub async fn foreign_groups_are_hidden(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    let id = add_group(&ours, "Regulars").await;
    let group = store.group(ours.business, id).await.unwrap();
    let (ann, eve) = (ours.add_contact(&["ann"]).await.id, theirs.add_contact(&["eve"]).await.id);
    store.add_to_group(ours.business, id, &[ann], at(1)).await.unwrap();
    let (thief, page) = (theirs.business, PageRequest::default());
    assert_not_found(store.group(thief, id).await);
    assert_not_found(store.update_group(&Group { business_id: thief, ..group.clone() }).await);
    assert_not_found(store.delete_group(thief, id).await);
    assert_eq!(store.groups(thief, &page).await.unwrap().items, []);
    assert_not_found(store.memberships(thief, id, &page).await);
    assert_not_found(store.group_size(thief, id).await);
    assert_not_found(store.add_to_group(thief, id, &[eve], at(2)).await);
    assert_not_found(store.remove_from_group(thief, id, &[ann]).await);
    assert_not_found(store.add_to_group(ours.business, id, &[eve], at(2)).await);
    assert_not_found(store.patch_contact(thief, eve, &joining(&[id]), at(2)).await);
    assert!(store.groups_of(thief, &[ann]).await.unwrap().is_empty());
    assert_eq!(store.group(ours.business, id).await, Ok(group));
    assert_eq!(inside(&ours, id).await, [(ann, 1)]);
}
