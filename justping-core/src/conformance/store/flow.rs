//! Flows and their versions.

use serde_json::json;

use crate::conformance::fixture::{
    FINISH, World, assert_conflict, assert_not_found, assert_stale, at, next_one,
};
use crate::model::{Flow, FlowId, FlowVersion, FlowVersionId, PageRequest};
use crate::port::Store;

async fn stored_flow(world: &World<'_>) -> Flow {
    let flow = world.new_flow();
    world.store.create_flow(&flow).await.unwrap();
    flow
}

/// A flow is read and listed as it was created, once.
pub async fn flow_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = world.new_flow();
    assert_not_found(store.flow(world.business, flow.id).await);
    store.create_flow(&flow).await.unwrap();
    assert_eq!(store.flow(world.business, flow.id).await, Ok(flow.clone()));
    assert_conflict(store.create_flow(&flow).await);
    let listed = store.flows(world.business, &PageRequest::default()).await.unwrap().items;
    assert_eq!(listed, [flow]);
}

/// Of two who edit a flow at once, the second is told.
pub async fn flow_update_checks_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let before = stored_flow(&world).await;
    let change = Flow { name: "Bye".to_owned(), draft: json!({ "n": 2 }), ..before.clone() };
    let after = store.update_flow(&change).await.unwrap();
    assert_eq!(after, Flow { revision: before.revision + 1, ..change.clone() });
    assert_eq!(store.flow(world.business, before.id).await, Ok(after));
    assert_stale(store.update_flow(&change).await);
    let missing = Flow { id: FlowId::from_uuid(world.uuid()), ..change };
    assert_not_found(store.update_flow(&missing).await);
}

/// An edit never changes what is published.
pub async fn flow_update_keeps_what_is_published(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = stored_flow(&world).await;
    let version =
        store.publish_flow(&world.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap();
    let stored = store.flow(world.business, flow.id).await.unwrap();
    let change = Flow { published: None, updated_at: at(9), ..stored };
    let after = store.update_flow(&change).await.unwrap();
    assert_eq!(after.published, Some(version.id));
}

/// Publishing does not disturb who is editing: the flow keeps its revision.
pub async fn flow_publish_keeps_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = stored_flow(&world).await;
    store.publish_flow(&world.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap();
    store.update_flow(&flow).await.unwrap();
}

/// Versions count up, and the newest is current.
pub async fn flow_publish_numbers_versions(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = stored_flow(&world).await;
    for (number, content) in [(1, "a"), (2, "b"), (3, "c")] {
        let draft = world.new_version(flow.id, content);
        let version = store.publish_flow(&draft, &FINISH, at(1)).await.unwrap();
        assert_eq!(version, FlowVersion { number, ..draft });
        assert_eq!(store.flow_version(world.business, version.id).await, Ok(version.clone()));
        let current = store.flow(world.business, flow.id).await.unwrap().published;
        assert_eq!(current, Some(version.id));
    }
    let missing = FlowVersionId::from_uuid(world.uuid());
    assert_not_found(store.flow_version(world.business, missing).await);
}

/// Content that was published before is made current again, not stored twice.
pub async fn flow_publish_stores_content_once(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = stored_flow(&world).await;
    let first = store.publish_flow(&world.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap();
    store.publish_flow(&world.new_version(flow.id, "b"), &FINISH, at(1)).await.unwrap();
    let again = store.publish_flow(&world.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap();
    assert_eq!(again, first);
    let flow = store.flow(world.business, flow.id).await.unwrap();
    assert_eq!(flow.published, Some(first.id));
    let other = stored_flow(&world).await;
    let version =
        store.publish_flow(&world.new_version(other.id, "a"), &FINISH, at(1)).await.unwrap();
    assert_eq!((version.flow_id, version.number), (other.id, 1));
}

/// Versions of a flow that does not exist are not published.
pub async fn flow_publish_needs_its_flow(store: &dyn Store) {
    let world = World::new(store).await;
    let version = world.new_version(FlowId::from_uuid(world.uuid()), "a");
    assert_not_found(store.publish_flow(&version, &FINISH, at(1)).await);
    assert_not_found(store.flow_version(world.business, version.id).await);
}

/// Versions are listed by number, a page at a time.
pub async fn flow_versions_are_listed_by_number(store: &dyn Store) {
    let world = World::new(store).await;
    let flow = stored_flow(&world).await;
    for content in ["a", "b", "c"] {
        store.publish_flow(&world.new_version(flow.id, content), &FINISH, at(1)).await.unwrap();
    }
    let page = PageRequest::first(2);
    let first = store.flow_versions(world.business, flow.id, &page).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2]);
    let second = store.flow_versions(world.business, flow.id, &next_one(&first)).await.unwrap();
    assert_eq!((second.items[0].number, second.next), (3, None));
    let missing = FlowId::from_uuid(world.uuid());
    assert_not_found(store.flow_versions(world.business, missing, &page).await);
}

/// A flow that was published stays; one that never was goes.
pub async fn flow_delete_refuses_what_was_published(store: &dyn Store) {
    let world = World::new(store).await;
    let (kept, spare) = (stored_flow(&world).await, stored_flow(&world).await);
    store.publish_flow(&world.new_version(kept.id, "a"), &FINISH, at(1)).await.unwrap();
    assert_conflict(store.delete_flow(world.business, kept.id).await);
    store.delete_flow(world.business, spare.id).await.unwrap();
    assert_not_found(store.flow(world.business, spare.id).await);
    assert_not_found(store.delete_flow(world.business, spare.id).await);
}
