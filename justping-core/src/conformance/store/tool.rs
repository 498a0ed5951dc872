//! Tools that businesses have set up, with their secrets.

use serde_json::json;

use crate::conformance::fixture::{
    World, assert_conflict, assert_invalid, assert_not_found, assert_stale, at, next_one, nonsense,
};
use crate::model::{BusinessId, PageRequest, TOOLS_MAX, ToolConfig, ToolId, ToolSecrets};
use crate::port::Store;

fn new_tool(world: &World<'_>, name: &str) -> ToolConfig {
    ToolConfig {
        id: ToolId::from_uuid(world.uuid()),
        business_id: world.business,
        name: name.to_owned(),
        kind: "http".to_owned(),
        description: "Finds orders. \u{0} é \"".to_owned(),
        settings: json!({"url": "https://shop.example/{id}", "number": 0.1}),
        enabled: true,
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn add(world: &World<'_>, name: &str) -> ToolConfig {
    let tool = new_tool(world, name);
    world.store.create_tool(&tool, &ToolSecrets::new()).await.unwrap();
    tool
}

fn exposed(secrets: &ToolSecrets) -> Vec<(&str, &str)> {
    secrets.expose().collect()
}

/// A tool is read and found by its name as it was created, once.
pub async fn tool_is_created_once(store: &dyn Store) {
    let world = World::new(store).await;
    let tool = new_tool(&world, "orders");
    assert_not_found(store.tool(world.business, tool.id).await);
    assert_not_found(store.tool_by_name(world.business, "orders").await);
    store.create_tool(&tool, &ToolSecrets::new()).await.unwrap();
    assert_eq!(store.tool(world.business, tool.id).await, Ok(tool.clone()));
    assert_eq!(store.tool_by_name(world.business, "orders").await, Ok(tool.clone()));
    assert_conflict(store.create_tool(&tool, &ToolSecrets::new()).await);
    let other = ToolConfig { name: "others".to_owned(), ..tool };
    assert_conflict(store.create_tool(&other, &ToolSecrets::new()).await);
    let nobody = BusinessId::from_uuid(world.uuid());
    let lost = ToolConfig { business_id: nobody, ..new_tool(&world, "lost") };
    assert_not_found(store.create_tool(&lost, &ToolSecrets::new()).await);
}

/// A name is taken once in a business, and by another business too.
pub async fn tool_name_is_unique_in_its_business(store: &dyn Store) {
    let (world, rival) = (World::new(store).await, World::new(store).await);
    let orders = add(&world, "orders").await;
    add(&rival, "orders").await;
    assert_conflict(store.create_tool(&new_tool(&world, "orders"), &ToolSecrets::new()).await);
    let stock = add(&world, "stock").await;
    let renamed = ToolConfig { name: "orders".to_owned(), ..stock.clone() };
    assert_conflict(store.update_tool(&renamed, None).await);
    assert_eq!(store.tool(world.business, stock.id).await, Ok(stock));
    let renamed = ToolConfig { name: "sales".to_owned(), ..orders };
    store.update_tool(&renamed, None).await.unwrap();
    assert_not_found(store.tool_by_name(world.business, "orders").await);
    add(&world, "orders").await;
}

/// Tools are listed by id, a page at a time.
pub async fn tools_are_listed_by_id(store: &dyn Store) {
    let world = World::new(store).await;
    let mut ids = Vec::new();
    for name in ["c", "a", "b"] {
        ids.push(add(&world, name).await.id);
    }
    let first = store.tools(world.business, &PageRequest::first(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.id).collect::<Vec<_>>(), ids[..2]);
    let second = store.tools(world.business, &next_one(&first)).await.unwrap();
    assert_eq!((second.items[0].id, second.next), (ids[2], None));
    assert_invalid(store.tools(world.business, &nonsense()).await);
}

/// Of two who change a tool at once, the second is told; what never changes does not.
pub async fn tool_update_checks_the_revision(store: &dyn Store) {
    let world = World::new(store).await;
    let before = add(&world, "orders").await;
    let change = ToolConfig {
        kind: "another".to_owned(),
        created_at: at(99),
        enabled: false,
        settings: json!({}),
        updated_at: at(9),
        ..before.clone()
    };
    let after = store.update_tool(&change, None).await.unwrap();
    let kept = ToolConfig { kind: before.kind, created_at: at(0), ..change.clone() };
    assert_eq!(after, ToolConfig { revision: 2, ..kept });
    assert_eq!(store.tool(world.business, before.id).await, Ok(after.clone()));
    let secrets = [("token", "late")].into_iter().collect();
    assert_stale(store.update_tool(&change, Some(&secrets)).await);
    assert_eq!(store.tool(world.business, before.id).await, Ok(after));
    assert_eq!(exposed(&store.tool_secrets(world.business, before.id).await.unwrap()), []);
    let missing = ToolConfig { id: ToolId::from_uuid(world.uuid()), ..change };
    assert_not_found(store.update_tool(&missing, None).await);
}

/// Secrets are opened as they were set; an update sets those it names.
pub async fn tool_secrets_are_set_one_by_one(store: &dyn Store) {
    let world = World::new(store).await;
    let tool = new_tool(&world, "orders");
    let secrets: ToolSecrets = [("key", "s1"), ("token", "t1")].into_iter().collect();
    store.create_tool(&tool, &secrets).await.unwrap();
    let stored = store.tool_secrets(world.business, tool.id).await.unwrap();
    assert_eq!(exposed(&stored), [("key", "s1"), ("token", "t1")]);
    let change = [("token", "t2"), ("more", "m")].into_iter().collect();
    let next = store.update_tool(&tool, Some(&change)).await.unwrap();
    store.update_tool(&next, None).await.unwrap();
    let stored = store.tool_secrets(world.business, tool.id).await.unwrap();
    assert_eq!(exposed(&stored), [("key", "s1"), ("more", "m"), ("token", "t2")]);
    assert_not_found(store.tool_secrets(world.business, ToolId::from_uuid(world.uuid())).await);
}

/// With a tool go its secrets, and its name is free.
pub async fn tool_goes_with_its_secrets(store: &dyn Store) {
    let world = World::new(store).await;
    let tool = new_tool(&world, "orders");
    let secrets = [("token", "t1")].into_iter().collect();
    store.create_tool(&tool, &secrets).await.unwrap();
    store.delete_tool(world.business, tool.id).await.unwrap();
    assert_not_found(store.tool(world.business, tool.id).await);
    assert_not_found(store.tool_by_name(world.business, "orders").await);
    assert_not_found(store.tool_secrets(world.business, tool.id).await);
    assert_not_found(store.delete_tool(world.business, tool.id).await);
    store.create_tool(&tool, &ToolSecrets::new()).await.unwrap();
    assert_eq!(exposed(&store.tool_secrets(world.business, tool.id).await.unwrap()), []);
}

/// A business has so many tools and no more.
pub async fn tools_are_bounded(store: &dyn Store) {
    let world = World::new(store).await;
    for number in 0..TOOLS_MAX {
        add(&world, &format!("tool_{number}")).await;
    }
    let more = new_tool(&world, "more");
    assert_invalid(store.create_tool(&more, &ToolSecrets::new()).await);
    assert_not_found(store.tool(world.business, more.id).await);
    let first = store.tool_by_name(world.business, "tool_0").await.unwrap();
    store.update_tool(&first, None).await.unwrap();
    store.delete_tool(world.business, first.id).await.unwrap();
    store.create_tool(&more, &ToolSecrets::new()).await.unwrap();
}

/// Tools of another business are neither read, found, opened, listed, changed nor removed.
pub async fn foreign_tools_are_hidden(store: &dyn Store) {
    let (ours, theirs) = (World::new(store).await, World::new(store).await);
    let tool = new_tool(&ours, "orders");
    let secrets: ToolSecrets = [("token", "t1")].into_iter().collect();
    store.create_tool(&tool, &secrets).await.unwrap();
    let thief = theirs.business;
    assert_not_found(store.tool(thief, tool.id).await);
    assert_not_found(store.tool_by_name(thief, "orders").await);
    assert_not_found(store.tool_secrets(thief, tool.id).await);
    let stolen = ToolConfig { business_id: thief, ..tool.clone() };
    assert_not_found(store.update_tool(&stolen, Some(&secrets)).await);
    assert_not_found(store.delete_tool(thief, tool.id).await);
    assert_eq!(store.tools(thief, &PageRequest::default()).await.unwrap().items, []);
    assert_eq!(store.tool(ours.business, tool.id).await, Ok(tool));
}
